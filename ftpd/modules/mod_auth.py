"""mod_auth -- logging in: USER and PASS, anonymous areas, and how long and how often a client may try."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from time import time

from ftpd.api import (
    MAX_LOGIN_ATTEMPTS,
    REWRITE_HOME,
    SESSION_CLOSE,
    SESSION_OPEN,
    SESSION_REINIT,
    TIMEOUT_LOGIN,
    Account,
    Class,
    Command,
    Level,
    Outcome,
    Refuse,
    Rehousing,
    Reply,
    Session,
    ShortAnswer,
    Steady,
    begin,
    crypt,
    in_task,
    pool_at,
)
from ftpd.modules import _auth_directives as d
from ftpd.modules import _auth_doubts, _auth_robots, _display
from ftpd.modules._auth_again import come_again, short_way
from ftpd.modules._auth_census import census
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_directives import module
from ftpd.modules._auth_entry import announce, failed_module, move_in, tell_apart
from ftpd.modules._auth_events import EMPTY_PASSWORD
from ftpd.modules._auth_known import Regular, regular, remember
from ftpd.modules._auth_lastlog import record_login
from ftpd.modules._auth_login import Visitor, vet
from ftpd.modules._auth_names import Target, target_of
from ftpd.modules._auth_place import create_home, enter, plan_for
from ftpd.modules._auth_reach import reach
from ftpd.modules._auth_visit import Visit, visit_of

# these live in files of their own and register with the one module
__all__ = ["_auth_doubts", "_auth_robots", "census", "module"]

_LONGEST_NAME = 256
_DEFAULT_UMASK = (0o022, 0o022)
_PRIVILEGED = 1024
_INCORRECT = "Login incorrect."
_SWEEP = 15.0
"""Seconds between two looks for passwords that are not to be known any more."""

module.every(_SWEEP)(crypt.proofs.forget_old)


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
    session.end("Timeout exceeded: TimeoutLogin")


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
    visit.name = visit.came = None
    if "\0" in login:
        return cmd.fail(501, "USER: a NUL byte cannot be part of a user name")
    if len(login.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        session.log(Level.NOTICE, "USER %s (Login failed): maximum USER length exceeded", login)
        return cmd.fail(501, _INCORRECT)
    session.login = visit.name = login
    known = regular(session)
    target = target_of(session, login) if known is None else known.visitor.target
    if not target.wants_password():
        return cmd.ok(331, "Anonymous login ok, send your complete email address as your password")
    # the whole argument is the name, but ProFTPD repeats its first word only
    return cmd.ok(331, f"Password required for {cmd.words[0].strip(chr(34))}")


@module.cmd(
    "PASS", auth=False, classes=Class.AUTH, usage="<sp> password", leads=short_way, leads_by=Steady.LINE, alike=True
)  # fmt: skip
def password(cmd: Command) -> Outcome | Awaitable[Outcome]:
    return begin(_log_in(cmd))


async def _log_in(cmd: Command) -> Outcome:
    session, visit = cmd.session, cmd.session[visit_of]
    came, visit.came = visit.came, None
    if came is None:
        if session.logged_in:
            return cmd.fail(503, "You are already logged in")
        if visit.name is None:
            return cmd.fail(503, "Login with USER first")
    known = regular(session)
    target = target_of(session, session.login) if known is None else known.visitor.target
    try:
        one = await _come(cmd, visit, target, known) if came is None else came
        if isinstance(one, Exception):
            raise one
    except Denied as denied:
        return _refuse(cmd, target, visit, denied)
    except Refuse:
        raise
    except Exception as error:
        # whatever broke, nobody gets in by it, and no reply repeats the argument of PASS
        session.log_exception(error)
        broken = Denied(f"USER {session.login}: the login broke off: {error!r}", level=Level.ERROR)
        return _refuse(cmd, target, visit, broken)
    greeting = () if session.settings[d.display_login] is None else await _greeting(cmd)
    return cmd.ok(232 if one.visitor.without_password else 230, *greeting, one.granted)


async def _come(cmd: Command, visit: Visit, target: Target, known: Regular | None) -> Regular:
    """Let the client in, and tell as whom."""
    if known is not None and known.assurance is not None:
        near = not pool_at(*known.plan.places, kind="")
        if near and come_again(cmd.session, visit, known, cmd.gate.settings_at, cmd.argument):
            return known
        # what it hangs on may be otherwise by now
        known = None
    visit.name = None
    _worth_a_try(cmd.session, target, cmd.argument)
    visitor = await vet(cmd, target, cmd.argument, None if known is None else known.visitor)
    return await _let_in(cmd, visitor, visit, known)


@module.log_err("PASS")
def forget_name(cmd: Command) -> None:
    """What fails as a login belongs to no name; the other logs, which are asked before, still have it."""
    if not cmd.session.logged_in:
        cmd.session.login = ""


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
        wrong = f"{session.protocol} protocol denied by Protocols config"
        raise Denied(
            wrong, level=Level.INFO, final=True, ending="Configured policy: Denied by Protocols setting"
        )  # fmt: skip
    if "\0" in password:
        raise Denied(f"USER {target.user or session.login} (Login failed): the password holds a NUL byte", code=501)
    most = settings[d.max_password_size] or d.PASSWORD_SIZE
    # of a guest nobody looks at it
    if target.wants_password() and len(password.encode("utf-8", "surrogateescape")) > most:
        session.log_login(Level.INFO, "client-provided password size exceeds MaxPasswordSize (%d), rejecting", most)
        raise Denied(f"USER {session.login} (Login failed): Incorrect password")
    # what the server says against it no area takes back, as in ProFTPD
    if not (password or (settings[d.allow_empty_passwords] and session.server.settings[d.allow_empty_passwords])):
        session.modules.emit(EMPTY_PASSWORD, session)
        # no guess at anything, and so no attempt for MaxLoginAttempts, as in ProFTPD
        raise Denied(f"Refusing empty password from user '{session.login}'", code=501, counted=False)


async def _let_in(cmd: Command, visitor: Visitor, visit: Visit, known: Regular | None) -> Regular:
    """Find the session's place, and only when there is one change the session."""
    session, target = cmd.session, visitor.target
    rewritten = target.settings[d.rewrite_home]
    if rewritten:
        visitor = replace(visitor, account=replace(visitor.account, home=await _other_home(cmd, visitor.account)))
    account = visitor.account
    how = target.settings[d.create_home]
    if how is not None and target.anonymous is None:
        await cmd.offload(lambda: create_home(session, visitor, how), pool_at(account.home))
    one = known if known is not None and known.visitor is visitor else await _settled_for(cmd, visitor)
    plan = one.plan
    try:
        # a home that hangs holds up those whose homes hang with it
        files, cwd = await reach(
            cmd, lambda: enter(session, plan, visitor, one.umask, show_links=one.show_links), *plan.places
        )
    except Denied as denied:
        if denied.final:
            tell_apart(session, visitor)
        raise
    if not visitor.admitted_with_area(cmd):
        files.close()
        raise Denied(f"ANON {session.login}: Limit access denies login")
    move_in(session, visit, one, files, cwd, cmd.gate.settings_at, cmd.argument)
    if session.server.settings[d.use_lastlog]:
        await cmd.offload(lambda: record_login(session, account.uid), "files")
    if not (one is known or rewritten):
        remember(session, one)
    announce(session, visitor)
    return one


