"""Globbing: what patterns match, and that no pattern costs more than it may."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path as RealPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ftpd.fs.folder import LocalFolder
from ftpd.module.files import Path
from ftpd.module.globbing import GlobLimit, Limits, glob, magic, match
from tests.unit.fs_ground import Ground, ground


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", "a ab abc b.txt [x] a*b"),
        ("a*", "a ab abc a*b"),
        ("?", "a"),
        ("a?", "ab"),
        ("*b*", "ab abc b.txt a*b"),
        ("**b", "ab a*b"),
        ("[ab]", "a"),
        ("[a-c]*", "a ab abc b.txt a*b"),
        ("[!a]*", "b.txt [x]"),
        ("[^a]*", "b.txt [x]"),
        ("[]x]*", ""),
        ("[[]x]", "[x]"),
        ("[!]]", "a"),
        ("*[]]", "[x]"),
        ("[x]", ""),
        ("[z-a]", ""),
        ("[!z-a]", "a"),
        ("[a", ""),
        ("\\[x\\]", "[x]"),
        ("a\\*b", "a*b"),
        ("a[*]b", "a*b"),
        (".*", ".dot"),
        ("[.]dot", ""),
        ("?dot", ""),
        ("\\.d*", ".dot"),
        ("*.t[wxy]t", "b.txt"),
        ("B*", ""),
        ("", ""),
    ],
)
def test_a_pattern_matches_names(pattern: str, names: str) -> None:
    there = ["a", "ab", "abc", "b.txt", "[x]", "a*b", ".dot"]
    assert [name for name in there if match(pattern, name)] == names.split()


def slowly(pattern: str, name: str) -> bool:
    """What ``*`` and ``?`` mean, in so many words."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return slowly(pattern[1:], name) or (name != "" and slowly(pattern, name[1:]))
    return name != "" and pattern[0] in ("?", name[0]) and slowly(pattern[1:], name[1:])


@given(some.text("ab*?", max_size=8), some.text("ab", max_size=10))
@settings(max_examples=300, deadline=None)
def test_leftmost_is_as_good_as_trying_everything(pattern: str, name: str) -> None:
    assert match(pattern, name) == slowly(pattern, name)


@given(some.text(max_size=12), some.text(max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_pattern(pattern: str, name: str) -> None:
    assert match(pattern, name) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("a*" * 20 + "b", "a" * 100),
        ("*" + "?" * 126 + "b", "a" * 255),
        ("*[a-c][a-d]" * 60 + "b", "a" * 255),
        ("[" * 4096, "a" * 255),
        ("*" * 4096, "a" * 255),
    ],
)
def test_s65_evil_patterns_are_matched_in_less_than_a_millisecond(pattern: str, name: str) -> None:
    match(pattern, name)
    spent = []
    for _ in range(20):
        began = time.perf_counter()
        match(pattern, name)
        spent.append(time.perf_counter() - began)
    assert min(spent) < 0.001


def test_names_and_patterns_are_told_apart() -> None:
    assert [text for text in ("a", "a*", "a?", "[a", "a]", "[a]", "{", "{a,b}", "~", "\\") if magic(text)] == [
        "a*",
        "a?",
        "[a]",
        "{a,b}",
    ]


# -- in a tree ---------------------------------------------------------------------------------------


class Tree:
    def __init__(self, here: Ground) -> None:
        self.root = here.root
        self.files = here.files()
        self.opened = 0

    def open(self, virtual: str) -> LocalFolder:
        self.opened += 1
        return self.files.open_folder(Path(virtual))

    def glob(self, pattern: str, cwd: str = "/", **limits: int) -> list[str]:
        return list(glob(cwd, pattern, self.open, Limits(**limits)))


