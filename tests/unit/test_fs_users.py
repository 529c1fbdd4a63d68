"""A session's files: many users at a time, each as itself, and where each one's root is entered."""

from __future__ import annotations

import gc
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftpd import native
from ftpd.core.identity import ROOT, Identity
from ftpd.fs import kernel
from ftpd.fs.jail import Opener
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Path
from ftpd.module.links import resolved
from tests.unit.fs_ground import ANNA, OWN, Ground, as_root, both_ways, ground, read, v, write


@pytest.fixture
def here() -> Iterator[Ground]:
    with ground() as made:
        yield made


# -- users -------------------------------------------------------------------------------------------


@as_root
@both_ways
def test_s72_a_hundred_sessions_interleave_and_each_works_as_itself(here: Ground, opener: Opener) -> None:
    here.root.chmod(0o1777)

    def session(number: int) -> None:
        who = Identity(5000 + number % 10, 6000 + number % 10, (6000 + number % 10,))
        files = here.files(opener, who, umask=0o22 if number % 2 else 0o77)
        files.mkdir(v(f"/{number}"))
        for turn in range(10):
            write(files, f"/{number}/{turn}")
            files.rename(v(f"/{number}/{turn}"), v(f"/{number}/{turn}r"), replace=False)
            if turn % 2:
                files.unlink(v(f"/{number}/{turn}r"))
            else:
                known = os.stat(here.root / f"{number}/{turn}r")
                assert (known.st_uid, known.st_gid) == (who.uid, who.gid)
                assert stat.S_IMODE(known.st_mode) == (0o644 if number % 2 else 0o600)
            other = f"/{(number + 1) % 100}"
            with pytest.raises(OSError):
                files.rmdir(v(other))
        files.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(session, range(100)))
    assert sum(len(os.listdir(here.root / str(number))) for number in range(100)) == 500


@as_root
def test_a_user_gets_no_further_than_the_user_may(here: Ground) -> None:
    (here.root / "secret").touch(mode=0o600)
    (here.root / "closed").mkdir(mode=0o700)
    files = here.files(identity=ANNA)
    for attempt in (
        lambda: read(files, "/secret"),
        lambda: write(files, "/secret"),
        lambda: write(files, "/new"),
        lambda: files.open_folder(v("/closed")),
        lambda: files.stat(v("/closed/x")),
        lambda: files.mkdir(v("/d")),
        lambda: files.unlink(v("/secret")),
        lambda: files.symlink("x", v("/l")),
        lambda: files.rename(v("/secret"), v("/mine")),
    ):
        with pytest.raises(PermissionError):
            attempt()
    assert sorted(os.listdir(here.root)) == ["closed", "secret"]


def test_what_is_made_is_told_with_its_open_inode_and_never_by_name(here: Ground) -> None:
    files = here.files()
    seen = []

    def made(path: Path, handle: int | str) -> None:
        # whatever the name means by now, the handle is what was made
        os.rename(here.root / path.name, here.root / f"{path.name}.away")
        os.symlink(here.canary, here.root / path.name)
        os.chmod(handle, 0o700)
        seen.append((path.virtual, os.stat(handle).st_ino == os.stat(here.root / f"{path.name}.away").st_ino))

    before = here.canary.stat().st_mode
    files.made = made
    files.mkdir(Path("/folder"))
    os.close(files.open_write(Path("/file")))
    assert seen == [("/folder", True), ("/file", True)]
    assert here.canary.stat().st_mode == before
    files.close()


def test_a_fault_in_who_is_told_leaves_no_descriptor_open(here: Ground) -> None:
    files = here.files()

    def made(path: Path, handle: int | str) -> None:
        raise ValueError(path.virtual)

    files.made = made
    # the ground counts the descriptors when the test is over
    with pytest.raises(ValueError, match="/file"):
        files.open_write(Path("/file"))
    with pytest.raises(ValueError, match="/folder"):
        files.mkdir(Path("/folder"))
    files.close()


def test_a_way_that_leads_nowhere_holds_no_descriptor_after_the_session(here: Ground) -> None:
    files = here.files()
    os.close(files.open_write(Path("/there")))
    files.close()
    files = here.files()
    gc.disable()  # what only the collector frees is there for as long as it has nothing else to do
    try:
        before = len(os.listdir("/proc/self/fd"))
        assert resolved(files, "/there", "/") == "/there"
        assert resolved(files, "/new", "/", to_be_made=True) == "/new"
        with pytest.raises(FileNotFoundError):
            resolved(files, "/new/deeper", "/", to_be_made=True)
        files.close()
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()


