"""LANG, OPTS UTF8, and names of any encoding."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from core_ground import last, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench

T = TypeVar("T")


def test_without_catalogues_lang_knows_english() -> None:
    assert talk("LANG", "LANG en", "LANG en_US", "LANG EN-us", "LANG de", "LANG ../../x", login=None) == [
        "200 Using default language en_US",
        "200 Using language en_US",
        "200 Using language en_US",
        "200 Using language en_US",
        "504 Language de not supported",
        "504 Language ../../x not supported",
    ]


def test_lang_is_for_before_the_login() -> None:
    assert talk("LANG", "LANG en_US") == ["500 Unable to handle command"] * 2


def test_langdefault_names_it() -> None:
    conf = "LangDefault en_GB\n"
    assert talk("LANG", "LANG en_US", conf=conf, login=None) == [
        "200 Using default language en_GB",
        "504 Language en_US not supported",
    ]
    assert " LANG en-GB*\n" in last("FEAT", conf=conf)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("OPTS UTF8 ON", "200 UTF8 set to on"),
        ("OPTS utf8 on", "200 UTF8 set to on"),
        ("OPTS UTF8 1", "200 UTF8 set to on"),
        ("OPTS UTF8", "200 UTF8 set to on"),
        ("OPTS UTF8 OFF", "200 UTF8 set to off"),
        ("OPTS UTF8 NLST", "501 'OPTS UTF8' not understood"),
        ("OPTS UTF8 on off", "501 'OPTS UTF8' not understood"),
    ],
)
def test_opts_utf8(line: str, reply: str) -> None:
    assert last(line, login=None) == reply


def test_langengine_off_is_silent_but_for_opts_utf8() -> None:
    conf = "LangEngine off\n"
    assert talk("LANG", "OPTS UTF8 ON", conf=conf) == ["500 LANG not understood", "200 UTF8 set to on"]
    assert "UTF8" not in last("FEAT", conf=conf)


def test_limit_on_opts_utf8_alone() -> None:
    assert last("OPTS UTF8 ON", conf="<Limit ALL>\nDenyAll\n</Limit>\n") == "200 UTF8 set to on"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("LangEngine maybe", "expected Boolean parameter"),
        ("LangOptions Foo", "unknown option 'Foo'"),
        ("LangPath locale", "absolute pathname required"),
        ("UseEncoding maybe", "expected Boolean parameter"),
        ("UseEncoding utf8 cp1251 strictly", "unknown UseEncoding keyword 'strictly'"),
    ],
)
def test_lines_that_are_refused(line: str, complaint: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        asyncio.run(Bench(conf=line).open())
    assert complaint in wrong.value.render()


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("LangDefault ../de", "'../de' is not the name of a language: replies are in en_US"),
        ('LangDefault ""', "'' is not the name of a language: replies are in en_US"),
        ("UseEncoding utf8 ../x", "'../x' is not the name of a charset"),
        ("UseEncoding nonsense utf8", "'nonsense' is not the name of a charset"),
        ("UseEncoding utf8 iso-2022-jp", "'iso-2022-jp' is not the name of a charset"),
        ("UseEncoding off utf8", "'off' is not the name of a charset"),
    ],
)
def test_a_name_that_is_none_is_warned_of_and_nothing_is_translated(line: str, warning: str) -> None:
    async def tale(ftp: Bench) -> str:
        assert (await say(ftp, f"MKD {HELLO}", "cp1251")).startswith(b"257")
        assert on_disk(ftp) == [HELLO.encode("cp1251")]
        assert ftp.generation is not None
        return ftp.generation.config.warnings[0].message

    assert warning in tell(tale, f"{line}\n")


def test_lines_that_are_taken() -> None:
    conf = "LangPath /usr/share/locale\nLangOptions PreferServerEncoding\nUseEncoding UTF-8 ISO-8859-1\n"
    assert last("NOOP", conf=conf) == "200 NOOP command successful"


# -- charsets --------------------------------------------------------------------------------------------

KOI8 = "UseEncoding koi8-r cp1251\n"
HELLO = "\u043f\u0440\u0438\u0432\u0435\u0442"
"""A Russian word whose letters are different bytes in each of the charsets."""


def guise(word: str, charset: str) -> str:
    """The word's bytes in a charset, in the guise of a line that a client sends."""
    return word.encode(charset).decode("utf-8", "surrogateescape")


def tell(tale: Callable[[Bench], Awaitable[T]], conf: str) -> T:
    async def main() -> T:
        async with Bench(conf="DefaultRoot ~\n" + conf) as ftp:
            return await tale(ftp)

    return asyncio.run(main())


async def say(ftp: Bench, line: str, charset: str) -> bytes:
    """What comes back for a line said in a charset."""
    return (await ftp(guise(line, charset))).encode("utf-8", "surrogateescape")


def on_disk(ftp: Bench) -> list[bytes]:
    return sorted(os.listdir(os.fsencode(ftp.root)))


