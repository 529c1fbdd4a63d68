"""Files that are received as the one before was: whatever happens, they are as the whole road leaves them."""

from __future__ import annotations

import asyncio
import os
import socket
import stat

import acl_ground
import pytest
from recall_ground import serving
from upload_ground import content_of, entered, path_of
from walk_ground import COMPLETE, OPENING, fetch, port_of, store, tell, walked

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


def test_each_file_is_what_was_sent(way: str) -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on\nUmask 027") as place, place.client() as client:
            place.bench.write("sub/")
            await entered(place, client, "sub/first")
            await entered(place, client)
            for size in (0, 1, 1024, 200_000, 3_000_000, 7):
                content = os.urandom(size)
                for name in ("first", f"new {size}", f"sub/{size}", "./first"):
                    assert await store(client, name, content) == (f"{OPENING} {name}", COMPLETE)
                    assert content_of(place, name) == content
            known = path_of(place, "new 1").stat()
            assert stat.S_IMODE(known.st_mode) == 0o640
            assert walked(place) == ([] if way == "whole road" else ["EPSV", "STOR", "STOR ./", "STOR sub/"])
            assert place.channel.session.bytes_in > 4 * 3_200_000
            assert (await fetch(client, "first"))[0] == content
            await entered(place, client)
            assert (await fetch(client, "first"))[0] == b"1"

    tell(story)


def test_a_default_acl_of_the_folder_counts_from_when_it_is_there(way: str) -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on\nUmask 077") as place, place.client() as client:
            await entered(place, client)

            async def modes(name: str) -> set[int]:
                for n in range(3):
                    assert await store(client, f"{name}{n}", b"x") == (f"{OPENING} {name}{n}", COMPLETE)
                return {stat.S_IMODE(path_of(place, f"{name}{n}").stat().st_mode) for n in range(3)}

            assert await modes("before") == {0o600}
            acl_ground.give(place.bench.root, "user::rwx,group::rwx,other::---", acl_ground.DEFAULT)
            assert await modes("after") == {0o660}
            os.removexattr(place.bench.root, acl_ground.DEFAULT)
            assert await modes("again") == {0o600}

    tell(story)


def test_what_is_there_stays_where_it_may_not_be_replaced() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite off") as place, place.client() as client:
            await client.ask("TYPE I")
            for n in range(3):
                assert (await store(client, f"new {n}", b"new"))[1] == COMPLETE
                assert await store(client, "new 0", b"other") == ("550 new 0: Overwrite permission denied", "")
                assert content_of(place, "new 0") == b"new"

    tell(story)


def test_what_is_no_file_is_refused_and_what_a_link_leads_to_is_as_ever() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            root = place.bench.root
            place.bench.write("sub/")
            os.symlink("first", os.path.join(root, "link"))
            os.symlink("/etc/passwd", os.path.join(root, "out"))
            os.mkfifo(os.path.join(root, "fifo"))
            for _ in range(2):
                for name in ("sub", "fifo"):
                    assert await store(client, name, b"x") == (f"550 {name}: Not a regular file", "")
                assert (await store(client, "out", b"x"))[0][:3] == "550"
                assert (await store(client, "none/x", b"x"))[0] == "550 none/x: No such file or directory"
                assert (await store(client, "link", b"by the link"))[0][:3] in ("150", "550")
                assert (await store(client, "first", b"2"))[1] == COMPLETE
                assert content_of(place, "first") == b"2"

    tell(story)


def test_who_is_not_there_yet_is_waited_for() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on") as place, place.client() as client:
            await entered(place, client)
            for _ in range(2):
                port = await port_of(client)
                await client.send(b"STOR new\r\n")
                await asyncio.sleep(0.02)
                assert content_of(place, "new") in (None, b"", b"came")
                with socket.create_connection(("127.0.0.1", port)) as sock:
                    assert await client.line() == f"{OPENING} new"
                    sock.sendall(b"came")
                assert await client.line() == COMPLETE
                assert content_of(place, "new") == b"came"

    tell(story)


def test_a_place_that_is_left_alone_is_left_alone() -> None:
    async def story() -> None:
        async with serving(conf="AllowOverwrite on\nDefaultRoot ~") as place, place.client() as client:
            await entered(place, client)
            answers = {name: (await store(client, name, b"x"))[0] for name in ("etc", "lib")}
            await client.ask("CWD /")
            for name, answer in answers.items():
                assert (await store(client, name, b"x"))[0] == answer

    tell(story)
