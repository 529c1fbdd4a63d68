"""The lines of mod_ratio: whom each of them means, at which rates they may fetch, what they are told, what is kept."""

from __future__ import annotations

import fnmatch
import re

from ftpd.conf import types
from ftpd.conf.directive import ANON, DIRECTORY, GLOBAL, SERVER, VHOST, ConfigError, Directive, Reading, Settings
from ftpd.conf.tree import Config
from ftpd.core.log import Level, log
from ftpd.module.ledger import beside
from ftpd.module.ratios import Rates
from ftpd.module.ratiotext import Messages
from ftpd.module.session import Session
from ftpd.module.table import Module

_PLACES = SERVER | GLOBAL | VHOST | ANON | DIRECTORY
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
    four = (types.to_leading_integer(number, -_MOST, _MOST, word=at) for at, number in enumerate(numbers, 1))
    return Rule(name, Rates(*four))


def _warn_of_patterns(reading: Reading, rule: Rule) -> None:
    if rule.name.startswith("*") and rule.name != "*":
        reading.warn(f"'{rule.name}' means everybody, as * does: there are no patterns here", word=0)


def visitor(session: Session) -> str | None:
    """What an anonymous visitor gave for a password, or as his name where one was asked for; None for all others."""
    return None if session.anonymous is None else session.notes.get("mod_auth.anon-passwd", session.login)


class RatioLines:
    """The directives, which the module declares as its own, and what they say where they are in force."""

    def __init__(self, module: Module) -> None:
        def ratio(name: str, doc: str, *, patterns: bool = False) -> Directive[tuple[Rule, ...]]:
            act, usage = None if patterns else _warn_of_patterns, "name file-ratio file-credit byte-ratio byte-credit"
            return module.directive_list(name, ratio_line, contexts=_PLACES, usage=usage, doc=doc, act=act)

        def message(name: str, text: str, doc: str) -> Directive[str]:
            return module.directive(name, types.string, default=text, contexts=_PLACES, usage="message", doc=doc)

        self.engine = module.directive(
            "Ratios", types.boolean, default=False, contexts=_PLACES, usage="on|off",
            doc="Whether downloads depend on uploads, and the client is told how it stands.",
        )  # fmt: skip
        self._hosts = ratio(
            "HostRatio", "The ratios of clients by address or name, * and ? are patterns.", patterns=True
        )  # fmt: skip
        self._visitors = ratio(
            "AnonRatio", "The ratios of anonymous visitors, by what they gave as their e-mail address."
        )  # fmt: skip
        self._users = ratio("UserRatio", "The ratios of a user, or of all with *.")
        self._groups = ratio("GroupRatio", "The ratios of a group's members, or of all with *.")
        self.save = module.directive(
            "SaveRatios", types.boolean, default=False, contexts=_PLACES, usage="on|off",
            doc="Whether what users have stored and fetched is kept over their sessions, in RatioFile.",
        )  # fmt: skip
        self.file = module.directive(
            "RatioFile", types.path, contexts=_PLACES, usage="path",
            doc="Where SaveRatios keeps it: a file of the machine.",
        )  # fmt: skip
        self.temp_file = module.directive(
            "RatioTempFile", types.path, contexts=_PLACES, usage="path",
            doc="The name, in RatioFile's folder, under which its next version is written; "
            "by default RatioFile's with .new.",
        )  # fmt: skip
        self.on_arrival = module.directive_list(
            "CwdRatioMsg", types.string, contexts=_PLACES, usage="message",
            doc="A line for who comes into a folder; an empty one ends the list.",
        )  # fmt: skip
        self._too_few_files = message(
            "FileRatioErrMsg", "Too few files uploaded to earn file -- please upload more.",
            "What a client is told that has fetched too many files.",
        )  # fmt: skip
        self._too_few_bytes = message(
            "ByteRatioErrMsg", "Too few bytes uploaded to earn more data -- please upload.",
            "What a client is told that has fetched too many bytes.",
        )  # fmt: skip
        self._leech = message(
            "LeechRatioMsg", "10,000,000:1  CR: LEECH", "What a client is told that no ratio holds for."
        )  # fmt: skip

    def rates(self, session: Session, settings: Settings) -> Rates | None:
        """By the client's host, the address that it gave as a visitor, the user, the groups; None where no line is."""
        address = visitor(session)
        host, names = (session.remote_name, session.remote.host), tuple(name for _, name in session.groups)
        of_host = (rule for rule in settings[self._hosts] if any(map(rule.hosts.fullmatch, host)))
        of_visitor = (rule for rule in settings[self._visitors] if address is not None and rule.means(address))
        of_user = (rule for rule in settings[self._users] if rule.means(session.user or ""))
        of_member = (rule for rule in settings[self._groups] if rule.means(*names))
        return next((rule.rates for rules in (of_host, of_visitor, of_user, of_member) for rule in rules), None)

    def messages(self, settings: Settings) -> Messages:
        return Messages(settings[self._too_few_files], settings[self._too_few_bytes], settings[self._leech])

    def warn_of_files(self, config: Config) -> None:
        """Tell of a SaveRatios that can keep nothing, and of a RatioTempFile that cannot be used."""
        scopes = list(config.servers)
        for scope in scopes:
            scopes += scope.children
            where, temp = scope.settings[self.file], scope.settings[self.temp_file]
            if self.save in scope.values and scope.settings[self.save] and where is None:
                text = "mod_ratio: %s: SaveRatios needs a RatioFile, and without one keeps nothing"
                log(Level.WARN, text, scope.title)
            elif self.temp_file in scope.values and where is not None and (used := beside(where, temp)) != temp:
                text = "mod_ratio: a RatioTempFile has to be another file in RatioFile's folder: %s is used"
                log(Level.WARN, text, used)
