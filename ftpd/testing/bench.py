"""The bench: one session over all modules, with real files in a folder of its own and no socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from typing import TypeVar

from ftpd.core import logfile
from ftpd.core.reply import Refuse, Reply
from ftpd.dispatch.assemble import assemble, static_modules
from ftpd.dispatch.phases import run
from ftpd.dispatch.registry import Generation
from ftpd.fs.local import LocalFiles
from ftpd.module.auth import Account, AuthAnswer, AuthBackend
from ftpd.module.build import BuildRecord, build_record
from ftpd.module.control import Asker
from ftpd.module.events import SESSION_CLOSE, SESSION_OPEN
from ftpd.module.session import Address, Session
from ftpd.module.table import Module
from ftpd.testing.desk import ROOT, BenchDesk
from ftpd.testing.memory import MemoryData, MemoryWire

T = TypeVar("T")
USERS = {"tom": "secret"}


class BenchAccounts(AuthBackend):
    """The users that a bench was given, all with the tester's own ids and one home."""

    def __init__(self, users: Mapping[str, str], home: str) -> None:
        self._users = dict(users)
        self._home = home

    def getpwnam(self, session: Session, user: str) -> Account | None:
        if user not in self._users:
            return None
        return Account(user, os.geteuid(), os.getegid(), self._home, "/bin/sh")

    def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        return ((account.gid, account.name),) if account.name in self._users else None

    def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        if account.name not in self._users:
            return None
        return AuthAnswer.OK if self._users[account.name] == password else AuthAnswer.BAD_PASSWORD


async def _offload(work: Callable[[], T], kind: str) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)


