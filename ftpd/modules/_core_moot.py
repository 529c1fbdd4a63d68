"""Directives of mod_core about matters that do not arise here: read and checked, and nothing is left to be done."""

from __future__ import annotations

from typing import Any

from ftpd.api import (
    ANON,
    CLASS,
    DIRECTORY,
    FTPACCESS,
    LIMIT,
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
    """``on``, ``off``, or ``size count maxAge seconds``."""
    if len(words) == 1:
        types.boolean(words)
        return tuple(words)
    right = "on, off or size 32 maxAge 5"
    if len(words) != 4:
        raise ConfigError("wrong number of parameters", right=right)
    for index in (0, 2):
        if words[index].lower() not in ("size", "maxage"):
            raise ConfigError(f"'{words[index]}' is unknown here", right=right, word=index)
        types.to_leading_integer(words[index + 1], 1, word=index + 1)
    return tuple(words)


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
    usage="on|off|size count maxAge seconds",
    doc="Attributes of files are never cached: each answer is what the file system says now.",
)  # fmt: skip
module.directive_list(
    "FSOptions", types.flags("IgnoreExtendedAttributes", exact=True), contexts=SERVERS,
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
