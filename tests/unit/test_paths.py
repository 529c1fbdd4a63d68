"""Virtual paths, whatever a client writes: always absolute, never above the root, no dots left."""

from __future__ import annotations

import itertools

import pytest

from ftpd.core.paths import normalise


@pytest.mark.parametrize("cwd", ["/", "/a", "/a/b", "/.c", "/a\n"])
def test_every_short_argument_means_what_its_parts_say(cwd: str) -> None:
    for length in range(7):
        for letters in itertools.product("/.a\n", repeat=length):
            argument = "".join(letters)
            there: list[str] = []
            for part in (argument if argument.startswith("/") else f"{cwd}/{argument}").split("/"):
                if part == "..":
                    there = there[:-1]
                elif part not in ("", "."):
                    there.append(part)
            assert normalise(cwd, argument) == "/" + "/".join(there)
