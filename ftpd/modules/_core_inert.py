"""Directives of mod_core that are read and checked, and have no effect in this version."""

from __future__ import annotations

import re

from ftpd.api import (
    ANON,
    CLASS,
    DIRECTORY,
    FTPACCESS,
    LIMIT,
    SERVER,
    VHOST,
    ConfigError,
    Multi,
    Reading,
    types,
)
from ftpd.modules._core import PLACES, SERVERS, SESSIONS, module
from ftpd.modules._core_server import only

_EVERYWHERE = PLACES | LIMIT | CLASS
_FOLDERS = ANON | DIRECTORY


# -- parsers -----------------------------------------------------------------------------------------


@types.takes(1, 2)
def _rate(words: list[str]) -> tuple[int, int]:
    """A count, and the seconds in which it may be reached."""
    seconds = types.to_integer(words[1], 1, word=1) if len(words) > 1 else 1
    return types.to_integer(words[0], 1), seconds


@types.takes(1)
def _cache_policy(words: list[str]) -> tuple[str, ...]:
    """``on``, ``off``, or ``size count [maxAge seconds]``."""
    if len(words) == 1:
        types.boolean(words)
        return tuple(words)
    for index in range(0, len(words), 2):
        if words[index].lower() not in ("size", "maxage") or index + 1 == len(words):
            raise ConfigError(f"'{words[index]}' is unknown here", right="on, off or size 32 maxAge 5", word=index)
        types.to_integer(words[index + 1], 0, word=index + 1)
    return tuple(words)


def _pairs(**parsers: types.Parser[object]) -> types.Parser[tuple[str, ...]]:
    """Names that each have a value behind them."""

    @types.takes(2)
    def parse(words: list[str]) -> tuple[str, ...]:
        for index in range(0, len(words), 2):
            parser = parsers.get(words[index].lower())
            if parser is None:
                raise ConfigError(f"'{words[index]}' is unknown here", right=", ".join(parsers), word=index)
            if index + 1 == len(words):
                raise ConfigError(f"'{words[index]}' has no value behind it", word=index)
            parser(words[index + 1 : index + 2])
        return tuple(words)

    return parse


def _keepalive(words: list[str]) -> str:
    if not re.fullmatch(r"\d+:\d+:\d+", words[0], re.ASCII):
        types.boolean(words)
    return words[0]


def _scrub(words: list[str]) -> str:
    if not re.fullmatch(r"[1-9]\d*", words[0], re.ASCII):
        types.boolean(words)
    return words[0]


@types.takes(1, 4)
def _no_delay(words: list[str]) -> tuple[str, ...]:
    """``on``, ``off``, or that for ``ctrl`` and ``data`` apart."""
    if len(words) == 1:
        types.boolean(words)
        return tuple(words)
    return _no_delay_pairs(words)


_no_delay_pairs = _pairs(ctrl=types.boolean, data=types.boolean)


@types.takes(1)
def _trace(words: list[str]) -> tuple[str, ...]:
    """``channel:level``, ``channel:lowest-highest``; ``session`` may stand first."""
    for index, word in enumerate(words):
        if index == 0 and word == "session" and len(words) > 1:
            continue
        channel, colon, level = word.partition(":")
        if not colon or not channel:
            raise ConfigError(
                f"badly formatted parameter: '{word}'", right="a channel and a level, as auth:10", word=index
            )
        if not re.fullmatch(r"\d{1,3}(-\d{1,3})?", level, re.ASCII):
            raise ConfigError(
                f"error parsing level '{level}' for channel '{channel}'", right=f"{channel}:10", word=index
            )
    return tuple(words)


def signed(*names: str) -> types.Parser[tuple[str, ...]]:
    """Names with a ``+`` or a ``-`` before each."""
    by_name = {name.lower(): name for name in names}

    @types.takes(1)
    def parse(words: list[str]) -> tuple[str, ...]:
        for index, word in enumerate(words):
            if word[:1] not in ("+", "-") or word[1:].lower() not in by_name:
                raise ConfigError(f"bad option: '{word}'", right=f"+ or - and {', '.join(names)}", word=index)
        return tuple(word[0] + by_name[word[1:].lower()] for word in words)

    return parse


def _deprecated(reading: Reading, value: object) -> None:
    reading.warn("is deprecated, and ignored as ProFTPD ignores it: the line can go")


@types.takes(0)
def _anything(words: list[str]) -> tuple[str, ...]:
    return tuple(words)


# -- the directives ------------------------------------------------------------------------------------

