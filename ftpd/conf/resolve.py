"""Questions to a finished configuration: which section a path lies in, what is in force, who may do what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ftpd.conf.acl import ALLOW_ALL, DENY_ALL, Who, class_of, words_of
from ftpd.conf.directive import ANON, Multi, Settings
from ftpd.conf.fixup import settle, specialise
from ftpd.conf.levels import Chain
from ftpd.conf.rule import Rule, Stance
from ftpd.conf.tree import Scope, Where, merged
from ftpd.core.record import dataclass
from ftpd.core.vocab import Group


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of <Limit>: ``explicit`` when a section said so, and ``scope`` is that section."""

    allowed: bool
    explicit: bool = False
    scope: Scope | None = None

    @property
    def lines(self) -> tuple[Where, ...]:
        """File and line of the section and of what it holds."""
        if self.scope is None:
            return ()
        inside = sorted(where for lines in self.scope.where.values() for where in lines)
        return ((self.scope.file, self.scope.line), *inside)


UNLIMITED = Verdict(True)


class Asked(NamedTuple):
    """One <Limit> that a search came by: the word it was asked for, and what it said (None: nothing)."""

    word: str
    scope: Scope
    opinion: bool | None
    line: tuple[str, int] | None = None
    """Which of its lines said so."""
    late: bool = False
    """The search had ended before; what it would have said counted for nothing."""


_ALLOWING = frozenset({"AllowOverwrite", "AllowRetrieveRestart", "AllowStoreRestart"})
"""Directives that let something be done where they are on."""
_REMEMBERED = 4096


# -- places and settings -----------------------------------------------------------------------------


def chain_at(
    server: Scope, anon: Scope | None, path: str, *, home: str = "", user: str = "", as_written: bool = False
) -> Chain:
    """The <Directory> sections that a path of the machine lies in, the deepest first.

    In an anonymous session those are the sections of its <Anonymous> alone, as in ProFTPD.  ``as_written``: those that
    ProFTPD would find there, which does not follow symbolic links in their paths.
    """
    level = server if anon is None or anon.places is None else anon
    places = level.places
    assert places is not None
    if as_written and places.as_written is not None:
        places = places.as_written
    return places.at(path.rstrip("/") or "/", home, user)


def differs_as_written(server: Scope, anon: Scope | None) -> bool:
    """Whether a path may lie in other sections for ProFTPD: what those forbid holds, too."""
    places = server.places if anon is None or anon.places is None else anon.places
    return places is not None and places.as_written is not None


def directory_at(server: Scope, anon: Scope | None, path: str, *, home: str = "", user: str = "") -> Scope | None:
    """The deepest <Directory> that the path lies in; ``home`` and ``user`` say what ``~`` and ``%u`` mean."""
    chain = chain_at(server, anon, path, home=home, user=user)
    return chain[0] if chain else None


def settings_at(
    server: Scope, anon: Scope | None, path: str, *, home: str = "", user: str = "", access: Chain = ()
) -> Settings:
    """What is in force at a path: .ftpaccess before <Directory> before <Anonymous> before the server.

    ``access`` are the .ftpaccess files that count there, the deepest first.
    """
    assert server.places is not None
    chain = written = chain_at(server, anon, path, home=home, user=user)
    if differs_as_written(server, anon):
        written = chain_at(server, anon, path, home=home, user=user, as_written=True)
    if access:
        as_found = chain
        chain = _woven(server, anon, chain, access, home, user)
        written = chain if written == as_found else _woven(server, anon, written, access, home, user, as_written=True)
    if not chain:
        return server.settings if anon is None else anon.settings
    known = server.places.settings
    found = known.get((anon, chain, written))
    if found is None:
        if len(known) >= _REMEMBERED:
            # a .ftpaccess that changes is another section each time
            known.clear()
        found = _in_force(chain, access, anon, server, home)
        if written != chain:
            found = _narrowed(found, _in_force(written, access, anon, server, home))
        known[anon, chain, written] = found
    return found


