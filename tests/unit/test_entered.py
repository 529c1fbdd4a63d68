"""A folder of which the configuration says something is entered as others entered it, and what it says holds there."""

from __future__ import annotations

import os

import pytest
from common_ground import TRIES
from recall_ground import Counted, Place, go, serving
from walk_ground import store, tell

CONF = """
<Directory ~/shown>
DisplayChdir .message
</Directory>
<Directory ~/shut>
<Limit CWD>
DenyAll
</Limit>
</Directory>
<Directory ~/dim>
Umask 077
<Limit STOR>
DenyAll
</Limit>
</Directory>
"""
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


def modes(place: Place, *folders: str) -> list[int]:
    """Those of the folders, which are gone then."""
    found = [os.stat(os.path.join(place.bench.root, name)).st_mode & 0o777 for name in folders]
    for name in folders:
        os.rmdir(os.path.join(place.bench.root, name))
    return found


def test_what_is_said_of_a_folder_holds_for_whoever_enters_it_as_others_did() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            for name in ("shown/.message", "shut/file", "dim/file", "plain/file"):
                place.bench.write(name, b"Hello")
            lines = [
                "CWD dim", "MKD new", "CWD ../plain", "MKD new", "CWD ../shut", "PWD", "CWD /dim", "PWD", "CWD /shown",
            ]  # fmt: skip
            for _ in range(3):
                said = await go(place, *lines)
                assert modes(place, "dim/new", "plain/new") == [0o700, 0o755]
                assert said[4:] == [
                    "550 ../shut: No such file or directory", '257 "/plain" is the current directory',
                    "250 CWD command successful", '257 "/dim" is the current directory', "250-Hello",
                ]  # fmt: skip

    tell(story)


def test_it_takes_nobody_the_whole_road(way: str) -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            for name in ("dim/a/file", "plain/file"):
                place.bench.write(name, b"1")
            lines = ["CWD dim", "PWD", "CWD a", "CWD /plain", "CWD ../dim", "PWD"]
            first = await go(place, *lines)
            assert [answer[:3] for answer in first] == ["250", "257", "250", "250", "250", "257"]
            counted = Counted(place)
            for _ in range(TRIES):
                counted.verbs.clear()
                assert await go(place, *lines) == first
                if counted.verbs == ["USER", "PASS"]:
                    break
            assert counted.verbs == ["USER", "PASS"] or way == "whole road"
            async with place.client() as client:
                assert (await client.ask("CWD dim")).startswith("250")
                assert (await client.ask("TYPE I")).startswith("200")
                assert (await store(client, "sent", b"1"))[0].startswith("550")

    tell(story)


def test_who_is_kept_out_is_so_whoever_else_was_let_in() -> None:
    async def story() -> None:
        conf = "<Directory ~/a>\n<Limit CWD>\nAllowClass near\nDenyAll\n</Limit>\n</Directory>\n"
        async with serving(conf=f"<Class near>\nFrom 127.0.0.1\n</Class>\n{conf}") as place:
            place.bench.write("a/file", b"1")
            for _ in range(3):
                assert (await go(place, "CWD a"))[0].startswith("250")
        async with serving(conf=f"<Class near>\nFrom 127.0.0.2\n</Class>\n{conf}") as place:
            place.bench.write("a/file", b"1")
            for _ in range(3):
                assert (await go(place, "CWD a"))[0] == "550 a: No such file or directory"

    tell(story)


def test_an_access_file_that_comes_counts_where_sections_say_something_as_well() -> None:
    async def story() -> None:
        async with serving(conf=f"AllowOverride on\n{CONF}") as place:
            for name in ("dim/file", "plain/file"):
                place.bench.write(name, b"1")
            for _ in range(3):
                assert [answer[:3] for answer in await go(place, "CWD dim", "CWD ../plain")] == ["250", "250"]
            async with place.client() as client:
                await client.ask("TYPE I")
                rule = b"<Limit CWD>\nDenyAll\n</Limit>\n"
                assert (await store(client, "plain/.ftpaccess", rule))[1].startswith("226")
            assert [answer[:3] for answer in await go(place, "CWD dim", "CWD ../plain")] == ["250", "550"]

    tell(story)


def test_a_link_is_asked_for_where_it_leads() -> None:
    async def story() -> None:
        async with serving(conf=CONF) as place:
            place.bench.write("shut/file", b"1")
            place.bench.write("plain/file", b"1")
            os.symlink("shut", os.path.join(place.bench.root, "link"))
            for _ in range(3):
                assert [answer[:3] for answer in await go(place, "CWD plain", "CWD ../link", "CWD /link")] == [
                    "250", "550", "550",
                ]  # fmt: skip
            # a folder that is a link from now on
            os.rename(os.path.join(place.bench.root, "plain"), os.path.join(place.bench.root, "was"))
            os.symlink("shut", os.path.join(place.bench.root, "plain"))
            assert (await go(place, "CWD plain"))[0].startswith("550")

    tell(story)
