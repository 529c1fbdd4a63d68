"""The names in a folder as one piece: the same names, in the same order, as a list of them."""

from __future__ import annotations

import gc
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fs_ground import Ground, v
from fs_ground import ground as fs_ground
from hypothesis import given
from hypothesis import strategies as some

import ftpd.fs.folder
import ftpd.fs.kernel
from ftpd import native
from ftpd.core.listing import Columns, Compact, CompiledColumns, unpacked

pytestmark = pytest.mark.skipif(native.lines is None, reason="not compiled here")

_long = some.sampled_from(["x" * 200, "prefix-", "prefix-00000000", "é" * 9, ""])
_text = some.text(some.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8)
_names = some.builds(
    lambda head, tail: (head + tail).replace("/", "|").replace("\0", "0"),
    _long,
    some.one_of(_text, some.text("ab\x01\x7f .-", min_size=1, max_size=12)),
).filter(lambda name: len(name.encode()) < 256 and name not in (".", ".."))
_slices = some.slices(30)


@contextmanager
def holding(names: set[bytes]) -> Iterator[int]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        for name in names:
            os.close(os.open(os.path.join(folder.encode(), name), os.O_CREAT, 0o600))
        fd = os.open(folder, os.O_RDONLY)
        try:
            yield fd
        finally:
            os.close(fd)


@given(some.sets(_names, max_size=30), some.booleans(), some.booleans(), _slices)
def test_they_are_sorted_and_cut_as_a_list_is(given: set[str], dotted: bool, reverse: bool, part: slice) -> None:
    with holding({name.encode() for name in given}) as fd:
        found: Compact = native.lines.read(fd, dotted, False)
        listed = [name for name in os.listdir(fd) if dotted or not name.startswith(".")]
        assert [*found] == listed
        assert [*native.lines.read(fd, dotted, True)] == sorted(listed)
        found.sort(reverse=reverse)
        listed.sort(reverse=reverse)
        assert not found.odd()
        assert [*found] == listed
        assert len(found) == len(listed)
        assert [*found[part]] == listed[part]
        assert [found[-index - 1] for index in range(len(listed))] == listed[::-1]


@given(some.sets(some.binary(min_size=1, max_size=6), max_size=8))
def test_names_that_are_no_text_are_told_apart(given: set[bytes]) -> None:
    given = {name.replace(b"/", b"|").replace(b"\0", b"0") for name in given} - {b".", b".."}
    with holding(given) as fd:
        found: Compact = native.lines.read(fd, True, False)
        assert {name.encode("utf-8", "surrogateescape") for name in found} == given
        assert found.odd() == any("\udc80" <= letter <= "\udcff" for name in found for letter in name)


@pytest.mark.parametrize("count", [0, 1, 2, 13, 700, 2400, 9000])
@pytest.mark.parametrize("order", ["made", "reversed", "mixed"])
def test_whatever_order_they_come_in(count: int, order: str) -> None:
    """More than a block of the kernel's answer, and in every order in which file systems give them."""
    names = [f"{'long' * 50}{number:05}" for number in range(count)]
    made = {"made": names, "reversed": names[::-1], "mixed": [*names[::2], *names[1::2]]}[order]
    with holding(set()) as fd:
        for name in made:
            os.close(os.open(name, os.O_CREAT, dir_fd=fd))
        for _ in range(2):  # as often as one wants
            found: Compact = native.lines.read(fd, True, False)
            found.sort()
            assert [*found] == names
            found.sort(reverse=True)
            assert [*found] == names[::-1]
            assert [*native.lines.read(fd, True, True)] == names


def test_what_is_sorted_while_it_is_read_need_not_begin_alike() -> None:
    """Those that come late have less in common with the first than these had among each other."""
    long = "same" * 50
    names = [f"{long}{number * 7919 % 6007:05}" for number in range(6007)] + [long[:-1] + "f", "same", "other", "\xe9"]
    with holding(set()) as fd:
        for name in [*names[:3000], *names[6007:], *names[3000:6007]]:
            os.close(os.open(name.encode(), os.O_CREAT, dir_fd=fd))
        found: Compact = native.lines.read(fd, True, True)
        assert [*found] == sorted(names)
        assert not found.odd()
        os.close(os.open(b"\xff", os.O_CREAT, dir_fd=fd))
        os.close(os.open(".hidden", os.O_CREAT, dir_fd=fd))
        found = native.lines.read(fd, False, True)
        assert found.odd()
        assert [*found] == [*sorted(names), "\udcff"]
        assert len(native.lines.read(fd, True, False)) == len(names) + 2


