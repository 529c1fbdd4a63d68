"""Translations put in as a reply leaves: the right ones, in time, and never anything but the text of a line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.core.charset import Recode
from ftpd.core.reply import Reply
from ftpd.core.translation import Catalogue, Format


def told(line: str, *entries: tuple[str, str], code: int = 200) -> str:
    catalogue = Catalogue()
    for english, said in entries:
        catalogue.add(english, said)
    return catalogue.spoken_in("utf-8").told(Reply(code, (line,)), None).decode("utf-8", "surrogateescape")[4:-2]


@pytest.mark.parametrize(
    ("english", "said", "line", "expected"),
    [
        ("Goodbye.", "Tsch\u00fcss.", "Goodbye.", "Tsch\u00fcss."),
        ("Goodbye.", "Tsch\u00fcss.", "Goodbye", "Goodbye"),
        ("Goodbye.", "", "Goodbye.", "Goodbye."),
        ("%s not understood", "%s?", " not understood", "?"),
        ("%s not understood", "%s?", "a not understood not understood", "a not understood?"),
        ("100%% of %s", "%s zu 100%%", "100% of a", "a zu 100%"),
        ("all of 100%%", "alles von 100%%", "all of 100%", "alles von 100%"),
        ("sure, 100%", "ganz sicher", "sure, 100%", "ganz sicher"),
        ("%d of %u", "%2$u: %1$d", "-3 of 4", "4: -3"),
        ("%d of %u", "%2$u: %1$d", "x of 4", "x of 4"),
        ("%d of %u", "%2$u: %1$d", "3 of ", "3 of "),
        ("%s from %s port %u", "%1$s:%3$u, %2$s", "a from b from c port 7", "a:7, b from c"),
        ("%s (%lu bytes)", "%s, %lu Bytes", "a (b (12 bytes)", "a (b, 12 Bytes"),
        ("%s took %.2f s", "%.2$f s: %1$s", "a took 1.25 s", "a took 1.25 s"),
        ("%s took %.2f s", "%2$.2f s: %1$s", "a took 1.25 s", "1.25 s: a"),
        ("mode %o", "Modus %o", "mode 0644", "Modus 0644"),
        ("mode %o", "Modus %o", "mode 0689", "mode 0689"),
        ("%s twice", "%1$s %1$s", "a twice", "a a"),
        # no words of its own by which a line could be known
        ("%s: %s", "%s; %s", "a: b", "a: b"),
        ("%s%s end", "%s %s Ende", "ab end", "ab end"),
    ],
)
def test_a_line_and_what_is_said_for_it(english: str, said: str, line: str, expected: str) -> None:
    try:
        found = told(line, (english, said))
    except ValueError:
        found = line
    assert found == expected


def test_the_text_that_says_most_wins() -> None:
    entries = [("%s failed", "1 %s"), ("%s: login failed", "2 %s"), ("a: login failed", "3")]
    assert [told(line, *entries) for line in ("x failed", "b: login failed", "a: login failed")] == ["1 x", "2 b", "3"]


def test_a_reason_is_translated_too_and_a_name_is_not() -> None:
    entries = [
        ("Transfer aborted. %s", "Abbruch. %s"),
        ("Disk full", "Platte voll"),
        ("%s: Not a file", "%s: keine Datei"),
    ]
    assert told("Transfer aborted. Disk full", *entries) == "Abbruch. Platte voll"
    assert told("Disk full: Not a file", *entries) == "Disk full: keine Datei"


@pytest.mark.parametrize("line", ["a" * 4096, " a b c" * 700, "x to y from " * 340, "(" * 4096])
def test_no_name_makes_the_search_long(line: str) -> None:
    """A regular expression of three places takes seconds for some of these."""
    entries = [(f"%s to %s from %s ({n} %lu a b c)", f"{n}: %s %s %s %lu") for n in range(100)]
    catalogue = Catalogue()
    for english, said in entries:
        catalogue.add(english, said)
    translation = catalogue.spoken_in("utf-8")
    begun = time.process_time()
    translation.told(Reply(550, (line,)), None)
    assert time.process_time() - begun < 0.05


def test_half_a_character_and_line_ends_in_names_are_harmless() -> None:
    entry = ("%s: Not a file", "%s: keine Datei")
    assert told("a\r\n226 b: Not a file", entry) == "a??226 b: keine Datei"
    assert told("a\ud800: Not a file", entry) == "a?: keine Datei"
    assert told("a\udcff: Not a file", entry) == "a\udcff: keine Datei"


def test_no_letter_of_any_charset_becomes_a_control_character() -> None:
    for charset in ("shift_jis", "big5", "gb18030", "cp1251", "euc-kr"):
        catalogue = Catalogue()
        letters = "".join(chr(n) for n in range(0xA1, 0x2FFF) if n not in (0x2028, 0x2029))
        for at in range(0, len(letters), 50):
            part = letters[at : at + 50]
            catalogue.add(f"text {at}", "".join(c for c in part if c.encode(charset, "ignore")))
        translation = catalogue.spoken_in(charset)
        for at in range(0, len(letters), 50):
            raw = translation.told(Reply(200, (f"text {at}",)), Recode("utf-8", charset))
            assert min(raw[:-2]) >= 0x20 and raw.endswith(b"\r\n")


texts = st.text(st.sampled_from("ab %sdu$12\r\n\t\0(: \u00e9\u0416\u2028\ud800\udcff"), max_size=24) | st.text(
    max_size=12
)


@given(st.lists(st.tuples(texts, texts), max_size=6), st.lists(texts, min_size=1, max_size=4), st.integers(100, 699))
def test_whatever_a_catalogue_holds_a_reply_stays_a_reply(
    entries: list[tuple[str, str]], lines: list[str], code: int
) -> None:
    catalogue = Catalogue()
    for english, said in entries:
        try:
            catalogue.add(english, said)
        except ValueError as wrong:
            assert str(wrong)
    for charset, recode in (("utf-8", None), ("koi8-r", Recode("utf-8", "koi8-r"))):
        plain, raw = Reply(code, tuple(lines)), catalogue.spoken_in(charset).told(Reply(code, tuple(lines)), recode)
        assert raw.endswith(b"\r\n")
        said = raw[:-2].split(b"\r\n")
        assert len(said) == len(lines) == plain.encode().count(b"\r\n")
        assert not any(b"\r" in line or b"\n" in line for line in said)
        assert said[-1].startswith(b"%d " % code)
        if len(said) > 1:
            assert said[0].startswith(b"%d-" % code)
            assert all(line.startswith(b" ") for line in said[1:-1])


@given(texts)
def test_a_format_is_taken_or_refused_with_a_reason(text: str) -> None:
    try:
        found = Format(text)
    except ValueError as wrong:
        assert str(wrong)
    else:
        assert len(found.words) == len(found.order) + 1 == len(found.kinds) + 1


@given(
    st.lists(st.text(st.sampled_from("ab :"), max_size=5), min_size=2, max_size=2),
    texts.filter(lambda t: "\n" not in t and "\r" not in t),
)
def test_what_was_put_in_comes_out(words: list[str], name: str) -> None:
    english, said = f"{words[0]}w%sw{words[1]}x", f"<{words[1]}>%s<"
    catalogue = Catalogue()
    catalogue.add(english, said)
    reply = Reply(550, (f"{words[0]}w{name}w{words[1]}x",))
    # what cannot be a name, half a character, is no text either
    shown = name.encode("utf-8", "surrogateescape" if not any(0xD800 <= ord(c) < 0xDC80 for c in name) else "replace")
    assert catalogue.spoken_in("utf-8").told(reply, None) == b"550 <%s>%s<\r\n" % (words[1].encode(), shown)


def test_the_systems_reasons_stand_behind_the_colon_of_a_refusal_only() -> None:
    catalogue = Catalogue()
    catalogue.add_reason("Permission denied", "Zugriff verweigert")
    catalogue.add_reason("Disk full", "Platte voll")
    catalogue.add("Disk full", "Die Platte ist voll")
    catalogue.add("Transfer aborted. %s", "Abbruch. %s")
    translation = catalogue.spoken_in("utf-8")

    def said(code: int, *lines: str) -> bytes:
        return translation.told(Reply(code, lines), None)

    assert said(550, "Disk full: Permission denied") == b"550 Disk full: Zugriff verweigert\r\n"
    assert said(426, "Transfer aborted. Permission denied") == b"426 Abbruch. Zugriff verweigert\r\n"
    # the catalogue of replies knows better
    assert said(552, "a: Disk full") == b"552 a: Die Platte ist voll\r\n"
    # names
    assert said(250, "a: Permission denied") == b"250 a: Permission denied\r\n"
    assert said(550, "a", "b: Permission denied", "c") == b"550-a\r\n b: Permission denied\r\n550 c\r\n"
    assert said(550, "Permission denied") == b"550 Permission denied\r\n"
    with pytest.raises(ValueError, match="control character"):
        catalogue.add_reason("Input/output error", "a\rb")
