"""mod_auth_file -- accounts from files of one's own in the format of /etc/passwd and /etc/group."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from ftpd.api import (
    GLOBAL,
    SERVER,
    VHOST,
    Account,
    Assurance,
    AuthAnswer,
    AuthBackend,
    Config,
    ConfigError,
    ConfigWarning,
    Directive,
    Level,
    Module,
    Session,
    acting_as_daemon,
    crypt,
    log,
    types,
)
from ftpd.modules._auth_file_tables import FileSpec, Groups, Table, Users, Wanted

module = Module("mod_auth_file", version="1.0")

T = TypeVar("T")
F = TypeVar("F")
_Memberships = tuple[tuple[int, str], ...]
_SERVERS = SERVER | GLOBAL | VHOST


# -- directives ----------------------------------------------------------------------------------------------------


def _spec(name: str, *, homes: bool) -> Any:
    usage = "path [id min-max] [name regex]" + (" [home regex]" if homes else "")

    # a word for each restriction and its value, as ProFTPD counts them
    @types.takes(1, 7 if homes else 5, strict=True)
    def parse(words: list[str]) -> FileSpec:
        path = words[0]
        if not path.startswith("/"):
            raise ConfigError(f"unable to use relative path for {name} '{path}'", right=f"/etc/ftpd/{path}", word=0)
        found: dict[str, Any] = {}
        for index in range(1, len(words), 2):
            kind = words[index].lower()
            if kind not in ("id", "name", "home") or (kind == "home" and not homes):
                raise ConfigError(f"unknown restriction '{words[index]}'", right=usage, word=index)
            if index + 1 == len(words):
                raise ConfigError(f"'{words[index]}' has no value behind it", right=usage, word=index)
            if kind == "id":
                found["lowest"], found["highest"] = _ids(words[index + 1], index + 1)
            else:
                found[kind] = _wanted(words[index + 1], index + 1)
        return FileSpec(path, **found)

    return parse


def _ids(text: str, word: int) -> tuple[int, int]:
    """What strtol(3) makes of two numbers that are of 32 bits then: ``-999`` begins at 0, and ``1--1`` has no end."""
    low, dash, high = text.partition("-")
    if not dash:
        raise ConfigError(f"badly formatted ID restriction parameter '{text}'", right="1000-1999", word=word)
    (lowest, behind_low), (highest, behind_high) = types.to_long(low), types.to_long(high)
    for side, behind in (("minimum", behind_low), ("maximum", behind_high)):
        if behind:
            raise ConfigError(f"badly formatted {side} ID in '{text}'", right="1000-1999", word=word)
    lowest, highest = lowest % 2**32, highest % 2**32
    if lowest > highest:
        raise ConfigError("minimum cannot be larger than maximum", right=f"{highest}-{lowest}", word=word)
    if f"{lowest}-{highest}" != text:
        types.doubt(f"'{text}' is taken for {lowest}-{highest}", word=word)
    return lowest, highest


def _wanted(text: str, word: int) -> Wanted:
    bare = text.removeprefix("!")
    try:
        return Wanted(types.regex([bare]), bare != text)
    except ConfigError as wrong:
        raise ConfigError(wrong.message, right=wrong.right, word=word) from None


_LINES = {
    "AuthUserFile": "name:hash:uid:gid:gecos:home:shell, as 'ftpasswd --passwd' makes them",
    "AuthGroupFile": "name::gid:member,member",
}


def _lacking(name: str, path: str) -> tuple[str, str]:
    """What is wrong where there is no such file, and what would be right; empty where there is one."""
    try:
        with acting_as_daemon():
            known = os.stat(path)
    except OSError as error:
        return f"unable to use {path}: {error.strerror}", f"a file with lines as {_LINES[name]}"
    return ("", "") if stat.S_ISREG(known.st_mode) else (f"unable to use {name} '{path}': not a regular file", "a file")


user_file: Directive[FileSpec | None] = module.directive(
    "AuthUserFile", _spec("AuthUserFile", homes=True), contexts=_SERVERS,
    usage="path [id min-max] [home regex] [name regex]",
    doc="The file that holds the accounts, as /etc/passwd with the hashes in it.",
)  # fmt: skip
group_file: Directive[FileSpec | None] = module.directive(
    "AuthGroupFile", _spec("AuthGroupFile", homes=False), contexts=_SERVERS, usage="path [id min-max] [name regex]",
    doc="The file that holds the groups, as /etc/group.",
)  # fmt: skip
options = module.directive_list(
    "AuthFileOptions", types.flags("InsecurePerms", "SyntaxCheck", exact=True), contexts=_SERVERS,
    usage="InsecurePerms|SyntaxCheck ...",
    doc="InsecurePerms takes files that everybody may read; SyntaxCheck refuses files with malformed entries.",
)  # fmt: skip


@module.check
def files_are_safe(config: Config) -> Iterator[ConfigError]:
    """Refuse files that others can read or write; only here is known whether InsecurePerms stands anywhere.

    One that the daemon itself cannot read is worth a word only, as who checks need not be who starts it.
    """
    for server in config.servers:
        # in ProFTPD all lines add up; here a VirtualHost's are for its own files
        chosen = frozenset[str]().union(*config.main.settings[options], *server.settings[options])
        for key, secret in ((user_file, True), (group_file, False)):
            spec = server.settings[key]
            if spec is None:
                continue
            at = server.where[key][0] if key in server.where else None
            lost = "nobody in it can log in" if key is user_file else "nobody can log in without it"
            wrong, right = _lacking(key.name, spec.path)
            if wrong and "InsecurePerms" in chosen and "SyntaxCheck" not in chosen:
                # ProFTPD does not look, then: the file may come later
                yield ConfigWarning(f"{wrong}: {lost}", right=right, word=0, directive=key.name, at=at)
                continue
            try:
                if wrong:
                    raise ConfigError(wrong, right=right)
                _refuse_unsafe(key.name, spec.path, secret=secret and "InsecurePerms" not in chosen)
                if "SyntaxCheck" in chosen:
                    _refuse_malformed(key.name, spec, secret)
            except (ConfigError, OSError) as fault:
                right = fault.right if isinstance(fault, ConfigError) else ""
                yield ConfigError(str(fault), right=right, word=0, directive=key.name, at=at)
            else:
                if not _readable(spec.path):
                    yield ConfigWarning(
                        f"cannot be read by uid {os.geteuid()}: where the daemon is started by that one, {lost}",
                        right=f"chown or chmod u+r {spec.path}", word=0, directive=key.name, at=at,
                    )  # fmt: skip


def _readable(path: str) -> bool:
    try:
        with acting_as_daemon():
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except PermissionError:
        return False
    return True


def _refuse_unsafe(name: str, path: str, *, secret: bool) -> None:
    with acting_as_daemon():
        real = os.path.realpath(path)
        mode = stat.S_IMODE(os.stat(real).st_mode)
        # a link that others can bend is as bad as a file that they can write
        folders = {os.path.dirname(path), os.path.dirname(real)}
        modes = {folder: os.stat(folder).st_mode for folder in sorted(folders)}
    if mode & stat.S_IWOTH:
        raise ConfigError(f"unable to use world-writable {name} '{path}' (perms {mode:04o})", right=f"chmod o-w {path}")
    if secret and mode & stat.S_IROTH:
        right = f"chmod o-r {path}, or AuthFileOptions InsecurePerms"
        raise ConfigError(f"unable to use world-readable {name} '{path}' (perms {mode:04o})", right=right)
    for folder, folder_mode in modes.items():
        # in a sticky folder only the owner of a file can put another in its place
        if folder_mode & stat.S_IWOTH and not folder_mode & stat.S_ISVTX:
            raise ConfigError(
                f"unable to use {name} from world-writable directory '{folder}'", right=f"chmod o-w {folder}"
            )


def _refuse_malformed(name: str, spec: FileSpec, users: bool) -> None:
    table: Table[Any] = Table(spec, Users if users else Groups)
    try:
        malformed = table.current().malformed
    except OSError as error:
        raise ConfigError(f"unable to use {name} '{spec.path}': {error.strerror}") from None
    if malformed:
        fields = "name:hash:uid:gid:gecos:home:shell" if users else "name::gid:member,member"
        raise ConfigError(
            f"bad entries ({len(malformed)}) detected in {name} {spec.path}, the first on its line {malformed[0]}",
            right=fields,
        )


# -- the backend ---------------------------------------------------------------------------------------------------


def _looked_up(session: Session, table: Table[T], find: Callable[[T], F]) -> F | Awaitable[F]:
    """What is found in the file as it is now; to be waited for where that takes more than a look."""
    content = table.unchanged()
    return _read(session, table, find) if content is None else find(content)


async def _read(session: Session, table: Table[T], find: Callable[[T], F]) -> F:
    return find(await session.offload(table.current, "auth"))


def _check(session: Session, stored: str | None, password: str) -> AuthAnswer | Awaitable[AuthAnswer]:
    """By a thread where the hash is a slow one."""
    check = partial(_checked, stored, password)
    at_once = crypt.quick() if stored is None else crypt.at_once(password, stored)
    return check() if at_once else session.offload(check, "auth")


def _checked(stored: str | None, password: str) -> AuthAnswer:
    if stored is None:
        crypt.spend(password)
        return AuthAnswer.NO_SUCH_USER
    # one that is locked is told apart from a wrong one no more than in ProFTPD
    return AuthAnswer.OK if crypt.verify(password, stored) else AuthAnswer.BAD_PASSWORD


# bound once: Python 3.11 asks a function for each look at a member of an enumeration
_OK, _WRONG = AuthAnswer.OK, AuthAnswer.BAD_PASSWORD


class _Assured:
    """An account for as long as the files are those in which it was found."""

    __slots__ = ("_group_table", "_groups", "_holds", "_stored", "_user_table", "_users")

    def __init__(self, table: Table[Users], users: Users, group_table: Table[Groups] | None, stored: str) -> None:
        self._user_table, self._users = table, users
        self._group_table, self._groups = group_table, None if group_table is None else group_table.known()
        self._stored, self._holds = stored, crypt.verifier(stored)

    def lasts(self) -> bool:
        if self._user_table.unchanged() is not self._users:
            return False
        return self._group_table is None or self._group_table.unchanged() is self._groups

    def verify(self, password: str) -> AuthAnswer | None:
        if not crypt.at_once(password, self._stored):
            return None
        return _OK if self._holds(password) else _WRONG


class AuthFile(AuthBackend):
    """Answers for the accounts of the server's AuthUserFile, and for no others."""

    names_wait = False

    def __init__(self) -> None:
        self._users: dict[FileSpec, Table[Users]] = {}
        self._groups: dict[FileSpec, Table[Groups]] = {}
        self._last: tuple[FileSpec | None, Table[Users] | None] = None, None
        """The line that was asked for last, and its table."""

    def _users_of(self, session: Session) -> Table[Users] | None:
        spec = session.server.settings[user_file]
        last, table = self._last
        if spec is last:
            return table
        table = None if spec is None else self._users.get(spec)
        if table is None and spec is not None:
            table = self._users[spec] = Table(spec, partial(Users, source=self))
        self._last = spec, table
        return table

    def _groups_of(self, session: Session) -> Table[Groups] | None:
        spec = session.server.settings[group_file]
        if spec is None:
            return None
        table = self._groups.get(spec)
        if table is None:
            table = self._groups[spec] = Table(spec, Groups)
        return table

    def getpwnam(self, session: Session, user: str) -> Account | Awaitable[Account | None] | None:
        table = self._users_of(session)
        if table is None:
            return None
        users = table.unchanged()
        return self._find(session, table, user) if users is None else users.by_name.get(user)

    def getgroups(self, session: Session, account: Account) -> _Memberships | Awaitable[_Memberships] | None:
        if account.source is not self:
            return None
        table = self._groups_of(session)
        # a system group that names a user of the same name is not meant for a user of the file
        return () if table is None else _looked_up(session, table, lambda groups: groups.of(account))

    def authenticate(
        self, session: Session, account: Account, password: str
    ) -> AuthAnswer | Awaitable[AuthAnswer | None] | None:
        table = self._users_of(session)
        if table is None or account.source is not self:
            return None
        users = table.known()
        if users.by_name.get(account.name) is not account:
            return self._check_anew(session, table, account.name, password)
        # what the file said when it was asked for the account, a moment ago
        return _check(session, users.hashes[account.name], password)

    async def _find(self, session: Session, table: Table[Users], user: str) -> Account | None:
        try:
            return await _read(session, table, lambda read: read.by_name.get(user))
        except FileNotFoundError as error:
            # as in ProFTPD it then has nobody in it: the next backend is asked
            log(Level.WARN, "error: unable to open AuthUserFile file '%s': %s", error.filename, error.strerror)
            return None

    async def _check_anew(self, session: Session, table: Table[Users], name: str, password: str) -> AuthAnswer:
        users = await session.offload(table.current, "auth")
        answer = _check(session, users.hashes.get(name), password)
        return answer if isinstance(answer, AuthAnswer) else await answer

    def assurance(self, account: Account, groups: _Memberships, session: Session, *, alone: bool) -> Assurance | None:
        table, group_table = self._users_of(session), self._groups_of(session)
        if table is None or (group_table is None and not alone):
            return None
        users = table.known()
        if users.by_name.get(account.name) is not account or not crypt.usable(users.hashes[account.name]):
            return None
        if group_table is not None and group_table.known().of(account) != groups:
            return None
        made = _Assured(table, users, group_table, users.hashes[account.name])
        # a file that has to be waited for tells nothing without waiting
        return made if made.lasts() else None

    def uid_name(self, session: Session, uid: int) -> str | None:
        table = self._users_of(session)
        return None if table is None else table.known().by_id.get(uid)

    def gid_name(self, session: Session, gid: int) -> str | None:
        table = self._groups_of(session)
        return None if table is None else table.known().by_id.get(gid)

    def name_uid(self, session: Session, name: str) -> int | None:
        table = self._users_of(session)
        account = None if table is None else table.known().by_name.get(name)
        return None if account is None else account.uid

    def name_gid(self, session: Session, name: str) -> int | None:
        table = self._groups_of(session)
        return None if table is None else table.known().by_name.get(name)


module.auth(AuthFile())
