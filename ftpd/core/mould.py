"""Objects of many attributes that begin alike: made as a pattern is, instead of attribute by attribute."""

from __future__ import annotations

from collections.abc import Callable
from types import MemberDescriptorType
from typing import Generic, TypeVar

from ftpd import native

T = TypeVar("T")


class MouldByPython(Generic[T]):
    """Makes objects whose slots hold what those of the pattern held when it was given; ``__init__`` is not called.

    All that is made shares these values, so they are such as nobody changes; what is empty in the pattern stays empty.
    """

    __slots__ = ("_kind", "_parts")

    def __init__(self, pattern: T) -> None:
        self._kind = type(pattern)
        self._parts = [
            (slot.__set__, slot.__get__(pattern))
            for kind in self._kind.__mro__
            for slot in vars(kind).values()
            if isinstance(slot, MemberDescriptorType) and _holds(slot, pattern)
        ]

    def __call__(self) -> T:
        made = self._kind.__new__(self._kind)
        for put, value in self._parts:
            put(made, value)
        return made


def _holds(slot: MemberDescriptorType, pattern: object) -> bool:
    try:
        slot.__get__(pattern)
    except AttributeError:
        return False
    return True


def mould_of(pattern: T) -> Callable[[], T]:
    return MouldByPython(pattern) if native.moulds is None else native.moulds.Mould(pattern)
