"""What a line of mod_sql_passwd says: how passwords are written, where salts come from, how keys are derived."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from ftpd.conf import types
from ftpd.conf.directive import ConfigError


class SaltSource(NamedTuple):
    """A file, ``name`` or ``sql:/query``, and whether the salt stands in front of the password."""

    source: str
    in_front: bool


def encoding_line(*more: str) -> Callable[[list[str]], str]:
    """A parser of SQLPasswordEncoding hex, which takes these words, too."""
    known = ("base64", "hex", "HEX", *more)

    @types.takes(1, 1)
    def parse(words: list[str]) -> str:
        # hex and HEX are two: only the others may be written in any case
        word = words[0] if words[0] in known else words[0].lower()
        if word not in known:
            raise ConfigError(f"'{words[0]}' is no encoding", right=", ".join(known), word=0)
        return word

    return parse


def _in_front(words: list[str]) -> bool:
    if len(words) < 2:
        return False
    if words[1].lower() not in ("prepend", "append"):
        raise ConfigError(f"'{words[1]}' does not say where the salt goes", right="Prepend or Append", word=1)
    return words[1].lower() == "prepend"


@types.takes(1, 2)
def salt_file_line(words: list[str]) -> SaltSource | None:
    """SQLPasswordSaltFile /etc/ftpd/salt Prepend"""
    return None if words[0].lower() == "none" else SaltSource(types.to_path(words[0]), _in_front(words))


@types.takes(1, 2)
def user_salt_line(words: list[str]) -> SaltSource:
    """SQLPasswordUserSalt sql:/get-user-salt Append"""
    source = "name" if words[0].lower() == "name" else words[0]
    if source != "name" and not re.fullmatch(r"sql:/.+", source):
        raise ConfigError(f"'{words[0]}' is no source of salts", right="name, or sql:/ and a named query", word=0)
    return SaltSource(source, _in_front(words))


class Derivation(NamedTuple):
    """SQLPasswordPBKDF2: digest, iterations and length, or the query that knows them of each user."""

    digest: str = ""
    iterations: int = 0
    length: int = 0
    query: str = ""


@types.takes(1, 3)
def pbkdf2_line(words: list[str]) -> Derivation:
    """SQLPasswordPBKDF2 sha512 200000 64"""
    if len(words) == 1:
        if not re.fullmatch(r"sql:/.+", words[0]):
            raise ConfigError("badly formatted PBKDF2 parameters", right="digest iterations length, or sql:/query")
        return Derivation(query=words[0][len("sql:/") :])
    if len(words) != 3:
        raise ConfigError("badly formatted PBKDF2 parameters", right="digest iterations length, or sql:/query")
    return derivation(words[0], types.to_integer(words[1], 1, word=1), types.to_integer(words[2], 1, 1024, word=2))


def derivation(digest: str, iterations: int, length: int) -> Derivation:
    name = digest.lower().replace("-", "")
    try:
        hashlib.new(name, usedforsecurity=False)
    except ValueError:
        raise ConfigError(f"'{digest}' is no digest", right="sha1, sha256 or sha512", word=0) from None
    return Derivation(name, iterations, length)