def test_names_are_translated_both_ways() -> None:
    async def tale(ftp: Bench) -> None:
        assert await say(ftp, f"MKD {HELLO}", "cp1251") == (
            f'257 "/{HELLO}" - Directory successfully created'.encode("cp1251")
        )
        assert on_disk(ftp) == [HELLO.encode("koi8-r")]
        await say(ftp, f"CWD {HELLO}", "cp1251")
        assert await say(ftp, "PWD", "ascii") == f'257 "/{HELLO}" is the current directory'.encode("cp1251")
        assert (await ftp.upload(guise(f"STOR {HELLO}", "cp1251"), b"x")).endswith("226 Transfer complete")
        for listing in ("NLST", "LIST", "MLSD"):
            assert HELLO.encode("cp1251") + b"\r\n" in await ftp.download(listing)
        assert HELLO.encode("cp1251") in await say(ftp, f"MLST {HELLO}", "cp1251")
        assert await say(ftp, f"SIZE no{HELLO}", "cp1251") == b"550 SIZE not allowed in ASCII mode"
        assert await say(ftp, f"DELE no{HELLO}", "cp1251") == f"550 no{HELLO}: No such file or directory".encode(
            "cp1251"
        )
        assert await say(ftp, f"DELE {HELLO}", "cp1251") == b"250 DELE command successful"

    tell(tale, KOI8)


def test_opts_utf8_changes_the_clients_side_and_back() -> None:
    async def tale(ftp: Bench) -> None:
        assert await ftp("OPTS UTF8 ON") == "200 UTF8 set to on"
        await say(ftp, f"MKD {HELLO}", "utf-8")
        assert on_disk(ftp) == [HELLO.encode("koi8-r")]
        assert await ftp.download("NLST") == f"{HELLO}\r\n".encode()
        assert await ftp("OPTS UTF8 OFF") == "200 UTF8 set to off"
        assert await ftp.download("NLST") == f"{HELLO}\r\n".encode("cp1251")

    tell(tale, KOI8)


@pytest.mark.parametrize(
    ("conf", "on", "off", "feat"),
    [
        ("", "200 UTF8 set to on", "200 UTF8 set to off", True),
        (KOI8, "200 UTF8 set to on", "200 UTF8 set to off", True),
        ("UseEncoding on\n", "200 UTF8 set to on", "451 Unable to accept OPTS UTF8", True),
        ("UseEncoding off\n", "451 Unable to accept OPTS UTF8", "200 UTF8 set to off", True),
        ("UseEncoding koi8-r cp1251 strict\n", "451 Unable to accept OPTS UTF8", "200 UTF8 set to off", False),
        (KOI8 + "LangOptions PreferServerEncoding\n", "451 Unable to accept OPTS UTF8", "200 UTF8 set to off", False),
    ],
)
def test_who_may_change_the_charset(conf: str, on: str, off: str, feat: bool) -> None:
    replies = talk("OPTS UTF8 ON", "OPTS UTF8 OFF", "FEAT", conf=conf)
    assert replies[:2] == [on, off]
    assert ("\n UTF8\n" in replies[2]) is feat


def test_what_cannot_be_translated_stays_reachable() -> None:
    async def tale(ftp: Bench) -> None:
        # a Chinese letter has no place in KOI8-R, and the odd bytes none in UTF-8
        for name in (b"\xe4\xb8\xad", b"\xff\xfe\xe4"):
            line = b"MKD " + name
            assert (await ftp(line.decode("utf-8", "surrogateescape"))).startswith("257 ")
            assert on_disk(ftp) == [name]
            assert await ftp.download("NLST") != b""
            assert (await ftp(line.replace(b"MKD", b"RMD").decode("utf-8", "surrogateescape"))).startswith("250 ")

    tell(tale, "UseEncoding koi8-r utf-8\n")


@pytest.mark.parametrize("conf", ["", "UseEncoding utf8 cp1251\n"])
def test_requirevalidencoding_refuses_what_is_no_text(conf: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        await ftp("OPTS UTF8 ON")
        broken = [await ftp(f"{verb} caf\udce9") for verb in ("MKD", "SIZE", "CWD", "DELE", "RNFR", "SITE CHMOD 600")]
        return [*broken, await ftp("MKD caf\u00e9")]

    *broken, good = tell(tale, conf + "LangOptions RequireValidEncoding\nDefaultTransferMode binary\n")
    assert {reply.partition(":")[2] for reply in broken} == {" Illegal character sequence in filename"}
    assert good == '257 "/caf\u00e9" - Directory successfully created'
    assert tell(tale, conf)[0].startswith("257 ")


def test_passwords_and_user_names_are_what_was_typed() -> None:
    async def main() -> str:
        async with Bench(conf=KOI8, users={HELLO: HELLO}, login=None) as ftp:
            await ftp(f"USER {HELLO}")
            return await ftp(f"PASS {HELLO}")

    assert asyncio.run(main()).startswith("230 ")
