"""What every kind of listing needs: a folder's names without holding up others, slices of them, names of owners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ftpd.api import Command, Folder, Session

T = TypeVar("T")

SLICE = 500
"""Entries formatted before the others get a turn; about two milliseconds."""
_LARGE = 256 * 1024
"""Bytes of a folder itself from which on its names, ten thousand or more, are read and sorted off the loop."""


def sliced(items: list[T], size: int = SLICE) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def names_of(cmd: Command, folder: Folder, pick: Callable[[list[str]], list[str]]) -> list[str]:
    """The names of a folder that ``pick`` leaves, in its order."""
    return await reading(cmd, folder, lambda: pick(folder.names()))


async def reading(cmd: Command, folder: Folder, work: Callable[[], T]) -> T:
    """What ``work`` reads from the whole folder: off the loop where that takes long."""
    return await cmd.offload(work) if folder.lstat(".").st_size > _LARGE else work()


class Owners(dict[int, str]):
    """Names of ids for one listing: each id is looked up once."""

    def __init__(self, session: Session, *, group: bool, fake: str | None, numeric: bool = False) -> None:
        super().__init__()
        self._session = session
        self._group = group
        self._numeric = numeric
        self._number = fake_number(session, fake, group=group) if numeric else None
        self._fake = _own_name(session, group=group) if fake == "~" else fake

    def __missing__(self, number: int) -> str:
        if len(self) >= 4096:
            self.clear()
        self[number] = name = self._name(number)
        return name

    def _name(self, number: int) -> str:
        if self._numeric:
            return str(number if self._number is None else self._number)
        if self._fake is not None:
            return self._fake
        accounts = self._session.modules.accounts
        name = accounts.gid_name(self._session, number) if self._group else accounts.uid_name(self._session, number)
        # a blank in a directory service's group name would shift the columns that clients parse
        return name.replace(" ", "_") if " " in name else name


def _own_name(session: Session, *, group: bool) -> str:
    if not group:
        return session.user or ""
    return session.groups[0][1] if session.groups else ""


_NOBODY = 65534


def fake_number(session: Session, fake: str | None, *, group: bool) -> int | None:
    """The number that goes with a faked name; None where nothing is faked."""
    if fake is None:
        return None
    if fake == "~":
        account = session.account
        return None if account is None else account.gid if group else account.uid
    accounts = session.modules.accounts
    found = accounts.name_gid(session, fake) if group else accounts.name_uid(session, fake)
    # a name that nobody has: the true number would tell what the name is there to hide
    return _NOBODY if found is None else found
