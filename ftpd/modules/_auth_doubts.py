"""AuthAliasOnly beside an <Anonymous> does more than it says, as in ProFTPD: whoever has it is told when it is read."""

from __future__ import annotations

from collections.abc import Iterator

from ftpd.api import ANON, Config, ConfigError, ConfigWarning, Scope
from ftpd.modules import _auth_directives as d
from ftpd.modules._auth_directives import module


@module.check
def only_aliases_are_meant(config: Config) -> Iterator[ConfigError]:
    told = set()
    for server in config.servers:
        areas = [child for child in server.children if child.kind is ANON]
        for area in areas:
            at = (area.where.get(d.auth_alias_only) or server.where.get(d.auth_alias_only) or (None,))[0]
            wrong = None if at is None or at in told else _doubt(server, area, first=area is areas[0])
            if wrong is not None:
                told.add(at)
                yield ConfigWarning(wrong[0], right=wrong[1], word=0, directive=d.auth_alias_only.name, at=at)


def _doubt(server: Scope, area: Scope, *, first: bool) -> tuple[str, str] | None:
    """What is odd about the line that counts in the area, and what would not be."""
    on_server = server.values.get(d.auth_alias_only)
    on = area.values.get(d.auth_alias_only, on_server)
    if on is False and (area.values.get(d.user_alias) or (first and server.values.get(d.user_alias))):
        return f"with off no UserAlias leads to {area.title}, as in ProFTPD", "no such line"
    if on and first and not on_server:
        wrong = f"on in {area.title}, the last one, keeps all real names out of the server as well, as in ProFTPD"
        return wrong, "AuthAliasOnly on in the server, where that is meant, else no such line"
    return None
