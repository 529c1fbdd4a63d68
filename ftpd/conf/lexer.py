"""Text to logical lines to words: quoting, continuation, comments and ``%{env:NAME}``, as proftpd.conf has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

_ENV = re.compile(r"%\{env:([^}]*)\}")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
BLANKS = " \t\v\f\r\n"
# an unquoted word runs to the next blank; a quote that does not begin a word is an ordinary character
_WORD = re.compile(rf'[{BLANKS}]*(?:"((?:[^"\\]|\\.)*\\?)(?:"|\Z)|([^{BLANKS}]+))', re.DOTALL)

_CLOSED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Line:
    """One logical line: its words, where each stands in the text, and where the line stands in its file."""

    __slots__ = ("file", "number", "open_quote", "spans", "text", "words")

    def __init__(self, file: str, number: int, text: str) -> None:
        self.file = file
        self.number = number
        """The physical line that the logical one begins on: the one to open in an editor."""
        self.text = text
        self.words: list[str] = []
        self.spans: list[tuple[int, int]] = []
        self.open_quote = False
        """The last word begins with a quote that no other one ends; it goes on to the end of the line."""

    @property
    def name(self) -> str:
        """The directive's or section's name in lower case."""
        return self.words[0].lower()

    def __repr__(self) -> str:
        return f"<Line {self.file}:{self.number} {self.words}>"


def logical_lines(file: str, text: str) -> Iterator[Line]:
    """The lines that say something, continuations joined, comments and blank lines left out; not yet split.

    A backslash right before the line end joins, and nothing is put in its place; in a comment it does not.
    """
    joined, start = "", 0
    for number, physical in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not joined:
            start = number
            content = physical.lstrip(BLANKS)
            if not content or content[0] == "#":
                continue
        if physical.endswith("\\"):
            joined += physical[:-1]
            # a lone backslash leaves nothing to remember the join by, so the next line starts anew
            continue
        whole = joined + physical.rstrip("\r")
        joined = ""
        if whole.strip(BLANKS):
            yield Line(file, start, whole)
    if joined.strip(BLANKS):
        yield Line(file, start, joined)


def is_cut_short(text: str) -> bool:
    """True when the last line says something but has no line end: the file may have been truncated."""
    last = text.rpartition("\n")[2].strip(BLANKS)
    return bool(last) and not last.startswith("#")


def split(
    line: Line,
    environment: Mapping[str, str],
    unset: Callable[[str, int], None] | None = None,
    keeps: Callable[[str], bool] | None = None,
) -> Line:
    """Fill in the line's words; ``unset`` hears of variables that do not exist, with the word's index.

    Where ``keeps`` says so of the directive's name, variables stay as they stand.

    The last ``>`` of a section line goes to its name: ``<Limit READ>`` is ``<Limit>`` and ``READ``. A word that
    a variable's value gives blanks to stays one word.
    """
    text = line.text
    words, spans = line.words, line.spans
    quoted_last = False
    at = 0
    while found := _WORD.match(text, at):
        quoted, plain = found.groups()
        if plain is not None and plain[0] == "#":
            break
        at = found.end()
        quoted_last = plain is None
        word = _ESCAPED.sub(r"\1", quoted) if quoted_last else plain
        words.append(word)
        # the span of a quoted word includes its quotes
        spans.append((found.start(1) - 1 if quoted_last else found.start(2), at))
    if quoted_last:
        line.open_quote = not _CLOSED.fullmatch(text, spans[-1][0], spans[-1][1])
    if not words:
        # only reached by a line that a continuation began and a comment ended
        return line
    if words[0].startswith("<") and words[-1].endswith(">") and not quoted_last:
        words[-1] = words[-1][:-1]
        if len(words) > 1:
            spans[-1] = spans[-1][0], spans[-1][1] - 1
        if len(words) > 1 and not words[-1]:
            del words[-1], spans[-1]
        words[0] += ">"
    if "%{env:" not in text or (keeps is not None and keeps(words[0])):
        return line
    for index, word in enumerate(words):
        if len(word) > 7 and "%{env:" in word:

            def value(found: re.Match[str], index: int = index) -> str:
                if unset is not None and found[1] not in environment:
                    unset(found[1], index)
                return environment.get(found[1], "")

            words[index] = _ENV.sub(value, word)
    return line


def quote(word: str) -> str:
    """The word as it must stand in a file to be read back as one word."""
    plain = word and word[0] not in '"#<' and not any(char in BLANKS for char in word)
    if plain and not word.endswith("\\"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
