"""Hashes of passwords with their salts: digests in rounds, SSHA, MySQL's, bcrypt, and keys of scrypt and PBKDF2."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, NamedTuple

from ftpd.conf import types
from ftpd.conf.directive import ConfigError
from ftpd.core import crypt
from ftpd.core.log import Level
from ftpd.sql.backend import Row
from ftpd.sql.passwordlines import Derivation, derivation
from ftpd.sql.salts import Salts

if TYPE_CHECKING:
    from ftpd.module.session import Session

SCRYPT_SALT = 32
"""The bytes of a salt for scrypt."""
# what libsodium takes for its two costs: N with r=8 and p=1
_SCRYPT_COSTS = {"interactive": 1 << 14, "sensitive": 1 << 20}


def encoded(data: bytes, how: str) -> bytes:
    if how == "base64":
        return base64.b64encode(data)
    return data.hex().upper().encode() if how == "HEX" else data.hex().encode()


def is_stored(made: bytes, stored: str) -> bool:
    """Whether a hash, encoded, is what the database has; how long it takes does not tell where they differ."""
    return hmac.compare_digest(made, stored.encode("utf-8", "surrogateescape"))


class SaltedDigest(NamedTuple):
    """A digest by its name, and what SQLPasswordEncoding, SQLPasswordOptions and SQLPasswordRounds say of it."""

    name: str
    encoding: str
    options: frozenset[str]
    rounds: int

    def of(self, password: bytes, salts: Salts) -> bytes:
        """ENCODE(HASH(salt and password)), in rounds."""
        front, back = (self._prepared(salt, "Salt") if salt else b"" for salt in (salts.front, salts.back))
        # without salt, HashEncodePassword would be one more round in disguise
        if salts.own or "HashEncodePassword" not in self.options:
            password = self._prepared(password, "Password")
        data = encoded(self._hashed(front + password + back), self.encoding)
        for _ in range(self.rounds - 1):
            data = encoded(self._hashed(data), self.encoding)
        return data

    def _hashed(self, data: bytes) -> bytes:
        return hashlib.new(self.name, data, usedforsecurity=False).digest()

    def _prepared(self, data: bytes, what: str) -> bytes:
        if f"HashEncode{what}" in self.options:
            return encoded(self._hashed(data), self.encoding)
        return self._hashed(data) if f"Hash{what}" in self.options else data


def ssha_holds(password: bytes, stored: str) -> bool:
    """``{SSHA}`` and base64 of the digest with the salt behind it (RFC 2307bis)."""
    if not stored.startswith("{SSHA}"):
        return False
    try:
        known = base64.b64decode(stored[len("{SSHA}") :], validate=True)
    except ValueError:
        return False
    made = hashlib.sha1(password + known[20:], usedforsecurity=False).digest()
    return len(known) >= 20 and hmac.compare_digest(made, known[:20])


def mysql_holds(password: str, stored: str) -> bool:
    """``PASSWORD()`` of MariaDB, and of MySQL up to 5.7: a star and SHA1 of SHA1, in hex."""
    inner = hashlib.sha1(password.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return is_stored(f"*{hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()}".encode(), stored.upper())


def bcrypt_holds(password: bytes, stored: str) -> bool:
    """By libcrypt; what is not bcrypt's is not looked at, or SQLAuthTypes Bcrypt would allow more than it says."""
    known = stored if re.match(r"\$2[abxy]\$", stored) else "!"
    return crypt.verify(password.decode("utf-8", "surrogateescape"), known)


def scrypt_key(password: bytes, salt: bytes, cost: str, length: int) -> bytes:
    n = _SCRYPT_COSTS[cost]
    # what it takes for r=8 and p=1, and a little: twice as much is more than Python allows for the sensitive cost
    memory = 128 * 8 * n + 1024 * 1024
    return hashlib.scrypt(password, salt=salt, n=n, r=8, p=1, maxmem=memory, dklen=length)


def pbkdf2_key(password: bytes, salt: bytes, how: Derivation) -> bytes:
    return hashlib.pbkdf2_hmac(how.digest, password, salt, how.iterations, how.length)


def derivation_in(session: Session, rows: list[Row]) -> Derivation | None:
    """What a query said of a user's PBKDF2: digest, iterations, length; None where it did not say just that."""
    if len(rows) == 1 and len(rows[0]) == 3:
        digest, iterations, length = rows[0]
        try:
            numbers = types.to_integer(iterations or "", 1, 100_000_000), types.to_integer(length or "", 1, 1024)
            return derivation(digest or "", *numbers)
        except ConfigError as wrong:
            session.log(Level.NOTICE, "mod_sql_passwd: parameters of PBKDF2 in the database: %s", wrong.message)
    return None