module.directive(
    "AllowOverride", types.boolean, default=False, contexts=SESSIONS | DIRECTORY,
    act=only(False, ".ftpaccess files are not read in this version"),
    usage="on|off", doc="Whether .ftpaccess files in the directories count.",
)  # fmt: skip
module.directive(
    "MultilineRFC2228", _anything, contexts=_EVERYWHERE, multi=Multi.LAST, act=_deprecated,
    usage="on|off", doc="Deprecated in ProFTPD.",
)  # fmt: skip
module.directive(
    "FSCachePolicy", _cache_policy, contexts=_EVERYWHERE, inert=True,
    usage="on|off|size count [maxAge seconds]", doc="How attributes of files are cached; they never are.",
)  # fmt: skip
module.directive_list(
    "FSOptions", types.flags("IgnoreExtendedAttributes"), contexts=SERVERS, inert=True,
    usage="IgnoreExtendedAttributes", doc="How file systems are used.",
)  # fmt: skip
module.directive(
    "GroupOwner", types.string, contexts=_FOLDERS | FTPACCESS, inert=True,
    usage="group|~", doc="The group that new files and directories get.",
)  # fmt: skip
module.directive(
    "UserOwner", types.string, contexts=_FOLDERS, inert=True,
    usage="user", doc="The owner that new files and directories get.",
)  # fmt: skip
module.directive(
    "MaxCommandRate", _rate, contexts=SERVERS, inert=True,
    usage="count [seconds]", doc="How many commands a client may send in so many seconds.",
)  # fmt: skip
module.directive(
    "MaxConnectionRate", _rate, contexts=SERVER, multi=Multi.LAST, inert=True,
    usage="count [seconds]", doc="How many connections are accepted in so many seconds.",
)  # fmt: skip
module.directive(
    "ProcessTitles", types.one_of("terse", "verbose"), contexts=SERVER, inert=True,
    usage="terse|verbose", doc="What ps shows of a session; here one process holds many.",
)  # fmt: skip
module.directive(
    "Protocols", types.words, contexts=SERVERS, act=only(("ftp",), "only ftp is spoken in this version"),
    usage="protocol ...", doc="The protocols that clients may speak.",
)  # fmt: skip
module.directive(
    "RegexOptions", _pairs(engine=types.string, matchlimit=types.integer(0), matchlimitrecursion=types.integer(0)),
    contexts=SERVER, inert=True,
    usage="Engine POSIX|PCRE|PCRE2 | MatchLimit n | MatchLimitRecursion n", doc="How patterns are matched.",
)  # fmt: skip
module.directive_list(
    "ScoreboardOptions", types.flags("AllowMissingEntry"), contexts=SERVERS, inert=True,
    usage="AllowMissingEntry", doc="How the scoreboard is kept.",
)  # fmt: skip
module.directive(
    "ScoreboardScrub", types.takes(1, 1)(_scrub), contexts=SERVER, inert=True,
    usage="on|off|seconds", doc="How often entries of vanished processes are removed.",
)  # fmt: skip
module.directive(
    "SocketOptions",
    _pairs(
        maxseg=types.integer(0), rcvbuf=types.integer(0), sndbuf=types.integer(0), keepalive=_keepalive,
        reuseport=types.boolean,
    ),
    contexts=SERVER | VHOST, multi=Multi.LAST, inert=True,
    usage="maxseg n | rcvbuf n | sndbuf n | keepalive on|off|idle:count:interval | reuseport on|off",
    doc="Options of the sockets, which are left to the kernel's own tuning.",
)  # fmt: skip
module.directive(
    "SyslogFacility",
    types.one_of(
        "AUTH", "AUTHPRIV", "CRON", "DAEMON", "FTP", "KERN", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5",
        "LOCAL6", "LOCAL7", "LPR", "MAIL", "NEWS", "USER", "UUCP",
    ),
    contexts=SERVER, multi=Multi.LAST, act=only("DAEMON", "the facility is DAEMON in this version"),
    usage="facility", doc="The syslog facility of the daemon's messages.",
)  # fmt: skip
module.directive(
    "TCPNoDelay", _no_delay, contexts=SERVERS, inert=True,
    usage="on|off|[ctrl on|off] [data on|off]", doc="Whether small packets are sent at once; they always are.",
)  # fmt: skip
module.directive(
    "TimeoutLinger", types.seconds, contexts=SERVERS, inert=True,
    usage="seconds", doc="How long the end of a data connection is waited for.",
)  # fmt: skip
module.directive_list(
    "Trace", _trace, contexts=SERVERS, inert=True,
    usage="[session] channel:level ...", doc="What TraceLog records.",
)  # fmt: skip
module.directive(
    "TraceLog", types.optional_path, contexts=SERVERS, multi=Multi.LAST, inert=True,
    usage="path|none", doc="Where the inner workings are recorded.",
)  # fmt: skip
module.directive(
    "TraceOptions", signed("ConnIPs", "Timestamp", "TimestampMillis"), contexts=SERVERS, inert=True,
    usage="+|-ConnIPs +|-Timestamp +|-TimestampMillis", doc="How the lines of TraceLog look.",
)  # fmt: skip
