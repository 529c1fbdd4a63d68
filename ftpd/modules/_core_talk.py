"""What a client asks about the server, and tells about itself: FEAT, HELP, OPTS, SYST, NOOP, CLNT, CSID."""

from __future__ import annotations

import errno
import os

from ftpd.api import Class, Command, Outcome, Refuse, Session, debug
from ftpd.modules import _display
from ftpd.modules._core import module
from ftpd.modules._core_greeting import PROFTPD
from ftpd.modules._core_server import server_admin, server_ident

module.feat("CLNT", "CSID", "EPRT", "EPSV", "HOST", "MDTM", "SIZE")


def restart_feature(session: Session) -> list[str]:
    return ["REST STREAM"] if session.modules.knows("REST") else []


module.feat(restart_feature, alike=True)


@module.cmd(
    "FEAT", auth=False, classes=Class.INFO, usage="(returns feature list)", arity=(0, 0),
    limit=(550, "FEAT: Operation not permitted"), steady=lambda cmd: cmd.session.modules.features_last(),
    alike=lambda session: session.modules.features_are_alike(session),
)  # fmt: skip
def features(cmd: Command) -> Outcome:
    lines = sorted(set(cmd.session.modules.features(cmd.session)) - _barred(cmd), key=str.lower)
    return cmd.ok(211, "Features:", *lines, "End")


def _barred(cmd: Command) -> set[str]:
    """EPRT and EPSV where <Limit> forbids them: clients then take PORT and PASV, and ask for nothing in vain."""
    return {
        verb
        for verb in ("EPRT", "EPSV")
        if not cmd.gate.allows(Command(cmd.session, verb, "", gate=cmd.gate, offload=cmd.offload_pool))
    }


# -- HELP --------------------------------------------------------------------------------------------

_COLUMNS = 8
# the verbs that ProFTPD's list has, in its order: those of RFC 2228 are in it though only mod_tls answers them
_STANDARD = (
    "CWD", "XCWD", "CDUP", "XCUP", "SMNT", "QUIT", "PORT", "PASV", "EPRT", "EPSV", "ALLO", "RNFR", "RNTO", "DELE",
    "MDTM", "RMD", "XRMD", "MKD", "XMKD", "PWD", "XPWD", "SIZE", "SYST", "HELP", "NOOP", "FEAT", "OPTS", "HOST",
    "CLNT", "AUTH", "CCC", "CONF", "ENC", "MIC", "PBSZ", "PROT", "TYPE", "STRU", "MODE", "RETR", "STOR", "STOU",
    "APPE", "REST", "ABOR", "RANG", "USER", "PASS", "ACCT", "REIN", "LIST", "NLST", "STAT", "SITE", "MLSD", "MLST",
)  # fmt: skip
_NEVER = frozenset({"ACCT", "REIN", "SMNT"})
_USAGE = {
    "ACCT": "is not implemented",
    "AUTH": "<sp> base64-data",
    "CCC": "(clears protection level)",
    "CONF": "<sp> base64-data",
    "ENC": "<sp> base64-data",
    "MIC": "<sp> base64-data",
    "PBSZ": "<sp> protection buffer size",
    "PROT": "<sp> protection code",
    "REIN": "is not implemented",
    "SMNT": "is not implemented",
}


@module.cmd(
    "HELP", auth=False, classes=Class.INFO, usage="[<sp> command]", limit=(501, "HELP: Permission denied")
)  # fmt: skip
def help_with(cmd: Command) -> Outcome:
    usages = {entry.verb: entry.usage for entry in cmd.session.modules.help(cmd.session)}
    if not cmd.words:
        return cmd.ok(214, *_table(cmd.session, usages), f"Direct comments to {admin(cmd.session)}")
    verb = cmd.words[0].upper()
    if verb == "SITE":
        return _help_with_site(cmd, usages)
    usage = usages.get(verb, _USAGE.get(verb))
    if usage is None:
        raise Refuse(502, f"Unknown command '{verb}'")
    return cmd.ok(214, f"Syntax: {verb} {usage}")


