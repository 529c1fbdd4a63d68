"""Modules come, are replaced and go while sessions transfer: prints what it cost, fails if a session was dropped."""

from __future__ import annotations

import argparse
import asyncio
import grp
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ftpd.core import ctrlwire
from ftpd.core.ctrlwire import Answer, Request

# of the password "secret", with few rounds: logging in is not what is measured
_HASH = (
    "$6$rounds=1000$clienttests$R.yT.fq6TbgOiDc3AA0fBbhCODCCKnS0063LwafQi6P5GHUZpT1/8nOGVNCXRPvDKJdD9Cq4ebS2Gb1QNd6hQ1"
)
_CONTENT = os.urandom(65536)
_PATIENCE = 30.0
_GAUGE = Path(__file__).with_name("mod_gauge.py")
_SHARED = sorted((Path(__file__).resolve().parent.parent / "libexec").glob("mod_*.py"))

CONF = """\
Port {port}
DefaultAddress 127.0.0.1
UseIPv6 off
User {user}
Group {group}
PidFile {base}/pid
ScoreboardFile {base}/scoreboard
TransferLog none
WtmpLog off
UseReverseDNS off
AuthOrder mod_auth_file.c
AuthUserFile {base}/passwd
AuthGroupFile {base}/group
RequireValidShell off
UseFtpUsers off
MaxInstances none
ModulePath {base}/libexec
LoadModule mod_gauge.c
{more}ControlsSocket {base}/sock
ControlsSocketACL allow user {me}
ControlsACLs all allow user {me}
ModuleControlsACLs all allow user {me}
<IfModule mod_swapped.c>
  SwappedText "in service"
</IfModule>
"""

SWAPPED = '''\
"""mod_swapped -- a module of some size that does a little of everything; number {number}."""
from contextlib import contextmanager
from ftpd.api import SERVER, SESSION_OPEN, Module, types

module = Module("mod_swapped", version="{number}")
text = module.directive("SwappedText", types.string, default="", contexts=SERVER)
weight = bytearray(100_000)
state = module.session_state(list)

@contextmanager
def opened():
    with open("/dev/null"):
        yield

module.resource(opened)

@module.on(SESSION_OPEN)
def began(session):
    session[state].append({number})

@module.every(1)
async def again():
    pass

@module.cmd("XSWP", auth=False)
def swapped(cmd):
    return cmd.ok(200, f"{{cmd.config[text]}} {number}")
'''


@dataclass
class Found:
    """What a soak came to; tasks, descriptors and KiB are those more than before."""

    sessions: int
    swaps: int = 0
    transfers: int = 0
    failures: list[str] = field(default_factory=list)
    tasks: int = 0
    descriptors: int = 0
    kib: int = 0
    late_without_swaps_ms: float = 0.0
    late_while_swapping_ms: float = 0.0
    """The most that the loop was late by the daemon's own doing: for what other processes took, it waited for them.

    With all that the sessions asked of it meanwhile.
    """
    longest_steps_ms: dict[str, float] = field(default_factory=dict)
    """The longest that each of the steps of a change held the loop."""
    longest_wait_ms: float = 0.0
    """The longest that the loop waited for another thread, as for the one that reads the configuration; at most."""
    swap_ms: float = 0.0
    """How long a request took at the mean."""


class Gauge(NamedTuple):
    """What mod_gauge tells."""

    late: float
    wait: float
    steps: dict[str, float]
    tasks: int
    descriptors: int
    kib: int


