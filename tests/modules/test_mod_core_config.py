"""What the directives of mod_core take, what they refuse, and what they do as they are read."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

import pytest

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.conf.tree import Config
from ftpd.testing import Bench


def read(conf: str) -> tuple[Config, list[str]]:
    """The configuration, and the warnings that came with it."""

    async def story() -> Config:
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            return ftp.generation.config

    config = asyncio.run(story())
    return config, [fault.message for fault in config.warnings]


def value(conf: str, name: str) -> Any:
    """What a directive of the main server is worth."""
    config, _ = read(conf)
    return next((held for key, held in config.main.settings._values.items() if key.name == name), None)


def faults(conf: str) -> str:
    with pytest.raises((ConfigFaults, ConfigError)) as wrong:
        read(conf)
    return wrong.value.render() if isinstance(wrong.value, ConfigFaults) else wrong.value.message


@pytest.mark.parametrize(
    ("line", "name", "meant"),
    [
        ("Port 2121", "Port", 2121),
        ("PassivePorts 49152 65534", "PassivePorts", range(49152, 65535)),
        ("MaxInstances none", "MaxInstances", None),
        ("MaxInstances 30", "MaxInstances", 30),
        ("Workers 4", "Workers", 4),
        ("Workers auto", "Workers", min(len(os.sched_getaffinity(0)), 16)),
        ("ServerType INETD", "ServerType", "inetd"),
        ("SyslogLevel Debug", "SyslogLevel", "debug"),
        ("DebugLevel 10", "DebugLevel", 10),
        ("AuthOrder mod_auth_file.c* mod_auth_unix", "AuthOrder", ("mod_auth_file.c*", "mod_auth_unix")),
        ("AllowForeignAddress on", "AllowForeignAddress", True),
        ("AllowForeignAddress friends", "AllowForeignAddress", "friends"),
        ("MasqueradeAddress 192.0.2.7", "MasqueradeAddress", "192.0.2.7"),
        ("MasqueradeAddress lo", "MasqueradeAddress", "127.0.0.1"),
        ("ScoreboardFile none", "ScoreboardFile", "none"),
        ("TransferLog none", "TransferLog", "none"),
        ("Umask 027", "Umask", (0o027, 0o027)),
        # the second line has no say for files, and the only one for directories
        ("<Global>\nUmask 007 077\n</Global>\nUmask 027", "Umask", (0o027, 0o077)),
        ("<Global>\nUmask 007 077\n</Global>\nUmask 027 022", "Umask", (0o027, 0o022)),
        ("<Global>\nUmask 007\n</Global>\nUmask 027", "Umask", (0o027, 0o027)),
        # of two lines in one place as well
        ("Umask 077\nUmask 022 002", "Umask", (0o077, 0o002)),
        ("Umask 077\nUmask 022 002\nUmask 000 001", "Umask", (0o077, 0o002)),
        ("Umask 077 007\nUmask 022 002", "Umask", (0o077, 0o007)),
        ("TimeoutIdle 5min", "TimeoutIdle", 300),
        ("User root", "User", "root"),
        ("User 0", "User", "0"),
        ("MaxCommandRate 20", "MaxCommandRate", (20, 1)),
        ("MaxConnectionRate 20 5", "MaxConnectionRate", (20, 5)),
        ("MaxConnectionRate 0", "MaxConnectionRate", None),
        ("TCPNoDelay off", "TCPNoDelay", {"ctrl": False, "data": False}),
        ("TCPNoDelay data off", "TCPNoDelay", {"data": False}),
        ("SocketOptions rcvbuf 8192 keepalive off", "SocketOptions", ({"rcvbuf": 8192, "keepalive": False},)),
        ("SocketOptions keepalive 1:2:3", "SocketOptions", ({"keepalive": (1, 2, 3)},)),
        ('SocketOptions keepalive " 1000000:2:3s"', "SocketOptions", ({"keepalive": (1000000, 2, 3)},)),
        ("SocketOptions sndbuf 2147483647", "SocketOptions", ({"sndbuf": 2147483647},)),
        ("TCPBackLog 65535", "TCPBackLog", 65535),
        ("Protocols FTPS sftp", "Protocols", ("ftps", "sftp")),
        ("DefaultAddress 127.0.0.1 ::1", "DefaultAddress", ("127.0.0.1", "::1")),
        # of two lines the last one counts, as in ProFTPD
        ("DefaultAddress 127.0.0.1\nDefaultAddress 127.0.0.2", "DefaultAddress", ("127.0.0.2",)),
    ],
)
def test_lines_and_what_they_mean(line: str, name: str, meant: object) -> None:
    assert value(line, name) == meant


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("Port 70000", "value must be between 0 and 65535"),
        ("MaxCommandRate many", "'many' is not a number"),
        ("MaxConnectionRate 5 0", "value must be of at least 1"),
        ("SocketOptions window 5", "'window' is unknown here"),
        ("SocketOptions rcvbuf", "missing parameters"),
        ("SocketOptions keepalive 0:1:1", "must be above 0"),
        ("CommandBufferSize 513 KB", "size 525312 exceeds max size 524288"),
        ("FSOptions ignoreextendedattributes", "unknown option 'ignoreextendedattributes'"),
        ("FactsOptions useslink", "unknown option 'useslink'"),
        ("LangOptions preferserverencoding", "unknown option 'preferserverencoding'"),
        ("IncludeOptions allowsymlinks", "unknown option 'allowsymlinks'"),
        ("Protocols", "missing parameters"),
        ("PassivePorts 5000 4000", "min port must be less than max port"),
        ("PassivePorts 5000 5000", "right: 5000 5001"),
        ("PassivePorts 65535 65535", "right: 65534 65535"),
        ('MasqueradeAddress ""', "missing required name parameter"),
        ("<Limit ALL>\nDeny from 127.0.0.2 all\n</Limit>", "'all' does not go with addresses"),
        ("<Limit ALL>\nAllow 10.0.0.1, none\n</Limit>", "right: Allow from none, or the addresses without it"),
        ("<Limit ALL>\nAllow from all,10.0.0.1\n</Limit>", "'all' does not go with addresses"),
        ("PassivePorts 100 4000", "port numbers must be above 1023"),
        ("PassivePorts 4000", "missing parameters"),
        ("MaxInstances abc", "argument must be 'none' or a number greater than 0"),
        ("MaxInstances 0", "argument must be 'none' or a number greater than 0"),
        ("Workers 0", "'0' is no number of workers"),
        ("Workers 17", "'17' is no number of workers"),
        ("Workers many", "auto, or a number from 1 to 16"),
        ("ServerType foo", "type must be either 'inetd' or 'standalone'"),
        ("SyslogLevel foo", "SyslogLevel requires level keyword"),
        ("DebugLevel 99", "invalid debug level configured"),
        ("Umask 9x", "'9x' is not a valid umask"),
        ("TimeoutIdle abc", "error parsing timeout value 'abc'"),
        ("DenyFilter [abc", "'[abc' failed regex compilation"),
        ("AuthOrder mod_a.c\nAuthOrder mod_b.c", "has already been set"),
        ("DefaultServer on\nDefaultServer on", "has already been set"),
        ("PidFile run/pid", "absolute pathname required"),
        ("ServerIdent foo", "expected Boolean parameter"),
        ("SetEnv A", "missing parameters"),
        ("AllowOverride on user foo\nAllowOverride maybe", "expected Boolean parameter"),
        ("AllowOverride on user", "does not say for whom"),
        ("UserAlias tom tom", "alias and real user names must differ"),
        ("DefaultChdir /srv/*", "wildcards not allowed"),
        ("DefaultRoot ~/* guests", "wildcards not allowed"),
        ("TimeoutSession 60 user tom ann", "wrong number of parameters"),
        ("TransferRate RETR 10 group staff guests", "right: staff,guests"),
        ("MaxStoreFileSize 5 MB user tom ann", "right: tom,ann"),
        ("MaxStoreFileSize 5", "right: 5 MB, or 5 B"),
        ('MaxStoreFileSize " 5"', "right: 5 MB, or 5 B"),
        ('CommandBufferSize "" on', "is no size"),
        ("MaxRetrieveFileSize 5 user tom", "right: 5 MB, or 5 B"),
        ("<Directory />\nHideFiles ^x user tom ann\n</Directory>", "right: tom,ann"),
        ("SystemLog log", "absolute pathname required"),
        ("TCPBackLog 99999999999999999999", "value must be between 1 and 65535, not -1"),
        ("User nosuchuser", "User: Unknown user 'nosuchuser'"),
        ("User 4294967295", "User: Unknown user '4294967295'"),
        ("Group nosuchgroup", "Group: Unknown group 'nosuchgroup'"),
        ("<VirtualHost 127.0.0.2>\nUser nosuchuser\n</VirtualHost>", "User: Unknown user 'nosuchuser'"),
        ("<VirtualHost 127.0.0.2>\nMaxInstances 3\n</VirtualHost>", "directive not allowed in <VirtualHost> context"),
        ("Trace foo", "badly formatted parameter: 'foo'"),
        ("Trace foo:bar", "error parsing level 'bar' for channel 'foo'"),
        ("TraceOptions Timestamp", "bad option: 'Timestamp'"),
        ("<VirtualHost 127.0.0.2>\nTraceLog /t\n</VirtualHost>", "directive not allowed in <VirtualHost> context"),
        ("SocketOptions rcvbuf", "missing parameters"),
        ("SocketOptions rcvbuf many", "'many' is not a number"),
        ("SocketOptions speed 1", "'speed' is unknown here"),
        ("TCPBackLog 0", "value must be between 1 and 65535"),
        ("TCPBackLog 99999999999", "value must be between 1 and 65535"),
        ("SocketOptions rcvbuf 4294967297", "value must be between 1024 and 2147483647"),
        ("SocketOptions sndbuf 1000", "value must be between 1024 and 2147483647"),
        ("SocketOptions rcvbuf 0", "value must be between 1024 and 2147483647"),
        ("SocketOptions maxseg 4294967295", "value must be between 0 and 2147483647"),
        ("SocketOptions sndbuf 2147483648", "value must be between 1024 and 2147483647"),
        ("TCPNoDelay maybe", "expected Boolean parameter"),
        ("FSCachePolicy size", "expected Boolean parameter"),
        ("FSCachePolicy size 5", "wrong number of parameters"),
        ("FSCachePolicy size 0 maxAge 5", "0"),
        ("FSCachePolicy size 5 age 5", "'age' is unknown here"),
        ("FSCachePolicy size 5 maxAge x", "'x' is not a number"),
        ("<Directory /srv>\nHideFiles [\n</Directory>", "failed regex compilation"),
        ("<Directory /srv>\nHideFiles ^x everybody\n</Directory>", "'everybody' is unknown here"),
    ],
)
def test_lines_that_are_refused(line: str, complaint: str) -> None:
    assert complaint in faults(line)


@pytest.mark.parametrize(
    "line",
    [
        "Umask 022 022 022",
        "TraceLog none x",
        "ServerIdent off x y",
        "DisplayChdir .message on x",
        "DirFakeUser on ftp x",
        "UseEncoding UTF-8 ISO-8859-1 strict x",
        "MaxCommandRate 5 6 7",
        "MaxConnectionRate 5 6 7",
        "CommandBufferSize 5 KB x",
        "MaxTransfersPerHost RETR 5 too many",
        "RLimitCPU session 5 6 7",
        "DenyFilter x [NC] y",
        "<Directory /srv>\nAllowAll x\n</Directory>",
        "<Limit ALL>\nDenyAll off\n</Limit>",
        "<Limit ALL>\nOrder allow , deny\n</Limit>",
    ],
)
def test_a_word_too_many_is_refused_where_proftpd_counts_them(line: str) -> None:
    assert "wrong number of parameters" in faults(line)


@pytest.mark.parametrize(
    ("line", "name", "meant", "warning"),
    [
        ("PassivePorts 49152, 65534", "PassivePorts", range(49152, 65535), "',' behind the number is passed over"),
        ("Port 2121x", "Port", 2121, "'x' behind the number is passed over"),
        ("MaxCommandRate 20 5s", "MaxCommandRate", (20, 5), "'s' behind the number is passed over"),
        ("TCPBackLog 50,", "TCPBackLog", 50, "',' behind the number is passed over"),
        ("SocketOptions rcvbuf 8192B", "SocketOptions", ({"rcvbuf": 8192},), "'B' behind the number is passed over"),
        ("ScoreboardScrub 30s", "ScoreboardScrub", True, "'s' behind the number is passed over"),
        ("TransferLog off", "TransferLog", "none", "'off' is no path, so nothing is logged; 'none' says so"),
        ('TransferLog ""', "TransferLog", "none", "'' is no path, so nothing is logged; 'none' says so"),
        ("TransferLog logs/x", "TransferLog", "/logs/x", "'logs/x' is taken for '/logs/x', as in ProFTPD"),
        ("ServerLog ~/x", "ServerLog", "/~/x", "'~/x' is taken for '/~/x', as in ProFTPD"),
        ("ServerLog off", "ServerLog", "none", "'off' is no path, so nothing is logged; 'none' says so"),
        (
            "LoadModule mod_exec.c\nExecLog off",
            "ExecLog",
            "none",
            "'off' is no path, so nothing is logged; 'none' says so",
        ),
        (
            "LoadModule mod_rewrite.c\nRewriteMaxReplace 8,",
            "RewriteMaxReplace",
            8,
            "',' behind the number is passed over",
        ),
        (
            "SystemLog OFF",
            "SystemLog",
            "none",
            "'OFF' is taken for 'none'; ProFTPD makes a file of that name where it is started",
        ),
        (
            "CommandBufferSize 5",
            "CommandBufferSize",
            5,
            "few can log in, if anybody: a USER or PASS has hardly room in 5 bytes; 4103 is usual",
        ),
        (
            "CommandBufferSize 0",
            "CommandBufferSize",
            2,
            "few can log in, if anybody: a USER or PASS has hardly room in 0 bytes; 4103 is usual",
        ),
        (
            'CommandBufferSize "" KB',
            "CommandBufferSize",
            2,
            "few can log in, if anybody: a USER or PASS has hardly room in 0 bytes; 4103 is usual",
        ),
        ('CommandBufferSize " 512"', "CommandBufferSize", 512, "the blank in front of the number is passed over"),
        (
            "Port off\n<VirtualHost 127.0.0.2>\nPort 2121\n</VirtualHost>",
            "Port",
            0,
            "'off' is no number, so this server is not listened for; 'Port 0' says so",
        ),
        (
            "TCPNoDelay off data on",
            "TCPNoDelay",
            {"ctrl": False, "data": False},
            "'data on' is ignored: what stands first is for both",
        ),
        ('Umask " 027"', "Umask", (0o27, 0o27), "the blank in front of the number is passed over"),
        ('TimeoutIdle " 50"', "TimeoutIdle", 50, "the blank in front of the number is passed over"),
        ('MaxPasswordSize ""', "MaxPasswordSize", 0, "'' is taken for 0, which is 1024"),
        ('DebugLevel ""', "DebugLevel", 0, "'' is taken for 0"),
        ("SocketOptions", "SocketOptions", ({},), "says nothing: no option is named"),
        ('DirFakeMode ""', "DirFakeMode", 0, "'' is taken for 0: what is listed shows no permissions"),
        ("SetEnv A=B c", "SetEnv", (("A=B", "c"),), "has no effect: 'A=B' cannot be the name of a variable"),
        ("UnsetEnv A=B", "UnsetEnv", ("A=B",), "has no effect: 'A=B' cannot be the name of a variable"),
    ],
)
def test_what_proftpd_takes_and_was_hardly_meant_is_taken_and_told(
    line: str, name: str, meant: object, warning: str
) -> None:
    assert value(line, name) == meant
    assert warning in read(line)[1]


@pytest.mark.parametrize(
    "line",
    ['DelayOnEvent PASS " 5"', 'TransferRate RETR " 5"', 'CreateHome on " 711"', 'RLimitCPU " 50"', 'MaxClients " 5"'],
)
def test_a_blank_in_front_of_a_number_is_told(line: str) -> None:
    assert read(line)[1] == ["the blank in front of the number is passed over"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("TimeoutIdle 10mins", "'10mins' is taken for 10 seconds"),
        ("TimeoutIdle 1:2:3:4", "':4' is passed over"),
        ("Umask 1022", "'1022' is taken for 0022"),
        ("MaxClients 4294967301", "4294967301 is too large, and taken for 5"),
        ("DelayOnEvent PASS 2mins", "'2mins' is taken for 2000 milliseconds"),
    ],
)
def test_what_a_line_is_taken_for_is_told(line: str, told: str) -> None:
    assert told in read(line)[1]


def test_more_instances_than_others_count_are_no_fault() -> None:
    assert value("MaxInstances 2147483648", "MaxInstances") == 2**31


def test_a_buffer_may_have_its_size_in_units() -> None:
    assert value("CommandBufferSize 10 KB", "CommandBufferSize") == 10240
    assert read("CommandBufferSize 512 KB")[1] == []


@pytest.mark.parametrize("behind", ["user tom,ann", "user AND tom ann", "user regex ^t", "class OR in out"])
def test_an_expression_is_one_word_or_has_its_keyword(behind: str) -> None:
    (line,) = value(f"MaxStoreFileSize 5 MB {behind}", "MaxStoreFileSize")
    assert line.audience.rank
    assert value("MaxStoreFileSize 5MB", "MaxStoreFileSize")[0].bytes == 5 << 20


def test_an_override_for_nobody_in_particular_is_for_everybody() -> None:
    (line,) = value("AllowOverride off somebody", "AllowOverride")
    assert (line.on, line.kind) == (False, "")
    assert "'somebody' is ignored: the line is about everybody" in read("AllowOverride off somebody")[1]


def test_a_comma_too_many_in_a_list_of_actions_is_no_fault() -> None:
    assert read("ModuleControlsACLs insmod,rmmod, allow user root\n")[1] == []
    (rule,) = value("ModuleControlsACLs insmod,rmmod, allow user root", "ModuleControlsACLs")
    assert rule.covers("rmmod")
    assert not rule.covers("lsmod")


def test_a_doubt_is_told_of_its_own_line_alone() -> None:
    conf = "PassivePorts 5000x 4000\nTransferLog none\n"
    assert "behind the number" not in faults(conf)
    assert read("TransferLog none\n")[1] == []


def test_traces_may_have_any_level_and_session_in_any_case() -> None:
    assert value('Trace "auth: 5"', "Trace")[0].channels == (("auth", range(1, 6)),)
    (line,) = value("Trace SESSION auth:99999 :3", "Trace")
    assert line.sessions_only
    assert line.channels[0] == ("auth", range(1, 100000))
    assert "':3' names no channel, so it records nothing" in read("Trace :3")[1]


@pytest.mark.parametrize(
    ("entry", "trouble"),
    [("foo.c", "foo.c is not loaded"), ("mod_auth_file", "mod_auth_file is called mod_auth_file.c"), ("*", " is not")],
)
def test_an_authorder_that_names_no_module_is_read_and_told(entry: str, trouble: str) -> None:
    assert any(trouble in warning for warning in read(f"AuthOrder {entry}\n")[1])


def test_the_user_of_an_anonymous_section_need_not_be_the_systems() -> None:
    config, _ = read("<Anonymous /srv/ftp>\nUser visitors\n</Anonymous>\n")
    assert len(config.main.children) == 1


def test_an_unknown_user_is_told_with_file_and_line() -> None:
    assert re.search(r"/proftpd\.conf:\d+: User: Unknown user 'nosuchuser'", faults("User nosuchuser\n"))


def test_setenv_acts_on_the_lines_below() -> None:
    conf = "SetEnv WHO everybody\nServerName %{env:WHO}\n"
    assert value(conf, "ServerName") == "everybody"
    assert value(conf.replace("ServerName", "UnsetEnv WHO\nServerName x"), "ServerName") == "x"
    elsewhere = "<VirtualHost 127.0.0.2>\nSetEnv WHO nobody\n</VirtualHost>\nServerName a%{env:WHO}\n"
    assert value(elsewhere, "ServerName") == "a"


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("MultilineRFC2228 on", "deprecated"),
        ("ScoreboardMutex none", "the lock is <ScoreboardFile>.lck"),
        ("ScoreboardFile /no/such/folder/score", "no scoreboard is kept, and ftpwho sees nobody: No such file"),
        ("ScoreboardFile /tmp/score", "no scoreboard is kept, and ftpwho sees nobody: /tmp is world-writable"),
        ("FSCachePolicy on", "nothing is cached"),
        ("FSCachePolicy size 32 maxAge 5", "nothing is cached"),
        ("TransferPriority APPE,RETR low", "the line can go"),
        ("MasqueradeAddress no-such-host.invalid", "has no address now"),
    ],
)
def test_what_is_asked_for_in_vain_is_told(line: str, warning: str) -> None:
    assert warning in " ".join(read(line)[1])


@pytest.mark.parametrize("line", ["UseReverseDNS off", "Protocols ftp", "SyslogFacility DAEMON", "FSCachePolicy off"])
def test_what_holds_anyway_needs_no_warning(line: str) -> None:
    assert read(line)[1] == []


INERT = """
CommandBufferSize 512
FSCachePolicy on
FSCachePolicy size 32 maxAge 5
FSOptions IgnoreExtendedAttributes
MaxCommandRate 10 2
MaxConnectionRate 5
ProcessTitles terse
RegexOptions Engine PCRE MatchLimit 100
ScoreboardMutex /var/run/lock
ScoreboardOptions AllowMissingEntry
ScoreboardScrub 30
SocketOptions maxseg 512 keepalive 100:30:10 reuseport on
TCPNoDelay ctrl on data off
TimeoutLinger 10
Trace session DEFAULT:10 auth:1-5
TraceLog /var/log/trace
TraceOptions +ConnIPs -Timestamp
<Anonymous /srv/ftp>
  User ftp
  GroupOwner staff
  UserOwner ftp
  HideGroup !staff
  HideUser ~
  HideNoAccess off
  <Directory /srv/ftp/pub>
    HideFiles ^\\. user tom
    HideFiles none
  </Directory>
