"""Which file systems may keep us waiting, told by the table of mounts and without touching one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftpd.core import mounts as subject
from ftpd.core.mounts import Mount, Mounts, pool_at, understood

TABLE = b"""\
22 27 0:21 / /proc rw,relatime - proc proc rw
23 22 0:22 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 254:1 / /home rw shared:1 master:2 - xfs /dev/vdb rw
29 27 0:50 / /srv/n\\040s rw - nfs4 nas:/export rw
30 29 0:51 / /srv/n\\040s/memory rw - tmpfs none rw
31 27 0:52 / /covered rw - fuse.sshfs far: rw
32 31 254:2 / /covered rw - ext4 /dev/vdc rw
"""
NAS = Mount("/srv/n s", "nfs4", "0:50")


def test_the_table_is_read_as_the_kernel_writes_it() -> None:
    table = understood(TABLE)
    assert table.far == {"/srv/n s": NAS}, "of what is covered, and of an automounter below /proc, nobody need know"
    assert table.near == {"/proc", "/proc/sys/fs/binfmt_misc", "/home", "/srv/n s/memory", "/covered"}
    assert table.parents == {"/srv"}
    assert NAS.kind == "files:0:50"
    assert str(NAS) == "/srv/n s (nfs4)"


@pytest.mark.parametrize(
    ("path", "found"),
    [("/", None), ("/srv", None), ("/srv/n", None), ("/srv/n s", NAS), ("/srv/n s/a/b", NAS), ("/srv/n sx", None),
     ("/srv/n s/memory/a", NAS), ("/home/a", None)],
)  # fmt: skip
def test_whoever_walks_to_a_path_comes_to_a_slow_file_system_or_not(path: str, found: Mount | None) -> None:
    assert understood(TABLE).at(path) == found


@pytest.mark.parametrize(
    ("root", "expected"),
    [("/", True), ("/srv", True), ("/srv/n s", True), ("/srv/n s/a", True), ("/home/anna", False), ("/sr", False)],
)
def test_a_root_has_slow_files_below_it_or_not(root: str, expected: bool) -> None:
    assert understood(TABLE).below(root) is expected


def test_the_deepest_near_mount_on_the_way_is_known() -> None:
    table = understood(TABLE)
    assert [table.near_above(path) for path in ("/home/a/b", "/home", "/homes", "/", "/srv/n s/memory/a")] == [
        "/home", "/home", "", "", "/srv/n s/memory",
    ]  # fmt: skip


def test_links_are_followed_up_to_the_slow_file_system_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = os.path.realpath(tmp_path)
    far = Mount(f"{base}/far", "nfs", "0:60")
    monkeypatch.setattr(subject, "_now", Mounts({far.point: far}))
    (tmp_path / "far").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "link").symlink_to("../far/deep")
    (tmp_path / "home" / "absolute").symlink_to(far.point)
    (tmp_path / "home" / "circle").symlink_to("circle")
    looked_at: list[str] = []
    readlink = os.readlink
    monkeypatch.setattr("os.readlink", lambda path: (looked_at.append(path), readlink(path))[1])
    for name in ("link", "absolute", "link/more", "absolute/../far/x"):
        assert pool_at(f"{base}/home/{name}") == far.kind, name
    for name in ("", "nothing/there", "circle", "../home"):
        assert pool_at(f"{base}/home/{name}") == "files", name
    assert pool_at("/", f"{base}/far", kind="auth") == far.kind
    assert not [path for path in looked_at if path.startswith(far.point)], "nothing that lies there was touched"


def test_this_machine_is_understood() -> None:
    assert subject._read() == subject._read()
    assert isinstance(subject.mounts().far, dict)


def test_what_is_mounted_in_dev_shm_is_no_kernels_own() -> None:
    table = understood(
        b"27 1 254:0 / / rw - ext4 /dev/vda rw\n"
        b"40 27 0:50 / /dev/shm/slow rw - fuse.slow slow rw\n"
        b"41 27 0:51 / /dev/odd rw - odd odd rw\n"
    )
    assert set(table.far) == {"/dev/shm/slow"}
    assert "/dev/odd" in table.near