class Soak:
    """A daemon in a folder, sessions that transfer, and one who changes modules all the while."""

    def __init__(
        self, base: Path, *, sessions: int, swaps: int, pace: float = 0.5, beside: Sequence[Path] = (),
        compare: float = 0.0,
    ) -> None:  # fmt: skip
        self.base = base
        self.sessions = sessions
        self.swaps = swaps
        self.pace = pace
        self.beside = beside
        """The files of modules that are loaded, too."""
        self.compare = max(compare, pace * 4)
        """Seconds for which the same sessions go on before the swaps, which must not count for what those do."""
        self.found = Found(sessions)
        self._swapping = True

    def run(self) -> Found:
        self._lay_out()
        with (self.base / "log").open("wb") as log:
            daemon = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "ftpd", "-n", "-c", str(self.base / "conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            asyncio.run(self._story())
            daemon.send_signal(signal.SIGTERM)
            if daemon.wait(_PATIENCE):
                self.found.failures.append(f"the daemon ended with {daemon.returncode}")
        finally:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
        said = (self.base / "log").read_text(errors="replace")
        self.found.failures += [line for line in said.splitlines() if "Traceback" in line or "never awaited" in line]
        return self.found

    def _lay_out(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        more = "".join(f"LoadModule {path.stem}.c\n" for path in self.beside)
        me = pwd.getpwuid(os.geteuid())
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else me
        group = grp.getgrgid(owner.pw_gid).gr_name
        self.base.chmod(0o711)
        for name in ("libexec", "home"):
            (self.base / name).mkdir(mode=0o755)
        (self.base / "home" / "file").write_bytes(_CONTENT)
        (self.base / "passwd").write_text(
            f"soak:{_HASH}:{owner.pw_uid}:{owner.pw_gid}::{self.base}/home:/bin/sh\n"
        )  # fmt: skip
        (self.base / "passwd").chmod(0o600)
        (self.base / "group").write_text(f"{group}:x:{owner.pw_gid}:\n")
        self._write(_GAUGE.stem, _GAUGE.read_text())
        for path in self.beside:
            self._write(path.stem, path.read_text())
        self._write("mod_swapped", SWAPPED.format(number=0))
        (self.base / "conf").write_text(
            CONF.format(port=self.port, user=owner.pw_name, group=group, me=me.pw_name, base=self.base, more=more)
        )

    def _write(self, name: str, text: str) -> None:
        path = self.base / "libexec" / f"{name}.py"
        path.write_text(text)
        path.chmod(0o644)

    # -- who asks the daemon -------------------------------------------------------------------------

    async def _ask(self, *words: str) -> Answer:
        reader, writer = await asyncio.open_unix_connection(str(self.base / "sock"))
        writer.write(Request(list(words)).encode())
        parts = ctrlwire.read_answer()
        wanted = next(parts)
        try:
            while True:
                wanted = parts.send(await reader.readexactly(wanted))
        except StopIteration as whole:
            answer: Answer = whole.value
            return answer
        finally:
            writer.close()

    async def _gauge(self, *words: str) -> Gauge:
        late, wait, steps, tasks, descriptors, kib = (await self._ask("gauge", *words)).lines
        longest = {name: float(spent) for name, spent in (step.split("=") for step in steps.split())}
        return Gauge(float(late), float(wait), longest, int(tasks), int(descriptors), int(kib))

    async def _swap(self, count: int) -> None:
        """Load, replace and unload one module in turn; its file is another one each time."""
        steps = ("insmod", "reload", "rmmod")
        for number in range(count):
            step = steps[number % 3]
            if step != "rmmod":
                self._write("mod_swapped", SWAPPED.format(number=number + 1))
            began = asyncio.get_running_loop().time()
            answer = await self._ask(step, "mod_swapped.c")
            self.found.swap_ms += (asyncio.get_running_loop().time() - began) * 1000
            if answer.status:
                self.found.failures.append(f"{step}: {answer.status} {answer.lines}")
            self.found.swaps += 1
            # requests of people come one after the other, too; a loop that only swaps would never serve
            await asyncio.sleep(0.01)
        if count % 3:
            await self._ask("rmmod", "mod_swapped.c")

    # -- the sessions --------------------------------------------------------------------------------

    async def _client(self, number: int) -> None:
        """Logs in and transfers again and again; every tenth one logs in anew each time."""
        try:
            await asyncio.sleep(self.pace * number / self.sessions)
            while self._swapping:
                await self._visit(stays=number % 10 > 0)
                await asyncio.sleep(self.pace)
        except Exception as error:
            self.found.failures.append(f"session {number}: {type(error).__name__}: {error}")

    async def _visit(self, *, stays: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            await _expect(reader, "220")
            await _say(reader, writer, "USER soak", "331")
            await _say(reader, writer, "PASS secret", "230")
            await _say(reader, writer, "TYPE I", "200")
            await self._transfer(reader, writer)
            while stays and self._swapping:
                await asyncio.sleep(self.pace)
                await self._transfer(reader, writer)
            await _say(reader, writer, "QUIT", "221")
        finally:
            writer.close()

    async def _transfer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await _say(reader, writer, "EPSV", "229")
        data, sink = await asyncio.open_connection("127.0.0.1", int(answer.split("|")[3]))
        try:
            await _say(reader, writer, "RETR file", "150")
            content = await data.read(-1)
        finally:
            sink.close()
        await _expect(reader, "226")
        if content != _CONTENT:
            raise ValueError(f"{len(content)} bytes came, or others than were sent")
        self.found.transfers += 1

    # -- the whole -----------------------------------------------------------------------------------

    async def _story(self) -> None:
        await self._until_it_answers()
        # what is made once and kept (pools, caches) is not to be taken for what is lost
        await self._visit(stays=False)
        await self._swap(30)
        self.found.swaps, self.found.swap_ms, self.found.transfers = 0, 0.0, 0
        before = await self._settled()
        clients = [asyncio.create_task(self._client(number)) for number in range(self.sessions)]
        await asyncio.sleep(self.pace * 2)
        await self._gauge("reset")
        await asyncio.sleep(self.compare)
        self.found.late_without_swaps_ms = (await self._gauge()).late
        await self._swap(self.swaps)
        while_swapping = await self._gauge()
        self.found.late_while_swapping_ms = while_swapping.late
        self.found.longest_steps_ms, self.found.longest_wait_ms = while_swapping.steps, while_swapping.wait
        self._swapping = False
        await asyncio.gather(*clients)
        now = await self._settled()
        self.found.tasks, self.found.descriptors = now.tasks - before.tasks, now.descriptors - before.descriptors
        self.found.kib = now.kib - before.kib
        self.found.swap_ms /= max(1, self.found.swaps)

    async def _settled(self) -> Gauge:
        """What the process holds once it has let go of what it is about to let go of."""
        best, same = await self._gauge("settle"), 0
        for _ in range(100):
            await asyncio.sleep(0.05)
            now = await self._gauge("settle")
            # the sockets of those who said QUIT are closed together, some moments later
            same = same + 1 if (now.tasks, now.descriptors) == (best.tasks, best.descriptors) else 0
            best = now
            if same == 15:
                break
        return best

    async def _until_it_answers(self) -> None:
        for _ in range(int(_PATIENCE * 20)):
            with suppress(OSError):
                await self._gauge()
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"the daemon does not answer:\n{(self.base / 'log').read_text(errors='replace')}")


async def _expect(reader: asyncio.StreamReader, code: str) -> str:
    async with asyncio.timeout(_PATIENCE):
        line = (await reader.readline()).decode()
        # a banner or a greeting may have several lines
        while line[3:4] == "-" or (line and not line[:3].isdigit()):
            line = (await reader.readline()).decode()
    if not line.startswith(code):
        raise ValueError(f"{code} was to come, {line!r} came")
    return line


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, code: str) -> str:
    writer.write(f"{line}\r\n".encode())
    return await _expect(reader, code)


def main() -> int:
    options = argparse.ArgumentParser(prog="scripts/soak_modules", description=__doc__)
    options.add_argument("--sessions", type=int, default=200)
    options.add_argument("--swaps", type=int, default=1000)
    options.add_argument(
        "--all", action="store_true", help="with all shared modules loaded beside the one that changes"
    )
    options.add_argument(
        "--compare", type=float, default=60.0, help="seconds for which the loop is looked at without swaps before (60)"
    )
    wanted = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ftpd-soak-") as folder:
        found = Soak(
            Path(folder), sessions=wanted.sessions, swaps=wanted.swaps, beside=_SHARED if wanted.all else [],
            compare=wanted.compare,
        ).run()  # fmt: skip
    print(json.dumps(asdict(found), indent=1))
    return 1 if found.failures or found.tasks or found.descriptors > 0 else 0


if __name__ == "__main__":
    sys.exit(main())
