"""Which ports there are for a listener: the administrator's, or the system's for whoever does not mind which."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache

# the next port must not be guessable
_random = random.SystemRandom()
_SYSCTL = "/proc/sys/net/ipv4/ip_local_"


def drawn(ports: range, most: int) -> Iterator[int]:
    """Ports of the range in no order that can be foreseen, each once, and no more than ``most``."""
    tried: set[int] = set()
    while len(tried) < min(most, len(ports)):
        port = ports[_random.randrange(len(ports))]
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
