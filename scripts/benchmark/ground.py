"""What every server of a measurement serves: one tree in memory, one system user, and the folder for its papers."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
from pathlib import Path

USER = PASSWORD = "ftpdbench"
UID = 2521
ROOT = Path("/dev/shm/ftpd-bench")
"""In memory: no disk is part of what is measured."""
PAPERS = Path("/tmp/ftpd-bench")
"""Configurations, logs and the password file."""
_MIB = 1 << 20


def prepare(*, large: bool = True) -> None:
    """Make the tree and the user, or leave what is there as it is."""
    PAPERS.mkdir(exist_ok=True)
    PAPERS.chmod(0o755)
    # held to our end: two at once would measure each other, and share this tree
    fcntl.flock(os.open(PAPERS / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), fcntl.LOCK_EX)
    ROOT.mkdir(exist_ok=True)
    (ROOT / "up").mkdir(exist_ok=True)
    (ROOT / "small.bin").write_bytes(os.urandom(1024))
    (ROOT / "middle.bin").write_bytes(os.urandom(65536))
    line = b"The quick brown fox jumps over the lazy dog, and that is all there is to say.\n"
    (ROOT / "text.txt").write_bytes(line * (10 * _MIB // len(line)))
    if large and not (ROOT / "big.bin").exists():
        block = os.urandom(_MIB)
        with open(ROOT / "big.bin", "wb") as out:
            for _ in range(1024):
                out.write(block)
    for count in (100, 1000, 10000):
        folder_of(count)
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "-d", ROOT, "-s", "/bin/bash", "-u", str(UID), USER], check=True)
    # an MD5 hash, so that what is measured is a login and not a hash
    hashed = subprocess.run(["openssl", "passwd", "-1", PASSWORD], capture_output=True, text=True, check=True)
    subprocess.run(["usermod", "-p", hashed.stdout.strip(), "-d", ROOT, USER], check=True)
    passwd = PAPERS / "passwd"
    passwd.write_text(f"{USER}:{hashed.stdout.strip()}:{UID}:{UID}::{ROOT}:/bin/bash\n")
    passwd.chmod(0o600)
    subprocess.run(["chown", "-R", f"{UID}:{UID}", ROOT], check=True)


def folder_of(count: int) -> str:
    """The name of a folder with so many small files."""
    folder = ROOT / f"d{count}"
    if not folder.is_dir():
        folder.mkdir()
        for number in range(count):
            (folder / f"file-{number:06d}.dat").write_bytes(b"x" * (number % 97))
        subprocess.run(["chown", "-R", f"{UID}:{UID}", folder], check=True)
    return folder.name


def file_of(size: int) -> str:
    """The name of a file of so many bytes; being all holes, it takes no room."""
    path = ROOT / f"size{size}"
    with open(path, "wb") as file:
        file.truncate(size)
    os.chown(path, UID, UID)
    return path.name


def clear_away() -> None:
    """Give the memory back, and take the user away."""
    shutil.rmtree(ROOT, ignore_errors=True)
    subprocess.run(["userdel", USER], capture_output=True)
