"""mod_sql_passwd -- more ways in which passwords may be stored: digests with salts, PBKDF2, scrypt, argon2, bcrypt."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from argon2 import low_level as argon2
from argon2.exceptions import Argon2Error, InvalidHash

from ftpd.api import (
    GLOBAL,
    SERVER,
    VHOST,
    Config,
    ConfigError,
    Directive,
    Level,
    Module,
    Session,
    Settings,
    acting_as_daemon,
    crypt,
    sql,
    types,
)

module = Module("sql_passwd", version="1.0", needs=("mod_sql",), extra="sql-passwd")

_SERVERS = SERVER | GLOBAL | VHOST
_MANY_ROUNDS = 200
"""From here on digests are worth a thread."""
_MOST_SALT = 64 * 1024
_ARGON2_SALT, _SCRYPT_SALT = 16, 32
# what libsodium takes for its two costs: passes and KiB of argon2i, N of scrypt with r=8 and p=1
_ARGON2_COSTS = {"interactive": (4, 32 * 1024), "sensitive": (8, 512 * 1024)}
_SCRYPT_COSTS = {"interactive": 1 << 14, "sensitive": 1 << 20}


# -- directives ----------------------------------------------------------------------------------------------


engine = module.directive(
    "SQLPasswordEngine", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Whether the module's words of SQLAuthTypes let anybody in.",
)  # fmt: skip
argon2_length = module.directive(
    "SQLPasswordArgon2", types.integer(4, 1024), default=32, contexts=_SERVERS, usage="length",
    doc="The bytes of an Argon2 hash.",
)  # fmt: skip
cost = module.directive(
    "SQLPasswordCost", types.one_of("interactive", "sensitive"), default="interactive", contexts=_SERVERS,
    usage="interactive|sensitive", doc="How much time and memory Argon2 and Scrypt took when the hash was made.",
)  # fmt: skip
encoding = module.directive(
    "SQLPasswordEncoding", sql.encoding_line(), default="hex", contexts=_SERVERS, usage="base64|hex|HEX",
    doc="How hashes are written in the database.",
)  # fmt: skip
options: Directive[frozenset[str]] = module.directive(
    "SQLPasswordOptions", types.flags("HashPassword", "HashSalt", "HashEncodePassword", "HashEncodeSalt"),
    default=frozenset(), contexts=_SERVERS, usage="HashPassword|HashSalt|HashEncodePassword|HashEncodeSalt ...",
    doc="What is hashed by itself before password and salt are hashed together.",
)  # fmt: skip
pbkdf2 = module.directive(
    "SQLPasswordPBKDF2", sql.pbkdf2_line, contexts=_SERVERS, usage="digest iterations length|sql:/named-query",
    doc="How PBKDF2 derived its keys.",
)  # fmt: skip
rounds = module.directive(
    "SQLPasswordRounds", types.integer(1, 10_000_000), default=1, contexts=_SERVERS, usage="count",
    doc="How often a digest was taken.",
)  # fmt: skip
salt_encoding = module.directive(
    "SQLPasswordSaltEncoding", sql.encoding_line("none"), default="none", contexts=_SERVERS,
    usage="base64|hex|HEX|none", doc="How salts are written in the file or the database.",
)  # fmt: skip
salt_file: Directive[sql.SaltSource | None] = module.directive(
    "SQLPasswordSaltFile", sql.salt_file_line, default=None, contexts=_SERVERS, usage='path|"none" [Prepend|Append]',
    doc="The file with the salt of all users.",
)  # fmt: skip
scrypt_length = module.directive(
    "SQLPasswordScrypt", types.integer(4, 1024), default=32, contexts=_SERVERS, usage="length",
    doc="The bytes of a Scrypt hash.",
)  # fmt: skip
user_salt = module.directive(
    "SQLPasswordUserSalt", sql.user_salt_line, contexts=_SERVERS, usage="name|sql:/named-query [Prepend|Append]",
    doc="Where each user's own salt comes from.",
)  # fmt: skip

_queries = module.takes_offers(sql.QUERIES)
_file_salts: dict[tuple[str, str], bytes] = {}


@module.check
def read_salts(config: Config) -> Iterator[ConfigError]:
    """Read the salt files while nobody waits, and with the daemon's own rights."""
    for scope in config.servers:
        source = scope.settings[salt_file]
        if source is None:
            continue
        how = scope.settings[salt_encoding]
        where = scope.where.get(salt_file)
        try:
            with acting_as_daemon(), open(source.source, "rb") as file:
                data = file.read(_MOST_SALT)
            _file_salts[source.source, how] = _decoded(data.removesuffix(b"\n"), how)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"what stands in it is not {how}"
            yield ConfigError(
                f"the salt in {source.source} cannot be used: {reason}", right="a file with the salt alone", word=0,
                directive=salt_file.name, at=where[0] if where else None,
            )  # fmt: skip


