"""Names of ids, and ids of names, as far as they are known: listings ask for each entry and cannot wait."""

from __future__ import annotations

from time import monotonic
from typing import Any

_LASTS = 300.0
"""Seconds for which the name of an id is believed; an id without a name is asked for again sooner."""
_NAMELESS_LASTS = 10.0
_MOST = 10_000


class Names:
    """What is known of users and groups: kinds are ``uid``, ``user``, ``gid`` and ``group``."""

    def __init__(self, *, remember_nameless: bool) -> None:
        self._known: dict[tuple[str, int | str], tuple[Any, float]] = {}
        self._nameless = _LASTS if remember_nameless else _NAMELESS_LASTS

    def get(self, kind: str, key: int | str) -> tuple[bool, Any]:
        """Whether it is known, and what; None is a name or an id that there is not."""
        found = self._known.get((kind, key))
        return (False, None) if found is None or found[1] < monotonic() else (True, found[0])

    def keep(self, kind: str, key: int | str, value: int | str | None) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[kind, key] = (value, monotonic() + (self._nameless if value is None else _LASTS))

    def keep_user(self, uid: int, name: str) -> None:
        self.keep("uid", uid, name)
        self.keep("user", name, uid)

    def keep_group(self, gid: int, name: str) -> None:
        self.keep("gid", gid, name)
        self.keep("group", name, gid)
