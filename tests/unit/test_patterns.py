"""Expressions mean what they mean to regcomp(3), whichever engine searches for them, and no search takes for ever."""

from __future__ import annotations

import ctypes
import random
import re
import re._parser as sre_parser  # type: ignore[import-not-found]
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftpd.conf import counted, pcre
from ftpd.conf.automaton import Automaton, Unfit
from ftpd.conf.counted import Counted
from ftpd.conf.directive import ConfigError
from ftpd.conf.pattern import LONGEST, GivenUp, Pattern
from ftpd.conf.patterns import bound_patterns, compile_groups, compile_pattern, unbound_patterns
from ftpd.conf.posix import Dialect, Engine, PatternError, translated
from ftpd.conf.uncounted import Plain, Stepped, uncounted

needs_pcre = pytest.mark.skipif(pcre.library() is None, reason="there is no libpcre2")


@pytest.fixture(autouse=True)
def nothing_said() -> Iterator[None]:
    unbound_patterns()
    yield
    unbound_patterns()


# -- beside regcomp(3) -------------------------------------------------------------------------------------------

_LIBC = ctypes.CDLL(None)
_EXTENDED, _NOSUB, _ICASE = 1, 8, 2


def regexec(pattern: str, texts: list[bytes], *, nocase: bool) -> list[bool] | None:
    """Which texts match, by libc; None where it takes the pattern for none."""
    compiled = ctypes.create_string_buffer(256)
    if _LIBC.regcomp(compiled, pattern.encode(), _EXTENDED | _NOSUB | (_ICASE if nocase else 0)):
        return None
    found = [_LIBC.regexec(compiled, text, 0, None, 0) == 0 for text in texts]
    _LIBC.regfree(compiled)
    return found


_ATOMS = st.sampled_from(
    ["a", "b", "A", "_", "-", " ", "/", ".", "^", "$", "()", "}", ")", "]", r"\.", r"\-", r"\(", r"\)", r"\{", r"\<",
     r"\>", r"\b", r"\w", r"\W", r"\s", r"\S", r"\`", r"\'", "[ab]", "[^ab]", "[]a]", "[^]a]", "[a-c]", "[a-]", "[a[]",
     "[*.$]", r"[\^]", r"[a\]", "[[:alpha:]]", "[[:digit:]_]", "[^[:upper:]]", "[[:punct:]]", "[[.-.]a]", "[[=a=]b]"]
)  # fmt: skip
_SIGNS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{,2}", "{0}", "{2,}", "**", "+?", "*+", "{2}{2}"])
_PIECES = st.tuples(_ATOMS, _SIGNS).map("".join)
_PATTERNS = st.recursive(
    st.lists(_PIECES, min_size=1, max_size=4).map("".join),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, _SIGNS).map(lambda pair: f"({pair[0]}){pair[1]}"),
        inner.map(lambda text: f"({text})\\1"),
    ),
    max_leaves=5,
)
_TEXTS = st.lists(st.text("abcA_-. /]\\()", max_size=8).map(str.encode), min_size=4, max_size=12)
# where libc is known to go its own way: ^ and $ in the midst, an escaped letter, \B in nothing
_PECULIAR = re.compile(r"[^(|]\^|\$[^)|]|\\B")


def _of_posix(pattern: str, nocase: bool) -> Iterator[Pattern]:
    text = translated(pattern, Dialect.POSIX, Engine.PYTHON)
    yield uncounted(pattern, text, "", nocase=nocase, letters=False)
    if pcre.library() is not None:
        yield Counted(pattern, translated(pattern, Dialect.POSIX, Engine.PCRE), "", nocase=nocase)


@settings(max_examples=300)
@given(pattern=_PATTERNS, texts=_TEXTS, nocase=st.booleans())
def test_patterns_match_what_regexec_matches(pattern: str, texts: list[bytes], nocase: bool) -> None:
    wanted = regexec(pattern, texts, nocase=nocase)
    if wanted is None or _PECULIAR.search(pattern):
        return
    try:
        engines = list(_of_posix(pattern, nocase))
    except PatternError as wrong:
        # a group that refers to itself, and what could run away without libpcre2
        assert "open group" in str(wrong) or "no libpcre2" in str(wrong)
        return
    for engine in engines:
        assert [engine.matches(text.decode()) for text in texts] == wanted, engine


