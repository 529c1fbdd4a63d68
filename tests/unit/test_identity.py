"""Identity: who a thread's file operations are done as, for how long, and that no other thread notices."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftpd import native
from ftpd.core import identity
from ftpd.core.identity import ROOT, Become, Identity, acting_as, acting_as_daemon, effective, set_neutral
from tests.unit.fs_ground import ANNA, BERT, as_root, ground


@pytest.fixture(
    autouse=True,
    params=[
        pytest.param(True, marks=pytest.mark.skipif(native.calls is None, reason="not compiled here"), id="compiled"),
        pytest.param(False, id="not compiled"),
    ],
)
def become(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Become]:
    """Every story with the switch in C and with its like in Python; each remembers by itself who the thread is."""
    own = identity._own.raw
    become: Become = native.calls.become if request.param else identity.become_by_ctypes
    monkeypatch.setattr(identity, "become", become)
    become(own, own)
    yield become
    become(own, own)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in which everybody may make files."""
    with ground() as here:
        here.root.chmod(0o777)
        yield here.root


def owner_of_a_new_file(place: Path, name: str = "new") -> tuple[int, int]:
    path = place / name
    path.write_text("")
    known = path.stat()
    path.unlink()
    return known.st_uid, known.st_gid


def groups_of_this_thread() -> list[int]:
    with open(f"/proc/self/task/{threading.get_native_id()}/status") as status:
        return next([int(word) for word in line.split()[1:]] for line in status if line.startswith("Groups:"))


@as_root
def test_what_is_made_inside_belongs_to_the_user_and_afterwards_to_the_daemon_again(place: Path) -> None:
    before = owner_of_a_new_file(place)
    with acting_as(ANNA):
        assert owner_of_a_new_file(place) == (ANNA.uid, ANNA.gid)
        assert groups_of_this_thread() == [4800]
    assert owner_of_a_new_file(place) == before


@as_root
def test_an_exception_inside_ends_the_stay_too(place: Path) -> None:
    before = owner_of_a_new_file(place)
    with pytest.raises(KeyError), acting_as(ANNA):
        raise KeyError
    assert owner_of_a_new_file(place) == before


@as_root
def test_stays_nest(place: Path) -> None:
    with acting_as(ANNA):
        with acting_as(BERT):
            assert owner_of_a_new_file(place) == (BERT.uid, BERT.gid)
            with acting_as_daemon():
                assert owner_of_a_new_file(place) == (0, 0)
            assert groups_of_this_thread() == []
        assert owner_of_a_new_file(place) == (ANNA.uid, ANNA.gid)
        assert groups_of_this_thread() == [4800]


@as_root
def test_a_user_reads_what_the_groups_allow_and_nothing_that_root_could(place: Path) -> None:
    for name, gid in (("ours", 4800), ("hers", ANNA.gid), ("roots", 0)):
        (place / name).write_text(name)
        os.chown(place / name, 0, gid)
        (place / name).chmod(0o640)
    with acting_as(ANNA):
        assert [(place / name).read_text() for name in ("ours", "hers")] == ["ours", "hers"]
        with pytest.raises(PermissionError):
            (place / "roots").read_text()
    for name in ("ours", "hers"):
        with acting_as(BERT), pytest.raises(PermissionError):
            (place / name).read_text()


@as_root
def test_who_is_in_its_own_group_only_has_no_groups_set_and_all_rights_of_that_group(place: Path) -> None:
    """Those of the mode, and to give a file of its own to that group, which is refused for another one."""
    (place / "folder").mkdir()
    (place / "folder").chmod(0o070)
    os.chown(place / "folder", 0, BERT.gid)
    with acting_as(BERT):
        assert groups_of_this_thread() == []
        (place / "folder" / "new").write_text("")
        os.chown(place / "folder" / "new", -1, BERT.gid)
        with pytest.raises(PermissionError):
            os.chown(place / "folder" / "new", -1, ANNA.gid)
    with acting_as(Identity(BERT.uid, ANNA.gid, (ANNA.gid,))), pytest.raises(PermissionError):
        (place / "folder" / "other").write_text("")


