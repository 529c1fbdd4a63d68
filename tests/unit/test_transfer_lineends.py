"""TYPE A: what a file becomes on the wire and an upload on disk, wherever the chunks are cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftpd import native
from ftpd.transfer import lineends
from ftpd.transfer.lineends import FromNetwork, ToNetwork


@pytest.fixture(params=["python", "compiled"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled":
        if native.ends is None:
            pytest.skip("not compiled here")
        monkeypatch.setattr(lineends, "widened", native.ends.widened)
        monkeypatch.setattr(lineends, "narrowed", native.ends.narrowed)
    else:
        monkeypatch.setattr(lineends, "widened", lineends.widened_by_python)
        monkeypatch.setattr(lineends, "narrowed", lineends.narrowed_by_python)


# each of them goes one way from beginning to end
both_ways = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc"]), max_size=12).map(b"".join)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def out(chunks: list[bytes]) -> bytes:
    convert = ToNetwork()
    return b"".join(map(convert, chunks))


def back(chunks: list[bytes]) -> bytes:
    convert = FromNetwork()
    return b"".join(map(convert, chunks)) + convert.rest()


@both_ways
@given(texts, st.integers(1, 5))
def test_it_is_known_by_how_much_a_text_has_grown(text: bytes, size: int) -> None:
    convert = ToNetwork()
    sent = b"".join(map(convert, cut(text, size)))
    assert convert.grown == len(sent) - len(text)


@both_ways
@given(texts, st.integers(1, 5))
def test_it_is_known_by_how_much_an_upload_has_shrunk(text: bytes, size: int) -> None:
    convert = FromNetwork()
    kept = b"".join(map(convert, cut(text, size))) + convert.rest()
    assert convert.shrunk == len(text) - len(kept)


@pytest.mark.parametrize(
    ("on_disk", "on_wire"),
    [
        (b"a\nb\r\nc\rd\n\n\r\n\r\r\n", b"a\r\nb\r\nc\rd\r\n\r\n\r\n\r\r\n"),
        (b"\n", b"\r\n"),
        (b"x\r", b"x\r"),
        (b"", b""),
    ],
)
def test_a_download_gets_the_line_ends_that_proftpd_sends(on_disk: bytes, on_wire: bytes) -> None:
    assert out([on_disk]) == on_wire


@pytest.mark.parametrize(
    ("on_wire", "on_disk"),
    [
        (b"a\r\nb", b"a\nb"),
        (b"a\rb\r", b"a\rb\r"),
        (b"a\r\r\nb\r\r", b"a\r\nb\r\r"),
        (b"\n\r\n", b"\n\n"),
        (b"", b""),
    ],
)
def test_an_upload_gets_the_line_ends_that_proftpd_stores(on_wire: bytes, on_disk: bytes) -> None:
    assert back([on_wire]) == on_disk


@both_ways
@given(texts, st.integers(1, 5))
def test_the_edges_of_chunks_do_not_matter(data: bytes, size: int) -> None:
    assert out(cut(data, size)) == re.sub(rb"(?<!\r)\n", b"\r\n", data)
    assert back(cut(data, size)) == data.replace(b"\r\n", b"\n")


@both_ways
@given(st.binary(max_size=300))
def test_whatever_bytes_there_are_only_line_ends_change(data: bytes) -> None:
    assert out([data]) == re.sub(rb"(?<!\r)\n", b"\r\n", data)
    assert back([data]) == data.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("line", [b"", b"x" * 70, b"x" * 70 + b"\r", b"\r\r", b"\r\n"], ids=repr)
def test_a_long_text_is_no_different_from_a_short_one(line: bytes) -> None:
    text = (line + b"\n") * 20_000
    wire = out(cut(text, 1 << 17))
    assert wire == re.sub(rb"(?<!\r)\n", b"\r\n", text)
    assert back(cut(wire, 1 << 17)) == wire.replace(b"\r\n", b"\n")


@both_ways
@given(texts.map(lambda text: text.replace(b"\r", b"")), st.integers(1, 5), st.integers(1, 5))
def test_a_text_of_unix_comes_back_as_it_went(data: bytes, down: int, up: int) -> None:
    assert back(cut(out(cut(data, down)), up)) == data
