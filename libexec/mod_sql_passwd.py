"""mod_sql_passwd -- more ways in which passwords may be stored: digests with salts, PBKDF2, scrypt, argon2, bcrypt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from argon2 import low_level as argon2
from argon2.exceptions import Argon2Error, InvalidHash

from ftpd.api import Level, Module, Session, crypt, sql

module = Module("sql_passwd", version="1.0", needs=("mod_sql",), extra="sql-passwd")

_MANY_ROUNDS = 200
"""From here on digests are worth a thread."""
_ARGON2_SALT = 16
# what libsodium takes for its two costs: passes and KiB of argon2i
_ARGON2_COSTS = {"interactive": (4, 32 * 1024), "sensitive": (8, 512 * 1024)}

_lines = sql.PasswordLines(module)
_queries = module.takes_offers(sql.QUERIES)
_salts = sql.salts.Sources(_lines, _queries)
module.check(_salts.read)
_check = partial(sql.SwitchedCheck, _lines.engine)


# -- the words of SQLAuthTypes -------------------------------------------------------------------------------


def _digest(name: str) -> sql.SwitchedCheck:
    async def holds(session: Session, user: str, password: bytes, stored: str) -> bool:
        settings = session.server.settings
        digest = sql.hashes.SaltedDigest(
            name, settings[_lines.encoding], settings[_lines.options], settings[_lines.rounds]
        )
        salts = await _salts.of(session, user)
        if digest.rounds < _MANY_ROUNDS:
            made = digest.of(password, salts)
        else:
            made = await session.offload(lambda: digest.of(password, salts), "auth")
        return sql.hashes.is_stored(made, stored)

    return _check(name, holds, costly=False)


async def _same(session: Session, derive: Callable[[], bytes], stored: str) -> bool:
    """Whether the derived key is the stored one; it is derived in a thread."""
    made = sql.hashes.encoded(await session.offload(derive, "auth"), session.server.settings[_lines.encoding])
    return sql.hashes.is_stored(made, stored)


async def argon2_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    """The bare hash with the parameters from the configuration; a whole one says them itself."""
    if stored.startswith("$argon2"):
        return await session.offload(lambda: sodium_holds(password, stored), "auth")
    settings = session.server.settings
    passes, memory = _ARGON2_COSTS[settings[_lines.cost]]
    salt, fits = sql.salts.fitting(session, (await _salts.of(session, user)).own, _ARGON2_SALT, "argon2")
    length = settings[_lines.argon2_length]

    def derive() -> bytes:
        return argon2.hash_secret_raw(password, salt, passes, memory, 1, length, argon2.Type.I, version=19)

    return await _same(session, derive, stored) and fits


async def scrypt_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    settings = session.server.settings
    own = (await _salts.of(session, user)).own
    salt, fits = sql.salts.fitting(session, own, sql.hashes.SCRYPT_SALT, "scrypt")
    derive = partial(sql.hashes.scrypt_key, password, salt, settings[_lines.cost], settings[_lines.scrypt_length])
    return await _same(session, derive, stored) and fits


async def pbkdf2_holds(session: Session, user: str, password: bytes, stored: str) -> bool:
    chosen = session.server.settings[_lines.pbkdf2]
    if chosen is not None and chosen.query:
        chosen = sql.hashes.derivation_in(session, await _queries[-1].lookup(session, chosen.query, user))
    salt = (await _salts.of(session, user)).own
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


for _word in (
    *map(_digest, ("md5", "sha1", "sha256", "sha512")),
    _check("argon2", argon2_holds),
    _check("bcrypt", bcrypt_holds),
    _check("pbkdf2", pbkdf2_holds),
    _check("scrypt", scrypt_holds),
    _check("sodium", whole_holds),
    _check("ssha", ssha_holds, costly=False),
):
    module.offer(sql.PASSWORD_CHECKS, _word)