class Bench:
    """A session to talk to: ``assert await Bench(module)("NOOP") == "200 NOOP command successful"``.

    ``modules`` are added to the static ones, loaded last; ``conf`` are lines of proftpd.conf (``{root}`` is the
    folder of the files); ``users`` maps names to passwords; ``files`` are paths and contents below the root,
    a path that ends in ``/`` is a folder; ``login`` is who is logged in at the first command, or None.
    """

    def __init__(
        self,
        *modules: Module,
        conf: str = "",
        users: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        login: str | None = "tom",
        record: BuildRecord | None = None,
        remote: str = "127.0.0.1",
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="ftpd-bench-")
        self._cleanup = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.root = os.path.join(self._folder, "root")
        os.mkdir(self.root)
        for name, content in (files or {}).items():
            self.write(name, content)
        self._users = dict(USERS if users is None else users)
        self._login = login
        self._modules = modules
        self._conf = conf.replace("{root}", self.root)
        self._record = record or build_record()
        self._remote = remote
        self.wire = MemoryWire()
        self.session: Session | None = None
        self.generation: Generation | None = None
        self.desk: BenchDesk | None = None

    # -- files ---------------------------------------------------------------------------------------

    def write(self, name: str, content: bytes = b"") -> None:
        """Lay a file, or with a trailing ``/`` a folder, below the root."""
        path = os.path.join(self.root, name)
        if name.endswith("/"):
            os.makedirs(path, exist_ok=True)
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content)

    def read(self, name: str) -> bytes:
        with open(os.path.join(self.root, name), "rb") as file:
            return file.read()

    def exists(self, name: str) -> bool:
        return os.path.lexists(os.path.join(self.root, name))

    # -- the session ---------------------------------------------------------------------------------

    async def open(self) -> str:
        """Read the configuration and connect; gives the banner."""
        # the bench's accounts come last, so they are asked first; what the tested modules offer comes next
        accounts = Module("bench", version="1.0")
        accounts.auth(BenchAccounts(self._users, self.root))
        path = os.path.join(self._folder, "proftpd.conf")
        with open(path, "w") as out:
            out.write(self._conf if self._conf.endswith("\n") else self._conf + "\n")
            # nobody logged in at this machine
            if "mod_auth" in self._record.static:
                out.write("WtmpLog off\n")
            # the bench's users have the tester's ids; at the end, so that a RootLogin of the test's own wins
            if os.geteuid() == 0 and "mod_auth" in self._record.static:
                out.write("RootLogin on\n")
        os.chmod(path, 0o600)
        static = [*static_modules(self._record), *self._modules, accounts]
        self.generation = assemble(path, self._record, _offload, static=static)
        await self.generation.start()
        self.desk = BenchDesk(self.generation)
        self.generation.session_began()
        main = self.generation.config.main
        alias = self.generation.directive("ServerAlias")
        for server in self.generation.config.servers:
            names = () if alias is None else (name for line in server.settings[alias] for name in line)
            self.wire.hosts.update(dict.fromkeys((name.lower() for name in (*names, *server.args)), server))
        self.session = Session(
            wire=self.wire,
            modules=self.generation,
            server=main,
            settings=main.settings,
            remote=Address(self._remote, 40000),
            local=Address("127.0.0.1", 2121),
            enter=lambda identity, root, umask: LocalFiles(identity, root, umask),
        )
        try:
            for opening in self.generation.openings:
                await opening(self.session)
            self.generation.emit(SESSION_OPEN, self.session)
        except Refuse as refusal:
            self.wire.send(Reply(refusal.code, tuple(refusal.lines)))
            self.wire.end("refused")
        banner = self._taken()
        if self._login is not None:
            await self._line(f"USER {self._login}")
            answer = await self._line(f"PASS {self._users[self._login]}")
            if not answer.startswith("230"):
                raise AssertionError(f"the bench's user {self._login} was not let in: {answer}")
        return banner

    async def __call__(self, line: str) -> str:
        """Send a line; gives the replies it drew, lines joined by newlines."""
        if self.session is None:
            await self.open()
        return await self._line(line)

    async def download(self, line: str) -> bytes:
        """Send RETR, LIST and the like with a data connection; gives what came over it. See :attr:`replies`."""
        if self.session is None:
            await self.open()
        self.wire.incoming = b""
        self.replies = await self._line(line)
        sent = self.wire.last
        return bytes(sent.sent) if isinstance(sent, MemoryData) else b""

    async def upload(self, line: str, content: bytes) -> str:
        """Send STOR and the like with ``content`` on the data connection; gives the replies."""
        if self.session is None:
            await self.open()
        self.wire.incoming = content
        self.replies = await self._line(line)
        return self.replies

    replies = ""

    async def control(self, line: str, asker: Asker = ROOT) -> str:
        """Ask a control action, as ftpdctl does; gives its lines joined by newlines. ControlError is its refusal.

        Who may ask is for the ACLs of a daemon to say: here, ``asker`` is who does.  What an action has the daemon
        do with modules is only noted, in ``desk.swaps``.
        """
        if self.session is None:
            await self.open()
        assert self.desk is not None
        return await self.desk.run(line, asker)

    async def close(self) -> None:
        """End the session and stop the modules."""
        if self.session is not None and self.generation is not None:
            self.generation.emit(SESSION_CLOSE, self.session)
            if self.session.files is not None:
                self.session.files.close()
            self.generation.session_ended()
            await self.generation.stop()
            self.session = None
        logfile.close()
        self._cleanup()

    async def __aenter__(self) -> Bench:
        await self.open()
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.close()

    async def _line(self, line: str) -> str:
        assert self.session is not None and self.generation is not None
        verb, _, argument = line.partition(" ")
        argument = self.session.heard(verb.upper(), argument)
        command, plan = self.generation.command(self.session, verb.upper(), argument)
        await run(command, plan)
        final = command.reply
        if final is not None:
            self.wire.send(final)
        # a test reads in the logs what a command left there
        logfile.flush()
        return self._taken()

    def _taken(self) -> str:
        said = [reply.encode() if self.session is None else self.session.told(reply) for reply in self.wire.written]
        text = b"".join(said).decode("utf-8", "surrogateescape")
        self.wire.written.clear()
        return text.replace("\r\n", "\n").rstrip("\n")
