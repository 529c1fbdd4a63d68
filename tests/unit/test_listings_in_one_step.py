"""Small folders that are listed in one step: the client sees what it sees by the whole road."""

from __future__ import annotations

import asyncio
import os

import pytest
from listing_ground import BY, FOLDERS, VERBS, Names, by, by_the_whole_road, furnish, listing, looks, noted
from recall_ground import Place, serving
from walk_ground import tell

from ftpd.engine.common import forget_common
from ftpd.fs import folder as fs_folder
from ftpd.modules import _facts_walk, _ls_walk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(params=BY, autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    return by(request.param, monkeypatch)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each listing that could be made in one step was."""
    told: list[bool] = []

    for lister in (_ls_walk.SmallFolders, _facts_walk.SmallFolders):
        monkeypatch.setattr(lister, "at_once", noted(lister.at_once, told))
    return told


def test_the_folder_above_is_told_of_as_it_is_now(way: str, at_once: list[bool]) -> None:
    """By MLSD, whose first lines are the folder itself and the one above it; above its root a session sees the root."""

    async def story() -> None:
        async with serving() as place, place.client() as client:
            await client.ask("TYPE I")
            place.bench.write("a/b/x", b"1")
            for mode in (0o700, 0o755, 0o750):
                for name in ("a", "a/b", "."):
                    os.chmod(os.path.join(place.bench.root, name), mode)
                    for folder in ("/a/b", "/a", "/", "/a/b/", "/a/../a/b", "/a/b/.."):
                        reference = await by_the_whole_road(client, f"MLSD {folder}")
                        for _ in range(2):
                            assert await listing(client, f"MLSD {folder}") == reference, folder
            assert (True in at_once) == (way != "by Python")

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
def test_each_folder_is_listed_in_one_step_as_by_the_whole_road(verb: str, way: str, at_once: list[bool]) -> None:
    """By a session that finds known how entries look, and has listed nothing itself."""

    async def story() -> None:
        async with serving() as place:
            furnish(place)
            os.chmod(os.path.join(place.bench.root, "closed"), 0)
            for folder in (*FOLDERS, "sub"):
                forget_common(place.worker.generation)
                line = f"{verb} {folder}".rstrip()
                async with place.client() as client:
                    await client.ask("TYPE I")
                    reference = await by_the_whole_road(client, line)
                    for _ in range(2):
                        await listing(client, f"{verb} one")
                for _ in range(2):
                    async with place.client() as client:
                        await client.ask("TYPE I")
                        for _ in range(2):
                            assert await listing(client, line) == reference, line
            assert ({*at_once} == {True, False}) == (way != "by Python")

    tell(story)


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_takes_long_is_looked_at_once_and_listed_in_one_step_the_next_time(
    verb: str, way: str, at_once: list[bool]
) -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            furnish(place)
            await client.ask("TYPE I")
            reference = await by_the_whole_road(client, f"{verb} many")
            entries = sum("file " in line for line in reference[0].splitlines())
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(fs_folder, "_ALL_AT_ONCE", -1)
                seen = looks(patch)
                for _ in range(3):
                    seen.clear()
                    assert await listing(client, f"{verb} many") == reference
                    assert sum(seen) == (0 if way == "by Python" else entries)
                assert (len(seen) > 1) == (way != "by Python")
            assert True not in at_once
            for _ in range(3):
                assert await listing(client, f"{verb} many") == reference
            assert (True in at_once) == (way != "by Python")

    tell(story)


def test_names_of_owners_are_those_of_all_who_stand_alike_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)

    async def told(place: Place) -> str:
        async with place.client() as client:
            await client.ask("TYPE I")
            return (await listing(client, "LIST sub"))[0].split()[2]

    async def story() -> None:
        async with serving() as place:
            place.bench.write("sub/a", b"1")
            for _ in range(3):
                assert await told(place) == "first"
            names.name = "second"
            asked = len(names.asked)
            names.now += 0.9
            assert await told(place) == "first"
            assert len(names.asked) == asked
            names.now += 0.2
            assert await told(place) == "second"
            assert len(names.asked) > asked

    tell(story)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_an_owner_who_was_not_met_is_asked_for_by_the_session_that_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)

    async def story() -> None:
        async with serving() as place:
            place.bench.write("sub/a", b"1")
            for n in range(4):
                async with place.client() as client:
                    await client.ask("TYPE I")
                    (session,) = [channel.session for channel in place.worker.sessions if channel.session.user]
                    os.chown(os.path.join(place.bench.root, "sub/a"), 4000 + n, 0)
                    names.asked.clear()
                    names.name = f"of{n}"
                    assert (await listing(client, "LIST sub"))[0].split()[2] == f"of{n}"
                    assert session in names.asked
                while any(channel.session.user for channel in place.worker.sessions):
                    await asyncio.sleep(0.01)

    tell(story)