def test_sessions_in_one_folder_share_its_descriptor_and_the_last_one_takes_it_away(here: Ground) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    sessions = [here.files() for _ in range(20)]
    for files in sessions:
        files.stat(v("/"))
    assert descriptors() == before + 1
    for files in sessions[1:]:
        files.close()
    assert stat.S_ISDIR(sessions[0].stat(v("/")).st_mode)
    sessions[0].close()
    gc.collect()
    assert descriptors() == before


def test_a_folder_put_in_the_place_of_another_is_not_taken_for_it(here: Ground) -> None:
    (here.root / "home").mkdir()
    old = LocalFiles(OWN, str(here.root / "home"), 0)
    old.stat(v("/"))
    (here.root / "home").rename(here.root / "before")
    (here.root / "home").mkdir()
    (here.root / "home/new").touch()
    new = LocalFiles(OWN, str(here.root / "home"), 0)
    assert stat.S_ISREG(new.stat(v("/new")).st_mode)
    with pytest.raises(FileNotFoundError):
        old.stat(v("/new"))
    old.close()
    new.close()


# -- entering a root ---------------------------------------------------------------------------------


Enter = Callable[[Identity, bytes, int], tuple[int, kernel.Place | None, bool | None]]
_compiled = pytest.mark.skipif(native.calls is None, reason="not compiled here")
ways_in = pytest.mark.parametrize(
    "enter",
    [
        pytest.param(kernel.enter_by_calls, id="python"),
        pytest.param(kernel.enter_compiled, marks=_compiled, id="compiled"),
    ],
)
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@ways_in
@as_root
@pytest.mark.parametrize(("mode", "searchable"), [(0o755, True), (0o711, True), (0o744, False), (0o700, False)])
def test_a_root_is_entered_as_its_user(here: Ground, enter: Enter, mode: int, searchable: bool) -> None:
    home = here.root / "home"
    home.mkdir()
    home.chmod(mode)
    fd, _, found = enter(ANNA, os.fsencode(home), _FOLDER)
    os.close(fd)
    assert found is searchable
    (home / "inner").mkdir()
    if searchable:
        os.close(enter(ANNA, os.fsencode(home / "inner"), _FOLDER)[0])
    else:
        with pytest.raises(PermissionError):
            enter(ANNA, os.fsencode(home / "inner"), _FOLDER)
    # and nobody is left who the user was
    os.close(enter(ROOT, os.fsencode(home / "inner"), _FOLDER)[0])


@ways_in
def test_what_is_no_folder_is_not_entered(here: Ground, enter: Enter) -> None:
    (here.root / "file").touch()
    with pytest.raises(NotADirectoryError):
        enter(OWN, os.fsencode(here.root / "file"), _FOLDER)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        enter(OWN, os.fsencode(here.root / "nowhere"), _FOLDER)


@ways_in
@as_root
def test_one_folder_entered_by_two_mounts_is_two(here: Ground, enter: Enter) -> None:
    for name in ("real", "mounted"):
        (here.root / name).mkdir()
    if subprocess.run(["mount", "--bind", here.root / "real", here.root / "mounted"], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        entered = [enter(OWN, os.fsencode(here.root / name), _FOLDER) for name in ("real", "mounted", "real")]
        for fd, _, _ in entered:
            os.close(fd)
        real, mounted, again = (place for _, place, _ in entered)
        assert real is not None and real == again != mounted
    finally:
        subprocess.run(["umount", here.root / "mounted"], check=True)


@as_root
def test_one_folder_mounted_twice_is_two(here: Ground) -> None:
    for name in ("real", "mounted"):
        (here.root / name).mkdir()
    if subprocess.run(["mount", "--bind", here.root / "real", here.root / "mounted"], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        fds = [os.open(here.root / name, os.O_PATH) for name in ("real", "mounted")]
        places = [kernel.place_of(fd) for fd in fds]
        for fd in fds:
            os.close(fd)
        assert places[0] is not None and places[1] is not None
        assert places[0][:3] == places[1][:3] and places[0] != places[1]
    finally:
        subprocess.run(["umount", here.root / "mounted"], check=True)
