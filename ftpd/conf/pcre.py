"""The functions of libpcre2 that searches need, by ctypes, where the machine has it."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from ftpd.conf.posix import PatternError

CASELESS, DOLLAR_END_ONLY, DOT_ALL = 0x8, 0x10, 0x20
NO_AUTO_POSSESS = 0x4000
UTF, NO_UTF_CHECK = 0x00080000, 0x40000000
ANCHORED = 0x80000000
NO_MATCH = -1

_ALL_OPTIONS = 0
_LONGEST_ERROR = 256


class _Library:
    def __init__(self) -> None:
        # searches keep the interpreter: they are short, and share one place for what they find
        pcre = ctypes.PyDLL("libpcre2-8.so.0")
        pointer, size, number, code = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_int

        def function(name: str, result: Any, *arguments: Any) -> Any:
            found = getattr(pcre, f"pcre2_{name}_8")
            found.restype, found.argtypes = result, arguments
            return found

        self.compile = function("compile", pointer, ctypes.c_char_p, size, number, pointer, pointer, pointer)
        self.free = function("code_free", None, pointer)
        self.info = function("pattern_info", code, pointer, number, pointer)
        self.context = function("match_context_create", pointer, pointer)
        self.limit_steps = function("set_match_limit", code, pointer, number)
        self.limit_depth = function("set_depth_limit", code, pointer, number)
        self.limit_heap = function("set_heap_limit", code, pointer, number)
        self.match = function("match", code, pointer, ctypes.c_char_p, size, size, number, pointer, pointer)
        self.data_for = function("match_data_create_from_pattern", pointer, pointer, pointer)
        self.free_data = function("match_data_free", None, pointer)
        self.spans = function("get_ovector_pointer", ctypes.POINTER(size), pointer)
        self.span_count = function("get_ovector_count", number, pointer)
        self.error = function("get_error_message", code, code, pointer, size)
        # what is a c_void_p already need not be made one for each search
        self.data = pointer(function("match_data_create", pointer, number, pointer)(1, None))


@cache
def library() -> _Library | None:
    """The library; None where the machine has none."""
    try:
        return _Library()
    except (OSError, AttributeError):
        return None


def loaded() -> _Library:
    """The library, by whoever knows that it is there."""
    found = library()
    assert found is not None
    return found


class Code:
    """An expression as the library has compiled it; PatternError with its own words where it is none."""

    __slots__ = ("_free", "pointer")

    def __init__(self, text: bytes, flags: int) -> None:
        pcre = loaded()
        self._free = pcre.free
        wrong, place = ctypes.c_int(), ctypes.c_size_t()
        self.pointer = ctypes.c_void_p(
            pcre.compile(text, len(text), flags, ctypes.byref(wrong), ctypes.byref(place), None)
        )
        if not self.pointer:
            told = ctypes.create_string_buffer(_LONGEST_ERROR)
            pcre.error(wrong.value, told, _LONGEST_ERROR)
            raise PatternError(f"{told.value.decode('utf-8', 'replace')} at position {place.value}")

    def __del__(self) -> None:
        if self.pointer:
            self._free(self.pointer)

    @property
    def is_anchored(self) -> bool:
        """Whether a match can begin at the beginning only."""
        options = ctypes.c_uint32()
        loaded().info(self.pointer, _ALL_OPTIONS, ctypes.byref(options))
        return bool(options.value & ANCHORED)