def _in_force(chain: Chain, access: Chain, anon: Scope | None, server: Scope, home: str) -> Settings:
    """What the levels say together, the deepest first.

    Where a .ftpaccess lies in the folder that a <Directory> is for, and no pattern, of directives of which one line
    counts that of the section does, as in ProFTPD (but not in an <Anonymous>): a user cannot take it back.
    """
    found = settle(chain, anon, server)
    levels = list(chain)
    for file in access if anon is None else ():
        folder = file.args[0]
        own = [scope for scope in chain if scope not in access and _text_of(scope, home) == folder]
        for scope in own:
            levels.remove(scope)
        levels[levels.index(file) : levels.index(file)] = own
    if tuple(levels) == chain:
        return found
    firm = settle(levels, anon, server).lines
    return Settings({key: firm[key] if key.multi is Multi.FIRST else value for key, value in found.lines.items()})


def _text_of(scope: Scope, home: str) -> str:
    text = scope.args[0].rstrip("/")
    return f"{home.rstrip('/')}{text[1:]}" if text == "~" or text.startswith("~/") else text


def _narrowed(found: Settings, written: Settings) -> Settings:
    """What is in force, but for what nothing allows but sections that ProFTPD does not find, named after a link."""
    off = {key: False for key in found.lines if key.name in _ALLOWING and found[key] and not written[key]}
    return Settings({**found.lines, **off}) if off else found


def _woven(
    server: Scope, anon: Scope | None, chain: Chain, access: Chain, home: str, user: str, *, as_written: bool = False
) -> Chain:
    """The <Directory> sections and the .ftpaccess files of one path together, the deepest first.

    A .ftpaccess comes before the sections that its own folder lies in, and after those that begin below it.
    """
    levels: list[Scope] = []
    rest = list(chain)
    for scope in access:
        around = chain_at(server, anon, scope.args[0], home=home, user=user, as_written=as_written)
        levels += [section for section in rest if section not in around]
        rest = [section for section in rest if section in around]
        levels.append(scope)
    return (*levels, *rest)


def levels_at(
    server: Scope, anon: Scope | None, path: str, home: str, user: str, access: Chain, *, as_written: bool = False
) -> Chain:
    """All that has a say at a path, the deepest first: sections and files, the <Anonymous>, the server."""
    chain = chain_at(server, anon, path, home=home, user=user, as_written=as_written)
    if access:
        chain = _woven(server, anon, chain, access, home, user, as_written=as_written)
    return (*chain, server) if anon is None else (*chain, anon, server)


def _all_levels_at(
    server: Scope, anon: Scope | None, path: str, home: str, user: str, access: Chain
) -> tuple[Chain, ...]:
    """What has a say at a path, and once more as ProFTPD sees it where that is something else.

    A section whose path has a symbolic link on its way is about where that leads only here.  Nobody is let in by what
    would let in nobody there, so that a link, which may be a user's own, opens nothing.
    """
    levels = levels_at(server, anon, path, home, user, access)
    if not differs_as_written(server, anon):
        return (levels,)
    written = levels_at(server, anon, path, home, user, access, as_written=True)
    return (levels,) if written == levels else (levels, written)


# -- <Limit> -----------------------------------------------------------------------------------------


def limit(
    server: Scope,
    anon: Scope | None,
    path: str,
    verb: str,
    group: Group | str | None,
    who: Who | Callable[[], Who],
    *,
    home: str = "",
    user: str = "",
    argument: str = "",
    access: Chain = (),
    reasons: list[Asked] | None = None,
) -> Verdict:
    """Whether the client may use the verb on the path.

    Three passes: the verb itself, its group, ALL. Each goes from the deepest section outwards, and the first
    explicit answer ends the search. ``who`` may be a function: it is called only when some <Limit> is asked.
    ``reasons`` is filled with every <Limit> on the way, those behind the deciding one too.
    """
    assert server.places is not None
    words = words_of(verb, group)
    if not access and server.places.limits.isdisjoint(words):
        return UNLIMITED
    if access and "ALL" in words:
        for level in access:
            if level.faulty:
                return Verdict(False, True, level)
    client = who() if callable(who) else who
    verdict: Verdict | None = None
    for levels in _all_levels_at(server, anon, path, home, user, access):
        said = reasons if verdict is None else None if reasons is None else []
        one = _verdict(server, levels, words, client, argument, said)
        if not one.allowed:
            if reasons is not None and said is not None:
                reasons[:] = said
            return one
        verdict = verdict or one
    assert verdict is not None
    return verdict


