"""Workers: several processes serve as one daemon, with one set of limits, and none of them is missed for long."""

from __future__ import annotations

import ftplib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.wire.command import Site, Watched, alive
from tests.wire.daemon import PATIENCE, until

MODULE = """\
from ftpd.api import Module
module = Module("mod_hello", version="1")

@module.cmd("XHLO", auth=False)
def greet(cmd):
    return cmd.ok(200, "hello")

@module.control("where", help="say where")
def where(asked):
    yield "here"
"""
ACLS = """\
ControlsSocketACL allow user {me}
ControlsACLs all allow user {me}
ModuleControlsACLs all allow user {me}
"""


class Several(Watched):
    """A daemon of three workers."""

    def __init__(self, base: Path, more_conf: str = "") -> None:
        self.libexec = base / "libexec"
        self.libexec.mkdir(mode=0o755)
        (self.libexec / "mod_hello.py").write_text(MODULE)
        (self.libexec / "mod_hello.py").chmod(0o644)
        self.socket = str(base / "sock")
        me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        steered = f"ModulePath {self.libexec}\nControlsSocket {self.socket}\n{ACLS.format(me=me)}"
        super().__init__(base, f"Workers 3\n{steered}{more_conf}")

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split() if alive(int(pid))]

    def ctl(self, *words: str) -> tuple[int, str]:
        program = [sys.executable, "-m", "ftpd.cli.ftpdctl"]
        done = subprocess.run(
            [*program, "-s", self.socket, *words], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        return done.returncode, (done.stdout + done.stderr).replace("ftpdctl: ", "").rstrip("\n")

    def sessions_by_worker(self) -> dict[int, int]:
        found = dict.fromkeys(self.workers(), 0)
        for pid in found:
            sockets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            inodes = {name[8:-1] for name in sockets if name.startswith("socket:[")}
            found[pid] = sum(line.split()[9] in inodes for line in self._connections())
        return found


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Several]:
    daemon = Several(tmp_path)
    daemon.start()
    yield daemon
    daemon.stop()
    assert not os.path.exists(daemon.socket), "the socket goes with the daemon"


@pytest.fixture
def sessions() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def enter(daemon: Several, stack: ExitStack, many: int) -> list[ftplib.FTP]:
    return [stack.enter_context(daemon.login()) for _ in range(many)]


def turned_away(daemon: Several) -> str:
    """What the one too many is told; nothing where it is not even greeted."""
    with ftplib.FTP() as ftp:
        try:
            ftp.connect(daemon.host, daemon.port, timeout=PATIENCE)
            ftp.login(daemon.user, daemon.password)
        except ftplib.error_perm as refusal:
            return str(refusal)
        except (EOFError, ConnectionResetError):
            return ""
        raise AssertionError("one too many was let in")


def test_clients_are_spread_over_the_workers_and_one_end_ends_them_all(daemon: Several, sessions: ExitStack) -> None:
    workers = daemon.workers()
    assert len(workers) == 3
    for ftp in enter(daemon, sessions, 40):
        assert ftp.pwd() == "/"
    by_worker = daemon.sessions_by_worker()
    assert sum(by_worker.values()) == 40
    assert all(by_worker[pid] for pid in workers), by_worker


def test_who_is_on_is_seen_whichever_worker_serves_them(daemon: Several, sessions: ExitStack) -> None:
    enter(daemon, sessions, 9)

    def shown() -> str:
        return subprocess.run(
            [str(Path(sys.prefix, "bin", "ftpwho")), "-f", str(daemon._run / "scoreboard")],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    until("ftpwho shows all of them", lambda: "9 users" in shown())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("MaxClients 5", "530 Sorry, the maximum number of allowed clients (5) are already connected."),
        ("MaxClientsPerUser 5", "530 Sorry, the maximum number of clients (5) for this user are already connected."),
        ("MaxClientsPerHost 5", "530 Sorry, the maximum number of clients (5) from your host are already connected."),
    ],
)
def test_a_limit_holds_for_all_workers_together(tmp_path: Path, sessions: ExitStack, line: str, said: str) -> None:
    daemon = Several(tmp_path, f"{line}\n")
    daemon.start()
    first = enter(daemon, sessions, 5)
    for _ in range(12):
        assert turned_away(daemon) == said
    first.pop().quit()
    until("a place is free again", lambda: sum(daemon.sessions_by_worker().values()) == 4)
    enter(daemon, sessions, 1)
    sessions.close()
    daemon.stop()


