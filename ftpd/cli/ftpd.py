"""The ftpd command: serve, or say what would be served."""

from __future__ import annotations

import os
import platform
import sys
import time

from ftpd.cli.options import CommandLine, UsageError, parse, usage
from ftpd.module.build import BuildRecord, build_record, ftpd_version

_UTC = "%Y-%m-%d %H:%M:%S"


def main(words: list[str] | None = None) -> int:
    """Run with these words (default: those of the command line); gives the exit status."""
    try:
        line = parse(sys.argv[1:] if words is None else words)
    except UsageError as error:
        _complain(str(error))
        if error.usage:
            print(usage())
        return 1
    record = build_record()
    match line.act:
        case "help":
            print(usage())
        case "list":
            print("Compiled-in modules:")
            for name in record.static:
                print(f"  {name}.c")
        case "settings":
            print(_settings(record))
        case "version" if line.verbose == 1:
            print(f"ProFTPD Version {ftpd_version()}")
        case _:
            return _with_configuration(line, record)
    return 0


def _complain(message: str) -> None:
    """One line on stderr in the layout of the log."""
    now = time.time()
    stamp = f"{time.strftime(_UTC, time.localtime(now))},{int(now * 1000) % 1000:03d}"
    print(f"{stamp} {platform.node()} proftpd[{os.getpid()}]: {message}", file=sys.stderr)


def _with_configuration(line: CommandLine, record: BuildRecord) -> int:
    # the rest of the daemon is imported only by who needs it: -v and -l answer at once
    from ftpd.conf.directive import ConfigError
    from ftpd.conf.faults import ConfigFaults
    from ftpd.daemon import logs
    from ftpd.daemon.server import Daemon, Options

    logs.to_terminal(line.debug or 0)
    options = Options(
        config=line.config or record.configuration,
        foreground=line.foreground or line.one_session,
        quiet=line.quiet,
        debug=line.debug,
        defines=line.defines,
        address=line.address,
        ipv6=line.ipv6,
        one_session=line.one_session,
    )
    if line.act == "configtest":
        print("Checking syntax of configuration file", flush=True)
    try:
        daemon = Daemon(options, record)
        if line.act == "configtest":
            for warning in daemon.generation.config.warnings:
                print(warning.render(), file=sys.stderr)
            print("Syntax check complete.", flush=True)
            return 0
        if line.act == "version":
            print(_versions(line, record, daemon))
            return 0
        return daemon.run()
    except ConfigFaults as faults:
        for warning in faults.warnings:
            print(warning.render(), file=sys.stderr)
        print(faults.render(), file=sys.stderr)
    except (ConfigError, logs.StartError) as error:
        _complain(f"fatal: {error}")
    return 1


def _versions(line: CommandLine, record: BuildRecord, daemon: object) -> str:
    from ftpd.daemon.server import Daemon

    assert isinstance(daemon, Daemon)
    generation = daemon.generation
    lines = [
        f"ProFTPD Version: {ftpd_version()}",
        f"  Configuration: {daemon.options.config}",
        "",
        "Loaded modules:",
        *(f"  {name}" for name in reversed(generation.loaded)),
    ]
    if line.verbose > 2:
        known = sorted((d.name, module.name) for module in generation.modules for d in module.directives)
        lines += ["", "Configuration Directives:", *(f"  {name} (from {module})" for name, module in known)]
    return "\n".join(lines)


def _settings(record: BuildRecord) -> str:
    """The build record and what this machine offers, in the layout that scripts read."""
    import socket

    features = {
        "Controls": False,
        "DSO": record.dso,
        "IPv6": socket.has_ipv6,
        "Largefile": True,
        "NLS": False,
        "OpenSSL": False,
        "Sendfile": hasattr(os, "sendfile"),
        "Shadow file": True,
        "Trace": False,
        "uvloop": _has_uvloop(),
    }
    lines = [
        "Compile-time Settings:",
        f"  Version: {ftpd_version()}",
        f"  Platform: {platform.system().upper()} [{platform.platform()}]",
        f"  Built With: Python {platform.python_version()}",
        f"    configure {' '.join(record.options) or '(not configured)'}",
        "",
        "  Files:",
        "    Configuration File:",
        f"      {record.configuration}",
        "    Pid File:",
        f"      {record.pid_file}",
        "    Scoreboard File:",
        f"      {record.scoreboard}",
        "    Shared Module Directory:",
        f"      {record.libexec}",
        "",
        "  Static Modules:",
        *(f"    {name}.c" for name in record.static),
        "",
        "  Features:",
        *(f"    {'+' if there else '-'} {name} support" for name, there in features.items()),
    ]
    return "\n".join(lines)


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return False
    return True