@settings(max_examples=300)
@given(pattern=_PATTERNS, texts=_TEXTS, nocase=st.booleans())
def test_an_automaton_matches_what_re_matches(pattern: str, texts: list[bytes], nocase: bool) -> None:
    flags = re.DOTALL | (re.IGNORECASE if nocase else re.NOFLAG)
    try:
        text = translated(pattern, Dialect.POSIX, Engine.PYTHON).encode()
        compiled, machine = re.compile(text, flags), Automaton(sre_parser.parse(text, flags))
    except (PatternError, Unfit, re.error):
        return
    assert [machine.search(one) for one in texts] == [compiled.search(one) is not None for one in texts]


@needs_pcre
@settings(max_examples=200)
@given(pattern=st.text("ab(|)*+?{2,}[]^$\\.<>wdQE:", max_size=14))
def test_whatever_pcre_takes_is_taken(pattern: str) -> None:
    """What ProFTPD takes is no fault here."""
    try:
        pcre.Code(pattern.encode(), pcre.DOT_ALL)
    except PatternError:
        return
    compile_pattern(pattern)


# -- what is written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\<cat\>", "the cat", True),
        (r"\<cat\>", "concat", False),
        ("[[.-.]x]", "-", True),
        ("[[=a=]]", "a", True),
        ("^a{,2}$", "aaa", False),
        ("^a**$", "aaa", True),
        ("a)", "a)", True),
        (r"^[^/\]+$", "a\\", False),
        (r"^(..)\1$", "abab", True),
        (r"^\d+$", "123", True),
        ("(?i)abc", "ABC", True),
        (r"^\x41$", "A", True),
        (r"^a{x$", "a{x", True),
        (r"\Qa.b*", "a.b*", True),
        ("[a&&b]", "&", True),
        ("(?#nothing (but) words", "", False),
        ("x(?=y)", "xy", True),
    ],
)
@pytest.mark.parametrize("engine", [Engine.PCRE, Engine.PYTHON])
def test_what_is_written_is_understood(
    pattern: str, text: str, found: bool, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine is Engine.PYTHON:
        monkeypatch.setattr(pcre, "library", lambda: None)
    try:
        assert (compile_pattern(pattern).search(text) is not None) is found
    except ConfigError:
        assert pattern.startswith("(?#")


@pytest.mark.parametrize("pattern", ["(?i)a", "*a", "a|*", "a{x", "[[.ab.]]", "[a", "a\\", "a{3,2}", "a{40000}"])
def test_posix_refuses_what_regcomp_refuses(pattern: str) -> None:
    assert regexec(pattern, [], nocase=False) is None
    bound_patterns(None, None, "POSIX")
    with pytest.raises(ConfigError, match="failed regex compilation"):
        compile_pattern(pattern)


@needs_pcre
@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        ("^(a)(x)?(.*)$", "aé!", ("aé!", "a", "", "é!")),
        ("(.)b", "ééb", ("éb", "é")),
        ("(.)(.)", "\udcff\udcfe", ("\udcff\udcfe", "\udcff", "\udcfe")),
        ("x", "y", None),
        # nothing is found within the steps of one place, but with all of them
        ("(?:a?){11}(a{11})(.*)$", "-" * 4000 + "a" * 11 + "z", ("a" * 11 + "z", "a" * 11, "z")),
    ],
)
def test_groups(pattern: str, text: str, groups: tuple[str, ...] | None) -> None:
    assert compile_groups(pattern).groups(text) == groups


# -- how long it takes -------------------------------------------------------------------------------------------

RUNAWAYS = [
    "(a+)+$",
    "^(a+)+$",
    "(a|a)*$",
    "(a|aa)+$",
    "(.*)(.*)(.*)(.*)(.*)[cd]$",
    "(?:a?){60}a{60}$",
    r"(\w+\s?)*$",
    "é?(a+)+$",
]


