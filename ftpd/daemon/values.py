"""The daemon's own settings, read from the main server by their directives' names."""

from __future__ import annotations

from typing import Any

from ftpd.conf.tree import Scope
from ftpd.core import crypt
from ftpd.core.record import dataclass
from ftpd.dispatch.registry import Generation
from ftpd.engine.tuning import together
from ftpd.module.build import BuildRecord


@dataclass(frozen=True)
class DaemonSettings:
    """What the process needs to know of a configuration."""

    inetd: bool
    user: str | None
    group: str | None
    pid_file: str
    pid_file_wanted: bool
    """A line of the configuration asks for it; otherwise it is where the build put it."""
    scoreboard: str | None
    scoreboard_mutex: str | None
    scoreboard_wanted: bool
    """A line of the configuration asks for it; otherwise it is where the build put it, if it can be."""
    scoreboard_scrub: bool
    workers: int
    max_instances: int | None
    connection_rate: tuple[int, int] | None
    backlog: int
    reuse_port: bool
    reverse_dns: bool
    bind_tight: bool
    use_ipv6: bool
    password_cache: int
    system_log: str | None
    shed_capabilities: bool
    may_chown: bool


def value_of(generation: Generation, scope: Scope, name: str, default: Any) -> Any:
    """What the directive of that name says for a server, whoever owns it; ``default`` where nobody does."""
    key = generation.directive(name)
    found = None if key is None else scope.settings[key]
    return default if found is None else found


def daemon_settings(generation: Generation, record: BuildRecord, *, ipv6: bool | None = None) -> DaemonSettings:
    """The main server's values; ``ipv6`` is what -4 or -6 decided."""

    def value(name: str, default: Any) -> Any:
        return value_of(generation, generation.config.main, name, default)

    pid_file = value("PidFile", None)
    scoreboard, mutex = value("ScoreboardFile", None), value("ScoreboardMutex", None)
    return DaemonSettings(
        inetd=value("ServerType", "standalone") == "inetd",
        user=value("User", None),
        group=value("Group", None),
        pid_file=pid_file or record.pid_file,
        pid_file_wanted=pid_file is not None,
        scoreboard=None if scoreboard in ("none", "/dev/null") else scoreboard or record.scoreboard,
        scoreboard_mutex=mutex if mutex is not None and mutex.startswith("/") else None,
        scoreboard_wanted=scoreboard is not None,
        scoreboard_scrub=value("ScoreboardScrub", True),
        workers=value("Workers", 1),
        max_instances=value("MaxInstances", None),
        connection_rate=value("MaxConnectionRate", None),
        reuse_port=together(value("SocketOptions", ())).get("reuseport", False),
        reverse_dns=value("UseReverseDNS", True),
        backlog=value("TCPBackLog", 128),
        bind_tight=value("SocketBindTight", False),
        use_ipv6=value("UseIPv6", True) if ipv6 is None else ipv6,
        password_cache=value("AuthPasswordCache", crypt.RIGHT_FOR),
        system_log=value("SystemLog", None),
        shed_capabilities=value("CapabilitiesEngine", True),
        may_chown="-CAP_CHOWN" not in value("CapabilitiesSet", ()),
    )
