"""NLST: names that RETR takes, and none that it would not."""

from __future__ import annotations

import os

import pytest
from ls_ground import OPENED, TREE, listed
from xfer_ground import fetch, run

from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("NLST", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST -CF", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST -a", [".", "..", ".h", "B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST d", ["d/e", "d/in.txt"]),
        ("NLST ./d/", ["d/e", "d/in.txt"]),
        ("NLST /d", ["/d/e", "/d/in.txt"]),
        ("NLST //d", ["/d/e", "/d/in.txt"]),
        ("NLST //d/in.txt", ["/d/in.txt"]),
        ("NLST .", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST *.txt", ["B.txt", "a.txt", "c d.txt"]),
        ("NLST /*.txt", ["/B.txt", "/a.txt", "/c d.txt"]),
        ("NLST -l *.txt", ["B.txt", "a.txt", "c d.txt"]),
        ("NLST {a,B}.txt", ["a.txt", "B.txt"]),
        ("NLST c d.txt", ["c d.txt"]),
        ("NLST d*", ["d"]),
        ("NLST -1 d", ["e", "in.txt"]),
        ("NLST -1 d/in.txt", ["in.txt"]),
        ("NLST -1 /d/i*", ["in.txt"]),
        ("NLST d//in.txt", ["d/in.txt"]),
        ("NLST */", ["d/"]),
        ("NLST ./*.txt", ["./B.txt", "./a.txt", "./c d.txt"]),
        ("NLST .*", [".h"]),
        ("NLST d/e/../in.txt", ["d/in.txt"]),
    ],
)
def test_nlst_gives_names_that_retr_takes(line: str, names: list[str]) -> None:
    assert listed(line) == names


@pytest.mark.parametrize(
    ("line", "names"), [("NLST", "fifo good x"), ("NLST *", "good x"), ("LIST -1", "bad fifo good x")]
)
def test_names_are_of_what_is_there(line: str, names: str) -> None:
    """A client's MGET fetches what NLST names: a link that leads nowhere would end it with an error."""

    async def tale(ftp: Bench) -> bytes:
        os.symlink("zip", f"{ftp.root}/bad")
        os.symlink("x", f"{ftp.root}/good")
        os.mkfifo(f"{ftp.root}/fifo")
        return await ftp.download(line)

    assert run(tale, files={"x": b""}).decode().split() == names.split()


def test_nlst_of_what_cannot_be_fetched_is_450() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.mkfifo(f"{ftp.root}/fifo")
        replies = []
        for line in (
            "NLST fifo",
            "NLST -1 fifo",
            "NLST [",
            "NLST -a  nope",
            "NLST  nope",
            "NLST [x]",
            "NLST a/*",
            "NLST a",
        ):
            await ftp.download(line)
            replies.append(ftp.replies)
        return replies

    assert run(tale, files={"a": b""}) == [
        "450 fifo: Not a regular file",
        "450 -1 fifo: Not a regular file",
        "450 [: No such file or directory",
        "450 -a  nope: No such file or directory",
        "450 nope: No such file or directory",
        "450 No files found",
        "450 No files found",
        f"{OPENED}\n226 Transfer complete",
    ]


def test_an_empty_folder_has_no_names_and_is_there() -> None:
    async def tale(ftp: Bench) -> tuple[bytes, str]:
        return await ftp.download("NLST empty"), ftp.replies

    assert run(tale, files={"empty/": b""}) == (b"", f"{OPENED}\n226 Transfer complete")


def test_names_above_the_working_directory() -> None:
    assert fetch("CWD d/e", "NLST ../*.txt", files=TREE) == b"../in.txt\r\n"
    assert fetch("CWD d/e", "NLST ..", files=TREE) == b"../e\r\n../in.txt\r\n"


def test_nlst_alone_names_the_folder_that_is_denied() -> None:
    async def tale(ftp: Bench) -> str:
        await ftp.download("NLST")
        return ftp.replies

    assert run(tale, conf="<Limit NLST>\nDenyAll\n</Limit>\n") == "450 /: No such file or directory"
