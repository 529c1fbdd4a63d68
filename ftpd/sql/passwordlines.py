"""What a line of mod_sql_passwd says: how passwords are written, where salts come from, how keys are derived."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from ftpd.conf import types
from ftpd.conf.directive import GLOBAL, SERVER, VHOST, ConfigError, Directive
from ftpd.module.table import Module

_SERVERS = SERVER | GLOBAL | VHOST


class SaltSource(NamedTuple):
    """A file, ``name`` or ``sql:/query``, and whether the salt stands in front of the password."""

    source: str
    in_front: bool


def _encoding_line(*more: str) -> Callable[[list[str]], str]:
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
def _salt_file_line(words: list[str]) -> SaltSource | None:
    """SQLPasswordSaltFile /etc/ftpd/salt Prepend"""
    return None if words[0].lower() == "none" else SaltSource(types.to_path(words[0]), _in_front(words))


@types.takes(1, 2)
def _user_salt_line(words: list[str]) -> SaltSource:
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
def _pbkdf2_line(words: list[str]) -> Derivation:
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


class PasswordLines:
    """The directives, which the module declares as its own."""

    def __init__(self, module: Module) -> None:
        self.engine = module.directive(
            "SQLPasswordEngine", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
            doc="Whether the module's words of SQLAuthTypes let anybody in.",
        )  # fmt: skip
        self.argon2_length = module.directive(
            "SQLPasswordArgon2", types.integer(4, 1024), default=32, contexts=_SERVERS, usage="length",
            doc="The bytes of an Argon2 hash.",
        )  # fmt: skip
        self.cost = module.directive(
            "SQLPasswordCost", types.one_of("interactive", "sensitive"), default="interactive", contexts=_SERVERS,
            usage="interactive|sensitive",
            doc="How much time and memory Argon2 and Scrypt took when the hash was made.",
        )  # fmt: skip
        self.encoding = module.directive(
            "SQLPasswordEncoding", _encoding_line(), default="hex", contexts=_SERVERS, usage="base64|hex|HEX",
            doc="How hashes are written in the database.",
        )  # fmt: skip
        self.options: Directive[frozenset[str]] = module.directive(
            "SQLPasswordOptions", types.flags("HashPassword", "HashSalt", "HashEncodePassword", "HashEncodeSalt"),
            default=frozenset(), contexts=_SERVERS,
            usage="HashPassword|HashSalt|HashEncodePassword|HashEncodeSalt ...",
            doc="What is hashed by itself before password and salt are hashed together.",
        )  # fmt: skip
        self.pbkdf2 = module.directive(
            "SQLPasswordPBKDF2", _pbkdf2_line, contexts=_SERVERS, usage="digest iterations length|sql:/named-query",
            doc="How PBKDF2 derived its keys.",
        )  # fmt: skip
        self.rounds = module.directive(
            "SQLPasswordRounds", types.integer(1, 10_000_000), default=1, contexts=_SERVERS, usage="count",
            doc="How often a digest was taken.",
        )  # fmt: skip
        self.salt_encoding = module.directive(
            "SQLPasswordSaltEncoding", _encoding_line("none"), default="none", contexts=_SERVERS,
            usage="base64|hex|HEX|none", doc="How salts are written in the file or the database.",
        )  # fmt: skip
        self.salt_file: Directive[SaltSource | None] = module.directive(
            "SQLPasswordSaltFile", _salt_file_line, default=None, contexts=_SERVERS,
            usage='path|"none" [Prepend|Append]', doc="The file with the salt of all users.",
        )  # fmt: skip
        self.scrypt_length = module.directive(
            "SQLPasswordScrypt", types.integer(4, 1024), default=32, contexts=_SERVERS, usage="length",
            doc="The bytes of a Scrypt hash.",
        )  # fmt: skip
        self.user_salt = module.directive(
            "SQLPasswordUserSalt", _user_salt_line, contexts=_SERVERS, usage="name|sql:/named-query [Prepend|Append]",
            doc="Where each user's own salt comes from.",
        )  # fmt: skip
