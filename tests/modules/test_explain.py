"""``explain USER PATH COMMAND``: the verdict is that of the gate, and the lines named are those that decide."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from core_ground import HOME

from ftpd.daemon.explain import Unclear, explain, question
from ftpd.fs.local import LocalFiles
from ftpd.testing import Bench

CONF = (
    HOME
    + """\
Umask 022
<Class here>
  From 127.0.0.1
</Class>
<Limit WRITE>
  DenyClass !here
</Limit>
<Limit DELE>
  AllowAll
</Limit>
PathDenyFilter \\.exe$
<Directory ~>
  AllowOverwrite on
</Directory>
<Directory ~/in>
  Umask 077
  <Limit STOR>
    Order deny,allow
    DenyUser tom
    DenyUser ann
  </Limit>
</Directory>
"""
)
TREE = {"in/f": b"f", "out/.ftpaccess": b"<Limit RETR>\nDenyAll\n</Limit>\n", "out/h": b"h"}


def answer(asked: str, conf: str = CONF, **bench: Any) -> str:
    async def story() -> str:
        async with Bench(conf=conf, files=TREE, **bench) as ftp:
            assert ftp.generation is not None
            return "\n".join(await explain(ftp.generation, question([asked])))

    return asyncio.run(story())


def test_it_names_the_line_that_denies_and_those_that_come_too_late() -> None:
    told = answer("tom in/f STOR")
    assert told.startswith("tom may not STOR in/f\n")
    assert "STOR: <Limit STOR> in <Directory ~/in>" in told and "DENIES: line" in told and "DenyUser tom" in told
    assert "Limit     is asked for STOR, then WRITE, then ALL" in told
    assert "WRITE: <Limit WRITE>" in told and "says nothing of this client" in told


def test_it_says_who_the_user_is_and_where_the_session_begins() -> None:
    told = answer("tom in/f RETR")
    assert told.startswith("tom may RETR in/f\n")
    assert "Who       tom: uid " in told and "of class here" in told
    assert "no <Limit LOGIN> is in the way" in told
    assert "Begins    in /, home " in told and "Path      /in/f\n" in told and "on the machine " in told


def test_it_names_what_is_in_force_and_what_loses() -> None:
    told = answer("tom in/new MKD")
    assert "Umask 077" in told and "not line" in told and "Umask 022" in told and "further out, it loses" in told
    assert "files with mode 0600 and folders with mode 0700" in told


def test_a_section_beside_the_one_that_counts_is_told_of() -> None:
    assert "<Directory ~>" in answer("tom in/f RETR").partition("Not in")[2].partition("Limit ")[0]


def test_a_ftpaccess_file_is_named_whether_it_counts_or_not() -> None:
    told = answer("tom out/h RETR")
    assert told.startswith("tom may not RETR out/h\n") and "DENIES: line 2: DenyAll" in told
    told = answer("tom out/h RETR", CONF + "AllowOverride off\n")
    assert told.startswith("tom may RETR out/h\n")
    assert "out/.ftpaccess  is there, but AllowOverride is off for it" in told


def test_an_address_may_be_asked_for() -> None:
    conf = "<Class lan>\nFrom 10.0.0.0/8\n</Class>\n<Limit RETR>\nAllowClass lan\nDenyAll\n</Limit>\n"
    assert answer("tom in/f RETR", HOME + conf).startswith("tom may not RETR")
    assert answer("tom in/f RETR from 10.1.2.3", HOME + conf).startswith("tom may RETR")


@pytest.mark.parametrize("line", ["MKD in/a.exe", "RNTO in/a.exe", "SITE CHMOD in/a.exe"])
def test_a_name_that_a_filter_refuses_is_told(line: str) -> None:
    verb, _, path = line.rpartition(" ")
    told = answer(f"tom {path} {verb}")
    assert told.startswith(f"tom may not {verb} in/a.exe") and "Filter    REFUSES: 550" in told


@pytest.mark.parametrize(
    "line", ["DELE in/f", "STOR in/f", "RETR out/h", "CWD in", "MKD x", "MKD x.exe", "SIZE out/h", "RMD out"]
)
def test_it_comes_to_what_the_gate_comes_to(line: str) -> None:
    async def story() -> tuple[str, str]:
        async with Bench(conf=CONF, files=TREE) as ftp:
            assert ftp.generation is not None
            verb, path = line.split()
            told = await explain(ftp.generation, question([f"tom {path} {verb}"]))
            await ftp("TYPE I")
            reply = await (ftp.upload(line, b"x") if verb == "STOR" else ftp(line))
            return told[0], reply

    told, reply = asyncio.run(story())
    refused = "not permitted" in reply or "Permission denied" in reply or "Forbidden" in reply
    assert told.startswith("tom may not") == refused, (told, reply)


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        ("in/new STOR", "it may not write /in"),
        ("in/f APPE", "it may not write /in/f"),
        ("in/f DELE", "it may not write /in"),
        ("in/f RETR", ""),
        ("in LIST", ""),
        ("in/f SIZE", ""),
        ("gone/new STOR", ""),
    ],
)
def test_a_right_that_is_lacking_on_disk_is_named_beside_the_verdict(
    monkeypatch: pytest.MonkeyPatch, asked: str, lacking: str
) -> None:
    allowed = f"tom may {asked.split()[1]} {asked.split()[0]}"
    conf = HOME + "AllowOverwrite on\nAllowStoreRestart on\n"
    assert answer(f"tom {asked}", conf).splitlines()[0] == allowed
    monkeypatch.setattr(LocalFiles, "access", lambda files, path, mode: mode != os.W_OK)
    told = answer(f"tom {asked}", conf).splitlines()[0]
    assert told == (f"{allowed} by the configuration, but the system refuses it: {lacking}" if lacking else allowed)
    monkeypatch.setattr(LocalFiles, "access", lambda files, path, mode: mode == os.W_OK)
    told = answer(f"tom {asked}", conf).splitlines()[0]
    wanted = {"RETR": "read /in/f", "LIST": "read /in", "DELE": "enter /in", "STOR": "enter /in"}.get(asked.split()[1])
    assert told.endswith(f": it may not {wanted}" if wanted and "gone" not in asked else allowed)


def test_what_the_configuration_refuses_says_nothing_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalFiles, "access", lambda files, path, mode: False)
    assert answer("tom in/f STOR").splitlines()[0] == "tom may not STOR in/f"


def test_who_is_not_let_in_is_told_why() -> None:
    told = answer("nobody-at-all in/f RETR")
    assert told.startswith("nobody-at-all is not let in: ")
    assert told.endswith(" from 127.0.0.1 [127.0.0.1] to 127.0.0.1:21")


def test_the_login_is_judged_too() -> None:
    told = answer("tom in/f RETR", HOME + "<Limit LOGIN>\nDenyUser tom\n</Limit>\n", login=None)
    assert "DENIES: line" in told and "so PASS answers 530" in told and told.startswith("tom may not RETR")


@pytest.mark.parametrize(
    "asked", ["", "tom", "tom x", "tom x STOR now", "tom x STOR from nowhere", 'tom "x STOR', "tom x FOO"]
)
def test_what_cannot_be_meant_is_refused(asked: str) -> None:
    with pytest.raises(Unclear):
        answer(asked)


def test_nothing_of_a_hostile_name_can_forge_a_line() -> None:
    told = answer("tom 'in/a\n\x1b[31mtom may STOR' RETR")
    assert "\x1b" not in told and not any(line.startswith("\x1b") for line in told.splitlines())


HIDDEN = (
    HOME
    + """\
