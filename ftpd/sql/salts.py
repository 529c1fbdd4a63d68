"""Salts of passwords: where they come from, how they are written there, and where they stand."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, NamedTuple

from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level
from ftpd.sql.backend import Queries
from ftpd.sql.passwordlines import SaltSource

if TYPE_CHECKING:
    from ftpd.module.session import Session

_MOST = 64 * 1024


class Salts(NamedTuple):
    """What stands in front of a password and behind it, and the one salt that counts where there is only place for one.

    Empty is none.
    """

    front: bytes = b""
    back: bytes = b""
    own: bytes = b""

    def joined_by(self, salt: bytes, source: SaltSource) -> Salts:
        """With a salt that takes the place of the one that stands there: a user's comes after that of all."""
        if not salt:
            return self
        return Salts(salt, self.back, salt) if source.in_front else Salts(self.front, salt, salt)


def decoded(data: bytes, how: str) -> bytes:
    """ValueError where it is not written so."""
    if how == "none":
        return data
    text = data.strip()
    return base64.b64decode(text, validate=True) if how == "base64" else binascii.unhexlify(text)


def in_file(path: str, how: str) -> bytes:
    """The salt of all users, read with the daemon's own rights; OSError, or ValueError where it is not written so."""
    with acting_as_daemon(), open(path, "rb") as file:
        data = file.read(_MOST)
    return decoded(data.removesuffix(b"\n"), how)


async def of_user(session: Session, user: str, source: SaltSource, how: str, queries: Queries) -> bytes:
    """The user's name, or what a query says; empty, and a line in the log, where it does not say one salt."""
    if source.source == "name":
        return user.encode("utf-8", "surrogateescape")
    rows = await queries.lookup(session, source.source[len("sql:/") :], user)
    if len(rows) != 1 or rows[0][0] is None:
        session.log(Level.NOTICE, "mod_sql_passwd: %d salts were found for one user", len(rows))
        return b""
    try:
        return decoded(rows[0][0].encode("utf-8", "surrogateescape"), how)
    except ValueError:
        session.log(Level.NOTICE, "mod_sql_passwd: a user's salt is not written as SQLPasswordSaltEncoding says")
        return b""


def fitting(session: Session, salt: bytes, wanted: int, what: str) -> tuple[bytes, bool]:
    """The salt, and whether it is as long as it must be; one that is not costs as much, and lets nobody in."""
    if len(salt) == wanted:
        return salt, True
    session.log(Level.NOTICE, "mod_sql_passwd: %s needs a salt of %d bytes, this has %d", what, wanted, len(salt))
    return bytes(wanted), False
