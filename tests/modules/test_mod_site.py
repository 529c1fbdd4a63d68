"""SITE HELP, SITE CHMOD, SITE CHGRP, and the SITE commands that do not exist."""

from __future__ import annotations

import asyncio
import os
import stat

import pytest
from core_ground import HOME, last, talk

from ftpd.modules.mod_site import new_mode
from ftpd.testing import Bench

TREE = {"a.txt": b"a", "with blank.txt": b"b", "sub/": b""}
DONE = "200 SITE CHMOD command successful"


def test_site_help_lists_what_there_is() -> None:
    header = "214-The following SITE commands are recognized (* =>'s unimplemented)"
    footer = "214 Direct comments to admin@example.org"
    conf = "ServerAdmin admin@example.org\n"
    assert talk("SITE HELP", "site help chmod", "SITE HELP FOO", login=None, conf=conf) == [
        f"{header}\n HELP\n CHGRP\n CHMOD\n{footer}",
        f"{header}\n Syntax: SITE CHMOD <sp> mode <sp> pathname\n{footer}",
        "502 Unknown command 'SITE HELP FOO'",
    ]


def test_unknown_site_commands() -> None:
    assert talk("SITE", "SITE foo x y", "SITE EXEC ls", "SITE \u0131dle 5", "SITE  HELP", login=None) == [
        "500 'SITE' requires parameters",
        "500 'SITE FOO' not understood",
        "500 'SITE EXEC' not understood",
        "500 'SITE \u0131dle' not understood",
        "500 'SITE ' not understood",
    ]


def test_nothing_is_changed_before_login() -> None:
    assert (
        talk("SITE CHMOD 644 a.txt", "SITE CHGRP root a.txt", login=None) == ["530 Please login with USER and PASS"] * 2
    )


def modes(*lines: str, name: str = "a.txt", conf: str = "") -> tuple[list[str], int]:
    async def story() -> tuple[list[str], int]:
        async with Bench(conf=HOME + conf, files=TREE) as ftp:
            os.chmod(os.path.join(ftp.root, name), 0o644)
            replies = [await ftp(line) for line in lines]
            return replies, stat.S_IMODE(os.stat(os.path.join(ftp.root, name)).st_mode)

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("mode", "after"),
    [
        ("600", 0o600),
        ("0640", 0o640),
        ("u+x", 0o744),
        ("u=rwx,g=rx,o=", 0o750),
        ("a-r", 0o200),
        ("go=u", 0o666),
        ("+X", 0o644),
    ],
)
def test_chmod_octal_and_symbolic(mode: str, after: int) -> None:
    assert modes(f"SITE CHMOD {mode} a.txt") == ([DONE], after)


@pytest.mark.parametrize("mode", ["4755", "2755", "1777", "77777", "u+s", "+t"])
def test_chmod_does_not_set_special_bits(mode: str) -> None:
    replies, after = modes(f"SITE CHMOD {mode} a.txt")
    assert replies == [f"550 CHMOD {mode} a.txt: Operation not permitted"]
    assert after == 0o644


@pytest.mark.parametrize("mode", ["99", "abc", "a-x,u+q", "u", "", "777777", "u+x,"])
def test_chmod_refuses_what_is_no_mode(mode: str) -> None:
    replies, after = modes(f"SITE CHMOD {mode} a.txt")
    assert replies == [f"550 '{mode}': invalid mode"]
    assert after == 0o644


def test_chmod_of_names_with_blanks_folders_and_nothing() -> None:
    lines = (
        "SITE CHMOD 600 with blank.txt",
        "SITE CHMOD 700 sub",
        "SITE CHMOD 600 nope",
        "SITE CHMOD 600",
        "SITE CHMOD",
    )
    assert modes(*lines, name="with blank.txt") == (
        [
            DONE,
            DONE,
            "550 nope: No such file or directory",
            "500-'SITE CHMOD 600' not understood\n500 SITE not understood",
            "500-'SITE CHMOD' not understood\n500 SITE not understood",
        ],
        0o600,
    )


@pytest.mark.parametrize("limited", ["SITE_CHMOD", "WRITE", "ALL"])
def test_limit_keeps_modes_as_they_are(limited: str) -> None:
    conf = f"<Limit {limited}>\nDenyAll\n</Limit>\n"
    assert modes("SITE CHMOD 600 a.txt", conf=conf) == (["550 CHMOD 600 a.txt: Permission denied"], 0o644)


