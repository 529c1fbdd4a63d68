"""mod_core -- what every server does: greeting, folders and names, data connections, FEAT and HELP, its directives."""

from __future__ import annotations

# each of these fills the table with one part of the module; a table's later rows are asked first
from ftpd.modules import (  # noqa: F401
    _core_data,
    _core_doubts,
    _core_files,
    _core_filters,
    _core_folders,
    _core_greeting,
    _core_hidden,
    _core_host,
    _core_moot,
    _core_network,
    _core_owner,
    _core_scoreboard,
    _core_server,
    _core_talk,
    _core_title,
    _core_trace,
)
from ftpd.modules._core import module

__all__ = ["module"]
