"""mod_auth -- logging in: USER and PASS, anonymous areas, and how long and how often a client may try."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from functools import partial
from time import time

from ftpd.api import (
    LOGGED_IN,
    MAX_LOGIN_ATTEMPTS,
    REWRITE_HOME,
    SESSION_CLOSE,
    SESSION_OPEN,
    SESSION_REINIT,
    TIMEOUT_LOGIN,
    Class,
    Command,
    Files,
    Level,
    Outcome,
    Refuse,
    Rehousing,
    Reply,
    Session,
    ShortAnswer,
    Steady,
    Timer,
    begin,
    in_task,
    pool_at,
)
from ftpd.modules import _auth_directives as d
from ftpd.modules import _auth_robots, _display
from ftpd.modules._auth_census import Key, census
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_directives import module
from ftpd.modules._auth_events import EMPTY_PASSWORD
from ftpd.modules._auth_known import Regular, regular, remember
from ftpd.modules._auth_lastlog import record_login
from ftpd.modules._auth_login import Visitor, vet
from ftpd.modules._auth_names import Target, target_of
from ftpd.modules._auth_place import create_home, enter, plan_for
from ftpd.modules._auth_reach import reach

# robots.txt lives in a file of its own and registers with the one module
__all__ = ["_auth_robots", "census", "module"]

_LONGEST_NAME = 256
_DEFAULT_UMASK = (0o022, 0o022)
_PRIVILEGED = 1024
_INCORRECT = "Login incorrect."


@dataclass(slots=True)
class Visit:
    """What a client has done so far to get in; failures are never forgotten while it stays."""

    name: str | None = None
    """The name that waits for its password."""
    failures: int = 0
    over: bool = False
    timer: Timer | None = None
    counted_as: list[Key] = field(default_factory=list)


visit_of = module.session_state(Visit)


# -- from connect to close -----------------------------------------------------------------------------------------


@module.on(SESSION_OPEN)
def wait_for_login(session: Session) -> None:
    visit = session[visit_of]
    census.connected(session, visit.counted_as)
    _limit_login(session, visit)


@module.on(SESSION_REINIT)
def wait_at_another_host(session: Session) -> None:
    """HOST: the caps and the patience of that server count, failures and the time that has gone by remain."""
    visit = session[visit_of]
    census.moved(session, visit.counted_as)
    if visit.timer is not None:
        visit.timer.cancel()
        visit.timer = None
    _limit_login(session, visit)


def _limit_login(session: Session, visit: Visit) -> None:
    seconds = session.settings[d.timeout_login]
    if seconds:
        left = max(1.0, session.started + seconds - time())
        visit.timer = session.wire.timer(min(left, seconds), lambda: _login_took_too_long(session, seconds))


def _login_took_too_long(session: Session, seconds: int) -> None:
    session.log(Level.INFO, "Login timeout exceeded, disconnected")
    unit = "second" if seconds == 1 else "seconds"
    session.send(Reply(421, (f"Login timeout ({seconds} {unit}): closing control connection",)))
    session.modules.emit(TIMEOUT_LOGIN, session)
    session.end("Timeout exceeded")


@module.on(SESSION_CLOSE)
def forget(session: Session) -> None:
    visit = session[visit_of]
    visit.over = True
    visit.name = None
    census.left(visit.counted_as)


# -- the verbs -----------------------------------------------------------------------------------------------------


def _named(login: str, session: Session) -> None:
    session.login = session[visit_of].name = login


def _names(cmd: Command, folder: str) -> ShortAnswer | None:
    """What a name is answered before the login follows from the configuration."""
    session = cmd.session
    return None if session.logged_in else session.wire.names(partial(_named, session.login))


@module.cmd(
    "USER", auth=False, classes=Class.AUTH, usage="<sp> username", leads=_names, leads_by=Steady.LINE, alike=True
)  # fmt: skip
def user(cmd: Command) -> Outcome:
    session, login = cmd.session, cmd.argument
    visit = session[visit_of]
    if not cmd.words:
        return cmd.fail(500, "USER: command requires a parameter")
    if session.logged_in:
        if login == session.login:
            return cmd.ok(230, f"User {login} logged in")
        return cmd.fail(501, "Reauthentication not supported")
    visit.name = None
    if "\0" in login:
        return cmd.fail(501, "USER: a NUL byte cannot be part of a user name")
    if len(login.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        session.log(Level.NOTICE, "USER %s... (Login failed): maximum login length exceeded", login[:32])
        return cmd.fail(501, _INCORRECT)
    session.login = visit.name = login
    known = regular(session)
    target = target_of(session, login) if known is None else known.visitor.target
    if not target.wants_password():
        return cmd.ok(331, "Anonymous login ok, send your complete email address as your password")
    # the whole argument is the name, but ProFTPD repeats its first word only
    return cmd.ok(331, f"Password required for {cmd.words[0].strip(chr(34))}")


@module.cmd("PASS", auth=False, classes=Class.AUTH, usage="<sp> password")
def password(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_log_in(cmd))


async def _log_in(cmd: Command) -> Outcome:
    session, visit = cmd.session, cmd.session[visit_of]
    if session.logged_in:
        return cmd.fail(503, "You are already logged in")
    if visit.name is None:
        return cmd.fail(503, "Login with USER first")
    visit.name = None
    known = regular(session)
    target = target_of(session, session.login) if known is None else known.visitor.target
    try:
        _worth_a_try(session, target, cmd.argument)
        visitor = await vet(cmd, target, cmd.argument, None if known is None else known.visitor)
        await _let_in(cmd, visitor, visit, known)
    except Denied as denied:
        return _refuse(cmd, target, visit, denied)
    except Refuse:
        raise
    except Exception as error:
        # whatever broke, nobody gets in by it, and no reply repeats the argument of PASS
        session.log_exception(error)
        broken = Denied(f"USER {session.login}: the login broke off: {error!r}", level=Level.ERROR)
        return _refuse(cmd, target, visit, broken)
    grant = target.settings[d.access_grant_msg]
    if grant is not None:
        granted = grant.replace("%u", session.login)
    elif target.anonymous is not None:
        granted = "Anonymous access granted, restrictions apply"
    else:
        granted = f"User {session.login} logged in"
    greeting = () if session.settings[d.display_login] is None else await _greeting(cmd)
    return cmd.ok(232 if visitor.without_password else 230, *greeting, granted)


@module.pre("PORT", "EPRT")
def without_root(cmd: Command) -> None:
    """RootRevoke: who has given up root cannot connect from port 20, the privileged one of active transfers."""
    session = cmd.session
    if session.logged_in and session.local.port < _PRIVILEGED and session.settings[d.root_revoke_] is d.Revoke.ON:
        session.log(
            Level.NOTICE, "RootRevoke in effect, unable to bind to local port %d for active transfer",
            session.local.port - 1,
        )  # fmt: skip
        raise Refuse(500, f"Unable to service {cmd.name} commands")


@module.cmd("ACCT", auth=False, classes=Class.AUTH, usage="is not implemented")
@module.cmd("REIN", auth=False, classes=Class.AUTH, usage="is not implemented")
def not_implemented(cmd: Command) -> Outcome:
    return cmd.fail(502, f"{cmd.name} command not implemented")


# -- PASS, step by step --------------------------------------------------------------------------------------------


def _worth_a_try(session: Session, target: Target, password: str) -> None:
    """Refuse what no account can have, before any is looked up."""
    settings = target.settings
    spoken: tuple[str, ...] | None = session.setting("Protocols", None)
    if spoken is not None and session.protocol not in spoken:
        wrong = f"USER {session.login} (Login failed): Protocols does not allow {session.protocol}"
        raise Denied(wrong, level=Level.INFO, final=True)
    if "\0" in password:
        raise Denied(f"USER {target.user or session.login} (Login failed): the password holds a NUL byte", code=501)
    name = target.user or session.login
    most = settings[d.max_password_size] or d.PASSWORD_SIZE
    if len(password.encode("utf-8", "surrogateescape")) > most:
        raise Denied(
            f"USER {name} (Login failed): client-provided password size exceeds MaxPasswordSize ({most}), rejecting"
        )
    if not password and not settings[d.allow_empty_passwords]:
        session.modules.emit(EMPTY_PASSWORD, session)
        raise Denied(f"Refusing empty password from user '{name}'", code=501)


async def _let_in(cmd: Command, visitor: Visitor, visit: Visit, known: Regular | None) -> None:
    """Find the session's place, and only when there is one change the session."""
    session, target = cmd.session, visitor.target
    rewritten = target.settings[d.rewrite_home]
    if rewritten:
        visitor = replace(visitor, account=replace(visitor.account, home=await _other_home(cmd, visitor.account.home)))
    account = visitor.account
    how = target.settings[d.create_home]
    if how is not None and target.anonymous is None:
        await cmd.offload(lambda: create_home(session, visitor, how), pool_at(account.home))
    anonymous = target.anonymous is not None
    came_before = known is not None and known.visitor is visitor
    one = known if known is not None and came_before else await _settled_for(cmd, visitor)
    plan = one.plan
    # a home that hangs holds up those whose homes hang with it
    files, cwd = await reach(
        cmd, lambda: enter(session, plan, visitor, one.umask, show_links=one.show_links), *plan.places
    )
    try:
        if visit.over:
            raise Denied(f"USER {session.login}: the client left before it was logged in", level=Level.INFO)
        census.logged_in(session, visit.counted_as, target.settings, account.name, anonymous)
        _settle(cmd, visitor, files, plan.home, cwd)
        if not session.modules.emit(LOGGED_IN, session):
            raise Denied(f"USER {session.login}: a module failed to prepare the session", level=Level.ERROR, final=True)
    except BaseException:
        _unsettle(session)
        census.logged_out(visit.counted_as)
        files.close()
        raise
    if visit.timer is not None:
        visit.timer.cancel()
    if session.server.settings[d.use_lastlog]:
        await cmd.offload(lambda: record_login(session, account.uid), "files")
    if not (came_before or rewritten):
        remember(session, one)
    _limit_session(session)
    session.log_login(Level.INFO, "%s %s: Login successful.", "ANON" if anonymous else "USER", account.name)
    if account.uid == 0:
        session.log(Level.WARN, "ROOT FTP login successful")


