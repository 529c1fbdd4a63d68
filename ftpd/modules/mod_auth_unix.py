"""mod_auth_unix -- the machine's own users, from wherever nsswitch.conf finds them, with their shadow passwords."""

from __future__ import annotations

import grp
import pwd
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Generic, TypeVar

from ftpd.api import (
    GLOBAL,
    SERVER,
    VHOST,
    Account,
    AuthAnswer,
    AuthBackend,
    Directive,
    Level,
    Module,
    Session,
    crypt,
    types,
)
from ftpd.modules._auth_unix_nss import Shadow, group_ids, shadow_of

K = TypeVar("K")
V = TypeVar("V")

module = Module("mod_auth_unix", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_FRESH = 60.0
_MOST = 10_000

persistent = module.directive(
    "PersistentPasswd", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Read for compatibility: names are found inside a DefaultRoot as well, whatever it says.",
)  # fmt: skip
options: Directive[frozenset[str]] = module.directive(
    "AuthUnixOptions",
    types.flags("AIXNoRLogin", "AIXNoAuthenticate", "NoGetgrouplist", "NoInitgroups", "MagicTokenChroot"),
    default=frozenset(), contexts=_SERVERS, usage="NoGetgrouplist|NoInitgroups|MagicTokenChroot ...",
    doc="NoGetgrouplist looks through all groups for the user; MagicTokenChroot makes a root of the home up to `/./`.",
)  # fmt: skip


class Fresh(Generic[K, V]):
    """Answers kept for a minute: listings ask for the same few names again and again."""

    def __init__(self, ask: Callable[[K], V]) -> None:
        self._ask = ask
        self._known: dict[K, tuple[float, V]] = {}

    def __getitem__(self, key: K) -> V:
        now = time.monotonic()
        found = self._known.get(key)
        if found is not None and now - found[0] < _FRESH:
            return found[1]
        if len(self._known) >= _MOST:
            self._known.clear()
        answer = self._ask(key)
        self._known[key] = now, answer
        return answer


def _name_of_uid(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


def _name_of_gid(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return None


def _uid_of_name(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


def _gid_of_name(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return None


class AuthUnix(AuthBackend):
    """Answers for users that the system knows; their passwords need a daemon that may read the shadow file."""

    def __init__(self) -> None:
        self._user_names: Fresh[int, str | None] = Fresh(_name_of_uid)
        self._group_names: Fresh[int, str | None] = Fresh(_name_of_gid)

    async def getpwnam(self, session: Session, user: str) -> Account | None:
        def look() -> Account | None:
            try:
                known = pwd.getpwnam(user)
            except (KeyError, ValueError):
                return None
            return Account(known.pw_name, known.pw_uid, known.pw_gid, known.pw_dir, known.pw_shell, known.pw_gecos)

        return await session.offload(look, "auth")

    async def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        # groups go by the name, and an account of another backend may have the name of somebody else here
        if account.source is not self:
            return None
        search = "NoGetgrouplist" in session.server.settings[options]

        def look() -> tuple[tuple[int, str], ...]:
            if search:
                members = (group.gr_gid for group in grp.getgrall() if account.name in group.gr_mem)
                ids = tuple(dict.fromkeys((account.gid, *members)))
            else:
                ids = group_ids(account.name, account.gid)
            return tuple((gid, _name_of_gid(gid) or str(gid)) for gid in ids)

        return await session.offload(look, "auth")

    async def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        if account.source is not self:
            return None
        return await session.offload(lambda: _check(session, account.name, password), "auth")

    def uid_name(self, session: Session, uid: int) -> str | None:
        return self._user_names[uid]

    def gid_name(self, session: Session, gid: int) -> str | None:
        return self._group_names[gid]

    def name_uid(self, session: Session, name: str) -> int | None:
        return _uid_of_name(name)

    def name_gid(self, session: Session, name: str) -> int | None:
        return _gid_of_name(name)


def _check(session: Session, name: str, password: str) -> AuthAnswer:
    """By the time taken nobody learns of the account's age, nor by its age whether the password was right."""
    try:
        shadow = shadow_of(name)
    except OSError as error:
        session.log(
            Level.ERROR,
            "the shadow entry of user %s cannot be read (%s): system users need a daemon that starts as root",
            name, error.strerror,
        )  # fmt: skip
        crypt.spend(password)
        return AuthAnswer.ERROR
    try:
        stored = pwd.getpwnam(name).pw_passwd if shadow is None else shadow.password
    except KeyError:
        crypt.spend(password)
        return AuthAnswer.NO_SUCH_USER
    aged = None if shadow is None else _aged(shadow)
    with nullcontext() if aged is None else crypt.hashed_anew(password):
        held = crypt.verify(password, stored)
    if not held:
        return AuthAnswer.BAD_PASSWORD
    return aged or AuthAnswer.OK


def _aged(shadow: Shadow) -> AuthAnswer | None:
    """What forbids an account or a password that has seen its last day."""
    now = time.time()
    if shadow.account_expired(now):
        return AuthAnswer.DISABLED
    return AuthAnswer.EXPIRED if shadow.password_expired(now) else None


module.auth(AuthUnix())
