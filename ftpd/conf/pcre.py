"""Patterns that take a bounded number of steps: libpcre2, which counts them, where RegexOptions asks for it."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

from ftpd.core.log import debug

_CASELESS = 0x00000008
_NO_MATCH = -1
_LONGEST_ERROR = 256


class PcreError(Exception):
    """What the library says of a pattern that is none."""


class Bounds(NamedTuple):
    """The most steps of one search, and how deep it may go; None is the library's own ten million."""

    steps: int | None = None
    depth: int | None = None


class _Library:
    def __init__(self) -> None:
        pcre = ctypes.CDLL("libpcre2-8.so.0")
        pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
        self.compile = pcre.pcre2_compile_8
        self.compile.restype = pointer
        self.compile.argtypes = [ctypes.c_char_p, size, number, pointer, pointer, pointer]
        self.free = pcre.pcre2_code_free_8
        self.free.restype, self.free.argtypes = None, [pointer]
        self.context = pcre.pcre2_match_context_create_8
        self.context.restype, self.context.argtypes = pointer, [pointer]
        self.free_context = pcre.pcre2_match_context_free_8
        self.free_context.restype, self.free_context.argtypes = None, [pointer]
        self.limit_steps = pcre.pcre2_set_match_limit_8
        self.limit_depth = pcre.pcre2_set_recursion_limit_8
        for function in (self.limit_steps, self.limit_depth):
            function.argtypes = [pointer, number]
        self.data = pcre.pcre2_match_data_create_8
        self.data.restype, self.data.argtypes = pointer, [number, pointer]
        self.free_data = pcre.pcre2_match_data_free_8
        self.free_data.restype, self.free_data.argtypes = None, [pointer]
        self.match = pcre.pcre2_match_8
        self.match.argtypes = [pointer, ctypes.c_char_p, size, size, number, pointer, pointer]
        self.error = pcre.pcre2_get_error_message_8
        self.error.argtypes = [ctypes.c_int, pointer, size]


@cache
def library() -> _Library | None:
    """The library; None where the machine has none."""
    try:
        return _Library()
    except (OSError, AttributeError):
        return None


class Bounded:
    """A compiled pattern, of bytes as in ProFTPD; what takes too many steps matches nothing, and is denied."""

    __slots__ = ("_code", "_context", "_free", "_free_context", "_library", "pattern")

    def __init__(self, pattern: str, bounds: Bounds, *, nocase: bool = False) -> None:
        pcre = library()
        assert pcre is not None
        self.pattern = pattern
        self._library, self._free, self._free_context = pcre, pcre.free, pcre.free_context
        self._code = self._context = None
        text = pattern.encode("utf-8", "surrogateescape")
        wrong, place = ctypes.c_int(), ctypes.c_size_t()
        flags = _CASELESS if nocase else 0
        self._code = pcre.compile(text, len(text), flags, ctypes.byref(wrong), ctypes.byref(place), None)
        if not self._code:
            told = ctypes.create_string_buffer(_LONGEST_ERROR)
            pcre.error(wrong.value, told, _LONGEST_ERROR)
            raise PcreError(f"{told.value.decode('utf-8', 'replace')} at position {place.value}")
        self._context = pcre.context(None)
        if bounds.steps:
            pcre.limit_steps(self._context, bounds.steps)
        if bounds.depth:
            pcre.limit_depth(self._context, bounds.depth)

    def __repr__(self) -> str:
        return f"<Bounded {self.pattern}>"

    def __del__(self) -> None:
        if self._code:
            self._free(self._code)
        if self._context:
            self._free_context(self._context)

    def search(self, string: str, /) -> Bounded | None:
        """The pattern itself where it matches."""
        return self if self._found(string, unsure=False) else None

    def denies(self, string: str) -> bool:
        """Whether it matches, or nobody can tell: who makes up a name must not get past a filter with it."""
        return self._found(string, unsure=True)

    def _found(self, string: str, *, unsure: bool) -> bool:
        text = string.encode("utf-8", "surrogateescape")
        data = self._library.data(1, None)
        try:
            code = self._library.match(self._code, text, len(text), 0, 0, data, self._context)
        finally:
            self._library.free_data(data)
        if code >= 0 or code == _NO_MATCH:
            return bool(code >= 0)
        debug(1, "RegexOptions: '%s' was given up (%d) on a text of %d bytes", self.pattern, code, len(text))
        return unsure
