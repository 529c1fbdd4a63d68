"""RegexOptions: a pattern takes no more steps than it may, whatever name a client makes up."""

from __future__ import annotations

import asyncio

import pytest
from core_ground import HOME, talk

from ftpd.conf import pcre
from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench

MADE_UP = "a" * 40 + "b"
SLOW = "^(a+)+$"

needs_pcre = pytest.mark.skipif(pcre.library() is None, reason="there is no libpcre2")


@needs_pcre
@pytest.mark.parametrize("filter_line", ["DenyFilter", "PathDenyFilter"])
def test_a_name_that_takes_too_many_steps_does_not_get_past_a_filter_that_denies(filter_line: str) -> None:
    conf = f"{HOME}RegexOptions MatchLimit 1000\n{filter_line} {SLOW}\n"
    plain, hit, made_up = talk("MKD b", "MKD aaa", f"MKD {MADE_UP}", conf=conf)
    assert plain.startswith("257 ")
    assert hit.startswith("550 aaa: Forbidden ")
    assert made_up.startswith(f"550 {MADE_UP}: Forbidden ")


@needs_pcre
def test_nor_is_it_taken_by_one_that_allows() -> None:
    conf = f"{HOME}RegexOptions MatchLimit 1000 MatchLimitRecursion 100\nPathAllowFilter {SLOW}\n"
    fits, other, made_up = talk("MKD aaa", "MKD b", f"MKD {MADE_UP}", conf=conf)
    assert fits.startswith("257 ")
    assert other.startswith("550 ")
    assert made_up.startswith("550 ")


@needs_pcre
def test_limits_and_hidden_files_go_by_it_too() -> None:
    conf = f"""{HOME}RegexOptions Engine PCRE2 MatchLimit 1000
<Directory ~>
  HideFiles {SLOW}
  <Limit DELE>
    DenyFilter {SLOW}
  </Limit>
  <Limit ALL>
    IgnoreHidden on
  </Limit>
</Directory>
"""
    files = {"aaa": b"", "c": b"", MADE_UP: b""}
    assert talk("MDTM aaa", f"MDTM {MADE_UP}", "DELE c", conf=conf, files=files) == [
        "550 aaa: No such file or directory",
        f"550 {MADE_UP}: No such file or directory",
        "250 DELE command successful",
    ]


@needs_pcre
@pytest.mark.parametrize("line", ["RegexOptions MatchLimit 1000", "RegexOptions Engine POSIX", ""])
def test_ordinary_patterns_mean_the_same(line: str) -> None:
    conf = f'{HOME}{line}\nPathAllowFilter "^[[:alnum:]_./-]+$"\nPathDenyFilter "\\\\.(exe|com)$" [NC]\n'
    said = talk("MKD a_1", "MKD a%1", "MKD x.EXE", "MKD x.txt", conf=conf)
    assert [reply[:3] for reply in said] == ["257", "550", "550", "257"]


@needs_pcre
def test_a_pattern_that_is_none_is_told_with_the_librarys_words() -> None:
    with pytest.raises(ConfigFaults, match="failed regex compilation: missing closing parenthesis at position 1"):
        talk("NOOP", conf='RegexOptions MatchLimit 5\nDenyFilter "("\n')


@needs_pcre
def test_what_one_configuration_says_is_nothing_to_the_next() -> None:
    talk("NOOP", conf=f"RegexOptions MatchLimit 5\nDenyFilter {SLOW}\n")
    assert talk("MKD aaaa", conf=f"{HOME}PathAllowFilter {SLOW}\n")[0].startswith("257 ")


def test_without_the_library_the_line_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcre, "library", lambda: None)

    async def story() -> list[str]:
        async with Bench(conf="RegexOptions MatchLimit 5\nDenyFilter ^x\n") as ftp:
            assert ftp.generation is not None
            assert (await ftp("MKD xx")).startswith("550 xx: Forbidden")
            return [fault.message for fault in ftp.generation.config.warnings]

    assert asyncio.run(story()) == [
        "has no effect: there is no libpcre2 on this machine, which counts the steps of a pattern"
    ]
