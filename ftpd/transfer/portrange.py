"""Which ports there are for a listener: the administrator's, or the system's for whoever does not mind which."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from functools import lru_cache

_SYSCTL = "/proc/sys/net/ipv4/ip_local_"
_AT_ONCE = 512
"""Bytes that the kernel is asked for: two make a number, and a call for each would cost more than that."""

# the next port must not be guessable, and what two processes draw has nothing to do with each other
_numbers = array("H")
os.register_at_fork(after_in_child=lambda: _numbers.__delitem__(slice(None)))


def below(count: int) -> int:
    """A number from 0 to ``count - 1``, no more than 65535, that nobody can foresee."""
    fair = 0x10000 - 0x10000 % count
    while True:
        if not _numbers:
            _numbers.frombytes(os.urandom(_AT_ONCE))
        number = _numbers.pop()
        # what is left over at the upper end would make some ports likelier than others
        if number < fair:
            return number % count


def drawn(ports: range, most: int) -> Iterator[int]:
    """Ports of the range in no order that can be foreseen, each once, and no more than ``most``."""
    tried: set[int] = set()
    while len(tried) < min(most, len(ports)):
        port = ports[below(len(ports))]
        if port not in tried:
            tried.add(port)
            yield port


@lru_cache(maxsize=1)
def of_system() -> tuple[range, frozenset[int]]:
    """The ports that the kernel itself would choose from, and those of them that it would not; as at the start.

    Asked to choose, it takes no port whose last connection has ended within a minute, looks through all of them for
    another one, and finds none where there were 28,000 transfers in that minute.
    """
    try:
        with open(f"{_SYSCTL}port_range") as file:
            first, last = map(int, file.read().split())
        with open(f"{_SYSCTL}reserved_ports") as file:
            reserved = file.read().strip()
    except (OSError, ValueError):
        return range(0), frozenset()
    return range(first, last + 1), frozenset(_listed(reserved))


def _listed(text: str) -> Iterator[int]:
    """
    >>> list(_listed("8080,9000-9002")), list(_listed(""))
    ([8080, 9000, 9001, 9002], [])
    """
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
