"""A session's files: modes, renames, attributes and folders, as the user and as nobody else."""

from __future__ import annotations

import dataclasses
import errno
import gc
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftpd import native
from ftpd.core.identity import ROOT, Identity
from ftpd.fs import jail, kernel, local
from ftpd.fs.jail import Opener
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Files, Opened, Path
from ftpd.module.links import resolved
from tests.unit.fs_ground import ANNA, BERT, OWN, Ground, as_root, both_ways, ground, read, v, write


@pytest.fixture
def here() -> Iterator[Ground]:
    with ground() as made:
        yield made


def mode(here: Ground, name: str) -> int:
    return stat.S_IMODE((here.root / name).stat().st_mode)


def test_it_is_what_modules_are_promised(here: Ground) -> None:
    files: Files = here.files()
    assert (files.root, files.umask) == (str(here.root), 0o22)
    assert files.real(v("/a/b")) == f"{here.root}/a/b"
    assert files.real(v("/")) == str(here.root)
    assert LocalFiles(OWN, "/", 0).real(v("/a")) == "/a"
    assert LocalFiles(OWN, "/", 0).real(v("/")) == "/"


# -- looking and opening in one step -------------------------------------------------------------------


def opened(path: Path, found: Opened) -> Path:
    return dataclasses.replace(path, seen=found.attributes, opened=found)


def test_a_file_that_is_looked_at_may_be_opened_in_the_same_step(here: Ground) -> None:
    write(here.files(), "/f", "0123")
    files, before = here.files(), len(os.listdir("/proc/self/fd"))
    found = files.open_at_once(v("/f"), "read")
    assert found is not None
    assert found.attributes.st_size == 4
    fd = files.open_read(opened(v("/f"), found))
    assert os.read(fd, 9) == b"0123"
    os.close(fd)
    found = files.open_at_once(v("/f"), "write")
    assert found is not None
    fd = files.open_write(opened(v("/f"), found), truncate=True)
    os.write(fd, b"x")
    os.close(fd)
    assert read(files, "/f") == "x"
    del found
    # the root's own is kept
    assert len(os.listdir("/proc/self/fd")) == before + 1


def test_what_was_opened_and_is_not_wanted_is_closed(here: Ground) -> None:
    write(here.files(), "/f", "0123")
    files = here.files()
    found = files.open_at_once(v("/f"), "read")
    assert found is not None
    before = len(os.listdir("/proc/self/fd"))
    # for another use it is opened anew, as is what has been taken
    with pytest.raises(OSError, match="Bad file"):
        os.read(fd := files.open_write(opened(v("/f"), found)), 1)
    os.close(fd)
    os.close(found.take("read"))
    assert found.take("read") == -1
    fd = files.open_read(opened(v("/f"), found))
    os.close(fd)
    found = files.open_at_once(v("/f"), "read")
    del found
    assert len(os.listdir("/proc/self/fd")) == before - 1


@as_root
def test_a_folder_that_is_looked_at_is_asked_whether_it_may_be_searched_without_another_walk(here: Ground) -> None:
    for name, bits in (("open", 0o755), ("shut", 0o700), ("unreadable", 0o711)):
        (here.root / name).mkdir()
        (here.root / name).chmod(bits)
    files = here.files(identity=ANNA)

    def may(name: str) -> bool:
        found = files.open_at_once(v(name), "enter")
        assert found is not None
        assert stat.S_ISDIR(found.attributes.st_mode)
        # what has the name now is not what was looked at
        (here.root / name[1:]).rename(here.root / "gone")
        try:
            return files.access(opened(v(name), found), os.X_OK)
        finally:
            (here.root / "gone").rename(here.root / name[1:])

    before = files.stat(v("/")), len(os.listdir("/proc/self/fd"))
    assert [may("/open"), may("/shut"), may("/unreadable")] == [True, False, True]
    assert not files.access(v("/shut"), os.X_OK)
    assert len(os.listdir("/proc/self/fd")) == before[1]


