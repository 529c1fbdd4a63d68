"""A port that listens before the daemon does: who comes while it starts waits, where he would be refused.

A start takes a sixth of a second, nearly all of it for imports. Where a glance at the configuration tells which port it
will be, that one listens first; nobody is accepted, and nothing is said, before all is read and right. Where the
glance was wrong, the socket is closed again. This file imports nothing that takes time.
"""

from __future__ import annotations

import _socket
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_BACKLOG = 128
_LONGEST = 1 << 20
_NO_GLANCE = {"include", "includeoptions", "<ifdefine", "<ifversion", "socketbindtight", "workers", "socketoptions"}
"""What says more of addresses than a glance can tell."""
_EVERY = {**dict.fromkeys(("on", "yes", "true", "1"), "::"), **dict.fromkeys(("off", "no", "false", "0"), "0.0.0.0")}
_open: dict[tuple[str, int], _socket.socket] = {}


def open_early(words: list[str]) -> None:
    """Listen where a start with these words will, if that is plain; nothing is said of what cannot be."""
    path = _configuration(words)
    if path is None or "LISTEN_FDS" in os.environ:
        return
    try:
        end = _end(_lines(path))
        if end is not None:
            _open[end] = _listening(*end)
    except (OSError, ValueError):
        # whatever it is, the start comes upon it and tells
        pass


def _configuration(words: list[str]) -> str | None:
    """The file of a command line that asks for nothing but to serve it."""
    path, rest = None, iter(words)
    for word in rest:
        if word in ("-c", "--config"):
            path = next(rest, None)
        elif word not in ("-q", "--quiet", "-n", "--nodaemon"):
            return None
    return path


def _lines(path: str) -> Iterable[bytes]:
    # what can be read once only is not even to be opened: whoever writes to it would take us for its reader
    if not stat.S_ISREG(os.stat(path).st_mode):
        return []
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST).splitlines() if os.fstat(descriptor).st_size < _LONGEST else []
    finally:
        os.close(descriptor)


def _end(lines: Iterable[bytes]) -> tuple[str, int] | None:
    """Every address and the main server's port, where nothing else says where to listen for it."""
    said: dict[str, str] = {}
    sections: list[str] = []
    for line in lines:
        name, *words = line.decode("latin-1").lower().split() or [""]
        if line.rstrip().endswith(b"\\") or name.rstrip(">") in _NO_GLANCE:
            return None
        if name.startswith("</"):
            sections = sections[:-1]
        elif name.startswith("<"):
            sections.append(name)
        elif name in ("port", "useipv6", "servertype") and (name, sections[-1:]) != ("port", ["<virtualhost"]):
            if sections or len(words) != 1 or name in said:
                return None
            said[name] = words[0]
    every, port = _EVERY.get(said.get("useipv6", "on")), said.get("port", "")
    if every is None or said.get("servertype", "standalone") != "standalone" or not (port.isascii() and port.isdigit()):
        return None
    return (every, int(port)) if 0 < int(port) < 1 << 16 else None


def _listening(host: str, port: int) -> _socket.socket:
    """As :func:`ftpd.daemon.listen.bind` has it."""
    family = _socket.AF_INET6 if host == "::" else _socket.AF_INET
    sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        if family == _socket.AF_INET6:
            sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 0)
        for level, option in (
            (_socket.SOL_SOCKET, _socket.SO_REUSEADDR),
            (_socket.SOL_SOCKET, _socket.SO_OOBINLINE),
            (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE),
            (_socket.IPPROTO_TCP, _socket.TCP_NODELAY),
        ):
            sock.setsockopt(level, option, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def keep(wanted: Collection[tuple[str, int]]) -> None:
    """Close what listens and is not wanted."""
    for end in [end for end in _open if end not in wanted]:
        _open.pop(end).close()


def taken(end: tuple[str, int]) -> int | None:
    """The descriptor of what listens there already, which is the asker's from now on."""
    sock = _open.pop(end, None)
    return None if sock is None else sock.detach()
