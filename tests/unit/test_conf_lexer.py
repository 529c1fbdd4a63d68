"""Text to words: what quotes, continuations, comments and variables do to a line."""

from __future__ import annotations

import pytest

from ftpd.conf.lexer import is_cut_short, logical_lines, quote, split


def words(text: str, **environment: str) -> list[str]:
    (line,) = logical_lines("proftpd.conf", text)
    return split(line, environment).words


def numbers(text: str) -> list[int]:
    return [line.number for line in logical_lines("proftpd.conf", text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ServerName Mine", ["ServerName", "Mine"]),
        ('ServerName "my own" x', ["ServerName", "my own", "x"]),
        (r'ServerName "a \"b\" \\ c"', ["ServerName", r'a "b" \ c']),
        ("ServerName 'my own'", ["ServerName", "'my", "own'"]),
        ('ServerName ab"cd ef', ["ServerName", 'ab"cd', "ef"]),
        ('ServerName "never closed # x', ["ServerName", "never closed # x"]),
        ('ServerName ""', ["ServerName", ""]),
        (r"DenyFilter \*.*/", ["DenyFilter", r"\*.*/"]),
        ("Port 21 # the usual", ["Port", "21"]),
        ("Port foo#bar", ["Port", "foo#bar"]),
        ('Port "#x"', ["Port", "#x"]),
        ("Port\t 21 \r", ["Port", "21"]),
        ("<Limit READ WRITE>", ["<Limit>", "READ", "WRITE"]),
        ("<Limit READ >", ["<Limit>", "READ"]),
        ('<Directory "/a b">', ["<Directory>", "/a b"]),
        ("<Global> # all", ["<Global>"]),
        ("</Global>", ["</Global>"]),
        ("<Limit READ", ["<Limit", "READ"]),
        ("<IfVersion >= 1.3>", ["<IfVersion>", ">=", "1.3"]),
    ],
)
def test_a_line_is_split_into(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_backslash_at_the_very_end_joins_lines_and_leaves_nothing() -> None:
    assert words("AllowUser an\\\nna, \\\n  bert") == ["AllowUser", "anna,", "bert"]


def test_a_backslash_before_a_carriage_return_joins_nothing() -> None:
    assert numbers("Umask 022 \\\r\nPort 21\n") == [1, 2]


def test_a_comment_ends_with_its_line_even_behind_a_backslash() -> None:
    assert numbers("# not continued \\\nPort 21\n") == [2]


def test_inside_a_continuation_a_hash_line_is_text() -> None:
    assert words("AllowUser anna,\\\n#bert") == ["AllowUser", "anna,#bert"]


def test_a_line_is_numbered_where_it_begins() -> None:
    assert numbers("\n# c\nAllowUser \\\n a\nPort 21\n") == [3, 5]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert words("\ufeffPort 21") == ["Port", "21"]


def test_a_variable_gives_its_value_as_one_word() -> None:
    assert words('A %{env:H}/x "%{env:H} %{env:K}"', H="/my home", K="k") == ["A", "/my home/x", "/my home k"]


def test_a_variable_that_is_not_set_leaves_nothing_and_is_told() -> None:
    (line,) = logical_lines("f", "A x%{env:NOPE}y")
    told: list[tuple[str, int]] = []
    assert split(line, {}, lambda name, index: told.append((name, index))).words == ["A", "xy"]
    assert told == [("NOPE", 1)]


def test_variables_stay_where_the_directive_fills_them_in_itself() -> None:
    (line,) = logical_lines("f", "SQLShowInfo %{env:H}")
    told: list[tuple[str, int]] = []
    split(line, {"H": "x"}, lambda name, index: told.append((name, index)), lambda name: name == "SQLShowInfo")
    assert line.words == ["SQLShowInfo", "%{env:H}"] and told == []


def test_each_word_knows_its_columns() -> None:
    (line,) = logical_lines("f", '  Port "a b"  c')
    split(line, {})
    assert [line.text[start:end] for start, end in line.spans] == ["Port", '"a b"', "c"]


@pytest.mark.parametrize(
    ("text", "cut"), [("Port 21", True), ("Port 21\n", False), ("Port 21\n# x", False), ("", False), ("a\n  ", False)]
)
def test_a_file_without_a_last_line_end_may_be_cut_short(text: str, cut: bool) -> None:
    assert is_cut_short(text) is cut


@pytest.mark.parametrize("word", ["plain", "two words", "", 'q"q', '"q', "#x", "a\\", "<b", "a\\b c"])
def test_a_quoted_word_is_read_back(word: str) -> None:
    assert words(f"X {quote(word)}") == ["X", word]
