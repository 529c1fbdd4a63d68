"""Whatever lies in a folder: the compiled lines of listings are, byte for byte, those that Python writes."""

from __future__ import annotations

import errno
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from fs_ground import ANNA, Ground, as_root, v
from fs_ground import ground as fs_ground
from hypothesis import given
from hypothesis import strategies as some

from ftpd import native
from ftpd.core import listing, mlsx, paths
from ftpd.core.listing import Columns, CompiledColumns, Layout

pytestmark = pytest.mark.skipif(native.lines is None, reason="not compiled here")

NOW = 1_800_000_000

_odd_names = some.binary(min_size=1, max_size=40).map(lambda raw: paths.decode(raw.replace(b"/", b"|")))
names = some.one_of(
    some.text(min_size=1, max_size=20).map(lambda text: paths.decode(text.encode("utf-8", "ignore"))),
    some.sampled_from(
        ["a\r\nb", "x\x1b[2K", "\x7f", "t\tt", "\xa0\x85\x9f", "\u2028", "\udcff\udc9f", "100%", "é", "Ж"]
    ),
    _odd_names,
).filter(bool)
_around = some.sampled_from([0, -1, 59, 60, NOW, NOW - 180 * 86400, 2**31, 2**32, -(2**31), 2**55, -(2**55)])
times = some.one_of(
    some.integers(NOW - 400 * 86400, NOW + 400 * 86400),
    some.builds(lambda at, by: at + by, _around, some.integers(-61, 61)),
    some.integers(-(2**63), 2**63 - 1),
)
modes = some.one_of(
    some.builds(lambda kind, bits: kind << 12 | bits, some.integers(0, 15), some.integers(0, 0o7777)),
    some.sampled_from([0o100644, 0o040755, 0o041777, 0o104755]),
)
_unsigned = some.one_of(some.integers(0, 3), some.integers(0, 2**64 - 1))
ids = some.one_of(some.integers(-1, 2), some.integers(-1, 2**32 - 1))
attributes = some.builds(
    lambda mode, inode, device, links, uid, gid, size, moments: os.stat_result(
        (mode, inode, device, links, uid, gid, size, *moments)
    ),
    modes, _unsigned, _unsigned, _unsigned, ids, ids,
    some.one_of(some.integers(0, 10**6), some.integers(-(2**63), 2**63 - 1)), some.tuples(times, times, times),
)  # fmt: skip
entries = some.lists(some.tuples(names, attributes), max_size=40)
owners = some.dictionaries(some.integers(-1, 2), names, max_size=3).map(
    lambda known: defaultdict(lambda: "somebody else", known)
)
permissions = some.none() | some.integers(0, 0o777)


