"""The directives of the login: what their lines mean, and which lines are refused with which words."""

from __future__ import annotations

import asyncio

import pytest

from ftpd.api import ConfigError, types
from ftpd.conf.faults import ConfigFaults
from ftpd.modules._auth_directives import Cap, ForGroups, NewHome, Revoke, SessionLimit, module
from ftpd.testing import Bench

BY_NAME = {directive.name: directive for directive in module.directives}


def value(line: str) -> object:
    name, *words = line.split()
    return BY_NAME[name].parse(words)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("MaxClients 5", Cap(5)),
        ("MaxClients none", Cap()),
        ("MaxClientsPerHost 2 Sorry", Cap(2, "Sorry")),
        ("MaxClientsPerClass local 3", ("local", Cap(3))),
        ("AuthPasswordCache off", 0),
        ("AuthPasswordCache 5min", 300),
        ("MaxLoginAttempts none", None),
        ("MaxLoginAttempts 1", 1),
        ("DefaultRoot ~", ForGroups("~")),
        ("TimeoutLogin 5min", 300),
        ("TimeoutSession 60", SessionLimit(60)),
        ("UserAlias bob tom", ("bob", "tom")),
        ("CreateHome off", None),
        ("CreateHome on", NewHome()),
        (
            "CreateHome on 0755 skel /etc/skel dirmode 0700 uid ~ gid 5 homegid 6 NoRootPrivs",
            NewHome(0o755, 0o700, "/etc/skel", -1, 5, 6, True),
        ),
        ("CreateHome on 2770 dirmode 02755", NewHome(0o770, 0o755)),
        ("CreateHome on +711", NewHome(0o711)),
        ("CreateHome on 700 uid -1 gid -1 homegid -1", NewHome(0o700, uid=-1, gid=-1)),
        ("CreateHome on 1777 dirmode 05711", NewHome(0o1777, 0o1711)),
        ("RootRevoke UseNonCompliantActiveTransfers", Revoke.ANY_PORT),
        ("RootRevoke UseNonCompliantActiveTransfer", Revoke.ANY_PORT),
        ("RootRevoke on", Revoke.ON),
        ("MaxPasswordSize +5", 5),
        ("MaxPasswordSize 99999999999999999999999", 2**31 - 1),
        ("RootRevoke off", Revoke.OFF),
    ],
)
def test_a_line_means(line: str, expected: object) -> None:
    assert value(line) == expected


def test_a_folder_may_be_for_members_of_groups() -> None:
    line = value("DefaultRoot ~ staff,!admins")
    assert isinstance(line, ForGroups)
    assert line.means(("staff", "users"))
    assert not line.means(("staff", "admins"))
    assert not line.means(())


def test_a_folder_for_no_group_is_for_all_and_one_for_an_empty_name_for_none() -> None:
    folder = BY_NAME["DefaultRoot"].parse
    assert folder(["~", ","]) == ForGroups("~")
    assert folder(["~", "!"]).means(())
    assert folder(["~", "staff,!"]).means(("staff",))
    assert not folder(["~", ""]).means(("staff",))
    assert not folder(["~", "AND"]).means(("staff",))
    assert types.doubts() != []


def test_a_negative_password_size_behind_a_blank_is_a_huge_one() -> None:
    assert BY_NAME["MaxPasswordSize"].parse([" -5"]) == 2**31 - 1


@pytest.mark.parametrize(
    "name", ["MaxClients", "MaxClientsPerHost", "MaxClientsPerUser", "MaxHostsPerUser", "MaxConnectionsPerHost"]
)
def test_a_message_is_one_word(name: str) -> None:
    with pytest.raises(ConfigFaults, match="wrong number of parameters"):
        asyncio.run(Bench(conf=f"{name} 5 too many\n", login=None).open())


def test_time_may_be_short_for_some() -> None:
    line = value("TimeoutSession 60 group staff,interns")
    assert isinstance(line, SessionLimit) and line.who is not None
    assert (line.seconds, line.kind) == (60, "group")
    assert line.who.matches(("staff", "interns"))
    assert not line.who.matches(("staff",))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("MaxClients 0", "parameter must be 'none' or a number greater than 0"),
        ("MaxClients abc", "parameter must be 'none' or a number greater than 0"),
        ("MaxClientsPerClass local 0", "max must be 'none' or a number greater than 0"),
        ("MaxLoginAttempts 0", "parameter must be 'none' or a number greater than 0"),
        ("MaxPasswordSize x", "'x' is not a number"),
        ("AuthPasswordCache 2hr", "'2hr' is too long for a password to be known"),
        ("AuthPasswordCache maybe", "error parsing timeout value 'maybe'"),
        ("DefaultRoot foo", "(foo) absolute pathname required"),
        ("TimeoutLogin -1", "error parsing timeout value '-1'"),
        ("TimeoutSession 10 foo x", "unknown classifier used: 'foo'"),
        ("TimeoutSession 10 user", "missing parameters"),
        ("CreateHome foo", "expected Boolean parameter"),
        ("CreateHome on 9", "'9' is not a valid mode"),
        ("CreateHome on foo", "bad mode parameter: 'foo'"),
        ("CreateHome on skel", "'skel' has no value behind it"),
        ("CreateHome on skel relative", "absolute pathname required"),
        ("RootRevoke foo", "expected Boolean parameter"),
        ("AnonRejectPasswords [", "'['"),
        ("AnonRejectPasswords a b", "unknown flag 'b'"),
        ("AnonRejectPasswords a NC", "unknown flag 'NC'"),
        ("AnonRejectPasswords a [nc]", "unknown flag '[nc]'"),
        ("MaxPasswordSize -0", "'-0' is not a number"),
        ("MaxPasswordSize +", "'+' is not a number"),
    ],
)
def test_a_faulty_line_is_refused_with_the_reason(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value(line)
    assert said in caught.value.message


def test_every_directive_says_what_it_is_and_takes() -> None:
    assert len(BY_NAME) == len(module.directives)
    for directive in module.directives:
        assert directive.doc.endswith("."), directive
        assert directive.usage, directive
