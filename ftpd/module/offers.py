"""Offers: what one module has for another, under a typed key that both know; they are brought together at load."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Offer(Generic[T]):
    """A key: :meth:`Module.offer` gives a value under it, :meth:`Module.takes_offers` is given all of them."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<Offer {self.name}>"
