"""Line ends of TYPE A (RFC 959 3.1.1.1): LF on disk, CRLF on the wire, whatever the edges of the chunks are."""

from __future__ import annotations

from ftpd import native


def widened_by_python(text: bytes) -> bytes:
    """With CRLF for each LF that has no CR before it."""
    # one byte is looked for ten times as quickly as two, and most texts have no CR at all
    if b"\r" in text and b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
    return text.replace(b"\n", b"\r\n")


def narrowed_by_python(text: bytes) -> bytes:
    """With LF for each CRLF; any other CR stays."""
    return text.replace(b"\r\n", b"\n")


widened = widened_by_python if native.ends is None else native.ends.widened
narrowed = narrowed_by_python if native.ends is None else native.ends.narrowed


class ToNetwork:
    r"""Bare LF becomes CRLF; a CRLF that stands in the file stays one, as ProFTPD has it.

    >>> convert = ToNetwork()
    >>> convert(b"a\nb\r"), convert(b"\nc\n")
    (b'a\r\nb\r', b'\nc\r\n')
    """

    __slots__ = ("_after_cr", "grown")

    def __init__(self) -> None:
        self._after_cr = False
        self.grown = 0
        """By how many bytes all chunks together have become longer."""

    def __call__(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        head, before = b"", len(chunk)
        if self._after_cr and chunk[0] == 10:
            # the CR of this LF went out with the last chunk
            head, chunk = b"\n", chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        chunk = widened(chunk)
        if head:
            chunk = head + chunk
        self.grown += len(chunk) - before
        return chunk


class FromNetwork:
    r"""CRLF becomes LF; any other CR stays. The last CR of a chunk waits for what follows it.

    >>> convert = FromNetwork()
    >>> convert(b"a\r"), convert(b"\nb\rc\r"), convert.rest()
    (b'a', b'\nb\rc', b'\r')
    """

    __slots__ = ("_held", "shrunk")

    def __init__(self) -> None:
        self._held = False
        self.shrunk = 0
        """By how many bytes all chunks together have become shorter, what is held back included."""

    def __call__(self, chunk: bytes) -> bytes:
        before = len(chunk)
        if self._held:
            chunk = b"\r" + chunk
        self._held = chunk.endswith(b"\r")
        if self._held:
            chunk = chunk[:-1]
        chunk = narrowed(chunk)
        self.shrunk += before - len(chunk)
        return chunk

    def rest(self) -> bytes:
        """What is still held back when the data have ended."""
        held, self._held = self._held, False
        self.shrunk -= held
        return b"\r" if held else b""