async def _settled_for(cmd: Command, visitor: Visitor) -> Regular:
    """What the configuration gives this login."""
    session, modules, target = cmd.session, cmd.session.modules, visitor.target
    settings = target.settings
    plan = await plan_for(cmd, target, visitor.account, visitor.group_names)
    umask, links = modules.directive("Umask"), modules.directive("ShowSymlinks")
    return Regular(
        visitor,
        plan,
        _DEFAULT_UMASK[0] if umask is None else (settings[umask] or _DEFAULT_UMASK)[0],
        links is None or bool(settings[links]),
        _granted(session, target),
        settings[d.max_password_size] or d.PASSWORD_SIZE,
        settings[d.require_valid_shell] or settings[d.use_ftp_users],
        modules.accounts.assurance(session, visitor.account, visitor.groups) if _may_come_again(cmd, target) else None,
    )


def _granted(session: Session, target: Target) -> str:
    grant = target.settings[d.access_grant_msg]
    if grant is not None:
        return grant.replace("%u", session.login)
    if target.anonymous is not None:
        return "Anonymous access granted, restrictions apply"
    return f"User {session.login} logged in"


def _may_come_again(cmd: Command, target: Target) -> bool:
    """Whether nobody has a say in the login beside the account's backend: a rule, another password, a home to make."""
    session, settings = cmd.session, target.settings
    if target.anonymous is not None or cmd.gate.limits_login(session.server) or settings[d.user_password]:
        return False
    if settings[d.rewrite_home] or settings[d.create_home] is not None or session.server.settings[d.use_lastlog]:
        return False
    return session.setting("Protocols", None) is None


async def _other_home(cmd: Command, account: Account) -> str:
    """RewriteHome: what the rules for the command REWRITE_HOME make of the home."""
    asked = Command(cmd.session, "REWRITE_HOME", account.home, gate=cmd.gate, offload=cmd.offload_pool)
    # the session is nobody's yet, and the rules may ask whose home it is
    asked.notes["mod_auth.admitted"] = account.name
    rehousing = Rehousing(asked)
    if not cmd.session.modules.emit(REWRITE_HOME, rehousing):
        raise failed_module(cmd.session, "rewrite the home")
    for work in rehousing.work:
        await in_task()
        await work
    if not asked.argument.startswith("/"):
        why = f"USER {cmd.session.login}: the home was rewritten to '{asked.argument}', which is no full path"
        raise Denied(why, final=True)
    return asked.argument


def _refuse(cmd: Command, target: Target, visit: Visit, denied: Denied) -> Outcome:
    session = cmd.session
    session.log_login(denied.level, "%s", denied.reason)
    visit.failures += denied.counted
    most = session.server.settings[d.max_login_attempts]
    first = denied.first
    if denied.counted and most is not None and visit.failures >= most:
        # the last that is said is the refusal alone, as in ProFTPD
        first = ""
        session.log_login(Level.NOTICE, "Maximum login attempts (%d) exceeded, connection refused", most)
        session.modules.emit(MAX_LOGIN_ATTEMPTS, session)
        session.end("Configured policy: Denied by MaxLoginAttempts")
    elif denied.final:
        session.end(denied.ending)
    # whom ProFTPD sends away with his password in order hears nothing of one's own, nor who sent none that is looked at
    own = None if denied.final or denied.code == 501 else target.settings[d.access_deny_msg]
    text = _INCORRECT if own is None else own.replace("%u", session.login)
    return cmd.fail(denied.code, *([first] if first else []), text)


async def _greeting(cmd: Command) -> tuple[str, ...]:
    """The lines of DisplayLogin; none where there is no such file, which the log tells."""
    session = cmd.session
    name = session.settings[d.display_login]
    assert name is not None
    lines = await cmd.offload(lambda: _display.lines_of(name, session), "files")
    if not lines:
        session.log(Level.INFO, "unable to display DisplayLogin file '%s'", name)
    return tuple(lines)
