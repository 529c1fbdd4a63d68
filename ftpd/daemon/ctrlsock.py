"""The control socket: made where nothing of another's is in the way, one request a connection, strangers kept out."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import select
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from ftpd.core import ctrlwire
from ftpd.core.ctrlwire import Answer, MalformedError, Request
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import debug
from ftpd.daemon.errors import StartError
from ftpd.module.control import Asker, Status

_PATIENCE = 5.0
"""Seconds for a request to come in whole, and for its answer to go out."""
_LOOKS = 0.01
"""Seconds between two looks whether another has taken the place."""
_STRANGERS = 16
"""Connections of those who may not ask: they are told so, and are never in the way of those who may."""


Place = tuple[int, int]
"""Device and inode of a socket."""


class ControlSocket:
    """One listening socket; ``admits`` says who may ask at all, ``answer`` is given what they ask."""

    def __init__(
        self, path: str, admits: Callable[[Asker], bool], answer: Callable[[Asker, list[str]], Awaitable[Answer]]
    ) -> None:
        self.path = path
        self.most_clients = 5
        self._admits = admits
        self._answer = answer
        self._asking: set[asyncio.Task[Any]] = set()
        self._clients = 0
        self._strangers = 0
        self._server: asyncio.Server | None = None
        self._file: os.stat_result | None = None

    async def open(self, owner: tuple[int, int] | None = None, *, instead: Place | None = None) -> None:
        """Make the socket and listen; StartError says why that cannot be.

        ``instead`` is what another of the daemon's processes listens at there, which gives way: this one takes its
        place in one step, so that whoever comes is heard by one of the two.
        """
        sock = _bind(self.path, owner, instead=instead)
        with acting_as_daemon():
            self._file = os.lstat(self.path)
        self._server = await asyncio.start_unix_server(self._connected, sock=sock, backlog=_STRANGERS)

    @property
    def place(self) -> Place | None:
        """By what others of the daemon's processes know it."""
        return None if self._file is None else (self._file.st_dev, self._file.st_ino)

    async def give_way(self, seconds: float) -> None:
        """Listen until another has taken the place, for so many seconds at most."""
        end = monotonic() + seconds
        # nothing wakes who waits for what another process does at a path
        while self._is_ours() and monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(_LOOKS)
        if self._is_ours():
            return
        # nobody comes here any more; who has come before that still waits to be taken, and is heard as well
        while self._has_callers():  # noqa: ASYNC110
            await asyncio.sleep(0)
        await asyncio.sleep(_LOOKS)

    def _has_callers(self) -> bool:
        """Whether somebody has connected whom nobody has taken yet."""
        if self._server is None or not self._server.sockets:
            return False
        waiting = select.poll()
        waiting.register(self._server.sockets[0].fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def _is_ours(self) -> bool:
        with acting_as_daemon(), suppress(OSError):
            return self._file is not None and os.path.samestat(os.lstat(self.path), self._file)
        return False

    async def close(self, patience: float = 0) -> None:
        """Remove the socket, if it is still ours, and end the requests that are still under way after a while."""
        if self._server is not None:
            self._server.close()
        with acting_as_daemon(), suppress(OSError):
            if self._is_ours():
                os.unlink(self.path)
        # the request under way may be what has another socket made
        others = self._asking - {asyncio.current_task()}
        if others and patience:
            await asyncio.wait(others, timeout=patience)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    # -- one connection ------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._asking.add(task)
        try:
            asker = await asyncio.to_thread(_asker, writer)
            if self._admits(asker):
                await self._serve(asker, reader, writer)
            else:
                await self._turn_away(asker, reader, writer)
        except TimeoutError:
            debug(1, "control socket: a peer took longer than %g s", _PATIENCE)
        except MalformedError as error:
            debug(1, "control socket: %s", error)
        except (OSError, asyncio.IncompleteReadError) as error:
            debug(2, "control socket: the peer went away: %s", error)
        except asyncio.CancelledError:
            # it is the last that is done here, and asyncio before 3.12 takes it for a fault of ours
            debug(2, "control socket: closed before it was answered")
        finally:
            self._asking.discard(task)
            # not close(): what a peer that does not read has not fetched would be kept for it
            writer.transport.abort()

    async def _serve(self, asker: Asker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients >= self.most_clients:
            debug(1, "control socket: ControlsMaxClients (%d) reached, %s is not heard", self.most_clients, asker)
            return
        self._clients += 1
        try:
            request = await _received(reader)
            await _send(writer, request, await self._answer(asker, request.words))
        finally:
            self._clients -= 1

    async def _turn_away(self, asker: Asker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        debug(1, "control socket: %s is no user or group that ControlsSocketACL lets in", asker)
        if self._strangers >= _STRANGERS:
            return
        self._strangers += 1
        try:
            # read first: ftpdctl would take it for a fault were its request not fetched
            await _send(writer, await _received(reader), Answer(Status.ACCESS_DENIED, ["access denied"]))
        finally:
            self._strangers -= 1


async def _received(reader: asyncio.StreamReader) -> Request:
    parts = ctrlwire.read_request()
    async with asyncio.timeout(_PATIENCE):
        wanted = next(parts)
        while True:
            data = await reader.readexactly(wanted)
            try:
                wanted = parts.send(data)
            except StopIteration as whole:
                request: Request = whole.value
                return request


async def _send(writer: asyncio.StreamWriter, request: Request, answer: Answer) -> None:
    # drain() is to come back only when all of it is in the socket
    writer.transport.set_write_buffer_limits(0)
    async with asyncio.timeout(_PATIENCE):
        writer.write(answer.encode(in_json=request.in_json))
        await writer.drain()


def _asker(writer: asyncio.StreamWriter) -> Asker:
    """Who the peer was as it connected; in a thread, for names may have to be asked for over a network."""
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, gid = struct.unpack("3i", peer)
    user = group = ""
    with suppress(KeyError):
        user = pwd.getpwuid(uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(gid).gr_name
    return Asker(uid, gid, user, group)


def _bind(path: str, owner: tuple[int, int] | None, *, instead: Place | None) -> socket.socket:
    """A socket at that path that everybody may connect to, as the daemon's umask is 0."""
    with acting_as_daemon():
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            place = path if _make_way(path, instead=instead) else f"{path}.{os.getpid()}"
            # neither bind nor lchown follows a link
            sock.bind(place)
            if owner is not None:
                os.lchown(place, *owner)
            if place != path:
                # whole, and in one step: nobody finds nothing there
                sock.listen(_STRANGERS)
                os.rename(place, path)
        except OSError as error:
            sock.close()
            raise StartError(f"unable to make the ControlsSocket {path}: {error.strerror or error}") from None
        except BaseException:
            sock.close()
            raise
    return sock


def _make_way(path: str, *, instead: Place | None) -> bool:
    """Remove the socket that a daemon left which is no more; anything else stays, and is told.

    False where it is what we come ``instead`` of.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True
    if not stat.S_ISSOCK(found.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "no socket"
        raise StartError(f"the ControlsSocket {path} is {what}, and is left alone")
    if (found.st_dev, found.st_ino) == instead:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return True
        except BlockingIOError:
            # its queue is full, so somebody has it
            pass
    raise StartError(f"the ControlsSocket {path} belongs to a daemon that is running")