def test_maxinstances_holds_for_all_workers_together(tmp_path: Path, sessions: ExitStack) -> None:
    daemon = Several(tmp_path, "MaxInstances 6\n")
    daemon.start()
    enter(daemon, sessions, 6)
    for _ in range(10):
        assert turned_away(daemon) == ""
    sessions.close()
    daemon.stop()


def test_a_worker_that_dies_is_replaced_gives_its_places_back_and_no_other_session_notices(
    tmp_path: Path, sessions: ExitStack
) -> None:
    daemon = Several(tmp_path, "MaxClients 12\n")
    daemon.start()
    on = enter(daemon, sessions, 12)
    before = daemon.sessions_by_worker()
    victim = max(before, key=lambda pid: before[pid])
    os.kill(victim, signal.SIGKILL)
    until("another takes its place", lambda: "takes the place of worker" in daemon.log())
    until("three serve again", lambda: len(daemon.workers()) == 3)
    assert victim not in daemon.workers()
    left = 0
    for ftp in on:
        try:
            assert ftp.voidcmd("NOOP").startswith("200")
            left += 1
        except (EOFError, OSError):
            continue
    assert left == 12 - before[victim]
    enter(daemon, sessions, before[victim])
    assert "maximum number of allowed clients" in turned_away(daemon)
    for ftp in on:
        ftp.close()
    sessions.close()
    daemon.stop()


def test_a_new_configuration_is_for_new_sessions_and_the_old_ones_end_in_peace(
    daemon: Several, sessions: ExitStack
) -> None:
    before = daemon.workers()
    old = enter(daemon, sessions, 6)
    daemon.hang_up('ServerIdent on "second"\n' + daemon.conf)
    with ftplib.FTP() as ftp:
        assert ftp.connect(daemon.host, daemon.port, timeout=PATIENCE) == "220 second"
    for ftp in old:
        assert ftp.voidcmd("NOOP").startswith("200")
        ftp.quit()
    until("the workers of before have ended", lambda: not set(before) & set(daemon.workers()))
    assert len(daemon.workers()) == 3


def test_a_transfer_goes_through_a_reload(daemon: Several) -> None:
    with daemon.login() as ftp:
        upload = ftp.transfercmd("STOR a.txt")
        upload.sendall(b"before, ")
        daemon.hang_up()
        upload.sendall(b"after")
        upload.close()
        assert ftp.voidresp().startswith("226")
    assert (daemon.home / "a.txt").read_bytes() == b"before, after"


def test_a_faulty_configuration_changes_nothing(daemon: Several) -> None:
    before = set(daemon.workers())
    daemon.hang_up("MaxInstance 3\n" + daemon.conf, then="the configuration before stays in force")
    assert "did you mean MaxInstances?" in daemon.log()
    assert set(daemon.workers()) == before
    with daemon.login() as ftp:
        assert ftp.pwd() == "/"


def test_modules_come_and_go_in_all_workers(daemon: Several) -> None:
    assert daemon.ctl("insmod", "mod_hello.c") == (0, "'mod_hello.c' loaded")
    for _ in range(12):
        with daemon.login() as ftp:
            assert ftp.sendcmd("XHLO") == "200 hello"
    status, said = daemon.ctl("where")
    assert (status, sorted(said.splitlines())) == (0, [f"worker {number}: here" for number in (1, 2, 3)])
    assert daemon.ctl("rmmod", "mod_hello.c") == (0, "'mod_hello.c' unloaded")
    with daemon.login() as ftp, pytest.raises(ftplib.error_perm, match="500 XHLO not understood"):
        ftp.sendcmd("XHLO")
    assert daemon.ctl("insmod", "mod_nowhere.c")[0] != 0
    assert daemon.ctl("lsmod")[0] == 0