@as_root
def test_only_what_the_user_may_open_and_no_link_leads_to_is_opened_at_once(here: Ground) -> None:
    write(here.files(), "/f", "secret")
    (here.root / "sub").mkdir()
    (here.root / "link").symlink_to("f")
    (here.root / "sub link").symlink_to("sub")
    (here.root / "out").symlink_to(here.canary)
    write(here.files(), "/sub/f", "1")
    os.mkfifo(here.root / "fifo")
    (here.root / "f").chmod(0o600)
    (here.root / "fifo").chmod(0o666)
    files = here.files(identity=ANNA)
    before = files.open_at_once(v("/sub"), "read"), len(os.listdir("/proc/self/fd"))
    with pytest.raises(PermissionError):
        files.open_at_once(v("/f"), "read")
    with pytest.raises(FileNotFoundError):
        files.open_at_once(v("/nothing"), "write")
    for path in ("/link", "/sub link/f", "/out", "/fifo", "/sub", "/"):
        assert files.open_at_once(v(path), "read") is None
    assert before == (None, len(os.listdir("/proc/self/fd")))
    assert here.files(jail.by_walking).open_at_once(v("/f"), "read") is None, "this way cannot tell of links"


def test_a_folder_that_is_to_be_listed_is_opened_as_it_is_looked_at_and_used_once(here: Ground) -> None:
    (here.root / "sub").mkdir()
    write(here.files(), "/sub/f", "1")
    files = here.files()
    path = v("/sub")
    files.stat(path)
    before = len(os.listdir("/proc/self/fd"))
    found = files.open_at_once(path, "list")
    assert found is not None
    assert found.take("read") == -1
    path.saw(found.attributes, opened=found)
    (here.root / "sub").rename(here.root / "moved")
    with files.open_folder(path) as folder:
        assert folder.names() == ["f"]
        assert folder.attributes.st_ino == (here.root / "moved").stat().st_ino
    with pytest.raises(FileNotFoundError):
        files.open_folder(path)
    assert files.open_at_once(v("/moved"), "list") is not None, "and let go again"
    del found, path, folder
    gc.collect()  # a caught exception's frames keep what they worked with
    assert len(os.listdir("/proc/self/fd")) == before


@as_root
def test_what_is_no_folder_or_a_closed_one_is_not_opened_to_be_listed(here: Ground) -> None:
    (here.root / "sub").mkdir()
    write(here.files(), "/sub/f", "1")
    (here.root / "closed").mkdir()
    (here.root / "link").symlink_to("sub")
    (here.root / "out").symlink_to(here.outside)
    os.mkfifo(here.root / "fifo")
    here.owned_by(ANNA)
    (here.root / "closed").chmod(0o100)
    files = here.files(identity=ANNA)
    assert files.open_at_once(v("/sub"), "list") is not None
    for path in ("/sub/f", "/fifo", "/closed", "/link", "/link/..", "/out"):
        assert files.open_at_once(v(path), "list") is None
    with pytest.raises(FileNotFoundError):
        files.open_at_once(v("/nothing"), "list")
    kernels_own = LocalFiles(ANNA, "/", 0o22)
    assert kernels_own.open_at_once(v("/proc/1"), "list") is not None
    assert kernels_own.open_at_once(v(f"/proc/{os.getpid()}/fd"), "list") is None


# -- writing -----------------------------------------------------------------------------------------


@both_ways
def test_an_upload_makes_a_file_or_overwrites_appends_truncates(here: Ground, opener: Opener) -> None:
    files = here.files(opener)
    write(files, "/f", "0123456789")
    write(files, "/f", "ab")
    assert read(files, "/f") == "ab23456789"
    write(files, "/f", "X", append=True)
    assert read(files, "/f") == "ab23456789X"
    write(files, "/f", "Y", truncate=True)
    assert read(files, "/f") == "Y"
    with pytest.raises(FileExistsError):
        write(files, "/f", exclusive=True)
    write(files, "/g", exclusive=True)
    assert read(files, "/g") == "new"


@both_ways
def test_an_exclusive_upload_does_not_go_through_a_link(here: Ground, opener: Opener) -> None:
    os.symlink("elsewhere", here.root / "link")
    with pytest.raises(FileExistsError):
        write(here.files(opener), "/link", exclusive=True)
    write(here.files(opener), "/link", "through")
    assert (here.root / "elsewhere").read_text() == "through"


