"""ftpdctl and a real daemon: modules come, go and are replaced under sessions, and what fails changes nothing."""

from __future__ import annotations

import ftplib
import io
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from ftpd.cli import ftpdctl
from ftpd.module.build import DISPENSABLE
from scripts.soak_modules import Soak
from tests.wire.command import NOBODY, Watched
from tests.wire.daemon import PATIENCE, until

HELLO = """\
from ftpd.api import SERVER, Module, types
module = Module("mod_hello", version="{version}")
text = module.directive("HelloText", types.string, default="hello", contexts=SERVER)

@module.cmd("XHLO", auth=False)
def greet(cmd):
    return cmd.ok(200, cmd.config[text] + " from {version}")
"""
NEEDY = """\
from ftpd.api import Module
module = Module("mod_needy", version="1", needs=["mod_hello"])
"""
PACKAGED = """\
import sys
from ftpd.api import Module
# what an import of a package does: it is made once, and found from then on
module = sys.__dict__.setdefault("mod_pkg_of_the_test", Module("mod_pkg", version="1"))
"""
ACLS = """\
ControlsSocketACL allow user root
ControlsSocketACL allow user {me}
ControlsACLs all allow user {me}
ModuleControlsACLs all allow user {me}
"""


class Controlled(Watched):
    """A daemon with a ModulePath and a control socket; :meth:`ctl` is ``ftpdctl``."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.libexec = base / "libexec"
        self.libexec.mkdir(mode=0o755)
        self.socket = str(base / "sock")
        me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        head = f"ModulePath {self.libexec}\nControlsSocket {self.socket}\n"
        self.conf = head + ACLS.format(me=me) + self.conf
        self.module("mod_hello", HELLO.format(version="1"))

    def module(self, name: str, text: str) -> None:
        path = self.libexec / f"{name}.py"
        path.write_text(text)
        path.chmod(0o644)

    def ctl(self, *words: str) -> tuple[int, str]:
        """The status and what it said."""
        # in this process: that the command starts is shown where there is no daemon
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(out):
            status = ftpdctl.main(["-s", self.socket, *words])
        return status, out.getvalue().replace("ftpdctl: ", "").rstrip("\n")

    def is_asked(self) -> None:
        """Wait for the socket, which a worker makes as soon as it speaks for the others."""
        until("there is a control socket", lambda: os.path.exists(self.socket))

    def hello(self) -> str:
        """What a new session is answered to XHLO."""
        with self.login() as ftp:
            return ask(ftp)


def ask(ftp: ftplib.FTP) -> str:
    try:
        return ftp.sendcmd("XHLO")
    except ftplib.error_perm as refusal:
        return str(refusal)


UNKNOWN = "500 XHLO not understood"


PROCESSES = {"params": ["", "Workers 2\n"], "ids": ["one process", "workers"]}


@contextmanager
def controlled(base: Path, workers: str) -> Iterator[Controlled]:
    daemon = Controlled(base)
    daemon.conf = workers + daemon.conf
    daemon.start()
    daemon.is_asked()
    yield daemon
    daemon.stop()
    assert not os.path.exists(daemon.socket), "the socket goes with the daemon"


@pytest.fixture(**PROCESSES)
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Controlled]:
    with controlled(tmp_path, request.param) as daemon:
        yield daemon


@pytest.fixture(scope="module", **PROCESSES)
def unchanged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controlled]:
    """A daemon for all that is refused: none of it may change anything."""
    with controlled(tmp_path_factory.mktemp("unchanged"), request.param) as daemon:
        yield daemon


def test_a_module_comes_and_goes_and_sessions_keep_what_they_had(daemon: Controlled) -> None:
    with daemon.login() as before:
        assert daemon.ctl("insmod", "mod_hello.c") == (0, "'mod_hello.c' loaded")
        assert daemon.ctl("lsmod")[1].splitlines()[-1] == "  mod_hello.c"
        assert ask(before) == UNKNOWN
        with daemon.login() as between:
            assert ask(between) == "200 hello from 1"
            assert daemon.ctl("rmmod", "mod_hello.c") == (0, "'mod_hello.c' unloaded")
            assert "mod_hello" not in daemon.ctl("lsmod")[1]
            until("the log tells of the load", lambda: "module 'mod_hello.c' loaded" in daemon.log())
            until("the log tells of the unload", lambda: "module 'mod_hello.c' unloaded" in daemon.log())
            assert daemon.hello() == UNKNOWN
            assert ask(between) == "200 hello from 1"
            assert ask(before) == UNKNOWN


def test_a_transfer_goes_through_a_change_of_modules(daemon: Controlled) -> None:
    with daemon.login() as ftp:
        upload = ftp.transfercmd("STOR a.txt")
        upload.sendall(b"before, ")
        daemon.ctl("insmod", "mod_hello.c")
        daemon.ctl("rmmod", "mod_hello.c")
        upload.sendall(b"after")
        upload.close()
        assert ftp.voidresp().startswith("226")
    assert (daemon.home / "a.txt").read_bytes() == b"before, after"


def test_lines_that_wait_for_a_module_take_effect_when_it_comes(daemon: Controlled) -> None:
    daemon.hang_up(f'<IfModule mod_hello.c>\nHelloText "good day"\n</IfModule>\n{daemon.conf}')
    assert daemon.ctl("insmod", "mod_hello.c")[0] == 0
    assert daemon.hello() == "200 good day from 1"


def test_a_module_of_the_file_goes_and_its_lines_are_passed_over(daemon: Controlled) -> None:
    daemon.hang_up(f'ModulePath {daemon.libexec}\nLoadModule mod_hello.c\nHelloText "good day"\n{daemon.conf}')
    assert daemon.ctl("rmmod", "mod_hello.c") == (0, "'mod_hello.c' unloaded")
    assert daemon.hello() == UNKNOWN
    assert daemon.ctl("insmod", "mod_hello.c") == (0, "'mod_hello.c' loaded")
    assert daemon.hello() == "200 good day from 1"
    assert daemon.ctl("rmmod", "mod_hello.c")[0] == 0
    daemon.hang_up()
    assert daemon.hello() == "200 good day from 1", "SIGHUP goes back to what the file says"


def test_its_lines_in_the_files_of_users_are_passed_over_too(daemon: Controlled) -> None:
    lax = HELLO.replace("contexts=SERVER", "contexts=SERVER | FTPACCESS").replace("import ", "import FTPACCESS, ")
    daemon.module("mod_hello", lax.format(version="1"))
    daemon.conf += "AllowOverride on\n"
    (daemon.home / ".ftpaccess").write_text("HelloText x\n")
    assert daemon.ctl("insmod", "mod_hello.c")[0] == 0
    assert daemon.ctl("rmmod", "mod_hello.c")[0] == 0
    with daemon.login() as ftp:
        assert ftp.sendcmd("PWD").startswith("257 ")
        ftp.mkd("one")


def test_built_in_modules_that_are_no_need_go_and_come_back(daemon: Controlled) -> None:
    for name in sorted(DISPENSABLE):
        assert daemon.ctl("rmmod", f"{name}.c") == (0, f"'{name}.c' unloaded")
        assert name not in daemon.ctl("lsmod")[1]
    assert daemon.hello() == UNKNOWN, "users still log in"
    back = [f"{name}.c" for name in sorted(DISPENSABLE)]
    assert daemon.ctl("insmod", *back)[0] == 0
    assert set(back) <= set(daemon.ctl("lsmod")[1].split())


def test_what_was_loaded_by_hand_is_forgotten_at_sighup(daemon: Controlled) -> None:
    daemon.ctl("insmod", "mod_hello.c")
    daemon.ctl("rmctrl", "lsmod")
    daemon.hang_up()
    assert daemon.hello() == UNKNOWN
    assert "mod_hello" not in daemon.ctl("lsmod")[1]


def test_a_new_version_takes_over_and_a_faulty_one_does_not(daemon: Controlled) -> None:
    daemon.ctl("insmod", "mod_hello.c")
    daemon.module("mod_hello", HELLO.format(version="2"))
    assert daemon.ctl("reload", "mod_hello") == (0, "'mod_hello' reloaded, mod_hello/2")
    assert daemon.hello() == "200 hello from 2"
    daemon.module("mod_hello", HELLO.format(version="3") + "\nimport nothing_of_the_kind\n")
    status, said = daemon.ctl("reload", "mod_hello.c")
    assert status == 8
    assert f"error reloading 'mod_hello.c': {daemon.libexec}/mod_hello.py:9 needs the Python package" in said
    assert daemon.hello() == "200 hello from 2"


def test_who_has_no_file_any_more_or_a_faulty_one_goes_on_and_keeps_nobody_else_from_changing(
    daemon: Controlled,
) -> None:
    daemon.module("mod_named", NEEDY.replace("mod_needy", "mod_named").replace('["mod_hello"]', "[]"))
    daemon.module("mod_needy", NEEDY)
    daemon.conf += "LoadModule mod_named.c\n"
    daemon.hang_up()
    assert daemon.ctl("insmod", "mod_hello.c")[0] == 0
    (daemon.libexec / "mod_hello.py").unlink()
    daemon.module("mod_named", "module = (")
    assert daemon.ctl("insmod", "mod_needy.c") == (0, "'mod_needy.c' loaded")
    assert daemon.hello() == "200 hello from 1"
    for told in ("the ModulePath: the mod_hello.c that is", "never closed: the mod_named.c that is in service goes on"):
        until("the log tells of it", lambda told=told: told in daemon.log())
    for name in ("mod_hello", "mod_named"):
        status, said = daemon.ctl("reload", f"{name}.c")
        assert (status, said.startswith(f"error reloading '{name}.c': ")) == (8, True)
    assert daemon.ctl("rmmod", "mod_needy.c", "mod_hello.c")[0] == 0
    assert daemon.ctl("insmod", "mod_hello.c")[0] == 8
    assert daemon.hello() == UNKNOWN


def test_a_module_of_a_package_is_not_said_to_be_new(daemon: Controlled) -> None:
    daemon.module("mod_pkg", PACKAGED)
    assert daemon.ctl("insmod", "mod_pkg.c")[0] == 0
    status, said = daemon.ctl("reload", "mod_pkg.c")
    assert status == 5
    assert said.startswith("error reloading 'mod_pkg.c': it comes from a Python package; restart the daemon")


def test_a_module_that_others_need_stays(daemon: Controlled) -> None:
    daemon.module("mod_needy", NEEDY)
    status, said = daemon.ctl("insmod", "mod_needy.c")
    assert (status, "needs mod_hello, which is not loaded" in said) == (8, True)
    assert daemon.ctl("insmod", "mod_hello.c", "mod_needy.c")[0] == 0
    assert daemon.ctl("rmmod", "mod_hello.c") == (
        5,
        "error unloading 'mod_hello.c': mod_needy.c needs it; unload that first",
    )
    assert daemon.ctl("rmmod", "mod_needy.c", "mod_hello.c")[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("insmod", 3, "missing required parameters"),
        ("insmod hello", 4, "error loading 'hello': Bad module name"),
        ("insmod ../mod_hello.c", 4, "error loading '../mod_hello.c': Bad module name"),
        ("insmod mod_ls.c", 6, "error loading 'mod_ls.c': Already loaded"),
        ("insmod mod_none.c", 8, "error loading 'mod_none.c': there is no mod_none.py in "),
        ("rmmod", 3, "missing required parameters"),
        ("rmmod mod_none.c", 4, "error unloading 'mod_none.c': Module not loaded"),
        ("rmmod mod_dso.c", 8, "error unloading 'mod_dso.c': Operation not permitted, it is a core module"),
        ("rmmod mod_core.c", 8, "error unloading 'mod_core.c': Operation not permitted, it is a core module"),
        ("reload mod_none.c", 4, "error reloading 'mod_none.c': Module not loaded"),
        ("reload mod_ls.c", 5, "error reloading 'mod_ls.c': it is built in"),
        ("lsmod all", 3, "wrong number of parameters"),
        ("kick user alice", 7, "unsupported action requested"),
    ],
)
def test_refusals_have_proftpds_codes_and_change_nothing(
    unchanged: Controlled, words: str, status: int, said: str
) -> None:
    before = unchanged.ctl("lsmod")
    found = unchanged.ctl(*words.split())
    assert found[0] == status
    assert found[1].startswith(said)
    assert unchanged.ctl("lsmod") == before
    assert "is in force" not in unchanged.log()


def test_a_configuration_that_became_faulty_is_told_and_nothing_changes(daemon: Controlled) -> None:
    good = daemon.conf
    daemon.conf = f"Prto 21\n{good}"
    status, said = daemon.ctl("insmod", "mod_hello.c")
    assert status == 8
    assert said.startswith("error loading 'mod_hello.c': ")
    assert ":1: Prto: unknown configuration directive; right: did you mean Port, " in said
    assert daemon.hello() == UNKNOWN
    daemon.conf = good
    assert daemon.ctl("insmod", "mod_hello.c")[0] == 0


AS_NOBODY = f"""
import os, sys
from ftpd.cli import ftpdctl
# what it needs is imported: where it lies, nobody may be kept out
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
sys.exit(ftpdctl.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_of_the_system_is_refused(daemon: Controlled) -> None:
    def ctl(*words: str) -> tuple[int, str, str]:
        program = [sys.executable, "-c", AS_NOBODY, "-s", daemon.socket, *words]
        done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    assert ctl("lsmod") == (2, "ftpdctl: access denied\n", "")
    assert ctl("insmod", "mod_hello.c") == (2, "ftpdctl: access denied\n", "")
    assert daemon.hello() == UNKNOWN
    let_in = "ControlsSocketACL allow user root,nobody\nModuleControlsACLs lsmod allow user nobody\n"
    daemon.hang_up(daemon.conf + let_in)
    assert "mod_ctrls.c" in ctl("lsmod")[1]
    assert ctl("insmod", "mod_hello.c") == (2, "ftpdctl: access denied\n", ""), "it was let in for lsmod alone"
    assert daemon.ctl("insmod", "mod_hello.c") == (0, "'mod_hello.c' loaded")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_without_a_line_for_the_socket_who_may_have_an_action_may_ask(daemon: Controlled) -> None:
    program = [sys.executable, "-c", AS_NOBODY, "-s", daemon.socket]

    def told(action: str) -> str:
        return subprocess.run([*program, action], capture_output=True, text=True, check=False, timeout=PATIENCE).stdout

    conf = daemon.conf.replace("ControlsSocketACL", "# ")
    daemon.hang_up(conf)
    assert "lsmod" not in told("help")
    daemon.hang_up(conf + "ModuleControlsACLs rmmod allow user nobody\n")
    assert "ftpdctl: lsmod: list modules\n" in told("help")
    assert told("lsmod") == "ftpdctl: access denied\n"


def test_proftpds_own_ftpdctl_is_understood(daemon: Controlled) -> None:
    theirs = shutil.which("ftpdctl", path="/usr/bin")
    if theirs is None or Path(theirs).read_bytes()[:4] != b"\x7fELF":
        pytest.skip("ProFTPD's ftpdctl is not installed")
    done = subprocess.run([theirs, "-s", daemon.socket, "insmod", "mod_hello.c"], capture_output=True, text=True)
    assert done.stdout == "ftpdctl: 'mod_hello.c' loaded\n"
    assert daemon.hello() == "200 hello from 1"


def test_without_a_daemon(tmp_path: Path) -> None:
    def ctl(*words: str) -> tuple[int, str, str]:
        program = [sys.executable, "-m", "ftpd.cli.ftpdctl", *words]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    path = f"{tmp_path}/sock"
    assert ctl("-s", path, "help") == (
        1,
        "",
        f"ftpdctl: error contacting server using '{path}': No such file or directory\n"
        "ftpdctl: is the daemon running, and is that its ControlsSocket? -s says another\n",
    )
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
    assert "Connection refused\nftpdctl: no daemon listens there any more" in ctl("-s", path, "help")[2]
    assert ctl("-s", "sock", "help")[2] == "ftpdctl: alternate socket path must be an absolute path\n"
    assert ctl()[:2] == (1, "ftpdctl: missing required action\n")
    assert ctl("-x", "-s", path)[1] == "ftpdctl: unknown option: x\nftpdctl: missing required action\n"
    for asked in "-h", "--help":
        status, said, complaint = ctl(asked)
        assert (status, complaint) == (0, "")
        assert said.startswith("usage: ftpdctl [options] action [...]\n")
        assert '"ftpdctl help" asks the daemon' in said


def test_a_daemon_serves_where_the_socket_cannot_be(tmp_path: Path) -> None:
    daemon = Controlled(tmp_path)
    precious = Path(daemon.socket)
    precious.write_text("precious")
    daemon.start()
    assert f"the ControlsSocket {precious} is no socket, and is left alone" in daemon.log()
    daemon.assert_well()
    precious.unlink()
    daemon.hang_up()
    daemon.is_asked()
    assert daemon.ctl("help")[0] == 0, "the next configuration tries again"
    daemon.stop()


def test_the_socket_may_move_while_a_request_is_answered(daemon: Controlled) -> None:
    daemon.conf = daemon.conf.replace(daemon.socket, f"{daemon.socket}2")
    assert daemon.ctl("insmod", "mod_hello.c") == (0, "'mod_hello.c' loaded")
    assert not os.path.exists(daemon.socket)
    daemon.socket += "2"
    daemon.is_asked()
    assert daemon.ctl("lsmod")[0] == 0


def test_fifty_changes_drop_no_session_and_leave_nothing_behind(tmp_path: Path) -> None:
    found = Soak(tmp_path, sessions=20, swaps=50, pace=0.05).run()
    assert found.failures == []
    assert found.swaps == 50
    assert found.transfers > 20
    assert (found.tasks, found.descriptors) == (0, 0)


def test_explain_says_what_is_decided_and_by_which_line(daemon: Controlled) -> None:
    status, told = daemon.ctl("explain", daemon.user, "a.txt", "STOR")
    assert status == 0 and told.startswith(f"{daemon.user} may STOR a.txt\n") and "On disk" in told
    assert daemon.ctl("explain", daemon.user) == (
        3,
        "three things are asked for: USER PATH COMMAND [from ADDRESS] [at SERVER]",
    )
    assert daemon.ctl("explain", "nobody-of-ours", "a.txt", "STOR")[1].startswith("nobody-of-ours is not let in: ")