async def _settled_for(cmd: Command, visitor: Visitor) -> Regular:
    """What the configuration gives this login."""
    modules, settings = cmd.session.modules, visitor.target.settings
    plan = await plan_for(cmd, visitor.target, visitor.account, visitor.group_names)
    umask, links = modules.directive("Umask"), modules.directive("ShowSymlinks")
    files_umask = _DEFAULT_UMASK[0] if umask is None else (settings[umask] or _DEFAULT_UMASK)[0]
    return Regular(visitor, plan, files_umask, links is None or bool(settings[links]))


async def _other_home(cmd: Command, home: str) -> str:
    """RewriteHome: what the rules for the command REWRITE_HOME make of the home."""
    asked = Command(cmd.session, "REWRITE_HOME", home, gate=cmd.gate, offload=cmd.offload_pool)
    rehousing = Rehousing(asked)
    if not cmd.session.modules.emit(REWRITE_HOME, rehousing):
        raise Denied(f"USER {cmd.session.login}: a module failed to rewrite the home", level=Level.ERROR, final=True)
    for work in rehousing.work:
        await in_task()
        await work
    if not asked.argument.startswith("/"):
        raise Denied(f"USER {cmd.session.login}: the home was rewritten to '{asked.argument}', which is no full path")
    return asked.argument


