"""Replies in another language: English texts and printf patterns with their translations, put in as a reply leaves.

The texts are those of gettext's catalogues for ProFTPD, whose replies ours are.  A text is looked up as a whole; where
a catalogue has ``%s: Not a regular file``, what stands at its places is cut out of the line and put into the
translation.  That is done by searching for the words between the places, once forward and once backward: a regular
expression could be made to search for seconds by the name of a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ftpd.core.reply import Reply, on_one_line, on_the_wire

if TYPE_CHECKING:
    from ftpd.core.charset import Recode

_CONVERSION = re.compile(
    r"%(?:(?P<at>[1-9]\d?)\$)?[-+ #0']*(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?"
    r"(?:hh|h|ll|l|q|j|z|t|L)?(?P<kind>[diouxXeEfFgGcs%])"
)
_NUMBERS = {kind: frozenset("-0123456789") for kind in "di"} | {
    "u": frozenset("0123456789"),
    "o": frozenset("01234567"),
    **{kind: frozenset("0123456789abcdefABCDEF") for kind in "xX"},
    **{kind: frozenset("+-.0123456789eE") for kind in "eEfFgG"},
}
"""The characters that a conversion to a number makes (printf(3)); a place of any other kind holds any text."""
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST = 2000
"""Characters of a translation: a reply is a line that people read."""
_FOR_PROGRAMS = frozenset({227, 228, 229})
"""Replies whose text clients take apart for an address (RFC 959, 1639, 2428)."""
_NAMES_BETWEEN = frozenset({212, 213})
"""Replies of STAT with a path: what stands between the first line and the last are names."""


class Format:
    """A text of printf's: the words between its places, and which argument stands at each, of what kind."""

    __slots__ = ("kinds", "order", "words")

    def __init__(self, text: str) -> None:
        """ValueError, with the reason, for what printf would not take, or takes a width from an argument."""
        words, order, kinds, at = [""], [], [], 0
        while (there := text.find("%", at)) >= 0:
            found = _CONVERSION.match(text, there)
            if found is None or "*" in (found["width"], found["precision"]):
                raise ValueError(f"'{text[there : there + 8]}' is no place that can be filled")
            words[-1] += text[at:there]
            at = found.end()
            if found["kind"] == "%":
                words[-1] += "%"
                continue
            order.append(int(found["at"]) - 1 if found["at"] else None)
            kinds.append(found["kind"])
            words.append("")
        words[-1] += text[at:]
        if None in order and any(place is not None for place in order):
            raise ValueError("some of its places are numbered, and some are not")
        self.words = tuple(words)
        self.order = tuple(index if place is None else place for index, place in enumerate(order))
        self.kinds = tuple(kinds)

    @property
    def arguments(self) -> dict[int, bool]:
        """Which arguments it wants, and whether as a number."""
        return {place: kind in _NUMBERS for place, kind in zip(self.order, self.kinds, strict=True)}


class Pattern:
    """An English text with places, and its translation: recognises a line that was made of the one."""

    __slots__ = ("_english", "_numbers", "_target", "begins_with_words", "explains", "weight")

    def __init__(self, english: Format, target: Format) -> None:
        self._english = english
        self._target = target
        self._numbers = tuple(_NUMBERS.get(kind) for kind in english.kinds)
        *_, before, last = ("", *english.words)
        self.begins_with_words = any(map(str.isalpha, english.words[0]))
        self.explains = not last and before.endswith((": ", ". "))
        """What stands at the last place is a reason, which may be a text of the catalogue's own."""
        self.weight = sum(map(len, english.words))

    def match(self, line: str) -> list[str] | None:
        """What stands at the places of the line, in the order of the arguments; None when it was not made of this."""
        first, *between, last = self._english.words
        end = len(line) - len(last)
        if end < len(first) or not line.startswith(first) or not line.endswith(last):
            return None
        found = self._fitting(_forward(line, len(first), end, between))
        if found is None and between:
            found = self._fitting(_backward(line, len(first), end, between))
        return found

    def _fitting(self, found: list[str] | None) -> list[str] | None:
        if found is None:
            return None
        arguments = [""] * len(found)
        for text, numbers, place in zip(found, self._numbers, self._english.order, strict=True):
            if numbers is not None and not (text and numbers.issuperset(text)):
                return None
            arguments[place] = text
        return arguments

    def encoded(self, charset: str) -> tuple[bytes, ...]:
        """The words of the translation as bytes; UnicodeEncodeError when the charset has not all their letters."""
        return tuple(_encoded(words, charset) for words in self._target.words)

    def filled(self, words: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        whole = [words[0]]
        for place, following in zip(self._target.order, words[1:], strict=True):
            whole += (arguments[place], following)
        return b"".join(whole)


def _forward(line: str, at: int, end: int, between: Iterable[str]) -> list[str] | None:
    found = []
    for words in between:
        there = line.find(words, at, end)
        if there < 0:
            return None
        found.append(line[at:there])
        at = there + len(words)
    return [*found, line[at:end]]


def _backward(line: str, at: int, end: int, between: Sequence[str]) -> list[str] | None:
    found = []
    for words in reversed(between):
        there = line.rfind(words, at, end)
        if there < 0:
            return None
        found.append(line[there + len(words) : end])
        end = there
    return [line[at:end], *reversed(found)]


def _encoded(text: str, charset: str) -> bytes:
    raw = text.encode(charset)
    if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in raw):
        raise UnicodeEncodeError(charset, text, 0, len(text), "a control character")
    return raw