def test_whoever_asks_while_modules_change_is_heard(daemon: Several) -> None:
    until("there is a control socket", lambda: os.path.exists(daemon.socket))
    refused: list[str] = []
    over = threading.Event()

    def ask_on() -> None:
        while not over.is_set():
            with socket.socket(socket.AF_UNIX) as asking:
                try:
                    asking.connect(daemon.socket)
                    asking.shutdown(socket.SHUT_WR)
                    # who asks nothing is let go, but not before it was heard: of those ControlsMaxClients takes five
                    if said := asking.recv(1):
                        refused.append(f"it said {said!r}")
                except OSError as error:
                    refused.append(str(error))

    crowd = [threading.Thread(target=ask_on) for _ in range(4)]
    for one in crowd:
        one.start()
    try:
        for action in ("insmod", "reload", "rmmod", "insmod", "rmmod"):
            assert daemon.ctl(action, "mod_hello.c")[0] == 0
            # at once, by whoever speaks now
            assert daemon.ctl("lsmod")[0] == 0
    finally:
        over.set()
        for one in crowd:
            one.join()
    assert refused == []
    assert [path.name for path in Path(daemon.socket).parent.glob("sock*")] == ["sock"]


def test_the_master_keeps_nothing_of_modules_that_were_replaced(daemon: Several) -> None:
    module = daemon.libexec / "mod_hello.py"
    module.write_text(MODULE + "import os\nweight = os.urandom(4 << 20)\n")
    assert daemon.ctl("insmod", "mod_hello.c")[0] == 0

    def grown(times: int) -> int:
        for _ in range(times):
            assert daemon.ctl("reload", "mod_hello.c")[0] == 0
        return memory(daemon.pid)

    # one that is in force, one that comes, one whose workers are not gone yet, and what malloc keeps for the next
    warm = grown(3)
    assert grown(8) - warm < 16 << 20


def memory(pid: int) -> int:
    """Bytes that are its own."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_the_worker_that_speaks_may_die_as_any_other(daemon: Several) -> None:
    for _ in range(2):
        for pid in daemon.workers():
            os.kill(pid, signal.SIGKILL)
        until("three serve again", lambda: len(daemon.workers()) == 3)
        until("ftpdctl is answered", lambda: daemon.ctl("lsmod")[0] == 0)
    with daemon.login() as ftp:
        assert ftp.pwd() == "/"


def test_without_their_master_workers_end_with_their_last_session(daemon: Several, sessions: ExitStack) -> None:
    workers = daemon.workers()
    (on,) = enter(daemon, sessions, 1)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait()
    assert on.voidcmd("NOOP").startswith("200")
    until("all but one have ended", lambda: sum(map(alive, workers)) == 1)
    on.quit()
    until("the last one has ended", lambda: not any(map(alive, workers)))
    daemon.start()


def test_a_module_that_cannot_begin_ends_the_start(tmp_path: Path) -> None:
    libexec = tmp_path / "libexec"
    libexec.mkdir(mode=0o755)
    (libexec / "mod_lame.py").write_text(
        "from contextlib import contextmanager\n"
        "from ftpd.api import Module\n"
        'module = Module("mod_lame", version="1")\n'
        "@module.resource\n"
        "@contextmanager\n"
        "def legs():\n"
        '    raise OSError("no legs")\n'
        "    yield\n"
    )
    (libexec / "mod_lame.py").chmod(0o644)
    site = Site(tmp_path)
    site.conf(f"Workers 2\nModulePath {libexec}\nLoadModule mod_lame.c")
    said = site.command()
    assert said.status == 1
    assert "mod_lame could not begin its work: OSError: no legs" in said.err
    assert not site.pid_file.exists()
    assert not site.serves()


def test_as_a_daemon_the_command_returns_when_all_workers_serve(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.conf("Workers 2")
    said = site.command()
    try:
        assert (said.status, said.err) == (0, "")
        assert site.serves()
        children = Path(f"/proc/{site.pid}/task/{site.pid}/children").read_text().split()
        assert len(children) == 2
        for pid in (site.pid, *map(int, children)):
            assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)} == {"/dev/null"}
        site.stop_daemon()
        assert not site.pid_file.exists()
    finally:
        site.close()
