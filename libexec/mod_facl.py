"""mod_facl -- POSIX ACLs of files: what listings tell and hide goes by them; access does in any case."""

from __future__ import annotations

from collections.abc import Iterator

from ftpd.api import SERVER, Config, ConfigError, Module, Multi, types

module = Module("facl", version="1.1")

engine = module.directive(
    "FACLEngine", types.boolean, default=True, contexts=SERVER, multi=Multi.LAST,
    usage="on|off", doc="Whether HideNoAccess and the perm of MLSD go by the ACLs of files, or by their modes alone.",
)  # fmt: skip


@module.check
def for_all_servers(config: Config) -> Iterator[ConfigError]:
    """It stands in the main server and is for all, as in ProFTPD."""
    for server in config.servers:
        server.settings[engine] = config.main.settings[engine]
    yield from ()
