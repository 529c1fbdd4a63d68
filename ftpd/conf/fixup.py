"""After the last line: <Global> goes behind each server's own, indices are made, and everything is frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ftpd.conf.acl import DENY_ALL
from ftpd.conf.directive import ANON, DIRECTORY, LIMIT, Settings
from ftpd.conf.override import ALLOW_OVERRIDE
from ftpd.conf.places import Places
from ftpd.conf.rule import Rule
from ftpd.conf.tree import Scope, merged

_HIDES = frozenset({"HideFiles", "HideGroup", "HideNoAccess", "HideUser"})
"""Declared by mod_core, and known here by name only."""


_NAME = "ServerName"
"""Declared by mod_core as well."""


def name_after(main: Scope, server: Scope) -> None:
    """A virtual host that has no name of its own is called as the main server is, as in ProFTPD."""
    for directive, value in main.values.items():
        if directive.name == _NAME:
            server.values.setdefault(directive, value)


def add_globals(server: Scope, globals_: Sequence[Scope]) -> None:
    """Append the contents of <Global> sections to a server: its own values win, its own sections come first.

    Of several <Global> sections the last comes before the others, as in ProFTPD.
    """
    for scope in reversed(globals_):
        # once for all servers
        compile_limits(_below(scope))
        server.values = merged(server.values, scope.values, inheriting=False)
        for directive, lines in scope.where.items():
            server.where.setdefault(directive, []).extend(lines)
        server.children += [child.copy(server) for child in scope.children]
        server.conditional += [child.copy(server) for child in scope.conditional]


def finish(server: Scope) -> None:
    """Compile what the server and all below it are asked for, and work out what flows down."""
    every = list(_below(server))
    compile_limits(every)
    server.settings = Settings(server.values)
    server.places = places = Places(server.children)
    places.limits = frozenset(word for scope in every if scope.rule is not None for word in scope.rule.words)
    places.inner = frozenset(
        word
        for scope in every
        if scope.rule is not None and scope.parent is not None and scope.parent.kind is DIRECTORY
        for word in scope.rule.words
    )
    places.hides = any(key.name in _HIDES for scope in every for key in scope.values)
    places.hides_owners = any(key.name in _HIDES - {"HideFiles"} for scope in every for key in scope.values)
    places.told = frozenset(key.name for scope in every if scope.kind is DIRECTORY for key in scope.values)
    places.ignores = any(scope.rule.ignores_hidden for scope in every if scope.rule is not None)
    places.bars = any(DENY_ALL.name == key.name for scope in every if scope.kind is not LIMIT for key in scope.values)
    places.overrides = _may_override(server, every)
    for anon in (child for child in server.children if child.kind is ANON):
        anon.places = Places(anon.children, anon.args[0])
        anon.settings = Settings(merged(anon.values, server.values))
        _settle_directories(anon, server)
    _settle_directories(server, server)
    sections = places.any or any(level.places is not None and level.places.any for level in server.children)
    places.silent = not (places.limits or places.bars or places.ignores or sections)
    outside = [scope for scope in every if not _is_for_visitors(scope)]
    rules = any(scope.rule is not None for scope in outside)
    bars = any(DENY_ALL.name == key.name for scope in (server, *outside) for key in scope.values)
    places.silent_to_users = not (rules or bars or places.any)


def compile_limits(scopes: Iterable[Scope]) -> None:
    """Make the rules of the <Limit> sections among these."""
    for scope in scopes:
        if scope.kind is LIMIT:
            # copies have the same lines, and say the same
            scope.rule = scope.rule or Rule(scope)
            scope.settings = Settings(scope.values)


def _may_override(server: Scope, every: Iterable[Scope]) -> bool:
    """Whether AllowOverride leaves a place for .ftpaccess: it does not where it is off here and on nowhere."""
    here = server.values.get(ALLOW_OVERRIDE, ())
    lines = [line for scope in (server, *every) for line in scope.values.get(ALLOW_OVERRIDE, ())]
    return any(line.on for line in lines) or not any(line.expression is None for line in here)


def _settle_directories(level: Scope, server: Scope) -> None:
    anon = level if level.kind is ANON else None
    for scope in level.children:
        if scope.kind is DIRECTORY:
            assert level.places is not None
            scope.settings = settle(level.places.chain_of(scope), anon, server)


def settle(chain: Iterable[Scope], anon: Scope | None, server: Scope) -> Settings:
    """What is in force at the deepest of these sections: inner values win over outer ones."""
    levels = [*chain, *((anon,) if anon is not None else ()), server]
    values = dict(levels[0].values)
    for level in levels[1:]:
        values = merged(values, level.values)
    return Settings(values)


def specialise(server: Scope, sections: Iterable[Scope]) -> Scope:
    """A server with conditional sections (<IfUser>) applied: each one's lines come before all that were there."""
    special = server.copy(None)
    for section in sections:
        special.values = merged(section.values, special.values, inheriting=False)
        special.where = {
            directive: [*section.where.get(directive, ()), *special.where.get(directive, ())]
            for directive in {**section.where, **special.where}
        }
        special.children = [child.copy(special) for child in section.children] + special.children
    finish(special)
    return special


def _is_for_visitors(scope: Scope | None) -> bool:
    """Whether it is an <Anonymous>, or stands in one."""
    while scope is not None:
        if scope.kind is ANON:
            return True
        scope = scope.parent
    return False


def _below(scope: Scope) -> Iterator[Scope]:
    for child in scope.children:
        yield child
        yield from _below(child)
