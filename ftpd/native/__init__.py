"""What is compiled where a C compiler is at hand when ftpd is installed; all of it is there in Python as well.

Each source has an extension module in ``pyproject.toml`` (``optional``: an installation without a compiler goes on
without) and a name here, which is None where it is not to be had.  Whoever uses one holds the same in Python, and the
same tests run both.  ``FTPD_NATIVE=off`` in the environment leaves them alone.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def _compiled(name: str) -> Any:
    if os.environ.get("FTPD_NATIVE", "").lower() in ("off", "0", "no"):
        return None
    try:
        return import_module(f"ftpd.native.{name}")
    except ImportError:
        return None


calls = _compiled("_calls")
"""Acting as a user, and openat2(2): ``calls.c``."""

front = _compiled("_front")
"""Waiting for what clients say, and answering what is known beforehand: ``front.c``."""

lines = _compiled("_lines")
"""The lines of listings: ``lines.c`` and what stands around it."""

data = _compiled("_data")
"""What the kernel is asked for data connections: ``data.c``."""
