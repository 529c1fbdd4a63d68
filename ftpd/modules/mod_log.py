"""mod_log -- the logs of what clients do: ExtendedLog, TransferLog and wtmp."""

from __future__ import annotations

from ftpd.modules import _log_extended, _log_transfer, _log_wtmp
from ftpd.modules._log_config import module

# the logs live in files of their own and register with the one module
__all__ = ["_log_extended", "_log_transfer", "_log_wtmp", "module"]
