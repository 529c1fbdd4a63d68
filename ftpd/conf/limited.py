"""The words that <Limit> may name, to tell a slip of the pen from a command, as ProFTPD takes any word at all."""

from __future__ import annotations

from ftpd.conf.known import distance

_NEAR = 3
_SHORT = 3
"""Letters of which two that differ make another word."""

_WORDS = """
ALL READ WRITE DIRS LOGIN SITE
ABOR ACCT ADAT ALLO APPE AUTH CCC CDUP CLNT CONF COPY CSID CWD DELE ENC EPRT EPSV FEAT HARDLINK HASH HELP HOST LANG LINK
LIST LPRT LPSV LSTAT MD5 MDTM MFCT MFF MFMT MIC MKD MLSD MLST MODE NLST NOOP OPENDIR OPTS PASS PASV PBSZ PORT PROT PWD
QUIT RANG READLINK REALPATH REIN REST RETR RMD RNFR RNTO SETSTAT SIZE SMNT SSCN STAT STOR STOU STRU SYMLINK SYST TYPE
USER
"""
WORDS = frozenset(_WORDS.split())

_CALLED = {
    **{name: f"SITE_{name}" for name in ("CHGRP", "CHMOD", "CPFR", "CPTO", "MKDIR", "RMDIR", "UTIME")},
    **dict.fromkeys(("GET", "DOWNLOAD"), "RETR"),
    **dict.fromkeys(("PUT", "UPLOAD"), "STOR"),
    "DELETE": "DELE",
    "DIR": "LIST",
    "LS": "LIST",
    "RENAME": "RNFR RNTO",
}


def doubt(word: str) -> str | None:
    """What is meant instead of a word that no command is called; None where nothing is wrong.

    What begins with X, SITE_ or OPTS_ may be any module's own, and is not doubted.

    >>> doubt("WRTIE"), doubt("stor"), doubt("XHLO"), doubt("CHMOD"), doubt("RTR"), doubt("FOO")[:16]
    ('WRITE', None, None, 'SITE_CHMOD', 'RETR', 'READ, WRITE, DIR')
    """
    name = word.upper()
    if name in WORDS or name.startswith(("X", "SITE_", "OPTS_")):
        return None
    if name in _CALLED:
        return _CALLED[name]
    near, nearest = min((distance(name, known), known) for known in sorted(WORDS))
    return (
        nearest
        if near <= (_NEAR if len(name) > _SHORT else 1)
        else "READ, WRITE, DIRS, LOGIN, ALL, or commands of FTP as RETR and STOR"
    )