@pytest.fixture
def tree() -> Iterator[Tree]:
    with ground() as here:
        for name in ("a/x.txt", "a/y.txt", "a/.hid", "b/x.txt", "b/deep/x.txt", "c/z", "top.txt", "odd{1}"):
            path = RealPath(here.root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        os.symlink(here.outside, here.root / "out")
        os.symlink("a", here.root / "link")
        made = Tree(here)
        yield made
        made.files.close()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", "/top.txt"),
        ("/*", "/a /b /c /link /odd{1} /out /top.txt"),
        ("*/x.txt", "/a/x.txt /b/x.txt"),
        ("*/*.txt", "/a/x.txt /a/y.txt /b/x.txt"),
        ("?/deep/*", "/b/deep/x.txt"),
        ("a/.*", "/a/.hid"),
        ("a/*", "/a/x.txt /a/y.txt"),
        ("{b,a}/x*", "/b/x.txt /a/x.txt"),
        ("{a/{x,y},b/x}.txt", "/a/x.txt /a/y.txt /b/x.txt"),
        ("{a,nope,c}/z", "/c/z"),
        ("{top,bottom}.txt", "/top.txt"),
        ("odd{1}", "/odd{1}"),
        ("odd\\{1\\}", "/odd{1}"),
        ("{a}*", ""),
        ("a/{}*", ""),
        ("*/", "/a/ /b/ /c/"),
        ("b/*/", "/b/deep/"),
        ("{a,top.txt}/", "/a/"),
        ("link/*", "/link/x.txt /link/y.txt"),
        ("lin?/*", ""),
        ("lin?/x.txt", ""),
        ("lin?", "/link"),
        ("a/../*.txt", "/top.txt"),
        ("{..,.}/../../*.txt", "/top.txt /top.txt"),
        ("out/*", ""),
        ("*/canary", ""),
        ("../outside/*", ""),
        ("nope/*", ""),
        ("top.txt/*", ""),
        ("/", "/"),
        ("top.txt", "/top.txt"),
        ("nope", ""),
    ],
)
def test_a_pattern_finds_paths(tree: Tree, pattern: str, expected: str) -> None:
    assert tree.glob(pattern) == expected.split()


def test_a_relative_pattern_starts_where_the_client_is(tree: Tree) -> None:
    assert tree.glob("x*", cwd="/b") == ["/b/x.txt"]
    assert tree.glob("/t*", cwd="/b") == ["/top.txt"]
    assert tree.glob("../*.txt", cwd="/b") == ["/top.txt"]


def test_two_stars_are_one(tree: Tree) -> None:
    assert tree.glob("**/x.txt") == tree.glob("*/x.txt")


def test_plain_folders_on_the_way_are_not_listed(tree: Tree) -> None:
    tree.glob("/b/deep/*")
    assert tree.opened == 1


def test_s65_dot_dot_behind_stars_costs_nothing(tree: Tree) -> None:
    assert tree.glob("*/../*/../*/../*/../top.txt") == ["/top.txt"]
    assert tree.opened == 1


@pytest.mark.parametrize(
    ("pattern", "limits", "why"),
    [
        ("*", {"matches": 5}, "more than 5 names"),
        ("{a,b}" * 20, {}, "more than 1000 patterns"),
        ("{" * 500 + "{a,b}" * 100, {}, "more than 1000 patterns"),
        ("{a,b,c}", {"expansions": 2}, "more than 2 patterns"),
        ("*/*", {"work": 50}, "too many names"),
        ("*" * 4097, {}, "longer than 4096"),
        ("{a,b}" + "x" * 1020, {}, "longer than 1024"),
        ("*/" * 65, {}, "more than 64 levels"),
    ],
)
def test_too_much_is_refused_with_a_reason_and_in_no_time(
    tree: Tree, pattern: str, limits: dict[str, int], why: str
) -> None:
    began = time.perf_counter()
    with pytest.raises(GlobLimit, match=why):
        tree.glob(pattern, **limits)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("pattern", "limits"),
    [("*", {"matches": 7}), ("{a,b,c}", {"expansions": 3}), ("*/*", {"work": 500}), ("*" * 4096, {}), ("*/" * 64, {})],
)
def test_just_within_the_limits_is_answered(tree: Tree, pattern: str, limits: dict[str, int]) -> None:
    tree.glob(pattern, **limits)


def test_what_was_found_before_the_limit_has_been_given(tree: Tree) -> None:
    found = glob("/", "*", tree.open, Limits(matches=2))
    assert [next(found), next(found)] == ["/a", "/b"]
    with pytest.raises(GlobLimit):
        next(found)
