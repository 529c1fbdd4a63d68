"""Directives of mod_core about matters that do not arise here: read and checked, and nothing is left to be done."""

from __future__ import annotations

import re
from typing import Any

from ftpd.api import (
    ANON,
    CLASS,
    DIRECTORY,
    FTPACCESS,
    LIMIT,
    SERVER,
    ConfigError,
    Multi,
    Reading,
    bound_patterns,
    types,
)
from ftpd.modules._core import SERVERS, module
from ftpd.modules._core_network import pairs

_EVERYWHERE = SERVERS | ANON | DIRECTORY | FTPACCESS | LIMIT | CLASS


# -- parsers -----------------------------------------------------------------------------------------


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


def _scrub(words: list[str]) -> bool:
    """Every so many seconds is as good as on: it is done as each client of inetd comes."""
    return bool(re.fullmatch(r"[1-9]\d*", words[0], re.ASCII)) or types.boolean(words)


@types.takes(0)
def _anything(words: list[str]) -> tuple[str, ...]:
    return tuple(words)


def _fresh(reading: Reading, words: tuple[str, ...]) -> None:
    if len(words) > 1 or types.boolean(list(words)):
        reading.warn("nothing is cached for so long: each answer is what the file system says now")


def _deprecated(reading: Reading, value: object) -> None:
    reading.warn("is deprecated, and ignored as ProFTPD ignores it: the line can go")


def _bound(reading: Reading, value: dict[str, Any]) -> None:
    bounded = bound_patterns(value.get("matchlimit"), value.get("matchlimitrecursion"), value.get("engine", ""))
    if not bounded and value.keys() - {"engine"}:
        reading.warn("has no effect: there is no libpcre2 on this machine, which counts the steps of a pattern")


# -- the directives ------------------------------------------------------------------------------------

module.directive(
    "FSCachePolicy", _cache_policy, contexts=_EVERYWHERE, act=_fresh,
    usage="on|off|size count [maxAge seconds]",
    doc="Attributes of files are never cached: each answer is what the file system says now.",
)  # fmt: skip
module.directive_list(
    "FSOptions", types.flags("IgnoreExtendedAttributes"), contexts=SERVERS,
    usage="IgnoreExtendedAttributes",
    doc="Extended attributes of files, which only SFTP would tell of, are never used.",
)  # fmt: skip
module.directive(
    "MultilineRFC2228", _anything, contexts=_EVERYWHERE, multi=Multi.LAST, act=_deprecated,
    usage="on|off", doc="Deprecated in ProFTPD.",
)  # fmt: skip
module.directive(
    "RegexOptions",
    pairs(
        engine=types.one_of("POSIX", "PCRE", "PCRE2"), matchlimit=types.integer(0), matchlimitrecursion=types.integer(0)
    ),
    contexts=SERVERS, act=_bound,
    usage="Engine POSIX|PCRE|PCRE2 | MatchLimit n | MatchLimitRecursion n",
    doc="How many steps a pattern may take, and how deep it may go, in the lines below.",
)  # fmt: skip
module.directive_list(
    "ScoreboardOptions", types.flags("AllowMissingEntry"), contexts=SERVERS,
    usage="AllowMissingEntry",
    doc="A session that cannot be put on the scoreboard is served; so it is without the line.",
)  # fmt: skip
module.directive(
    "ScoreboardScrub", types.takes(1, 1)(_scrub), default=True, contexts=SERVER,
    usage="on|off|seconds",
    doc="Whether entries of processes that inetd started, and that were killed, are removed.",
)  # fmt: skip
