"""mod_unique_id -- give every session an id that no other session has, on this server or another, for the logs."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
from time import time_ns

from ftpd.api import GLOBAL, SERVER, SESSION_OPEN, VHOST, Module, Session, types

module = Module("unique_id", version="1.0")

engine = module.directive(
    "UniqueIDEngine", types.boolean, default=True, contexts=SERVER | GLOBAL | VHOST, usage="on|off",
    doc="Whether sessions get the note UNIQUE_ID.",
)  # fmt: skip

_counter = itertools.count()


def make_id(session: Session) -> str:
    """24 letters of ``a-zA-Z0-9@-``: both ends of the connection, the process, the microsecond, and a counter."""
    ends = f"{session.local.host} {session.local.port} {session.remote.host} {session.remote.port}".encode()
    raw = b"".join(
        (
            hashlib.blake2b(ends, digest_size=6).digest(),
            os.getpid().to_bytes(4, "big")[1:],
            (time_ns() // 1000).to_bytes(8, "big")[1:],
            (next(_counter) & 0xFFFF).to_bytes(2, "big"),
        )
    )
    return base64.b64encode(raw, b"@-").decode()


@module.on(SESSION_OPEN)
def name_session(session: Session) -> None:
    if session.settings[engine]:
        session.notes["UNIQUE_ID"] = session.notes["env:UNIQUE_ID"] = make_id(session)
