"""What is compiled where a C compiler is at hand when ftpd is installed; all of it is there in Python as well.

Each source has an extension module in ``pyproject.toml`` (``optional``: an installation without a compiler goes on
without) and a name here, which is None where it is not to be had.  Whoever uses one holds the same in Python, and the
same tests run both.  ``FTPD_NATIVE=off`` in the environment leaves them alone.  In a checkout whose sources have
changed since, as by a pull, what was compiled of them is left alone as well, until ``scripts/run`` compiles it anew.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def newest_source(folder: str) -> float:
    """When the sources in this folder were last changed (seconds since 1970); 0 where there are none, as installed."""
    with os.scandir(folder) as entries:
        return max((entry.stat().st_mtime for entry in entries if entry.name.endswith((".c", ".h"))), default=0.0)


def _compiled(name: str) -> Any:
    if os.environ.get("FTPD_NATIVE", "").lower() in ("off", "0", "no"):
        return None
    found = find_spec(f"ftpd.native.{name}")
    if found is None or found.origin is None or os.stat(found.origin).st_mtime < _sources:
        return None
    try:
        return import_module(found.name)
    except ImportError:
        return None


_sources = newest_source(os.path.dirname(__file__))


calls = _compiled("_calls")
"""Acting as a user, and openat2(2): ``calls.c``."""

ends = _compiled("_ends")
"""The line ends of TYPE A: ``ends.c``."""

front = _compiled("_front")
"""Waiting for what clients say, and answering what is known beforehand: ``front.c``."""

lines = _compiled("_lines")
"""The lines of listings: ``lines.c`` and what stands around it."""

data = _compiled("_data")
"""What the kernel is asked for data connections: ``data.c``; the middle of long files: ``pump.c``; small ones by what
was decided before: ``walk.c``, ``send.c``, ``show.c`` and ``receive.c``."""

moulds = _compiled("_moulds")
"""Objects that are made as another one is: ``moulds.c``."""

tally = _compiled("_tally")
"""Counting by key, several keys in one go: ``tally.c``."""

pages = _compiled("_pages")
"""Memory brought together in large pages: ``pages.c``."""

signs = _compiled("_signs")
"""Whether a file is as it was: ``signs.c``."""
