"""Replies on the wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ftpd.core.reply import Refrain, Reply, ReplyQueue


def test_one_line() -> None:
    assert Reply(200, ("NOOP command successful",)).encode() == b"200 NOOP command successful\r\n"


def test_what_is_said_again_and_again_is_a_reply_like_others() -> None:
    refrain, reply = Refrain(211, ("Features:", "End")), Reply(211, ("Features:", "End"))
    assert refrain == reply and hash(refrain) == hash(reply)
    assert refrain.encode() == reply.encode()
    assert refrain.encode() is refrain.encode()


def test_middle_lines_begin_with_a_blank() -> None:
    assert Reply(211, ("Features:", "UTF8", "End")).encode() == b"211-Features:\r\n UTF8\r\n211 End\r\n"


def test_a_name_cannot_begin_a_reply_of_its_own() -> None:
    assert Reply(257, ('"/a\r\n230 root logged in"',)).encode() == b'257 "/a??230 root logged in"\r\n'


def test_bytes_that_are_not_utf8_go_out_as_they_came() -> None:
    assert Reply(250, ("caf\udce9",)).encode() == b"250 caf\xe9\r\n"


@given(st.lists(st.text(), min_size=1))
def test_any_text_is_as_many_lines_as_were_given(lines: list[str]) -> None:
    wire = Reply(200, tuple(lines)).encode()
    assert wire.count(b"\r\n") == len(lines)
    assert b"\n" not in wire.replace(b"\r\n", b"")


def test_lines_queued_under_several_codes_are_one_reply_under_the_first() -> None:
    queue = ReplyQueue()
    queue.add(250, ["done"])
    queue.add(230, ["and more"])
    assert queue.joined() == Reply(250, ("done", "and more"))
    assert queue.last == (230, "and more")
