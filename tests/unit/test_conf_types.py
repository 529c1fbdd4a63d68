"""Words to values: what each type takes, and what it says of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from ftpd.conf import types
from ftpd.conf.directive import ConfigError
from ftpd.conf.patterns import compile_pattern


@pytest.mark.parametrize(
    ("parser", "words", "value"),
    [
        (types.boolean, ["On"], True),
        (types.boolean, ["0"], False),
        (types.integer(0, 65535), ["65535"], 65535),
        (types.integer(-5), ["-5"], -5),
        (types.size, ["5", "Kb"], 5120),
        (types.size, ["12"], 12),
        (types.seconds, ["90"], 90),
        (types.seconds, ["5min"], 300),
        (types.seconds, ["2H"], 7200),
        (types.seconds, ["01:02:03"], 3723),
        (types.octal, ["0644"], 0o644),
        (types.umask, ["022"], (0o22, 0o22)),
        (types.umask, ["022", "077"], (0o22, 0o77)),
        (types.one_of("ascii", "binary"), ["BINARY"], "binary"),
        (types.flags("NoTTY", "Other"), ["notty"], frozenset({"NoTTY"})),
        (types.string, ["x y"], "x y"),
        (types.words, ["a", "b"], ("a", "b")),
        (types.path, ["/a"], "/a"),
        (types.optional_path, ["None"], None),
        (types.optional_path, ["/a"], "/a"),
        (types.none_or(types.integer(1)), ["3"], 3),
        (types.limit_or_none, ["none"], None),
        (types.limit_or_none, ["7"], 7),
        (types.limit_or_none, ["+7"], 7),
        (types.integer(1, leading=True), [" +5%"], 5),
        (types.size, ["+5", "Kb"], 5120),
        (types.seconds, ["+90"], 90),
        (types.octal, ["000644"], 0o644),
        (types.limit_or_none, [" 7"], 7),
        (types.integer(), ["\t7"], 7),
        (types.size, [" 5MB"], 5 << 20),
        (types.seconds, [" 5min"], 300),
        (types.octal, ["+644"], 0o644),
        (types.seconds, ["5 min"], 300),
        (types.seconds, ["5mins"], 5),
        (types.seconds, ["2HRS"], 2),
        (types.seconds, ["2days"], 2),
        (types.seconds, ["90 Sec"], 90),
        (types.seconds, ["-0"], 0),
        (types.seconds, ["1:60:00"], 7200),
        (types.seconds, ["99:99:99"], 99 * 3661),
        (types.seconds, ["1:2:3:4"], 3723),
        (types.seconds, ["+1:02: 3"], 3723),
        (types.umask, ["1022", "2077"], (0o022, 0o077)),
        (types.umask, ["-0"], (0, 0)),
        (types.limit_or_none, ["4294967301"], 5),
        (types.integer(1, leading=True), ["4294967301;"], 5),
        (types.integer(), ["9" * 30], 2**63 - 1),
        (types.present, [], True),
    ],
)
def test_taken(parser: Any, words: list[str], value: Any) -> None:
    assert parser(words) == value


@pytest.mark.parametrize(
    ("parser", "words", "message"),
    [
        (types.boolean, ["perhaps"], "expected Boolean parameter, not 'perhaps'"),
        (types.boolean, [], "missing parameters"),
        (types.integer(0, 10), ["11"], "value must be between 0 and 10, not 11"),
        (types.integer(1, leading=True), ["0x"], "value must be of at least 1, not 0"),
        (types.integer(leading=True), ["x5"], "'x5' is not a number"),
        (types.octal, ["0010000"], "'0010000' is not a valid mode"),
        (types.integer(1), ["0"], "value must be of at least 1, not 0"),
        (types.integer(), [" "], "' ' is not a number"),
        (types.integer(1, leading=True), ["9" * 20 + "x"], "value must be of at least 1, not -1"),
        (types.integer(1, leading=True), ["2147483648"], "value must be of at least 1, not -2147483648"),
        (types.limit_or_none, ["2147483648"], "parameter must be 'none' or a number greater than 0, not '2147483648'"),
        (types.integer(), ["\u0663"], "'\u0663' is not a number"),
        (types.size, ["5MB", "KB"], "unable to parse: '5MB KB' is no size"),
        (types.size, ["1.5", "Kb"], "unable to parse: '1.5 Kb' is no size"),
        (types.size, ["0.5MB"], "unable to parse: '0.5MB' is no size"),
        (types.size, [".5", "Kb"], "unable to parse: '.5 Kb' is no size"),
        (types.seconds, ["5days ago"], "error parsing timeout value '5days ago'"),
        (types.seconds, ["100:00:00"], "error parsing timeout value '100:00:00'"),
        (types.seconds, ["1:60"], "error parsing timeout value '1:60'"),
        (types.seconds, ["s"], "error parsing timeout value 's'"),
        (types.seconds, ["-5s"], "error parsing timeout value '-5s'"),
        (types.seconds, ["2147483648"], "error parsing timeout value '2147483648'"),
        (types.octal, ["9"], "'9' is not a valid mode"),
        (types.umask, ["1778"], "'1778' is not a valid umask"),
        (types.path, ["a"], "('a') absolute pathname required"),
        (types.path, ["/a\0"], "a path cannot hold a NUL byte"),
        (types.optional_path, ["a"], "('a') absolute pathname required"),
        (types.limit_or_none, ["0"], "parameter must be 'none' or a number greater than 0, not '0'"),
    ],
)
def test_refused(parser: Any, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parser(words)
    assert wrong.value.message == message


def test_a_parser_of_none_or_says_that_none_is_right_too() -> None:
    with pytest.raises(ConfigError) as wrong:
        types.optional_path(["x"])
    assert wrong.value.right.startswith("'none', or a path")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\*.*/", "*a/", True),
        ("^[[:alpha:]_]+$", "a_b", True),
        ("^[[:alpha:]_]+$", "a1", False),
        ("[^[:digit:]]", "12", False),
        ("[]a]", "]", True),
        ("[[]", "[", True),
        ("[a&&b]", "&", True),
        (r"(\.ftpaccess|\.htaccess)$", "x/.htaccess", True),
    ],
)
def test_patterns_are_those_of_proftpd(pattern: str, text: str, found: bool) -> None:
    assert (compile_pattern(pattern).search(text) is not None) is found


def test_case_does_not_count_with_the_flag() -> None:
    assert types.regex(["abc", "[NC]"]).search("ABC")
    assert not types.regex(["abc"]).search("ABC")


def test_a_faulty_pattern_is_refused_in_the_words_of_the_engine() -> None:
    with pytest.raises(ConfigError, match=r"'\[abc' failed regex compilation: missing terminating"):
        types.regex(["[abc"])
