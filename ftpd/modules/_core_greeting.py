"""The beginning of a session, its idle time and its end: banner, TimeoutIdle, QUIT."""

from __future__ import annotations

import os
from time import monotonic

from ftpd.api import (
    FILES_RECEIVED,
    FILES_SENT,
    GREETING,
    LOGGED_IN,
    SESSION_OPEN,
    SESSION_REINIT,
    TIMEOUT_IDLE,
    WORK_DONE,
    Class,
    Command,
    Level,
    Outcome,
    Refrain,
    Reply,
    Sent,
    Session,
    Steady,
    Transfer,
    types,
)
from ftpd.modules import _display
from ftpd.modules._core import SERVERS, SESSIONS, CoreState, module, state
from ftpd.modules._core_server import defer_welcome, server_ident, server_name
from ftpd.modules._display_cookies import known_as

PROFTPD = "1.3.8"
"""The release whose replies these are; scripts look for it in the banner's %{version} and in CSID."""

_GREETINGS = object()
_MOST_GREETINGS = 256
"""Addresses whose greeting one configuration remembers: a machine may have a whole network of them."""

display_connect = module.directive(
    "DisplayConnect", types.string, contexts=SERVERS,
    usage="path", doc="A file shown before the banner.",
)  # fmt: skip
display_quit = module.directive(
    "DisplayQuit", types.string, contexts=SESSIONS,
    usage="path", doc="A file shown at QUIT, instead of Goodbye.",
)  # fmt: skip
timeout_idle = module.directive(
    "TimeoutIdle", types.seconds, default=600, contexts=SESSIONS,
    usage="seconds", doc="How long a client may say nothing while nothing is transferred; 0 is for ever.",
)  # fmt: skip


# -- the banner --------------------------------------------------------------------------------------


@module.on(SESSION_OPEN)
def greet(session: Session) -> None:
    """mod_core is asked last, so whoever wants to refuse the client has done so."""
    if session.settings[display_connect] is None and GREETING not in session:
        session.send(_bare_greeting(session))
    else:
        first: list[str] = []
        if GREETING in session:
            first = session[GREETING]
            session.forget(GREETING)
        session.send(Reply(220, (*first, *welcome(session))))
    watch_idle(session)


def welcome(session: Session) -> list[str]:
    """The message of the server and its banner: what a client reads that has come to it, by HOST as well."""
    path = session.settings[display_connect]
    # a relative path is one of the machine: there is no folder of the user's yet
    message = [] if path is None else _display.of_machine(os.path.join("/", path), session)
    return [*message, banner(session)]


def _bare_greeting(session: Session) -> Reply:
    """The banner alone, which is the same for all who come by one address."""
    greetings = session.modules.kept.setdefault(_GREETINGS, {})
    where = session.server, session.settings, session.local
    known: Reply | None = greetings.get(where)
    if known is None:
        if len(greetings) >= _MOST_GREETINGS:
            greetings.clear()
        known = greetings[where] = Refrain(220, (banner(session),))
    return known


def banner(session: Session) -> str:
    """The words of the greeting as ServerIdent and DeferWelcome want them."""
    ident = session.settings[server_ident]
    here = known_as(session)
    if not ident.shown:
        return f"{here} FTP server ready"
    name = session.settings[server_name]
    text = ident.text
    if text is not None:
        host = session.server.args[0] if session.server.args else here
        for variable, value in (("%L", here), ("%V", host), ("%v", name), ("%{version}", PROFTPD)):
            text = text.replace(variable, value)
        return text
    return "ProFTPD Server ready." if session.settings[defer_welcome] else f"ProFTPD Server ({name}) [{here}]"


# -- TimeoutIdle -------------------------------------------------------------------------------------


@module.on(LOGGED_IN)
@module.on(SESSION_REINIT)
def watch_idle(session: Session) -> None:
    """Begin to count, with the value that is in force now: <Anonymous> may have another one."""
    seconds = session.settings[timeout_idle]
    if not seconds and state not in session:
        return
    kept = session[state]
    if kept.idle is not None:
        if kept.idle.seconds == seconds:
            return
        kept.idle.cancel()
    kept.idle = session.wire.timer(seconds, lambda: _idle_for(session, seconds), idle=True) if seconds else None


def _idle_for(session: Session, seconds: int) -> None:
    if session.wire.busy:
        # a long transfer or copy is no idleness: count from its end at the latest
        session[state].idle = session.wire.timer(seconds, lambda: _idle_for(session, seconds), idle=True)
        return
    session.modules.emit(TIMEOUT_IDLE, session)
    session.log(Level.INFO, "Client session idle timeout, disconnected")
    session.send(Reply(421, (f"Idle timeout ({seconds} seconds): closing control connection",)))
    session.end("Timeout exceeded: TimeoutIdle")


@module.log("APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU", steady=Steady.VERB, alike=True)
@module.log_err("APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU")
def count_from_its_last_byte(cmd: Command) -> None:
    if (transfer := cmd.transfer) is None:
        return
    _add_up(cmd.session[state], transfer)
    if transfer.last_moved is None:
        count_from_here(cmd.session)
    elif (idle := cmd.session[state].idle) is not None:
        # in ProFTPD the timer goes round and round while the transfer lasts, from its last byte
        now = monotonic()
        idle.reset(now - (now - transfer.last_moved) % idle.seconds)


@module.on(FILES_SENT)
def add_up(sent: Sent) -> None:
    """The same for files that no command's road was walked for; its timers begin anew as with every known answer."""
    kept = sent.session[state]
    kept.sent += sent.moved
    kept.files_sent += sent.files


@module.on(FILES_RECEIVED)
def add_up_received(received: Sent) -> None:
    kept = received.session[state]
    kept.received += received.moved
    kept.files_received += received.files


@module.on(WORK_DONE)
def count_from_here(session: Session) -> None:
    idle = session[state].idle
    if idle is not None:
        idle.reset()


def _add_up(kept: CoreState, transfer: Transfer) -> None:
    """What message files tell of the session's traffic."""
    kept.count_bytes(transfer)
    kept.counted = None
    done = transfer.status == "success"
    if transfer.direction == "i":
        kept.files_received += done
    else:
        kept.files_sent += done and transfer.direction == "o"


# -- QUIT --------------------------------------------------------------------------------------------


def _says_the_same(cmd: Command) -> Steady:
    return Steady.VERB if cmd.session.settings[display_quit] is None else Steady.NOTHING


@module.cmd(
    "QUIT", auth=False, classes=Class.INFO, usage="(close control connection)", parts=True, steady=_says_the_same,
    alike=True,
)  # fmt: skip
def say_goodbye(cmd: Command) -> Outcome:
    session = cmd.session
    path = session.settings[display_quit]
    if path is None:
        return cmd.ok(221, "Goodbye.")
    # what the server's own line names is shown to everybody, guests among them
    everybody = session.anonymous is not None and display_quit not in session.anonymous.values
    return cmd.ok(221, *(_display.lines_of(path, session, from_outside=everybody) or ["Goodbye."]))


@module.log("QUIT", steady=True, alike=True)
@module.log_err("QUIT")
def leave(cmd: Command) -> None:
    """After all others have seen the command, and even where one refused it: who wants to go, goes."""
    cmd.session.end("Quit")