</Anonymous>
"""


def test_all_that_proftpd_takes_is_taken() -> None:
    config, _ = read(INERT)
    assert config.main.children


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("<Limit READ>\nDeny from .example.org\n</Limit>", "'.example.org' is a name, and UseReverseDNS is off"),
        ("<Directory /x>\n<Limit READ>\nAllow from a*.org\n</Limit>\n</Directory>", "'a*.org' is a name"),
        ("<Class c>\nFrom host.example.org\n</Class>", "'host.example.org' is a name"),
        ("<Limit READ>\nDeny from 192.0.2.1 10. 10.1.*,::1\nAllow from all\n</Limit>", ""),
    ],
)
def test_a_rule_for_names_that_nobody_looks_up_is_told(line: str, told: str) -> None:
    assert [told in warning for warning in read(f"UseReverseDNS off\n{line}\n")[1]] == [True] * bool(told)
    assert not read(f"UseReverseDNS on\n{line}\n")[1]


def test_a_rule_for_names_in_global_is_told_once() -> None:
    conf = (
        "<Global>\n<Limit READ>\nDeny from .example.org\n</Limit>\n</Global>\n<VirtualHost 127.0.0.2>\n</VirtualHost>\n"
    )
    assert len([told for told in read(f"UseReverseDNS off\n{conf}")[1] if "is a name" in told]) == 1


def test_a_word_between_groups_is_told() -> None:
    _, warnings = read("DefaultRoot ~ staff and guests\nDefaultRoot ~ AND staff,guests\nDefaultChdir ~ !staff,guests\n")
    assert warnings == ["'and' is taken for the name of a group: all that are named must be the user's"]


@pytest.mark.parametrize(("words", "passes"), [("none all", True), ("all none", False), ("from none 0.0.0.0/0", True)])
def test_behind_all_or_none_the_rest_of_the_line_is_ignored(words: str, passes: bool) -> None:
    line = f"<Limit MKD>\nDeny {words}\n</Limit>\n"
    assert [warning for warning in read(line)[1] if "is ignored, as in ProFTPD" in warning]

    async def tale() -> str:
        async with Bench(conf=f"DefaultRoot ~\n{line}") as ftp:
            return await ftp("MKD x")

    assert asyncio.run(tale()).startswith("257" if passes else "550")
