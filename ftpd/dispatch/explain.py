"""Why a command may or may not be used on a path: the sections, lines and files that decide, and those that do not."""

from __future__ import annotations

import linecache
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ftpd.conf import resolve
from ftpd.conf.acl import words_of
from ftpd.conf.directive import DIRECTORY, FTPACCESS, LIMIT, Directive, Multi, Settings
from ftpd.conf.levels import Chain
from ftpd.conf.override import ALLOW_OVERRIDE, overrides
from ftpd.conf.tree import Scope
from ftpd.core import paths
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import escape
from ftpd.dispatch.access import NAME, who
from ftpd.dispatch.gate import PathGate
from ftpd.dispatch.whereabouts import real_path
from ftpd.module.command import Command
from ftpd.module.files import Path
from ftpd.module.hidden import Hiding, NameRule
from ftpd.module.home import meant
from ftpd.module.session import Session

_WIDTH = 10


def row(title: str, *lines: str) -> Iterator[str]:
    """A title and what belongs to it, one below the other."""
    for index, line in enumerate(lines):
        yield f"{title if not index else '':<{_WIDTH}}{line}".rstrip()


def place_of(scope: Scope) -> str:
    return f"{scope.file}:{scope.line}" if scope.line else scope.file


def login_reasons(server: Scope, anon: Scope | None, client: resolve.Who) -> list[str]:
    """What <Limit LOGIN> says of a client, section by section: those of an <Anonymous>, then those of the server."""
    said = []
    for scope in (*(anon.children if anon is not None else ()), *server.children):
        if scope.rule is not None and "LOGIN" in scope.rule.words:
            asked = resolve.Asked("LOGIN", scope, scope.rule.opinion(client), scope.rule.because(client))
            said.append(_limit_line(asked))
    return said or ["no <Limit LOGIN> is in the way"]


def explain_path(command: Command, gate: PathGate) -> tuple[bool, list[str]]:
    """Whether the configuration lets the session use the command on its argument's path, and all the reasons."""
    session = command.session
    virtual = meant(session, command.argument or ".", command.name)
    place, access = gate.placed(command, virtual)
    lines = [*_where(session, virtual, place)]
    chain = resolve.levels_at(
        session.server, session.anonymous, real_path(session, place), session.home, session.user or "", access
    )
    lines += row("Lies in", *(_section(scope) for scope in chain))
    lines += row("Not in", *_not_in(session, place, access, chain))
    allowed = True
    for path, files in gate.asked_for(command, virtual):
        allowed &= _limits(command, path, files, lines)
    hidden = resolve.barred(
        session.server, session.anonymous, real_path(session, place), home=session.home, user=session.user or "",
        access=access,
    )  # fmt: skip
    if hidden:
        lines += row("DenyAll", f"{_barring(chain)} hides what is there already; what is not there may be made")
        allowed &= not _is_there(session, place)
    for path in dict.fromkeys((virtual, place)):
        ignored, told = _hidden(command, gate, path)
        lines += row("Hidden", *told)
        allowed &= not ignored
    lines += row("In force", *_in_force(chain))
    lines += _on_disk(session, place, access)
    return allowed, lines


def _where(session: Session, virtual: str, place: str) -> Iterator[str]:
    text = [virtual if place == virtual else f"{virtual}, which leads to {place}"]
    if real_path(session, place) != place:
        text.append(f"on the machine {real_path(session, place)}")
    yield from row("Path", *(escape(line) for line in text))


def _section(scope: Scope) -> str:
    if scope.kind is FTPACCESS:
        return f"{scope.file}{' (faulty: it denies everything)' if scope.faulty else ''}"
    return f"{scope.title}  {place_of(scope)}"


def _not_in(session: Session, place: str, access: Chain, chain: Chain) -> Iterator[str]:
    """What matches the path as well and has no say."""
    path, user = real_path(session, place), session.user or ""
    level = session.anonymous or session.server
    counting = next((scope.title for scope in chain if scope.kind is DIRECTORY), "")
    for scope in level.places.beside(path, session.home, user) if level.places is not None else ():
        yield f"{_section(scope)}  matches too, but {counting} beside it is asked first"
    if session.anonymous is not None and session.server.places is not None:
        for scope in session.server.places.at(path, session.home, user):
            yield f"{_section(scope)}  is of the server, which an anonymous session does not look at"
    files, here = session.files, place
    while files is not None:
        folder = real_path(session, here)
        settings = resolve.settings_at(session.server, session.anonymous, folder, home=session.home, user=user)
        if not overrides(settings[ALLOW_OVERRIDE], who(session)):
            try:
                files.lstat(Path(f"{here.rstrip('/')}/{NAME}"))
                yield escape(f"{folder.rstrip('/')}/{NAME}") + "  is there, but AllowOverride is off for it"
            except OSError:
                pass
        if here == "/":
            return
        here = paths.split(here)[0]


