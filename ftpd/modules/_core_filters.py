"""What is looked at before every command: the order of RNFR and RNTO, and the filters for arguments and for names."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable

from ftpd.api import LIMIT, NOTED_NAMES, Command, Refuse, Settings, Steady, denies, types
from ftpd.modules._core import PLACES, module, state

allow_filter = module.directive(
    "AllowFilter", types.regex, contexts=PLACES | LIMIT,
    usage="pattern [NC]", doc="Only commands whose arguments match are taken.",
)  # fmt: skip
deny_filter = module.directive(
    "DenyFilter", types.regex, contexts=PLACES | LIMIT,
    usage="pattern [NC]", doc="Commands whose arguments match are refused.",
)  # fmt: skip
path_allow_filter = module.directive(
    "PathAllowFilter", types.regex, contexts=PLACES,
    usage="pattern [NC]", doc="Only names that match may be made or changed.",
)  # fmt: skip
path_deny_filter = module.directive(
    "PathDenyFilter", types.regex, contexts=PLACES,
    usage="pattern [NC]", doc="Names that match may be neither made nor changed.",
)  # fmt: skip

_WHILE_RENAMING = frozenset(["RNTO", "HELP", "NOOP", "QUIT", "STAT"])
"""What may stand between RNFR and RNTO."""
_PROTECT = frozenset(["CCC", "CONF", "ENC", "MIC", "PBSZ", "PROT"])
"""These as well, where the line is protected (RFC 2228)."""
_ENDS_RENAMING = frozenset(["APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU"])
_SECRET = frozenset({"PASS", "ACCT", "ADAT"})


def _steady(cmd: Command) -> Steady:
    settings = cmd.session.settings
    return Steady.VERB if settings[allow_filter] is settings[deny_filter] is None else Steady.LINE


@module.pre(steady=_steady, alike=True)
def before_every_command(cmd: Command) -> None | Awaitable[None]:
    session = cmd.session
    idle = session[state].idle
    if idle is not None:
        idle.reset()
    if session.rename_from is not None and not _may_wait(cmd):
        if cmd.name in _ENDS_RENAMING:
            # the RNTO is waited for all the same, and will hear that there is nothing to rename
            session.rename_from = ""
        raise Refuse(501, "Bad sequence of commands")
    settings = session.settings
    if (settings[allow_filter] or settings[deny_filter]) and cmd.name not in _SECRET:
        _filter_argument(cmd, settings)
    work = cmd.gate.ahead(cmd)
    return None if work is None else cmd.offload(work)


def _may_wait(cmd: Command) -> bool:
    """Whether a command may come while an RNTO is waited for."""
    return cmd.name in _WHILE_RENAMING or (cmd.name in _PROTECT and cmd.session.protocol != "ftp")


def _filter_argument(cmd: Command, settings: Settings) -> None:
    allow, deny = settings[allow_filter], settings[deny_filter]
    argument = cmd.line
    if not argument:
        return
    if (allow is not None and not allow.search(argument)) or (deny is not None and denies(deny, argument)):
        raise Refuse(550, f"{argument}: Forbidden command argument")


_ACCESS_FILE = ".ftpaccess"
module.offer(NOTED_NAMES, _ACCESS_FILE)


def _is_noted(cmd: Command) -> bool:
    # a folder that is moved may bring one along
    return cmd.name == "RNTO" or cmd.argument.endswith(_ACCESS_FILE)


@module.post(
    "STOR", "APPE", "STOU", "DELE", "RNTO", steady=lambda cmd: Steady.NOTHING if _is_noted(cmd) else Steady.VERB,
    alike=True,
)  # fmt: skip
def look_at_access_files_again(cmd: Command) -> None:
    if _is_noted(cmd):
        cmd.gate.forget()


# -- names -------------------------------------------------------------------------------------------


def _says_nothing(cmd: Command) -> Steady:
    """Where there is no filter at all, not even in a folder's settings."""
    filters = (cmd.setting(name, None) for name in ("PathAllowFilter", "PathDenyFilter"))
    return Steady.VERB if all(one is None for one in filters) else Steady.NOTHING


@module.pre("APPE", "DELE", "MKD", "RMD", "RNFR", "STOR", "XMKD", "XRMD", steady=_says_nothing, alike=True)
def only_fitting_names(cmd: Command) -> None:
    _filter_name(cmd, cmd.argument, f"{cmd.argument}: Forbidden filename")


@module.pre("RNTO")
def only_fitting_new_names(cmd: Command) -> None:
    # without an RNFR before it, that is what the client has to hear
    if cmd.session.rename_from:
        _filter_name(cmd, cmd.argument, f"{cmd.argument}: Forbidden filename")


@module.pre("SITE CHGRP", "SITE CHMOD")
def only_fitting_names_behind_a_word(cmd: Command) -> None:
    _filter_name(cmd, cmd.argument.partition(" ")[2].lstrip(" "), f"{cmd.line}: Forbidden filename")


@module.pre("MFF", "MFMT")
def only_fitting_names_behind_facts(cmd: Command) -> None:
    given = cmd.argument.partition(" ")[2]
    _filter_name(cmd, given, f"{given}: {os.strerror(errno.EACCES)}")


def _filter_name(cmd: Command, given: str, refusal: str) -> None:
    if given and cmd.session.user is not None and not cmd.name_fits(given):
        raise Refuse(550, refusal)
