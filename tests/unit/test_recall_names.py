"""What looks at a name (SIZE, MDTM and their kin) is answered by the short road as by the whole one."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_ground import Client
from recall_ground import Place, serving, tell

from ftpd import native
from ftpd.core.vocab import Outcome
from ftpd.module.command import Command
from ftpd.module.table import Module

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]

LOOKS = pytest.mark.skipif(native.calls is None, reason="not compiled here")


async def in_binary(client: Client) -> Client:
    assert (await client.ask("TYPE I")).startswith("200")
    return client


def functions(place: Place) -> list[bytes]:
    """The verbs that a function answers for the one client who is there."""
    return [key for key, answer in (place.channel._answers or {}).items() if not isinstance(answer, bytes)]


@LOOKS
def test_sizes_and_times_are_those_of_now() -> None:
    async def story() -> None:
        async with serving(conf="TimesGMT on") as place, place.client() as client:
            await in_binary(client)
            for n in range(4):
                place.bench.write(f"file {n}", b"x" * n)
                os.utime(os.path.join(place.bench.root, f"file {n}"), (n * 86400, n * 86400))
            for n in (0, 1, 2, 3, 2):
                assert await client.ask(f"SIZE file {n}") == f"213 {n}"
                assert await client.ask(f"MDTM file {n}") == f"213 1970010{n + 1}000000"
            assert sorted(functions(place)) == [b"MDTM ", b"SIZE "]
            place.bench.write("file 2", b"x" * 5_000)
            assert await client.ask("SIZE file 2") == "213 5000"
            os.unlink(os.path.join(place.bench.root, "file 2"))
            assert await client.ask("SIZE file 2") == "550 file 2: No such file or directory"
            assert await client.ask("SIZE file 3") == "213 3"

    tell(story)


def test_times_are_utc_where_listings_show_local_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XXX-05:30")
    time.tzset()

    async def story() -> None:
        async with serving(conf="TimesGMT off") as place, place.client() as client:
            place.bench.write("file")
            path = os.path.join(place.bench.root, "file")
            for moment in (0, 1_700_000_000, 1_720_000_000):
                os.utime(path, (moment, moment))
                wanted = time.strftime("%Y%m%d%H%M%S", time.gmtime(moment))
                assert await client.ask("MDTM file") == await client.ask("MDTM file") == f"213 {wanted}"

    try:
        tell(story)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_whatever_is_asked_for_the_answer_is_that_of_the_whole_road() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await in_binary(client)
            for name in (
                "file",
                " blank",
                "two  words",
                "sub/inner",
                "\udcff\udcfe",
                "back\\slash",
                "-",
                "~",
                "ä",
                "a\tb",
            ):
                place.bench.write(name, b"x" * 7)
            root = place.bench.root
            os.symlink("file", os.path.join(root, "link"))
            os.symlink("/etc/passwd", os.path.join(root, "out"))
            os.symlink("nowhere", os.path.join(root, "dead"))
            os.symlink("sub", os.path.join(root, "subs"))
            os.mkfifo(os.path.join(root, "fifo"))
            asked = [
                b"file",
                b" blank",
                b"two  words",
                b"sub/inner",
                b"\xff\xff\xfe",
                b"back\\slash",
                b"-",
                b"~",
                b"*",
                b"fil?",
                b"\xc3\xa4",
                b"a\tb",
                b"link",
                b"out",
                b"dead",
                b"fifo",
                b"subs/inner",
                b"sub",
                b"sub/",
                b".",
                b"..",
                b"/",
                b"/file",
                b"./file",
                b"../file",
                b"sub/../file",
                b"file/",
                b"file/x",
                b"none",
                b"",
                b" ",
                b"  ",
                b"file ",
                b"file\r",
                b"fi\0le",
                b"fi\rle",
                b"x" * 255,
                b"x" * 256,
                b"x" * 300,
                b"FILE",
                b"file file",
            ]
            for verb in (b"SIZE", b"size", b"MDTM"):
                for name in asked:
                    line = verb + b" " + name + b"\r\n"
                    await in_binary(client)
                    await client.send(line)
                    whole = await client.line()
                    await in_binary(client)
                    await client.ask(verb.decode() + " file")
                    await client.send(line)
                    assert await client.line() == whole, line

    tell(story)


def test_a_size_is_refused_in_ascii_again_and_again() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            place.bench.write("file", b"1234")
            for _ in range(2):
                await in_binary(client)
                assert await client.ask("SIZE file") == await client.ask("SIZE file") == "213 4"
                await client.ask("TYPE A")
                for _ in range(2):
                    assert await client.ask("SIZE file") == "550 SIZE not allowed in ASCII mode"

    tell(story)


def test_the_folder_is_the_one_where_the_client_is() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            await in_binary(client)
            for length, folder in enumerate(("a", "a/b", "c")):
                place.bench.write(f"{folder}/file", b"x" * length)
            for folder, size in (("/a", 0), ("b", 1), ("/c", 2), ("/a", 0)):
                await client.ask(f"CWD {folder}")
                assert await client.ask("SIZE file") == await client.ask("SIZE file") == f"213 {size}"

    tell(story)


_IGNORED = "<Limit ALL>\nIgnoreHidden on\n</Limit>"


@pytest.mark.parametrize(
    ("conf", "name", "refusal"),
    [
        ("AllowFilter ^[a-zI]+$", "file.txt", "550 file.txt: Forbidden command argument"),
        ("DenyFilter secret", "my secret", "550 my secret: Forbidden command argument"),
        (
            "<Directory {root}>\nHideFiles ^hidden\n<Limit ALL>\nIgnoreHidden on\n</Limit>\n</Directory>",
            "hidden",
            "550 ",
        ),
        ("<Directory {root}/closed>\n<Limit SIZE>\nDenyAll\n</Limit>\n</Directory>", "closed", "550 closed: "),
        ("<Limit SIZE>\nDenyFilter secret\n</Limit>", "secret", "550 secret: "),
    ],
)
def test_what_is_said_of_one_name_counts_though_another_was_answered(conf: str, name: str, refusal: str) -> None:
    async def story() -> None:
        async with serving(conf=conf) as place, place.client() as client:
            await in_binary(client)
            place.bench.write("file", b"1234")
            place.bench.write(name, b"1234")
            for _ in range(2):
                assert await client.ask("SIZE file") == await client.ask("SIZE file") == "213 4"
                assert (await client.ask(f"SIZE {name}")).startswith(refusal)

    tell(story)


def test_an_access_file_counts_for_names_too() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverride on\nAllowOverwrite on") as place:
            place.bench.write("file", b"1234")
            place.bench.write("waits", b"<Limit SIZE>\nDenyAll\n</Limit>\n")
            async with place.client() as one, place.client() as other:
                await in_binary(one)
                assert await one.ask("SIZE file") == await one.ask("SIZE file") == "213 4"
                await other.ask("RNFR waits")
                assert (await other.ask("RNTO .ftpaccess")).startswith("250")
                assert await one.ask("SIZE file") == "550 file: Operation not permitted"

    tell(story)


def test_names_in_another_charset_are_those_of_the_disk() -> None:
    async def story() -> None:
        async with serving(conf="UseEncoding UTF-8 ISO-8859-1") as place, place.client() as client:
            await in_binary(client)
            place.bench.write("ä", b"1234")
            place.bench.write("file", b"1")
            for _ in range(3):
                assert await client.ask("SIZE file") == "213 1"
                await client.send(b"SIZE \xe4\r\n")
                assert await client.line() == "213 4"

    tell(story)


def test_a_log_has_each_name(tmp_path: Path) -> None:
    async def story() -> None:
        log = tmp_path / "log"
        conf = f'LogFormat short "%r"\nExtendedLog {log} INFO short'
        async with serving(conf=conf) as place, place.client() as client:
            await in_binary(client)
            for n in range(4):
                place.bench.write(f"{n}")
                await client.ask(f"SIZE {n}")
        await asyncio.sleep(0.1)
        assert [line for line in log.read_text().splitlines() if "SIZE" in line] == [f"SIZE {n}" for n in range(4)]

    tell(story)


@pytest.mark.parametrize("fault", ["making", "answering"])
def test_a_shortcut_with_a_fault_leaves_it_to_the_whole_road(fault: str) -> None:
    async def story() -> None:
        module, asked = Module("short", version="1"), []

        def shortcut(cmd: Command, folder: str) -> Callable[[bytes], bytes | None]:
            if fault == "making":
                raise ZeroDivisionError

            def answer(name: bytes) -> bytes | None:
                raise ZeroDivisionError

            return answer

        @module.cmd("LOOK", shortcut=shortcut)
        def look(cmd: Command) -> Outcome:
            asked.append(cmd.argument)
            return cmd.ok(200, cmd.argument)

        async with serving(module) as place, place.client() as client:
            for n in range(3):
                assert await client.ask(f"LOOK {n}") == f"200 {n}"
        assert asked == ["0", "1", "2"]

    tell(story)


def test_a_shortcut_is_taken_for_names_it_knows_and_by_who_is_logged_in() -> None:
    async def story() -> None:
        module, asked = Module("short", version="1"), []

        def shortcut(cmd: Command, folder: str) -> Callable[[bytes], bytes | None]:
            return lambda name: b"200 short " + name + b"\r\n" if name.startswith(b"s") else None

        @module.cmd("LOOK", auth=False, shortcut=shortcut)
        def look(cmd: Command) -> Outcome:
            asked.append(cmd.argument)
            return cmd.ok(200, f"long {cmd.argument}")

        async with serving(module) as place:
            async with place.client(login=False) as stranger:
                assert await stranger.ask("LOOK s1") == "200 long s1"
                assert await stranger.ask("LOOK s1") == "200 long s1"
            async with place.client() as client:
                assert [await client.ask(f"LOOK {name}") for name in ("s1", "s2", "l1", "s3")] == [
                    "200 long s1", "200 short s2", "200 long l1", "200 short s3"
                ]  # fmt: skip

    tell(story)
