"""/etc/shells and /etc/ftpusers: whose account may not be used, by files that are read again when they have changed."""

from __future__ import annotations

import os
from time import time

from ftpd.api import Account, Level, Sign, sign
from ftpd.modules._auth_denied import Denied

SHELLS = "/etc/shells"
FTPUSERS = "/etc/ftpusers"
# what getusershell(3) goes by when there is no /etc/shells
_DEFAULT_SHELLS = frozenset({"/bin/sh", "/bin/csh"})

_OLD = 1.0
"""Seconds that a file has to have been as it is: what is changed later is then changed at another time."""
_read: dict[str, tuple[bytes, Sign, frozenset[str]]] = {}
"""The path of each for the kernel, by what is told that it is as it was, and what stood in it."""


def objection(account: Account, shells: bool, users: bool) -> str:
    """What /etc/shells or /etc/ftpusers has against the account; empty when nothing. Looks at the files."""
    if shells and account.shell not in _words(SHELLS, _DEFAULT_SHELLS):
        return f"Invalid shell: '{account.shell}'"
    if users and account.name in _words(FTPUSERS, frozenset()):
        return f"User in {FTPUSERS}"
    return ""


def _words(path: str, absent: frozenset[str]) -> frozenset[str]:
    """The first words of the lines of a file; only a file that is not there has a default, any other fault denies."""
    try:
        known = _read.get(path)
        if known is not None and known[1] == sign(known[0]):
            return known[2]
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            now, changed = sign(file.fileno()), os.fstat(file.fileno()).st_ctime
            words = frozenset(line.split()[0] for line in file if line.strip() and not line.lstrip().startswith("#"))
    except FileNotFoundError:
        return absent
    except OSError as error:
        raise Denied(f"unable to read {path}: {os.strerror(error.errno or 0)}", level=Level.ERROR) from None
    if changed < time() - _OLD:
        _read[path] = os.fsencode(path), now, words
    return words
