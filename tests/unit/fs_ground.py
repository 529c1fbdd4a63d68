"""The ground on which the file-system tests stand: a root, what is outside of it, and both ways to open."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as RealPath

import pytest

from ftpd.core.identity import Identity, privileged
from ftpd.core.mounts import Mount, Mounts
from ftpd.fs import far, jail, kernel
from ftpd.fs.jail import Opener
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Path

ANNA = Identity(4711, 4711, (4711, 4800))
BERT = Identity(4712, 4712, (4712,))
OWN = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()))

as_root = pytest.mark.skipif(not privileged(), reason="only root can act as other users; run the tests as root, too")

_with_openat2 = pytest.mark.skipif(not kernel.has_openat2(), reason="this kernel or container has no openat2")


def beside_slow_ones(*_: object) -> int:
    """No opener: stands for the files of a session that slow file systems may be among, and here are not."""
    raise AssertionError("Ground.files() knows what is meant")


both_ways = pytest.mark.parametrize(
    "opener",
    [
        pytest.param(jail.by_kernel, marks=_with_openat2, id="kernel"),
        pytest.param(kernel.openat2_by_ctypes, marks=_with_openat2, id="not compiled"),
        pytest.param(jail.by_walking, id="walking"),
        pytest.param(beside_slow_ones, marks=_with_openat2, id="beside slow ones"),
    ],
)
"""The same story with the kernel's resolver, asked from C and from Python, and with ours."""


def files_at(root: str, opener: Opener | None, identity: Identity = OWN, umask: int = 0o22) -> LocalFiles:
    if opener is not beside_slow_ones:
        return LocalFiles(identity, root, umask, opener=opener)
    # what is not done at once is done here as well, as no command waits for it
    files = LocalFiles(identity, root, umask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(far, "mounts", lambda: Mounts({root: Mount(root, "nfs", "0:999")}))
        return far.around(files, identity)  # type: ignore[return-value]


class Ground:
    """``root`` is the session's, ``outside`` holds the canary that nobody may read or change."""

    def __init__(self, top: RealPath) -> None:
        self.root = top / "root"
        self.outside = top / "outside"
        self.canary = self.outside / "canary"
        for folder in (self.root, self.outside):
            folder.mkdir(mode=0o755)
        self.canary.write_text("tweet")
        (self.outside / "only outside").touch()
        self._before = self._seen()

    def files(self, opener: Opener | None = None, identity: Identity = OWN, umask: int = 0o22) -> LocalFiles:
        return files_at(str(self.root), opener, identity, umask)

    def owned_by(self, identity: Identity) -> None:
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, identity.uid, identity.gid, follow_symlinks=False)

    def _seen(self) -> object:
        known = self.canary.stat()
        return self.canary.read_text(), known.st_mode, known.st_uid, known.st_mtime_ns, sorted(os.listdir(self.outside))

    def outside_is_untouched(self) -> bool:
        return self._seen() == self._before


@contextmanager
def ground() -> Iterator[Ground]:
    """Not pytest's tmp_path: other users may not enter that one."""
    top = RealPath(tempfile.mkdtemp(prefix="ftpd-fs-"))
    top.chmod(0o755)
    descriptors = len(os.listdir("/proc/self/fd"))
    try:
        yield Ground(top)
        gc.collect()  # a caught exception's frames keep what they worked with
        assert len(os.listdir("/proc/self/fd")) == descriptors, "the test left descriptors behind"
    finally:
        shutil.rmtree(top)


def v(virtual: str) -> Path:
    return Path(virtual)


def read(files: LocalFiles, virtual: str) -> str:
    fd = files.open_read(v(virtual))
    try:
        return os.read(fd, 4096).decode()
    finally:
        os.close(fd)


def write(files: LocalFiles, virtual: str, text: str = "new", **how: bool) -> None:
    fd = files.open_write(v(virtual), **how)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
