"""mod_sql_passwd: every way of storing a password holds for the right one, and for no other."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from argon2 import low_level as argon2
from sql_ground import CONF, Database, entered, play

from ftpd.conf.faults import ConfigFaults
from ftpd.core import crypt

ENGINE = "SQLPasswordEngine on\n"


def held(db: Database, kind: str, stored: str, conf: str = "", *, user: str = "ann", engine: str = ENGINE) -> bool:
    """Whether 'pass word' is let in; 'pass ward' never is."""
    db.do("DELETE FROM users WHERE userid = ?", user)
    db.user(user, stored)
    answers: list[str] = []

    async def story() -> None:
        async with db.bench(engine + conf, base=CONF.replace("Plaintext", kind)) as ftp:
            assert await entered(ftp, user, "pass ward") == "530 Login incorrect."
            answers.append(await entered(ftp, user, "pass word"))

    play(story)
    return answers[0].startswith("230")


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_digests_in_every_encoding(db: Database, name: str) -> None:
    digest = hashlib.new(name, b"pass word")
    assert held(db, name.upper(), digest.hexdigest())
    assert not held(db, name, digest.hexdigest().upper())
    assert held(db, name, digest.hexdigest().upper(), "SQLPasswordEncoding HEX")
    assert held(db, name, base64.b64encode(digest.digest()).decode(), "SQLPasswordEncoding base64")
    assert not held(db, name, digest.hexdigest(), engine="")


def test_salts_stand_in_front_or_behind(db: Database, tmp_path: Path) -> None:
    salt = tmp_path / "salt"
    salt.write_bytes(b"NaCl\n")
    behind, front = md5(b"pass wordNaCl").hex(), md5(b"NaClpass word").hex()
    assert held(db, "MD5", behind, f"SQLPasswordSaltFile {salt}")
    assert held(db, "MD5", behind, f"SQLPasswordSaltFile {salt} Append")
    assert held(db, "MD5", front, f"SQLPasswordSaltFile {salt} Prepend")
    assert not held(db, "MD5", front, f"SQLPasswordSaltFile {salt}")
    salt.write_bytes(b"NaCl".hex().encode())
    assert held(db, "MD5", behind, f"SQLPasswordSaltFile {salt}\nSQLPasswordSaltEncoding hex")
    assert held(db, "MD5", md5(b"pass wordann").hex(), "SQLPasswordUserSalt name")
    both = f"SQLPasswordSaltFile {salt} Prepend\nSQLPasswordSaltEncoding hex\nSQLPasswordUserSalt name"
    assert held(db, "MD5", md5(b"NaClpass wordann").hex(), both)


def test_salts_from_the_database(db: Database) -> None:
    db.do("INSERT INTO keys VALUES ('ann', 'S1')")
    query = "SQLNamedQuery salt SELECT \"id FROM keys WHERE name = '%{0}'\"\nSQLPasswordUserSalt sql:/salt Prepend"
    assert held(db, "SHA256", hashlib.sha256(b"S1pass word").hexdigest(), query)
    assert not held(db, "SHA256", hashlib.sha256(b"S1pass word").hexdigest(), query, user="bob")


@pytest.mark.parametrize(
    ("chosen", "data"),
    [
        ("HashPassword", b"s" + md5(b"pass word")),
        ("HashSalt", md5(b"s") + b"pass word"),
        ("HashEncodePassword", b"s" + md5(b"pass word").hex().encode()),
        ("HashEncodeSalt", md5(b"s").hex().encode() + b"pass word"),
        ("HashEncodePassword HashEncodeSalt", md5(b"s").hex().encode() + md5(b"pass word").hex().encode()),
    ],
)
def test_parts_can_be_hashed_by_themselves(db: Database, tmp_path: Path, chosen: str, data: bytes) -> None:
    salt = tmp_path / "salt"
    salt.write_bytes(b"s")
    conf = f"SQLPasswordOptions {chosen}\nSQLPasswordSaltFile {salt} Prepend"
    assert held(db, "MD5", md5(data).hex(), conf)


def test_rounds_hash_what_was_encoded(db: Database) -> None:
    data = b"pass word"
    for _ in range(3):
        data = md5(data).hex().encode()
    assert held(db, "MD5", data.decode(), "SQLPasswordRounds 3")
    for _ in range(297):
        data = md5(data).hex().encode()
    assert held(db, "MD5", data.decode(), "SQLPasswordRounds 300")


def test_without_salt_a_hashed_and_encoded_password_is_none(db: Database) -> None:
    assert held(db, "MD5", md5(b"pass word").hex(), "SQLPasswordOptions HashEncodePassword")


def test_ssha_brings_its_salt(db: Database) -> None:
    stored = "{SSHA}" + base64.b64encode(hashlib.sha1(b"pass wordsalt").digest() + b"salt").decode()
    assert held(db, "SSHA", stored)
    assert not held(db, "SSHA", stored.removeprefix("{SSHA}"))
    assert not held(db, "SSHA", "{SSHA}" + base64.b64encode(b"short").decode())


def test_pbkdf2_by_the_line_and_by_the_users_own_numbers(db: Database) -> None:
    stored = hashlib.pbkdf2_hmac("sha256", b"pass word", b"ann", 1000, 20).hex()
    assert held(db, "PBKDF2", stored, "SQLPasswordPBKDF2 sha256 1000 20\nSQLPasswordUserSalt name")
    assert not held(db, "PBKDF2", stored, "SQLPasswordPBKDF2 sha256 1000 20")
    db.do("CREATE TABLE how (name TEXT, digest TEXT, count TEXT, length TEXT)")
    db.do("INSERT INTO how VALUES ('ann', 'sha256', '1000', '20'), ('bob', 'rot13', '1', '20')")
    query = (
        "SQLNamedQuery how SELECT \"digest, count, length FROM how WHERE name = '%{0}'\"\nSQLPasswordUserSalt name\n"
    )
    assert held(db, "PBKDF2", stored, query + "SQLPasswordPBKDF2 sql:/how")
    assert not held(db, "PBKDF2", stored, query + "SQLPasswordPBKDF2 sql:/how", user="bob")


def test_scrypt_wants_a_salt_of_32_bytes(db: Database) -> None:
    salt = "0123456789abcdef" * 2
    stored = hashlib.scrypt(b"pass word", salt=salt.encode(), n=16384, r=8, p=1, dklen=32).hex()
    db.do("INSERT INTO keys VALUES ('ann', ?)", salt)
    query = "SQLNamedQuery salt SELECT \"id FROM keys WHERE name = '%{0}'\"\nSQLPasswordUserSalt sql:/salt"
    assert held(db, "SCRYPT", stored, query)
    db.do("UPDATE keys SET id = 'short'")
    assert not held(db, "SCRYPT", stored, query)


def test_scrypt_of_the_sensitive_cost_finds_its_memory(db: Database) -> None:
    db.user("ann", "d808bf39265eb7d5381b75e19650633bb1506752305ed5c4c22353f1abb29e55")
    db.do("INSERT INTO keys VALUES ('ann', '0123456789abcdef0123456789abcdef')")
    query = "SQLNamedQuery salt SELECT \"id FROM keys WHERE name = '%{0}'\"\nSQLPasswordUserSalt sql:/salt\n"

    async def story() -> None:
        conf = f"{ENGINE}{query}SQLPasswordCost sensitive"
        async with db.bench(conf, base=CONF.replace("Plaintext", "Scrypt")) as ftp:
            # once: each takes a gigabyte, and seconds
            assert (await entered(ftp, "ann", "pass word")).startswith("230")

    play(story)


def test_argon2_bare_and_whole(db: Database) -> None:
    salt = "0123456789abcdef"
    bare = argon2.hash_secret_raw(b"pass word", salt.encode(), 4, 32768, 1, 24, argon2.Type.I, version=19)
    db.do("INSERT INTO keys VALUES ('ann', ?)", salt)
    query = "SQLNamedQuery salt SELECT \"id FROM keys WHERE name = '%{0}'\"\nSQLPasswordUserSalt sql:/salt\n"
    assert held(db, "Argon2", bare.hex(), query + "SQLPasswordArgon2 24")
    whole = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("pass word")
    assert held(db, "Argon2", whole)
    assert held(db, "Sodium", whole)
    assert not held(db, "Sodium", "$argon2id$nonsense")


def test_bcrypt_is_bcrypt_alone(db: Database) -> None:
    assert held(db, "Bcrypt", crypt.hash("pass word", "$2b$", 4))
    assert not held(db, "Bcrypt", crypt.hash("pass word", "$5$"))
    assert held(db, "Crypt", crypt.hash("pass word", "$2b$", 4))


def test_an_empty_column_lets_nobody_in(db: Database) -> None:
    for kind in ("MD5", "SHA512", "SSHA", "PBKDF2", "Scrypt", "Argon2", "Bcrypt", "Sodium"):
        assert not held(db, kind, "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SQLPasswordEncoding rot13", "is no encoding"),
        ("SQLPasswordSaltFile /nonexistent", "cannot be used: No such file"),
        ("SQLPasswordSaltFile salt", "absolute pathname"),
        ("SQLPasswordUserSalt uid", "is no source of salts"),
        ("SQLPasswordUserSalt name Behind", "does not say where"),
        ("SQLPasswordPBKDF2 rot13 1000 20", "is no digest"),
        ("SQLPasswordPBKDF2 sha1 1000", "badly formatted"),
        ("SQLPasswordRounds 0", "of at least 1|between 1"),
        ("SQLPasswordCost huge", "is unknown here"),
    ],
)
def test_what_is_wrong_ends_the_start(db: Database, line: str, reason: str) -> None:
    async def story() -> None:
        with pytest.raises(ConfigFaults, match=reason):
            async with db.bench(line):
                pass

    play(story)