def test_a_folder_that_is_none_is_told_of() -> None:
    with tempfile.TemporaryFile() as file, pytest.raises(NotADirectoryError):
        native.lines.read(file.fileno(), True, True)


def test_a_part_outlives_the_whole_and_nothing_is_left_of_either() -> None:
    with holding({b"a", b"b", b"c"}) as fd:
        whole: Compact = native.lines.read(fd, True, False)
        whole.sort()
        part = whole[1:]
        del whole
        gc.collect()
        assert [*part] == ["b", "c"]
        assert part[0] == part[-2] == "b"
        assert "c" in part
        with pytest.raises(IndexError):
            part[2]
        with pytest.raises(IndexError):
            part[-3]
        with pytest.raises(TypeError):
            part["b"]  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            type(part)()


def test_it_can_be_read_and_sorted_by_many_threads() -> None:
    """While one sorts, there are all or none for the others: never some twice."""
    names = {f"{number * 7919 % 2003:04}".encode() for number in range(2003)}
    with holding(names) as fd:
        shared: Compact = native.lines.read(fd, True, False)
        odd: list[int] = []

        def work() -> None:
            for _ in range(100):
                shared.sort(reverse=True)
                shared.sort()
                if len(set(shared[:])) not in (0, 2003):
                    odd.append(len(set(shared[:])))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not odd
        shared.sort()
        assert [*shared] == sorted(name.decode() for name in names)


# -- the lines of them -----------------------------------------------------------------------------------------


@pytest.fixture
def here() -> Iterator[Ground]:
    with fs_ground() as made:
        yield made


@pytest.mark.parametrize("way", [Columns, CompiledColumns], ids=["python", "compiled"])
def test_their_lines_are_those_of_a_list(here: Ground, way: type[Columns]) -> None:
    for number in range(1300):
        (here.root / f"{number * 7919 % 1303:04}").touch()
    for name in ("é\nb", "\x1b[2K", "Ж", "t\tt", ".h"):
        (here.root / name).touch()
    (here.root / "folder").mkdir()
    (here.root / "0555-link").symlink_to("folder")
    layout = way({0: "root", os.getuid(): "ann"}, {0: "root", os.getgid(): "staff"}, now=0)
    with here.files().open_folder(v("/")) as folder:
        compact = folder.compact()
        assert compact is not None
        compact.sort()
        inside: list[str] = []
        below: list[str] = []
        lines = [*folder.lines(compact, layout, inside)]
        of_a_list = [*folder.lines(sorted(folder.names()), layout, below)]
        assert [*compact] == sorted(folder.names())
        attributes = [*folder.lstat_many(compact)]
    odd = [piece[0] for piece in lines if not isinstance(piece, str)]
    assert odd == ["0555-link"]
    assert inside == below == ["folder"]
    assert _text(lines) == _text(of_a_list)
    assert len(_text(lines).split("\r\n")) == len(attributes) == 1307 - 1 + 1
    assert [name for name, known in attributes if known and stat.S_ISLNK(known.st_mode)] == odd


def _text(pieces: list[str | tuple[str, os.stat_result]]) -> str:
    return "\r\n".join(piece if isinstance(piece, str) else piece[0] for piece in pieces)


def _raw(pieces: list[bytes | tuple[str, os.stat_result]]) -> str:
    """The same of what is written as it is sent."""
    return _text([unpacked(piece) if isinstance(piece, bytes) else piece for piece in pieces])


def test_a_folder_with_a_name_that_is_no_text_is_listed_as_ever(here: Ground) -> None:
    os.close(os.open(os.fsencode(here.root / "\udcff"), os.O_CREAT))
    with here.files().open_folder(v("/")) as folder:
        assert folder.compact() is None
        assert "\udcff" in folder.names()


def test_where_nothing_is_compiled_there_is_none(here: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "lines", None)
    with here.files().open_folder(v("/")) as folder:
        assert folder.compact() is None


@given(some.sets(_names, max_size=25), some.booleans(), some.sampled_from([-1, 0, 1]), some.sampled_from([10**9, -1]))
def test_all_lines_of_a_small_folder_at_once_are_those_in_steps(
    given: set[str], dotted: bool, order: int, patience: int
) -> None:
    """Whatever lies there: links are the caller's, and a disk that takes long is asked in several stays."""
    with fs_ground() as here, pytest.MonkeyPatch.context() as patch:
        for stay in ("_PATIENCE", "_ALL_AT_ONCE"):
            patch.setattr(ftpd.fs.folder, stay, patience)
        for number, name in enumerate(sorted(given)):
            if number % 5 == 4:
                (here.root / name).symlink_to("nowhere")
            else:
                (here.root / name).touch()
        _compare(here, dotted, order)