# -- hashes --------------------------------------------------------------------------------------------------


def _encoded(data: bytes, how: str) -> bytes:
    if how == "base64":
        return base64.b64encode(data)
    return data.hex().upper().encode() if how == "HEX" else data.hex().encode()


def _decoded(data: bytes, how: str) -> bytes:
    """ValueError where it is not written so."""
    if how == "none":
        return data
    text = data.strip()
    return base64.b64decode(text, validate=True) if how == "base64" else binascii.unhexlify(text)


class Salts(NamedTuple):
    """The salt of all and that of the user; empty is none."""

    of_file: bytes = b""
    of_user: bytes = b""

    @property
    def own(self) -> bytes:
        """The one that counts where there is only place for one."""
        return self.of_user or self.of_file


def digested(name: str, password: bytes, salts: Salts, settings: Settings) -> bytes:
    """ENCODE(HASH(salt and password)), as often as SQLPasswordRounds says."""
    how, chosen = settings[encoding], settings[options]

    def hashed(data: bytes) -> bytes:
        return hashlib.new(name, data, usedforsecurity=False).digest()

    def prepared(data: bytes, what: str) -> bytes:
        if f"HashEncode{what}" in chosen:
            return _encoded(hashed(data), how)
        return hashed(data) if f"Hash{what}" in chosen else data

    front = back = b""
    for salt, source in ((salts.of_file, settings[salt_file]), (salts.of_user, settings[user_salt])):
        if salt and source is not None:
            # a user's salt takes the place of the common one
            if source.in_front:
                front = prepared(salt, "Salt")
            else:
                back = prepared(salt, "Salt")
    # without salt, HashEncodePassword would be one more round in disguise
    if salts.own or "HashEncodePassword" not in chosen:
        password = prepared(password, "Password")
    data = _encoded(hashed(front + password + back), how)
    for _ in range(settings[rounds] - 1):
        data = _encoded(hashed(data), how)
    return data


def salted_sha(password: bytes, stored: str) -> bool:
    """``{SSHA}`` and base64 of the digest with the salt behind it (RFC 2307bis)."""
    if not stored.startswith("{SSHA}"):
        return False
    try:
        known = base64.b64decode(stored[len("{SSHA}") :], validate=True)
    except ValueError:
        return False
    made = hashlib.sha1(password + known[20:], usedforsecurity=False).digest()
    return len(known) >= 20 and hmac.compare_digest(made, known[:20])


def sodium_holds(password: bytes, stored: str) -> bool:
    """A whole hash with its parameters in it: argon2i, argon2id, or scrypt as ``$7$``."""
    if not stored.startswith("$argon2"):
        return crypt.verify(password.decode("utf-8", "surrogateescape"), stored)
    kind = argon2.Type.ID if stored.startswith("$argon2id$") else argon2.Type.I
    try:
        return argon2.verify_secret(stored.encode("ascii"), password, kind)
    except (Argon2Error, InvalidHash, UnicodeEncodeError):
        return False


# -- the words of SQLAuthTypes -------------------------------------------------------------------------------

Holds = Callable[[Session, str, bytes, str], Awaitable[bool]]


class Check(NamedTuple):
    """Implements :class:`ftpd.api.sql.PasswordCheck`."""

    name: str
    holds: Holds
    costly: bool = True

    async def __call__(self, session: Session, user: str, password: str, stored: str) -> bool:
        if not session.server.settings[engine]:
            session.log(Level.INFO, "mod_sql_passwd: SQLPasswordEngine is off, so SQLAuthTypes %s denies", self.name)
            return False
        # an empty column is for SQLAuthTypes Empty to allow
        return stored != "" and await self.holds(session, user, password.encode("utf-8", "surrogateescape"), stored)


async def _salts(session: Session, user: str) -> Salts:
    settings = session.server.settings
    common, own = settings[salt_file], settings[user_salt]
    of_file = b"" if common is None else _file_salts[common.source, settings[salt_encoding]]
    if own is None:
        return Salts(of_file)
    if own.source == "name":
        return Salts(of_file, user.encode("utf-8", "surrogateescape"))
    rows = await _queries[-1].lookup(session, own.source[len("sql:/") :], user)
    if len(rows) != 1 or rows[0][0] is None:
        session.log(Level.NOTICE, "mod_sql_passwd: %d salts were found for one user", len(rows))
        return Salts(of_file)
    try:
        return Salts(of_file, _decoded(rows[0][0].encode("utf-8", "surrogateescape"), settings[salt_encoding]))
    except ValueError:
        session.log(Level.NOTICE, "mod_sql_passwd: a user's salt is not written as SQLPasswordSaltEncoding says")
        return Salts(of_file)


