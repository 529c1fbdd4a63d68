"""A shutdown that ftpshut has announced: nobody is let in from a moment on, and from another on nobody stays."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

from ftpd.core import shutmsg
from ftpd.core.clock import Sweep
from ftpd.core.log import Level, log
from ftpd.core.reply import Reply
from ftpd.core.shutmsg import Shutdown, ShutmsgError, moment, read
from ftpd.engine.control import ControlChannel
from ftpd.engine.doorway import Doorway

_EVERY = 5.0
"""Seconds between looking whether there is a notice, as in ProFTPD."""
_NOBODY = {"C": "(none)", "U": "NONE"}


class Closing:
    """Heeds the notice for one worker."""

    def __init__(self, sweep: Sweep, sessions: Callable[[], Collection[ControlChannel]]) -> None:
        self._sweep = sweep
        self._sessions = sessions
        self._path = shutmsg.PATH
        self._seen: tuple[int, ...] | None = None
        """What the file was like that was read last; None: there was none."""
        self._shutdown: Shutdown | None = None
        self.shut = False
        """Nobody is let in."""
        self._look()

    def _look(self) -> None:
        self._sweep.start(_EVERY, self._look)
        self._heed()
        shutdown = self._shutdown
        now = time.time()
        self.shut = shutdown is not None and now >= shutdown.denies_from
        if shutdown is not None and now >= shutdown.ends_from:
            for channel in self._sessions():
                # the sweep gives others their turn in between, where there are thousands
                self._sweep.start(0, partial(_end, channel, shutdown))

    def _heed(self) -> None:
        try:
            status = os.stat(self._path)
            seen = status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
            if seen == self._seen:
                return
            self._shutdown, self._seen = None, seen
            self._shutdown = read(self._path)
        except FileNotFoundError:
            if self._seen is not None:
                log(Level.NOTICE, "%s is gone: there will be no shutdown, connections are let in", self._path)
            self._shutdown = self._seen = None
        except (OSError, ShutmsgError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            log(Level.WARN, "%s is not heeded: %s; ftpshut writes such a file, and `ftpshut -R` removes it",
                self._path, why)  # fmt: skip
        else:
            if self._shutdown is not None:
                log(Level.NOTICE, "%s: no connection is let in from %s on, and sessions end from %s on", self._path,
                    moment(self._shutdown.denies_from), moment(self._shutdown.ends_from))  # fmt: skip

    def refuse(self, sock: socket.socket, doorway: Doorway, remote: str) -> None:
        """Tell one who has just connected that the server is shut down."""
        assert self._shutdown is not None
        name = doorway.session().setting("ServerName", "")
        text = self._shutdown.text({**_NOBODY, "L": doorway.local.host, "R": remote, "V": name})
        log(Level.NOTICE, "connection refused (%s) from %s [%s]", text, remote, remote)
        with sock, suppress(OSError):
            sock.send(Reply(500, (f"FTP server shut down ({text}) -- please try again later",)).encode())


def _end(channel: ControlChannel, shutdown: Shutdown) -> None:
    """Tell a session of it and end it, transfer or not."""
    if channel.ending:
        return
    session = channel.session
    text = shutdown.text({
        "C": session.cwd if session.logged_in else _NOBODY["C"], "L": session.local.host,
        "R": session.remote_name or session.remote.host, "U": session.user or _NOBODY["U"],
        "V": session.setting("ServerName", ""),
    })  # fmt: skip
    channel.send(Reply(421, (f"FTP server shutting down - {text}",)))
    channel.end("Server shutting down")
