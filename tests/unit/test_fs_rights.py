"""A session's files: who may change modes, owners and times, and who may do what."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from ftpd.core.identity import Identity
from ftpd.fs import kernel, permissions
from ftpd.fs.jail import Opener
from ftpd.fs.local import LocalFiles
from tests.unit.fs_ground import ANNA, BERT, OWN, Ground, as_root, both_ways, ground, v


@pytest.fixture
def here() -> Iterator[Ground]:
    with ground() as made:
        yield made


def mode(here: Ground, name: str) -> int:
    return stat.S_IMODE((here.root / name).stat().st_mode)


# -- attributes --------------------------------------------------------------------------------------


@pytest.fixture(params=["procfs", "no procfs"])
def with_and_without_proc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no procfs":
        monkeypatch.setattr(permissions, "PROC", False)


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