@as_root
def test_a_user_without_groups_has_none_of_the_daemons(place: Path) -> None:
    with acting_as(Identity(4711, 4711)):
        assert groups_of_this_thread() == []


@as_root
def test_an_identity_that_the_kernel_refuses_is_an_error_and_leaves_nothing_changed(place: Path) -> None:
    before = owner_of_a_new_file(place)
    with pytest.raises(PermissionError, match="4294967295"), acting_as(Identity(0xFFFFFFFF, 4711, (4800,))):
        pytest.fail("the body must not run")
    assert owner_of_a_new_file(place) == before
    assert 4800 not in groups_of_this_thread()


@as_root
def test_large_ids_are_told_from_failures(place: Path) -> None:
    with acting_as(Identity(0xFFFFFFF0, 0xFFFFFFF0)):
        assert owner_of_a_new_file(place) == (0xFFFFFFF0, 0xFFFFFFF0)


@as_root
def test_other_threads_keep_their_identity_meanwhile(place: Path) -> None:
    inside, looked = threading.Event(), threading.Event()
    owners = []

    def bystander() -> None:
        inside.wait()
        owners.append((owner_of_a_new_file(place), groups_of_this_thread()))
        looked.set()

    groups = groups_of_this_thread()
    thread = threading.Thread(target=bystander)
    thread.start()
    with acting_as(ANNA):
        inside.set()
        assert looked.wait(10)
    thread.join()
    assert owners == [((os.geteuid(), os.getegid()), groups)]


@as_root
def test_a_thread_born_inside_a_stay_falls_back_to_the_daemon_not_to_the_user(place: Path) -> None:
    def first_job() -> tuple[tuple[int, int], tuple[int, int]]:
        with acting_as(BERT):
            during = owner_of_a_new_file(place, "b")
        return during, owner_of_a_new_file(place, "c")

    with ThreadPoolExecutor(1) as pool:
        with acting_as(ANNA):
            job = pool.submit(first_job)
        assert job.result(10) == ((BERT.uid, BERT.gid), (0, 0))


@as_root
def test_many_users_in_many_threads_never_mix(place: Path) -> None:
    def one(number: int) -> list[tuple[int, int]]:
        mine = Identity(5000 + number, 6000 + number, (7000 + number,))
        found = []
        for turn in range(100):
            with acting_as(mine):
                found.append(owner_of_a_new_file(place, f"{number}.{turn}"))
        return found

    with ThreadPoolExecutor(8) as pool:
        for number, owners in enumerate(pool.map(one, range(16))):
            assert set(owners) == {(5000 + number, 6000 + number)}


@as_root
def test_the_neutral_user_is_what_remains_between_stays(place: Path) -> None:
    nobody = Identity(65534, 65534, (65534,))
    own = identity._own
    set_neutral(nobody)
    try:
        assert owner_of_a_new_file(place) == (65534, 65534)
        with acting_as(ANNA):
            assert owner_of_a_new_file(place) == (ANNA.uid, ANNA.gid)
        assert owner_of_a_new_file(place) == (65534, 65534)
        with acting_as_daemon():
            assert owner_of_a_new_file(place) == (0, 0)
    finally:
        set_neutral(own)
    assert owner_of_a_new_file(place) == (own.uid, own.gid)


@as_root
def test_being_who_one_is_costs_no_system_call(monkeypatch: pytest.MonkeyPatch) -> None:
    become = identity.become_by_ctypes
    before = become(ANNA.raw, ROOT.raw)
    with monkeypatch.context() as patch:
        for name in ("_setgroups", "_setfsuid", "_setfsgid"):
            patch.setattr(identity, name, None)
        assert become(ANNA.raw, ROOT.raw) == ANNA.raw
    become(before, before)