@contextmanager
def at(zone: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    _forget()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
        _forget()


def _forget() -> None:
    for cache in (*listing._MINUTES, *listing._DAYS):
        cache.clear()


def written(layout: Layout, given: list[tuple[str, os.stat_result]]) -> bytes:
    lines = layout.lines([name for name, _ in given], [known for _, known in given])
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


@given(entries, owners, owners, times, some.booleans(), permissions, some.sampled_from([7, 8, 9]))
def test_list(
    given: list[tuple[str, os.stat_result]], users: Mapping[int, str], groups: Mapping[int, str], now: int, gmt: bool,
    mode: int | None, column: int,
) -> None:  # fmt: skip
    with at("XXX-05:45"):
        python, compiled = (
            written(way(users, groups, now=now, gmt=gmt, mode=mode, column=column), given)
            for way in (Columns, CompiledColumns)
        )
    assert compiled == python
    assert compiled.count(b"\r\n") == compiled.count(b"\n") == compiled.count(b"\r") == max(len(given) - 1, 0)


@given(
    entries, owners, owners, permissions, some.none() | some.integers(0, 99), some.none() | some.integers(0, 99),
    some.sets(some.sampled_from(mlsx.FACTS)),
)  # fmt: skip
def test_mlsd(
    given: list[tuple[str, os.stat_result]], users: Mapping[int, str], groups: Mapping[int, str], mode: int | None,
    uid: int | None, gid: int | None, facts: set[str],
) -> None:  # fmt: skip
    def perm(bits: int, owner: int, group: int) -> str:
        return f"{bits:o}%{owner}{group}"

    def alone(name: str, known: os.stat_result) -> str:
        return mlsx.line(
            name, known, perm=perm(known.st_mode, known.st_uid, known.st_gid), user=users[known.st_uid],
            group=groups[known.st_gid], facts=facts, uid=uid, gid=gid,
            mode=None if mode is None else listing.faked(known.st_mode, mode),
        )  # fmt: skip

    python, compiled = (
        written(way(facts, users, groups, perm, mode=mode, uid=uid, gid=gid), given)
        for way in (mlsx.Lines, mlsx.CompiledLines)
    )
    assert compiled == python
    assert python.decode("utf-8", "surrogateescape") == "\r\n".join(alone(*one) for one in given)


# -- from the folder itself ----------------------------------------------------------------------------------


@pytest.fixture
def here() -> Iterator[Ground]:
    with fs_ground() as made:
        yield made


def columns(way: type[Columns]) -> Columns:
    return way(defaultdict(lambda: "ann"), defaultdict(lambda: "staff"), now=NOW)


WAYS = pytest.mark.parametrize("way", [Columns, CompiledColumns], ids=["python", "compiled"])


def _flat(pieces: Iterator[str | tuple[str, os.stat_result]]) -> list[str]:
    """Lines as they are, and of what is the caller's the name and the kind."""
    flat: list[str] = []
    for piece in pieces:
        flat += piece.split("\r\n") if isinstance(piece, str) else [f"{piece[0]} {piece[1].st_mode >> 12:o}"]
    return flat


def test_the_names_and_the_links_of_a_folder_are_those_that_python_finds(
    here: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than one block of the kernel's answer holds, and some that are no text."""
    asked = [f"{'long' * 50}{number:05}" for number in range(700)] + ["é", "\udcff", "\udcc3(", "a\nb", ".h", "..."]
    for name in asked:
        os.close(os.open(os.fsencode(here.root / name), os.O_CREAT))
    (here.root / "folder").mkdir()
    os.mkfifo(here.root / "pipe")
    links = ["link", "\udcfe", "vain", ".l"]
    for name in links:
        os.symlink(b"nowhere", os.fsencode(here.root / name))
    with here.files().open_folder(v("/")) as folder:
        for _ in range(2):
            compiled = sorted(folder.names()), sorted(folder.links())
        monkeypatch.setattr(native, "lines", None)
        python = sorted(folder.names()), sorted(folder.links())
    assert compiled == python == (sorted([*asked, "folder", "pipe", *links]), sorted(links))


def test_what_cannot_be_read_as_a_folder_is_an_error() -> None:
    for path, code in (("/dev/null", errno.ENOTDIR), ("/etc/passwd", errno.ENOTDIR)):
        with open(path) as file, pytest.raises(OSError) as failure:
            native.lines.read(file.fileno(), True, False)
        assert failure.value.errno in (code, errno.ESPIPE)
    with pytest.raises(OSError) as failure:
        native.lines.read(-1, True, False)
    assert failure.value.errno == errno.EBADF


@pytest.mark.parametrize("compiled", [True, False])
def test_the_names_that_are_asked_for_after_the_links_are_of_the_same_moment(
    here: Ground, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large folder is read once for both; who asks again has it as it is by then."""
    if not compiled:
        monkeypatch.setattr(native, "lines", None)
    for name in ("a", ".b", "c"):
        (here.root / name).touch()
    (here.root / "link").symlink_to("a")
    with here.files().open_folder(v("/")) as folder:
        assert folder.links() == ["link"]
        (here.root / "c").unlink()
        assert sorted(folder.names()) == [".b", "a", "c", "link"]
        assert sorted(folder.names()) == [".b", "a", "link"]
        if compiled:
            assert folder.links() == ["link"]
            assert sorted(folder.compact(dotted=False) or ()) == ["a", "link"]
            assert folder.links() == ["link"]
            assert sorted(folder.compact() or ()) == [".b", "a", "link"]


@pytest.mark.parametrize("compiled", [True, False])
def test_a_folder_read_in_parts_is_whole_and_each_part_read_when_it_is_asked_for(
    here: Ground, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(native, "lines", None)
    # so many hidden ones that an answer of the kernel may hold nothing else
    asked = [f"{'long' * 50}{number:05}" for number in range(5000)] + ["é", "\udcff", "\udcc3(", "a\nb"]
    dotted = [f".{'long' * 50}{number:05}" for number in range(1000)] + [".h", "..."]
    for name in asked + dotted:
        os.close(os.open(os.fsencode(here.root / name), os.O_CREAT))
    with here.files().open_folder(v("/")) as folder:
        for _ in range(2):
            parts = [list(part) for part in folder.parts()]
            assert len(parts) > 1 and all(parts)
            assert sorted(name for part in parts for name in part) == sorted(asked + dotted)
        assert sorted(name for part in folder.parts(dotted=False) for name in part) == sorted(asked)
        first = len(next(folder.parts()))
        assert first < len(asked), "who asks for one part waits for that"
        half = folder.parts()
        next(half)
        for name in asked + dotted:
            os.unlink(os.fsencode(here.root / name))
        assert sum(len(part) for part in half) < len(asked), "what is gone meanwhile was not read beforehand"
        assert list(folder.parts()) == []


@WAYS
def test_links_and_the_folder_above_are_the_callers_and_what_is_no_entry_is_left_out(
    here: Ground, way: type[Columns]
) -> None:
    for name in ("a", "c", "é", "\udcff"):
        os.close(os.open(os.fsencode(here.root / name), os.O_CREAT))
        os.utime(os.fsencode(here.root / name), (0, 0))
    for name in ("b", "z"):
        (here.root / name).symlink_to("a")
    for name in ("d", "e"):
        (here.root / name).mkdir()
    found: list[str] = []
    asked = [
        ".",
        "..",
        "a",
        "b",
        "c",
        "",
        "gone",
        "d/../a",
        "../outside/canary",
        "a\0",
        "\ud800",
        "é",
        "\udcff",
        "e",
        "d",
        "z",
    ]
    with here.files().open_folder(v("/")) as folder:
        lines = _flat(folder.lines(asked, columns(way), found))
    assert [line if line[0] in ".bz" else line[55:] for line in lines] == [
        ".", ".. 4", "a", "b 12", "c", "é", "\udcff", "e", "d", "z 12",
    ]  # fmt: skip
    assert lines[2] == "-rwxr-xr-x   1 ann      staff           0 Jan  1  1970 a"
    assert found == ["e", "d"]


@WAYS
def test_a_folder_of_any_size_is_written_whole_and_in_order(here: Ground, way: type[Columns]) -> None:
    asked = [f"{number:05}" for number in range(1300)]
    for name in asked:
        (here.root / name).touch()
    for gone in asked[500:600]:
        (here.root / gone).unlink()
    with here.files().open_folder(v("/")) as folder:
        lines = _flat(folder.lines(asked, columns(way)))
    assert [line[-5:] for line in lines] == asked[:500] + asked[600:]


@WAYS
def test_a_folder_that_was_closed_says_so(here: Ground, way: type[Columns]) -> None:
    with here.files().open_folder(v("/")) as folder:
        lines = folder.lines(["x"], columns(way))
    with pytest.raises(OSError, match="closed"):
        next(lines)


@as_root
@WAYS
def test_it_is_the_user_who_looks_and_the_daemon_who_asks_for_names(here: Ground, way: type[Columns]) -> None:
    """A closed folder shows names but no attributes to who may not search it; nobody else is ever the user."""
    (here.root / "closed").mkdir()
    (here.root / "closed/f").touch()
    here.owned_by(ANNA)
    (here.root / "closed").chmod(0o400)

    class Names(dict[int, str]):
        def __missing__(self, number: int) -> str:
            made = here.root / f"made while asked for {number}"
            made.touch()
            assert made.stat().st_uid == 0
            return "ann"

    def lines(virtual: str) -> list[str]:
        with here.files(identity=ANNA).open_folder(v(virtual)) as folder:
            return _flat(folder.lines(sorted(folder.names()), way(Names(), Names(), now=NOW)))

    assert lines("/closed") == []
    (here.root / "closed").chmod(0o500)
    assert len(lines("/closed")) == 1


def test_a_slow_disk_ends_a_stay_early(here: Ground) -> None:
    asked = [f"{number:03}" for number in range(100)]
    for name in asked:
        (here.root / name).touch()
    with here.files().open_folder(v("/")) as folder:
        attributes, odd = native.lines.look(folder._open().fd, asked, 0, 100, -1)
        assert 0 < len(attributes) // native.lines.ENTRY < 100
        assert not odd
        attributes, odd = native.lines.look(folder._open().fd, asked, 90, 512, 10**9)
        assert (len(attributes) // native.lines.ENTRY, odd) == (10, False)


def test_what_is_no_list_of_names_is_refused() -> None:
    with here_at_root() as fd:
        for wrong in (lambda: native.lines.look(fd, ("a",), 0, 1, 0), lambda: native.lines.look(fd, [b"a"], 0, 1, 0)):
            with pytest.raises(TypeError):
                wrong()
    one = native.lines.pack([os.stat("/")])
    with pytest.raises(ValueError, match="more attributes than names"):
        native.lines.columns(["a"], 1, one, {}, 8, 0, True)
    with pytest.raises(KeyError):
        native.lines.columns(["a"], 0, one, {}, 8, 0, True)
    with pytest.raises(TypeError):
        native.lines.columns(["a"], 0, one, defaultdict(lambda: 7), 8, 0, True)
    with pytest.raises(TypeError):
        native.lines.facts(["a"], 0, one, defaultdict(lambda: ("a", 1)))
    with pytest.raises(TypeError):
        native.lines.pack([(1, 2)])
    with pytest.raises(OverflowError):
        native.lines.pack([os.stat_result((2**70, *range(9)))])


def test_names_may_vanish_from_the_list_while_owners_are_asked_for() -> None:
    asked = ["a", "b", "c"]
    packed = native.lines.pack([os.stat("/")] * 3)

    class Heads(dict[object, str]):
        def __missing__(self, key: object) -> str:
            asked.clear()
            return ""

    with pytest.raises(RuntimeError, match="fewer"):
        native.lines.columns(asked, 0, packed, Heads(), 8, 0, True)


@contextmanager
def here_at_root() -> Iterator[int]:
    fd = os.open("/", os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)
