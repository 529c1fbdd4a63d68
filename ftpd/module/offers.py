"""Offers: what one module has for another, under a typed key that both know; they are brought together at load."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ftpd.module.command import Command

T = TypeVar("T")


class Offer(Generic[T]):
    """A key: :meth:`Module.offer` gives a value under it, :meth:`Module.takes_offers` is given all of them."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<Offer {self.name}>"


LARGEST_UPLOAD: Offer[Callable[[Command], int | None]] = Offer("xfer.largest-upload")
"""The bytes that a file may have which the command makes, by the configuration at its path; None is any number."""
