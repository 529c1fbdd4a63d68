"""Password hashes by the system's libcrypt: every scheme it knows, off the interpreter's lock, in constant time.

``crypt_r(3)`` is called through ctypes, which releases the lock, so a slow hash in a thread holds nobody up.
"""

from __future__ import annotations

import ctypes
import functools
import hmac
import os
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from ftpd.core.proofs import Proofs

_DATA_SIZE = 32768
"""``sizeof(struct crypt_data)`` of libxcrypt and, rounded up, of every libcrypt before it."""
_SETTING_SIZE = 192
"""``CRYPT_GENSALT_OUTPUT_SIZE``."""

# the salt of what cannot be a hash: locked (!, *), shadowed (x), or one of libcrypt's own tokens of failure (*0, *1)
_USABLE = re.compile(r'[$_./0-9A-Za-z]["-)+-9<-\[\]-~]{12,383}')

_local = threading.local()

RIGHT_FOR = 60
"""Seconds for which a password is known to be right where AuthPasswordCache says nothing else."""
proofs = Proofs(RIGHT_FOR)
"""The passwords of this process's clients that were right a moment ago."""


class CryptError(Exception):
    """libcrypt is not there, or it knows no such scheme."""


@functools.cache
def _library() -> ctypes.CDLL:
    for name in ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so"):
        try:
            library = ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
        library.crypt_r.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
        library.crypt_r.restype = ctypes.c_char_p
        return library
    raise CryptError("libcrypt is not installed: passwords cannot be checked")


def _hashed(password: bytes, setting: bytes) -> bytes | None:
    """What crypt_r makes of the password under a salt or a whole hash; None when it refuses."""
    data = getattr(_local, "data", None)
    if data is None:
        data = _local.data = ctypes.create_string_buffer(_DATA_SIZE)
    found: bytes | None = _library().crypt_r(password, setting, data)
    return None if found is None or found.startswith(b"*") else found


_QUICK = ("$1$",)
"""Schemes that cost less than to hand the work to a thread and back."""


def quick(stored: str | None = None) -> bool:
    """Whether a password is checked against this hash (or, None, for nobody) so fast that no thread is worth it."""
    return ((_sample or "") if stored is None else stored).startswith(_QUICK)


def at_once(password: str, stored: str) -> bool:
    """Whether :func:`verify` would tell so fast that no thread is worth it: a quick hash, or right a moment ago."""
    return quick(stored) or (usable(stored) and proofs.holds(stored.encode("ascii"), _secret(password)))


def hashed_anew(password: str) -> AbstractContextManager[None]:
    """Meanwhile the password is hashed each time, for a login that is refused even when it is right.

    A refusal that comes at once would tell who guesses that he has guessed right.
    """
    return proofs.aside(_secret(password))


def usable(stored: str) -> bool:
    """Whether the text can be a hash at all: not empty, not locked, not shadowed, of a hash's length and letters.

    >>> usable("$1$abc$BXBqpb9BZcZhXLgbee.0s/"), usable(""), usable("!$1$abc$BXBqpb9BZcZhXLgbee.0s/"), usable("x")
    (True, False, False, False)
    """
    return _USABLE.fullmatch(stored) is not None


def verify(password: str, stored: str) -> bool:
    """Whether the password has this hash; False for whatever is no hash, so an empty one lets nobody in.

    A wrong password is always hashed, a right one where that was not done within :data:`proofs`' time.
    """
    return verifier(stored)(password)


def verifier(stored: str) -> Callable[[str], bool]:
    """What tells of passwords whether they have this hash, as :func:`verify` does."""
    if not usable(stored):
        return _refused
    setting = stored.encode("ascii")

    def verify(password: str) -> bool:
        global _sample
        secret = _secret(password)
        if b"\0" in secret:
            return _refused(password)
        _sample = stored
        if proofs.holds(setting, secret):
            return True
        found = _hashed(secret, setting)
        if found is None or not hmac.compare_digest(found, setting):
            return False
        proofs.keep(setting, secret)
        return True

    return verify


def _secret(password: str) -> bytes:
    return password.encode("utf-8", "surrogateescape")


def _refused(password: str) -> bool:
    spend(password)
    return False


# -- an account that is not there must cost what a wrong password costs -------------------------------------------


_sample: str | None = None


def remember(stored: str) -> None:
    """Let :func:`spend` work as hard as this hash does: the scheme and cost that the accounts here have."""
    global _sample
    if usable(stored):
        _sample = stored


def spend(password: str) -> None:
    """Hash the password for nobody, at the price of the last real check."""
    _hashed(_secret(password).replace(b"\0", b"?"), (_sample or _default_sample()).encode("ascii"))


@functools.cache
def _default_sample() -> str:
    return hash("nobody")


# -- making hashes -------------------------------------------------------------------------------------------------


def salt(prefix: str = "$6$", cost: int = 0) -> str:
    """A fresh salt of the scheme with this prefix (``$y$``, ``$6$``, ``$2b$``, ...); cost 0 is the scheme's own."""
    library = _library()
    if not hasattr(library, "crypt_gensalt_rn"):
        raise CryptError("this libcrypt makes no salts: it is older than libxcrypt 4")
    output = ctypes.create_string_buffer(_SETTING_SIZE)
    library.crypt_gensalt_rn.restype = ctypes.c_char_p
    found: bytes | None = library.crypt_gensalt_rn(
        prefix.encode(), ctypes.c_ulong(cost), None, 0, output, _SETTING_SIZE
    )
    if found is None or found.startswith(b"*"):
        reason = os.strerror(ctypes.get_errno()) if ctypes.get_errno() else "it is not known"
        raise CryptError(f"libcrypt makes no salt for '{prefix}' at cost {cost}: {reason}")
    return found.decode("ascii")


def hash(password: str, prefix: str = "$6$", cost: int = 0) -> str:
    """The hash of a password under a fresh salt.

    >>> verify("secret", hash("secret"))
    True
    """
    secret = _secret(password)
    if b"\0" in secret:
        raise CryptError("a password cannot hold a NUL byte: crypt(3) would end it there")
    found = _hashed(secret, salt(prefix, cost).encode("ascii"))
    if found is None:
        raise CryptError("libcrypt cannot hash this password: 511 bytes are the most it takes")
    return found.decode("ascii")