def _verdict(
    server: Scope, levels: Chain, words: tuple[str, ...], client: Who, argument: str, reasons: list[Asked] | None
) -> Verdict:
    if reasons is not None:
        return _judged(levels, words, client, argument, reasons)
    found = _remembered(server, levels, words, client)
    for scope, stance in found.asking:
        opinion = stance.opinion(argument)
        if opinion is not None:
            return Verdict(opinion, True, scope)
    return found.verdict


def passes(
    server: Scope, anon: Scope | None, path: str, verb: str, group: Group | str | None, who: Who, home: str, user: str
) -> bool:  # fmt: skip
    """Whether the client may use the verb on the path whatever its argument is, where no .ftpaccess counts."""
    assert server.places is not None
    words = words_of(verb, group)
    if server.places.limits.isdisjoint(words):
        return True
    found = [_remembered(server, levels, words, who) for levels in _all_levels_at(server, anon, path, home, user, ())]
    return all(one.verdict.allowed and not one.asking for one in found)


def _remembered(server: Scope, levels: Chain, words: tuple[str, ...], client: Who) -> Opinions:
    assert server.places is not None
    known, key = server.places.verdicts, (levels, words, client)
    found = known.get(key)
    if found is None:
        if len(known) >= _REMEMBERED:
            known.clear()
        found = known[key] = _opinions(levels, words, client)
    return found


class Opinions(NamedTuple):
    """What all <Limit> sections of a place say of a client: first those that want to see the argument."""

    asking: tuple[tuple[Scope, Stance], ...]
    verdict: Verdict
    """What holds where none of those has anything to say."""


def _limits(levels: Chain, words: Sequence[str]) -> Iterator[tuple[str, Scope, Rule]]:
    """The sections in the order in which they are asked, each with the word that it is asked for."""
    limits = [(scope, scope.rule) for level in levels for scope in level.children if scope.rule is not None]
    for word in words:
        for scope, rule in limits:
            if word in rule.words:
                yield word, scope, rule


def _opinions(levels: Chain, words: Sequence[str], client: Who) -> Opinions:
    asking: list[tuple[Scope, Stance]] = []
    for _, scope, rule in _limits(levels, words):
        stance = rule.stance(client)
        if not stance.settled:
            asking.append((scope, stance))
        elif (opinion := stance.opinion()) is not None:
            return Opinions(tuple(asking), Verdict(opinion, True, scope))
    return Opinions(tuple(asking), UNLIMITED)


def _judged(levels: Chain, words: Sequence[str], client: Who, argument: str, reasons: list[Asked]) -> Verdict:
    """What the first <Limit> says that has something to say; ``reasons`` hears of the others, too."""
    verdict = UNLIMITED
    for word, scope, rule in _limits(levels, words):
        stance = rule.stance(client)
        opinion = stance.opinion(argument)
        reasons.append(Asked(word, scope, opinion, stance.because(argument), late=verdict.explicit))
        if opinion is not None and not verdict.explicit:
            verdict = Verdict(opinion, True, scope)
    return verdict


def hidden_limit(
    server: Scope,
    anon: Scope | None,
    path: str,
    verb: str,
    group: Group | str | None,
    *,
    home: str = "",
    user: str = "",
    access: Chain = (),
) -> Scope | None:
    """The <Limit> whose IgnoreHidden counts for the verb there, be it on or off; None where no section has one."""
    assert server.places is not None
    words = words_of(verb, group)
    if not access and (not server.places.ignores or server.places.limits.isdisjoint(words)):
        return None
    levels = levels_at(server, anon, path, home, user, access)
    return next((scope for _, scope, rule in _limits(levels, words) if rule.ignores_hidden is not None), None)


