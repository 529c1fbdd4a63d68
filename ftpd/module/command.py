"""A command: one line of a client on its road through the phases, with the replies it collects."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ftpd.conf.directive import Directive, Settings
from ftpd.core.answers import Answers
from ftpd.core.listing import shown
from ftpd.core.log import Level
from ftpd.core.paths import normalise, split
from ftpd.core.reply import Refuse, ReplyQueue
from ftpd.core.vocab import ERROR, HANDLED, Class, Group, Outcome
from ftpd.core.whitespace import words_in
from ftpd.module.events import WORK_DONE
from ftpd.module.files import Files, Path, Use
from ftpd.module.hidden import Hiding, Veil
from ftpd.module.home import meant
from ftpd.module.links import resolved
from ftpd.module.session import Session
from ftpd.module.wire import Work

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope
    from ftpd.core.reply import Reply

T = TypeVar("T")
# bound once: Python 3.11 asks a function for each look at a member of an enumeration
_NO_GROUP, _NO_CLASS = Group.NONE, Class.NONE


class Gate(Protocol):
    """The one door to paths: confinement by text, <Limit> and the filters of the configuration."""

    def path(self, command: Command, given: str, refusal: tuple[int, str], use: Use) -> Path:
        """The path that the client means; Refuse with ``refusal`` when the configuration denies it."""

    def allows(self, command: Command) -> bool:
        """Whether <Limit> lets the client use the command at the working directory."""

    def is_there(self, command: Command, given: str, *, follow: bool) -> os.stat_result:
        """The attributes of what the client means, whatever <Limit> says of it; OSError where nothing is to be found.

        For commands that, as in ProFTPD, tell of what they may not show whether it is there.
        """

    def holds_until(self, session: Session, answers: Answers) -> float:
        """Until when :meth:`allows` says what it has said, where the session stays as it is (``time.monotonic``).

        Should it be otherwise before, it clears the answers.
        """

    def settings_at(self, session: Session, virtual: str) -> Settings: ...

    def names_pass_until(self, session: Session, answers: Answers, folder: str) -> float:
        """The same of :meth:`path` for every plain name in the folder that no link leads to: nothing is said of any."""

    def names_lead_until(self, session: Session, answers: Answers, folder: str) -> float: ...

    def ahead(self, command: Command) -> Callable[[], None] | None:
        """What is to be done off the loop before the command runs, as its paths are so long; mostly nothing."""

    def forget(self) -> None:
        """A .ftpaccess file may have come or gone: look for them again."""

    def veil(self, command: Command, folder: Path) -> Veil | None:
        """What the configuration keeps out of listings of the folder; None where that is nothing."""

    def inside(self, command: Command, folder: Path, directive: Directive[Any]) -> Callable[[str], Settings] | None:
        """What is in force at paths in the folder; None where no section of some of them has that directive."""

    def ignores_dotted(self, command: Command, folder: Path) -> bool:
        """Whether IgnoreHidden keeps names with a leading dot from the command in that folder."""

    def login(self, session: Session, anonymous: Scope | None, user: str, groups: tuple[str, ...]) -> bool | None:
        """<Limit LOGIN> of the server, or of that <Anonymous> alone: allowed, denied, or (None) nothing said."""

    def limits_login(self, server: Scope) -> bool:
        """Whether a <Limit LOGIN> stands anywhere in the server."""


class Pool(Protocol):
    """Runs blocking work off the loop."""

    def __call__(self, work: Callable[[], T], kind: str) -> Awaitable[T]: ...


class Transfer:
    """What is known of the transfer of a command, for POST and LOG handlers."""

    __slots__ = (
        "ascii",
        "direction",
        "file_size",
        "last_moved",
        "moved",
        "offset",
        "path",
        "port",
        "real_path",
        "seconds",
        "status",
    )

    def __init__(self, path: str, real_path: str, direction: str, *, ascii: bool, offset: int = 0) -> None:
        self.path = path
        """The virtual path; of a listing, the folder."""
        self.real_path = real_path
        self.direction = direction
        """``o`` out to the client, ``i`` in, ``l`` a listing, ``d`` from disk to disk (SITE COPY)."""
        self.ascii = ascii
        self.offset = offset
        self.moved = 0
        self.seconds = 0.0
        self.port = 0
        self.file_size: int | None = None
        self.last_moved: float | None = None
        """The moment (monotonic) of the last byte of a transfer that was waited for, where it is known."""
        self.status = "-"
        """success, failed, cancelled or timeout."""


class Command:
    """One command; ``name`` is the verb in upper case, of a sub-command with its parent: ``SITE CHMOD``."""

    __slots__ = (
        "_notes", "_settings", "argument", "classes", "errors", "gate", "group", "name", "offload_pool", "plain",
        "replies", "session", "started", "transfer",
    )  # fmt: skip

    def __init__(self, session: Session, name: str, argument: str, *, gate: Gate, offload: Pool) -> None:
        self.session = session
        self.name = name
        self.argument = argument
        """All that follows the verb and one blank, as the client sent it; PASS's is never logged."""
        self.group = _NO_GROUP
        self.classes = _NO_CLASS
        self.replies = ReplyQueue()
        self.errors = ReplyQueue()
        self._notes: dict[str, Any] | None = None
        self.transfer: Transfer | None = None
        self.started = time()
        self.gate = gate
        self.offload_pool = offload
        self._settings: Settings | None = None
        self.plain = False
        """Whether the configuration says nothing of the path that was asked for last, nor of what lies in it."""

    # -- what the handler answers ------------------------------------------------------------------

    def ok(self, code: int, *lines: str) -> Outcome:
        """Queue a reply of success; HANDLED."""
        self.replies.add(code, lines)
        return HANDLED

    def fail(self, code: int, *lines: str) -> Outcome:
        """Queue a reply of failure; ERROR."""
        self.errors.add(code, lines)
        return ERROR

    def send(self, reply: Reply) -> None:
        """Write a preliminary reply (1xx) at once."""
        self.session.wire.send(reply)

    def rewrite(self, argument: str) -> None:
        """Give the command another argument, for the handlers that come; ValueError for what no client can send."""
        if not {"\r", "\n", "\0"}.isdisjoint(argument):
            raise ValueError(f"{self.name}: an argument cannot hold a line end or a NUL byte")
        self.argument = argument
        self._settings = None

    @property
    def words(self) -> list[str]:
        """The argument, cut at white space."""
        return words_in(self.argument)

    @property
    def notes(self) -> dict[str, Any]:
        """What modules keep of this command for each other."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    # -- what it may ask ---------------------------------------------------------------------------

    @property
    def config(self) -> Settings:
        """The values in force: where :meth:`path` led last, else at the working directory."""
        return self.session.settings if self._settings is None else self._settings

    def setting(self, name: str, default: T) -> T:
        """The value of another module's directive here; ``default`` when that module is not loaded."""
        key = self.session.modules.directive(name)
        return default if key is None else self.config[key]

    @property
    def files(self) -> Files:
        """The session's file system; Refuse 530 before login."""
        if self.session.files is None:
            raise Refuse(530, "Please login with USER and PASS")
        return self.session.files

    def allowed(self) -> bool:
        """Whether <Limit> lets the client use this command, for those that name no path; asked before login too."""
        return self.gate.allows(self)

    def path(
        self, given: str | None = None, *, refusal: tuple[int, str] | None = None, use: Use = ""
    ) -> Path:  # fmt: skip
        """The path that ``given`` (default: the whole argument) names, if the configuration lets the client.

        Raises Refuse: with ``refusal`` where <Limit> denies it (default 550 ``<given>: Operation not
        permitted``), 550 where a filter forbids the name.  Who says to what ``use`` it is put, ``read``,
        ``write``, ``list`` or ``enter``, may find it opened already then, which saves another walk to it.
        """
        text = self.argument if given is None else given
        path = self.gate.path(self, text, refusal or (550, f"{text}: Operation not permitted"), use)
        self._settings, self.plain = path.settings, path.plain
        return path

    def name_fits(self, given: str, path: Path | None = None) -> bool:
        """Whether PathAllowFilter and PathDenyFilter let a name be used that a command makes or changes.

        ``path`` is what :meth:`path` gave for it; left out, ``given`` is taken as it is written, links and all.
        """
        session = self.session
        filters = session.modules.directive("PathAllowFilter"), session.modules.directive("PathDenyFilter")
        virtual = meant(session, given, self.name) if path is None else path.virtual
        settings = self.gate.settings_at(session, virtual) if path is None else path.settings
        allow, deny = (None if key is None else settings[key] for key in filters)
        if allow is None and deny is None:
            return True
        # the path that is meant counts, or /upload/../etc would pass for one in /upload; a name without a folder is
        # also looked at by itself, as patterns for names begin with ^
        if deny is not None and (deny.denies(virtual) or deny.denies(given)):
            wrong = "PathDenyFilter"
        elif allow is None or allow.search(virtual) or ("/" not in given and allow.search(given)):
            return True
        else:
            wrong = "PathAllowFilter"
        session.log(Level.NOTICE, "%s", _denied(self, given, virtual, wrong))
        return False

    # -- more than one command, and long ones --------------------------------------------------------

    def sibling(self, name: str, argument: str = "") -> Command:
        """Another command of this client, not run: ``cmd.sibling("STOR", new).path()`` refuses what STOR may not do."""
        other = Command(self.session, name, argument, gate=self.gate, offload=self.offload_pool)
        other.group = self.session.modules.group(name)
        return other

    async def also(self, name: str, argument: str = "", *, notes: Mapping[str, Any] | None = None) -> Command:
        """Run another command of this client through all phases, so that <Limit>, filters, quotas and logs see it.

        The client hears nothing of it; its refusal is raised as Refuse.  ``notes`` are on it from the beginning.
        """
        other = self.sibling(name, argument)
        other.notes.update(notes or {})
        await self.session.modules.dispatch(other)
        if refused := other.errors.joined():
            # a name that lies on the disk may hold line ends
            raise Refuse(refused.code, *map(shown, refused.lines))
        return other

    @contextmanager
    def busy(self) -> Iterator[Work]:
        """Around long work without a data connection: the session is not idle, and ``work.check()`` hears of ABOR."""
        work = Work.begin(self.session.wire)
        try:
            yield work
        finally:
            if work.end():
                self.session.modules.emit(WORK_DONE, self.session)

    def veil(self, folder: Path) -> Veil | None:
        """What HideFiles and its like, and <Limit>, keep out of listings of the folder; None where that is nothing."""
        return self.gate.veil(self, folder)

    def inside(self, folder: Path, directive: Directive[Any]) -> Callable[[str], Settings] | None:
        """What is in force at virtual paths in the folder; None where that directive is the same for all in there."""
        return self.gate.inside(self, folder, directive)

    def ignores_dotted(self, folder: Path) -> bool:
        """Whether IgnoreHidden keeps names with a leading dot from this command there, whatever flags ask for them."""
        return self.gate.ignores_dotted(self, folder)

    def below(self, folder: Path, name: str) -> Path:
        """A folder in the folder, no link, which :meth:`veil` lets be shown: with what is in force there."""
        path = folder.child(name)
        return replace(path, settings=self.gate.settings_at(self.session, path.place or path.virtual))

    def hides(self, path: Path, attributes: os.stat_result, *, aim: bool = True) -> bool:
        """Whether a listing of its folder would leave the entry out; without ``aim`` as :meth:`Veil.shows` has it."""
        lies = path.place or path.virtual
        if not aim and lies != path.virtual and stat.S_ISLNK(attributes.st_mode):
            lies = self._of_itself(path.virtual)
        for place in dict.fromkeys((path.virtual, lies)):
            folder, name = split(place)
            veil = self._veil_at(folder)
            if veil is None:
                continue
            # the root is no entry of any folder
            if not (veil.names([name]) and veil.shows(name, attributes, aim=aim) if name else veil.admits(attributes)):
                return True
        return False

    def hides_name(self, path: Path) -> bool:
        """The same of what may not be there, by its name alone."""
        folder, name = split(path.virtual)
        veil = self._veil_at(folder) if name else None
        return veil is not None and not veil.names([name])

    def _of_itself(self, link: str) -> str:
        """Where a link lies, which need not be where its path says."""
        folder, name = split(link)
        session = self.session
        try:
            assert session.files is not None
            return f"{resolved(session.files, folder, session.settled).rstrip('/')}/{name}"
        except OSError:
            return link

    def own_sections(self) -> Callable[[str], bool] | None:
        """Whether a section that is an entry of the working directory itself has a HideFiles for its name.

        None where there is no such section.  As in ProFTPD this is asked of plain names alone, by MLST and NLST.
        """
        session, key = self.session, self.session.modules.directive("HideFiles")
        folder = Path(session.cwd, session.cwd, self.gate.settings_at(session, session.cwd))
        inside = None if key is None else self.gate.inside(self, folder, key)
        if inside is None:
            return None
        # entries without a section of their own share their settings, and what hides them
        known: dict[int, tuple[Settings, Hiding]] = {}

        def hides(name: str) -> bool:
            settings = inside(folder.child(name).virtual)
            found = known.get(id(settings))
            if found is None:
                found = known[id(settings)] = settings, Hiding(session, settings)
            return found[1].name(name)

        return hides

    def admits(self, folder: str, attributes: os.stat_result) -> bool:
        """Whether the folder of that virtual path would be shown to the command, by all but its name."""
        veil = self._veil_at(folder)
        return veil is None or veil.admits(attributes)

    def _veil_at(self, folder: str) -> Veil | None:
        return self.veil(Path(folder, folder, self.gate.settings_at(self.session, folder)))

    async def offload(self, work: Callable[[], T], kind: str = "default") -> T:
        """Run blocking work in the bounded pool of its kind while only this session waits."""
        files = self.session.files
        if files is not None and files.slow:
            kind = files.pool(kind, normalise(self.session.cwd, self.argument))
        return await self.offload_pool(work, kind)

    @property
    def reply(self) -> Reply | None:
        """The one final reply: the errors if the command failed, else the successes."""
        queue = self.errors or self.replies
        return queue[0] if len(queue) == 1 else queue.joined()

    @property
    def line(self) -> str:
        """All that followed the verb, as filters see it: of ``SITE CHMOD 644 a`` that is ``CHMOD 644 a``."""
        parent, _, sub = self.name.partition(" ")
        return f"{sub} {self.argument}".removesuffix(" ") if parent == "SITE" and sub else self.argument

    # -- how it looks in a log -----------------------------------------------------------------------

    @property
    def shown(self) -> str:
        """The command line for logs; secrets are ``(hidden)``."""
        if is_secret(self):
            return f"{self.name} (hidden)"
        return f"{self.name} {self.argument}" if self.argument else self.name

    @property
    def unheard(self) -> bool:
        """The session has ended while its data connection was waited for: ProFTPD's logs have no such command."""
        transfer = self.transfer
        waited = transfer is not None and not transfer.port and transfer.status == "cancelled"
        return waited and self.session.wire.gone

    @property
    def status(self) -> tuple[int, str] | None:
        """Code and text of the reply so far: the errors' if there are any, else the successes'."""
        return self.errors.last or self.replies.last


_SECRET = frozenset({"PASS", "ACCT", "ADAT", "SITE PSWD"})


def is_secret(command: Command) -> bool:
    """Whether what follows the verb is kept out of logs: of PASS also where it is mistyped, and of SITE CHPASS."""
    verb = command.name
    if verb == "SITE":
        # one that no module knows
        verb = f"SITE {command.argument.partition(' ')[0].upper()}"
    return verb in _SECRET or "PASS" in verb


def _denied(command: Command, given: str, virtual: str, wrong: str) -> str:
    """What the log says of a name that a filter forbids: ProFTPD's modules have ways of their own."""
    name, argument = command.name, command.argument
    match name:
        case "MFF" | "MFMT":
            return f"mod_facts/0.7: {name} denied by {wrong} on '{argument}'"
        case "STOR" | "APPE":
            argument = virtual
        case "SITE CHMOD" | "SITE CHGRP":
            name, argument = name[5:], argument if name == "SITE CHMOD" else given
    return f"'{name} {argument}' denied by {wrong}"
