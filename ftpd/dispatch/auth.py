"""The auth backends together: asked in AuthOrder, the one that knew the user first for the password."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ftpd.conf.faults import Fault
from ftpd.conf.tree import Config, Scope
from ftpd.core import trace
from ftpd.core.eager import in_task
from ftpd.core.fault import is_cancelled
from ftpd.core.log import Level
from ftpd.module.auth import Account, Assurance, AuthAnswer, AuthBackend, AuthUnavailable, Memberships
from ftpd.module.names import means
from ftpd.module.session import Session
from ftpd.module.table import Module

T = TypeVar("T")


async def _settled(answer: Awaitable[T]) -> T:
    await in_task()
    return await answer


def vain_entries(config: Config, modules: Sequence[Module]) -> list[Fault]:
    """Warnings of the modules in AuthOrder that nobody can ask; the others are asked all the same."""
    able = {module.name: bool(module.backends) for module in modules}
    found = {}
    for server in config.servers:
        for directive, value in server.values.items():
            if directive.name != "AuthOrder":
                continue
            file, line = server.where[directive][0] if directive in server.where else (server.file, server.line)
            for entry in value:
                known = next((can for name, can in able.items() if means(entry, name)), None)
                if known:
                    continue
                name = entry.removesuffix("*")
                what = "keeps no accounts" if known is False else "is not loaded"
                if name in able:
                    what = f"is called {name}.c"
                found[file, line, entry] = Fault(
                    file, line, "AuthOrder", f"the module {name} {what}, so nobody will log in through it"
                )
    return list(found.values())


_Order = tuple[tuple[AuthBackend, bool], ...]


class OrderedAccounts:
    """Implements :class:`ftpd.module.auth.Accounts` over the backends of a generation."""

    def __init__(self, modules: Sequence[Module]) -> None:
        # without AuthOrder the module loaded last is asked first, as everywhere
        self._backends = [(module.name, backend) for module in reversed(modules) for backend in module.backends]
        self._plain: _Order = tuple((backend, False) for _, backend in self._backends)
        self._orders: dict[Scope, _Order] = {}
        """What the AuthOrder of each server means."""

    def _order(self, session: Session) -> _Order:
        """Each backend to ask, and whether its word is final (a trailing ``*`` in AuthOrder)."""
        order = self._orders.get(session.server)
        if order is None:
            wanted: Sequence[str] = session.setting("AuthOrder", ()) or ()
            named = [
                (backend, entry.endswith("*"))
                for entry in wanted
                for name, backend in self._backends
                if means(entry, name)
            ]
            order = self._orders[session.server] = tuple(named) if wanted else self._plain
        return order

    def _asked(self, session: Session, what: str) -> Iterable[tuple[AuthBackend, bool]]:
        """Those to ask, as the log of what is traced hears of each."""
        if not trace.active:
            return self._orders.get(session.server) or self._order(session)
        return self._traced(session, what)

    def _traced(self, session: Session, what: str) -> Iterator[tuple[AuthBackend, bool]]:
        for backend, final in self._order(session):
            name = next(name for name, one in self._backends if one is backend)
            trace.say("auth", 6, 'dispatching auth request "%s" to module %s', what, name, peer=session.peer)
            yield backend, final

    async def getpwnam(self, session: Session, user: str) -> Account | None:
        for backend, final in self._asked(session, "getpwnam"):
            found = backend.getpwnam(session, user)
            account = found if found is None or isinstance(found, Account) else await _settled(found)
            if account is not None:
                return account if account.source is backend else replace(account, source=backend)
            # the last word of one that only checks passwords (PAM) is about these alone
            if final and not backend.checks_first and backend.takes_part(session):
                return None
        return None

    async def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...]:
        for backend, final in self._asked(session, "getgroups"):
            found = backend.getgroups(session, account)
            groups = found if found is None or isinstance(found, tuple) else await _settled(found)
            if groups is not None or (final and not backend.checks_first and backend.takes_part(session)):
                return groups or ()
        return ((account.gid, await self.group_name(session, account.gid)),)

    async def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer:
        asked = tuple(self._asked(session, "authenticate"))
        if account.source is not None and len(asked) > 1:
            asked = tuple(sorted(asked, key=lambda one: (not one[0].checks_first, one[0] is not account.source)))
        for backend, final in asked:
            try:
                found = backend.authenticate(session, account, password)
                answer = found if found is None or isinstance(found, AuthAnswer) else await _settled(found)
            except AuthUnavailable as error:
                session.log(Level.ERROR, "user %s: %s", account.name, error)
                return AuthAnswer.ERROR
            except BaseException as error:
                if is_cancelled(error):
                    raise
                session.log(
                    Level.ERROR, "auth backend %s failed for user %s: %r", type(backend).__name__, account.name, error
                )
                session.log_exception(error)
                return AuthAnswer.ERROR
            if answer is not None:
                if trace.active:
                    trace.say("auth", 4, "user '%s': %s", account.name, answer.value, peer=session.peer)
                return answer
            if final and backend.takes_part(session):
                break
        return AuthAnswer.BAD_PASSWORD

    def assurance(self, session: Session, account: Account, groups: Memberships) -> Assurance | None:
        order = self._order(session)
        if not order or account.source is not order[0][0]:
            return None
        if any(backend.checks_first and backend.takes_part(session) for backend, _ in order):
            return None
        return account.source.assurance(account, groups, session, alone=len(order) == 1)

    def uid_name(self, session: Session, uid: int) -> str:
        for backend, _ in self._order(session):
            name = backend.uid_name(session, uid)
            if name is not None:
                return name
        return str(uid)

    def gid_name(self, session: Session, gid: int) -> str:
        for backend, _ in self._order(session):
            name = backend.gid_name(session, gid)
            if name is not None:
                return name
        return str(gid)

    async def group_name(self, session: Session, gid: int) -> str:
        for backend, _ in self._order(session):
            if backend.names_wait:
                name = await session.offload(partial(backend.gid_name, session, gid), "auth")
            else:
                name = backend.gid_name(session, gid)
            if name is not None:
                return name
        return str(gid)

    def name_uid(self, session: Session, name: str) -> int | None:
        for backend, _ in self._order(session):
            uid = backend.name_uid(session, name)
            if uid is not None:
                return uid
        return None

    def name_gid(self, session: Session, name: str) -> int | None:
        for backend, _ in self._order(session):
            gid = backend.name_gid(session, name)
            if gid is not None:
                return gid
        return None
