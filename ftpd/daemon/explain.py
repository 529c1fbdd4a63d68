"""``explain USER PATH COMMAND``: who a user would be, where the session would begin, and what would be decided."""

from __future__ import annotations

import ipaddress
import shlex
from fnmatch import fnmatchcase
from typing import cast

from ftpd.conf import resolve
from ftpd.conf.tree import Scope
from ftpd.core.log import escape
from ftpd.core.record import dataclass
from ftpd.core.reply import Refuse
from ftpd.daemon.values import value_of
from ftpd.dispatch.access import who
from ftpd.dispatch.explain import disk_refuses, explain_path, login_reasons, place_of, row
from ftpd.dispatch.registry import Generation
from ftpd.fs.local import LocalFiles
from ftpd.module.command import Command
from ftpd.module.files import Path
from ftpd.module.home import meant
from ftpd.module.session import Address, Session
from ftpd.module.wire import Wire
from ftpd.modules import _auth_directives as directives
from ftpd.modules import _auth_login as login
from ftpd.modules import _auth_place as place
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_names import Target, target_of

USAGE = "USER PATH COMMAND [from ADDRESS] [at SERVER]"


_WORD_BEFORE = frozenset({"SITE CHGRP", "SITE CHMOD", "MFF", "MFMT"})


class Unclear(Exception):
    """What was asked cannot be answered as it stands."""


@dataclass(frozen=True)
class Question:
    """``tom /pub/a.txt STOR from 192.0.2.1 at ftp.example.org``."""

    user: str
    path: str
    verb: str
    address: str = "127.0.0.1"
    server: str = ""
    """What the server is called that the user comes to: its ServerName, one of its names, or an address and port."""


def question(words: list[str]) -> Question:
    """What the words ask; a single one is taken apart as a shell would."""
    if len(words) == 1:
        try:
            words = shlex.split(words[0])
        except ValueError as wrong:
            raise Unclear(f"{wrong}; {USAGE}") from None
    said = {"from": "127.0.0.1", "at": ""}
    while len(words) > 4 and words[-2].lower() in said:
        said[words[-2].lower()], words = words[-1], words[:-2]
    address = said["from"]
    if len(words) not in (3, 4) or (len(words) == 4 and words[2].upper() not in ("SITE", "OPTS")):
        raise Unclear(f"three things are asked for: {USAGE}")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise Unclear(f"'{escape(address)}' is no address") from None
    verb = " ".join(words[2:]).upper()
    if verb.startswith("SITE_"):
        verb = verb.replace("_", " ", 1)
    return Question(words[0], words[1], verb.replace("OPTS ", "OPTS_"), address, said["at"])


def _called(generation: Generation, scope: Scope) -> list[str]:
    """By what names and addresses a server can be asked for, its ServerName first."""
    main = scope is generation.config.main
    # a virtual host may have its name from the main server, who is meant by it then
    named = main or any(key.name == "ServerName" for key in scope.where)
    names = [value_of(generation, scope, "ServerName", "")] if named else []
    if main:
        names += value_of(generation, scope, "DefaultAddress", ())
    names += [*scope.args, *(name for line in value_of(generation, scope, "ServerAlias", ()) for name in line)]
    port = value_of(generation, scope, "Port", 21)
    return [*names, *(f"{name}:{port}" for name in names)]


def _server(generation: Generation, wanted: str) -> Scope:
    """The server that is called so; the main server where nothing is said."""
    config = generation.config
    if not wanted:
        return config.main
    found = [
        scope
        for scope in config.servers
        if any(fnmatchcase(wanted.lower(), name.lower()) for name in _called(generation, scope))
    ]
    if not found:
        there = ", ".join(escape(_called(generation, scope)[0]) for scope in config.servers)
        raise Unclear(f"no server is called '{escape(wanted)}'; there are: {there}")
    if len(found) > 1:
        places = ", ".join(place_of(scope) for scope in found)
        raise Unclear(f"several servers are called '{escape(wanted)}': {places}; its ServerName, or :port, tells which")
    return found[0]


def _reached(generation: Generation, server: Scope, client: str) -> Address:
    """Where a client comes to the server; its own address stands for one that the configuration does not tell."""
    port = value_of(generation, server, "Port", 21)
    for name in server.args:
        try:
            return Address(str(ipaddress.ip_address(name)), port)
        except ValueError:
            continue
    return Address(client, port)


class _Nobody:
    """The wire of a session that no client is at the other end of: nothing is ever sent there."""

    gone = True
    busy = False
    data = None


