"""Who is let in: the questions of a login in ProFTPD's order, the password being one of them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import field, replace
from functools import lru_cache

from ftpd.api import (
    Account,
    AuthAnswer,
    AuthUnavailable,
    Command,
    Identity,
    Level,
    Pattern,
    Session,
    crypt,
    dataclass,
    denies,
)
from ftpd.modules import _auth_directives as d
from ftpd.modules import _auth_lists as lists
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_events import ANON_REJECT_PASSWORDS, ROOT_LOGIN
from ftpd.modules._auth_names import Target, own_value
from ftpd.modules._auth_reach import reach

Groups = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Visitor:
    """One who may come in."""

    target: Target
    account: Account
    groups: Groups
    without_password: bool
    own: Groups | None = None
    """The groups without the one that the area gives; None where it gives none."""
    identity: Identity = field(init=False)
    """The rights of the session: the account's own groups, that of the area, and none of the daemon's."""
    group_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", _identity(self.account.uid, self.account.gid, self.groups))
        object.__setattr__(self, "group_names", tuple([name for _, name in self.groups]))

    @property
    def at_the_door(self) -> Identity | None:
        """Who has to be able to enter the area, where that is another than who then is in it."""
        return None if self.own is None else _identity(self.account.uid, self.own[0][0], self.own)

    def admitted(self, command: Command) -> bool:
        """Whether <Limit LOGIN> lets him in: by his own groups, and with that of the area as well."""
        return self.admitted_as_he_comes(command) and self.admitted_with_area(command)

    def admitted_as_he_comes(self, command: Command) -> bool:
        """The same by his own groups alone, which is asked first."""
        names = self.group_names if self.own is None else tuple([group for _, group in self.own])
        return admits(command, self.target, self.account.name, names)

    def admitted_with_area(self, command: Command) -> bool:
        """Whether the area's own <Limit LOGIN> does with the group that it gives: asked once its folder let him in."""
        area = self.target.anonymous
        if self.own is None or area is None:
            return True
        return command.gate.login(command.session, area, self.account.name, self.group_names) is not False

    def is_still(self, account: Account, groups: Groups) -> bool:
        """Whether the backends say the same of him as they did."""
        mine = self.account
        return (mine is account or (mine == account and mine.source is account.source)) and self.groups == groups


@lru_cache(maxsize=1024)
def _identity(uid: int, gid: int, groups: Groups) -> Identity:
    """One for all sessions of a user."""
    return Identity(uid, gid, tuple(dict.fromkeys((gid, *(number for number, _ in groups)))))


async def vet(command: Command, target: Target, password: str, known: Visitor | None = None) -> Visitor:
    """Ask all that a login must answer; Denied at the first wrong answer. ``known``: who it was the last time.

    Whoever fails before the password was looked at has hashed it nonetheless: how long a refusal takes tells
    nobody which names exist.
    """
    settings = target.settings
    try:
        account, groups, own = await _known(command, target)
        if known is not None and known.is_still(account, groups):
            visitor = known
        else:
            visitor = Visitor(target, account, groups, False, own)
        _limit_admits(command, visitor, password)
    except Denied:
        await _spend(command, password)
        raise
    shells, users = settings[d.require_valid_shell], settings[d.use_ftp_users]
    objection = await _objection(command, account, shells, users) if shells or users else None
    without = False
    if target.wants_password():
        # that nobody gets in by it must not tell whether it is right
        with nullcontext() if objection is None else crypt.hashed_anew(password):
            without = await _password_holds(command, target, account, password)
    if objection is not None:
        raise objection
    return replace(visitor, without_password=True) if without else visitor


async def _objection(command: Command, account: Account, shells: bool, users: bool) -> Denied | None:
    """What /etc/shells or /etc/ftpusers says against the account, for who has the password right."""
    try:
        objects = await reach(
            command, lambda: lists.objection(account, shells, users), lists.SHELLS, lists.FTPUSERS
        )  # fmt: skip
    except Denied as denied:
        return denied
    return Denied(f"USER {account.name} (Login failed): {objects}") if objects else None


async def _spend(command: Command, password: str) -> None:
    """Take the time that checking the password would have taken, and take it in the same way."""
    if crypt.quick():
        crypt.spend(password)
    else:
        await command.offload(lambda: crypt.spend(password), "auth")


