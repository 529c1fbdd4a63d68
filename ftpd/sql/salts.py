"""Salts of passwords: where they come from, how they are written there, and where they stand."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ftpd.conf.directive import ConfigError
from ftpd.conf.tree import Config
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level
from ftpd.sql.backend import Queries
from ftpd.sql.passwordlines import PasswordLines, SaltSource

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


def fitting(session: Session, salt: bytes, wanted: int, what: str) -> tuple[bytes, bool]:
    """The salt, and whether it is as long as it must be; one that is not costs as much, and lets nobody in."""
    if len(salt) == wanted:
        return salt, True
    session.log(Level.NOTICE, "mod_sql_passwd: %s needs a salt of %d bytes, this has %d", what, wanted, len(salt))
    return bytes(wanted), False


class Sources:
    """Where the salts of passwords come from, as the lines in force say; ``queries`` are those of mod_sql."""

    def __init__(self, lines: PasswordLines, queries: Sequence[Queries]) -> None:
        self._lines = lines
        self._queries = queries
        self._in_files: dict[tuple[str, str], bytes] = {}

    def read(self, config: Config) -> Iterator[ConfigError]:
        """Read the salt files while nobody waits; yields what is wrong with them."""
        line = self._lines.salt_file
        for scope in config.servers:
            source, how = scope.settings[line], scope.settings[self._lines.salt_encoding]
            if source is None:
                continue
            try:
                self._in_files[source.source, how] = _in_file(source.source, how)
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else f"what stands in it is not {how}"
                where = scope.where.get(line)
                yield ConfigError(
                    f"the salt in {source.source} cannot be used: {reason}", right="a file with the salt alone", word=0,
                    directive=line.name, at=where[0] if where else None,
                )  # fmt: skip

    async def of(self, session: Session, user: str) -> Salts:
        settings = session.server.settings
        common, own = settings[self._lines.salt_file], settings[self._lines.user_salt]
        how = settings[self._lines.salt_encoding]
        salts = Salts()
        if common is not None:
            salts = salts.joined_by(self._in_files[common.source, how], common)
        if own is not None:
            salts = salts.joined_by(await _of_user(session, user, own, how, self._queries[-1]), own)
        return salts


def _in_file(path: str, how: str) -> bytes:
    """The salt of all users, read with the daemon's own rights; OSError, or ValueError where it is not written so."""
    with acting_as_daemon(), open(path, "rb") as file:
        data = file.read(_MOST)
    return decoded(data.removesuffix(b"\n"), how)


async def _of_user(session: Session, user: str, source: SaltSource, how: str, queries: Queries) -> bytes:
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
