"""Ways around a <Limit>, a filter or an anonymous area that do not lead around it (security.md S20, S45, S48, S57)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from core_ground import HOME, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench

TREE = {"a.txt": b"a", "keep/f": b"f", "free/g": b"g", "b.txt": b"b"}
NO_MKD = "<Limit MKD RMD CDUP>\nDenyAll\n</Limit>\n"


@pytest.mark.parametrize(
    "line", ["MKD x", "mkd x", "Mkd x", "XMKD x", "xmkd x", "RMD keep", "XRMD keep", "CDUP", "xcup"]
)
def test_s20_no_way_of_writing_a_verb_is_another_verb(line: str) -> None:
    reply = talk("CWD keep", line, conf=NO_MKD, files=TREE)[1]
    assert reply.startswith("550 "), reply


@pytest.mark.parametrize("line", ["site chmod 600 a.txt", "SITE chmod 600 a.txt", "SITE CHMOD 600  a.txt"])
def test_s20_no_way_of_writing_a_site_command_is_another(line: str) -> None:
    assert talk(line, conf="<Limit SITE_CHMOD>\nDenyAll\n</Limit>\n", files=TREE)[0].startswith("550 CHMOD 600 ")


@pytest.mark.parametrize(
    "path",
    [
        "keep/f",
        "./keep/f",
        "keep//f",
        "free/../keep/f",
        "/keep/./f",
        "keep/../keep/f",
        "//keep///f",
        "way/f",
        "free/way/f",
    ],
)
def test_s20_no_way_of_writing_a_path_is_another_path(path: str) -> None:
    async def story() -> list[str]:
        conf = HOME + "<Directory ~/keep>\n<Limit DELE>\nDenyAll\n</Limit>\n</Directory>\n"
        async with Bench(conf=conf, files=TREE) as ftp:
            Path(ftp.root, "way").symlink_to("keep")
            Path(ftp.root, "free/way").symlink_to("../keep")
            return [await ftp(f"DELE {path}"), await ftp("DELE free/g")]

    assert asyncio.run(story()) == [f"550 {path}: Operation not permitted", "250 DELE command successful"]


def test_a_path_that_was_let_pass_is_asked_for_again_when_a_link_or_a_file_speaks_of_it() -> None:
    conf = HOME + (
        "AllowOverwrite on\n<Directory ~/keep>\n<Limit DIRS>\nDenyAll\n</Limit>\n</Directory>\n"
        '<Limit MKD>\nDenyFilter "x$"\n</Limit>\n'
    )

    async def story() -> None:
        async with Bench(conf=conf, files={**TREE, "free/in/h": b"h"}) as ftp:
            for _ in range(3):
                assert (await ftp("CWD /free/in")).startswith("250 ")
                assert await ftp("CWD /keep") == "550 /keep: No such file or directory"
            assert (await ftp("MKD /new")).startswith("257 ")
            assert (await ftp("RMD /new")).startswith("250 ")
            assert (await ftp("MKD /x")).startswith("550 "), "a filter sees each argument anew"
            assert (await ftp("CWD /")).startswith("250 ")
            Path(ftp.root, "free/in").rename(Path(ftp.root, "free/was"))
            Path(ftp.root, "free/in").symlink_to("../keep")
            assert await ftp("CWD /free/in") == "550 /free/in: No such file or directory"
            assert (await ftp("CWD /free/was")).startswith("250 ")
            assert (await ftp("CWD /free/was")).startswith("250 ")
            # a client's own word is heard at once
            Path(ftp.root, "free/was/h").write_text("<Limit DIRS>\nDenyAll\n</Limit>\n")
            assert (await ftp("RNFR /free/was/h")).startswith("350 ")
            assert (await ftp("RNTO /free/was/.ftpaccess")).startswith("250 ")
            assert await ftp("CWD /free/was") == "550 /free/was: No such file or directory"

    asyncio.run(story())


# -- anonymous areas -----------------------------------------------------------------------------------------

AREA = """\
<Anonymous {root}>
  User tom
  UserAlias anonymous tom
  UserAlias * tom
  AnonRequirePassword off
  <Limit WRITE>
    DenyAll
  </Limit>
  <Directory free>
    AllowOverwrite off
    <Limit STOR>
      AllowAll
    </Limit>
    <Limit READ DIRS>
      DenyAll
    </Limit>
    <Limit CWD CDUP PWD>
      AllowAll
    </Limit>
  </Directory>
