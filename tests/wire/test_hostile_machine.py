"""What a client may do to the machine around its files: owners, roots, /proc, other disks, times and links."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from tests.wire.daemon import HASH, Daemon, until
from tests.wire.hostile import Raw, alive, as_root

pytestmark = [as_root, pytest.mark.usefixtures("ends_alive")]
LIBEXEC = Path(__file__).parents[2] / "libexec"
UMA, WEB = 61021, 61025
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """uma sees her home alone, wide all of the machine; what uma puts into given/ becomes web's."""
    folder = tmp_path_factory.mktemp("daemon")
    users = folder.with_name(f"{folder.name}-users")
    home = folder / "home"
    daemon = Daemon(
        folder,
        f"""\
AuthUserFile {users}
ModulePath {LIBEXEC}
LoadModule mod_copy.c
LoadModule mod_site_misc.c
AllowOverwrite on
DefaultRoot ~ !wide
AuthGroupFile {users}-groups
AllowChrootSymlinks off
<Directory {home}/given>
  UserOwner web
</Directory>
<Directory {home}/closed>
  <Limit ALL>
    DenyAll
  </Limit>
</Directory>
""",
    )
    link, under = folder / "link", folder / "real"
    rows = {
        "uma": (UMA, home), "wide": (UMA, home), "web": (WEB, Path("/")),
        "linked": (UMA, link), "under": (UMA, folder / "way" / "home"),
    }  # fmt: skip
    users.write_text("".join(f"{name}:{HASH}:{uid}:{UMA}::{at}:/bin/sh\n" for name, (uid, at) in rows.items()))
    Path(f"{users}-groups").write_text(f"uma:x:{UMA}:\nwide:x:{UMA + 1}:wide\n")
    for path in (users, Path(f"{users}-groups")):
        path.chmod(0o600)
    (under / "home").mkdir(parents=True)
    link.symlink_to(home)
    (folder / "way").symlink_to(under)
    for path in (home, home / "given", home / "closed", under / "home"):
        path.mkdir(exist_ok=True)
        os.chown(path, UMA, UMA)
    (home / "closed" / "secret").write_bytes(b"secret")
    daemon.user = "uma"
    with daemon:
        yield daemon


@pytest.fixture
def victim(server: Daemon) -> Iterator[Path]:
    """A file of root's beside the home, which nobody may get at."""
    path = server.home.parent / "victim"
    path.write_bytes(b"root's own\n")
    path.chmod(0o600)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    yield path
    known = path.stat()
    assert (known.st_uid, known.st_gid, stat.S_IMODE(known.st_mode), known.st_mtime) == (0, 0, 0o600, 1_000_000_000)
    assert path.read_bytes() == b"root's own\n"


# -- S52: giving away ---------------------------------------------------------------------------------


@contextmanager
def replacing(folder: Path, victim: Path) -> Iterator[list[int]]:
    """Somebody with a shell puts a link in the place of whatever appears in the folder, as fast as can be."""
    over, count = Event(), [0]

    def replace() -> None:
        aside = folder.parent / "aside-link"
        while not over.is_set():
            for name in os.listdir(folder):
                with suppress(OSError):
                    if not aside.is_symlink():
                        aside.symlink_to(victim)
                    if (folder / name).is_dir():
                        (folder / name).rmdir()
                    os.replace(aside, folder / name)
                    count[0] += 1
                with suppress(OSError):
                    (folder / name).unlink()

    thread = Thread(target=replace)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def test_what_takes_the_place_of_a_new_file_is_not_given_away(server: Daemon, victim: Path) -> None:
    folder, ends = server.home / "given", monotonic() + 2.5
    with Raw(server) as client, replacing(folder, victim) as count:
        client.login()
        while monotonic() < ends:
            client.transfer("STOR given/file", b"x")
            client.codes("MKD given/folder", "SITE MKDIR given/more", "SITE CPFR closed", "SITE CPTO given/copy")
            client.codes("SITE CHMOD 666 given/file", "SITE CHGRP 61021 given/file", "MFMT 20200101000000 given/file")
    assert count[0] > 20, "too little happened to tell"


