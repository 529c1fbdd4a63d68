"""Confinement: no path, link or race leads out of the session's root, with openat2 and without it."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ftpd.core.identity import privileged
from ftpd.fs import jail, kernel
from ftpd.fs.jail import Opener
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Path
from tests.unit.fs_ground import ANNA, OWN, Ground, as_root, both_ways, files_at, ground, read, v, write


@pytest.fixture
def here() -> Iterator[Ground]:
    with ground() as made:
        yield made
        assert made.outside_is_untouched()


@both_ways
def test_links_inside_the_root_are_followed(here: Ground, opener: Opener) -> None:
    (here.root / "a/b").mkdir(parents=True)
    (here.root / "a/b/file").write_text("found")
    for name, target in (
        ("relative", "a/b"),
        ("absolute", "/a/b"),
        ("twice", "relative"),
        ("dots", "a/../a/./b/"),
        ("a/up", "../a/b"),
        ("above", "../../../a/b"),
    ):
        os.symlink(target, here.root / name)
        assert read(here.files(opener), f"/{name}/file") == "found"
    os.symlink("/a/b/file", here.root / "last")
    assert read(here.files(opener), "/last") == "found"


@both_ways
def test_a_link_to_the_root_is_the_sessions_root(here: Ground, opener: Opener) -> None:
    os.symlink("/", here.root / "slash")
    os.symlink("../../..", here.root / "dots")
    files = here.files(opener)
    inode = here.root.stat().st_ino
    assert files.stat(v("/slash")).st_ino == files.stat(v("/dots")).st_ino == files.stat(v("/")).st_ino == inode
    with files.open_folder(v("/slash/dots/slash")) as folder:
        assert sorted(folder.names()) == ["dots", "slash"]


TOUCHING: dict[str, Callable[[LocalFiles, Path], object]] = {
    "stat": lambda files, path: files.stat(path),
    "open_read": lambda files, path: os.close(files.open_read(path)),
    "append": lambda files, path: os.close(files.open_write(path, append=True)),
    "truncate": lambda files, path: os.close(files.open_write(path, truncate=True)),
    "open_folder": lambda files, path: files.open_folder(path).names(),
    "chmod": lambda files, path: files.chmod(path, 0o600),
    "chown": lambda files, path: files.chown(path, OWN.uid, OWN.gid),
    "utime": lambda files, path: files.utime(path, 1.0),
    "unlink": lambda files, path: files.unlink(path),
    "rmdir": lambda files, path: files.rmdir(path),
    "mkdir": lambda files, path: files.mkdir(path.child("made")),
    "symlink": lambda files, path: files.symlink("x", path.child("made")),
    "rename from": lambda files, path: files.rename(path, v("/stolen")),
    "rename to": lambda files, path: files.rename(v("/mine"), path),
}


@both_ways
@pytest.mark.parametrize("what", sorted(TOUCHING))
def test_s50_nothing_reaches_through_a_link_that_leads_out(here: Ground, opener: Opener, what: str) -> None:
    os.symlink(here.outside, here.root / "out")
    os.symlink("../outside", here.root / "up")
    (here.root / "mine").write_text("mine")
    for way in ("/out/canary", "/up/canary"):
        with pytest.raises(FileNotFoundError):
            TOUCHING[what](here.files(opener), v(way))


@both_ways
def test_s50_a_link_that_leads_out_can_itself_be_listed_renamed_and_removed(here: Ground, opener: Opener) -> None:
    os.symlink(here.canary, here.root / "out")
    files = here.files(opener)
    assert files.readlink(v("/out")) == str(here.canary)
    assert files.lstat(v("/out")).st_ino == (here.root / "out").lstat().st_ino
    with pytest.raises(FileNotFoundError):
        files.stat(v("/out"))
    files.rename(v("/out"), v("/moved"))
    files.unlink(v("/moved"))
    assert os.listdir(here.root) == []


@both_ways
def test_an_upload_to_a_link_that_leads_out_lands_inside_or_nowhere(here: Ground, opener: Opener) -> None:
    os.symlink("../new", here.root / "up")
    os.symlink(str(here.outside / "new"), here.root / "out")
    write(here.files(opener), "/up")
    assert (here.root / "new").read_text() == "new"
    with pytest.raises(FileNotFoundError):
        write(here.files(opener), "/out")


@both_ways
def test_dots_that_reach_the_floor_in_spite_of_the_gate_stay_inside(here: Ground, opener: Opener) -> None:
    files = here.files(opener)
    (here.root / "sub").mkdir()
    with pytest.raises(FileNotFoundError):
        read(files, "/../outside/canary")
    for change in (files.unlink, files.rmdir, files.mkdir):
        with pytest.raises(OSError):
            change(v("/sub/.."))
        with pytest.raises(OSError):
            change(v("/"))
    with files.open_folder(v("/")) as folder:
        assert folder.stat("..").st_ino == here.root.stat().st_ino
        assert folder.lstat("..").st_ino == here.root.stat().st_ino
        for name in ("../outside/canary", "/etc/passwd", ""):
            with pytest.raises(OSError, match="slash"):
                folder.lstat(name)
            with pytest.raises(OSError, match="slash"):
                folder.readlink(name)
            assert list(folder.lstat_many([name])) == [(name, None)]
    with files.open_folder(v("/sub")) as folder:
        assert folder.stat("..").st_ino == here.root.stat().st_ino
        assert folder.stat(".").st_ino == (here.root / "sub").stat().st_ino


@both_ways
def test_links_in_a_circle_end_as_an_error(here: Ground, opener: Opener) -> None:
    os.symlink("b", here.root / "a")
    os.symlink("a", here.root / "b")
    for name in ("/a", "/a/x"):
        with pytest.raises(OSError) as caught:
            here.files(opener).stat(v(name))
        assert caught.value.errno == errno.ELOOP


@both_ways
def test_forty_links_are_followed_and_not_one_more(here: Ground, opener: Opener) -> None:
    (here.root / "0").write_text("end")
    for number in range(1, 42):
        os.symlink(str(number - 1), here.root / str(number))
    assert read(here.files(opener), "/40") == "end"
    with pytest.raises(OSError):
        read(here.files(opener), "/41")


@both_ways
def test_a_file_in_the_middle_of_a_path_is_no_folder(here: Ground, opener: Opener) -> None:
    (here.root / "file").write_text("")
    os.symlink("file/..", here.root / "through")
    for name in ("/file/x", "/through", "/through/file"):
        with pytest.raises(NotADirectoryError):
            here.files(opener).stat(v(name))


@both_ways
def test_without_a_root_of_its_own_a_session_sees_the_machine(here: Ground, opener: Opener) -> None:
    files = files_at("/", opener)
    (here.root / "file").write_text("there")
    os.symlink(here.root / "file", here.root / "link")
    assert read(files, str(here.root / "file")) == read(files, str(here.root / "link")) == "there"
    write(files, str(here.root / "up"))
    assert (here.root / "up").read_text() == "new"
    assert files.stat(v("/")).st_ino == os.stat("/").st_ino


@both_ways
@pytest.mark.skipif(not kernel.kernel_devices(), reason="neither /proc nor /sys is mounted here")
def test_s55_the_kernels_own_files_are_neither_sent_nor_written(here: Ground, opener: Opener) -> None:
    files = files_at("/", opener)
    own = f"/proc/{os.getpid()}"
    for name in (f"{own}/environ", f"{own}/mem", f"{own}/status", "/proc/meminfo"):
        with pytest.raises(OSError):
            read(files, name)
        with pytest.raises(OSError):
            write(files, name)
    for name in (f"{own}/root/etc", f"{own}/cwd", f"{own}/fd/0", f"{own}/exe"):
        with pytest.raises(OSError):
            files.stat(v(name))


@both_ways
@pytest.mark.parametrize(
    "name", ["a\nb", "l\udce9", "x" * 255, " x ", "-rf", "~", "%d%n", "*", "\\", "\x7f\x01", "ß€😀"]
)
def test_s69_odd_names_go_there_and_back(here: Ground, opener: Opener, name: str) -> None:
    files = here.files(opener)
    files.mkdir(v(f"/{name}"))
    write(files, f"/{name}/{name}", "odd")
    assert read(files, f"/{name}/{name}") == "odd"
    with files.open_folder(v(f"/{name}")) as folder:
        assert folder.names() == [name]
        assert folder.lstat(name).st_size == 3
    assert os.listdir(os.fsencode(here.root)) == [name.encode("utf-8", "surrogateescape")]


@both_ways
@pytest.mark.parametrize(
    ("name", "code"), [("x" * 256, errno.ENAMETOOLONG), ("\ud800", errno.EILSEQ), ("a\0b", errno.EINVAL)]
)
def test_names_that_no_file_can_have_are_refused_not_shortened(
    here: Ground, opener: Opener, name: str, code: int
) -> None:
    (here.root / "a").write_text("the name before the NUL")
    for what in ("stat", "open_read", "append", "unlink", "rename to"):
        with pytest.raises(OSError) as caught:
            (here.root / "mine").write_text("")
            TOUCHING[what](here.files(opener), v(f"/{name}"))
        assert caught.value.errno == code


@both_ways
def test_a_path_of_two_hundred_levels_is_walked_and_leaves_no_descriptors(here: Ground, opener: Opener) -> None:
    files = here.files(opener)
    deep = ""
    for _ in range(200):
        deep += "/d"
        files.mkdir(v(deep))
    write(files, f"{deep}/f", "bottom")
    assert read(files, f"{deep}/f") == "bottom"


@both_ways
@pytest.mark.parametrize("kind", ["fifo", "fifo with a reader", "socket", "device", "link to a fifo"])
def test_s63_what_is_no_file_is_refused_at_once(here: Ground, opener: Opener, kind: str) -> None:
    path = here.root / "thing"
    held: list[int] = []
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(str(path))
        elif kind == "device":
            if not privileged():
                pytest.skip("only root can make a device")
            os.mknod(path, 0o666 | 0o020000, os.makedev(1, 3))
        else:
            os.mkfifo(here.root / "real" if kind.startswith("link") else path)
            if kind.startswith("link"):
                os.symlink("real", path)
            if kind.endswith("reader"):
                held.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        began = time.monotonic()
        for what in ("open_read", "append", "truncate"):
            with pytest.raises(OSError, match="Not a regular file") as caught:
                TOUCHING[what](here.files(opener), v("/thing"))
            assert caught.value.errno == errno.EINVAL
        assert time.monotonic() - began < 1
    for fd in held:
        os.close(fd)


@both_ways
def test_a_folder_is_not_opened_for_transfer(here: Ground, opener: Opener) -> None:
    (here.root / "sub").mkdir()
    for name in ("/sub", "/"):
        for what in ("open_read", "append", "truncate"):
            with pytest.raises(IsADirectoryError):
                TOUCHING[what](here.files(opener), v(name))


FLIPS = 5_000
ROUNDS = 1_000


def _flip_while(here: Ground, work: Callable[[], None]) -> None:
    """Exchange a folder and a link to the outside at the same name, over and over, while ``work`` runs."""
    (here.root / "real").mkdir()
    (here.root / "real/canary").write_text("inside")
    os.symlink(here.outside, here.root / "evil")
    os.rename(here.root / "real", here.root / "door")
    rounds = 0

    def flip() -> None:
        flips = 0
        root = os.open(here.root, os.O_RDONLY)
        try:
            while flips < FLIPS or rounds < ROUNDS:
                os.rename("door", "real", src_dir_fd=root, dst_dir_fd=root)
                os.rename("evil", "door", src_dir_fd=root, dst_dir_fd=root)
                os.rename("door", "evil", src_dir_fd=root, dst_dir_fd=root)
                os.rename("real", "door", src_dir_fd=root, dst_dir_fd=root)
                flips += 1
        finally:
            os.close(root)

    thread = threading.Thread(target=flip)
    thread.start()
    while thread.is_alive():
        work()
        rounds += 1
    thread.join()


@both_ways
@pytest.mark.parametrize("what", ["look", "change"])
def test_s51_a_folder_that_flips_to_a_link_leads_nobody_out(here: Ground, opener: Opener, what: str) -> None:
    files = here.files(opener)
    seen: set[str] = set()

    def quietly(work: Callable[[], object]) -> None:
        try:
            work()
        except OSError:
            pass

    def look() -> None:
        quietly(lambda: seen.add(read(files, "/door/canary")))
        quietly(lambda: seen.add(str(files.stat(v("/door/canary")).st_size)))
        quietly(lambda: seen.update(files.open_folder(v("/door")).names()))

    def change() -> None:
        quietly(lambda: write(files, "/door/canary", "inside"))
        quietly(lambda: write(files, "/door/upload", exclusive=True))
        quietly(lambda: files.chmod(v("/door/canary"), 0o640))
        quietly(lambda: files.utime(v("/door/canary"), 12345.0))
        quietly(lambda: files.mkdir(v("/door/made")))
        quietly(lambda: files.rmdir(v("/door/made")))
        quietly(lambda: files.rename(v("/door/upload"), v("/door/renamed")))
        quietly(lambda: files.unlink(v("/door/renamed")))

    _flip_while(here, look if what == "look" else change)
    assert seen <= {"inside", str(len("inside")), "canary"}
    assert here.outside_is_untouched()


def test_the_kernel_asking_to_try_again_is_answered_by_walking(here: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def busy(*_: object) -> int:
        nonlocal asked
        asked += 1
        raise BlockingIOError(errno.EAGAIN, "try again")

    monkeypatch.setattr(kernel, "openat2", busy)
    (here.root / "file").write_text("found")
    assert read(here.files(jail.by_kernel), "/file") == "found"
    assert asked == 3


def test_a_container_that_forbids_openat2_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(errno.EPERM, "seccomp")

    monkeypatch.setattr(kernel, "openat2", forbidden)
    assert not kernel.has_openat2()


@both_ways
def test_a_root_that_is_not_there_or_not_to_be_entered_says_so(here: Ground, opener: Opener) -> None:
    missing = files_at(str(here.root / "gone"), opener)
    with pytest.raises(FileNotFoundError):
        missing.stat(v("/"))
    if privileged():
        (here.root / "closed").mkdir(mode=0o700)
        with pytest.raises(PermissionError):
            files_at(str(here.root / "closed"), opener, ANNA).open_folder(v("/"))


# -- links that were made with the whole machine in sight --------------------------------------------------


@both_ways
def test_an_absolute_link_that_begins_with_the_roots_own_path_leads_to_where_it_means(
    here: Ground, opener: Opener
) -> None:
    (here.root / "a/b").mkdir(parents=True)
    (here.root / "a/b/file").write_text("found")
    os.symlink(here.root / "a/b/file", here.root / "file")
    os.symlink(f"{here.root}/a", here.root / "folder")
    os.symlink(here.root, here.root / "self")
    files = here.files(opener)
    for path in ("/file", "/folder/b/file", "/self/folder/b/file", "/self/file"):
        assert read(files, path) == "found"
    assert files.stat(v("/self")).st_ino == here.root.stat().st_ino
    write(files, "/folder/b/new", "made")
    assert (here.root / "a/b/new").read_text() == "made"


@both_ways
def test_a_file_is_made_where_such_a_link_leads(here: Ground, opener: Opener) -> None:
    os.symlink(here.root / "later", here.root / "link")
    write(here.files(opener), "/link", "made")
    assert (here.root / "later").read_text() == "made"


@both_ways
def test_such_a_link_is_taken_by_its_text_where_that_leads_somewhere(here: Ground, opener: Opener) -> None:
    copy = here.root / str(here.root).lstrip("/")
    copy.mkdir(parents=True)
    (copy / "file").write_text("by its text")
    (here.root / "file").write_text("from the root")
    os.symlink(here.root / "file", here.root / "link")
    assert read(here.files(opener), "/link") == "by its text"
    (copy / "file").unlink()
    assert read(here.files(opener), "/link") == "from the root"


@both_ways
def test_such_a_link_leads_to_no_neighbour_and_not_out(here: Ground, opener: Opener) -> None:
    (here.root / "a").mkdir()
    os.symlink(f"{here.root}bel/file", here.root / "neighbour")
    os.symlink(f"{here.root}/../outside/file", here.root / "out")
    os.symlink(f"{here.root}/a/loop", here.root / "a/loop")
    files = here.files(opener)
    for path in ("/neighbour", "/out"):
        with pytest.raises(FileNotFoundError):
            files.stat(v(path))
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        files.stat(v("/a/loop"))


@pytest.mark.skipif(not kernel.has_openat2(), reason="this kernel or container has no openat2")
@pytest.mark.parametrize(
    ("folder", "held"),
    [
        ("/", (["/"], True)),
        ("/a/b/c", (["/", "/a/b", "/a/b/c"], True)),
        # as far as there is something, and a file is no folder
        ("/a/b/c/none/a/b", (["/", "/a/b", "/a/b/c"], True)),
        ("/a/b/mark/x", (["/", "/a/b"], True)),
        # what lies behind a link, or back, is for others to find
        ("/a/link/c", None),
        ("/a/../a/b", None),
    ],
)
def test_the_folders_on_the_way_that_hold_a_name(
    here: Ground, folder: str, held: tuple[list[str], bool] | None
) -> None:
    os.makedirs(here.root / "a/b/c")
    for place in ("", "a/b", "a/b/c"):
        (here.root / place / "mark").write_text("")
    os.symlink("b", here.root / "a/link")
    before = len(os.listdir("/proc/self/fd"))
    assert here.files(jail.by_kernel).holding("mark", folder) == held
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    assert here.files(jail.by_walking).holding("mark", folder) is None


@as_root
@pytest.mark.skipif(not kernel.has_openat2(), reason="this kernel or container has no openat2")
def test_of_a_closed_folder_it_is_told_that_it_is_closed(here: Ground) -> None:
    os.makedirs(here.root / "a/closed/c")
    os.chmod(here.root / "a/closed", 0o700)
    (here.root / "a/mark").write_text("")
    assert here.files(jail.by_kernel, ANNA).holding("mark", "/a/closed/c") == (["/a", "/a/closed"], False)