@as_root
def test_a_machine_whose_setgroups_is_unknown_refuses_instead_of_keeping_roots_groups(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting_as_daemon():
        with monkeypatch.context() as patch:
            patch.setattr(identity, "_SETGROUPS", None)
            with pytest.raises(OSError, match="run the daemon unprivileged"):
                identity.become_by_ctypes(ANNA.raw, ROOT.raw)
        assert owner_of_a_new_file(place) == (0, 0)


def fsuid_of_this_thread() -> int:
    with open(f"/proc/self/task/{threading.get_native_id()}/status") as status:
        return next(int(line.split()[4]) for line in status if line.startswith("Uid:"))


@as_root
def test_who_glances_is_himself_again_at_once_or_after_the_last_of_many(place: Path) -> None:
    if native.calls is None:
        pytest.skip("not compiled here")
    glance = native.calls.glance
    (place / "hers").mkdir()
    (place / "hers" / "file").write_text("1234")
    os.chown(place / "hers", ANNA.uid, ANNA.gid)
    (place / "hers").chmod(0o700)
    root = os.open(place, os.O_PATH)
    try:
        native.calls.become(ROOT.raw, ROOT.raw)
        for who, seen in ((ANNA, 4), (BERT, None), (ANNA, 4)):
            found = glance(who.raw, ROOT.raw, root, b"/hers/", b"file")
            assert (found and found[0]) == seen
            assert fsuid_of_this_thread() == 0
        native.calls.linger()
        for who, seen in ((ANNA, 4), (ANNA, 4), (BERT, None), (ANNA, 4)):
            found = glance(who.raw, ROOT.raw, root, b"/hers/", b"file")
            assert (found and found[0]) == seen
            assert fsuid_of_this_thread() == who.uid
        native.calls.settle()
        assert fsuid_of_this_thread() == 0
        assert groups_of_this_thread() == []
        native.calls.settle()
        glance(ANNA.raw, ROOT.raw, root, b"/hers/", b"file")
        assert fsuid_of_this_thread() == 0
    finally:
        native.calls.settle()
        os.close(root)


@as_root
def test_a_folder_may_be_searched_by_whom_the_kernel_lets_and_the_thread_is_itself_again(place: Path) -> None:
    if native.calls is None:
        pytest.skip("not compiled here")
    for folder, mode in (("hers", 0o700), ("hers/inner", 0o755), ("all", 0o711), ("read", 0o744)):
        (place / folder).mkdir()
        os.chown(place / folder, ANNA.uid, ANNA.gid)
        (place / folder).chmod(mode)
    (place / "all" / "file").write_text("")
    os.symlink("all", place / "link")
    root = os.open(place, os.O_PATH)

    def searchable(who: Identity, folder: bytes, name: bytes) -> bool:
        found: bool = native.calls.searchable(who.raw, ROOT.raw, root, folder, name)
        assert fsuid_of_this_thread() == 0 and groups_of_this_thread() == []
        return found

    try:
        native.calls.become(ROOT.raw, ROOT.raw)
        for name, by_anna, by_bert in (
            (b"hers", True, False), (b"all", True, True), (b"read", True, False), (b"none", False, False),
            (b"link", False, False), (b".", False, False), (b"..", False, False), (b"", False, False),
            (b"hers/inner", False, False),
        ):  # fmt: skip
            assert [searchable(who, b"/", name) for who in (ANNA, BERT)] == [by_anna, by_bert], name
        assert [searchable(who, b"/hers/", b"inner") for who in (ANNA, BERT)] == [True, False]
        assert not searchable(ANNA, b"/all/", b"file") and not searchable(ANNA, b"/link/", b"file")
        # nor does who looked before, and lingers, have a say in it
        native.calls.linger()
        native.calls.glance(ANNA.raw, ROOT.raw, root, b"/all/", b"file")
        assert fsuid_of_this_thread() == ANNA.uid
        assert not searchable(BERT, b"/", b"hers")
    finally:
        native.calls.settle()
        os.close(root)


def test_a_glance_is_for_plain_names_of_regular_files_without_a_link_on_the_way(tmp_path: Path) -> None:
    if native.calls is None:
        pytest.skip("not compiled here")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("12")
    os.utime(tmp_path / "sub" / "file", (7, 7.5))
    os.symlink("sub", tmp_path / "link")
    os.symlink("file", tmp_path / "sub" / "link")
    root = os.open(tmp_path, os.O_PATH)

    def glance(folder: bytes, name: bytes) -> object:
        return native.calls.glance(None, ROOT.raw, root, folder, name)

    try:
        assert glance(b"/sub/", b"file") == (2, 7)
        for folder in (b"/link/", b"/none/", b"/s\0ub/", b"/" * 5000):
            assert glance(folder, b"file") is None
        for name in (b"", b".", b"..", b"link", b"none", b"fi\0le", b"../file", b"/file", b"x" * 256):
            assert glance(b"/sub/", name) is None
        assert glance(b"/", b"sub") is None
        for wrong in (
            (None, ROOT.raw, root, "/", b"a"),
            (None, ROOT.raw, root, b"/"),
            (b"1", ROOT.raw, root, b"/", b"a"),
        ):
            with pytest.raises(TypeError):
                native.calls.glance(*wrong)
    finally:
        os.close(root)


def test_what_is_compiled_reads_nothing_that_is_no_identity() -> None:
    if native.calls is None:
        pytest.skip("not compiled here")
    for raw in (b"", b"1234", b"12345678901", "12345678", None):
        with pytest.raises(TypeError, match="32-bit"):
            native.calls.become(raw, ROOT.raw)
        with pytest.raises(TypeError, match="32-bit"):
            native.calls.become(ROOT.raw, raw)
    for path in ("/", None):
        with pytest.raises(TypeError, match="openat2"):
            native.calls.openat2(None, ROOT.raw, 0, path, 0, 0, 0)
        with pytest.raises(TypeError, match="enter"):
            native.calls.enter(None, ROOT.raw, path, 0)


def test_unprivileged_every_identity_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_started_as_root", False)
    monkeypatch.setattr(identity, "become", None)
    with acting_as(ANNA), acting_as_daemon():
        pass
    set_neutral(ANNA)
    assert effective(ANNA) == identity._own
    assert not identity.privileged()


@as_root
def test_privileged_an_identity_is_effective_as_it_stands() -> None:
    assert effective(ANNA) == ANNA


SHEDDING = """
import os, threading
from ftpd.core.identity import ROOT, Become, Identity, acting_as, shed_capabilities
shed_capabilities()
def capabilities():
    return next(int(line.split()[1], 16) for line in open("/proc/thread-self/status") if line.startswith("CapEff:"))
with acting_as(Identity(4711, 4711)):
    inside = capabilities()
seen = []
thread = threading.Thread(target=lambda: seen.append(capabilities()))
thread.start()
thread.join()
os.seteuid(4711)
print(hex(capabilities() | inside), hex(seen[0]))
"""


@as_root
def test_a_user_has_no_right_of_root_left_but_to_become_the_daemon_again() -> None:
    """Neither CAP_SYS_RESOURCE (quotas) nor CAP_SYS_PTRACE (/proc) survive; a process of its own, as it is final."""
    done = subprocess.run([sys.executable, "-c", SHEDDING], capture_output=True, text=True, check=True, timeout=60)
    as_user, as_daemon = (int(word, 16) for word in done.stdout.split())
    file_rights, resource, ptrace = 0b11111, 1 << 24, 1 << 19
    assert as_user & (file_rights | resource | ptrace) == 0
    assert as_daemon & (resource | ptrace) == 0
    assert as_daemon & file_rights == file_rights
