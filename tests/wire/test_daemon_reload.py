"""SIGHUP: a configuration that is whole takes over for new sessions; one that is not leaves the old one serving."""

from __future__ import annotations

import ftplib
import os
import signal
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.wire.command import Site, Watched
from tests.wire.daemon import PATIENCE, free_port, until

KEPT = "the configuration before stays in force"
HELLO = """\
from ftpd.api import Module
module = Module("mod_hello", version="{version}")

@module.cmd("XHLO", auth=False)
def greet(cmd):
    return cmd.ok(200, "hello from {version}")
"""


@pytest.fixture(params=["", "Workers 2\n"], ids=["one process", "workers"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    daemon = Watched(tmp_path, request.param)
    daemon.start()
    yield daemon
    daemon.stop()


def greeting(daemon: Watched, port: int | None = None) -> str:
    with ftplib.FTP() as ftp:
        return ftp.connect(daemon.host, port or daemon.port, timeout=PATIENCE)


def test_new_sessions_get_the_new_configuration_and_old_ones_keep_theirs(daemon: Watched) -> None:
    with daemon.login() as old:
        daemon.hang_up('ServerIdent on "second"\n<Limit NLST>\nDenyAll\n</Limit>\n' + daemon.conf)
        assert greeting(daemon) == "220 second"
        assert old.voidcmd("NOOP").startswith("200")
        assert old.nlst() == [], "listing was allowed when this session began"
        with daemon.login() as new, pytest.raises(ftplib.error_temp, match="No such file"):
            new.nlst()


def test_a_transfer_goes_through_a_reload(daemon: Watched) -> None:
    with daemon.login() as ftp:
        upload = ftp.transfercmd("STOR a.txt")
        upload.sendall(b"before, ")
        daemon.hang_up()
        upload.sendall(b"after")
        upload.close()
        assert ftp.voidresp().startswith("226")
    assert (daemon.home / "a.txt").read_bytes() == b"before, after"


def test_a_faulty_configuration_is_told_in_full_and_changes_nothing(daemon: Watched) -> None:
    good = daemon.conf
    daemon.hang_up('ServerIdent on "never"\nPrto 21\nUmask 9x\n' + good, then=KEPT)
    assert ":2: Prto: unknown configuration directive" in daemon.log()
    assert ":3: Umask: " in daemon.log()
    assert "Umask 9x\n" in daemon.log(), "the line itself"
    assert greeting(daemon) != "220 never"
    daemon.assert_well()
    daemon.hang_up('ServerIdent on "put right"\n' + good)
    assert greeting(daemon) == "220 put right"


NOT_TO_BE_HAD = {
    "LoadModule mod_nowhere.c": "there is no mod_nowhere.py",
    "ModulePath /no/such/folder": "error checking '/no/such/folder'",
    "DefaultAddress no.such.invalid": "unable to resolve 'no.such.invalid'",
    "ServerType inetd": "ServerType inetd: a daemon that listens cannot become one that inetd starts",
    "PidFile /no/such/folder/pid": "unable to write PidFile /no/such/folder/pid",
    "Port 0": "no valid servers configured",
}


def test_what_cannot_be_had_leaves_the_old_configuration_in_force(daemon: Watched) -> None:
    lines = daemon.conf.splitlines()
    for line, said in NOT_TO_BE_HAD.items():
        others = [one for one in lines if not one or one.split()[0] != line.split()[0]]
        told = len(daemon.log())
        daemon.hang_up("\n".join([line, 'ServerIdent on "never"', *others]) + "\n", then=KEPT)
        assert said in daemon.log()[told:], line
        assert greeting(daemon).startswith("220 ProFTPD"), line
    daemon.assert_well()


def test_a_configuration_that_went_away_is_no_end(daemon: Watched) -> None:
    good = daemon.conf
    daemon._conf.unlink()
    daemon.hang_up(then=KEPT)
    assert "unable to read configuration file" in daemon.log()
    daemon.assert_well()
    daemon.hang_up(good)


def test_ports_may_change(daemon: Watched) -> None:
    other = free_port()
    with daemon.login() as old:
        daemon.hang_up(daemon.conf.replace(f"Port {daemon.port}\n", f"Port {other}\n"))
        assert greeting(daemon, other).startswith("220 ")
        with pytest.raises(ConnectionRefusedError):
            greeting(daemon)
        assert old.voidcmd("NOOP").startswith("200"), "who is there stays"
    daemon.hang_up(daemon.conf.replace(f"Port {other}\n", f"Port {daemon.port}\n"))
    assert greeting(daemon).startswith("220 ")


def test_servers_may_be_added(daemon: Watched) -> None:
    other = free_port()
    daemon.hang_up(daemon.conf + f'<VirtualHost 127.0.0.1>\nPort {other}\nServerIdent on "another"\n</VirtualHost>\n')
    assert greeting(daemon, other) == "220 another"
    assert greeting(daemon).startswith("220 ProFTPD")


def test_a_module_is_loaded_afresh_and_old_sessions_keep_theirs(daemon: Watched, tmp_path: Path) -> None:
    libexec = tmp_path / "libexec"
    libexec.mkdir(mode=0o755)
    good = daemon.conf

    def give(version: str) -> None:
        (libexec / "mod_hello.py").write_text(HELLO.format(version=version))
        (libexec / "mod_hello.py").chmod(0o644)

    give("1")
    daemon.hang_up(f"ModulePath {libexec}\nLoadModule mod_hello.c\n{good}")
    with daemon.login() as first:
        assert first.sendcmd("XHLO") == "200 hello from 1"
        give("2")
        daemon.hang_up()
        with daemon.login() as second:
            assert second.sendcmd("XHLO") == "200 hello from 2"
        assert first.sendcmd("XHLO") == "200 hello from 1"
        daemon.hang_up(good)
        with daemon.login() as third, pytest.raises(ftplib.error_perm, match="500 XHLO not understood"):
            third.sendcmd("XHLO")
        assert first.sendcmd("XHLO") == "200 hello from 1", "until it ends"


def sour(folder: Path) -> str:
    """The lines that load a module which does not get what it needs."""
    libexec = folder / "libexec"
    libexec.mkdir(mode=0o755)
    (libexec / "mod_sour.py").write_text(
        "from contextlib import contextmanager\n"
        "from ftpd.api import Module\n"
        "module = Module('mod_sour', version='1')\n\n"
        "@module.resource\n@contextmanager\ndef database():\n    raise OSError('the database is down')\n    yield\n"
    )
    (libexec / "mod_sour.py").chmod(0o644)
    return f"ModulePath {libexec}\nLoadModule mod_sour.c\n"


def test_a_module_that_cannot_begin_its_work_leaves_the_old_configuration_in_force(
    daemon: Watched, tmp_path: Path
) -> None:
    daemon.hang_up(sour(tmp_path) + daemon.conf, then=KEPT)
    assert "mod_sour could not begin its work: OSError: the database is down" in daemon.log()
    daemon.assert_well()


BRITTLE = """\
from ftpd.api import SERVER, Module
module = Module("mod_brittle", version="1")

def parse(words):
    return {parse}

def act(reading, value):
    {act}

module.directive("Brittle", parse, default=None, contexts=SERVER, act=act)

@module.check
def look(config):
    {check}
"""


def brittle(folder: Path, hook: str, error: str) -> str:
    """The lines that load a module which raises ``error`` at that hook."""
    hooks = {"parse": "words", "act": "pass", "check": "pass"}
    raising = f"(_ for _ in ()).throw({error})"
    libexec = folder / "libexec"
    libexec.mkdir(mode=0o755)
    (libexec / "mod_brittle.py").write_text(BRITTLE.format(**{**hooks, hook: raising}))
    (libexec / "mod_brittle.py").chmod(0o644)
    return f"Umask 9x\nModulePath {libexec}\nLoadModule mod_brittle.c\nBrittle x\n"


def test_a_module_that_fails_while_it_reads_ends_no_daemon(daemon: Watched, tmp_path: Path) -> None:
    good, said = daemon.conf, {"parse": "cannot read this", "act": "cannot act on this", "check": "cannot check"}
    for hook, error in product(said, ("RuntimeError('a fault')", "SystemExit(3)", "KeyboardInterrupt()")):
        name = error.partition("(")[0]
        folder = tmp_path / hook / name
        folder.mkdir(parents=True)
        told = len(daemon.log())
        daemon.hang_up(brittle(folder, hook, error).replace("Umask 9x\n", "") + good, then=KEPT)
        new = daemon.log()[told:]
        assert f"mod_brittle {said[hook]}" in new.replace("mod_brittle: ", "mod_brittle "), (hook, error)
        assert name in new, (hook, error)
    daemon.assert_well()


@pytest.mark.parametrize(("hook", "faults"), [("parse", 2), ("act", 2), ("check", 1)])
def test_a_module_that_fails_while_it_reads_is_told_as_a_fault_beside_the_others(
    site: Site, tmp_path: Path, hook: str, faults: int
) -> None:
    site.conf(brittle(tmp_path, hook, "RuntimeError('a fault')"))
    said = site.command("-t")
    assert said.status == 1
    assert "Umask: '9x' is not a valid umask" in said.err
    assert "Traceback" not in said.err
    # a check need not be ready for a configuration that is known to be faulty
    assert said.err.count("RuntimeError: a fault") == faults - 1


def test_a_check_that_fails_is_told_with_its_place(site: Site, tmp_path: Path) -> None:
    site.conf(brittle(tmp_path, "check", "RuntimeError('a fault')").replace("Umask 9x\n", ""))
    said = site.command("-t")
    assert said.status == 1
    assert "mod_brittle: cannot check the configuration: RuntimeError: a fault (" in said.err
    assert f"{tmp_path}/libexec/mod_brittle.py:" in said.err
    assert "Traceback" not in said.err


def test_at_a_start_there_is_nothing_to_fall_back_on(site: Site, tmp_path: Path) -> None:
    site.conf(sour(tmp_path))
    said = site.command()
    assert said.status == 1
    assert said.err.endswith("fatal: mod_sour could not begin its work: OSError: the database is down\n")
    assert not site.pid_file.exists()
    assert not site.serves()


def test_twenty_reloads_leave_nothing_behind(daemon: Watched, tmp_path: Path) -> None:
    libexec = tmp_path / "libexec"
    libexec.mkdir(mode=0o755)
    (libexec / "mod_hello.py").write_text(HELLO.format(version="1"))
    (libexec / "mod_hello.py").chmod(0o644)
    daemon.hang_up(f"ModulePath {libexec}\nLoadModule mod_hello.c\n{daemon.conf}")
    process = Path(f"/proc/{daemon.pid}")

    def descriptors() -> int:
        return len(os.listdir(process / "fd"))

    def threads() -> int:
        return len(os.listdir(process / "task"))

    with daemon.login() as ftp:
        ftp.nlst()
        daemon.hang_up()
        before, threads_before = descriptors(), threads()
        for _ in range(20):
            daemon.hang_up()
        # a worker of before may be on its way out still
        until("no descriptor is left", lambda: descriptors() <= before)
        # asyncio's pool may grow by a few where the machine is busy, and keeps those
        until("no thread is left", lambda: threads() < threads_before + 10)
        assert ftp.nlst() == []
    assert (process / "maps").read_text().count("mod_hello") == 0
    daemon.assert_well()


def test_a_storm_of_hangups_ends_with_the_last_configuration(daemon: Watched) -> None:
    good = daemon.conf
    for number in range(30):
        daemon.conf = f'ServerIdent on "number {number}"\n' + good
        os.kill(daemon.pid, signal.SIGHUP)
    until("the last one is in force", lambda: greeting(daemon) == "220 number 29")
    daemon.assert_well()


def test_the_log_is_opened_again_for_logrotate(site: Site) -> None:
    site.command()
    rotated = site.log.rename(site.base / "log.1")
    os.kill(site.pid, signal.SIGHUP)
    until("a new log tells of the new configuration", lambda: "is in force" in site.logged())
    assert "STARTUP" in rotated.read_text()
    assert "received SIGHUP" in rotated.read_text() + site.logged(), "no line is lost on the way"
    assert site.serves()
    site.stop_daemon()
    assert "SHUTDOWN" in site.logged()


def test_a_log_that_cannot_be_opened_again_goes_on_where_it_was(site: Site) -> None:
    site.command()
    site.log.rename(site.base / "log.1")
    site.log.mkdir()
    os.kill(site.pid, signal.SIGHUP)
    until("the old log tells of it", lambda: "the file from before goes on" in (site.base / "log.1").read_text())
    assert site.serves()


def test_the_pidfile_may_move(site: Site) -> None:
    site.command()
    pid = site.pid
    elsewhere = site.base / "elsewhere"
    site.conf(f"PidFile {elsewhere}\n", without=["PidFile"])
    os.kill(pid, signal.SIGHUP)
    until("it is there", elsewhere.exists)
    until("and the old one is gone", lambda: not site.pid_file.exists())
    assert elsewhere.read_text() == f"{pid}\n"
    site.pid_file = elsewhere
    site.stop_daemon()
    assert not elsewhere.exists()