def _settle(cmd: Command, visitor: Visitor, files: Files, home: str, cwd: str) -> None:
    session = cmd.session
    session.user = visitor.account.name
    session.account = visitor.account
    session.groups = visitor.groups
    session.identity = visitor.identity
    session.anonymous = visitor.target.anonymous
    session.home = home
    session.files = files
    session.cwd = cwd
    # nothing of what was said before the login may act on it
    session.restart = 0
    session.rename_from = None
    notes = session.notes
    notes["mod_auth.orig-user"] = session.login
    notes["mod_auth.home-dir"] = home
    if not visitor.target.wants_password():
        session.notes["mod_auth.anon-passwd"] = cmd.argument
    session.settings = cmd.gate.settings_at(session, cwd)


def _unsettle(session: Session) -> None:
    session.user = session.account = session.identity = session.anonymous = session.files = None
    session.groups = ()
    session.home = session.cwd = "/"
    session.settings = session.server.settings


def _refuse(cmd: Command, target: Target, visit: Visit, denied: Denied) -> Outcome:
    session = cmd.session
    session.log_login(denied.level, "%s", denied.reason)
    visit.failures += 1
    most = session.server.settings[d.max_login_attempts]
    if most is not None and visit.failures >= most:
        session.log(Level.NOTICE, "Maximum login attempts (%d) exceeded, connection refused", most)
        session.modules.emit(MAX_LOGIN_ATTEMPTS, session)
        session.end("Maximum login attempts exceeded")
    elif denied.final:
        session.end("Login refused")
    own = target.settings[d.access_deny_msg]
    text = _INCORRECT if own is None else own.replace("%u", session.login)
    return cmd.fail(denied.code, *([denied.first] if denied.first else []), text)


async def _greeting(cmd: Command) -> tuple[str, ...]:
    """The lines of DisplayLogin; none where there is no such file, which the log tells."""
    session = cmd.session
    name = session.settings[d.display_login]
    assert name is not None
    lines = await cmd.offload(lambda: _display.lines_of(name, session), "files")
    if not lines:
        session.log(Level.INFO, "unable to display DisplayLogin file '%s'", name)
    return tuple(lines)


def _limit_session(session: Session) -> None:
    """Start TimeoutSession: the first line that means this client counts."""
    lines = session.settings[d.timeout_session]
    if not lines:
        return
    names = {"user": (session.user or "",), "group": tuple(name for _, name in session.groups)}
    names["class"] = (session.class_name,) if session.class_name else ()
    meant = (line for line in lines if line.who is None or line.who.matches(names[line.kind], unsure=True))
    seconds = next((line.seconds for line in meant), 0)
    if seconds:
        session.wire.timer(seconds, lambda: _session_took_too_long(session, seconds))


def _session_took_too_long(session: Session, seconds: int) -> None:
    session.log(Level.INFO, "FTP session timed out, disconnected")
    session.send(Reply(421, (f"Session Timeout ({seconds} seconds): closing control connection",)))
    session.end("Timeout exceeded")
