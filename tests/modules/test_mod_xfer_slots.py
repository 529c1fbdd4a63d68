"""MaxTransfersPerHost and MaxTransfersPerUser: how many may transfer at the same time."""

from __future__ import annotations

import asyncio

import pytest
from xfer_ground import upload_over

from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData

FROM_HOST = "451 Sorry, the maximum number of data transfers (1) from your host are currently being used."
FROM_USER = "451 Sorry, the maximum number of data transfers (1) from this user are currently being used."


class Slow(MemoryData):
    """An upload that lasts until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(b"slow")
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()

    async def receive_file(
        self, descriptor: int, *, offset: int | None = None, ascii: bool = False, limit: int | None = None
    ) -> int:
        self.began.set()
        await self.go_on.wait()
        return await super().receive_file(descriptor, offset=offset, ascii=ascii, limit=limit)


async def meanwhile(conf: str, *lines: str, remote: str = "127.0.0.1", login: str = "tom") -> list[str]:
    """What a second session hears while one of tom's uploads is under way, and then once more when that is over."""
    users = {"tom": "a", "ann": "b"}
    async with (
        Bench(conf=f"DefaultRoot ~\n{conf}", users=users) as first,
        Bench(
            conf=f"DefaultRoot ~\n{conf}", users=users, files={"f": b"f", "d/f": b"f"}, remote=remote, login=login
        ) as second,
    ):
        slow = Slow()
        upload = asyncio.ensure_future(upload_over(first, "STOR slow", slow))
        await slow.began.wait()
        replies = []
        for line in lines:
            replies.append((await second.upload(line, b"x")).splitlines()[-1])
        slow.go_on.set()
        assert (await upload).endswith("226 Transfer complete")
        replies.append((await second.upload(lines[0], b"x")).splitlines()[-1])
        return replies


@pytest.mark.parametrize(
    ("conf", "refusal"),
    [
        ("MaxTransfersPerHost STOR,RETR 1\n", FROM_HOST),
        ("MaxTransfersPerUser STOR,RETR 1\n", FROM_USER),
        ('MaxTransfersPerUser stor,retr 1 "Only %m at a time"\n', "451 Only 1 at a time"),
    ],
)
def test_the_one_too_many_is_refused_until_another_ends(conf: str, refusal: str) -> None:
    assert asyncio.run(meanwhile(conf, "STOR g", "APPE h")) == [
        refusal,
        "226 Transfer complete",
        "226 Transfer complete",
    ]


@pytest.mark.parametrize("limit", ["MaxTransfersPerHost", "MaxTransfersPerUser"])
def test_each_command_of_a_line_is_counted_apart(limit: str) -> None:
    told = FROM_HOST if limit.endswith("Host") else FROM_USER
    done = "226 Transfer complete"
    lines = "RETR f", "APPE h", "STOU", "STOR g"
    assert asyncio.run(meanwhile(f"{limit} RETR,STOR,APPE,STOU 1\n", *lines)) == [done, done, done, told, done]


def test_of_two_lines_about_a_command_the_one_that_is_full_is_told() -> None:
    conf = 'MaxTransfersPerHost RETR,STOR 2 "two"\nMaxTransfersPerHost STOR 1 "one"\n'
    assert asyncio.run(meanwhile(conf, "STOR g"))[0] == "451 one"


@pytest.mark.parametrize(
    ("conf", "who"),
    [
        ("MaxTransfersPerHost STOR,RETR 2\n", {}),
        ("MaxTransfersPerHost RETR 1\n", {}),
        ("MaxTransfersPerHost STOR,RETR 1\n", {"remote": "127.0.0.9"}),
        ("MaxTransfersPerUser STOR,RETR 1\n", {"login": "ann"}),
        ("", {}),
    ],
)
def test_others_and_other_commands_are_let_pass(conf: str, who: dict[str, str]) -> None:
    assert asyncio.run(meanwhile(conf, "RETR f", **who))[0] == "226 Transfer complete"


def test_who_may_not_transfer_now_hears_that_before_what_else_is_against_an_upload() -> None:
    conf = "AllowOverwrite off\nAllowStoreRestart off\nMaxTransfersPerHost STOR 1\n"
    denied = "550 f: Overwrite permission denied"
    assert asyncio.run(meanwhile(conf, "STOR f")) == [FROM_HOST, denied]


@pytest.mark.parametrize("limit", ["MaxTransfersPerHost", "MaxTransfersPerUser"])
def test_the_section_that_the_file_lies_in_has_the_limit(limit: str) -> None:
    conf = f"AllowOverwrite on\n<Directory ~/d>\n{limit} STOR 1\n</Directory>\n"
    told = FROM_HOST if limit.endswith("Host") else FROM_USER
    lines = "STOR h", "STOR d/g", "RETR d/f", "STOR g"
    done = "226 Transfer complete"
    assert asyncio.run(meanwhile(conf, *lines)) == [done, told, done, done, done]


def test_a_refused_transfer_takes_no_place() -> None:
    async def tale() -> list[str]:
        async with Bench(conf="DefaultRoot ~\nMaxTransfersPerHost RETR 1\n", files={"f": b"f"}) as ftp:
            return [await ftp("RETR nope"), await ftp("RETR f"), (await ftp.upload("RETR f", b""))[:3]]

    assert asyncio.run(tale()) == [
        "550 nope: No such file or directory",
        "425 Unable to build data connection: Connection refused",
        "150",
    ]