@needs_pcre
@pytest.mark.parametrize("pattern", RUNAWAYS)
@pytest.mark.parametrize("length", [60, 1000, 4000])
def test_a_runaway_is_given_up(pattern: str, length: int) -> None:
    made = compile_pattern(pattern)
    for _ in range(20):
        with pytest.raises(GivenUp):
            made.matches("a" * length + "!")
    assert made.denies("a" * length + "!")
    assert made.search("a" * length + "!") is None


@needs_pcre
def test_many_runaways_in_a_second_leave_others_a_part_of_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(counted, "monotonic", lambda: now)
    made = compile_pattern("(a+)+$")
    long, easy = "a" * 11 + "!", "b" * 200 + "a"
    assert made.matches(long) is False
    for _ in range(20):
        with pytest.raises(GivenUp):
            made.matches("a" * 60 + "!")
    assert made.matches(easy)
    with pytest.raises(GivenUp):
        made.matches(long)
    now += 2
    assert made.matches(long) is False


@needs_pcre
def test_a_back_reference_has_fewer_steps_as_each_may_be_long() -> None:
    made = compile_pattern(r"^(a*)(a?)*\1[bd]$")
    assert made.matches("aab")
    with pytest.raises(GivenUp):
        made.matches("a" * 500 + "c")
    with pytest.raises(GivenUp):
        made.matches("a" * 2000)


@pytest.mark.parametrize("pattern", [r"\.exe$", "^[a-z.]+$", "x.*y"])
def test_a_text_longer_than_any_command_is_not_searched(pattern: str) -> None:
    made = compile_pattern(pattern)
    assert made.search("xyz." * (LONGEST // 4 - 1) + ".exe") is not None
    with pytest.raises(GivenUp):
        made.matches("a" * (LONGEST + 1))


@needs_pcre
@pytest.mark.parametrize("pattern", [r"[^/]*\.(exe|com)$", r"/[^/]*\.exe$", "a.*b.*c$", "^([^/]+/)*secret$", ".*=.*"])
@pytest.mark.parametrize("text", ["/home/demo/" + "some-folder/" * 20 + "report-2024.txt", "x/" * 120, "a" * 255])
def test_ordinary_patterns_have_steps_enough(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).matches(text) is (re.search(pattern, text) is not None)


@pytest.mark.parametrize("pattern", RUNAWAYS)
def test_without_libpcre2_a_runaway_is_searched_in_one_pass(pattern: str) -> None:
    pattern = pattern.replace("60", "30")
    made = uncounted(pattern, pattern.replace("$", r"\Z"), "", nocase=False, letters=False)
    assert isinstance(made, Stepped)
    assert made.matches("a" * 4000 + "!") is pattern.endswith("*$")
    assert made.matches("a" * 100 + ("d" if "[cd]" in pattern else ""))


def test_without_libpcre2_a_pass_has_an_end_too() -> None:
    made = uncounted("", "(a|b)*a(a|b){200}c", "", nocase=False, letters=False)
    with pytest.raises(GivenUp):
        made.matches("".join(random.Random(1).choices("ab", k=4000)))


@pytest.mark.parametrize("pattern", [r"(\.ftpaccess|\.htaccess)$", "^[a-z]+$", r"\.exe$", r"^(?!\.)"])
def test_without_libpcre2_what_is_simple_is_left_to_re(pattern: str) -> None:
    assert isinstance(uncounted("", pattern, "", nocase=False, letters=False), Plain)


@pytest.mark.parametrize("pattern", [r"((a+)+)\1", r"(?=(a+)+b)", r"(a*)*\1", "(?>(a|b)*)*c"])
def test_without_libpcre2_what_nobody_can_bound_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="no libpcre2"):
        uncounted("", pattern, "", nocase=False, letters=False)


def test_without_libpcre2_groups_are_those_of_re() -> None:
    made = uncounted("", r"^(.*)\.(TXT)?", "", nocase=False, letters=True)
    assert made.groups("é.TXT") == ("é.TXT", "é", "TXT")
    assert made.groups("é.") == ("é.", "é", "")
    assert made.groups("x") is None


@pytest.mark.parametrize("pattern", ["a" * 20_000, "a" + "*" * 3000])
def test_a_pattern_that_is_too_much_to_compile_is_none(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"longer than|too many"):
        compile_pattern(pattern)
