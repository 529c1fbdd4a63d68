"""The build record: whether DSO is in, which modules are static and where shared ones live (``ftpd -V``)."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict

from ftpd import __version__
from ftpd.core.record import dataclass

CORE_MODULES = (
    "mod_core",
    "mod_xfer",
    "mod_rlimit",
    "mod_auth_unix",
    "mod_auth_file",
    "mod_auth",
    "mod_ls",
    "mod_log",
    "mod_site",
    "mod_delay",
    "mod_facts",
    "mod_dso",
    "mod_ident",
    "mod_auth_pam",
    "mod_cap",
    "mod_ctrls",
    "mod_lang",
)
"""The static modules of a build that nobody configured, in the order in which they are loaded."""

DISPENSABLE = frozenset({"mod_rlimit", "mod_delay", "mod_ident", "mod_auth_pam", "mod_cap", "mod_lang"})
"""Those of them that rmmod may take out: without any other, nobody would be served, or the daemon not reached."""

COMPATIBLE_WITH = "1.3.8"
"""The ProFTPD release whose configuration, replies and habits hold here."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
RECORD = f"{_PACKAGE}/build.json"


class BuildError(Exception):
    """What is wrong with how ftpd was built or installed."""


@dataclass(frozen=True)
class BuildRecord:
    """What was decided at build time."""

    dso: bool
    static: tuple[str, ...]
    libexec: str
    configuration: str
    rundir: str
    options: tuple[str, ...] = ()
    static_folder: str = ""
    """Where the static modules lie that are files of their own instead of entry points of a package."""

    @property
    def pid_file(self) -> str:
        return f"{self.rundir}/proftpd.pid"

    @property
    def control_socket(self) -> str:
        return f"{self.rundir}/proftpd.sock"

    @property
    def scoreboard(self) -> str:
        return f"{self.rundir}/proftpd.scoreboard"

    def to_json(self) -> str:
        import json

        return json.dumps(asdict(self), indent=1)


def unconfigured() -> BuildRecord:
    """A checkout or a pip install: DSO on, the core modules static, all in libexec/ shared."""
    checkout = os.path.dirname(_PACKAGE)
    is_checkout = os.path.isdir(f"{checkout}/libexec") and os.path.isfile(f"{checkout}/etc/proftpd.conf")
    prefix = checkout if is_checkout else sys.prefix
    return BuildRecord(True, CORE_MODULES, f"{prefix}/libexec", f"{prefix}/etc/proftpd.conf", f"{prefix}/var/run")


def build_record() -> BuildRecord:
    """The record that ``configure`` left beside the package, or the one of an unconfigured build."""
    try:
        with open(RECORD) as file:
            text = file.read()
    except FileNotFoundError:
        return unconfigured()
    except OSError as error:
        raise BuildError(f"the build record {RECORD} cannot be read: {error.strerror}") from None
    # a build that nobody configured has no record, and its start no use for it
    import json

    try:
        fields = json.loads(text)
        return BuildRecord(**{**fields, "static": tuple(fields["static"]), "options": tuple(fields.get("options", ()))})
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"the build record {RECORD} is damaged ({error}); run configure again, or remove it") from None


def ftpd_version() -> str:
    """What -v and the log say: scripts look for ProFTPD's version first, ours stands behind it."""
    return f"{COMPATIBLE_WITH} (ftpd {__version__})"
