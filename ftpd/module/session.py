"""A session: one client's control connection from accept to close, and the modules' state in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from ftpd.conf.directive import EMPTY, Directive, Settings
from ftpd.core import log as _log
from ftpd.core.allowance import Allowance
from ftpd.core.charset import Recode
from ftpd.core.identity import Identity
from ftpd.core.record import dataclass
from ftpd.core.reply import Refuse
from ftpd.core.vocab import Group
from ftpd.module.auth import Account, Accounts
from ftpd.module.events import SESSION_REINIT, Event
from ftpd.module.files import Files
from ftpd.module.wire import Wire

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope
    from ftpd.core.reply import Reply
    from ftpd.core.translation import Translation
    from ftpd.module.command import Command, Pool

T = TypeVar("T")

_ids = itertools.count(1)
_MOST_PEERS = 256
"""Hosts of which is remembered what log lines show of them."""
_AS_IT_CAME = frozenset({"ACCT", "ADAT", "PASS", "USER"})


class Address(NamedTuple):
    """One end of a connection."""

    host: str
    port: int


NOWHERE = Address("127.0.0.1", 0)


class Slot(Generic[T]):
    """A typed key for what one module keeps in a session; made at first use, gone with the session."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self.name = name
        self.make = make


class _Slots(dict[Slot[Any], Any]):
    __slots__ = ()

    def __missing__(self, slot: Slot[Any]) -> Any:
        made = self[slot] = slot.make()
        return made


GREETING: Slot[list[str]] = Slot("greeting", list)
"""Lines that modules want to stand before the banner."""


@dataclass(frozen=True, slots=True)
class VerbHelp:
    """What HELP, SITE HELP and FEAT know of a verb."""

    verb: str
    usage: str
    module: str
    needs_login: bool
    when: Directive[bool] | None = None


class Modules(Protocol):
    """The generation of modules that a session lives with."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def kept(self) -> dict[object, Any]:
        """What was worked out of this configuration and lives as long; a module's key is an object of its own."""

    @property
    def loaded(self) -> tuple[str, ...]:
        """``mod_x/1.0`` of each, in the order of loading."""

    def features(self, session: Session) -> list[str]:
        """The lines of FEAT, without the blank before them."""

    def features_last(self) -> bool:
        """Whether they are the same until the client has a command answered that is not steady."""

    def features_are_alike(self, session: Session) -> bool:
        """Whether they are those of all sessions that stand as this one does."""

    def help(self, session: Session) -> list[VerbHelp]:
        """The verbs that HELP shows this client, SITE sub-commands (``SITE CHMOD``) among them, in order of loading."""

    def knows(self, verb: str) -> bool: ...

    def group(self, verb: str) -> Group:
        """What <Limit READ|WRITE|DIRS> takes the verb for."""

    def directive(self, name: str) -> Directive[Any] | None:
        """The key of a directive of any loaded module, by its name."""

    def in_class(self, name: str, host: str) -> bool:
        """Whether an address is of the <Class> of that name; False where there is no such class."""

    def readmit(self, session: Session) -> None:
        """Refuse unless <Limit LOGIN> of the server that the session has moved to lets the client in."""

    def emit(self, event: Event[T], payload: T) -> bool:
        """Tell the listeners; an exception in one is logged, stops no other, and gives False.

        Refuse passes through, where the event is one that may refuse.
        """

    def unhandled(self, command: Command) -> None:
        """No module answered the verb; UNHANDLED_COMMAND is told."""

    def pseudo(self, session: Session, name: str) -> Command:
        """A command that no client sent, for what is recorded of CONNECT and EXIT."""

    async def dispatch(self, command: Command) -> None:
        """Walk another command through all phases (OPTS_UTF8, pseudo commands); replies stay on it."""

    @property
    def offload(self) -> Pool: ...


