"""Line ends of TYPE A (RFC 959 3.1.1.1): LF on disk, CRLF on the wire, whatever the edges of the chunks are."""

from __future__ import annotations


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
        # looking for CRLF first pays: the second replace costs more than both searches
        if b"\r\n" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n")
        chunk = chunk.replace(b"\n", b"\r\n")
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
        chunk = chunk.replace(b"\r\n", b"\n")
        self.shrunk += before - len(chunk)
        return chunk

    def rest(self) -> bytes:
        """What is still held back when the data have ended."""
        held, self._held = self._held, False
        self.shrunk -= held
        return b"\r" if held else b""