# -- <Limit> -----------------------------------------------------------------------------------------


def _limits(command: Command, path: str, access: Chain, lines: list[str]) -> bool:
    session = command.session
    words = words_of(command.name, command.group)
    reasons: list[resolve.Asked] = []
    verdict = resolve.limit(
        session.server,
        session.anonymous,
        real_path(session, path),
        command.name.replace(" ", "_"),
        command.group,
        who(session),
        home=session.home,
        user=session.user or "",
        argument=command.line,
        access=access,
        reasons=reasons,
    )
    if verdict.scope is not None and verdict.scope.faulty:
        said = [f"{verdict.scope.file} cannot be understood, and denies everything"]
    else:
        said = [_limit_line(asked) for asked in reasons] or ["none says anything of these words: allowed"]
        if reasons and not verdict.explicit:
            said.append("none of them says anything of this client: allowed")
    lines += row("Limit", f"is asked for {', then '.join(words)}", *said)
    return verdict.allowed


def _limit_line(asked: resolve.Asked) -> str:
    scope = asked.scope
    inside = f" in {scope.parent.title}" if scope.parent is not None and scope.parent.name else ""
    text = f"{asked.word}: {scope.title}{inside}  {place_of(scope)}  "
    if asked.opinion is None:
        return f"{text}says nothing of this client"
    said = "allows" if asked.opinion else "denies"
    because = "none of its lines lets the client pass, and its Order is deny,allow"
    if asked.line is not None:
        because = _line_of(scope, *asked.line)
    if asked.late:
        return f"{text}would say: {said}, and is not asked any more"
    return f"{text}{said.upper()}: {because}"


def _line_of(scope: Scope, name: str, index: int) -> str:
    """``line 12: DenyUser tom`` as the file has it."""
    for directive, lines in scope.where.items():
        if directive.name == name and lines:
            return _written(*lines[min(index, len(lines) - 1)])
    return name


def _written(file: str, number: int) -> str:
    """A line of the configuration as it stands in its file."""
    # the running daemon has put off the rights that it read the file with
    with acting_as_daemon():
        linecache.checkcache(file)
        text = " ".join(linecache.getline(file, number).split())
    return f"line {number}: {escape(text)}" if text else f"line {number}"


# -- settings ----------------------------------------------------------------------------------------


def _barring(chain: Iterable[Scope]) -> str:
    for scope in chain:
        for directive, lines in scope.where.items():
            if directive.name == "DenyAll" and scope.kind is not LIMIT:
                return f"{scope.title}  {scope.file}:{lines[0][1]}"
    return "DenyAll"


def _hidden(command: Command, gate: PathGate, path: str) -> tuple[bool, list[str]]:
    """Whether IgnoreHidden keeps the path from the command; and what hides it, and what that means here."""
    session = command.session
    folder, name = paths.split(path)
    real, access = real_path(session, folder), gate.placed(command, folder)[1]
    chain = resolve.levels_at(session.server, session.anonymous, real, session.home, session.user or "", access)
    settings = gate.settings_at(session, folder)
    hiding = Hiding(session, settings)
    told = []
    if hiding.name(name):
        told = list(_lines_for(session, settings, chain))
    else:
        with suppress(OSError):
            if session.files is not None and hiding.attributes(session.files.stat(Path(path)), Path(path)):
                told = [line for name in _BY_ATTRIBUTES for line in _lines_named(session, chain, name)]
    if not told:
        return False, []
    counting = resolve.hidden_limit(
        session.server, session.anonymous, real_path(session, path), command.name.replace(" ", "_"), command.group,
        home=session.home, user=session.user or "", access=gate.placed(command, path)[1],
    )  # fmt: skip
    if counting is None:
        return False, [*told, "so listings leave it out; without an IgnoreHidden every other command finds it"]
    assert counting.rule is not None
    said = f"{_line_of(counting, 'IgnoreHidden', 0)}  ({counting.file})"
    if not counting.rule.ignores_hidden:
        return False, [*told, f"so listings leave it out; this command finds it: {said}"]
    return True, [*told, f"and for this command it is not there: {said}"]


_BY_ATTRIBUTES = ("HideUser", "HideGroup", "HideNoAccess")


def _lines_for(session: Session, settings: Settings, chain: Chain) -> Iterator[str]:
    """The line of HideFiles that decides for the session: the first that is for it."""
    key = session.modules.directive("HideFiles")
    rules: tuple[NameRule, ...] = () if key is None else settings[key]
    for rule, line in zip(rules, _lines_named(session, chain, "HideFiles"), strict=False):
        if rule.is_for(session):
            yield line
            return


def _lines_named(session: Session, chain: Chain, name: str) -> Iterator[str]:
    """The lines of a directive that are in force, the innermost first."""
    key = session.modules.directive(name)
    for scope in chain:
        lines = [] if key is None else _counting(key, scope)
        yield from (f"{_written(file, number)}  ({file})" for file, number in lines)
        if key is not None and lines and key.multi is not Multi.LIST:
            return


