"""LANG, OPTS UTF8, and names of any encoding."""

from __future__ import annotations

import asyncio

import pytest
from core_ground import last, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench


def test_lang_knows_one_language() -> None:
    assert talk("LANG", "LANG en_US", "LANG EN-us", "LANG de", "LANG ../../x", login=None) == [
        "200 Using default language en_US",
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
    assert " LANG en_GB*\n" in last("FEAT", conf=conf)


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


def test_langengine_off_is_silent() -> None:
    conf = "LangEngine off\n"
    assert talk("LANG", "OPTS UTF8 ON", conf=conf) == ["500 LANG not understood", "500 OPTS UTF8 not understood"]
    assert "UTF8" not in last("FEAT", conf=conf)


def test_limit_on_opts_utf8_alone() -> None:
    assert last("OPTS UTF8 ON", conf="<Limit ALL>\nDenyAll\n</Limit>\n") == "200 UTF8 set to on"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("LangDefault ../de", "'../de' is not the name of a language"),
        ("LangEngine maybe", "expected Boolean parameter"),
        ("LangOptions Foo", "unknown option 'Foo'"),
        ("LangPath locale", "absolute pathname required"),
        ("UseEncoding maybe", "expected Boolean parameter"),
        ("UseEncoding utf8 ../x", "'../x' is not the name of a charset"),
    ],
)
def test_lines_that_are_refused(line: str, complaint: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        asyncio.run(Bench(conf=line).open())
    assert complaint in wrong.value.render()


def test_lines_that_are_taken() -> None:
    conf = "LangPath /usr/share/locale\nLangOptions PreferServerEncoding\nUseEncoding UTF-8 ISO-8859-1\n"
    assert last("NOOP", conf=conf) == "200 NOOP command successful"
