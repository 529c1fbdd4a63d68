"""CreateHome: what is made for whom, with whose rights, and that no link of a user's making leads root astray (S52)."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from ftpd.api import Account, Identity
from ftpd.modules import _auth_home
from ftpd.modules._auth_directives import NewHome
from ftpd.modules._auth_home import make_home
from ftpd.modules._auth_walk import LinkOnTheWay, no_link, open_folder

ROOT = os.geteuid() == 0
TOM = Identity(2500, 2500, (2500, 2600)) if ROOT else Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()))
ACCOUNT = Account("tom", TOM.uid, TOM.gid, "/")
as_root = pytest.mark.skipif(not ROOT, reason="needs root, to make folders for others")


@pytest.fixture
def top(tmp_path: Path) -> str:
    # what pytest makes is closed to others, and NoRootPrivs is to get through
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == tmp_path.owner() and folder.stat().st_uid == os.geteuid() and str(folder) != "/":
            folder.chmod(folder.stat().st_mode | 0o011)
    return str(tmp_path)


def made(home: str, how: NewHome | None = None) -> bool:
    return make_home(ACCOUNT, TOM, how or NewHome(), home)


def look(path: str) -> tuple[int, int, int]:
    known = os.lstat(path)
    return stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid


def skeleton(top: str) -> str:
    os.makedirs(f"{top}/skel/sub")
    for name in ("readme", "sub/deep"):
        Path(f"{top}/skel/{name}").write_text(name)
    return f"{top}/skel"


@as_root
def test_the_home_is_the_user_s_and_the_way_to_it_is_root_s(top: str) -> None:
    assert made(f"{top}/a/b/tom", NewHome(0o750))
    assert look(f"{top}/a/b/tom") == (0o750, 2500, 2500)
    assert look(f"{top}/a/b") == look(f"{top}/a") == (0o711, 0, 0)


@as_root
def test_the_way_to_it_may_have_other_owners(top: str) -> None:
    assert made(f"{top}/a/tom", NewHome(parents_mode=0o755, uid=7, gid=8))
    assert look(f"{top}/a") == (0o755, 7, 8)
    assert made(f"{top}/b/tom", NewHome(uid=-1, gid=-1))
    assert look(f"{top}/b") == (0o711, 2500, 2500)


@as_root
def test_homegid_is_for_the_home_and_not_for_what_lies_in_it(top: str) -> None:
    assert made(f"{top}/tom", NewHome(skeleton=skeleton(top), home_gid=9))
    assert look(f"{top}/tom") == (0o700, 2500, 9)
    assert look(f"{top}/tom/readme")[1:] == look(f"{top}/tom/sub/deep")[1:] == (2500, 2500)


def test_a_folder_of_a_skeleton_keeps_its_sticky_bit(top: str) -> None:
    os.chmod(f"{skeleton(top)}/sub", 0o3777)
    assert made(f"{top}/tom", NewHome(skeleton=f"{top}/skel"))
    assert look(f"{top}/tom/sub")[0] == 0o1777


def test_what_is_there_is_left_alone(top: str) -> None:
    os.mkdir(f"{top}/tom", 0o755)
    assert not made(f"{top}/tom")
    os.symlink("/nowhere", f"{top}/ann")
    assert not made(f"{top}/ann")


def test_half_a_home_is_removed_again(top: str) -> None:
    full = OSError(28, "No space left on device")
    with patch.object(_auth_home, "_copy_file", side_effect=full), pytest.raises(OSError, match="No space"):
        made(f"{top}/tom", NewHome(skeleton=skeleton(top)))
    assert not os.path.lexists(f"{top}/tom")


def test_the_special_files_of_a_skeleton_stay_behind(top: str) -> None:
    os.mkfifo(f"{skeleton(top)}/fifo")
    assert made(f"{top}/tom", NewHome(skeleton=f"{top}/skel"))
    assert sorted(os.listdir(f"{top}/tom")) == ["readme", "sub"]


# -- links on the way ----------------------------------------------------------------------------------


def test_a_link_of_root_s_may_lead_to_the_homes(top: str) -> None:
    os.mkdir(f"{top}/data")
    os.symlink("data", f"{top}/home")
    assert made(f"{top}/home/tom")
    assert os.path.isdir(f"{top}/data/tom")


@as_root
def test_a_link_of_a_user_s_leads_root_nowhere(top: str) -> None:
    os.mkdir(f"{top}/etc")
    os.mkdir(f"{top}/a")
    os.symlink(f"{top}/etc", f"{top}/a/homes")
    os.chown(f"{top}/a/homes", 2500, 2500, follow_symlinks=False)
    with pytest.raises(LinkOnTheWay):
        made(f"{top}/a/homes/tom")
    assert os.listdir(f"{top}/etc") == []


@as_root
def test_a_folder_exchanged_while_the_home_is_made_is_not_given_away(top: str) -> None:
    os.mkdir(f"{top}/homes")
    os.makedirs(f"{top}/secret/keys")
    really = os.mkdir

    def and_exchanged(name: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        really(name, mode, dir_fd=dir_fd)
        os.rename(f"{top}/homes/tom", f"{top}/homes/old")
        os.rename(f"{top}/secret", f"{top}/homes/tom")

    with patch.object(_auth_home.os, "mkdir", and_exchanged), pytest.raises(PermissionError):
        made(f"{top}/homes/tom")
    assert look(f"{top}/homes/old")[1:] == (0, 0)


def test_links_that_go_in_circles_are_given_up(top: str) -> None:
    os.symlink("b", f"{top}/a")
    os.symlink("a", f"{top}/b")
    with pytest.raises(LinkOnTheWay):
        made(f"{top}/a/tom")


def test_a_file_on_the_way_is_no_way(top: str) -> None:
    Path(f"{top}/file").touch()
    with pytest.raises(NotADirectoryError):
        made(f"{top}/file/tom")


def test_the_walk_finds_what_the_path_names_and_no_link(top: str) -> None:
    os.makedirs(f"{top}/a/b")
    os.symlink("a", f"{top}/link")
    folder = open_folder(f"{top}/a/../a/./b/", no_link)
    try:
        assert os.path.samestat(os.fstat(folder), os.stat(f"{top}/a/b"))
    finally:
        os.close(folder)
    with pytest.raises(LinkOnTheWay):
        open_folder(f"{top}/link/b", no_link)
    with pytest.raises(FileNotFoundError):
        open_folder(f"{top}/nowhere", no_link)


# -- NoRootPrivs ---------------------------------------------------------------------------------------


@as_root
def test_without_root_a_home_is_made_where_its_user_may(top: str) -> None:
    os.mkdir(f"{top}/homes")
    os.chown(f"{top}/homes", 0, 2600)
    os.chmod(f"{top}/homes", 0o775)
    how = NewHome(as_user=True, skeleton=skeleton(top), parents_mode=0o755)
    os.chmod(f"{top}/skel", 0o755)
    assert made(f"{top}/homes/t/tom", how)
    assert look(f"{top}/homes/t") == (0o755, 2500, 2500)
    assert look(f"{top}/homes/t/tom") == (0o700, 2500, 2500)
    assert look(f"{top}/homes/t/tom/readme")[1:] == (2500, 2500)


@as_root
def test_without_root_a_home_is_not_made_elsewhere(top: str) -> None:
    os.mkdir(f"{top}/homes", 0o755)
    how = NewHome(as_user=True)
    with pytest.raises(PermissionError):
        made(f"{top}/homes/tom", how)
    assert made(f"{top}/homes/tom", replace(how, as_user=False))
