"""The moment of getting in: the client is counted and the session becomes the visitor's, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable

from ftpd.api import LOGGED_IN, Files, Level, Refuse, Reply, Session, Settings
from ftpd.modules import _auth_directives as d
from ftpd.modules._auth_census import census
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_known import Regular
from ftpd.modules._auth_login import Visitor
from ftpd.modules._auth_visit import Visit

# bound once: Python 3.11 asks a function for each look at a member of an enumeration
_INFO = Level.INFO

SettingsAt = Callable[[Session, str], Settings]


def move_in(
    session: Session, visit: Visit, one: Regular, files: Files, cwd: str, settings_at: SettingsAt, password: str
) -> None:  # fmt: skip
    """Count the client and change the session; where that fails, the files are closed."""
    visitor = one.visitor
    target = visitor.target
    try:
        if visit.over:
            raise Denied(f"USER {session.login}: the client left before it was logged in", level=Level.INFO)
        anonymous = target.anonymous is not None
        census.logged_in(session, visit.counted_as, target.settings, visitor.account.name, anonymous)
        _settle(session, visitor, files, one.plan.home, cwd, password)
        session.settings = settings_at(session, cwd)
        if not session.modules.emit(LOGGED_IN, session):
            raise failed_module(session, "prepare the session")
    except BaseException as error:
        _unsettle(session)
        if isinstance(error, Refuse) and error.close:
            tell_apart(session, visitor)
        census.logged_out(visit.counted_as)
        files.close()
        raise
    if visit.timer is not None:
        visit.timer.cancel()


def failed_module(session: Session, to: str) -> Denied:
    why = f"USER {session.login}: a module failed to {to}"
    return Denied(why, level=Level.ERROR, final=True, ending="Application error")


def tell_apart(session: Session, visitor: Visitor) -> None:
    """The password has let the user in, and something else has not: the logs say who was turned away."""
    session.notes["mod_auth.admitted"] = visitor.account.name
    if visitor.groups:
        session.notes["mod_auth.admitted-group"] = visitor.groups[0][1]


def announce(session: Session, visitor: Visitor) -> None:
    """He is in: from now on his time runs, and the log tells of him."""
    if session.settings[d.timeout_session]:
        _limit_session(session)
    if visitor.account.uid == 0 and visitor.target.wants_password():
        session.log_login(Level.WARN, "ROOT FTP login successful")
    # as a whole: what one host's lines say is remembered
    session.log_login(_INFO, f"{'USER' if session.anonymous is None else 'ANON'} {session.user}: Login successful.")


def _settle(session: Session, visitor: Visitor, files: Files, home: str, cwd: str, password: str) -> None:
    session.user = visitor.account.name
    session.account = visitor.account
    session.groups = visitor.groups
    session.identity = visitor.identity
    session.anonymous = visitor.target.anonymous
    session.home = home
    session.files = files
    files.allowance = session.allowance
    session.cwd = cwd
    # nothing of what was said before the login may act on it
    session.restart = 0
    session.rename_from = None
    notes = session.notes
    notes["mod_auth.orig-user"] = session.login
    notes["mod_auth.home-dir"] = home
    if not visitor.target.wants_password():
        notes["mod_auth.anon-passwd"] = password


def _unsettle(session: Session) -> None:
    session.user = session.account = session.identity = session.anonymous = session.files = None
    session.groups = ()
    session.home = session.cwd = "/"
    session.settings = session.server.settings


def _limit_session(session: Session) -> None:
    """Start TimeoutSession: the first line that means this client counts."""
    names = {"user": (session.user or "",), "group": tuple(name for _, name in session.groups)}
    names["class"] = (session.class_name,) if session.class_name else ()
    lines = session.settings[d.timeout_session]
    meant = (line for line in lines if line.who is None or line.who.matches(names[line.kind], unsure=True))
    seconds = next((line.seconds for line in meant), 0)
    if seconds:
        session.wire.timer(seconds, lambda: _session_took_too_long(session, seconds))


def _session_took_too_long(session: Session, seconds: int) -> None:
    session.log(Level.INFO, "FTP session timed out, disconnected")
    session.send(Reply(421, (f"Session Timeout ({seconds} seconds): closing control connection",)))
    session.end("Timeout exceeded: TimeoutSession")
