"""The gate: a symbolic link in a path does not lead past what <Directory> says of the folder it leads into."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from xfer_ground import HOME, names, run

from ftpd.testing import Bench

T = TypeVar("T")
FILES = {"private/f": b"secret", "private/in/g": b"", "free/f": b"free"}
CLOSED = "<Directory {root}/private>\n<Limit %s>\nDenyAll\n</Limit>\n</Directory>\n"


def through_links(*lines: str, conf: str) -> list[str]:
    """The replies, where ``self`` leads to the root, ``alias`` to private and ``one`` to the file in it."""

    async def tale(ftp: Bench) -> list[str]:
        for name, target in (("self", "."), ("alias", "free/../private"), ("one", "private/f"), ("far", "/")):
            os.symlink(target, f"{ftp.root}/{name}")
        return [await ftp(line) for line in ("TYPE I", *lines)][1:]

    return run(tale, conf=conf, files=FILES)


def test_reading_through_a_link_is_judged_where_the_file_lies() -> None:
    paths = ("self/private/f", "alias/f", "one", "far/self/private/f")
    lines = [f"SIZE {path}" for path in paths]
    assert through_links(*lines, conf=CLOSED % "READ") == [f"550 {path}: Operation not permitted" for path in paths]
    assert through_links(*lines, conf=CLOSED % "WRITE") == ["213 6"] * 4


def test_the_way_back_in_a_link_begins_where_the_link_before_it_led() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("private/in", f"{ftp.root}/deep")
        # for the kernel this is private/f, though it reads as if it were f
        os.symlink("deep/../f", f"{ftp.root}/sly")
        return [await ftp(line) for line in ("TYPE I", "SIZE sly", "CWD deep", "PWD")][1:]

    assert run(tale, conf=CLOSED % "READ", files=FILES) == [
        "550 sly: Operation not permitted",
        "250 CWD command successful",
        '257 "/private/in" is the current directory',
    ]


def test_writing_through_a_link_is_judged_where_the_file_would_lie() -> None:
    assert through_links("MKD self/private/x", "DELE alias/f", "MKD self/free/x", conf=CLOSED % "WRITE") == [
        "550 self/private/x: Permission denied",
        "550 alias/f: Operation not permitted",
        '257 "/self/free/x" - Directory successfully created',
    ]


def test_the_link_itself_lies_where_it_lies() -> None:
    async def tale(ftp: Bench) -> None:
        os.symlink("private", f"{ftp.root}/alias")
        assert await ftp("DELE alias") == "250 DELE command successful"
        assert names(ftp, "private") == ["f", "in"]

    run(tale, conf=CLOSED % "WRITE", files=FILES)


def test_the_settings_are_those_of_the_place() -> None:
    conf = "<Directory {root}/private>\nAllowOverwrite on\n</Directory>\n"
    assert through_links("RNFR free/f", "RNTO alias/f", conf=conf) == [
        "350 File or directory exists, ready for destination name",
        "250 Rename successful",
    ]
    assert through_links("RNFR private/in/g", "RNTO free/f", conf=conf)[1] == "550 free/f: Rename permission denied"


def test_a_path_to_nowhere_is_told_as_such() -> None:
    assert through_links("SIZE alias/nope/f", conf=CLOSED % "STOR") == ["550 alias/nope/f: No such file or directory"]


def test_what_changes_the_target_of_a_link_is_judged_there() -> None:
    lines = ("SITE CHMOD 600 one", "MFMT 20200101000000 one", "SITE CHGRP 0 one", "APPE one", "STOR one", "STOR new")
    conf = CLOSED % "WRITE" + "AllowOverwrite on\nAllowStoreRestart on\nTransferOptions AllowSymlinkUpload\n"

    async def tale(ftp: Bench) -> list[str]:
        os.symlink("private/f", f"{ftp.root}/one")
        # what STOR would make, and nobody would be asked
        os.symlink("private/new", f"{ftp.root}/new")
        replies = [(await ftp.upload(line, b"x"))[:3] for line in lines]
        assert ftp.read("private/f") == b"secret"
        assert names(ftp, "private") == ["f", "in"]
        return replies

    refused = run(tale, conf=conf, files=FILES)
    assert all(code.startswith("5") for code in refused), refused


def test_what_changes_the_target_of_a_link_is_allowed_where_both_allow_it() -> None:
    conf = CLOSED % "READ" + "AllowOverwrite on\nTransferOptions AllowSymlinkUpload\n"

    async def tale(ftp: Bench) -> None:
        os.symlink("private/f", f"{ftp.root}/one")
        os.symlink("private/new", f"{ftp.root}/new")
        assert await ftp("SITE CHMOD 600 one") == "200 SITE CHMOD command successful"
        assert (await ftp.upload("STOR one", b"x")).startswith("150")
        assert (await ftp.upload("STOR new", b"y")).startswith("150")
        assert (ftp.read("private/f"), ftp.read("private/new")) == (b"x", b"y")

    run(tale, conf=conf, files=FILES)


OUT = ("SIZE {}/f", "MDTM {}/f", "RETR {}/f", "STOR {}/new", "APPE {}/f", "MKD {}/m", "RMD {}/e", "CWD {}", "LIST {}",
       "NLST {}", "SITE CHMOD 600 {}/f")  # fmt: skip
BOTH = ("DELE {}/f", "RNFR {}/f", "MFMT 20200101000000 {}/f", "MFF UNIX.mode=600; {}/f", "MLSD {}", "MLST {}/f")


async def _used(ftp: Bench, line: str) -> bool:
    """Whether the line does something, or shows something."""
    os.symlink("../private", f"{ftp.root}/free/in")
    os.symlink("../free", f"{ftp.root}/private/out")
    for folder in ("free", "private"):
        os.mkdir(f"{ftp.root}/{folder}/e")
    await ftp("TYPE I")
    if line.startswith(("STOR", "APPE")):
        return "226" in await ftp.upload(line, b"x")
    if line.startswith(("RETR", "LIST", "NLST", "MLSD")):
        return bool(await ftp.download(line))
    return (await ftp(line))[0] in "23"


@pytest.mark.parametrize("line", OUT)
def test_a_link_in_a_closed_folder_leads_out_of_it(line: str) -> None:
    conf = CLOSED % "READ WRITE DIRS" + "AllowOverwrite on\nAllowStoreRestart on\n"
    assert run(lambda ftp: _used(ftp, line.format("private/out")), conf=conf, files=FILES)
    assert not run(lambda ftp: _used(ftp, line.format("private")), conf=conf, files=FILES)


@pytest.mark.parametrize("line", BOTH)
def test_but_not_for_what_is_asked_for_as_the_path_is_written_too(line: str) -> None:
    conf = CLOSED % "READ WRITE DIRS"
    assert not run(lambda ftp: _used(ftp, line.format("private/out")), conf=conf, files=FILES)
    assert run(lambda ftp: _used(ftp, line.format("free")), conf=conf, files=FILES)


@pytest.mark.parametrize("line", [*OUT, *BOTH])
def test_a_link_in_a_folder_that_nothing_of_is_there_for_anybody(line: str) -> None:
    conf = "AllowOverwrite on\nAllowStoreRestart on\n<Directory {root}/private>\n%s\n</Directory>\n"
    asks = lambda ftp: _used(ftp, line.format("private/out"))  # noqa: E731
    assert run(asks, conf=conf % "DenyAll", files=FILES) == (line in OUT)
    assert run(asks, conf=conf % "AllowAll", files=FILES)


@pytest.mark.parametrize("line", [*OUT, *BOTH])
def test_a_link_into_a_closed_folder_opens_it_to_no_command(line: str) -> None:
    conf = CLOSED % "READ WRITE DIRS" + "AllowOverwrite on\nAllowStoreRestart on\n"
    assert not run(lambda ftp: _used(ftp, line.format("free/in")), conf=conf, files=FILES)
    assert run(lambda ftp: _used(ftp, line.format("free/in")), conf=conf.replace("DenyAll", "AllowAll"), files=FILES)


def test_a_link_in_a_closed_folder_to_a_file_opens_that_file_and_makes_none() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("../free/f", f"{ftp.root}/private/out")
        os.symlink("../free/new", f"{ftp.root}/private/makes")
        os.symlink("private", f"{ftp.root}/alias")
        await ftp("TYPE I")
        said = [await ftp("SIZE alias/out"), (await ftp.upload("STOR private/out", b"x"))[:3]]
        said += [await ftp.upload("STOR private/makes", b"x"), await ftp("DELE private/out")]
        assert not os.path.exists(f"{ftp.root}/free/new")
        return said

    conf = CLOSED % "READ WRITE" + "AllowOverwrite on\nTransferOptions AllowSymlinkUpload\n"
    assert run(tale, conf=conf, files=FILES) == [
        "213 4",
        "150",
        "550 private/makes: Operation not permitted",
        "550 private/out: Operation not permitted",
    ]


def test_a_link_that_begins_with_the_roots_own_path_is_followed_and_judged_where_it_leads() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink(f"{ftp.root}/private/f", f"{ftp.root}/one")
        os.symlink(f"{ftp.root}/private", f"{ftp.root}/alias")
        os.symlink(f"{ftp.root}/free", f"{ftp.root}/open")
        lines = ("TYPE I", "SIZE one", "SIZE alias/f", "SIZE open/f", "CWD open", "PWD")
        return [await ftp(line) for line in lines][1:]

    assert run(tale, conf=CLOSED % "READ", files=FILES) == [
        "550 one: Operation not permitted",
        "550 alias/f: Operation not permitted",
        "213 4",
        "250 CWD command successful",
        '257 "/free" is the current directory',
    ]


def test_making_through_such_a_link_is_judged_where_the_file_would_lie() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink(f"{ftp.root}/private/new", f"{ftp.root}/new")
        os.symlink(f"{ftp.root}/private", f"{ftp.root}/alias")
        return [await ftp(line) for line in ("MKD alias/x", "DELE alias/f", "DELE new")]

    assert run(tale, conf=CLOSED % "WRITE", files=FILES) == [
        "550 alias/x: Permission denied",
        "550 alias/f: Operation not permitted",
        "250 DELE command successful",
    ]


def test_listings_show_such_a_link_as_it_is_seen_from_the_root() -> None:
    async def tale(ftp: Bench) -> tuple[bytes, str]:
        os.symlink(f"{ftp.root}/private/f", f"{ftp.root}/one")
        return await ftp.download("LIST one"), await ftp("MLST one")

    listed, told = run(tale, files=FILES, conf="ShowSymlinks on\nFactsOptions UseSlink\n")
    assert listed.endswith(b" one -> /private/f\r\n")
    assert "type=OS.unix=slink:/private/f;" in told


OPENED = "<Directory {root}>\n<Limit READ>\nDenyAll\n</Limit>\n</Directory>\n"
OPENED += "<Directory {root}/%s>\n<Limit READ>\nAllowAll\n</Limit>\n</Directory>\n"


@pytest.mark.parametrize("section", ["alias", "alias/", "self/private", "alias/*", "one"])
def test_a_section_named_after_a_link_opens_nothing_as_in_proftpd(section: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        return [await ftp(line) for line in ("TYPE I", "SIZE alias/f", "SIZE private/f", "SIZE one")][1:]

    denied = [f"550 {path}: Operation not permitted" for path in ("alias/f", "private/f", "one")]
    assert run_linked(tale, OPENED % section) == denied
    assert run_linked(tale, OPENED % "private") == ["213 6"] * 3


@pytest.mark.parametrize("section", ["alias", "alias/", "self/private", "alias/*"])
@pytest.mark.parametrize("rule", ["<Limit READ>\nDenyAll\n</Limit>", "DenyAll"])
def test_a_section_named_after_a_link_closes_where_it_leads(section: str, rule: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        return [
            (await ftp(line))[:3] for line in ("TYPE I", "SIZE alias/f", "SIZE private/f", "SIZE one", "SIZE free/f")
        ]

    conf = f"<Directory {{root}}/{section}>\n{rule}\n</Directory>\n"
    assert run_linked(tale, conf) == ["200", "550", "550", "550", "213"]


def test_a_section_named_after_a_link_takes_no_bare_denyall_away() -> None:
    async def tale(ftp: Bench) -> str:
        return await ftp("MDTM alias/f")

    conf = "<Directory {root}/private>\nDenyAll\n</Directory>\n<Directory {root}/alias>\nUmask 022\n</Directory>\n"
    assert run_linked(tale, conf).startswith("550")


@pytest.mark.parametrize(("section", "replaced"), [("alias", False), ("self/private", False), ("private", True)])
def test_a_section_named_after_a_link_lets_nothing_be_replaced_or_gone_on_with(section: str, replaced: bool) -> None:
    async def tale(ftp: Bench) -> list[str]:
        told = [await ftp.upload("STOR alias/f", b"new"), await ftp.upload("STOR private/f", b"new")]
        await ftp("CWD private")
        told.append(await ftp.upload("APPE f", b"more"))
        return [line.splitlines()[-1][:3] for line in told]

    conf = f"<Directory {{root}}/{section}>\nAllowOverwrite on\nAllowStoreRestart on\nUmask 077\n</Directory>\n"
    told = run_linked(tale, conf)
    assert [code == "226" for code in told] == [replaced] * 3


def test_what_a_section_named_after_a_link_says_besides_is_in_force_where_it_leads() -> None:
    async def tale(ftp: Bench) -> int:
        await ftp.upload("STOR private/new", b"new")
        return os.stat(f"{ftp.root}/private/new").st_mode & 0o777

    assert run_linked(tale, "<Directory {root}/alias>\nUmask 077\nAllowOverwrite on\n</Directory>\n") == 0o600


def test_entries_of_one_folder_are_judged_by_the_sections_that_proftpd_sees_as_well() -> None:
    async def tale(ftp: Bench) -> str:
        return await ftp("STAT private")

    # the section of the link comes last and allows; beside it the pattern denies one entry
    conf = "<Directory {root}/*/in>\n<Limit DIRS>\nDenyAll\n</Limit>\n</Directory>\n"
    conf += "<Directory {root}/alias>\n<Limit DIRS>\nAllowAll\n</Limit>\n</Directory>\n"
    said = run_linked(tale, conf)
    assert " f\n" in said and " in\n" not in said


def run_linked(tale: Callable[[Bench], Awaitable[T]], conf: str) -> T:
    """The tale in a tree whose links are there before the configuration is read."""

    async def story() -> T:
        bench = Bench(conf=HOME + conf, files=FILES)
        for name, target in (("self", "."), ("alias", "free/../private"), ("one", "private/f")):
            os.symlink(target, f"{bench.root}/{name}")
        async with bench as ftp:
            return await tale(ftp)

    return asyncio.run(story())
