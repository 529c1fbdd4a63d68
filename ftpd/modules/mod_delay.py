"""mod_delay -- USER and PASS take equally long whether the user exists or not, so that a clock tells nobody."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Iterator
from time import time
from typing import NamedTuple

from ftpd.api import (
    GLOBAL,
    SERVER,
    SHUTDOWN,
    STARTUP,
    VHOST,
    Asked,
    Command,
    Config,
    ConfigError,
    ConfigWarning,
    ControlError,
    Level,
    Module,
    Outcome,
    Session,
    Status,
    control_rules,
    log,
    trace,
    types,
)
from ftpd.modules._delay_table import DelayTable

module = Module("mod_delay", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_EVENTS = {"user": "USER", "pass": "PASS", "failedlogin": "FailedLogin", "connect": "Connect"}
_SPAN = re.compile(r"(\d{1,9})-(\d{1,9})(ms|s|sec)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2}):\s*(\d{1,2})\.\s*(\d{1,4})", re.ASCII)
_PLAIN = re.compile(r"\+?\d+(ms|s|sec)?", re.ASCII | re.IGNORECASE)
_MOST = 5.0
"""Seconds of learnt delay at most: times of a database that hung must not hang every login after it."""
_SPREAD = 1e-3
"""Seconds of chance on top: an answer that was held back must not be known by its roundness."""


class Span(NamedTuple):
    """How long an event waits, in seconds; by chance between the two."""

    event: str
    least: float
    most: float


def _milliseconds(text: str) -> int | None:
    """What ProFTPD makes of a delay: the end of the word is the unit, and ``MM:SS.mmm`` is known as well."""
    if found := _CLOCK.match(text):
        return (int(found[1]) * 60 + int(found[2])) * 1000 + int(found[3])
    number, behind = types.to_long(text)
    unit = next((unit for unit in ("ms", "s", "sec") if text.lower().endswith(unit)), "")
    if behind == text or (behind and not unit) or not 0 <= number < 2**31:
        return None
    delay = number * (1000 if unit in ("s", "sec") else 1)
    if not _PLAIN.fullmatch(text):
        types.doubt(f"'{text}' is taken for {delay} milliseconds", word=1)
    return delay


@types.takes(2, 2)
def _event(words: list[str]) -> Span:
    event = _EVENTS.get(words[0].lower())
    if event is None:
        raise ConfigError(f"unknown/unsupported event '{words[0]}'", right=", ".join(_EVENTS.values()), word=0)
    text = types.unpadded(words[1], 1)
    if found := _SPAN.fullmatch(text):
        unit = 0.001 if (found[3] or "ms").lower() == "ms" else 1.0
        least, most = int(found[1]) * unit, int(found[2]) * unit
    else:
        delay = _milliseconds(text)
        if delay is None:
            raise ConfigError(f"error parsing delay '{words[1]}'", right="2000, 2000ms, 5s or 100-3000ms", word=1)
        least = most = delay / 1000
    if most < least:
        raise ConfigError(f"the range '{words[1]}' ends before it begins", right="100-3000ms", word=1)
    return Span(event, least, most)


engine = module.directive(
    "DelayEngine", types.boolean, default=True, contexts=_SERVERS,
    usage="on|off", doc="Whether USER and PASS are held back to the time they usually take.",
)  # fmt: skip
spans = module.directive_list(
    "DelayOnEvent", _event, contexts=_SERVERS,
    usage="USER|PASS|FailedLogin|Connect delay[-delay][ms|s]", doc="A delay that is always added at the event.",
)  # fmt: skip
table_path = module.directive(
    "DelayTable", types.path_or_none, contexts=SERVER,
    usage="path|none", doc="The file that keeps the times over a restart; `none`: nothing is learnt at all.",
)  # fmt: skip
acls = module.directive_list(
    "DelayControlsACLs", control_rules("info", "reset"), contexts=SERVER,
    usage="actions|all allow|deny user|group list", doc="Who may use `ftpdctl delay`.",
)  # fmt: skip

table = DelayTable()


class Counted:
    """Which commands of a session have gone into the table: only the first of each, or one client would fill it."""

    __slots__ = ("verbs",)

    def __init__(self) -> None:
        self.verbs: set[str] = set()


_counted = module.session_state(Counted)


# -- the file ----------------------------------------------------------------------------------------


@module.check
def remember_place(config: Config) -> Iterator[ConfigError]:
    """Sessions of every server need what only the main server may say."""
    table.path = config.main.settings[table_path]
    if table.kept and (reason := table.look()):
        yield ConfigWarning(
            f"what is learnt is not kept over a restart: {reason}",
            right="a file in a folder that only its owner may write to, or none",
            word=0, directive=table_path.name, at=config.main.where[table_path][0],
        )  # fmt: skip


@module.on(STARTUP)
def load(_: None) -> None:
    if table.kept:
        try:
            table.read()
        except FileNotFoundError:
            # nothing has been learnt yet
            if table.look():
                log(Level.WARN, "DelayTable %s is not kept: its folder is not there", table.path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            log(Level.WARN, "DelayTable %s is not used, the times are learnt anew: %s", table.path, reason)


@module.on(SHUTDOWN)
def save(_: None) -> None:
    if table.kept:
        try:
            table.write()
        except OSError as error:
            log(Level.WARN, "DelayTable %s could not be written: %s", table.path, error.strerror)


# -- holding back ------------------------------------------------------------------------------------


def _spreads(config: Config) -> bool:
    return any(span.event == "Connect" for server in config.servers for span in server.settings[spans])


@module.opening(needed=_spreads)
async def spread_connections(session: Session) -> None:
    """DelayOnEvent Connect: so that many clients that come at once are not served at once."""
    if session.settings[engine]:
        wait = _asked_for(session, "Connect")
        if wait:
            await asyncio.sleep(wait)


def _holds(config: Config) -> bool:
    return any(server.settings[engine] for server in config.servers)


@module.post("USER", "PASS", needed=_holds)
def even_out(cmd: Command) -> Awaitable[Outcome | None] | None:
    return _held(cmd, failed=False)


@module.post_err("USER", "PASS", needed=_holds)
def even_out_failure(cmd: Command) -> Awaitable[Outcome | None] | None:
    return _held(cmd, failed=True)


def _held(cmd: Command, *, failed: bool) -> Awaitable[Outcome | None] | None:
    session = cmd.session
    # the server's own value: <Anonymous> is not known to every client, and must not be told by the clock
    settings = session.server.settings
    if not settings[engine]:
        return None
    verb = cmd.name
    wait = _asked_for(session, verb)
    if failed and verb == "PASS":
        wait = max(wait, _asked_for(session, "FailedLogin"))
    if table.path != "none":
        # from wrong passwords nothing is learnt: whoever guesses at a slow hash would slow down everybody's login
        learns = verb == "USER" or not failed
        wait = max(wait, _learnt(session, verb, time() - cmd.started, learns=learns))
    if wait <= 0:
        return None
    if trace.active:
        trace.say("delay", 8, "%s is answered %.1f ms later", verb, wait * 1000, peer=session.peer)
    return _rest(wait)


async def _rest(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _learnt(session: Session, verb: str, spent: float, *, learns: bool) -> float:
    """What is missing to the usual time; the first of each session is learnt from."""
    times = table.times(f"{session.local.host}#{session.local.port}", verb)
    usual = times.usual / 1e6
    counted = session[_counted]
    if learns and verb not in counted.verbs and spent >= 0:
        counted.verbs.add(verb)
        times.add(int(spent * 1e6))
    if not usual:
        return 0.0
    return min(max(usual - spent, 0.0) + random.random() * _SPREAD, _MOST)  # noqa: S311


def _asked_for(session: Session, event: str) -> float:
    # the last line of an event counts, those of <Global> behind the server's own: so it is in ProFTPD
    asked = session.server.settings[spans]
    for span in reversed(asked):
        if span.event == event:
            return random.uniform(span.least, span.most)  # noqa: S311
    return 0.0


# -- ftpdctl delay -----------------------------------------------------------------------------------


@module.control("delay", help="tune mod_delay settings", acl=acls, parts=("info", "reset"))
def answer(asked: Asked) -> Iterator[str]:
    if not asked.words:
        raise ControlError(Status.WRONG_PARAMETERS, "delay: missing required parameters")
    what = asked.words[0]
    if table.path == "none":
        raise ControlError(Status.DENIED, "delay: DelayTable disabled")
    if what == "info":
        lines = list(table.lines())
        yield from lines or ["no times have been learnt yet"]
    elif what == "reset":
        table.reset()
        save(None)
        yield f"DelayTable '{table.path or 'in memory'}' reset"
    else:
        raise ControlError(Status.UNSUPPORTED, f"unknown delay action: '{what}'")
