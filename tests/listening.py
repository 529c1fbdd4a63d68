"""Whether a process listens at a port: one that was let go of may be another's by now, as the kernel hands them out."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"


def listens(port: int, process: int | str = "self") -> bool:
    """Whether the process, given by its id, has a socket that listens at the TCP port (proc(5))."""
    there = {
        f"socket:[{line[9]}]"
        for table in ("tcp", "tcp6")
        for line in map(str.split, Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:])
        if line[3] == _LISTENS and int(line[1].rpartition(":")[2], 16) == port
    }
    return not there.isdisjoint(_descriptors(process))


def _descriptors(process: int | str) -> set[str]:
    found = set()
    for name in os.listdir(folder := f"/proc/{process}/fd"):
        # closed meanwhile, as that of the folder itself is
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"{folder}/{name}"))
    return found