async def explain(generation: Generation, asked: Question) -> list[str]:
    """The answer, line by line, the verdict first; Unclear where there is no such user or command."""
    server = _server(generation, asked.server)
    session = Session(
        wire=cast(Wire, _Nobody()),
        modules=generation,
        server=server,
        settings=server.settings,
        remote=Address(asked.address, 0),
        local=_reached(generation, server, asked.address),
        enter=LocalFiles,
    )
    session.login = asked.user
    session.class_name = resolve.class_of(generation.config, who(session))
    plan = generation.table.plan(asked.verb)
    if not plan.known:
        raise Unclear(f"no module knows the command {escape(asked.verb)}")
    command = Command(session, asked.verb, asked.path, gate=generation.gate, offload=generation.offload)
    command.group, command.classes = plan.group, plan.classes
    target = target_of(session, asked.user)
    at_once = resolve.connect_allowed(server, who(session)).allowed
    try:
        admitted, lines = await _enter(command, target)
    except Denied as denied:
        return [f"{escape(asked.user)} is not let in: {denied.reason}", *_which(generation, server)]
    try:
        allowed, reasons = explain_path(command, generation.gate)
        refused, before = _filtered(generation, command, asked)
        kept, there = _protected(command)
        disk = disk_refuses(command, generation.gate)
    finally:
        if session.files is not None:
            session.files.close()
    if not at_once:
        lines.append(f"{'':<10}and a connection from there is closed before anybody logs in")
    verdict = "may" if at_once and admitted and allowed and not refused and not kept else "may not"
    head = f"{escape(asked.user)} {verdict} {escape(asked.verb)} {escape(asked.path)}"
    if verdict == "may" and disk:
        head = f"{head} by the configuration, but the system refuses it: {disk}"
    return [head, "", *_which(generation, server), *lines, *reasons, *before, *there]


def _which(generation: Generation, server: Scope) -> list[str]:
    """Which server was asked about, where there are several."""
    if len(generation.config.servers) == 1:
        return []
    title = f"{server.title}  {place_of(server)}" if server.name else f"the main server  {place_of(server)}"
    return [*row("Server", f"{escape(value_of(generation, server, 'ServerName', ''))}: {title}")]


async def _enter(command: Command, target: Target) -> tuple[bool, list[str]]:
    """Let the user in as PASS would after the password; whether PASS would, who that is and where it begins."""
    session = command.session
    account, groups, own = await login._known(command, target)
    visitor = login.Visitor(target, account, groups, False, own)
    session.user, session.account, session.groups = account.name, account, groups
    session.anonymous, session.identity = target.anonymous, visitor.identity
    client = who(session)
    names = " ".join(escape(name) for name in client.groups)
    user = account.name if account.name == session.login else f"{account.name}, whom {session.login} is an alias of"
    lines = [
        *row(
            "Who",
            f"{escape(user)}: uid {account.uid}, gid {account.gid}, groups {names}",
            f"from {session.remote.host}, {f'of class {session.class_name}' if session.class_name else 'of no class'}",
        )
    ]
    if target.anonymous is not None:
        lines += row("Through", f"{target.anonymous.title}  {place_of(target.anonymous)}")
    admitted = visitor.admitted(command)
    lines += row("Login", *login_reasons(session.server, target.anonymous, client))
    if not admitted:
        lines += row("", "so PASS answers 530; what follows is what would hold without that")
    planned = await place.plan_for(command, target, account, visitor.group_names)
    umask = session.modules.directive("Umask")
    masks = (0o022, 0o022) if umask is None else target.settings[umask] or (0o022, 0o022)
    links = session.modules.directive("ShowSymlinks")
    show_links = links is None or bool(target.settings[links])
    files, cwd = place.enter(session, planned, visitor, masks[0], show_links=show_links)
    session.files, session.home, session.cwd = files, planned.home, cwd
    session.settings = command.gate.settings_at(session, cwd)
    source = _source_of(session, target, visitor.group_names) if planned.root != "/" else ""
    lines += row("Root", f"{escape(planned.root)}{source}")
    lines += row("Begins", f"in {escape(cwd)}, home {escape(planned.home)}")
    return admitted, lines


def _source_of(session: Session, target: Target, groups: tuple[str, ...]) -> str:
    """Where the line of DefaultRoot stands that is about this user."""
    if target.anonymous is not None:
        return ""
    lines = session.server.where.get(directives.default_root, [])
    roots: tuple[directives.ForGroups, ...] = target.settings[directives.default_root]
    for line, (file, number) in zip(roots, lines, strict=False):
        if line.means(groups):
            return f"  (DefaultRoot, {file}:{number})"
    return ""


def _filtered(generation: Generation, command: Command, asked: Question) -> tuple[bool, list[str]]:
    """What the filters for names and arguments make of it: they are asked before everything else."""
    session = command.session
    if asked.verb in _WORD_BEFORE:
        command = Command(session, asked.verb, f"0 {asked.path}", gate=command.gate, offload=command.offload_pool)
    if asked.verb == "RNTO":
        # as if an RNFR had gone before
        session.rename_from = asked.path
    for handler in generation.table.plan(asked.verb).pre:
        if handler.module == "mod_core":
            try:
                handler.run(command)
            except Refuse as refusal:
                return True, list(row("Filter", f"REFUSES: {refusal.code} {' '.join(refusal.lines)}"))
    return False, []


_REPLACES = {
    "STOR": "AllowOverwrite",
    "RNTO": "AllowOverwrite",
    "SITE CPTO": "AllowOverwrite",
    "APPE": "AllowStoreRestart",
}
"""What has to be on for commands that change a file which is there already."""


def _protected(command: Command) -> tuple[bool, list[str]]:
    """Whether what is there keeps the command from being used, because it may not be replaced or added to."""
    session = command.session
    name = _REPLACES.get(command.name, "")
    key = session.modules.directive(name) if name else None
    if key is None or session.files is None:
        return False, []
    virtual = meant(session, command.argument or ".", command.name)
    try:
        session.files.lstat(Path(virtual))
    except OSError:
        return False, []
    if command.gate.settings_at(session, virtual)[key]:
        return False, []
    return True, list(row("There", f"REFUSES: {escape(virtual)} is there already, and {name} is off for it"))
