"""What a listing lets go of stays the daemon's for the next one."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_TALE = """
import resource
from ftpd.daemon.process import spare_the_loop

def listing():
    lines = [b"x" * 100_000 for _ in range(5)]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        listing()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
first = faults()
spare_the_loop()
faults()
print(first, faults())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another libc has other ways")
def test_memory_of_a_listing_is_not_asked_of_the_kernel_again_and_again() -> None:
    told = subprocess.run([sys.executable, "-c", _TALE], capture_output=True, text=True, check=True, timeout=60)
    without, kept = map(int, told.stdout.split())
    assert kept < 20 < without
