"""Lines of a control connection: telnet, ends, limits."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.engine.lines import BUFFER, LineReader, LineTooLong, strip_telnet


def test_where_the_first_line_ends_in_cr_lf_a_lone_lf_is_part_of_a_line() -> None:
    assert LineReader().feed(b"NOOP\r\nMKD a\nDELE b\r\nQUIT\r\r\n") == [b"NOOP", b"MKD a\nDELE b", b"QUIT"]


@pytest.mark.parametrize(
    "pieces", [[b"USER a\nDELE b\r\n"], [b"USER a\nDE", b"LE b\r\n"], [b"USER a\nDELE b\r", b"\n"]]
)
def test_an_lf_in_the_very_first_line_puts_no_command_there(pieces: list[bytes]) -> None:
    reader = LineReader()
    assert [line for piece in pieces for line in reader.feed(piece)] == [b"USER a\nDELE b"]


@pytest.mark.parametrize("pieces", [[b"USER a\nPASS b\n"], [b"USER a\nPA", b"SS b\n"], [b"USER a\n", b"PASS b\r\n"]])
def test_where_the_first_line_ends_in_lf_alone_all_do(pieces: list[bytes]) -> None:
    reader = LineReader()
    assert [line for piece in pieces for line in reader.feed(piece)] == [b"USER a", b"PASS b"]
    assert reader.feed(b"MKD a\nQUIT\r\r\n") == [b"MKD a", b"QUIT"]


def test_an_lf_before_the_end_of_a_line_is_dropped_with_it() -> None:
    assert LineReader().feed(b"NOOP\r\nMKD a\n\r\n") == [b"NOOP", b"MKD a"]


@pytest.mark.parametrize("packet", [b"NOOP\n", b"\n", b"MKD a\nb\r\n", b"NOOP\r\nNOOP\r\n", b"NOOP\r", b"NO\xff\r\n"])
def test_a_single_line_is_one_that_ends_in_cr_lf(packet: bytes) -> None:
    assert LineReader().single(packet) is None
    assert LineReader().single(b"NOOP\r\n") == b"NOOP"


def test_a_line_may_come_in_pieces() -> None:
    reader = LineReader()
    assert [reader.feed(bytes([byte])) for byte in b"NOOP\r\n"] == [[], [], [], [], [], [b"NOOP"]]


def test_the_interrupt_of_telnet_clients_leaves_the_command() -> None:
    reader = LineReader()
    assert reader.feed(b"\xff\xf4") == []
    assert reader.feed(b"\xff") == []
    assert reader.feed(b"\xf2ABOR\r\n") == [b"ABOR"]


def test_a_doubled_iac_is_one_byte_of_a_name() -> None:
    assert strip_telnet(b"RETR \xff\xff") == (b"RETR \xff", b"")


@pytest.mark.parametrize(
    ("offered", "answer"),
    [(b"\xfb", b"\xfe"), (b"\xfc", b"\xfe"), (b"\xfd", b"\xfc"), (b"\xfe", b"\xfc")],
    ids=["WILL", "WONT", "DO", "DONT"],
)
def test_negotiation_is_dropped_with_its_option_and_declined(offered: bytes, answer: bytes) -> None:
    assert strip_telnet(b"\xff" + offered + b"\x01USER tom") == (b"USER tom", b"\xff" + answer + b"\x01")


def test_a_negotiation_that_is_cut_off_gets_no_answer() -> None:
    assert strip_telnet(b"NOOP\xff\xfb") == (b"NOOP", b"")


def test_a_line_may_end_in_a_letter_that_looks_like_a_telnet_command() -> None:
    """0xFF is a letter in ISO 8859-1; as in ProFTPD nothing is lost where no command follows it."""
    assert strip_telnet(b"MKD \xff") == (b"MKD \xff", b"")


def test_answers_wait_until_they_are_taken() -> None:
    reader = LineReader()
    assert reader.feed(b"\xff\xfb\x01\xff\xfd\x03NOOP\r\nNO\xff\xfb") == [b"NOOP"]
    assert reader.telnet == b"\xff\xfe\x01\xff\xfc\x03"


def test_an_endless_line_is_told_once_and_costs_no_memory() -> None:
    reader = LineReader()
    found = [item for _ in range(5000) for item in reader.feed(b"x" * 4096)]
    assert [type(item) for item in found] == [LineTooLong]
    assert reader.feed(b"\r\nNOOP\r\n") == [b"NOOP"]


def test_a_line_too_long_ends_where_its_end_comes_in_two_pieces() -> None:
    reader = LineReader(64)
    assert reader.feed(b"NOOP\r\n") == [b"NOOP"]
    assert [type(item) for item in reader.feed(b"x" * 100)] == [LineTooLong]
    assert reader.feed(b"y\nz") == []
    assert reader.feed(b"xx\r") == []
    assert reader.feed(b"\nNOOP\r\n") == [b"NOOP"]


@pytest.mark.parametrize("size", [BUFFER, 64])
def test_a_line_has_to_be_shorter_than_the_buffer_with_its_end(size: int) -> None:
    reader = LineReader(size)
    assert reader.feed(b"x" * (size - 3) + b"\r\n") == [b"x" * (size - 3)]
    assert [type(item) for item in reader.feed(b"x" * (size - 2) + b"\r\n")] == [LineTooLong]
    assert reader.feed(b"NOOP\r\n") == [b"NOOP"]


def test_a_million_iacs_take_no_time() -> None:
    reader, began = LineReader(), time.perf_counter()
    for _ in range(250):
        reader.feed(b"\xff" * 4000)
    reader.feed(b"\n")
    assert time.perf_counter() - began < 2
    assert reader.feed(b"NOOP\n") == [b"NOOP"]


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([b"\r", b"\n", b"\r\n"]))),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_any_bytes_in_any_pieces_give_the_same_lines(pieces: list[bytes], end: bytes) -> None:
    whole, split = LineReader(), LineReader()
    assert whole.feed(b"NOOP" + end) == split.feed(b"NOOP" + end) == [b"NOOP"]
    assert whole.feed(b"".join(pieces)) == [line for piece in pieces for line in split.feed(piece)]


def test_in_a_charset_with_a_letter_at_255_telnet_is_before_the_verb_only() -> None:
    reader = LineReader()
    reader.telnet_is_text = True
    assert reader.feed(b"MKD \xff\xfe\xff\xff\r\n\xff\xf4\xff\xf2ABOR\r\n") == [b"MKD \xff\xfe\xff\xff", b"ABOR"]
    assert reader.telnet == b""