def _digest(name: str) -> Check:
    async def holds(session: Session, user: str, password: bytes, stored: str) -> bool:
        settings = session.server.settings
        salts = await _salts(session, user)
        if settings[rounds] < _MANY_ROUNDS:
            made = digested(name, password, salts, settings)
        else:
            made = await session.offload(lambda: digested(name, password, salts, settings), "auth")
        return hmac.compare_digest(made, stored.encode("utf-8", "surrogateescape"))

    return Check(name, holds, costly=False)


async def _same(session: Session, derive: Callable[[], bytes], stored: str) -> bool:
    """Whether the derived key is the stored one; it is derived in a thread."""
    made = _encoded(await session.offload(derive, "auth"), session.server.settings[encoding])
    return hmac.compare_digest(made, stored.encode("utf-8", "surrogateescape"))


def _fitting(session: Session, salt: bytes, wanted: int, what: str) -> tuple[bytes, bool]:
    """The salt, and whether it is as long as it must be; one that is not costs as much, and lets nobody in."""
    if len(salt) == wanted:
        return salt, True
    session.log(Level.NOTICE, "mod_sql_passwd: %s needs a salt of %d bytes, this has %d", what, wanted, len(salt))
    return bytes(wanted), False


async def argon2_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    """The bare hash with the parameters from the configuration; a whole one says them itself."""
    if stored.startswith("$argon2"):
        return await session.offload(lambda: sodium_holds(password, stored), "auth")
    settings = session.server.settings
    passes, memory = _ARGON2_COSTS[settings[cost]]
    salt, fits = _fitting(session, (await _salts(session, user)).own, _ARGON2_SALT, "argon2")
    length = settings[argon2_length]

    def derive() -> bytes:
        return argon2.hash_secret_raw(password, salt, passes, memory, 1, length, argon2.Type.I, version=19)

    return await _same(session, derive, stored) and fits


async def scrypt_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    settings = session.server.settings
    n = _SCRYPT_COSTS[settings[cost]]
    salt, fits = _fitting(session, (await _salts(session, user)).own, _SCRYPT_SALT, "scrypt")
    length = settings[scrypt_length]
    # what it takes for r=8 and p=1, and a little: twice as much is more than Python allows for the sensitive cost
    memory = 128 * 8 * n + 1024 * 1024

    def derive() -> bytes:
        return hashlib.scrypt(password, salt=salt, n=n, r=8, p=1, maxmem=memory, dklen=length)

    return await _same(session, derive, stored) and fits


async def pbkdf2_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    chosen = session.server.settings[pbkdf2]
    if chosen is not None and chosen.query:
        chosen = _described(session, await _queries[-1].lookup(session, chosen.query, user))
    salt = (await _salts(session, user)).own
    if chosen is None or not salt:
        what = "no SQLPasswordPBKDF2" if chosen is None else "no salt"
        session.log(Level.NOTICE, "mod_sql_passwd: pbkdf2 cannot be computed: there is %s", what)
        return False
    how = chosen

    def derive() -> bytes:
        return hashlib.pbkdf2_hmac(how.digest, password, salt, how.iterations, how.length)

    return await _same(session, derive, stored)


def _described(session: Session, rows: list[sql.Row]) -> sql.Derivation | None:
    """What the query said: digest, iterations, length."""
    if len(rows) == 1 and len(rows[0]) == 3:
        digest, iterations, length = rows[0]
        try:
            numbers = types.to_integer(iterations or "", 1, 100_000_000), types.to_integer(length or "", 1, 1024)
            return sql.derivation(digest or "", *numbers)
        except ConfigError as wrong:
            session.log(Level.NOTICE, "mod_sql_passwd: parameters of PBKDF2 in the database: %s", wrong.message)
    return None


async def bcrypt_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    text = password.decode("utf-8", "surrogateescape")
    # by libcrypt; what is not bcrypt's is not looked at, or this word would allow more than it says
    known = stored if re.match(r"\$2[abxy]\$", stored) else "!"
    return await session.offload(lambda: crypt.verify(text, known), "auth")


async def ssha_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    return salted_sha(password, stored)


async def whole_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    known = stored if stored.startswith(("$argon2", "$7$")) else "!"
    return await session.offload(lambda: sodium_holds(password, known), "auth")


for _check in (
    *map(_digest, ("md5", "sha1", "sha256", "sha512")),
    Check("argon2", argon2_holds),
    Check("bcrypt", bcrypt_holds),
    Check("pbkdf2", pbkdf2_holds),
    Check("scrypt", scrypt_holds),
    Check("sodium", whole_holds),
    Check("ssha", ssha_holds, costly=False),
):
    module.offer(sql.PASSWORD_CHECKS, _check)
