"""The daemon's own settings, read from the main server by their directives' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ftpd.dispatch.registry import Generation
from ftpd.module.build import BuildRecord


@dataclass(frozen=True)
class DaemonSettings:
    """What the process needs to know of a configuration."""

    inetd: bool
    user: str | None
    group: str | None
    pid_file: str
    max_instances: int | None
    backlog: int
    bind_tight: bool
    use_ipv6: bool
    system_log: str | None
    syslog_level: str
    debug_level: int


def daemon_settings(generation: Generation, record: BuildRecord, *, ipv6: bool | None = None) -> DaemonSettings:
    """The main server's values; ``ipv6`` is what -4 or -6 decided."""

    def value(name: str, default: Any) -> Any:
        key = generation.directive(name)
        if key is None:
            return default
        found = generation.config.main.settings[key]
        return default if found is None else found

    return DaemonSettings(
        inetd=value("ServerType", "standalone") == "inetd",
        user=value("User", None),
        group=value("Group", None),
        pid_file=value("PidFile", record.pid_file),
        max_instances=value("MaxInstances", None),
        backlog=value("TCPBackLog", 128),
        bind_tight=value("SocketBindTight", False),
        use_ipv6=value("UseIPv6", True) if ipv6 is None else ipv6,
        system_log=value("SystemLog", None),
        syslog_level=value("SyslogLevel", "notice"),
        debug_level=value("DebugLevel", 0),
    )
