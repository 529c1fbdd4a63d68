"""Questions to a finished configuration: which section a path lies in, what is in force, who may do what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ftpd.conf.acl import ALLOW_ALL, DENY_ALL, Who, class_of, words_of
from ftpd.conf.directive import ANON, LIMIT, Settings
from ftpd.conf.fixup import settle, specialise
from ftpd.conf.places import Chain
from ftpd.conf.tree import Scope, Where, merged
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


# -- places and settings -----------------------------------------------------------------------------


def chain_at(server: Scope, anon: Scope | None, path: str, *, home: str = "", user: str = "") -> Chain:
    """The <Directory> sections that a path of the machine lies in, the deepest first.

    In an anonymous session the sections of its <Anonymous> come first; those of the server count only where they
    do not reach beyond the anonymous root.
    """
    assert server.places is not None
    path = path.rstrip("/") or "/"
    if anon is not None and anon.places is not None:
        chain = anon.places.at(path, home, user)
        if chain:
            return chain
        root = anon.places.root_of(home, user)
        if root is not None:
            outside = server.places.at(root.rstrip("/").rpartition("/")[0] or "/", home, user)
            return tuple(scope for scope in server.places.at(path, home, user) if scope not in outside)
    return server.places.at(path, home, user)


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
    chain = chain_at(server, anon, path, home=home, user=user)
    if access:
        return settle((*access, *chain), anon, server)
    if not chain:
        return server.settings if anon is None else anon.settings
    known = server.places.settings
    found = known.get((anon, chain))
    if found is None:
        found = known[anon, chain] = settle(chain, anon, server)
    return found


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
) -> Verdict:
    """Whether the client may use the verb on the path.

    Three passes: the verb itself, its group, ALL. Each goes from the deepest section outwards, and the first
    explicit answer ends the search. ``who`` may be a function: it is called only when some <Limit> is asked.
    """
    assert server.places is not None
    words = words_of(verb, group)
    if not access and server.places.limits.isdisjoint(words):
        return UNLIMITED
    levels = [*access, *chain_at(server, anon, path, home=home, user=user), *_outer(server, anon)]
    limits = [scope for level in levels for scope in level.children if scope.kind is LIMIT]
    client: Who | None = None
    for word in words:
        for scope in limits:
            if scope.rule is None or word not in scope.rule.words:
                continue
            if client is None:
                client = who() if callable(who) else who
            opinion = scope.rule.opinion(client, argument)
            if opinion is not None:
                return Verdict(opinion, True, scope)
    return UNLIMITED


def ignores_hidden(
    server: Scope,
    anon: Scope | None,
    path: str,
    verb: str,
    group: Group | str | None,
    *,
    home: str = "",
    user: str = "",
) -> bool:
    """Whether hidden files do not exist for the verb there (IgnoreHidden)."""
    assert server.places is not None
    words = words_of(verb, group)
    if not server.places.ignores or server.places.limits.isdisjoint(words):
        return False
    levels = [*chain_at(server, anon, path, home=home, user=user), *_outer(server, anon)]
    rules = [scope.rule for level in levels for scope in level.children if scope.rule is not None]
    for word in words:
        for rule in rules:
            if word in rule.words and rule.ignores_hidden is not None:
                return rule.ignores_hidden
    return False


def barred(server: Scope, anon: Scope | None, path: str, *, home: str = "", user: str = "", access: Chain = ()) -> bool:
    """Whether a bare DenyAll in <Directory> or <Anonymous> hides the existing path; AllowAll further in lifts it."""
    assert server.places is not None
    if not server.places.bars and not access:
        return False
    for level in (*access, *chain_at(server, anon, path, home=home, user=user), *_outer(server, anon)):
        names = {directive.name for directive in level.values}
        if ALLOW_ALL.name in names:
            return False
        if DENY_ALL.name in names:
            return True
    return False


def _outer(server: Scope, anon: Scope | None) -> tuple[Scope, ...]:
    return (server,) if anon is None else (anon, server)


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
    "UNLIMITED", "Verdict", "Who", "barred", "chain_at", "class_of", "connect_allowed", "directory_at",
    "ignores_hidden", "limit", "login_allowed", "merged", "settings_at", "specialise",
]  # fmt: skip
