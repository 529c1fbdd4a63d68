"""What a client asks about the server, and tells about itself: FEAT, HELP, OPTS, SYST, NOOP, CLNT, CSID, HOST."""

from __future__ import annotations

import ipaddress

from ftpd.api import Class, Command, Outcome, Refuse, Session
from ftpd.modules import _display
from ftpd.modules._core import module
from ftpd.modules._core_greeting import PROFTPD
from ftpd.modules._core_server import server_admin, server_alias

module.feat("CLNT", "CSID", "EPRT", "EPSV", "HOST", "MDTM", "SIZE", "TVFS")


@module.feat
def restart_feature(session: Session) -> list[str]:
    return ["REST STREAM"] if session.modules.knows("REST") else []


@module.cmd(
    "FEAT", auth=False, classes=Class.INFO, usage="(returns feature list)", arity=(0, 0),
    limit=(550, "FEAT: Operation not permitted"),
)  # fmt: skip
def features(cmd: Command) -> Outcome:
    lines = sorted(set(cmd.session.modules.features(cmd.session)), key=str.lower)
    return cmd.ok(211, "Features:", *lines, "End")


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
    if len(cmd.words) == 1:
        return cmd.ok(214, *[verb.removeprefix("SITE ") for verb in usages if verb.startswith("SITE ")] or ["SITE"])
    verb = f"SITE {cmd.words[1].upper()}"
    if verb not in usages:
        raise Refuse(502, f"Unknown command '{verb}'")
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
    return session.settings[server_admin] or _display.default_admin()


# -- OPTS --------------------------------------------------------------------------------------------


@module.cmd("OPTS", auth=False, classes=Class.MISC, usage="<sp> command [<sp> options]", arity=(1, None))
async def options(cmd: Command) -> Outcome:
    """A command of its own, ``OPTS_MLST`` and the like, walks all phases and answers for this one (RFC 2389 4)."""
    name, _, rest = cmd.argument.partition(" ")
    # only ASCII has an upper case here, as for verbs
    upper = name.upper() if name.isascii() else name
    inner = Command(cmd.session, f"OPTS_{upper}", rest, gate=cmd.gate, offload=cmd.offload_pool)
    await cmd.session.modules.dispatch(inner)
    reply = inner.reply
    if reply is None:
        raise Refuse(501, f"OPTS {upper} gave no answer")
    return (cmd.fail if inner.errors else cmd.ok)(reply.code, *reply.lines)


# -- small talk --------------------------------------------------------------------------------------


@module.cmd(
    "NOOP", auth=False, classes=Class.MISC, usage="(no operation)", limit=(550, "Operation not permitted")
)  # fmt: skip
def do_nothing(cmd: Command) -> Outcome:
    return cmd.ok(200, "NOOP command successful")


@module.cmd("SYST", auth=False, classes=Class.INFO, usage="(returns system type)")
def system_type(cmd: Command) -> Outcome:
    return cmd.ok(215, "UNIX Type: L8")


_CLIENT_FACTS = frozenset({"name", "vendor", "version"})


@module.cmd("CLNT", auth=False, classes=Class.INFO, usage="<sp> client-info")
def client_says_its_name(cmd: Command) -> Outcome:
    cmd.session.notes["clnt"] = cmd.argument
    return cmd.ok(200, "OK")


@module.cmd("CSID", classes=Class.INFO)
def exchange_names(cmd: Command) -> Outcome:
    """draft-peterson-streamlined-ftp-command-extensions: facts of the client, which log formats may show."""
    for fact in cmd.argument.split(";"):
        name, _, value = fact.strip().partition("=")
        if name.lower() in _CLIENT_FACTS and value:
            cmd.session.notes[f"csid.{name.lower()}"] = value
    return cmd.ok(200, f"name=ProFTPD;version={PROFTPD};casesensitive=1;")


# -- HOST --------------------------------------------------------------------------------------------


@module.cmd("HOST", auth=False, classes=Class.AUTH | Class.MISC, usage="<sp> hostname")
def choose_host(cmd: Command) -> Outcome:
    """The server that the client means by name (RFC 7151): the one it has reached, or none."""
    session = cmd.session
    if len(cmd.words) != 1:
        raise Refuse(500, "'HOST' not understood")
    if session.login:
        raise Refuse(503, "Bad sequence of commands")
    host = cmd.words[0]
    if not cmd.allowed():
        raise Refuse(504, f"{host}: Permission denied")
    names = {name.lower().rstrip(".") for line in session.settings[server_alias] for name in line}
    if _is_here(session, host) or host.lower().rstrip(".") in names:
        return cmd.ok(220, "HOST command successful")
    raise Refuse(504, f"{host}: Unknown hostname provided")


def _is_here(session: Session, host: str) -> bool:
    """Whether a literal address is the one that the client has connected to; IPv6 stands in brackets."""
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        address = None
    if bracketed and (address is None or address.version == 4):
        raise Refuse(501, f"{host}: Invalid hostname provided")
    return address is not None and address == ipaddress.ip_address(session.local.host.partition("%")[0])
