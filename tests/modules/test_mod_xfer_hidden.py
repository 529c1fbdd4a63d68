"""HiddenStores: a file has another name until it is whole, and nothing of it stays when it does not become so."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from unittest.mock import patch

import pytest
from xfer_ground import OVERWRITE, RESTART, Breaking, names, run, talk, upload_over

from ftpd.fs.local import LocalFiles
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData


def test_a_hidden_upload_follows_a_link_to_a_file() -> None:
    async def tale(ftp: Bench) -> tuple[str, str, bool, bytes, list[str]]:
        os.symlink("sub/a", f"{ftp.root}/link")
        os.symlink("sub/b", f"{ftp.root}/dangling")
        replies = [(await ftp.upload(f"STOR {name}", b"new")).splitlines()[-1] for name in ("link", "dangling")]
        there = sorted(os.listdir(f"{ftp.root}/sub"))
        return replies[0], replies[1], os.path.islink(f"{ftp.root}/link"), ftp.read("sub/a"), there

    conf, files = OVERWRITE + "HiddenStores on\n", {"sub/a": b"old"}
    whole, no_file = "226 Transfer complete", "550 dangling: Not a regular file"
    assert run(tale, files=files, conf=conf) == (whole, no_file, True, b"new", ["a"])
    conf += "TransferOptions AllowSymlinkUpload\n"
    assert run(tale, files=files, conf=conf) == (whole, whole, True, b"new", ["a", "b"])
    assert run(tale, files=files, conf="HiddenStores on\n")[0] == "550 link: Overwrite permission denied"


def test_a_hidden_upload_that_cannot_have_its_name_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def refused(*paths: object, **how: object) -> None:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        with patch.object(LocalFiles, "rename", refused):
            reply = await ftp.upload("STOR sub/late", b"new")
        return reply.splitlines()[-1], os.listdir(f"{ftp.root}/sub")

    reply, left = run(tale, files={"sub/": b""}, conf=OVERWRITE + "HiddenStores on\n")
    assert reply == "550 /sub/late: Rename of hidden file /sub/.in.late. failed: Is a directory"
    assert left == []
    assert re.search(r"Rename of /\S+/sub/.in.late. to /\S+/sub/late failed: Is a directory\.", caplog.text)


def test_a_hidden_upload_gets_its_name_when_it_is_whole() -> None:
    async def tale(ftp: Bench) -> tuple[list[str], bytes, list[str], bytes]:
        during: list[str] = []
        old = b""

        def look() -> None:
            nonlocal old
            during.extend(names(ftp))
            old = ftp.read("a")

        await upload_over(ftp, "STOR a", Breaking(b"new", look))
        return during, old, names(ftp), ftp.read("a")

    during, old, after, content = run(tale, files={"a": b"old"}, conf=OVERWRITE + "HiddenStores on\n")
    assert (during, old) == ([".in.a.", "a"], b"old")
    assert (after, content) == (["a"], b"new")


def test_prefix_and_suffix_of_hidden_uploads_can_be_chosen() -> None:
    async def tale(ftp: Bench) -> list[str]:
        during: list[str] = []
        await upload_over(ftp, "STOR a", Breaking(b"new", lambda: during.extend(names(ftp))))
        return during

    assert run(tale, conf='HiddenStores "" .filepart\n') == ["a.filepart"]
    # a prefix alone is set between dots, as with ProFTPD
    assert run(tale, conf="HiddenStores up-\n") == [".up-.a."]
    assert run(tale, conf="HiddenStores .up-.\n") == [".up-.a."]
    assert run(tale, conf="HiddenStores up- .\n") == ["up-a."]
    (name,) = run(tale, conf="HiddenStores .in. .%P\n")
    assert re.fullmatch(rf"\.in\.a\.{os.getpid()}-\d+", name)


def test_a_hidden_file_in_the_way_is_told() -> None:
    async def tale(ftp: Bench) -> tuple[str, list[str]]:
        return await ftp.upload("STOR a", b"x"), names(ftp)

    reply, left = run(tale, files={".in.a.": b""}, conf="HiddenStores on\n")
    assert reply == "550 a: Temporary hidden file /.in.a. already exists"
    assert left == [".in.a."]


def test_hidden_uploads_cannot_go_on_in_the_middle() -> None:
    conf = RESTART + "HiddenStores on\n"
    replies = talk(
        "TYPE I", "REST 3", "STOR a", "RANG 1 2", "STOR a", "REST 2", "APPE a", files={"a": b"0123"}, conf=conf
    )
    assert replies[2] == replies[6] == "501 REST not compatible with server configuration"
    assert replies[4] == "501 RANG not compatible with server configuration"


def test_a_file_that_came_meanwhile_is_not_overwritten() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes, list[str]]:
        link = Breaking(b"ours", lambda: ftp.write("a", b"theirs"))
        reply = await upload_over(ftp, "STOR a", link)
        return reply.splitlines()[-1], ftp.read("a"), names(ftp)

    assert run(tale, conf="HiddenStores on\n") == ("550 a: Overwrite permission denied", b"theirs", ["a"])


def test_a_session_that_ends_in_the_middle_leaves_no_hidden_file() -> None:
    class Hanging(MemoryData):
        async def receive_file(self, descriptor: int, **how: object) -> int:
            os.write(descriptor, b"half")
            started.set()
            await asyncio.Event().wait()
            return 0

    async def tale(ftp: Bench) -> list[str]:
        task = asyncio.ensure_future(upload_over(ftp, "STOR a", Hanging(b"")))
        await started.wait()
        assert names(ftp) == [".in.a."]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return names(ftp)

    started = asyncio.Event()
    assert run(tale, conf="HiddenStores on\n") == []
