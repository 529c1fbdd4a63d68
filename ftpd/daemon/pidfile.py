"""The PidFile: written when the daemon listens, removed when it ends, never through a link."""

from __future__ import annotations

import os

from ftpd.core.identity import acting_as_daemon


def write(path: str) -> None:
    """Put our process id there, mode 0644, replacing what a daemon that died left behind."""
    with acting_as_daemon():
        aside = f"{path}.{os.getpid()}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with open(descriptor, "w") as out:
            out.write(f"{os.getpid()}\n")
        os.rename(aside, path)


def remove(path: str) -> None:
    """Remove the file if it is ours."""
    try:
        with acting_as_daemon():
            with open(path) as file:
                ours = file.read().strip() == str(os.getpid())
            if ours:
                os.unlink(path)
    except OSError:
        return
