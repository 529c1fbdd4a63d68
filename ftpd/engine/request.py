"""What a line asks for: a verb and its argument, or the reply that it gets without any module being asked."""

from __future__ import annotations

import re
from typing import NamedTuple

from ftpd.core.paths import decode
from ftpd.core.reply import Reply
from ftpd.engine.lines import LineTooLong

INVALID = Reply(500, ("Invalid command: try being more creative",))
TOO_LONG = Reply(500, ("Command line too long",))

# HTTP and SMTP on the FTP port: a browser or a relay is being abused, or a scanner is at work
_HTTP = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SMTP = frozenset({"DATA", "EHLO", "HELO", "MAIL", "RCPT", "RSET", "VRFY"})
# what ends the verb; ProFTPD takes any white space of C's, where RFC 959 has the blank only
_GAP = re.compile("[ \t\n\v\f\r]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_VERBS = (
    "ABOR", "ALLO", "APPE", "CDUP", "CLNT", "CWD", "DELE", "EPRT", "EPSV", "FEAT", "HELP", "LIST", "MDTM", "MFMT",
    "MKD", "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS", "PASS", "PASV", "PORT", "PWD", "QUIT", "REST", "RETR",
    "RMD", "RNFR", "RNTO", "SITE", "SIZE", "STAT", "STOR", "SYST", "TYPE", "USER", "XPWD",
)  # fmt: skip
_USUAL = {spelling.encode(): verb for verb in _VERBS for spelling in (verb, verb.lower())}
"""What nearly every line begins with, needing no closer look."""

_SSH = ("SSH-2.0-", "SSH-1.99-")


class Request(NamedTuple):
    """A line that a module may answer."""

    verb: str
    argument: str


def usual(line: bytes | LineTooLong) -> tuple[str, str] | None:
    """Verb and argument of a line like nearly all; None where :func:`understand` has to look.

    >>> usual(b"retr a b"), usual(b"Retr a"), usual(b"RETR\\ta")
    (('RETR', 'a b'), None, None)
    """
    if line.__class__ is not bytes:
        return None
    word, _, rest = line.partition(b" ")
    verb = _USUAL.get(word)
    if verb is None or b"\0" in rest:
        return None
    return verb, rest.decode("utf-8", "surrogateescape") if rest else ""


def understand(line: bytes | LineTooLong) -> Request | Reply:
    """The request in a line, or why there is none.

    >>> understand(b"retr a b")
    Request(verb='RETR', argument='a b')
    >>> understand(b"NOOP\\t")
    Request(verb='NOOP', argument='')
    >>> understand(b"MKD a\\r\\0b")
    Request(verb='MKD', argument='a\\rb')
    >>> understand(b" NOOP").code
    500
    """
    if isinstance(line, LineTooLong):
        return TOO_LONG
    word, _, rest = line.partition(b" ")
    verb, argument = decode(word), decode(rest)
    if not verb.isalnum():
        # rare: another gap than a blank, or what is no verb at all
        verb, argument = _split(decode(line))
        if not verb or _CONTROL.search(verb):
            return INVALID
    # only ASCII letters have an upper case here: a dotless i must not become an I (and a way past <Limit>)
    verb = verb.upper() if verb.isascii() else verb
    if "\0" in argument:
        # telnet writes a CR that ends no line as CR NUL (RFC 854), and so do names that hold one (RFC 2640 3.1)
        argument = argument.replace("\r\0", "\r")
    if "\0" in argument:
        return Reply(501, (f"{verb}: a NUL byte is not allowed",))
    return Request(verb, argument)


def _split(line: str) -> tuple[str, str]:
    verb, *rest = _GAP.split(line, maxsplit=1)
    return verb, rest[0] if rest else ""


def foreign(line: bytes) -> tuple[str, str] | None:
    """The protocol whose way to begin this is, and its first word, if it is not FTP's.

    A verb that a module knows is none of that. Other protocols have capital letters here, as in ProFTPD: whoever types
    ``get file`` is told that there is no such command.

    >>> foreign(b"GET / HTTP/1.1"), foreign(b"SSH-2.0-OpenSSH_9 x"), foreign(b"get file")
    (('HTTP', 'GET'), ('SSH2', 'SSH-2.0-OpenSSH_9'), None)
    """
    word, _ = _split(decode(line))
    protocol = "HTTP" if word in _HTTP else "SMTP" if word in _SMTP else "SSH2" if word.startswith(_SSH) else ""
    return (protocol, word) if protocol else None


def is_abort(line: bytes | LineTooLong) -> bool:
    """Whether the line is ABOR, which acts at once (RFC 959 4.1.3)."""
    return isinstance(line, bytes) and line.strip().upper() == b"ABOR"