def _in_force(chain: Chain) -> Iterator[str]:
    """Every directive that a place can have of its own and that is set, with the lines that lose."""
    seen: dict[Directive[object], list[Scope]] = {}
    for scope in chain:
        for directive in scope.values:
            if directive.contexts & (DIRECTORY | FTPACCESS) and directive.name not in ("AllowAll", "DenyAll"):
                flows = directive.inherit or scope is chain[0]
                if flows:
                    seen.setdefault(directive, []).append(scope)
    for directive, scopes in sorted(seen.items(), key=lambda entry: entry[0].name.lower()):
        winners = scopes if directive.multi is Multi.LIST else scopes[:1]
        for scope in winners:
            for file, number in _counting(directive, scope):
                yield f"{_written(file, number)}  ({file})"
        for scope in scopes if directive.multi is not Multi.LIST else ():
            lines = scope.where.get(directive, [])
            counting = _counting(directive, scope) if scope is scopes[0] else []
            for file, number in lines:
                if (file, number) not in counting:
                    reason = "another line of its section counts" if scope is scopes[0] else "further out, it loses"
                    yield f"  not {_written(file, number)}  ({file}): {reason}"


def _counting(directive: Directive[object], scope: Scope) -> list[tuple[str, int]]:
    lines = scope.where.get(directive, [])
    if directive.multi is Multi.LIST:
        return lines
    return lines[-1:] if directive.multi is Multi.LAST else lines[:1]


# -- the disk ----------------------------------------------------------------------------------------


def _is_there(session: Session, place: str) -> bool:
    if session.files is None:
        return False
    try:
        session.files.lstat(Path(place))
    except OSError:
        return False
    return True


_RIGHTS = (("read", os.R_OK), ("write", os.W_OK), ("enter", os.X_OK))


_MAKES = frozenset({"STOR", "APPE", "MKD", "XMKD", "DELE", "RMD", "XRMD", "RNFR", "RNTO"})
"""What changes a folder, by its path."""
_NEEDS = {"RETR": os.R_OK, "LIST": os.R_OK, "NLST": os.R_OK, "MLSD": os.R_OK, "CWD": os.X_OK, "XCWD": os.X_OK}


def disk_refuses(command: Command, gate: PathGate) -> str:
    """Which right on disk the session lacks for a command that everybody knows; empty where none is in the way."""
    session, verb = command.session, command.name
    place, _ = gate.placed(command, meant(session, command.argument or ".", verb))
    path, rights = place, _NEEDS.get(verb, 0)
    if verb in ("STOR", "APPE") and _is_there(session, place):
        rights = os.W_OK
    elif verb in _MAKES:
        path, rights = paths.split(place)[0], os.W_OK | os.X_OK
    if session.files is None or not _is_there(session, path):
        return ""
    lacks = [name for name, bit in _RIGHTS if rights & bit and not session.files.access(Path(path), bit)]
    return f"it may not {' or '.join(lacks)} {escape(path)}" if lacks else ""


def _on_disk(session: Session, place: str, access: Chain) -> Iterator[str]:
    files = session.files
    if files is None:
        return
    found = []
    for path in dict.fromkeys((place, paths.split(place)[0])):
        try:
            known = files.stat(Path(path))
        except OSError as error:
            found.append(f"{escape(path)}: {error.strerror}")
            continue
        may = [name for name, bit in _RIGHTS if files.may(known, bit)]
        owner = session.modules.accounts.uid_name(session, known.st_uid)
        group = session.modules.accounts.gid_name(session, known.st_gid)
        told = f"the session may {', '.join(may)}" if may else "the session may do nothing there"
        found.append(f"{escape(path)}: {stat.filemode(known.st_mode)} {owner} {group}; {told}")
    yield from row("On disk", *found)
    umask = session.modules.directive("Umask")
    if umask is not None:
        settings = resolve.settings_at(
            session.server, session.anonymous, real_path(session, place), home=session.home, user=session.user or "",
            access=access,
        )  # fmt: skip
        of_files, of_folders = settings[umask]
        yield from row(
            "Makes",
            f"files with mode {0o666 & ~of_files:04o} and folders with mode {0o777 & ~of_folders:04o} "
            f"(Umask {of_files:03o} {of_folders:03o}), owned by {_owner(session, settings)}",
        )


def _owner(session: Session, settings: Settings) -> str:
    user, group = (session.modules.directive(name) for name in ("UserOwner", "GroupOwner"))
    named = [settings[key] if key is not None and key in settings else None for key in (user, group)]
    account = session.account
    own = "" if account is None else account.name
    gid = 0 if account is None else account.gid
    return f"{named[0] or own}:{named[1] or session.modules.accounts.gid_name(session, gid)}"
