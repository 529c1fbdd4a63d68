"""Offers: what one module has for another, under a typed key that both know; they are brought together at load."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from ftpd.module.command import Command
    from ftpd.module.files import Path
    from ftpd.module.session import Session

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

UPLOAD_GUARD: Offer[Callable[[Command, Path], None]] = Offer("xfer.upload-guard")
"""Asked before a file is opened for STOR or APPE, when the gate has looked where it lies; it may Refuse."""

LETS_BE: Offer[tuple[Callable[[Command, Path], None], Callable[[Command, str], bool]]] = Offer("xfer.lets-be")
"""Such a guard, and in which folders it has nothing to say of any file, whatever its name."""

NOTED_NAMES: Offer[str] = Offer("xfer.noted-names")
"""How the names of files end whose upload somebody notes who has nothing to do with any other."""

Four = tuple[int, int, int, int]


class Ratios(Protocol):
    """What is kept elsewhere of a user's ratios (mod_sql: SQLRatios and SQLRatioStats), for a module that goes by it.

    None where nothing of it is kept, or not of this user; an exception when it cannot be looked up (mod_sql: SqlError).
    """

    async def rates(self, session: Session) -> Four | None:
        """Files to fetch for one stored, credit in files, bytes to fetch for one stored, credit in units of 1024 bytes.

        A rate below 0 is the other way round, and 0 is none.
        """

    async def stats(self, session: Session) -> Four | None:
        """Files stored, files fetched, bytes stored, bytes fetched, those of earlier sessions with them."""


RATIOS: Offer[Ratios] = Offer("ratios")
