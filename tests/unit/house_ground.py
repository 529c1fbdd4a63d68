"""A server with an account whose home is here, and what its clients are answered: for the tests of the entrance."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from recall_ground import Counted, Place, serving, tell

from ftpd.core import crypt
from ftpd.module.table import Module

HASH = crypt.hash("secret", "$1$")
WELCOME, WRONG = "230 User ann logged in", "530 Login incorrect."


class House:
    """A server with an account of its own, ann with the password ``secret``, and her home."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.users, self.home = folder / "users", folder / "home"
        self.counted = Counted(place)

    def write(self, name: str = "ann", *, hashed: str = HASH, home: Path | None = None, shell: str = "/bin/sh") -> None:
        line = f"{name}:{hashed}:{os.getuid()}:{os.getgid()}::{home or self.home}:{shell}\n"
        replace(self.users, line)

    async def come(self, *lines: str, name: str = "ann") -> list[str]:
        """What a client is answered who says its name, then this, and goes."""
        self.counted.verbs.clear()
        async with self.place.client(login=False) as client:
            assert (await client.ask(f"USER {name}")).startswith("331")
            said = []
            for line in lines or ["PASS secret"]:
                answer = await client.ask(line)
                while answer[3:4] == "-" or not answer[:3].isdigit():
                    said.append(answer)
                    answer = await client.line()
                said.append(answer)
            # who is refused for good is gone
            with suppress(OSError, EOFError):
                await client.ask("QUIT")
            return said

    async def met(self) -> None:
        """She has come before; the first time her file was read, for which she had to wait."""
        for roads in (1, 1, 0):
            assert (await self.come(), self.roads) == ([WELCOME], roads)

    @property
    def roads(self) -> int:
        """How many passwords of the last client took the whole road."""
        return self.counted.verbs.count("PASS")


def replace(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.rename(path)


Told = Callable[[House], Awaitable[None]]


def stories(tmp_path: Path) -> Callable[..., Callable[[Told], None]]:
    """Have it told where the modules and this configuration are in force."""

    def begin(conf: str = "", *modules: Module) -> Callable[[Told], None]:
        def telling(told: Told) -> None:
            async def whole() -> None:
                (tmp_path / "home").mkdir()
                users = tmp_path / "users"
                users.write_text(f"ann:{HASH}:{os.getuid()}:{os.getgid()}::{tmp_path}/home:/bin/sh\n")
                users.chmod(0o600)
                usual = ["RootLogin on", f"AuthUserFile {users}"]
                for line in (
                    "AuthOrder mod_auth_file.c",
                    "RequireValidShell off",
                    "UseFtpUsers off",
                    "DelayEngine off",
                ):
                    if line.partition(" ")[0] not in conf:
                        usual.append(line)
                async with serving(*modules, conf="\n".join([*usual, conf])) as place:
                    await told(House(place, tmp_path))

            tell(whole)

        return telling

    return begin


def hashes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The passwords that are hashed, from now on."""
    hashed: list[bytes] = []
    plain = crypt._hashed

    def counted(password: bytes, setting: bytes) -> bytes | None:
        hashed.append(password)
        return plain(password, setting)

    monkeypatch.setattr(crypt, "_hashed", counted)
    return hashed