# -- S53: roots behind links --------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["linked", "under"])
def test_no_root_is_reached_through_a_link(server: Daemon, user: str) -> None:
    with Raw(server) as client:
        client.ask(f"USER {user}")
        assert client.ask("PASS secret")[0] in "45"
        assert client.rest() == ""


def test_a_root_without_a_link_is_entered(server: Daemon) -> None:
    with Raw(server) as client:
        assert client.login().ask("PWD").startswith('257 "/"')


# -- S55: /proc and /sys ------------------------------------------------------------------------------


def test_what_proc_shows_of_the_daemon_is_for_nobody(server: Daemon) -> None:
    with Raw(server) as client:
        client.login("wide", "secret")
        for path in ("environ", "mem", "maps", "cmdline", "fd/0", "fd/1", "exe", "root", "cwd", "task", "ns/net"):
            assert client.transfer(f"RETR /proc/self/{path}")[0].startswith("550"), path
        for path in ("/proc/version", "/sys/kernel/notes", "/proc/sys/kernel/hostname"):
            assert client.transfer(f"RETR {path}")[0].startswith("550"), path
            assert client.transfer(f"STOR {path}", b"x")[0].startswith("550"), path
        for place in ("/proc/self/fd", "/proc/self/map_files", "/proc/self/fd/", "/proc/self/task/../fd"):
            for verb in ("LIST", "NLST", "MLSD"):
                answer, listing = client.transfer(f"{verb} {place}")
                assert b"->" not in listing and not any(name.isdigit() for name in listing.split()), (verb, place)
                assert client.ask("NOOP").startswith("200"), answer


def test_no_door_of_proc_leads_past_a_section(server: Daemon) -> None:
    closed = f"{server.home}/closed"
    with Raw(server) as client:
        client.login("wide", "secret")
        for way in ("/proc/self/root", "/proc/self/task/../root", "/proc/thread-self/root", "/proc/1/root"):
            for line in (f"RETR {way}{closed}/secret", f"STOR {way}{closed}/new", f"NLST {way}{closed}"):
                answer, came = client.transfer(line, b"x" if line.startswith("STOR") else None)
                assert answer[0] in "45" or came == b"", line
            for line in ("RNFR", "DELE", "SIZE", "MLST", "MDTM", "SITE CPFR", "SITE CHMOD 777"):
                assert client.ask(f"{line} {way}{closed}/secret").startswith("5"), line
            assert client.ask(f"CWD {way}{closed}").startswith("550")
    assert [path.name for path in (server.home / "closed").iterdir()] == ["secret"]


# -- S56: to another disk -----------------------------------------------------------------------------


@contextmanager
def disk(server: Daemon, size: str = "1m") -> Iterator[Path]:
    place = server.home / "disk"
    place.mkdir()
    options = f"size={size},mode=755,uid={UMA},gid={UMA}"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "disk", str(place)], check=False).returncode:
        place.rmdir()
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


