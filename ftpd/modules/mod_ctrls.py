"""mod_ctrls -- the control socket: where it is, who may ask what over it, and the actions about actions."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import AsyncIterator, Iterator

from ftpd.api import (
    SERVER,
    Asked,
    Config,
    ConfigError,
    ConfigWarning,
    ControlError,
    Module,
    Multi,
    Reading,
    Status,
    acting_as_daemon,
    control_rules,
    socket_rule,
    types,
)

module = Module("mod_ctrls", version="1.0")

_LONGEST = 107
"""Bytes of a socket's path (unix(7))."""
_KEPT = ("help", "insctrl", "lsctrl", "rmctrl")


@types.takes(2, 2)
def _owner(words: list[str]) -> tuple[int, int]:
    """A user and a group, by name or number; -1 for who is not known, as chown(2) has it for what stays."""
    try:
        uid = int(words[0]) if words[0].isdecimal() else pwd.getpwnam(words[0]).pw_uid
    except KeyError:
        uid = -1
    try:
        gid = int(words[1]) if words[1].isdecimal() else grp.getgrnam(words[1]).gr_gid
    except KeyError:
        gid = -1
    return uid, gid


def _known(reading: Reading, owner: tuple[int, int]) -> None:
    for word, (kind, number) in enumerate(zip(("user", "group"), owner, strict=True)):
        if number < 0:
            reading.warn(f"there is no such {kind}: the socket's {kind} stays the daemon's", word=word)


# What the daemon itself reads by name: it makes the socket before any session and any request is there.
engine = module.directive(
    "ControlsEngine", types.boolean, default=True, contexts=SERVER, multi=Multi.LAST,
    usage="on|off", doc="Whether there is a control socket.",
)  # fmt: skip
socket_path = module.directive(
    "ControlsSocket", types.path_or_none, contexts=SERVER, multi=Multi.LAST,
    usage="path|none", doc="Where the control socket is; by default where the build put it.",
)  # fmt: skip
module.directive(
    "ControlsSocketOwner", _owner, contexts=SERVER, multi=Multi.LAST, act=_known,
    usage="user group", doc="Whom the control socket belongs to.",
)  # fmt: skip
module.directive(
    "ControlsMaxClients", types.integer(1, leading=True), default=5, contexts=SERVER, multi=Multi.LAST,
    usage="number", doc="How many requests may be under way at once.",
)  # fmt: skip
module.directive(
    "ControlsLog", types.path_or_none, contexts=SERVER, multi=Multi.LAST,
    usage="path|none", doc="Who asked what, and what was answered.",
)  # fmt: skip
module.directive(
    "ControlsInterval", types.integer(1, leading=True), default=10, contexts=SERVER, multi=Multi.LAST,
    usage="seconds", doc="How often ProFTPD looks for requests; here they are answered at once.",
)  # fmt: skip
module.directive(
    "ControlsAuthFreshness", types.integer(1), default=10, contexts=SERVER, multi=Multi.LAST,
    usage="seconds", doc="How old ftpdctl's own socket may be in ProFTPD; here the kernel says who asks.",
)  # fmt: skip
module.directive_list(
    "ControlsACLs", control_rules(), contexts=SERVER,
    usage="actions|all allow|deny user|group list",
    doc="Who may use insctrl, lsctrl and rmctrl, and the actions of modules that have no ACL directive of their own.",
)  # fmt: skip
socket_acl = module.directive_list(
    "ControlsSocketACL", socket_rule, contexts=SERVER,
    usage="allow|deny user|group list", doc="Who may ask at all; without such a line, who may have an action.",
)  # fmt: skip


@module.check
def it_can_be_made(config: Config) -> Iterator[ConfigError]:
    """Where it cannot, clients are served all the same, and ftpdctl reaches nobody."""
    settings = config.main.settings
    path = settings[socket_path]
    if path in (None, "none") or not settings[engine]:
        return
    with acting_as_daemon():
        reason, right = _obstacle(path)
    if reason:
        yield ConfigWarning(
            f"there is no control socket, and ftpdctl reaches nobody: {reason}", right=right, word=0,
            directive=socket_path.name, at=config.main.where[socket_path][-1],
        )  # fmt: skip


def _obstacle(path: str) -> tuple[str, str]:
    """Why no socket can be there, and what would be right; rights that are missing are not asked for."""
    folder = os.path.dirname(path)
    elsewhere = "the path of a file that is not there, or none"
    if len(os.fsencode(path)) > _LONGEST:
        return f"no socket's path may be longer than {_LONGEST} bytes", elsewhere
    try:
        os.stat(folder)
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return ("", "") if os.path.isdir(folder) else (f"there is no folder {folder}", f"mkdir {folder}")
    except OSError as error:
        return ("", "") if error.errno == errno.EACCES else (os.strerror(error.errno or errno.EIO), elsewhere)
    return ("", "") if stat.S_ISSOCK(kind) else ("what lies there is no socket, and is left alone", elsewhere)


@module.control("help", help="describe all registered controls", acl=socket_acl)
def describe(asked: Asked) -> Iterator[str]:
    _takes(asked, 0)
    for action, control in sorted(asked.daemon.controls.items()):
        if action not in asked.daemon.disabled:
            yield f"{action}: {control.help}"


@module.control("lsctrl", help="list all registered controls")
def show(asked: Asked) -> Iterator[str]:
    _takes(asked, 0)
    for action, control in sorted(asked.daemon.controls.items()):
        if action not in asked.daemon.disabled:
            yield f"{action} ({control.module}.c)"


@module.control("insctrl", help="enable a disabled control")
def enable(asked: Asked) -> Iterator[str]:
    action = _named(asked)
    if action not in asked.daemon.disabled:
        raise ControlError(Status.IGNORED, f"unable to enable '{action}': it is enabled")
    asked.daemon.disabled.discard(action)
    yield f"'{action}' control enabled"


@module.control("rmctrl", help="disable a registered control")
def disable(asked: Asked) -> Iterator[str]:
    if asked.words == ["all"]:
        asked.daemon.disabled.update(set(asked.daemon.controls).difference(_KEPT))
        yield "all controls disabled"
        yield "restart the daemon to re-enable controls"
        return
    action = _named(asked)
    if action in _KEPT:
        raise ControlError(Status.DENIED, f"'{action}' control cannot be removed")
    asked.daemon.disabled.add(action)
    yield f"'{action}' control disabled"


@module.control("explain", help="say why a user may or may not use a command on a path: USER PATH COMMAND")
async def explain(asked: Asked) -> AsyncIterator[str]:
    for line in await asked.daemon.explain(asked.words):
        yield line


def _takes(asked: Asked, fewest: int, most: int = 0) -> None:
    if not fewest <= len(asked.words) <= max(fewest, most):
        raise ControlError(Status.WRONG_PARAMETERS, "wrong number of parameters")


def _named(asked: Asked) -> str:
    """``ACTION [module]``: an action that there is, of that module where one is named."""
    _takes(asked, 1, 2)
    action, *owner = asked.words
    control = asked.daemon.controls.get(action)
    if control is None or any(control.module != name.removesuffix(".c") for name in owner):
        raise ControlError(Status.NOT_FOUND, f"no such control: '{action}'")
    return action
