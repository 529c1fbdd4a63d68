"""mod_sql_passwd -- more ways in which passwords may be stored: digests with salts, PBKDF2, scrypt, argon2, bcrypt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
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
    crypt,
    sql,
    types,
)

module = Module("sql_passwd", version="1.0", needs=("mod_sql",), extra="sql-passwd")

_SERVERS = SERVER | GLOBAL | VHOST
_MANY_ROUNDS = 200
"""From here on digests are worth a thread."""
_ARGON2_SALT = 16
# what libsodium takes for its two costs: passes and KiB of argon2i
_ARGON2_COSTS = {"interactive": (4, 32 * 1024), "sensitive": (8, 512 * 1024)}


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
            _file_salts[source.source, how] = sql.salts.in_file(source.source, how)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"what stands in it is not {how}"
            yield ConfigError(
                f"the salt in {source.source} cannot be used: {reason}", right="a file with the salt alone", word=0,
                directive=salt_file.name, at=where[0] if where else None,
            )  # fmt: skip


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


async def _salts(session: Session, user: str) -> sql.salts.Salts:
    settings = session.server.settings
    common, own, how = settings[salt_file], settings[user_salt], settings[salt_encoding]
    salts = sql.salts.Salts()
    if common is not None:
        salts = salts.joined_by(_file_salts[common.source, how], common)
    if own is not None:
        salts = salts.joined_by(await sql.salts.of_user(session, user, own, how, _queries[-1]), own)
    return salts


def _digest(name: str) -> Check:
    async def holds(session: Session, user: str, password: bytes, stored: str) -> bool:
        settings = session.server.settings
        digest = sql.hashes.SaltedDigest(name, settings[encoding], settings[options], settings[rounds])
        salts = await _salts(session, user)
        if digest.rounds < _MANY_ROUNDS:
            made = digest.of(password, salts)
        else:
            made = await session.offload(lambda: digest.of(password, salts), "auth")
        return sql.hashes.is_stored(made, stored)

    return Check(name, holds, costly=False)


async def _same(session: Session, derive: Callable[[], bytes], stored: str) -> bool:
    """Whether the derived key is the stored one; it is derived in a thread."""
    made = sql.hashes.encoded(await session.offload(derive, "auth"), session.server.settings[encoding])
    return sql.hashes.is_stored(made, stored)


async def argon2_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    """The bare hash with the parameters from the configuration; a whole one says them itself."""
    if stored.startswith("$argon2"):
        return await session.offload(lambda: sodium_holds(password, stored), "auth")
    settings = session.server.settings
    passes, memory = _ARGON2_COSTS[settings[cost]]
    salt, fits = sql.salts.fitting(session, (await _salts(session, user)).own, _ARGON2_SALT, "argon2")
    length = settings[argon2_length]

    def derive() -> bytes:
        return argon2.hash_secret_raw(password, salt, passes, memory, 1, length, argon2.Type.I, version=19)

    return await _same(session, derive, stored) and fits


async def scrypt_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    settings = session.server.settings
    own = (await _salts(session, user)).own
    salt, fits = sql.salts.fitting(session, own, sql.hashes.SCRYPT_SALT, "scrypt")
    derive = partial(sql.hashes.scrypt_key, password, salt, settings[cost], settings[scrypt_length])
    return await _same(session, derive, stored) and fits


async def pbkdf2_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    chosen = session.server.settings[pbkdf2]
    if chosen is not None and chosen.query:
        chosen = sql.hashes.derivation_in(session, await _queries[-1].lookup(session, chosen.query, user))
    salt = (await _salts(session, user)).own
    if chosen is None or not salt:
        what = "no SQLPasswordPBKDF2" if chosen is None else "no salt"
        session.log(Level.NOTICE, "mod_sql_passwd: pbkdf2 cannot be computed: there is %s", what)
        return False
    return await _same(session, partial(sql.hashes.pbkdf2_key, password, salt, chosen), stored)


async def bcrypt_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    return await session.offload(lambda: sql.hashes.bcrypt_holds(password, stored), "auth")


async def ssha_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    return sql.hashes.ssha_holds(password, stored)


def sodium_holds(password: bytes, stored: str) -> bool:
    """A whole hash with its parameters in it: argon2i, argon2id, or scrypt as ``$7$``."""
    if not stored.startswith("$argon2"):
        return crypt.verify(password.decode("utf-8", "surrogateescape"), stored)
    kind = argon2.Type.ID if stored.startswith("$argon2id$") else argon2.Type.I
    try:
        return argon2.verify_secret(stored.encode("ascii"), password, kind)
    except (Argon2Error, InvalidHash, UnicodeEncodeError):
        return False


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
