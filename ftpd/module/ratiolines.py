"""The lines of mod_ratio: whom each of them means, at which rates they may fetch, and which lines do nothing."""

from __future__ import annotations

import fnmatch
import re

from ftpd.conf import types
from ftpd.conf.directive import ConfigError, Directive, Reading
from ftpd.conf.tree import Config
from ftpd.core.log import Level, log
from ftpd.module.ledger import beside
from ftpd.module.ratios import Rates
from ftpd.module.session import Session

_MOST = 10**15


class Rule:
    """One line of UserRatio and its kin; ``hosts`` is what HostRatio's name means."""

    def __init__(self, name: str, rates: Rates) -> None:
        self.name, self.rates = name, rates
        # ".example.org" and "192.168." are ends and beginnings
        mask = f"*{name}" if name.startswith(".") else f"{name}*" if name.endswith(".") else name
        self.hosts = re.compile(fnmatch.translate(mask), re.IGNORECASE)

    def means(self, *names: str) -> bool:
        """ProFTPD looks at nothing behind a leading ``*``."""
        return self.name.startswith("*") or self.name in names


@types.takes(5, 5)
def ratio_line(words: list[str]) -> Rule:
    """Whom it is for, files and their credit, bytes and their credit in KB."""
    name, *numbers = words
    if not name:
        raise ConfigError("an empty name is nobody's", right="a name, or * for all", word=0)
    four = (types.to_integer(number, -_MOST, _MOST, word=at) for at, number in enumerate(numbers, 1))
    return Rule(name, Rates(*four))


def warn_of_patterns(reading: Reading, rule: Rule) -> None:
    if rule.name.startswith("*") and rule.name != "*":
        reading.warn(f"'{rule.name}' means everybody, as * does: there are no patterns here", word=0)


def warn_of_files(
    config: Config, save: Directive[bool], file: Directive[str | None], new: Directive[str | None]
) -> None:
    """Tell of a SaveRatios that can keep nothing, and of a RatioTempFile that cannot be used."""
    scopes = list(config.servers)
    for scope in scopes:
        scopes += scope.children
        where, temp = scope.settings[file], scope.settings[new]
        if save in scope.values and scope.settings[save] and where is None:
            log(Level.WARN, "mod_ratio: %s: SaveRatios needs a RatioFile, and without one keeps nothing", scope.title)
        elif new in scope.values and where is not None and (used := beside(where, temp)) != temp:
            log(Level.WARN, "mod_ratio: a RatioTempFile has to be another file in RatioFile's folder: %s is used", used)


def visitor(session: Session) -> str | None:
    """What an anonymous visitor gave for a password; None for everybody else."""
    return None if session.anonymous is None else session.notes.get("mod_auth.anon-passwd", session.user or "")


def rates_for(
    session: Session, *,
    hosts: tuple[Rule, ...], visitors: tuple[Rule, ...], users: tuple[Rule, ...], groups: tuple[Rule, ...],
) -> Rates | None:  # fmt: skip
    """What these lines say: of the client's host, the address that it gave as a visitor, the user, the groups."""
    address = visitor(session)
    host, names = (session.remote_name, session.remote.host), tuple(name for _, name in session.groups)
    of_host = (rule for rule in hosts if any(map(rule.hosts.fullmatch, host)))
    of_visitor = (rule for rule in visitors if address is not None and rule.means(address))
    of_user = (rule for rule in users if rule.means(session.user or ""))
    of_member = (rule for rule in groups if rule.means(*names))
    return next((rule.rates for rules in (of_host, of_visitor, of_user, of_member) for rule in rules), None)