@pytest.mark.parametrize("name", ["a.txt", "nope"])
@pytest.mark.parametrize("mode", ["zzz", "999", "u+q"])
def test_what_is_no_mode_is_told_of_before_limit_is_asked_and_nothing_of_the_file(mode: str, name: str) -> None:
    conf = "<Limit SITE_CHMOD>\nDenyAll\n</Limit>\n"
    assert modes(f"SITE CHMOD {mode} {name}", conf=conf) == ([f"550 '{mode}': invalid mode"], 0o644)


def test_limit_site_does_not_mean_its_sub_commands() -> None:
    assert modes("SITE CHMOD 600 a.txt", conf="<Limit SITE>\nDenyAll\n</Limit>\n") == ([DONE], 0o600)


def test_symbolic_modes_know_folders() -> None:
    assert new_mode("a+X", 0o040600) == 0o711
    assert new_mode("a+X", 0o100600) == 0o600
    assert new_mode("a+X", 0o100700) == 0o711


def test_chgrp_to_ones_own_group() -> None:
    gid = os.getegid()
    lines = (f"SITE CHGRP {gid} a.txt", "SITE CHGRP nosuchgroup a.txt", f"SITE CHGRP {gid} nope", "SITE CHGRP x")
    assert talk(*lines, files=TREE) == [
        "200 SITE CHGRP command successful",
        "550 a.txt: Invalid argument",
        "550 nope: No such file or directory",
        "500-'SITE CHGRP x' not understood\n500 SITE not understood",
    ]


def test_limit_on_chgrp() -> None:
    conf = "<Limit SITE_CHGRP>\nDenyAll\n</Limit>\n"
    assert last(f"SITE CHGRP {os.getegid()} a.txt", files=TREE, conf=conf).endswith(" a.txt: Permission denied")
    lines = ("SITE CHGRP nosuchgroup a.txt", "SITE CHGRP nosuchgroup nope", "SITE CHGRP 0 nope")
    assert talk(*lines, files=TREE, conf=conf) == [
        "550 a.txt: Invalid argument",
        "550 nope: Invalid argument",
        "550 nope: Permission denied",
    ]


def test_site_help_shows_what_is_switched_on() -> None:
    async def shown(conf: str) -> tuple[str, str]:
        async with Bench(conf=f"LoadModule mod_copy.c\nLoadModule mod_digest.c\n{conf}") as ftp:
            return await ftp("SITE HELP"), await ftp("HELP")

    site, verbs = asyncio.run(shown(""))
    assert "CPFR" in site and "XSHA256" in verbs
    site, verbs = asyncio.run(shown("CopyEngine off\nDigestEngine off\n"))
    assert "CPFR" not in site and "XSHA256" not in verbs


def test_what_other_modules_have_stands_first_that_of_the_last_one_loaded_at_the_top() -> None:
    async def story() -> tuple[str, str]:
        async with Bench(conf="LoadModule mod_copy.c\nLoadModule mod_site_misc.c\nServerAdmin me\n") as ftp:
            return await ftp("SITE HELP"), await ftp("HELP SITE")

    everything, own = asyncio.run(story())
    assert everything.splitlines()[1:] == [
        " UTIME <sp> YYYYMMDDhhmm[ss] <sp> path",
        " SYMLINK <sp> source <sp> destination",
        " RMDIR <sp> path",
        " MKDIR <sp> path",
        " CPFR <sp> pathname",
        " CPTO <sp> pathname",
        " HELP",
        " CHGRP",
        " CHMOD",
        "214 Direct comments to me",
    ]
    assert own == "214-HELP\n CHGRP\n214 CHMOD"


def test_the_syntax_of_site_help_and_a_name_behind_two_blanks() -> None:
    syntax, nothing = talk("SITE HELP HELP", "SITE HELP  CHMOD", login=None)
    assert syntax.splitlines()[1] == " Syntax: SITE HELP [<sp> site-command]"
    assert nothing == "502 Unknown command 'SITE HELP  CHMOD'"


def test_what_limit_says_of_site_help_holds_for_help_site() -> None:
    conf = "<Limit SITE_HELP>\nDenyAll\n</Limit>\n"
    assert talk("HELP SITE", "HELP SITE CHMOD", "HELP RETR", login=None, conf=conf) == [
        "501 HELP: Permission denied", "501 HELP: Permission denied", "214 Syntax: RETR <sp> pathname",
    ]  # fmt: skip


def test_site_help_says_nothing_of_a_verb_that_is_switched_off() -> None:
    async def story() -> str:
        async with Bench(conf="LoadModule mod_copy.c\nCopyEngine off\n") as ftp:
            return await ftp("SITE HELP CPFR")

    assert asyncio.run(story()) == "502 Unknown command 'SITE HELP CPFR'"