class Session:
    """One client; lives with the control connection. What belongs to one command is on the Command."""

    __slots__ = (
        "__weakref__", "_notes", "_peers", "_slots", "account", "allowance", "anonymous", "bytes_in", "bytes_out",
        "class_name", "cwd", "data_type", "enter", "files", "groups", "home", "id", "identity", "local", "login",
        "modules", "protocol", "recode", "remote", "remote_name", "rename_from", "restart", "server", "settings",
        "started", "translation", "user", "wire",
    )  # fmt: skip

    def __init__(
        self,
        *,
        wire: Wire,
        modules: Modules,
        server: Scope,
        settings: Settings = EMPTY,
        remote: Address = NOWHERE,
        local: Address = NOWHERE,
        enter: Callable[[Identity, str, int], Files] | None = None,
    ) -> None:
        self.id = next(_ids)
        self.started = time()
        self.wire = wire
        self.recode: Recode | None = None
        """How names are translated between the client and the disk; None where they go through as they are."""
        self.translation: Translation | None = None
        """The language of replies; None where it is the English that they are written in."""
        self.modules = modules
        self.server: Scope = server
        """The virtual host's part of the configuration."""
        self.anonymous: Scope | None = None
        """The <Anonymous> section the client logged in through."""
        self.settings = settings
        """What is in force for the session at its working directory."""
        self.remote = remote
        self.local = local
        self.remote_name = remote.host
        self.protocol = "ftp"
        self.class_name = ""

        self.login = ""
        """The name sent by USER, as it came."""
        self.user: str | None = None
        """The name of the account; None until logged in."""
        self.allowance: Allowance | None = None
        """What it may hold of descriptors and memory; None where nothing says so."""
        self.account: Account | None = None
        self.groups: tuple[tuple[int, str], ...] = ()
        self.identity: Identity | None = None
        self.enter = enter
        """Makes the session's view of the files: ``enter(identity, root, umask)``."""
        self.files: Files | None = None
        self.home = "/"
        self.cwd = "/"

        self.data_type = "A"
        """``A`` or ``I`` (RFC 959 3.1.1)."""
        self.restart = 0
        self.rename_from: Any = None
        self.bytes_in = 0
        self.bytes_out = 0
        self._slots = _Slots()
        self._notes: dict[str, str] | None = None
        self._peers: dict[tuple[str, str], _log.Peer] = {}
        """By name and host; all have it in common that are made as one was."""

    def begin(self, wire: Wire, remote: Address) -> None:
        """Be that of a client that has just come; what is made as another was (:mod:`ftpd.core.mould`) begins so."""
        self.id = next(_ids)
        self.started = time()
        self.wire = wire
        self.remote = remote
        self.remote_name = remote.host
        self._slots = _Slots()

    def __getitem__(self, slot: Slot[T]) -> T:
        """A module's state in this session; made by the slot at first use."""
        return self._slots[slot]  # type: ignore[no-any-return]

    def __contains__(self, slot: Slot[Any]) -> bool:
        return slot in self._slots

    def forget(self, slot: Slot[Any]) -> None:
        """Drop a module's state; the next use makes it anew."""
        self._slots.pop(slot, None)

    @property
    def notes(self) -> dict[str, str]:
        """Free-form notes that log formats show as ``%{note:NAME}``."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    def setting(self, name: str, default: T) -> T:
        """The value of another module's directive; ``default`` when that module is not loaded."""
        key = self.modules.directive(name)
        return default if key is None else self.settings[key]

    async def offload(self, work: Callable[[], T], kind: str = "default") -> T:
        """Run blocking work in the bounded pool of its kind: for auth backends, which see no command."""
        return await self.modules.offload(work, kind)

    @property
    def settled(self) -> str:
        """The working directory where its path is known to hold no symbolic link, else the root."""
        return self.cwd if self.setting("ShowSymlinks", True) else "/"

    @property
    def logged_in(self) -> bool:
        return self.user is not None

    @property
    def peer(self) -> _log.Peer:
        """What a log line shows of this session: ``server (name[ip])``."""
        known = self._peers.get((self.remote_name, self.remote.host))
        return self._peer() if known is None or known.route is not self.server.route else known

    def _peer(self) -> _log.Peer:
        server, name, host = self.server, self.remote_name, self.remote.host
        if len(self._peers) >= _MOST_PEERS:
            self._peers.clear()
        title = server.args[0] if server.args else self.local.host
        known = _log.Peer(title, f"{name}[{host}]", server.route, (host, self.local))
        self._peers[name, host] = known
        return known

    def log(self, level: _log.Level, message: str, *args: object) -> None:
        """Write to the server's log under this session's name."""
        route = self.server.route or _log.main_route()
        if _log.heard(level, route):
            _log.write(route, level, message, args, self.peer)

    def debug(self, depth: int, message: str, *args: object) -> None:
        """The same from ``DebugLevel depth`` on (0 to 10)."""
        if self.is_debugged(depth):
            _log.debug(depth, message, *args, peer=self.peer)

    def is_debugged(self, depth: int) -> bool:
        """Whether :meth:`debug` says anything: to be asked where it costs something to know what."""
        return depth <= (self.server.route or _log.main_route()).debug

    def log_login(self, level: _log.Level, message: str, *args: object) -> None:
        """The same of what concerns logging in, which syslog keeps apart (AUTHPRIV)."""
        route = self.server.route or _log.main_route()
        if _log.heard(level, route):
            _log.write(route, level, message, args, self.peer, auth=True)

    def log_exception(self, error: BaseException) -> None:
        """Write the traceback of a fault in a module to the server's log."""
        _log.log(_log.Level.ERROR, "traceback", peer=self.peer, exc_info=error)

    def move_to(self, server: Scope) -> None:
        """Go on at another virtual host, before the login; SESSION_REINIT tells the modules, and may refuse."""
        before = self.server
        self.server, self.settings, self._peers = server, server.settings, {}
        try:
            self.modules.readmit(self)
            self.wire.moved()
            if not self.modules.emit(SESSION_REINIT, self):
                raise Refuse(421, "Service not available, closing control connection", close=True)
        except Refuse:
            self.server, self.settings, self._peers = before, before.settings, {}
            self.wire.moved()
            self.modules.emit(SESSION_REINIT, self)
            raise

    def heard(self, verb: str, argument: str) -> str:
        """The argument as the disk would write it; what proves who somebody is stays as it came."""
        if self.recode is None:
            return argument
        if verb in _AS_IT_CAME:
            self.recode.failed = False
            return argument
        return self.recode.heard(argument)

    def spoken(self, text: str | bytes) -> bytes:
        """The bytes of a listing, be they those of the disk or a text, its names as the client writes them."""
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        return raw if self.recode is None else self.recode.said(raw)

    def told(self, reply: Reply) -> bytes:
        """The bytes of a reply, in the client's language and charset."""
        if self.translation is not None:
            return self.translation.told(reply, self.recode)
        return reply.encode() if self.recode is None else self.recode.said(reply.encode())

    def send(self, reply: Reply) -> None:
        """Write a reply now, before the command's own: for 150 and the like."""
        self.wire.send(reply)

    def end(self, reason: str) -> None:
        """Close the session when what is queued has been written."""
        self.wire.end(reason)