<Directory ~>
  HideFiles ^\\.
  <Limit RETR DELE>
    IgnoreHidden on
  </Limit>
  <Limit DELE>
    AllowAll
  </Limit>
</Directory>
<Directory ~/in>
  HideFiles ^\\.
  <Limit DELE>
    IgnoreHidden off
  </Limit>
</Directory>
"""
)


def hidden(asked: str) -> tuple[str, str]:
    """The verdict, and the row that tells of hiding."""
    told = answer(asked, conf=HIDDEN)
    return told.splitlines()[0], told.partition("Hidden")[2].partition("In force")[0]


def test_what_hides_a_file_is_named_and_which_ignorehidden_makes_it_not_there() -> None:
    verdict, row = hidden("tom .key RETR")
    assert verdict == "tom may not RETR .key"
    assert "HideFiles ^\\." in row and "for this command it is not there: line" in row and "IgnoreHidden on" in row


def test_where_ignorehidden_is_off_or_not_there_a_hidden_file_may_be_used() -> None:
    verdict, row = hidden("tom in/.key DELE")
    assert verdict == "tom may DELE in/.key"
    assert "this command finds it: line" in row and "IgnoreHidden off" in row
    verdict, row = hidden("tom .key STOR")
    assert verdict == "tom may STOR .key" and "without an IgnoreHidden every other command finds it" in row
    assert hidden("tom key RETR") == ("tom may RETR key", "")


def test_the_hiding_line_is_the_one_that_is_for_this_user() -> None:
    conf = HOME + "<Directory ~>\nHideFiles x user ann\nHideFiles key user tom\nHideUser ~\n</Directory>\n"
    told = answer("tom key RETR", conf=conf)
    assert "HideFiles key user tom" in told.partition("Hidden")[2].partition("In force")[0]
    assert "HideFiles x" not in told.partition("Hidden")[2].partition("In force")[0]
    assert "HideUser ~" in answer("tom in/f RETR", conf=conf).partition("Hidden")[2].partition("In force")[0]


@pytest.mark.parametrize(
    ("asked", "directive"), [("STOR", "AllowOverwrite"), ("RNTO", "AllowOverwrite"), ("APPE", "AllowStoreRestart")]
)
def test_what_is_there_may_be_protected(asked: str, directive: str) -> None:
    conf = f"{HOME}AllowOverwrite on\nAllowStoreRestart on\n<Directory ~/in>\n{directive} off\n</Directory>\n"
    told = answer(f"tom in/f {asked}", conf)
    assert told.startswith(f"tom may not {asked} in/f\n")
    assert f"There     REFUSES: /in/f is there already, and {directive} is off for it" in told
    assert answer(f"tom in/new {asked}", conf).startswith(f"tom may {asked} in/new\n")
    assert answer(f"tom out/h {asked}", conf + "AllowOverride off\n").startswith(f"tom may {asked} out/h\n")


# -- logging in --------------------------------------------------------------------------------------------


def test_a_server_that_shuts_its_guests_out_is_told() -> None:
    area = "<Anonymous {top}>\nUser tom\nUserAlias guest tom\n{limit}</Anonymous>\n"
    shut = "<Limit LOGIN>\nDenyUser tom\n</Limit>\n"
    told = answer("guest in/f RETR", shut + area.format(top="/srv", limit=""), login=None)
    assert told.startswith("guest may not RETR in/f\n")
    assert "LOGIN: <Limit LOGIN>" in told and "DenyUser tom" in told and "so PASS answers 530" in told
    opened = "<Limit LOGIN>\nAllowUser tom\n</Limit>\n"
    allowed = answer("guest in/f RETR", shut + area.format(top="/srv", limit=opened), login=None)
    assert allowed.startswith("guest may RETR in/f\n")


def test_a_connection_that_is_closed_at_once_is_told() -> None:
    conf = HOME + "<Limit LOGIN>\nDeny from 192.0.2.7\n</Limit>\n"
    told = answer("tom in/f RETR from 192.0.2.7", conf)
    assert told.startswith("tom may not RETR in/f\n") and "closed before anybody logs in" in told
    assert answer("tom in/f RETR from 192.0.2.8", conf).startswith("tom may RETR in/f\n")


def test_the_line_of_several_default_roots_is_the_one_that_means_the_user() -> None:
    told = answer(
        "tom in/f RETR", "DefaultRoot / nobodys\nDefaultRoot / none,other\nDefaultRoot ~ !none\nDefaultRoot /\n"
    )
    root = next(line for line in told.splitlines() if line.startswith("Root"))
    assert root.endswith(":3)"), root


# -- virtual hosts -----------------------------------------------------------------------------------------

HOSTS = HOME + (
    "ServerName main\nDefaultAddress 127.0.0.1\n"
    "<VirtualHost 127.0.0.2>\nServerName shop\nServerAlias ftp.shop.example *.shop.example\nPort 2121\n"
    "DefaultRoot ~\nRootLogin on\n<Limit RETR>\nDenyAll\n</Limit>\n</VirtualHost>\n"
    "<VirtualHost 127.0.0.2>\nServerName other\nPort 2122\nDefaultRoot ~\nRootLogin on\n</VirtualHost>\n"
)


@pytest.mark.parametrize("name", ["shop", "SHOP", "ftp.shop.example", "x.shop.example", "127.0.0.2:2121"])
def test_a_question_may_be_about_a_virtual_host(name: str) -> None:
    told = answer(f"tom in/f RETR from 127.0.0.9 at {name}", HOSTS)
    assert told.startswith("tom may not RETR in/f\n\nServer    shop: <VirtualHost 127.0.0.2>")
    assert "from 127.0.0.9" in told
    assert "from 127.0.0.9" in answer(f"tom in/f RETR at {name} from 127.0.0.9", HOSTS)


def test_without_a_name_the_main_server_is_meant() -> None:
    assert answer("tom in/f RETR", HOSTS).startswith("tom may RETR in/f\n\nServer    main: the main server")
    assert answer("tom in/f RETR at other", HOSTS).startswith("tom may RETR in/f\n\nServer    other: ")
    assert "Server " not in answer("tom in/f RETR")


def test_who_is_not_let_in_at_a_virtual_host_is_told_of_which_one() -> None:
    told, server = answer("nobody-at-all in/f RETR at other", HOSTS).splitlines()
    assert told.endswith(": no such user found from 127.0.0.1 [127.0.0.1] to 127.0.0.2:2122")
    assert server.startswith("Server    other: <VirtualHost 127.0.0.2>")


def test_a_server_that_is_not_there_or_not_the_only_one_is_told() -> None:
    with pytest.raises(Unclear, match="no server is called 'none'; there are: main, shop, other"):
        answer("tom in/f RETR at none", HOSTS)
    with pytest.raises(Unclear, match=r"several servers are called '127\.0\.0\.2'"):
        answer("tom in/f RETR at 127.0.0.2", HOSTS)