def mine(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.chown(path, UMA, UMA)
    return path


def test_a_rename_to_another_disk_is_whole_or_not_at_all(server: Daemon, victim: Path) -> None:
    content = os.urandom(MEGABYTE // 2)
    with disk(server) as there, Raw(server) as client:
        client.login()
        source = mine(server.home / "source", content)
        assert client.codes("RNFR source", "RNTO disk/target") == [350, 250]
        assert (there / "target").read_bytes() == content and not source.exists()
        # the disk is too small for what comes now: both sides stay as they are
        source = mine(server.home / "source", content * 2)
        kept = mine(there / "kept", b"kept")
        assert client.ask("RNFR source").startswith("350")
        assert client.ask("RNTO disk/kept") == "550 Rename disk/kept: No space left on device"
        assert source.read_bytes() == content * 2 and kept.read_bytes() == b"kept"
        assert sorted(path.name for path in there.iterdir()) == ["kept", "target"]
        # links are moved as links, and none is written through
        (server.home / "out").symlink_to(victim)
        (there / "trap").symlink_to(victim)
        assert client.codes("RNFR out", "RNTO disk/out") == [350, 250]
        assert os.readlink(there / "out") == str(victim) and not (server.home / "out").is_symlink()
        small = mine(server.home / "small", b"small")
        assert client.codes("RNFR small", "RNTO disk/trap") == [350, 250]
        assert (there / "trap").read_bytes() == b"small" and not (there / "trap").is_symlink() and not small.exists()
        source.unlink()


def test_who_vanishes_within_a_rename_loses_nothing(server: Daemon) -> None:
    content = os.urandom(MEGABYTE) * 48
    with disk(server, "64m") as there:
        for wait in (0.0, 0.002, 0.01, 0.03):
            source = mine(server.home / "source", content)
            client = Raw(server).login()
            client.send(b"RNFR source\r\nRNTO disk/target\r\n")
            client.reply()
            Event().wait(wait)
            client.reset()
            alive(server)

            def is_one(there: Path = there, source: Path = source) -> bool:
                names = [path.name for path in there.iterdir()]
                return names in ([], ["target"]) and source.exists() != bool(names)

            until("nothing of a part of the copy is left, and the file is there once", is_one)
            left = list(there.iterdir())
            whole = there / "target" if left else source
            assert whole.read_bytes() == content
            (there / "target").unlink(missing_ok=True)
            source.unlink(missing_ok=True)


# -- S62: times ---------------------------------------------------------------------------------------


def test_the_times_of_what_is_anothers_are_anothers(server: Daemon) -> None:
    foreign = server.home / "foreign"
    foreign.write_bytes(b"root's")
    foreign.chmod(0o666)
    os.utime(foreign, (1_000_000_000, 1_000_000_000))
    own = mine(server.home / "own", b"uma's")
    with Raw(server) as client:
        client.login()
        for line in (
            "MFMT 20200101000000 foreign", "MFF modify=20200101000000; foreign", "SITE UTIME 20200101000000 foreign",
            "SITE UTIME foreign 20200101000000 20200101000000 20200101000000 UTC",
        ):  # fmt: skip
            assert client.ask(line)[:3] in ("550", "501"), line
        for time in (
            "00000101000000", "18990101000000", "99990101000000", "20201301000000", "20200001000000", "20200132000000",
            "20200101250000", "20200101006100", "2020", "x", "2020010100000²",
        ):  # fmt: skip
            for line in (f"MFMT {time} own", f"MFF modify={time}; own"):
                assert client.ask(line)[:3] in ("550", "501"), line
        # what no calendar has rolls over, as in ProFTPD
        assert client.ask("MFMT 20200230000000 own") == "213 Modify=20200230000000; own"
        assert own.stat().st_mtime == 1583020800  # 1 March
        assert client.ask("MFMT 20390101000000 own") == "213 Modify=20390101000000; own"
        assert own.stat().st_mtime == 2177452800
        assert client.ask("MFMT 20200101000000 given") == "213 Modify=20200101000000; given"
    assert foreign.stat().st_mtime == 1_000_000_000


# -- S75: uploads through links -----------------------------------------------------------------------


def test_an_upload_goes_through_a_link_to_a_file_inside_and_no_other(server: Daemon, victim: Path) -> None:
    mine(server.home / "inside", b"before")
    links = {
        "to-inside": "inside",
        "to-nothing": "nothing",
        "out": "../victim",
        "far": str(victim),
        "to-given": "given",
    }
    for name, target in links.items():
        (server.home / name).unlink(missing_ok=True)
        (server.home / name).symlink_to(target)
    with Raw(server) as client:
        client.login()
        assert client.transfer("STOR to-inside", b"after")[0].startswith("226")
        assert (server.home / "inside").read_bytes() == b"after" and (server.home / "to-inside").is_symlink()
        for name in ("to-nothing", "out", "far", "to-given"):
            for verb in ("STOR", "APPE"):
                assert client.transfer(f"{verb} {name}", b"x")[0].startswith("550"), (verb, name)
    assert not (server.home / "nothing").exists()
    for name in links:
        (server.home / name).unlink()
