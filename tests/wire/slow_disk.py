"""A file system that can be made to stall: FUSE's mirror of a folder, served by a process that can be stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


class SlowDisk:
    """What lies in ``behind`` is seen at ``point``, as long as the process that shows it goes on."""

    def __init__(self, base: Path) -> None:
        self.behind = base / "behind"
        self.point = base / "disk"
        for folder in (self.behind, self.point):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        self._server: subprocess.Popen[bytes] | None = None

    def mount(self) -> None:
        self._server = subprocess.Popen([sys.executable, __file__, str(self.behind), str(self.point)])
        end = time.monotonic() + 60
        while not os.path.ismount(self.point):
            assert self._server.poll() is None, "the FUSE server ended at once"
            assert time.monotonic() < end, "the FUSE file system was not mounted within a minute"
            time.sleep(0.02)

    def stall(self) -> None:
        """From now on nothing on the disk is answered."""
        self._signal(signal.SIGSTOP)
        assert self._server is not None
        # it stops some moments later; a question that it has taken by then could not even be killed
        os.waitid(os.P_PID, self._server.pid, os.WSTOPPED)

    def recover(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        assert self._server is not None
        self._server.send_signal(which)

    def unmount(self) -> None:
        if self._server is not None:
            self.recover()
            self._server.kill()
            self._server.wait()
            subprocess.run(["umount", "-l", self.point], check=False)
            self._server = None


def needs_fuse() -> None:
    """Skip where this machine cannot mount a FUSE file system."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    if os.geteuid() != 0:
        pytest.skip("only root may let others use a FUSE file system")
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no libfuse here: {error}")


def serve(behind: str, point: str) -> None:
    import mfusepy

    class Mirror(mfusepy.Operations):  # type: ignore[misc]
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, object]:
            found = os.lstat(behind + path)
            shown = {name: getattr(found, name) for name in ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")}
            return shown | {name: getattr(found, f"{name}_ns") for name in ("st_atime", "st_mtime", "st_ctime")}

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *os.listdir(behind + path)]

        def readlink(self, path: str) -> str:
            return os.readlink(behind + path)

        def open(self, path: str, flags: int) -> int:
            return os.open(behind + path, flags)

        def create(self, path: str, mode: int, fi: object = None) -> int:
            return os.open(behind + path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(behind + path, length)

        def release(self, path: str, fh: int) -> None:
            os.close(fh)

        def chmod(self, path: str, mode: int) -> None:
            os.chmod(behind + path, mode)

        def chown(self, path: str, uid: int, gid: int) -> None:
            os.chown(behind + path, uid, gid)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            os.utime(behind + path, ns=times)

        def mkdir(self, path: str, mode: int) -> None:
            os.mkdir(behind + path, mode)

        def rmdir(self, path: str) -> None:
            os.rmdir(behind + path)

        def unlink(self, path: str) -> None:
            os.unlink(behind + path)

        def rename(self, old: str, new: str) -> None:
            os.rename(behind + old, behind + new)

    # no attribute is believed for longer than a moment, so that each look goes to the server, as with NFS and noac
    mfusepy.FUSE(
        Mirror(), point, foreground=True, nothreads=True, allow_other=True, attr_timeout=0, entry_timeout=0,
        negative_timeout=0,
    )  # fmt: skip


if __name__ == "__main__":
    serve(*sys.argv[1:])
