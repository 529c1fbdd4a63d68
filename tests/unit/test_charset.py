"""Names between two charsets: nothing is lost on the way there and back, and no slash comes out of a letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.core.charset import Recode, codec_named
from ftpd.core.paths import decode, encode

CHARSETS = ["utf-8", "koi8-r", "cp1251", "cp866", "iso-8859-1", "iso-8859-15", "euc-jp", "shift_jis", "gb18030", "big5"]


@pytest.mark.parametrize("name", [*CHARSETS, "UTF8", "Windows-1252", "latin1", "KOI8-U", "GBK", "EUC-KR", "tis-620"])
def test_charsets_that_hold_ascii_as_it_is_are_taken(name: str) -> None:
    assert codec_named(name) is not None


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("ISO88591", "iso-8859-1"), ("ISO885915", "iso8859-15"), ("8859_5", "iso8859-5"), ("KOI8R", "koi8-r"),
        ("BIG-5", "big5"), ("BIG-FIVE", "big5"), ("WINDOWS-31J", "cp932"), ("EUCJP-WIN", "euc_jp"),
        ("MS-CYRL", "cp1251"), ("CP912", "iso8859-2"), ("MAC", "mac-roman"),
    ],
)  # fmt: skip
def test_charsets_have_the_names_that_iconv_knows(name: str, codec: str) -> None:
    found = codec_named(name)
    assert found is not None
    letters = bytes(range(128, 256))
    assert letters.decode(found, "replace") == letters.decode(codec, "replace")


OTHERS = (
    "utf-16 utf-32 utf-7 iso-2022-jp iso2022_kr hz cp037 idna punycode rot13 base64 hex raw_unicode_escape undefined x"
)


@pytest.mark.parametrize("name", [*OTHERS.split(), "ISO885999", "BIGSIX", "ISO2022JP2", "", "../x", "a\0b"])
def test_others_are_not(name: str) -> None:
    assert codec_named(name) is None


@given(st.sampled_from(CHARSETS), st.sampled_from(CHARSETS), st.binary(max_size=40))
def test_what_comes_is_no_more_path_than_it_was(local: str, client: str, raw: bytes) -> None:
    recode = Recode(local, client)
    heard = recode.heard(decode(raw))
    if recode.failed:
        assert encode(heard) == raw
    else:
        # the text is the same: a slash is where one was, and none but those
        text = raw.decode(client)
        assert encode(heard).decode(local) == text
        assert heard.count("/") == text.count("/")
        assert "\0" not in heard


@given(st.sampled_from(CHARSETS), st.sampled_from(CHARSETS), st.text(max_size=20))
def test_what_was_heard_is_said_again_as_it_came(local: str, client: str, name: str) -> None:
    raw = name.encode(client, "ignore").replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")
    recode = Recode(local, client)
    heard = recode.heard(decode(raw))
    if not recode.failed and raw.decode(client).encode(client) == raw:
        assert recode.said(encode(heard)) == raw


def test_one_line_that_cannot_be_said_does_not_spoil_the_others() -> None:
    recode = Recode("utf-8", "koi8-r")
    listing = "\u0434\u0430\r\n\u4e2d\r\n\u043d\u0435\u0442\r\n".encode()
    assert (
        recode.said(listing)
        == "\u0434\u0430".encode("koi8-r") + b"\r\n\xe4\xb8\xad\r\n" + "\u043d\u0435\u0442".encode("koi8-r") + b"\r\n"
    )
