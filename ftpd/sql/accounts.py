"""Accounts in a database: the queries that find users and groups, what their rows come to, and who asks them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ftpd.conf.directive import ConfigError
from ftpd.core import crypt
from ftpd.core.log import Level, log
from ftpd.core.record import dataclass
from ftpd.module.auth import Account, AuthAnswer, AuthBackend, AuthUnavailable
from ftpd.module.errands import Errands
from ftpd.module.session import Session
from ftpd.sql.backend import PasswordCheck, Row, SqlError
from ftpd.sql.lines import Columns
from ftpd.sql.names import Names
from ftpd.sql.queries import QueryBook, Ready
from ftpd.sql.text import Asking

MAX_ID = 2**32 - 2
_MOST_ASKED = 64
"""Lookups of names that run at a time: a folder with ten thousand owners must not fill the pool."""


# -- the queries ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UserQueries:
    """Each gives name, password, uid, gid, home and shell."""

    by_name: Ready | None
    by_id: Ready | None


NO_USERS = UserQueries(None, None)


def user_queries(book: QueryBook, info: Columns, condition: str) -> UserQueries:
    """Those for a table, or the named ones in its place."""
    if info.queries:
        by_id = info.queries[1] if len(info.queries) > 1 else ""
        by_name = book.selecting(info.queries[0], "SQLUserInfo")
        return UserQueries(by_name, book.selecting(by_id, "SQLUserInfo") if by_id else None)
    wanted = ", ".join(info.columns)
    name, _, uid = info.columns[:3]
    select = f"SELECT {wanted} FROM {info.table} WHERE"
    return UserQueries(
        book.compiled(f"{select} ({name} = '%{{0}}'){condition} LIMIT 1"),
        None if uid.upper() == "NULL" else book.compiled(f"{select} ({uid} = %{{0}}){condition} LIMIT 1"),
    )


@dataclass(frozen=True, eq=False)
class GroupQueries:
    """Each gives name, gid and members."""

    by_name: Ready | None
    by_id: Ready | None
    of_member: Ready | None
    lists_members: bool
    """Whether a row names several, so that whom it is for has to be looked for in it."""


NO_GROUPS = GroupQueries(None, None, None, lists_members=False)


def group_queries(book: QueryBook, info: Columns, condition: str, *, normalized: bool) -> GroupQueries:
    """Those for a table, which with ``normalized`` has a row for each member, or the named ones in its place."""
    if info.queries:
        if len(info.queries) < 3:
            raise ConfigError("three queries are needed", right="custom:/by-name/by-id/by-member")
        by_name, by_id, of_member = (book.selecting(name, "SQLGroupInfo") for name in info.queries[:3])
        return GroupQueries(by_name, by_id, of_member, lists_members=False)
    name, gid, members = info.columns
    select = f"SELECT {name}, {gid}, {members} FROM {info.table} WHERE"
    matches = f"{members} = '%{{0}}'"
    if not normalized:
        # whoever is found is looked for once more in what was found: LIKE takes part of a name, too
        matches += f" OR {members} LIKE '%{{1}}' ESCAPE '!'"
    return GroupQueries(
        book.compiled(f"{select} ({name} = '%{{0}}'){condition} LIMIT 1"),
        book.compiled(f"{select} ({gid} = %{{0}}){condition} LIMIT 1"),
        book.compiled(f"{select} ({matches}){condition}"),
        lists_members=not normalized,
    )


def key_query(book: QueryBook, directive: str, chosen: str | None, info: Columns, condition: str) -> Ready | None:
    """What is kept of a user's or a group's row: a column of the table, or ``custom:/`` and a named query."""
    if chosen is None:
        return None
    if chosen.lower().startswith("custom:/"):
        return book.selecting(chosen[len("custom:/") :], directive)
    if info.queries:
        raise ConfigError("with custom queries a column has no table", right="custom:/ and a named query")
    return book.compiled(f"SELECT {chosen} FROM {info.table} WHERE ({info.columns[0]} = '%{{0}}'){condition} LIMIT 1")


# -- what a server's accounts are ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """What holds where a row does not say it, or says what may not be."""

    uid: int
    gid: int
    least_uid: int
    least_gid: int
    home: str | None


@dataclass(eq=False)
class Directory:
    """All that is needed to look up the accounts of one server."""

    book: QueryBook
    lookups: frozenset[str]
    """``users``, ``groups``: what is to be found here at all."""
    users: UserQueries
    user_key: Ready | None
    groups: GroupQueries
    group_key: Ready | None
    checks: Sequence[PasswordCheck]
    rules: Rules
    names: Names
    forgiving: bool = False
    """Whether the other backends are asked while the database cannot be."""

    def account(self, rows: Sequence[Row]) -> Account | None:
        """The account that a row describes; None, and a word in the log, where it describes none."""
        if not rows:
            return None
        if len(rows) > 1 or len(rows[0]) < 6:
            raise SqlError(f"the query for a user gave {len(rows)} rows of {len(rows[0])} columns, not one row of 6")
        name, password, uid_text, gid_text, home, shell = rows[0][:6]
        uid, gid, rules = number(uid_text), number(gid_text), self.rules
        if home is None or home in ("", "NULL"):
            home = rules.home
        if name is None or not home:
            self.book.tell(f"the account '{name}' has no home directory")
            log(Level.NOTICE, "mod_sql: the account '%s' has no home directory and cannot be used", name)
            return None
        return Account(
            name,
            rules.uid if uid is None or uid < rules.least_uid else uid,
            rules.gid if gid is None or gid < rules.least_gid else gid,
            home,
            shell or "",
            password=password,
        )

    def groups_in(self, rows: Sequence[Row], user: str) -> dict[int, str]:
        """The groups by their gids that rows give the user."""
        found: dict[int, str] = {}
        for row in rows:
            if len(row) < 2 or row[0] is None or (gid := number(row[1])) is None:
                raise SqlError("the query for a user's groups gave a row that is no name, gid and members")
            if self.groups.lists_members and user not in {member.strip() for member in (row[2] or "").split(",")}:
                continue
            found.setdefault(gid, row[0])
        return found


def number(text: str | None) -> int | None:
    """The id in a column; what is none, or NULL, is as if there were no column."""
    if text is None or not re.fullmatch(r"[0-9]{1,10}(?:\.0+)?", text, re.ASCII):
        return None
    found = int(text.partition(".")[0])
    return found if found <= MAX_ID else None


def _can_be_a_name(text: str) -> bool:
    """Whether a database can hold it: what cannot be there is not looked for, nor what looks like it."""
    try:
        return "\0" not in text and bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False


def _member(user: str) -> tuple[str, str]:
    """The name, and the pattern for LIKE that finds it in a list."""
    escaped = re.sub("[!%_]", r"!\g<0>", user)
    return user, f"%{escaped}%"


# -- the backend ---------------------------------------------------------------------------------------------


class SqlAccounts(AuthBackend):
    """Users and groups of the server's database; when it cannot be asked, nobody is let in.

    ``directory`` gives what holds for a session, None where its accounts are not in a database.
    """

    def __init__(self, directory: Callable[[Session], Directory | None], errands: Errands) -> None:
        self._directory = directory
        self._errands = errands
        self._samples: dict[Directory, str] = {}
        """For each server the hash that was checked last: an unknown user shall cost as much."""
        self._asked: set[tuple[str, int | str]] = set()

    def _on(self, session: Session, lookups: str) -> Directory | None:
        found = self._directory(session)
        return found if found is not None and lookups in found.lookups else None

    def takes_part(self, session: Session) -> bool:
        return self._directory(session) is not None

    async def getpwnam(self, session: Session, user: str) -> Account | None:
        found = self._on(session, "users")
        if found is None or not _can_be_a_name(user):
            return None
        try:
            account = found.account(await found.book.rows(found.users.by_name, _about(session, user)))
            if account is None:
                await self._spend(session, found, user)
                return None
            found.names.keep_user(account.uid, account.name)
            session.notes["home"], session.notes["shell"] = account.home, account.shell
            await _note(found, found.user_key, _about(session, account.name), "sql.user-primary-key")
            return account
        except SqlError as error:
            _gone_wrong(found, session, error)
            return None

    async def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        found = self._on(session, "groups")
        # with SQLAuthenticate groups alone, the groups of others' users are here
        if found is None or (account.source is not self and "users" in found.lookups):
            return None
        try:
            groups = await self._groups_of(found, session, account)
        except SqlError as error:
            _gone_wrong(found, session, error)
            return None
        for gid, name in groups:
            found.names.keep_group(gid, name)
        return groups

    async def _groups_of(self, found: Directory, session: Session, account: Account) -> tuple[tuple[int, str], ...]:
        asking = Asking(session, None, _member(account.name), account.name)
        groups = found.groups_in(await found.book.rows(found.groups.of_member, asking), account.name)
        primary = groups.pop(account.gid, None)
        if primary is None:
            rows = await found.book.rows(found.groups.by_id, Asking(session, None, (str(account.gid),), of_id=True))
            primary = rows[0][0] if rows else None
        if primary:
            session.notes["primary-group"] = primary
            asking = Asking(session, None, (primary,), account.name, primary)
            await _note(found, found.group_key, asking, "sql.group-primary-key")
            return (account.gid, primary), *groups.items()
        return ((account.gid, str(account.gid)), *groups.items())

    async def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        found = self._on(session, "users")
        if found is None or account.source is not self:
            return None
        stored = account.password
        if stored is not None:
            for check in found.checks:
                if await self._holds(check, session, account.name, password, stored):
                    self._samples[found] = stored
                    found.book.tell(f"the password of '{account.name}' holds by SQLAuthType {check.name}")
                    return AuthAnswer.OK
        else:
            await self._spend_checks(session, found)
        if stored is None or all(check.name != "crypt" for check in found.checks):
            # an unknown user costs a hash by crypt, whatever is used here
            await session.offload(lambda: crypt.spend(password), "auth")
        return AuthAnswer.DISABLED if stored is None else AuthAnswer.BAD_PASSWORD

    async def _holds(self, check: PasswordCheck, session: Session, user: str, password: str, stored: str) -> bool:
        """A check that needs the database, for a salt, denies while it is away."""
        try:
            return await check(session, user, password, stored)
        except SqlError as error:
            session.log(Level.ERROR, "mod_sql: SQLAuthTypes %s: %s", check.name, error)
            raise AuthUnavailable("the database cannot be asked") from None

    async def _spend(self, session: Session, found: Directory, user: str) -> None:
        """What a user who is there costs before and while the password is looked at."""
        if "groups" in found.lookups:
            await found.book.rows(found.groups.of_member, Asking(session, None, _member(user), user))
            await found.book.rows(found.groups.by_id, Asking(session, None, ("1",), of_id=True))
        await self._spend_checks(session, found)

    async def _spend_checks(self, session: Session, found: Directory) -> None:
        """What looking at a password costs, for who has none."""
        for check in found.checks:
            if check.costly:
                await self._holds(check, session, "nobody", "nobody", self._samples.get(found, "nobody"))

    # -- names of ids: what is not known yet is asked for, and known to the next listing

    def uid_name(self, session: Session, uid: int) -> str | None:
        found: str | None = self._name(session, "users", "uid", uid)
        return found

    def gid_name(self, session: Session, gid: int) -> str | None:
        found: str | None = self._name(session, "groups", "gid", gid)
        return found

    def name_uid(self, session: Session, name: str) -> int | None:
        found: int | None = self._name(session, "users", "user", name)
        return found

    def name_gid(self, session: Session, name: str) -> int | None:
        found: int | None = self._name(session, "groups", "group", name)
        return found

    def _name(self, session: Session, lookups: str, kind: str, key: int | str) -> Any:
        found = self._on(session, lookups)
        if found is None:
            return None
        known, value = found.names.get(kind, key)
        if not known and len(self._asked) < _MOST_ASKED and (kind, key) not in self._asked:
            self._asked.add((kind, key))
            # who asks may be a thread
            if not self._errands.launch_from_thread(lambda: self._ask(found, session, kind, key)):
                self._asked.discard((kind, key))
        return value

    async def _ask(self, found: Directory, session: Session, kind: str, key: int | str) -> None:
        value: int | str | None = None
        try:
            text = str(key)
            ready = {
                "uid": found.users.by_id, "user": found.users.by_name,
                "gid": found.groups.by_id, "group": found.groups.by_name,
            }[kind]  # fmt: skip
            if ready is not None and _can_be_a_name(text):
                rows = await found.book.rows(ready, Asking(session, None, (text,), text, of_id=isinstance(key, int)))
                if kind == "user":
                    account = found.account(rows)
                    value = None if account is None else account.uid
                elif rows and kind == "group":
                    value = number(rows[0][1])
                elif rows:
                    value = rows[0][0]
        except SqlError:
            return
        finally:
            self._asked.discard((kind, key))
        found.names.keep(kind, key, value)


def _about(session: Session, name: str) -> Asking:
    return Asking(session, None, (name,), name)


def _gone_wrong(found: Directory, session: Session, error: SqlError) -> None:
    """Nobody is let in, unless the administrator wants the other backends to be asked."""
    session.log(Level.ERROR, "mod_sql: accounts cannot be looked up: %s", error)
    if not found.forgiving:
        raise AuthUnavailable("the database cannot be asked") from None


async def _note(found: Directory, ready: Ready | None, asking: Asking, note: str) -> None:
    rows = await found.book.rows(ready, asking)
    if asking.session is not None and rows and rows[0] and rows[0][0] is not None:
        asking.session.notes[note] = rows[0][0]
