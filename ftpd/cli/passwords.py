"""How ftpasswd comes by a password: it is asked for or read, never a word of the command line, and then hashed."""

from __future__ import annotations

import ctypes
import getpass
import os
import pwd
import sys
from collections.abc import Callable, Iterable

from ftpd.core import crypt
from ftpd.modules._auth_unix_nss import shadow_of

SCHEMES = {
    "des": ("", 0),
    "md5": ("$1$", 0),
    "sha256": ("$5$", 0),
    "sha512": ("$6$", 0),
    "blowfish": ("$2b$", 10),
    "yescrypt": ("$y$", 0),
}
"""The prefix of each scheme's hashes, and its cost: 0 is what libcrypt takes."""
_COUNTING = {"des": 8, "blowfish": 72}
"""Bytes of a password that count, where not all do."""
_ATTEMPTS = 5
_DICTIONARY = "/var/cache/cracklib/cracklib_dict"
_LIBRARY = "libcrack.so.2"


class RefusedError(Exception):
    """Why a password is not taken, or none can be had; and the exit status that says so."""

    def __init__(self, message: str, status: int = 255) -> None:
        super().__init__(message)
        self.status = status


Rule = Callable[[str], None]
"""Raises RefusedError for a password that is not to be taken."""


def hashed(scheme: str, rules: Iterable[Rule], *, stdin: bool) -> str:
    """The hash of a password that no rule speaks against; who is asked is asked again."""
    for attempt in range(1, _ATTEMPTS + 1):
        password = _line() if stdin else _asked()
        try:
            if not password:
                raise RefusedError("an empty password would let anybody in")
            for rule in rules:
                rule(password)
            return _hash(password, scheme)
        except RefusedError as refused:
            if stdin or attempt == _ATTEMPTS:
                raise
            print(f"ftpasswd: {refused}; please choose another one", file=sys.stderr)
    raise AssertionError


def _hash(password: str, scheme: str) -> str:
    limit = _COUNTING.get(scheme)
    if limit is not None and len(os.fsencode(password)) > limit:
        print(f"ftpasswd: of this password only the first {limit} bytes count with --{scheme}", file=sys.stderr)
    try:
        if scheme:
            return crypt.hash(password, *SCHEMES[scheme])
        try:
            return crypt.hash(password, *SCHEMES["yescrypt"])
        except crypt.CryptError:
            # a libcrypt from before 2018
            return crypt.hash(password, *SCHEMES["sha512"])
    except crypt.CryptError as error:
        raise RefusedError(str(error)) from None


def _line() -> str:
    """The first line of standard input."""
    line = sys.stdin.buffer.readline().removesuffix(b"\n").removesuffix(b"\r")
    return line.decode("utf-8", "surrogateescape")


def _asked() -> str:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        reason = f"there is no terminal to ask at ({error.strerror}); --stdin reads the password from standard input"
        raise RefusedError(reason) from None
    for _ in range(_ATTEMPTS):
        try:
            password = getpass.getpass("Password: ")
            if getpass.getpass("Re-type password: ") == password:
                return password
        except UnicodeDecodeError:
            raise RefusedError("the terminal sends other letters than the locale has (see locale(1))") from None
        print("ftpasswd: these were two different ones; once more", file=sys.stderr)
    raise RefusedError("the two passwords were never the same")


# -- rules ---------------------------------------------------------------------------------------------------------


def not_current(stored: str) -> Rule:
    """Not the one that the account has; a lock before it does not count."""

    def rule(password: str) -> None:
        if crypt.verify(password, stored.lstrip("!")):
            raise RefusedError("this is the password that the account has", 2)

    return rule


def not_of_system(name: str) -> Rule:
    """Not the one that a user of the machine with that name has."""
    try:
        stored = pwd.getpwnam(name).pw_passwd
        shadow = shadow_of(name)
    except KeyError:
        return lambda password: None
    except OSError as error:
        reason = f"--not-system-password has to read the shadow file, as root may: {error.strerror}"
        raise RefusedError(reason) from None
    if shadow is not None:
        stored = shadow.password

    def rule(password: str) -> None:
        if crypt.verify(password, stored.lstrip("!")):
            raise RefusedError("this is the password that the user of the system has", 4)

    return rule


def not_weak(dictionary: str) -> Rule:
    """None that cracklib finds in its dictionary or calls weak for another reason."""
    dictionary = dictionary or _DICTIONARY
    if os.path.isdir(dictionary):
        dictionary = os.path.join(dictionary, os.path.basename(_DICTIONARY))
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        raise RefusedError(f"--use-cracklib needs {_LIBRARY}, of Debian's package libcrack2") from None
    # the library ends the process that it is called in where it cannot open them
    for path in (f"{dictionary}.pwd", f"{dictionary}.pwi"):
        if not os.access(path, os.R_OK):
            raise RefusedError(f"--use-cracklib needs a dictionary, and {path} cannot be read: Debian's package "
                               "cracklib-runtime brings one")  # fmt: skip
    library.FascistCheck.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    library.FascistCheck.restype = ctypes.c_char_p

    def rule(password: str) -> None:
        found: bytes | None = library.FascistCheck(password.encode("utf-8", "surrogateescape"), os.fsencode(dictionary))
        if found is not None:
            raise RefusedError(f"this password is weak: {found.decode(errors='replace')}")

    return rule
