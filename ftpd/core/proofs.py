"""Passwords that were right a moment ago: whoever says one again need not wait until it is hashed anew.

Of each only a mark is kept, which neither shows the password nor the hash: both, stirred with a secret of this process.
A mark is of no use once the stored hash is another one, and whoever says a wrong password waits as ever.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

_MOST = 4096
_SECRET_SIZE, _MARK_SIZE = 64, 32


class Proofs:
    """Marks of pairs of a stored hash and the password that it is of; may be asked from any thread."""

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._secret = secrets.token_bytes(_SECRET_SIZE)
        self._until: dict[bytes, float] = {}
        """The oldest first."""
        self._aside: list[bytes] = []
        """Passwords of logins that will be refused, whatever comes out of the hash."""

    def last(self, seconds: float) -> None:
        """How long the next ones are kept; 0 keeps none. Where that is another time than before, all are forgotten."""
        if seconds != self._lasts:
            self._lasts = seconds
            self._until.clear()

    def holds(self, stored: bytes, password: bytes) -> bool:
        """Whether the password was right for that hash a moment ago; False tells nothing."""
        until = self._until
        if not until or password in self._aside:
            return False
        return until.get(self._mark(stored, password), 0.0) > monotonic()

    def keep(self, stored: bytes, password: bytes) -> None:
        """The password was hashed just now, and was right."""
        lasts = self._lasts
        if not lasts or password in self._aside:
            return
        until, mark = self._until, self._mark(stored, password)
        # behind all that are older, and no longer than from now on
        until.pop(mark, None)
        if len(until) >= _MOST:
            until.clear()
        until[mark] = monotonic() + lasts
        if self._lasts != lasts:
            # another thread has forgotten all meanwhile
            until.pop(mark, None)

    @contextmanager
    def aside(self, password: bytes) -> Iterator[None]:
        """Meanwhile nothing is known of this password, and nothing is learnt of it: it costs a hash each time.

        Of use where the right password is refused like a wrong one: a quicker answer would tell which it was.
        """
        self._aside.append(password)
        try:
            yield
        finally:
            self._aside.remove(password)

    def forget_old(self) -> None:
        """What is of no use any more need not lie in memory."""
        now = monotonic()
        for mark, until in list(self._until.items()):
            if until > now:
                return
            self._until.pop(mark, None)

    def _mark(self, stored: bytes, password: bytes) -> bytes:
        # a hash holds no NUL
        return hashlib.blake2b(b"%b\0%b" % (stored, password), key=self._secret, digest_size=_MARK_SIZE).digest()
