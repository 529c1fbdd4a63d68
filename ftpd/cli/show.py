"""What ftpd prints about itself: -v with what is loaded, and -V with how it was built."""

from __future__ import annotations

import os
import platform
import socket
from importlib.util import find_spec

from ftpd import native
from ftpd.conf import pcre
from ftpd.dispatch.registry import Generation
from ftpd.module.build import BuildRecord, ftpd_version


def loaded(configuration: str, generation: Generation, *, directives: bool) -> str:
    """The answer to -vv, and to -vvv with every directive; the module loaded last comes first, as it is asked first."""
    lines = [
        f"ProFTPD Version: {ftpd_version()}",
        f"  Configuration: {configuration}",
        "",
        "Loaded modules:",
        *(f"  {name}" for name in reversed(generation.loaded)),
    ]
    if directives:
        known = sorted((d.name, module.name) for module in generation.modules for d in module.directives)
        lines += ["", "Configuration Directives:", *(f"  {name} (from {module})" for name, module in known)]
    return "\n".join(lines)


def settings(record: BuildRecord) -> str:
    """The build record and what this machine offers, in the layout that scripts read."""
    system = os.uname()
    features = {
        "Controls": "mod_ctrls" in record.static,
        "DSO": record.dso,
        "IPv6": socket.has_ipv6,
        "Largefile": True,
        "Native answers": native.front is not None,
        "Native calls": native.calls is not None,
        "Native data connections": native.data is not None,
        "Native listings": native.lines is not None,
        "NLS": "mod_lang" in record.static,
        "OpenSSL": find_spec("OpenSSL") is not None,
        "PCRE2": pcre.library() is not None,
        "Sendfile": hasattr(os, "sendfile"),
        "Shadow file": True,
        "Trace": True,
        "uvloop": find_spec("uvloop") is not None,
    }
    lines = [
        "Compile-time Settings:",
        f"  Version: {ftpd_version()}",
        f"  Platform: {platform.system().upper()} [{system.sysname} {system.release} {system.machine}]",
        f"  Built With: Python {platform.python_version()}",
        f"    configure  {' '.join(record.options) or '(not configured)'}",
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
