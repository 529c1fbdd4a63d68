"""A session's files: what is written, renamed and listed, as the user and as nobody else."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

import acl_ground
import pytest

from ftpd.fs import kernel
from ftpd.fs.jail import Opener
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Files
from tests.unit.fs_ground import ANNA, OWN, Ground, as_root, both_ways, ground, read, v, write


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
@pytest.mark.parametrize(
    ("acl", "file", "folder"),
    [
        ("user::rwx,user:61003:rwx,group::r-x,mask::rwx,other::r-x", 0o664, 0o775),
        ("user::rwx,group::rwx,other::---", 0o660, 0o770),
        ("user::rwx,user:61003:r-x,group::---,mask::r-x,other::---", 0o640, 0o750),
    ],
)
def test_a_default_acl_of_the_folder_counts_instead_of_the_umask(
    here: Ground, opener: Opener, acl: str, file: int, folder: int
) -> None:
    acl_ground.give(here.root, acl, acl_ground.DEFAULT)
    files = here.files(opener)
    files.umask = files.folder_umask = 0o077
    write(files, "/file")
    files.mkdir(v("/folder"))
    assert (mode(here, "file"), mode(here, "folder")) == (file, folder)
    os.close(files.open_write(v("/private"), mode=0o600))
    assert mode(here, "private") == 0o600, "who asks for less gets less"


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
    os.utime(here.root / "moved", (1, 1))
    with pytest.raises(OSError):
        files.rename(v("/moved"), v("/moved/inside"), replace=False)
    assert os.stat(here.root / "moved").st_mtime == 1
    assert sorted(os.listdir(here.root / "moved")) == ["f", "link"]


def test_renaming_to_another_device_is_told_apart(here: Ground) -> None:
    others = [place for place in ("/dev/shm", "/var/tmp", "/run") if os.access(place, os.W_OK)]
    away = next((place for place in others if os.stat(place).st_dev != here.root.stat().st_dev), None)
    if away is None:
        pytest.skip("there is no second file system to write to")
    (here.root / "f").touch()
    files = LocalFiles(OWN, "/", 0o22)
    for replace in (True, False):
        with pytest.raises(OSError) as caught:
            files.rename(v(f"{here.root}/f"), v(f"{away}/{here.root.parent.name}"), replace=replace)
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
