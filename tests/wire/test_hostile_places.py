"""Files that the daemon reads and writes where others can put things: it trusts none of them (S99, S101)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire.command import Site
from tests.wire.daemon import BINARY, HASH, PATIENCE, Daemon, until
from tests.wire.hostile import Raw, as_root

pytestmark = as_root
PRECIOUS = b"precious\n"


# -- S99: what is read -------------------------------------------------------------------------------------------------


def test_a_configuration_that_others_can_write_is_warned_of_as_by_proftpd(site: Site, tmp_path: Path) -> None:
    part, folder = tmp_path / "part.conf", tmp_path / "parts"
    folder.mkdir()
    for path in (part, folder / "one.conf"):
        path.write_text("Umask 027\n")
        path.chmod(0o666)
    site.conf(f"Include {part}\n<Global>\nInclude {folder}/*.conf\n</Global>\n")
    site.path.chmod(0o666)
    said = site.command("-t")
    assert said.status == 0, said
    for path in (site.path, part, folder / "one.conf"):
        assert f"warning: {path}: is world-writable" in said.err, said


ACCOUNTS = ["others may write", "others may read", "in a folder that others may write", "behind a link to such"]


def accounts(folder: Path, which: str, how: str) -> Path:
    """A file of accounts or of groups that others can get at."""
    folder.mkdir(mode=0o755)
    file = folder / "file"
    file.write_text(f"eve:{HASH}:0:0::/:/bin/sh\n" if which == "AuthUserFile" else "root:x:0:eve\n")
    file.chmod({"others may write": 0o666, "others may read": 0o644}.get(how, 0o600))
    if "folder" in how:
        folder.chmod(0o777)
    if "link" in how:
        file.chmod(0o666)
        file = folder.with_name(f"{folder.name}-link")
        file.symlink_to(folder / "file")
    return file


def test_account_files_that_others_can_get_at_are_refused(site: Site, tmp_path: Path) -> None:
    lines = {
        (which, how): f"{which} {accounts(tmp_path / f'{which}-{number}', which, how)}"
        for which in ("AuthUserFile", "AuthGroupFile")
        for number, how in enumerate(ACCOUNTS)
    }
    servers = [f"<VirtualHost 127.0.0.{n}>\n{line}\n</VirtualHost>\n" for n, line in enumerate(lines.values(), 2)]
    site.conf("".join(servers))
    said = site.command("-t")
    assert said.status == 1, said
    assert "Traceback" not in said.err, said
    for (which, how), line in lines.items():
        # names of groups are no secret
        harmless = (which, how) == ("AuthGroupFile", "others may read")
        assert (line in said.err) != harmless, (line, said)
    assert site.command("-n").status == 1
    assert not site.serves()
    site.conf(lines["AuthGroupFile", "others may read"])
    assert site.command("-t").status == 0


# -- S101: what is written ---------------------------------------------------------------------------------------------


Plant = Callable[[Path, Path], None]


def link(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def hard_link(place: Path, victim: Path) -> None:
    place.hardlink_to(victim)


def dangling(place: Path, victim: Path) -> None:
    place.symlink_to(victim.with_name("made"))


def fifo(place: Path, victim: Path) -> None:
    os.mkfifo(place)


def folder_of_others(place: Path, victim: Path) -> None:
    place.parent.chmod(0o777)


LOGS = {
    "SystemLog": "",
    "ServerLog": "",
    "TransferLog": "",
    "ExtendedLog": "ALL",
    "DelayTable": "",
}
FOR_DAEMONS = ("SystemLog", "ServerLog")
"""In the foreground all is said at the terminal: test_daemon_start.py has these behind one's back, and TraceLog."""
PLANTS = [link, hard_link, dangling, fifo, folder_of_others]
REASONS = (
    "symbolic link",
    "hard link",
    "several names",
    "world-writable",
    "writable by",
    "FIFO",
    "regular file",
    "exists",
)


def planted(base: Path, directive: str, plant: Plant) -> tuple[Path, Path]:
    """Where the directive writes to, and what is precious to somebody there."""
    place, victim = base / directive / "file", base / f"victim-{directive}"
    place.parent.mkdir(mode=0o755)
    victim.write_bytes(PRECIOUS)
    victim.chmod(0o600)
    plant(place, victim)
    return place, victim


def assert_untouched(victim: Path) -> None:
    known = victim.stat()
    assert (victim.read_bytes(), known.st_mode & 0o777, known.st_uid) == (PRECIOUS, 0o600, 0), victim
    assert not victim.with_name("made").exists(), "something was made at the other end of the link"


def replace(server: Daemon, directive: str, line: str) -> None:
    """Have this line in the place of the one that the daemon of the tests has."""
    kept = [old for old in server._conf.read_text().splitlines() if not old.startswith(f"{directive} ")]
    server._conf.write_text("\n".join([line, *kept]) + "\n")


@pytest.mark.parametrize("plant", PLANTS)
def test_no_log_is_written_through_what_somebody_has_put_there(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, plant: Plant
) -> None:
    server = Daemon(tmp_path_factory.mktemp("daemon"))
    server.give("a.txt", b"a")
    places = {directive: planted(tmp_path, directive, plant) for directive in LOGS}
    for directive, more in LOGS.items():
        replace(server, directive, f"{directive} {places[directive][0]} {more}")
    server.start()
    try:
        with Raw(server) as client:
            client.login()
            assert client.transfer("RETR a.txt") == ("226 Transfer complete", b"a")
            client.ask("DELE a.txt")
    finally:
        server.stop()
    for directive, (place, victim) in places.items():
        assert_untouched(victim)
        if directive not in FOR_DAEMONS and (directive != "DelayTable" or plant not in (hard_link, dangling)):
            assert f"{place}" in server.log(), f"nobody was told what is wrong with {directive}: {server.log()}"
        if plant is folder_of_others:
            assert not place.exists(), directive
    assert any(reason in server.log() for reason in REASONS), server.log()


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("directive", ["PidFile", "ScoreboardFile", "ControlsSocket"])
def test_no_file_of_the_process_is_written_through_what_somebody_has_put_there(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, directive: str, plant: Plant
) -> None:
    server = Daemon(tmp_path_factory.mktemp("daemon"))
    place, victim = planted(tmp_path, directive, plant)
    replace(server, directive, f"{directive} {place}")
    with (tmp_path / "said").open("wb") as log:
        process = subprocess.Popen(
            [BINARY, "-n", "-c", str(server._conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    server._process = process
    try:
        until("it serves or has ended", lambda: process.poll() is not None or greets(server))
    finally:
        served = process.poll() is None
        if served:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    said = (tmp_path / "said").read_text()
    assert_untouched(victim)
    assert "Traceback" not in said, said
    if not served:
        assert process.poll() == 1
        assert f"{directive} {place}" in said, said


def greets(server: Daemon) -> bool:
    try:
        return server._greets()
    except AssertionError:
        return False


def test_the_files_of_the_daemon_are_nobodys_to_change(site: Site) -> None:
    site.start("-q")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (site.pid_file, site.log, site.base / "scoreboard")}
    assert modes["pid"] == 0o644
    assert not any(mode & 0o022 for mode in modes.values()), modes
