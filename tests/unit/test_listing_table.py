"""The lines of entries that were looked at all at once are those that each look by itself gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpd.core import listing, mlsx
from ftpd.fs import table

NOW = 1_800_000_000
DAY = 86400


class Numbers(dict[int, str]):
    def __missing__(self, number: int) -> str:
        return f"id{number}"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def entries(path: Path) -> list[str]:
    """Files and folders of all ages, sizes and permissions."""
    ages = (0, 1, DAY, 179 * DAY, 181 * DAY, 9000 * DAY, NOW, NOW + 5 * DAY, -DAY)
    for number, age in enumerate(ages):
        file = path / f"{number} \u00e9"
        file.write_bytes(b"")
        os.truncate(file, number**11)
        file.chmod(0o400 + number)
        os.utime(file, (0, NOW - age))
        below = path / f"folder {number}"
        below.mkdir()
        for inner in range(number):
            (below / str(inner)).mkdir()
        os.utime(below, (0, NOW - age))
    os.link(path / "1 \u00e9", path / "again")
    (path / "line\nend").touch()
    os.mkfifo(path / "fifo")
    (path / os.fsdecode(b"\xff")).touch()
    return sorted(os.listdir(path))


def layouts() -> list[listing.Columns | mlsx.Lines]:
    names = Numbers()

    def perm(mode: int, uid: int, gid: int) -> str:
        return f"p{mode:o}"

    return [
        listing.Columns(names, names, now=NOW),
        listing.Columns(names, names, now=NOW, gmt=False, mode=0o640),
        mlsx.Lines(mlsx.FACTS, names, names, perm),
        mlsx.Lines(mlsx.FACTS, names, names, perm, mode=0o640, uid=1, gid=2),
    ]


def test_both_ways_give_the_same_lines(tmp_path: Path, folder: int) -> None:
    names = entries(tmp_path)
    found = [os.lstat(name, dir_fd=folder) for name in names]
    for layout in layouts():
        with table.room() as room:
            looked = table.look(room, folder, names)
            assert looked is not None
            assert layout.tabled(names, looked) == layout.lines(names, found)


def test_a_link_and_what_is_shown_otherwise_are_left_to_who_looks_at_each(tmp_path: Path, folder: int) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").symlink_to("a")
    names = Numbers()
    with table.room() as room:
        for layout in layouts():
            both = table.look(room, folder, ["a", "b"])
            assert both is not None
            with pytest.raises(listing.Odd):
                layout.tabled(["a", "b"], both)
            first = table.look(room, folder, ["a"])
            assert first is not None
            assert layout.tabled(["a"], first) == layout.lines(["a"], [os.lstat(tmp_path / "a")])
        for other in (
            listing.Columns(names, names, now=NOW, column=9),
            listing.Columns(names, names, now=NOW, human=str),
            mlsx.Lines(["type", "size"], names, names, lambda *key: ""),
        ):
            with pytest.raises(listing.Odd):
                other.tabled(["a"], first)


def test_what_cannot_be_looked_at_so_gives_nothing(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    with table.room() as room:
        assert table.look(room, folder, ["a"]) is not None
        assert table.look(room, folder, ["a", "gone"]) is None
        assert table.look(room, folder, ["a\0a"]) is None
        assert table.look(room, folder, ["\ud800"]) is None
        assert table.look(room, folder, ["a"] * (table.MOST + 1)) is None
        monkeypatch.setattr(table, "_statx", None)
        assert table.look(room, folder, ["a"]) is None


def test_each_who_looks_has_a_room_of_their_own(folder: int, tmp_path: Path) -> None:
    for name in ("a", "bb"):
        (tmp_path / name).write_text(name)
    columns = listing.Columns(Numbers(), Numbers(), now=NOW)
    with table.room() as one, table.room() as other:
        first, second = table.look(one, folder, ["a"]), table.look(other, folder, ["bb"])
        assert first is not None and second is not None
        assert columns.tabled(["a"], first)[0].split()[4] == "1"
        assert columns.tabled(["bb"], second)[0].split()[4] == "2"