def ignores_hidden(
    server: Scope,
    anon: Scope | None,
    path: str,
    verb: str,
    group: Group | str | None,
    *,
    home: str = "",
    user: str = "",
    access: Chain = (),
) -> bool:
    """Whether hidden files do not exist for the verb there (IgnoreHidden)."""
    scope = hidden_limit(server, anon, path, verb, group, home=home, user=user, access=access)
    return scope is not None and scope.rule is not None and bool(scope.rule.ignores_hidden)


def ignores_dotted(
    server: Scope,
    anon: Scope | None,
    path: str,
    verb: str,
    group: Group | str | None,
    *,
    home: str = "",
    user: str = "",
    access: Chain = (),
) -> bool:
    """Whether IgnoreHidden keeps names with a leading dot from the verb in that folder, whatever flags ask for them.

    As in ProFTPD the innermost <Limit> that names the verb decides, of those in one section the last (it comes first
    among the children), with or without IgnoreHidden in it; none that stands outside of all folders does.
    """
    assert server.places is not None
    words = set(words_of(verb, group))
    if not access and (not server.places.ignores or server.places.limits.isdisjoint(words)):
        return False
    chain = chain_at(server, anon, path, home=home, user=user)
    for level in _woven(server, anon, chain, access, home, user):
        for scope in level.children:
            # <Directory *> of an <Anonymous> is that section's own level
            if scope.rule is not None and level.args != ["*"] and not words.isdisjoint(scope.rule.words):
                return bool(scope.rule.ignores_hidden)
    return False


def barred(server: Scope, anon: Scope | None, path: str, *, home: str = "", user: str = "", access: Chain = ()) -> bool:
    """Whether a bare DenyAll in <Directory> or <Anonymous> hides the existing path.

    As in ProFTPD it is asked of the innermost section alone: one further in without a word of it is open.
    """
    assert server.places is not None
    if not server.places.bars and not access:
        return False
    for innermost, *_ in _all_levels_at(server, anon, path, home, user, access):
        names = {directive.name for directive in innermost.values}
        if DENY_ALL.name in names and ALLOW_ALL.name not in names:
            return True
    return False


# -- LOGIN -------------------------------------------------------------------------------------------


def _login_opinions(level: Scope, who: Who) -> Iterator[Verdict]:
    for scope in level.children:
        if scope.rule is not None and "LOGIN" in scope.rule.words:
            opinion = scope.rule.opinion(who)
            if opinion is not None:
                yield Verdict(opinion, True, scope)


def login_allowed(server: Scope, anon: Scope | None, who: Who) -> Verdict:
    """<Limit LOGIN> at PASS: that of the <Anonymous> alone for an anonymous login, else the server's.

    Several sections at one level must agree: one that denies is enough.
    """
    verdict = UNLIMITED
    for verdict in _login_opinions(server if anon is None else anon, who):
        if not verdict.allowed:
            return verdict
    return verdict


def connect_allowed(server: Scope, who: Who) -> Verdict:
    """<Limit LOGIN> when a client connects: one level that lets it in suffices, be it an <Anonymous>."""
    denied: Verdict | None = None
    for level in (server, *(child for child in server.children if child.kind is ANON)):
        for verdict in _login_opinions(level, who):
            if verdict.allowed:
                return verdict
            # an <Anonymous> that shuts itself says nothing about the server's own users
            if level is server:
                denied = denied or verdict
    return denied or UNLIMITED


__all__ = [
    "UNLIMITED", "Asked", "Verdict", "Who", "barred", "chain_at", "class_of", "connect_allowed", "directory_at",
    "hidden_limit", "ignores_dotted", "ignores_hidden", "levels_at", "limit", "login_allowed", "merged", "passes",
    "settings_at", "specialise",
]  # fmt: skip