async def _known(command: Command, target: Target) -> tuple[Account, Groups, Groups | None]:
    """The account, its groups, and those without the area's Group if that is none of them."""
    session = command.session
    if target.user is None:
        if target.anonymous is not None:
            raise Denied(f"USER {session.login} (Login failed): the <Anonymous> with AuthAliasOnly has no User")
        raise Denied(f"USER {session.login}: user is not a UserAlias {_whence(session)}")
    accounts = session.modules.accounts
    try:
        account = await accounts.getpwnam(session, target.user)
    except Exception as error:
        raise _broken(session, error) from None
    if account is None:
        raise Denied(_unknown(session, target.user))
    if account.uid == 0 and not target.settings[d.root_login]:
        session.modules.emit(ROOT_LOGIN, session)
        raise Denied("SECURITY VIOLATION: Root login attempted")
    try:
        groups = await accounts.getgroups(session, account)
    except Exception as error:
        raise _broken(session, error) from None
    gid = account.gid
    if gid not in [number for number, _ in groups]:
        groups = ((gid, await accounts.group_name(session, gid)), *groups)
    own = None
    if target.anonymous is not None and (name := own_value(session, target.anonymous, "Group")) is not None:
        chosen = await command.offload(lambda: accounts.name_gid(session, name), "auth")
        if chosen is None and name.isascii() and name.isdigit():
            chosen = int(name)
        if chosen is None:
            raise Denied(f"USER {session.login}: no such group '{name}', which <Anonymous> names")
        # a guest keeps those of his account
        others = tuple([group for group in groups if group[0] != chosen])
        own = groups if len(others) == len(groups) else None
        account, groups = replace(account, gid=chosen), ((chosen, name), *others)
    return account, groups, own


def _broken(session: Session, error: Exception) -> Denied:
    """A backend that breaks denies."""
    if isinstance(error, AuthUnavailable):
        return Denied(f"USER {session.login} (Login failed): {error}")
    session.log_exception(error)
    return Denied(f"USER {session.login}: an auth backend failed: {error!r}", level=Level.ERROR)


def _unknown(session: Session, name: str) -> str:
    return f"USER {name}: no such user found {_whence(session)}"


def _whence(session: Session) -> str:
    here, there = session.local, session.remote
    return f"from {session.remote_name} [{there.host}] to {here.host}:{here.port}"


def _limit_admits(command: Command, visitor: Visitor, password: str) -> None:
    """<Limit LOGIN>, and AnonRejectPasswords before it."""
    session, target = command.session, visitor.target
    if target.anonymous is not None:
        rejected = target.settings[d.anon_reject_passwords]
        if rejected is not None and _rejects(*rejected, password):
            session.modules.emit(ANON_REJECT_PASSWORDS, session)
            raise Denied(f"ANON {session.login}: AnonRejectPasswords denies login")
    if not visitor.admitted_as_he_comes(command):
        kind = "USER" if target.anonymous is None else "ANON"
        raise Denied(f"{kind} {session.login} (Login failed): Limit access denies login")


def admits(command: Command, target: Target, user: str, names: tuple[str, ...]) -> bool:
    """Whether <Limit LOGIN> lets the user in: the server's, and that of the <Anonymous> the login leads to."""
    session, gate = command.session, command.gate
    admitted = gate.login(session, None, user, names) is not False
    if target.anonymous is None:
        return admitted
    own = gate.login(session, target.anonymous, user, names)
    # the server shuts an <Anonymous> out unless that one opens itself by name
    return own is not False and (admitted or own is True)


def _rejects(pattern: Pattern, negated: bool, password: str) -> bool:
    return pattern.search(password) is None if negated else denies(pattern, password)


def failed(session: Session, target: Target, answer: AuthAnswer) -> str:
    """ProFTPD names who gives a wrong password as he named himself, and others as who they are."""
    name = session.login if answer is AuthAnswer.BAD_PASSWORD else target.user
    return f"USER {name} (Login failed): {answer.value}"


async def _password_holds(command: Command, target: Target, account: Account, password: str) -> bool:
    """Denied unless the password holds; True when none was needed."""
    session, accounts = command.session, command.session.modules.accounts
    alias = session.login.lower() != (target.user or "").lower()
    if alias and target.anonymous is not None and target.settings[d.auth_using_alias]:
        try:
            other = await accounts.getpwnam(session, session.login)
        except Exception as error:
            raise _broken(session, error) from None
        if other is None:
            await _spend(command, password)
            raise Denied(_unknown(session, session.login))
        account = other
        session.log_login(Level.INFO, "ANON AUTH: User %s, authenticating using alias %s", target.user, session.login)
    lines = target.settings[d.user_password]
    stored = next((hash for name, hash in lines if name == account.name), None) if lines else None
    if stored is not None:
        if crypt.at_once(password, stored):
            held = crypt.verify(password, stored)
        else:
            held = await command.offload(lambda: crypt.verify(password, stored), "auth")
        answer = AuthAnswer.OK if held else AuthAnswer.BAD_PASSWORD
    else:
        try:
            answer = await accounts.authenticate(session, account, password)
        except Exception as error:
            raise _broken(session, error) from None
    if not answer.accepted:
        raise Denied(failed(session, target, answer))
    return answer is AuthAnswer.OK_NO_PASS
