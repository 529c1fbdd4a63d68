"""An <Anonymous> beside them changes nothing for the files of those who log in, nor do they for its visitors."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_ground import Client
from recall_ground import Place, serving
from walk_ground import COMPLETE, fetch, store, tell, walked

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]

ROBOTS = b"User-agent: *\nDisallow: /\n"
RULES = """
    <Limit WRITE>
        DenyAll
    </Limit>
    <Directory incoming>
        AllowOverwrite off
        <Limit STOR>
            AllowAll
        </Limit>
    </Directory>
"""


def visited(area: Path, rules: str, user: str = "ftp") -> str:
    """A configuration with an area for visitors: those who give that name."""
    for folder in ("", "incoming", "pub"):
        (area / folder).mkdir()
    for name in ("file", "pub/file"):
        (area / name).write_bytes(b"123")
    return f"AllowOverwrite on\n<Anonymous {area}>\n    User {user}\n{rules}\n</Anonymous>\n"


async def both(place: Place, client: Client) -> None:
    await client.ask("TYPE I")
    for n in range(1, 4):
        assert (await store(client, "sub/a", b"x" * n))[1] == COMPLETE
        assert (await fetch(client, "sub/a"))[0] == b"x" * n


@pytest.mark.parametrize(
    ("inside", "outside", "known"),
    [
        (RULES, "", True),
        ("DenyAll", "", True),
        (RULES, "<Limit DELE>\nDenyAll\n</Limit>", False),
        (RULES, "<Directory ~/other>\nUmask 077\n</Directory>", False),
        (RULES, "<Directory ~/other>\n<Limit STOR>\nDenyAll\n</Limit>\n</Directory>", False),
    ],
)
def test_what_is_said_of_visitors_is_nothing_to_a_user(
    inside: str, outside: str, known: bool, tmp_path: Path, way: str
) -> None:  # fmt: skip
    async def story() -> None:
        conf = f"{visited(tmp_path / 'area', inside)}{outside}\n"
        async with serving(conf=conf) as place, place.client() as client:
            place.bench.write("sub/")
            place.bench.write("other/")
            await both(place, client)
            keys = {"RETR sub/", "STOR sub/"} & set(walked(place))
            assert keys == ({"RETR sub/", "STOR sub/"} if known and way != "whole road" else set())
            if "STOR" in outside:
                assert (await store(client, "other/a", b"1"))[0][:3] == "550"

    tell(story)


def test_robots_are_sent_away_from_among_files_that_are_known(tmp_path: Path, way: str) -> None:
    async def story() -> None:
        for number, lets_in in enumerate(("off", "on")):
            conf = visited(tmp_path / f"area {number}", f"AnonAllowRobots {lets_in}", "tom").replace(
                f"{tmp_path}/area {number}", f'"{tmp_path}/area {number}"'
            )
            async with serving(conf=conf) as place, place.client() as client:
                await client.ask("TYPE I")
                for _ in range(3):
                    assert (await fetch(client, "file"))[0] == b"123"
                    assert (await fetch(client, "pub/file"))[0] == b"123"
                    content, before, _ = await fetch(client, "robots.txt")
                    assert (content == ROBOTS) == (lets_in == "off")
                    assert before[:3] == ("150" if lets_in == "off" else "550")
                    assert (await fetch(client, "pub/robots.txt"))[1][:3] == "550"
                await fetch(client, "pub/file")
                assert ("RETR pub/" in walked(place)) == (way != "whole road")

    tell(story)


@pytest.mark.parametrize("rules", [RULES, "DenyAll"])
def test_what_is_said_of_visitors_is_said_to_them(rules: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(conf=visited(tmp_path / "area", rules, "tom")) as place, place.client() as client:
            await client.ask("TYPE I")
            for n in range(3):
                if rules == "DenyAll":
                    assert (await fetch(client, "pub/file"))[1][:3] == "550"
                    continue
                assert (await fetch(client, "pub/file"))[0] == b"123"
                assert (await store(client, "pub/new", b"1"))[0][:3] == "550"
                assert (await store(client, f"incoming/new {n}", b"1"))[1] == COMPLETE
                assert (await store(client, f"incoming/new {n}", b"1"))[0][:3] == "550"
            assert not [key for key in walked(place) if key != "EPSV"]

    tell(story)
