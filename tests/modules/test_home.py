"""A path that begins with ``~``: the client's home, for every command, and what is said of that place counts."""

from __future__ import annotations

import os

import pytest
from xfer_ground import run, talk

from ftpd.testing import Bench

TREE = {"a.txt": b"hello", "d/in.txt": b"1", "away/": b""}
NOT_THERE = "550 {}: No such file or directory"


def test_every_command_finds_the_home() -> None:
    async def tale(ftp: Bench) -> None:
        await ftp("TYPE I")
        await ftp("CWD away")
        assert await ftp.download("RETR ~/a.txt") == b"hello"
        assert (await ftp.upload("STOR ~/d/new.txt", b"new"))[-21:] == "226 Transfer complete"
        assert await ftp.download("NLST ~/d") == b"~/d/in.txt\r\n~/d/new.txt\r\n"
        assert await ftp.download("NLST ~/d/i*") == b"/d/in.txt\r\n"
        assert (await ftp("SIZE ~/d/new.txt")) == "213 3"
        assert (await ftp("MKD ~/made")).startswith('257 "/made"')
        assert (await ftp("RNFR ~/a.txt"))[:3] + (await ftp("RNTO ~/made/b.txt"))[:3] == "350250"
        assert (await ftp("DELE ~/made/b.txt"))[:3] + (await ftp("RMD ~/made"))[:3] == "250250"
        assert (await ftp("CWD ~/d"))[:3] == "250"
        assert (await ftp("CWD ~"))[:3] == "250"
        assert "/" in await ftp("PWD")
        assert os.listdir(f"{ftp.root}/away") == []

    run(tale, files=TREE)


def test_what_is_called_so_comes_first_and_is_looked_for_each_time() -> None:
    async def tale(ftp: Bench) -> None:
        await ftp("TYPE I")
        await ftp("CWD away")
        assert await ftp("SIZE ~/a.txt") == "213 5"
        assert await ftp("SIZE ~/a.txt") == "213 5"
        os.mkdir(f"{ftp.root}/away/~")
        assert await ftp("SIZE ~/a.txt") == NOT_THERE.format("~/a.txt")
        os.rmdir(f"{ftp.root}/away/~")
        assert await ftp("SIZE ~/a.txt") == "213 5"

    run(tale, files=TREE)


@pytest.mark.parametrize("name", ["~a", "~tom", "~tom/a.txt", "x/~", "./~/a.txt"])
def test_other_names_with_a_tilde_are_names(name: str) -> None:
    assert talk("TYPE I", f"SIZE {name}", files=TREE)[1] == NOT_THERE.format(name)


def test_the_limit_of_the_place_itself_counts_and_not_that_of_where_the_client_is() -> None:
    conf = (
        "<Directory {root}/away>\n<Limit DIRS READ>\nDenyAll\n</Limit>\n<Limit CWD>\nAllowAll\n</Limit>\n</Directory>\n"
        "<Directory {root}/d>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n"
    )

    async def tale(ftp: Bench) -> None:
        await ftp("TYPE I")
        assert (await ftp("CWD away"))[:3] == "250"
        assert await ftp.download("RETR ~/a.txt") == b"hello"
        await ftp.download("RETR ~/d/in.txt")
        assert ftp.replies.startswith("550 ")
        assert await ftp("SIZE ~/d/in.txt") == (await ftp("SIZE /d/in.txt")).replace("/d", "~/d")
        assert await ftp("DELE ~/d/in.txt") == "550 ~/d/in.txt: Operation not permitted"
        assert await ftp.download("LIST ~/d") == b""
        assert (await ftp("CWD ~"))[:3] == "250"

    run(tale, files=TREE, conf=conf)


def test_a_name_filter_sees_the_place() -> None:
    said = talk("CWD away", "MKD ~/d/no", "MKD ~/yes", files=TREE, conf="PathDenyFilter ^/d/|no$\n")
    assert [reply[:3] for reply in said] == ["250", "550", "257"]


@pytest.mark.parametrize("line", ["MKD ~", "STOR ~", "APPE ~", "RNTO ~"])
def test_what_is_made_can_be_called_so(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        await ftp("CWD away")
        await ftp("RNFR /a.txt") if line.startswith("RNTO") else None
        assert (await ftp.upload(line, b"x")).splitlines()[-1][:1] == "2"
        return os.listdir(f"{ftp.root}/away")

    assert run(tale, files=TREE) == ["~"]
