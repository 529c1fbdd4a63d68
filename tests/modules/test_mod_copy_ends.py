"""A copy that ends half-way: it takes nothing from what was there, and leaves nothing behind but what is told of."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

import pytest
from copy_ground import LOAD, OVERWRITE, READY, TREE, after
from xfer_ground import names, run, talk

from ftpd.api import Command, Module
from ftpd.fs import local
from ftpd.testing import Bench


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes the first bytes of a copy and no more."""

    def ranged(source: int, target: int, count: int, *offsets: int) -> int:
        if offsets[0] == 0:
            return os.pwrite(target, os.pread(source, 3, 0), 0)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", ranged)


def test_on_a_full_disk_nothing_is_left_and_nothing_is_lost(full_disk: None) -> None:
    lines = ("SITE CPFR a.txt", "SITE CPTO b")
    assert talk(*lines, conf=LOAD, files=TREE) == [READY, "552 CPTO: No space left on device"]
    assert after(*lines, look=names) == sorted({name.split("/")[0] for name in TREE})
    over = ("SITE CPFR a.txt", "SITE CPTO old.txt")
    assert after(*over, conf=OVERWRITE, look=lambda ftp: (ftp.read("old.txt"), len(names(ftp)))) == (b"old", 4)


def test_the_partial_copy_stays_where_the_administrator_wants_it(full_disk: None) -> None:
    conf = OVERWRITE + "CopyOptions NoDeleteOnFailure\n"
    assert after("SITE COPY a.txt b", conf=conf, look=lambda ftp: ftp.read("b")) == b"hel"
    # but never in the place of a whole file
    assert after("SITE COPY a.txt old.txt", conf=conf, look=lambda ftp: (ftp.read("old.txt"), len(names(ftp)))) == (
        b"old",
        4,
    )


def test_a_name_that_is_taken_meanwhile_is_not_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def tale(ftp: Bench) -> None:
        def faster(*_: object) -> int:
            ftp.write("b", b"somebody else's")
            raise OSError(errno.EXDEV, "")

        monkeypatch.setattr(os, "copy_file_range", faster)
        assert await ftp("SITE COPY a.txt b") == "550 COPY: Permission denied"
        assert ftp.read("b") == b"somebody else's"
        assert len(names(ftp)) == 5

    run(tale, conf=LOAD, files=TREE)


@pytest.mark.parametrize("leaves", [True, False])
def test_the_copy_ends_when_the_client_goes(monkeypatch: pytest.MonkeyPatch, leaves: bool) -> None:
    async def tale(ftp: Bench) -> list[str]:
        def copies(source: int, target: int, count: int, at: int, to: int) -> int:
            if leaves:
                ftp.wire.end("Read EOF from client")
            return count

        monkeypatch.setattr(os, "copy_file_range", copies)
        # more than is copied before the client is looked for
        ftp.write("big", bytes(33 << 20))
        await ftp("SITE COPY big b2")
        return names(ftp)

    assert run(tale, conf=LOAD) == (["big"] if leaves else ["b2", "big"])


def copied_while(act: Callable[[Bench], None], *, conf: str = "") -> tuple[str, list[str] | None, Bench]:
    """The reply to a copy of ``tree`` in which something happens at its first file, and what ``t2`` holds then."""
    module, copies = Module("mod_meanwhile", version="1"), []

    @module.pre("SITE COPY")
    def meanwhile(cmd: Command) -> None:
        if cmd.notes.get("mod_copy.source"):
            copies.append(cmd)
            if len(copies) == 1:
                act(bench)

    bench = Bench(module, conf=f"DefaultRoot ~\n{LOAD}{conf}", files=TREE)

    async def story() -> tuple[str, list[str] | None]:
        async with bench as ftp:
            reply = await ftp("SITE COPY tree t2")
            return reply, sorted(os.listdir(os.path.join(ftp.root, "t2"))) if ftp.exists("t2") else None

    return (*asyncio.run(story()), bench)


def abort(ftp: Bench) -> None:
    assert ftp.wire.abort_transfer()


def test_abor_ends_a_copy_and_nothing_of_it_stays() -> None:
    reply, left, _ = copied_while(abort)
    assert reply == "426 COPY: aborted"
    assert left is None


def test_what_stays_of_an_aborted_copy_is_named() -> None:
    reply, left, _ = copied_while(abort, conf="CopyOptions NoDeleteOnFailure\n")
    assert reply.splitlines() == ["426-COPY: aborted", "426 Left behind: files 1, folders 3, the first of them /t2"]
    assert left == ["e", "in", "r"]


def test_what_cannot_be_removed_again_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, path: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def and_closed(ftp: Bench) -> None:
        monkeypatch.setattr(local.LocalFiles, "unlink", refuse)
        abort(ftp)

    reply, left, _ = copied_while(and_closed)
    assert reply.splitlines() == ["426-COPY: aborted", "426 Left behind: files 1, folders 1, the first of them /t2"]
    assert left == ["r"]


def test_a_long_copy_is_no_idleness() -> None:
    def time_passes(ftp: Bench) -> None:
        ftp.wire.pass_time(100)
        assert ftp.wire.closed_for is None

    reply, _, _ = copied_while(time_passes, conf="TimeoutIdle 90\nTimeoutNoTransfer 80\n")
    assert reply == "200 SITE COPY command successful"
