"""A pattern takes no more steps than it may, whatever name a client makes up; RegexOptions says how many these are."""

from __future__ import annotations

import asyncio

import pytest
from core_ground import HOME, talk

from ftpd.conf import pcre
from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench

MADE_UP = "a" * 40 + "b"
SLOW = "^(a+)+$"
FORBIDDEN = f"550 {MADE_UP}: Forbidden filename"

needs_pcre = pytest.mark.skipif(pcre.library() is None, reason="there is no libpcre2")


def given_up(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The directives whose search was given up, as the log tells it."""
    records = (record.getMessage() for record in caplog.records)
    return [told.split(": ")[1] for told in records if "takes too long and was given up" in told]


# -- each directive that takes a pattern ---------------------------------------------------------------------


@needs_pcre
@pytest.mark.parametrize(("line", "kind"), [("DenyFilter", "command argument"), ("PathDenyFilter", "filename")])
def test_a_name_made_up_does_not_get_past_a_filter_that_denies(
    line: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain, hit, made_up, again = talk("MKD b", "MKD aaa", f"MKD {MADE_UP}", f"MKD {MADE_UP}c", conf=f"{line} {SLOW}\n")
    assert plain.startswith("257 ")
    assert hit == f"550 aaa: Forbidden {kind}"
    assert made_up == f"550 {MADE_UP}: Forbidden {kind}"
    assert again.startswith("550 ")
    assert given_up(caplog) == [line]


@needs_pcre
@pytest.mark.parametrize("line", ["AllowFilter", "PathAllowFilter"])
def test_nor_is_it_taken_by_one_that_allows(line: str, caplog: pytest.LogCaptureFixture) -> None:
    fits, other, made_up = talk("MKD aaa", "MKD c", f"MKD {MADE_UP}", conf=f'{line} "{SLOW}|^tom$"\n')
    assert fits.startswith("257 ")
    assert other.startswith("550 c: Forbidden ")
    assert made_up.startswith(f"550 {MADE_UP}: Forbidden ")
    assert given_up(caplog) == [line]


@needs_pcre
def test_the_log_names_the_line(caplog: pytest.LogCaptureFixture) -> None:
    talk(f"MKD {MADE_UP}", conf=f"PathDenyFilter {SLOW}\n")
    told = next(record.getMessage() for record in caplog.records if "given up" in record.getMessage())
    assert "proftpd.conf:2: PathDenyFilter: the search for '^(a+)+$' in a text of 41 letters" in told


@needs_pcre
@pytest.mark.parametrize("negated", ["", "!"])
def test_hidefiles_hides_it(negated: str, caplog: pytest.LogCaptureFixture) -> None:
    conf = f"<Directory ~>\nHideFiles {negated}{SLOW}\n<Limit ALL>\nIgnoreHidden on\n</Limit>\n</Directory>\n"
    files = {"aaa": b"", "c": b"", MADE_UP: b""}
    replies = talk("MDTM aaa", "MDTM c", f"MDTM {MADE_UP}", conf=conf, files=files)
    shown = [reply.startswith("213 ") for reply in replies]
    assert shown == [bool(negated), not negated, False]
    assert given_up(caplog) == ["HideFiles"]


@needs_pcre
def test_the_filters_of_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    conf = f"<Limit MKD>\nDenyFilter {SLOW}\n</Limit>\n<Limit DELE>\nAllowFilter {SLOW}\nDenyAll\n</Limit>\n"
    lines = ["MKD b", "MKD aaa", f"MKD {MADE_UP}", "DELE aa", f"DELE {MADE_UP}"]
    replies = talk(*lines, conf=conf, files={"aa": b"", MADE_UP: b""})
    assert [reply[:3] for reply in replies] == ["257", "550", "550", "250", "550"]
    assert given_up(caplog) == ["DenyFilter", "AllowFilter"]


@needs_pcre
@pytest.mark.parametrize(
    ("user", "line", "enters"),
    [
        ("aaa", "DenyUser", False),
        ("c", "DenyUser", True),
        (MADE_UP, "DenyUser", False),
        ("aaa", "AllowUser", True),
        ("c", "AllowUser", False),
        (MADE_UP, "AllowUser", False),
        # on a bench each user has a group of that name
        (MADE_UP, "DenyGroup", False),
        (MADE_UP, "AllowGroup", False),
        ("aaa", "AllowGroup", True),
    ],
)
def test_users_and_groups(user: str, line: str, enters: bool, caplog: pytest.LogCaptureFixture) -> None:
    otherwise = "DenyAll\n" if line.startswith("Allow") else ""
    conf = f"<Limit LOGIN>\n{line} regex {SLOW}\n{otherwise}</Limit>\n"
    replies = talk(f"USER {user}", "PASS x", conf=conf, users={user: "x"}, login=None)
    assert replies[1].startswith("230 " if enters else "530 ")
    assert given_up(caplog) == ([line] if user == MADE_UP else [])


@needs_pcre
@pytest.mark.parametrize(
    ("name", "line", "may"),
    [
        ("aaa", "AllowClass", True),
        ("c", "DenyClass", True),
        (MADE_UP, "AllowClass", False),
        (MADE_UP, "DenyClass", False),
    ],
)
def test_classes(name: str, line: str, may: bool, caplog: pytest.LogCaptureFixture) -> None:
    otherwise = "DenyAll\n" if line.startswith("Allow") else ""

    async def story() -> str:
        async with Bench(conf=f"{HOME}<Limit MKD>\n{line} regex {SLOW}\n{otherwise}</Limit>\n") as ftp:
            ftp.session.class_name = name
            return await ftp("MKD x")

    assert asyncio.run(story()).startswith("257 " if may else "550 ")
    assert given_up(caplog) == ([line] if name == MADE_UP else [])


@needs_pcre
@pytest.mark.parametrize(
    ("pattern", "password", "enters"),
    [
        (SLOW, "b", True),
        (SLOW, "aa", False),
        (SLOW, MADE_UP, False),
        ("!" + SLOW, MADE_UP, False),
        ("!" + SLOW, "a", True),
    ],
)
def test_passwords_of_guests(pattern: str, password: str, enters: bool) -> None:
    conf = f"<Anonymous {{root}}>\nUser tom\nAnonRejectPasswords {pattern}\n</Anonymous>\n"
    replies = talk("USER tom", f"PASS {password}", conf=conf, login=None)
    assert replies[1].startswith("230 " if enters else "530 ")


@needs_pcre
@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (f"RewriteCondition %m ^MKD$\nRewriteRule {SLOW} new", "RewriteRule"),
        (f"RewriteCondition %f {SLOW}\nRewriteRule .* new", "RewriteCondition"),
    ],
)
def test_rules_that_rewrite_refuse_it(lines: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    conf = f"LoadModule mod_rewrite.c\nRewriteEngine on\n{lines}\n"
    hit, other, made_up = talk("MKD aa", "MKD other", f"MKD {MADE_UP}", conf=conf)
    assert hit.startswith('257 "/new"')
    assert other.startswith('257 "/other"')
    assert made_up == "501 MKD: the argument takes too long to be compared"
    assert given_up(caplog) == [name]


@needs_pcre
def test_a_ftpaccess_file(caplog: pytest.LogCaptureFixture) -> None:
    files = {"in/.ftpaccess": f"PathDenyFilter {SLOW}\n".encode()}
    replies = talk("CWD in", "MKD b", "MKD aaa", f"MKD {MADE_UP}", files=files)
    assert [reply[:3] for reply in replies] == ["250", "257", "550", "550"]
    assert given_up(caplog) == ["PathDenyFilter"]


def test_a_name_of_two_thousand_folders_is_not_looked_for_in_each() -> None:
    deep = "a/" * 2000
    files = {"/".join("d" * 20) + "/.ftpaccess": b"<Limit MKD>\nDenyAll\n</Limit>\n"}
    inside = "/".join("d" * 20)
    replies = talk(f"CWD {deep}", f"MKD {inside}/x", f"MKD {inside}/x/{deep}", f"MKD {inside[:-2]}/y", files=files)
    assert [reply[:3] for reply in replies] == ["550", "550", "550", "257"]


# -- texts that are long, or no text at all ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name", "denied"),
    [
        (r"\.exe$", "a" * 3000 + ".exe", True),
        (r"\.exe$", "a/" * 1500 + "b.exf", False),
        (r"(\.ftpaccess|\.htaccess)$", "a" * 200 + ".ftpaccess", True),
        # bytes that are no UTF-8 are bytes all the same
        (r"^.\.exe$", "\udcff.exe", True),
        (r"^\W+$", "\udcff\udcfe", True),
        ("[^ -~]", "\udcff", True),
        ("^é.$", "é\udcff", True),
        ("^[é-ü]$", "ï", True),
        ("É", "é", False),
        # $ and ^ are the end and the beginning, whatever lies between
        ("b$", "b\nc", False),
        ("^c", "b\nc", False),
        ("b.c", "b\nc", True),
    ],
)
def test_names(pattern: str, name: str, denied: bool) -> None:
    quoted = pattern.replace("\\", "\\\\")
    reply = talk(f"DELE {name}", conf=f'CommandBufferSize 8192\nPathDenyFilter "{quoted}"\n')[0]
    assert ("Forbidden filename" in reply) is denied


@needs_pcre
def test_case_does_not_count_beyond_ascii() -> None:
    assert "Forbidden" in talk("DELE É", conf="PathDenyFilter é [NC]\n")[0]


@pytest.mark.parametrize(("second", "told"), [("^a", 0), ("^a [NC]", 1), ("^b", 1)])
def test_a_line_that_says_the_same_again_is_no_mistake(second: str, told: int) -> None:
    async def story() -> int:
        async with Bench(conf=f"DenyFilter ^a\nDenyFilter {second}\n") as ftp:
            assert ftp.generation is not None
            return len(ftp.generation.config.warnings)

    assert asyncio.run(story()) == told


# -- RegexOptions ----------------------------------------------------------------------------------------------


@needs_pcre
def test_it_says_how_many_steps_there_are(caplog: pytest.LogCaptureFixture) -> None:
    name = "a" * 12 + "b"
    assert talk(f"MKD {name}", conf=f"RegexOptions MatchLimit 100\nDenyFilter {SLOW}\n")[0].startswith("550 ")
    assert talk(f"MKD {name}", conf=f"RegexOptions MatchLimit 100000\nDenyFilter {SLOW}\n")[0].startswith("257 ")
    assert given_up(caplog) == ["DenyFilter"]


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


@pytest.mark.parametrize("line", ["RegexOptions MatchLimit 1000", "RegexOptions Engine POSIX", ""])
def test_ordinary_patterns_mean_the_same(line: str) -> None:
    conf = f'{HOME}{line}\nPathAllowFilter "^[[:alnum:]_./-]+$"\nPathDenyFilter "\\\\.(exe|com)$" [NC]\n'
    said = talk("MKD a_1", "MKD a%1", "MKD x.EXE", "MKD x.txt", conf=conf)
    assert [reply[:3] for reply in said] == ["257", "550", "550", "257"]


@pytest.mark.parametrize(
    ("engine", "denied"), [("", [True, False]), ("Engine POSIX", [True, True]), ("Engine PCRE2", [False, False])]
)
def test_the_engine_says_whose_words_they_are(engine: str, denied: list[bool]) -> None:
    # \< begins a word to POSIX, and is a < to PCRE; [\.] holds a backslash to POSIX only
    conf = f'{f"RegexOptions {engine}" if engine else ""}\nPathDenyFilter "(\\\\<exe$)|([\\\\.]$)"\n'
    replies = talk("DELE exe", "DELE a\\", conf=conf)
    assert ["Forbidden" in reply for reply in replies] == denied


@needs_pcre
def test_a_pattern_that_is_none_is_told_with_the_librarys_words() -> None:
    with pytest.raises(ConfigFaults, match="failed regex compilation: missing closing parenthesis at position 1"):
        talk("NOOP", conf='DenyFilter "("\n')


@needs_pcre
def test_what_one_configuration_says_is_nothing_to_the_next() -> None:
    talk("NOOP", conf=f"RegexOptions MatchLimit 1\nDenyFilter {SLOW}\n")
    assert talk("MKD aaaa", conf=f"{HOME}PathAllowFilter {SLOW}\n")[0].startswith("257 ")


# -- without libpcre2 --------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without libpcre2."""
    monkeypatch.setattr(pcre, "library", lambda: None)


@pytest.mark.usefixtures("bare")
def test_without_the_library_the_line_is_warned_of() -> None:
    async def story() -> list[str]:
        async with Bench(conf="RegexOptions MatchLimit 5\nDenyFilter ^x\n") as ftp:
            assert ftp.generation is not None
            assert (await ftp("MKD xx")).startswith("550 xx: Forbidden")
            return [fault.message for fault in ftp.generation.config.warnings]

    assert asyncio.run(story()) == [
        "has no effect: there is no libpcre2 on this machine, which counts the steps of a pattern"
    ]


@pytest.mark.usefixtures("bare")
def test_without_the_library_a_name_made_up_is_simply_compared() -> None:
    plain, hit, made_up = talk("MKD b", "MKD aaa", f"MKD {MADE_UP}", conf=f"PathDenyFilter {SLOW}\n")
    assert plain.startswith("257 ")
    assert hit == "550 aaa: Forbidden filename"
    assert made_up.startswith("257 ")


@pytest.mark.usefixtures("bare")
def test_without_the_library_a_pattern_that_nobody_could_give_up_is_a_fault() -> None:
    with pytest.raises(ConfigFaults) as caught:
        talk("NOOP", conf='DenyFilter "^((a+)+)\\\\1$"\n')
    (fault,) = caught.value.faults
    assert fault.message.startswith("'^((a+)+)\\1$' failed regex compilation: there is no libpcre2")
    assert fault.right.startswith("install libpcre2")


@pytest.mark.usefixtures("bare")
def test_without_the_library_a_text_is_not_too_long_for_a_back_reference(caplog: pytest.LogCaptureFixture) -> None:
    plain, hit, long = talk("MKD ab", "MKD abab", f"MKD {'ab' * 600}c", conf='PathDenyFilter "(a[a-z]*)\\\\1$"\n')
    assert plain.startswith("257 ")
    assert hit == "550 abab: Forbidden filename"
    assert long.endswith(": Forbidden filename")
    assert given_up(caplog) == ["PathDenyFilter"]
