"""Passwords as databases keep them: the ways that need no more than Python, by the words of SQLAuthTypes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ftpd.conf.directive import ConfigError, Directive
from ftpd.core import crypt
from ftpd.core.log import Level, log
from ftpd.core.record import dataclass
from ftpd.sql.backend import Backend, PasswordCheck

if TYPE_CHECKING:
    from ftpd.module.session import Session


@dataclass(frozen=True)
class Check:
    """Implements :class:`ftpd.sql.backend.PasswordCheck`."""

    name: str
    holds: Callable[[Session, str, str], Awaitable[bool]]
    costly: bool = False

    async def __call__(self, session: Session, user: str, password: str, stored: str) -> bool:
        return await self.holds(session, password, stored)


class SwitchedCheck(NamedTuple):
    """One of mod_sql_passwd's, which lets nobody in where SQLPasswordEngine is off."""

    engine: Directive[bool]
    name: str
    holds: Callable[[Session, str, bytes, str], Awaitable[bool]]
    costly: bool = True

    async def __call__(self, session: Session, user: str, password: str, stored: str) -> bool:
        if not session.server.settings[self.engine]:
            session.log(Level.INFO, "mod_sql_passwd: SQLPasswordEngine is off, so SQLAuthTypes %s denies", self.name)
            return False
        # an empty column is for SQLAuthTypes Empty to allow
        return stored != "" and await self.holds(session, user, password.encode("utf-8", "surrogateescape"), stored)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


async def _crypt_holds(session: Session, password: str, stored: str) -> bool:
    if crypt.at_once(password, stored):
        return crypt.verify(password, stored)
    return await session.offload(lambda: crypt.verify(password, stored), "auth")


async def _empty_holds(session: Session, password: str, stored: str) -> bool:
    return stored == ""


async def _plain_holds(session: Session, password: str, stored: str) -> bool:
    # an empty one is for Empty to allow
    return stored != "" and _same(password, stored)


async def _digest_holds(session: Session, password: str, stored: str) -> bool:
    """``{sha256}`` and the base64 of the digest."""
    found = re.fullmatch(r"\{([A-Za-z0-9_/.-]+)\}([A-Za-z0-9+/]+={0,2})\s*", stored)
    if found is None:
        return False
    names = {"sha": "sha1", "rmd160": "ripemd160"}
    try:
        digest = hashlib.new(names.get(found[1].lower(), found[1].lower()), usedforsecurity=False)
        digest.update(password.encode("utf-8", "surrogateescape"))
        return hmac.compare_digest(digest.digest(), base64.b64decode(found[2], validate=True))
    except (ValueError, TypeError):
        return False


def backend_check(backend: Backend) -> Check:
    """The database's own kind of hash."""

    async def holds(session: Session, password: str, stored: str) -> bool:
        return backend.password_holds(password, stored)

    return Check("backend", holds)


def checks_of(words: tuple[str, ...], available: Sequence[PasswordCheck]) -> list[PasswordCheck]:
    """The ways that SQLAuthTypes names, in its order, the later one of two of a name; ConfigError at an unknown one."""
    known = {check.name: check for check in available}
    for word in words:
        if word.lower() not in known:
            right = f"{', '.join(sorted(known))}; mod_sql_passwd brings more"
            raise ConfigError(f"'{word}' is unknown here", right=right)
    if any(word.lower() == "plaintext" for word in words):
        log(Level.WARN, "mod_sql: with SQLAuthTypes Plaintext whoever can read the database knows all passwords")
    return [known[word.lower()] for word in words]


CHECKS = (
    Check("crypt", _crypt_holds),
    Check("empty", _empty_holds),
    Check("openssl", _digest_holds),
    Check("plaintext", _plain_holds),
)
