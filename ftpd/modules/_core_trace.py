"""What is recorded of the inner workings, and the facility of syslog: Trace, TraceLog, TraceOptions, SyslogFacility."""

from __future__ import annotations

import re

from ftpd.api import GLOBAL, SERVER, ConfigError, Multi, dataclass, types
from ftpd.modules._core import SERVERS, module

_LEVELS = re.compile(r"\s*\+?(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Traced:
    """One line of Trace."""

    sessions_only: bool
    channels: tuple[tuple[str, range], ...]


@types.takes(1)
def _trace(words: list[str]) -> Traced:
    """``channel:level`` (all from 1 to it) or ``channel:lowest-highest``; ``session`` may stand first."""
    sessions_only = words[0].lower() == "session" and len(words) > 1
    first = 1 if sessions_only else 0
    return Traced(sessions_only, tuple(_channel(word, index) for index, word in enumerate(words) if index >= first))


def _channel(word: str, index: int) -> tuple[str, range]:
    channel, colon, text = word.partition(":")
    if not channel:
        types.doubt(f"'{word}' names no channel, so it records nothing", word=index)
    if not colon:
        raise ConfigError(f"badly formatted parameter: '{word}'", right="a channel and a level, as auth:10", word=index)
    found = _LEVELS.fullmatch(text)
    if found is None:
        raise ConfigError(f"error parsing level '{text}' for channel '{channel}'", right=f"{channel}:10", word=index)
    low, high = found.groups()
    levels = range(1, int(low) + 1) if high is None else range(int(low), int(high) + 1)
    if high is not None and not levels:
        raise ConfigError(
            f"the levels '{text}' of channel '{channel}' are none", right=f"{channel}:{high}-{low}", word=index
        )
    return channel, levels


def _signed(*names: str) -> types.Parser[tuple[str, ...]]:
    """Names with a ``+`` or a ``-`` before each."""
    by_name = {name.lower(): name for name in names}

    @types.takes(1)
    def parse(words: list[str]) -> tuple[str, ...]:
        for index, word in enumerate(words):
            if word[:1] not in ("+", "-") or word[1:].lower() not in by_name:
                raise ConfigError(f"bad option: '{word}'", right=f"+ or - and {', '.join(names)}", word=index)
        return tuple(word[0] + by_name[word[1:].lower()] for word in words)

    return parse


module.directive_list(
    "Trace", _trace, contexts=SERVERS,
    usage="[session] channel:level|channel:low-high ...", doc="What TraceLog records: channels, and how much of each.",
)  # fmt: skip
module.directive(
    "TraceLog", types.strictly(types.optional_path), contexts=SERVER | GLOBAL, multi=Multi.LAST,
    usage="path|none", doc="Where the inner workings are recorded.",
)  # fmt: skip
module.directive(
    "TraceOptions", _signed("ConnIPs", "Timestamp", "TimestampMillis"), contexts=SERVERS,
    usage="+|-ConnIPs +|-Timestamp +|-TimestampMillis", doc="How the lines of TraceLog look.",
)  # fmt: skip
module.directive(
    "SyslogFacility",
    types.one_of(
        "AUTH", "AUTHPRIV", "CRON", "DAEMON", "FTP", "KERN", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5",
        "LOCAL6", "LOCAL7", "LPR", "MAIL", "NEWS", "USER", "UUCP",
    ),
    contexts=SERVER, multi=Multi.LAST,
    usage="facility", doc="The syslog facility of all that goes to syslog.",
)  # fmt: skip
