"""What an auth backend is (ProFTPD's authtab): who a user is, whether the password holds, names of ids."""

from __future__ import annotations

import enum
from collections.abc import Awaitable
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ftpd.core.record import dataclass

if TYPE_CHECKING:
    from ftpd.module.session import Session


class AuthAnswer(enum.Enum):
    """A backend's word on a password; the client always sees the same 530, the log sees the difference."""

    OK = "ok"
    OK_NO_PASS = "no password needed"  # noqa: S105
    NO_SUCH_USER = "No such user found"
    BAD_PASSWORD = "Incorrect password"  # noqa: S105
    EXPIRED = "Password expired"
    DISABLED = "Account disabled"
    TOO_MANY_TRIES = "Max authentication service attempts reached"
    UNAVAILABLE = "Unavailable authentication service"
    NOT_INITIALIZED = "Failed initializing authentication service"
    CREDENTIALS_INSUFFICIENT = "Insufficient credentials"
    CREDENTIALS_UNAVAILABLE = "Unavailable credentials"
    CREDENTIALS_NOT_SET = "Failure setting credentials"
    ERROR = "Authentication backend failed"

    @property
    def accepted(self) -> bool:
        return self in (AuthAnswer.OK, AuthAnswer.OK_NO_PASS)


Memberships = tuple[tuple[int, str], ...]
"""Groups as (gid, name)."""


class AuthUnavailable(Exception):
    """Raised by a backend that cannot be asked now: it denies, as any exception does, but is no fault to be traced."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user as a passwd line describes it; ``password`` is the hash and never shown."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str = ""
    gecos: str = ""
    password: str | None = field(default=None, repr=False)
    source: AuthBackend | None = field(default=None, repr=False, compare=False)
    """The backend that knew the user; it is asked first for the password."""


class Assurance(Protocol):
    """What a backend has said of an account, for as long as it would say all of that again."""

    def lasts(self) -> bool:
        """Whether it would, as far as that can be found out without waiting; asked before :meth:`verify`."""

    def verify(self, password: str) -> AuthAnswer | None:
        """Whether the password holds; None where that cannot be found out without waiting."""


class AuthBackend:
    """Base of auth backends: override what you know; None (DECLINED) asks the next one in AuthOrder.

    Methods may be plain or ``async``, except the four that name ids, which listings call for each entry.
    An exception denies. ``session`` gives the settings of the client's server.
    """

    checks_first = False
    """For backends that only check passwords (PAM, RADIUS): asked before the one that knew the user."""

    names_wait = True
    """Whether the four that name ids may have to wait for somebody; those that do not are asked on the loop."""

    def takes_part(self, session: Session) -> bool:
        """Whether it is switched on for the session's server: where it is not, AuthOrder's ``*`` means nothing."""
        return True

    def getpwnam(self, session: Session, user: str) -> Account | Awaitable[Account | None] | None:
        """The account of that name."""
        return None

    def getgroups(
        self, session: Session, account: Account
    ) -> tuple[tuple[int, str], ...] | Awaitable[tuple[tuple[int, str], ...] | None] | None:
        """All groups of the account as (gid, name), the primary one first."""
        return None

    def authenticate(
        self, session: Session, account: Account, password: str
    ) -> AuthAnswer | Awaitable[AuthAnswer | None] | None:
        """Whether the password holds; asked of the backend that gave the account first."""
        return None

    def assurance(self, account: Account, groups: Memberships, session: Session, *, alone: bool) -> Assurance | None:
        """For one of its accounts that was found just now, in these groups; ``alone``: nobody else could name them."""
        return None

    def uid_name(self, session: Session, uid: int) -> str | None:
        return None

    def gid_name(self, session: Session, gid: int) -> str | None:
        return None

    def name_uid(self, session: Session, name: str) -> int | None:
        return None

    def name_gid(self, session: Session, name: str) -> int | None:
        return None


class Accounts(Protocol):
    """All backends together, asked in AuthOrder."""

    async def getpwnam(self, session: Session, user: str) -> Account | None: ...

    async def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...]: ...

    async def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer:
        """BAD_PASSWORD where nobody vouches for it; an exception in a backend is ERROR, which denies."""

    def assurance(self, session: Session, account: Account, groups: Memberships) -> Assurance | None:
        """That of the backend whose word on the account is the only one that counts; None where others are asked."""

    def uid_name(self, session: Session, uid: int) -> str:
        """The name, or the number as text."""

    def gid_name(self, session: Session, gid: int) -> str: ...

    async def group_name(self, session: Session, gid: int) -> str:
        """The same where nobody must wait for it: backends that may wait are asked off the loop."""

    def name_uid(self, session: Session, name: str) -> int | None: ...

    def name_gid(self, session: Session, name: str) -> int | None: ...