def _help_with_site(cmd: Command, usages: dict[str, str]) -> Outcome:
    """What mod_site has of its own, as in ProFTPD: the others tell of themselves in SITE HELP."""
    if not cmd.sibling("SITE HELP").allowed():
        raise Refuse(501, "HELP: Permission denied")
    if len(cmd.words) == 1:
        own = [entry.verb for entry in cmd.session.modules.help(cmd.session) if entry.module == "mod_site"]
        return cmd.ok(214, *[verb.removeprefix("SITE ") for verb in own if verb.startswith("SITE ")] or ["SITE"])
    verb = f"SITE {cmd.words[1].upper()}"
    if verb not in usages:
        raise Refuse(502, f"Unknown command 'SITE {cmd.argument}'")
    return cmd.ok(214, f"Syntax: {verb} {usages[verb]}".rstrip())


def _table(session: Session, usages: dict[str, str]) -> list[str]:
    others = [verb for verb in usages if " " not in verb and verb not in _STANDARD]
    cells = []
    for verb in (*_STANDARD, *others):
        missing = verb in _NEVER or not session.modules.knows(verb)
        cells.append(f"{verb + '*' if missing else verb:<8}")
    rows = ["".join(cells[at : at + _COLUMNS]) for at in range(0, len(cells), _COLUMNS)]
    return ["The following commands are recognized (* =>'s unimplemented):", *rows]


def admin(session: Session) -> str:
    """Whom to write to about this server."""
    return session.settings[server_admin] or _display.default_admin(session)


# -- OPTS --------------------------------------------------------------------------------------------


_MOST_OPTIONS = 8
"""Words behind OPTS, as with ProFTPD."""


@module.cmd("OPTS", auth=False, classes=Class.MISC, usage="<sp> command [<sp> options]", arity=(1, None))
async def options(cmd: Command) -> Outcome:
    """A command of its own, ``OPTS_MLST`` and the like, walks all phases and answers for this one (RFC 2389 4)."""
    if len(cmd.words) > _MOST_OPTIONS:
        raise Refuse(550, f"OPTS: {os.strerror(errno.EINVAL)}")
    name, _, rest = cmd.argument.partition(" ")
    # only ASCII has an upper case here, as for verbs
    upper = name.upper() if name.isascii() else name
    inner = Command(cmd.session, f"OPTS_{upper}", rest, gate=cmd.gate, offload=cmd.offload_pool)
    await cmd.session.modules.dispatch(inner)
    reply = inner.reply
    if reply is None:
        raise Refuse(501, f"OPTS {upper} gave no answer")
    return (cmd.fail if inner.errors else cmd.ok)(reply.code, *reply.lines)


_MOST_OF_A_NAME = 256
"""Characters of what a client says of itself that are kept for the logs (%{note:clnt}, %{note:csid.name})."""


# -- small talk --------------------------------------------------------------------------------------


@module.cmd(
    "NOOP", auth=False, classes=Class.MISC, usage="(no operation)", limit=(550, "Operation not permitted"),
    steady=True, alike=True,
)  # fmt: skip
def do_nothing(cmd: Command) -> Outcome:
    return cmd.ok(200, "NOOP command successful")


@module.cmd("SYST", auth=False, classes=Class.INFO, usage="(returns system type)", steady=True, alike=True)
def system_type(cmd: Command) -> Outcome:
    return cmd.ok(215, "UNIX Type: L8")


@module.cmd("CLNT", auth=False, classes=Class.INFO, usage="<cp> client-info")
def client_says_its_name(cmd: Command) -> Outcome:
    cmd.session.notes["clnt"] = cmd.argument[:_MOST_OF_A_NAME]
    return cmd.ok(200, "OK")


@module.cmd("CSID", classes=Class.INFO)
def exchange_names(cmd: Command) -> Outcome:
    for fact in filter(None, cmd.argument.split(";")):
        name, equals, value = fact.lstrip().partition("=")
        if not equals:
            debug(0, "ignoring invalid client-sent CSID fact '%s'", fact, peer=cmd.session.peer)
        elif name.lower() not in ("name", "version", "vendor"):
            debug(0, "ignoring unknown client-sent CSID fact '%s'", fact.lstrip(), peer=cmd.session.peer)
        else:
            cmd.session.notes[f"csid.{name.lower()}"] = value[:_MOST_OF_A_NAME]
            debug(2, "client sent CSID %s fact: %s", name.capitalize(), value, peer=cmd.session.peer)
    named = f"name=ProFTPD;version={PROFTPD};" if cmd.config[server_ident].shown else ""
    return cmd.ok(200, f"{named}casesensitive=1;")