def _compare(here: Ground, dotted: bool, order: int) -> None:
    layout = CompiledColumns({os.getuid(): "ann"}, {os.getgid(): "staff"}, now=0)
    with here.files().open_folder(v("/")) as folder:
        at_once = folder.lines_at_once(layout, order, 25, dotted=dotted)
        names = [name for name in folder.names() if dotted or not name.startswith(".")]
        if order:
            names.sort(reverse=order < 0)
        assert at_once is not None
        at_once = [*at_once]
        assert _raw(at_once) == _raw([*folder.raw_lines(names, layout)]) == _text([*folder.lines(names, layout)])
        assert folder.lines_at_once(layout, order, len(names) - 1, dotted=dotted) is None
        surveyed = here.files().survey(b"/", largest=1 << 20, dotted=dotted, order=order, most=25)
        assert surveyed is not None
        if any((here.root / name).is_symlink() for name in names):
            assert not surveyed.whole
        elif surveyed.whole or ftpd.fs.folder._ALL_AT_ONCE > 0:
            text = layout.packed(surveyed.names, 0, surveyed.attributes)
            assert _raw([text] if text else []) == _raw(at_once)
        if not surveyed.whole:
            opened = here.files().open_at_once(v("/"), "list")
            assert opened is not None
            opened.surveyed, path = surveyed, v("/")
            path.saw(opened.attributes, opened=opened)
            with here.files().open_folder(path) as again:
                goes_on = again.lines_at_once(layout, order, 25, dotted=dotted)
                assert goes_on is not None
                assert _raw([*goes_on]) == _raw(at_once)
        tabled = Columns({os.getuid(): "ann"}, {os.getgid(): "staff"}, now=0)
        in_python = folder.lines_at_once(tabled, order, 25, dotted=dotted)
        assert in_python is not None
        assert _raw([*in_python]) == _text([*folder.lines(names, layout)])
        assert folder.lines_at_once(tabled, order, len(names) - 1, dotted=dotted) is None


def test_a_folder_is_surveyed_in_one_step_or_not_at_all(here: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def names(path: bytes, *, largest: int = 1 << 20, most: int = 9) -> list[str] | None:
        found = here.files().survey(path, largest=largest, dotted=True, order=1, most=most)
        return None if found is None else list(found.names)

    (here.root / "a").mkdir()
    for name in ("y", "x"):
        (here.root / "a" / name).touch()
    (here.root / "to a").symlink_to("a")
    (here.root / "link").mkdir()
    (here.root / "link" / "to x").symlink_to("../a/x")
    assert names(b"/a") == names(b"/a/") == names(b"a") == ["x", "y"]
    assert names(b"/../a") == ["x", "y"]
    assert names(b"/a", most=2) == ["x", "y"]
    assert names(b"/a", most=1) is None
    assert names(b"/link") == ["to x"]
    for path in (b"/to a", b"/a/x", b"/none", b"/a\0", b"/a/\0"):
        assert names(path) is None, path
    size = (here.root / "a").stat().st_size
    assert names(b"/a", largest=size) == ["x", "y"]
    assert names(b"/a", largest=size - 1) is None
    device = (here.root / "a").stat().st_dev
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ftpd.fs.kernel, "kernel_devices", lambda: frozenset({device}))
        assert names(b"/a") is None
    for wrong in ((0, "a", (), 0, 0, 1, 1, 1, 1), (0, b"a", (), 0, 0, 1, 1, 1), ("", b"a", (), 0, 0, 1, 1, 1, 1)):
        with pytest.raises(TypeError):
            native.lines.survey_below(*wrong)
    monkeypatch.setattr(native, "lines", None)
    assert names(b"/a") is None


def test_what_is_not_to_be_had_at_once_is_told(here: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    users, groups = {os.getuid(): "ann"}, {os.getgid(): "staff"}
    compiled = CompiledColumns(users, groups, now=0)
    with here.files().open_folder(v("/")) as folder:
        assert folder.lines_at_once(compiled, 1, 9, dotted=True) == ()
        os.close(os.open(os.fsencode(here.root / "\udcff"), os.O_CREAT))
        assert folder.lines_at_once(compiled, 1, 9, dotted=True) is None
    with pytest.raises(OSError, match="closed"):
        folder.lines_at_once(compiled, 1, 9, dotted=True)