@pytest.fixture(params=[0o000, 0o027, 0o077, 0o777], ids="process umask {:03o}".format)
def process_umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    try:
        yield request.param
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_modes_follow_the_sessions_umask_whatever_the_processs_is(here: Ground, process_umask: int, umask: int) -> None:
    files = here.files(umask=umask)
    write(files, "/file")
    os.close(files.open_write(v("/strict"), mode=0o600))
    files.mkdir(v("/folder"))
    files.mkdir(v("/private"), 0o700)
    assert mode(here, "file") == 0o666 & ~umask
    assert mode(here, "strict") == 0o600 & ~umask
    assert mode(here, "folder") == 0o777 & ~umask
    assert mode(here, "private") == 0o700
    assert os.umask(process_umask) == process_umask


def test_the_mode_of_a_file_that_was_there_stays(here: Ground, process_umask: int) -> None:
    (here.root / "old").touch()
    (here.root / "old").chmod(0o604)
    write(here.files(), "/old", truncate=True)
    assert mode(here, "old") == 0o604


def test_bits_that_the_folder_itself_withholds_stay_away(here: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default ACL masks a new file's mode although the process has no umask."""
    monkeypatch.setattr(kernel, "process_umask", lambda: 0)
    before = os.umask(0o027)
    try:
        write(here.files(), "/file")
    finally:
        os.umask(before)
    assert mode(here, "file") == 0o640


# -- names -------------------------------------------------------------------------------------------


@both_ways
def test_folders_come_and_go(here: Ground, opener: Opener) -> None:
    files = here.files(opener)
    files.mkdir(v("/a"))
    for taken in ("/a", "/"):
        with pytest.raises(FileExistsError):
            files.mkdir(v(taken))
    with pytest.raises(FileNotFoundError):
        files.mkdir(v("/no/b"))
    write(files, "/a/f")
    with pytest.raises(OSError) as caught:
        files.rmdir(v("/a"))
    assert caught.value.errno == errno.ENOTEMPTY
    with pytest.raises(IsADirectoryError):
        files.unlink(v("/a"))
    files.unlink(v("/a/f"))
    files.rmdir(v("/a"))
    with pytest.raises(OSError) as caught:
        files.rmdir(v("/"))
    assert caught.value.errno == errno.EBUSY
    assert os.listdir(here.root) == []


@pytest.fixture(params=["renameat2", "a file system without RENAME_NOREPLACE"])
def way_to_rename(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    if request.param != "renameat2":
        monkeypatch.setattr(kernel, "rename_exclusively", unknown)


def test_rename_replaces_only_when_it_may(here: Ground, way_to_rename: None) -> None:
    files = here.files()
    write(files, "/old", "old")
    write(files, "/kept", "kept")
    for taken in ("/kept", "/old"):
        with pytest.raises(FileExistsError):
            files.rename(v("/old"), v(taken), replace=False)
    assert (read(files, "/old"), read(files, "/kept")) == ("old", "kept")
    files.rename(v("/old"), v("/free"), replace=False)
    assert read(files, "/free") == "old"
    files.rename(v("/free"), v("/kept"))
    assert read(files, "/kept") == "old"
    assert os.listdir(here.root) == ["kept"]


def test_folders_and_links_are_renamed_without_replacing_too(here: Ground, way_to_rename: None) -> None:
    files = here.files()
    files.mkdir(v("/folder"))
    write(files, "/folder/f")
    files.mkdir(v("/taken"))
    files.symlink("folder", v("/link"))
    for name in ("/folder", "/link"):
        with pytest.raises(FileExistsError):
            files.rename(v(name), v("/taken"), replace=False)
    files.rename(v("/folder"), v("/moved"), replace=False)
    files.rename(v("/link"), v("/moved/link"), replace=False)
    assert files.readlink(v("/moved/link")) == "folder"
    assert read(files, "/moved/f") == "new"
    with pytest.raises(OSError):
        files.rename(v("/moved"), v("/moved/inside"), replace=False)
    assert sorted(os.listdir(here.root / "moved")) == ["f", "link"]


def test_renaming_to_another_device_is_told_apart(here: Ground) -> None:
    if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == here.root.stat().st_dev:
        pytest.skip("needs /dev/shm as a second file system")
    (here.root / "f").touch()
    files = LocalFiles(OWN, "/", 0o22)
    for replace in (True, False):
        with pytest.raises(OSError) as caught:
            files.rename(v(f"{here.root}/f"), v(f"/dev/shm/{here.root.parent.name}"), replace=replace)
        assert caught.value.errno == errno.EXDEV


def test_links_are_made_as_told_and_only_links_are_read_as_such(here: Ground) -> None:
    files = here.files()
    files.symlink("/any/where", v("/l"))
    assert os.readlink(here.root / "l") == files.readlink(v("/l")) == "/any/where"
    write(files, "/f")
    with pytest.raises(OSError, match="Not a symbolic link"):
        files.readlink(v("/f"))
    with pytest.raises(FileExistsError):
        files.symlink("x", v("/f"))


# -- attributes --------------------------------------------------------------------------------------


@pytest.fixture(params=["procfs", "no procfs"])
def with_and_without_proc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no procfs":
        monkeypatch.setattr(local, "_PROC", False)


@both_ways
def test_mode_owner_and_time_change_through_links_inside(
    here: Ground, opener: Opener, with_and_without_proc: None
) -> None:
    (here.root / "f").touch()
    os.symlink("/f", here.root / "link")
    files = here.files(opener)
    files.chmod(v("/link"), 0o604)
    files.utime(v("/link"), 1234567890.5)
    files.chown(v("/link"), OWN.uid, OWN.gid)
    known = (here.root / "f").stat()
    assert (stat.S_IMODE(known.st_mode), known.st_mtime) == (0o604, 1234567890.5)


def test_s61_special_bits_are_refused_unless_they_were_there_or_are_asked_for(here: Ground) -> None:
    (here.root / "f").touch()
    files = here.files()
    for bits in (0o4755, 0o2755, 0o1777, 0o7000):
        with pytest.raises(PermissionError, match="setuid, setgid and sticky"):
            files.chmod(v("/f"), bits)
    assert mode(here, "f") & 0o7000 == 0
    files.chmod(v("/f"), 0o755)
    assert mode(here, "f") == 0o755
    (here.root / "f").chmod(0o1755)
    files.chmod(v("/f"), 0o1700)
    assert mode(here, "f") == 0o1700
    files.chmod(v("/f"), 0o700)
    files.chmod(v("/f"), 0o1777, special=True)
    assert mode(here, "f") == 0o1777


def test_a_time_beyond_all_calendars_is_an_error_not_a_crash(here: Ground) -> None:
    (here.root / "f").touch()
    with pytest.raises(OSError, match="No file can have that time"):
        here.files().utime(v("/f"), 1e300)


def test_the_times_of_change_and_of_access_may_differ(here: Ground, with_and_without_proc: None) -> None:
    (here.root / "f").touch()
    here.files().utime(v("/f"), 2000.0, 1000.0)
    known = (here.root / "f").stat()
    assert (known.st_mtime, known.st_atime) == (2000.0, 1000.0)


@as_root
def test_s61_others_files_cannot_be_changed(here: Ground, with_and_without_proc: None) -> None:
    (here.root / "f").touch()
    here.owned_by(BERT)
    files = here.files(identity=ANNA)
    for change in (lambda: files.chmod(v("/f"), 0o666), lambda: files.utime(v("/f"), 1.0)):
        with pytest.raises(PermissionError):
            change()
    with pytest.raises(PermissionError):
        files.chown(v("/f"), ANNA.uid)


@as_root
def test_the_time_of_a_file_that_a_group_shares_is_for_all_who_may_write_it(
    here: Ground, with_and_without_proc: None
) -> None:
    shared, read_only, foreign = (here.root / name for name in ("shared", "read-only", "foreign"))
    for path, gid, mode in ((shared, 4800, 0o664), (read_only, 4800, 0o644), (foreign, BERT.gid, 0o664)):
        path.touch()
        os.chown(path, BERT.uid, gid)
        path.chmod(mode)
    # 4800 is one of ANNA's groups
    files = here.files(identity=ANNA)
    files.utime(v("/shared"), 1234567890.0)
    assert shared.stat().st_mtime == 1234567890.0
    for path in (read_only, foreign):
        with pytest.raises(PermissionError):
            files.utime(v(f"/{path.name}"), 1234567890.0)


@as_root
def test_one_may_give_a_file_to_ones_groups_but_not_away(here: Ground) -> None:
    (here.root / "f").touch()
    here.owned_by(ANNA)
    files = here.files(identity=ANNA)
    files.chown(v("/f"), gid=4800)
    assert (here.root / "f").stat().st_gid == 4800
    for refused in ({"gid": BERT.gid}, {"uid": BERT.uid}):
        with pytest.raises(PermissionError):
            files.chown(v("/f"), **refused)


@as_root
def test_s52_the_daemon_gives_away_only_what_is_the_sessions_own(here: Ground) -> None:
    (here.root / "mine").touch()
    (here.root / "foreign").touch()
    here.owned_by(ANNA)
    os.chown(here.root / "foreign", 0, 0)
    files = here.files(identity=ANNA)
    files.chown(v("/mine"), BERT.uid, BERT.gid, as_daemon=True)
    assert (here.root / "mine").stat().st_uid == BERT.uid
    os.symlink("foreign", here.root / "swapped")
    for name in ("/foreign", "/swapped", "/mine"):
        with pytest.raises(PermissionError, match="one's own"):
            files.chown(v(name), ANNA.uid, as_daemon=True)
    assert (here.root / "foreign").stat().st_uid == 0


# -- rights ------------------------------------------------------------------------------------------


@pytest.fixture(params=["faccessat2", "by the bits"])
def way_to_ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by the bits":
        monkeypatch.setattr(kernel, "has_faccessat2", lambda: False)
    elif not kernel.has_faccessat2():
        pytest.skip("this kernel or container has no faccessat2")


@as_root
@pytest.mark.parametrize(
    ("owner", "bits", "may"),
    [
        ((ANNA.uid, 0), 0o600, "rw"),
        ((ANNA.uid, 0), 0o177, "x"),
        ((0, ANNA.gid), 0o640, "r"),
        ((0, 4800), 0o730, "wx"),
        ((0, 4800), 0o707, ""),
        ((0, 0), 0o644, "r"),
        ((0, 0), 0o660, ""),
    ],
)
def test_access_is_the_users_not_the_daemons(
    here: Ground, way_to_ask: None, owner: tuple[int, int], bits: int, may: str
) -> None:
    path = here.root / "f"
    path.touch()
    os.chown(path, *owner)
    path.chmod(bits)
    files = here.files(identity=ANNA)
    asked = {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}
    assert "".join(letter for letter, what in asked.items() if files.access(v("/f"), what)) == may
    assert "".join(letter for letter, what in asked.items() if files.may(path.stat(), what)) == may


@as_root
def test_root_may_all_but_run_what_nobody_can(here: Ground, way_to_ask: None) -> None:
    (here.root / "f").touch(mode=0o000)
    (here.root / "d").mkdir(mode=0o000)
    files = here.files(identity=Identity(0, 0, (0,)))
    assert files.access(v("/f"), os.R_OK | os.W_OK)
    assert not files.access(v("/f"), os.X_OK)
    assert files.access(v("/d"), os.X_OK)


def test_what_is_not_there_gives_no_access(here: Ground, way_to_ask: None) -> None:
    assert not here.files().access(v("/nothing"), os.F_OK)
    assert here.files().access(v("/"), os.F_OK)


def test_on_a_read_only_mount_nothing_is_writable(way_to_ask: None) -> None:
    with open("/proc/mounts") as lines:
        mounts = [line.split()[1:4] for line in lines]
    read_only = [place for place, _, options in mounts if "ro" in options.split(",") and os.path.isdir(place)]
    if not read_only:
        pytest.skip("nothing is mounted read-only here")
    files = LocalFiles(OWN, "/", 0o22)
    assert not files.access(v(read_only[0]), os.W_OK)


@pytest.mark.parametrize(
    ("sticky", "owner", "removable"), [(False, BERT, True), (True, BERT, False), (True, ANNA, True)]
)
@as_root
def test_a_sticky_folder_keeps_others_files(here: Ground, sticky: bool, owner: Identity, removable: bool) -> None:
    (here.root / "f").touch()
    here.owned_by(owner)
    os.chown(here.root, 0, 0)
    here.root.chmod(0o1777 if sticky else 0o777)
    files = here.files(identity=ANNA)
    assert files.may_remove(here.root.stat(), (here.root / "f").stat()) is removable
    if removable:
        files.unlink(v("/f"))
    else:
        with pytest.raises(PermissionError):
            files.unlink(v("/f"))


# -- folders -----------------------------------------------------------------------------------------


@both_ways
def test_a_folder_shows_its_entries_and_where_links_lead(here: Ground, opener: Opener) -> None:
    (here.root / "sub").mkdir()
    (here.root / "sub/f").write_text("12345")
    os.symlink("f", here.root / "sub/link")
    os.symlink("/sub/f", here.root / "sub/absolute")
    os.symlink(here.canary, here.root / "sub/out")
    with here.files(opener).open_folder(v("/sub")) as folder:
        assert sorted(folder.names()) == ["absolute", "f", "link", "out"]
        assert folder.names() == folder.names()
        assert folder.readlink("link") == "f"
        assert stat.S_ISLNK(folder.lstat("link").st_mode)
        assert [folder.stat(name).st_size for name in ("f", "link", "absolute")] == [5, 5, 5]
        with pytest.raises(FileNotFoundError):
            folder.stat("out")


def test_many_entries_are_looked_at_in_turn_and_the_vanished_are_none(here: Ground) -> None:
    names = [f"{number:04}" for number in range(1200)]
    for name in names[:-1]:
        (here.root / name).touch()
    with here.files().open_folder(v("/")) as folder:
        found = dict(folder.lstat_many([*names, "..", "."]))
    assert list(found) == [*names, "..", "."]
    assert [name for name, known in found.items() if known is None] == [names[-1]]
    inode = here.root.stat().st_ino
    assert [known.st_ino for name, known in found.items() if known and name.startswith(".")] == [inode, inode]


@as_root
def test_between_two_entries_the_caller_is_itself(here: Ground) -> None:
    here.owned_by(ANNA)
    for name in ("a", "b"):
        (here.root / name).touch()
    with here.files(identity=ANNA).open_folder(v("/")) as folder:
        for name, _ in folder.lstat_many(["a", "b"]):
            made = here.root / f"made while at {name}"
            made.touch()
            assert made.stat().st_uid == 0


def test_a_closed_folder_and_closed_files_say_so(here: Ground) -> None:
    files = here.files()
    with files.open_folder(v("/")) as folder:
        pass
    for use in (folder.names, lambda: folder.lstat("x"), lambda: list(folder.lstat_many(["x"]))):
        with pytest.raises(OSError) as caught:
            use()
        assert caught.value.errno == errno.EBADF
    files.stat(v("/"))
    files.close()
    files.close()
    with pytest.raises(OSError) as caught:
        files.stat(v("/"))
    assert caught.value.errno == errno.EBADF


def test_closing_under_the_feet_of_a_listing_leaves_its_descriptor_alone(here: Ground) -> None:
    (here.root / "f").touch()
    files = here.files()
    with files.open_folder(v("/")) as folder:
        batch = folder.lstat_many(["f"])
        files.close()
        assert [name for name, known in batch if known] == ["f"]


def test_a_session_that_only_idles_costs_no_descriptor(here: Ground) -> None:
    before = len(os.listdir("/proc/self/fd"))
    sessions = [here.files() for _ in range(50)]
    assert len(os.listdir("/proc/self/fd")) == before
    for files in sessions:
        files.stat(v("/"))
        files.close()


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