</Anonymous>
"""


@pytest.mark.parametrize("login", ["anonymous", "anybody"])
def test_s45_limits_of_an_anonymous_area_hold_by_whatever_alias_it_is_entered(login: str) -> None:
    async def story() -> list[str]:
        async with Bench(conf=AREA, files=TREE, login=None) as ftp:
            await ftp(f"USER {login}")
            assert (await ftp("PASS a@b")).startswith("230 ")
            lines = ["DELE a.txt", "MKD free/x", "RETR free/g", "DELE free/g", "MDTM free/g"]
            told = [await ftp(line) for line in lines]
            told += [(await ftp.upload("STOR a.txt", b"x")), (await ftp.upload("STOR free/new", b"x"))]
            told += [await ftp("SIZE free/new"), await ftp.upload("STOR free/g", b"x"), await ftp("RETR free/new")]
            return [reply.splitlines()[-1][:3] for reply in told]

    assert asyncio.run(story()) == ["550"] * 5 + ["550", "226", "550", "550", "550"]


# -- addresses and patterns in the configuration ---------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Deny from 10.0.0.0/33", "Deny from ::/129", "Deny from 10.0.0.0/-1", "Deny from 300.1.2.3", "Deny from !",
        "Deny from !all", "Deny", "DenyUser regex [", "DenyUser !", "DenyFilter (", "DenyGroup AND",
        "DenyUser ,", "DenyUser OR ,,", 'DenyGroup ""', "DenyGroup !", 'AllowUser ""', "AllowUser !", "AllowUser OR",
        "AllowUser regex", "AllowGroup staff,!", 'AllowGroup AND staff ""', "DenyClass ,",
        "Order deny", "DenyClass regex a b", "Deny from 10.0.0.0/x",
    ],
)  # fmt: skip
def test_s48_a_rule_that_cannot_be_understood_is_a_fault_of_the_configuration(line: str) -> None:
    with pytest.raises(ConfigFaults):
        talk("NOOP", conf=f"<Limit NOOP>\n{line}\n</Limit>\n")


@pytest.mark.parametrize(
    ("line", "denied"),
    [
        ("Deny from 0.0.0.0/0", True),
        ("Deny from ::/0", False),
        ("Deny from ::ffff:127.0.0.0/104", True),
        ("Deny from 127.0.0.1/32", True),
        ("Deny from !127.0.0.1", False),
        ("Deny from !10.0.0.1", True),
        ("DenyFilter {[}\\]]", False),
        ("DenyClass here", True),
        ("DenyClass !here", False),
    ],
)
def test_s48_a_rule_means_what_its_page_says(line: str, denied: bool) -> None:
    conf = f"<Class here>\nFrom 127.0.0.1\n</Class>\n<Limit NOOP>\n{line}\n</Limit>\n"

    async def story() -> str:
        async with Bench(conf=conf) as ftp:
            assert ftp.session is not None
            ftp.session.class_name = "here"
            return await ftp("NOOP")

    assert asyncio.run(story()).startswith("550" if denied else "200")


# -- renaming ----------------------------------------------------------------------------------------------


def test_s57_a_rename_needs_leave_at_both_ends() -> None:
    conf = "<Directory ~/keep>\n<Limit RNFR RNTO>\nDenyAll\n</Limit>\n</Directory>\nPathDenyFilter \\.exe$\n"
    lines = ["RNFR keep/f", "RNFR free/g", "RNTO keep/g", "RNFR free/g", "RNTO g.exe", "RNFR a.txt", "RNTO b.txt"]
    assert talk(*lines, conf=conf, files=TREE) == [
        "550 keep/f: Operation not permitted",
        "350 File or directory exists, ready for destination name",
        "550 keep/g: Operation not permitted",
        "350 File or directory exists, ready for destination name",
        "550 g.exe: Forbidden filename",
        "350 File or directory exists, ready for destination name",
        "550 b.txt: Rename permission denied",
    ]
