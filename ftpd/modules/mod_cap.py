"""mod_cap -- which of root's rights the daemon keeps (capabilities(7)): those that serving takes, and no others."""

from __future__ import annotations

from ftpd.api import GLOBAL, SERVER, VHOST, ConfigError, Module, Reading, types

module = Module("mod_cap", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_NAMES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_SETUID")


@types.takes(1)
def _changes(words: list[str]) -> tuple[str, ...]:
    for index, word in enumerate(words):
        if word[:1] not in ("+", "-"):
            raise ConfigError(f"'{word}' must begin with + or -", right=f"-{word}", word=index)
        if word[1:].upper() not in _NAMES:
            raise ConfigError(f"unknown capability: '{word[1:]}'", right=", ".join(_NAMES), word=index)
    return tuple(word.upper() for word in words)


def _of_all(reading: Reading, value: object) -> None:
    """One process serves all servers."""
    if reading.context is VHOST:
        reading.warn("has no effect in a <VirtualHost>: what the main server says counts for the whole daemon")


def _possible(reading: Reading, changes: tuple[str, ...]) -> None:
    _of_all(reading, changes)
    for change in changes:
        if change == "-CAP_CHOWN":
            continue
        if change == "+CAP_CHOWN":
            reading.warn("+CAP_CHOWN: the daemon has it already")
        elif change[0] == "-":
            reading.warn(f"{change}: has no effect, a session's files are opened with its user's rights alone anyway")
        else:
            reading.warn(f"{change}: has no effect, no session gets more rights over files than its user has")


def _always(reading: Reading, value: bool) -> None:
    if not value:
        reading.warn("is on in any case: no session has root's rights, once its user is known")


module.directive(
    "CapabilitiesEngine", types.boolean, default=True, contexts=_SERVERS, act=_of_all,
    usage="on|off", doc="Whether the daemon gives up, at its start, those rights of root that serving does not take.",
)  # fmt: skip
module.directive(
    "CapabilitiesSet", _changes, contexts=_SERVERS, act=_possible,
    usage="-CAP_CHOWN", doc="Rights that are given up beyond those; without CAP_CHOWN there is no UserOwner.",
)  # fmt: skip
module.directive(
    "CapabilitiesRootRevoke", types.boolean, default=True, contexts=_SERVERS, act=_always,
    usage="on|off", doc="Whether a session's process gives up root for good; here a session never has it.",
)  # fmt: skip