class Catalogue:
    """What one language says for the English texts; filled at load."""

    def __init__(self) -> None:
        self._whole: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._patterns: list[Pattern] = []
        self._spoken: dict[str, Translation] = {}

    def __len__(self) -> int:
        return len(self._whole) + len(self._patterns)

    def add(self, english: str, translated: str) -> None:
        """One entry; ValueError, with the reason, for a translation that cannot be said as a reply.

        One that says the same, says nothing, or whose English no line could be told by is passed over.
        """
        # ProFTPD has blanks and line ends of its own behind some; the frame of a reply is not the catalogue's
        english, translated = english.rstrip(), translated.rstrip()
        if not english or not translated or english == translated or "\n" in english:
            return
        if found := _UNFIT.search(translated):
            raise ValueError(f"the translation holds the control character {found[0]!a}")
        if "\t" in translated and "\t" not in english:
            raise ValueError("the translation holds a tab, and the English has none")
        if len(translated) > _LONGEST:
            raise ValueError(f"the translation is longer than {_LONGEST} characters")
        try:
            source = Format(english)
        except ValueError:
            # a percent sign of its own, and no place
            self._whole[english] = translated
            return
        target = Format(translated)
        if sorted(source.order) != list(range(len(source.order))):
            raise ValueError("the places of the English are not numbered one by one")
        if source.arguments != target.arguments:
            raise ValueError("the places of the translation are not those of the English")
        if english.startswith('"%s"') and (not translated.startswith(('"%s"', '"%1$s"'))):
            raise ValueError('clients look for the path at the beginning, as "%s" (RFC 959, 257)')
        if not source.order:
            self._whole[source.words[0]] = target.words[0]
        elif all(source.words[1:-1]) and any(map(str.isalpha, "".join(source.words))):
            self._patterns.append(Pattern(source, target))

    def add_reason(self, english: str, translated: str) -> None:
        """What the system says of a failure, behind the last colon of a refusal; ValueError as for :meth:`add`."""
        _check_text(english, translated)
        self._reasons[english] = translated

    def spoken_in(self, charset: str) -> Translation:
        """The same for clients of that charset (Python's name); what it has no letters for stays English."""
        found = self._spoken.get(charset)
        if found is None:
            found = self._spoken[charset] = Translation(self._whole, self._reasons, self._patterns, charset)
        return found


def _check_text(english: str, translated: str) -> None:
    if found := _UNFIT.search(translated):
        raise ValueError(f"the translation holds the control character {found[0]!a}")
    if "\t" in translated and "\t" not in english:
        raise ValueError("the translation holds a tab, and the English has none")
    if len(translated) > _LONGEST:
        raise ValueError(f"the translation is longer than {_LONGEST} characters")


class Translation:
    """A language in a charset: what :meth:`ftpd.module.session.Session.told` has for replies that are not English."""

    __slots__ = ("_patterns", "_reasons", "_whole")

    def __init__(
        self, whole: dict[str, str], reasons: dict[str, str], patterns: Iterable[Pattern], charset: str
    ) -> None:
        self._whole = _all_encoded(whole, charset)
        # the catalogue of replies knows better than the system's
        self._reasons = _all_encoded(reasons, charset) | self._whole
        self._patterns: list[tuple[Pattern, tuple[bytes, ...]]] = []
        # the one that says most of the line knows it best
        for pattern in sorted(patterns, key=lambda one: -one.weight):
            try:
                self._patterns.append((pattern, pattern.encoded(charset)))
            except UnicodeEncodeError:
                continue

    def told(self, reply: Reply, recode: Recode | None) -> bytes:
        """The bytes of the reply; its code, its number of lines and what stands at the places stay."""
        code, lines = reply
        final = len(lines) - 1
        said = []
        for at, line in enumerate(lines):
            edge = at in (0, final)
            if code in _FOR_PROGRAMS or (code in _NAMES_BETWEEN and not edge):
                found = None
            else:
                found = self._line(line, recode, at_edge=edge)
            if found is None and edge and code >= 400:
                found = self._refusal(line, recode)
            said.append(_plain(line, recode) if found is None else found)
        return on_the_wire(code, said)

    def _line(self, line: str, recode: Recode | None, *, at_edge: bool) -> bytes | None:
        whole = self._whole.get(line)
        if whole is not None:
            return whole
        for pattern, words in self._patterns:
            # between the edges there are names of files, too (MLST): such a line begins with no words of ours
            if at_edge or pattern.begins_with_words:
                found = pattern.match(line)
                if found is not None:
                    return pattern.filled(words, self._arguments(found, pattern, recode))
        return None

    def _arguments(self, found: Sequence[str], pattern: Pattern, recode: Recode | None) -> list[bytes]:
        said = [_plain(text, recode) for text in found]
        if pattern.explains and found[-1] in self._reasons:
            said[-1] = self._reasons[found[-1]]
        return said

    def _refusal(self, line: str, recode: Recode | None) -> bytes | None:
        """``name: No such file or directory``, of which no pattern is known: what and why."""
        what, colon, why = line.rpartition(": ")
        reason = self._reasons.get(why) if colon else None
        return None if reason is None else _plain(what + colon, recode) + reason


def _all_encoded(texts: dict[str, str], charset: str) -> dict[str, bytes]:
    """Those that can be said in the charset."""
    found = {}
    for english, translated in texts.items():
        try:
            found[english] = _encoded(translated, charset)
        except UnicodeEncodeError:
            continue
    return found


def _plain(text: str, recode: Recode | None) -> bytes:
    raw = on_one_line(text)
    return raw if recode is None else recode.said(raw)
