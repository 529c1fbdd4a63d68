"""<Limit>: which sections are asked in which order, what one of them answers, and the two LOGIN questions."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from conf_host import Host, configured

from ftpd.conf import build
from ftpd.conf.acl import Who, class_of
from ftpd.conf.directive import ANON
from ftpd.conf.resolve import Verdict, connect_allowed, ignores_hidden, limit, login_allowed
from ftpd.core.vocab import Group

ANNA = Who("anna", ("users", "staff"), "", ip_address("10.1.2.3"), "pc.example.com")
NOBODY = Who(address=ip_address("10.1.2.3"))
GROUPS = {"RETR": Group.READ, "STOR": Group.WRITE, "MKD": Group.WRITE, "XMKD": Group.WRITE, "LIST": Group.DIRS}


def ask(tmp_path: Path, text: str, verb: str, path: str = "/srv/x", who: Who = ANNA, **more: str) -> Verdict:
    main = configured(tmp_path, text).main
    return limit(main, None, path, verb, GROUPS.get(verb, Group.NONE), who, **more)


def rules(tmp_path: Path, inside: str, who: Who = ANNA, **more: str) -> Verdict:
    """What one <Limit> with these lines says."""
    return ask(tmp_path, f"<Limit STOR>\n{inside}\n</Limit>\n", "STOR", who=who, **more)


# -- the search --------------------------------------------------------------------------------------


def test_without_any_limit_everything_is_allowed_and_nobody_is_asked_for(tmp_path: Path) -> None:
    def nobody() -> Who:
        raise AssertionError("the client was looked up for nothing")

    main = configured(tmp_path, "<Limit WRITE>\nDenyAll\n</Limit>\n").main
    assert limit(main, None, "/", "RETR", Group.READ, nobody) == Verdict(True)


@pytest.mark.parametrize(
    ("word", "verb", "denied"),
    [
        ("STOR", "STOR", True),
        ("stor", "STOR", True),
        ("WRITE", "STOR", True),
        ("ALL", "STOR", True),
        ("RMD,STOR", "STOR", True),
        ("READ", "STOR", False),
        ("RETR", "STOR", False),
        ("MKD", "XMKD", True),
        ("XMKD", "MKD", True),
        ("CWD", "XCWD", True),
        ("XCWD", "CWD", False),
        ("SITE_CHMOD", "SITE_CHMOD", True),
        ("SITE_CHMOD", "SITE CHMOD", True),
        ("ALL", "PASV", False),
        ("ALL", "EPRT", False),
        ("ALL", "OPTS_UTF8", False),
        ("PASV", "PASV", True),
        ("OPTS_UTF8", "OPTS_UTF8", True),
        ("ALL", "LOGIN", False),
    ],
)
def test_a_word_covers_a_verb(tmp_path: Path, word: str, verb: str, denied: bool) -> None:
    verdict = ask(tmp_path, f"<Limit {word}>\nDenyAll\n</Limit>\n", verb)
    assert (verdict.allowed, verdict.explicit) == (not denied, denied)


def test_the_verb_beats_its_group_and_the_group_beats_all_wherever_they_stand(tmp_path: Path) -> None:
    text = """
        <Limit STOR>
          AllowAll
        </Limit>
        <Directory /srv>
          <Limit WRITE>
            DenyAll
          </Limit>
          <Directory_end>
    """.replace("<Directory_end>", "</Directory>")
    assert ask(tmp_path, text, "STOR").allowed
    assert not ask(tmp_path, text, "MKD").allowed
    text = "<Limit WRITE>\nAllowAll\n</Limit>\n<Directory /srv>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n"
    assert ask(tmp_path, text, "STOR").allowed
    assert not ask(tmp_path, text, "LIST").allowed


def test_within_one_pass_the_deepest_section_is_asked_first(tmp_path: Path) -> None:
    text = (
        "<Limit WRITE>\nAllowAll\n</Limit>\n"
        "<Directory /srv>\n<Limit WRITE>\nDenyAll\n</Limit>\n</Directory>\n"
        "<Directory /srv/in>\n<Limit WRITE>\nAllowAll\n</Limit>\n</Directory>\n"
    )
    assert ask(tmp_path, text, "STOR", "/x").allowed
    assert not ask(tmp_path, text, "STOR", "/srv/x").allowed
    assert ask(tmp_path, text, "STOR", "/srv/in/x").allowed


def test_of_several_at_one_level_the_last_written_is_asked_first(tmp_path: Path) -> None:
    text = "<Limit STOR>\nAllowAll\n</Limit>\n<Limit STOR>\nDenyAll\n</Limit>\n"
    verdict = ask(tmp_path, text, "STOR")
    assert not verdict.allowed
    assert [line for _, line in verdict.lines] == [4, 5]


def test_no_opinion_lets_the_search_go_on(tmp_path: Path) -> None:
    text = "<Limit STOR>\nDenyAll\n</Limit>\n<Directory /srv>\n<Limit STOR>\nAllowUser bert\n</Limit>\n</Directory>\n"
    assert not ask(tmp_path, text, "STOR").allowed
    assert ask(tmp_path, text, "STOR", who=Who("bert")).allowed


def test_the_limits_of_global_come_after_the_servers_own(tmp_path: Path) -> None:
    text = "<Limit STOR>\nAllowUser anna\n</Limit>\n<Global>\n<Limit STOR>\nDenyAll\n</Limit>\n</Global>\n"
    assert ask(tmp_path, text, "STOR").allowed
    assert not ask(tmp_path, text, "STOR", who=Who("bert")).allowed


@pytest.mark.parametrize(("first", "last", "allowed"), [("DenyAll", "AllowAll", True), ("AllowAll", "DenyAll", False)])
def test_the_limits_of_the_last_global_come_first(tmp_path: Path, first: str, last: str, allowed: bool) -> None:
    sections = (f"<Global>\n<Limit STOR>\n{rule}\n</Limit>\n</Global>\n" for rule in (first, last))
    assert ask(tmp_path, "".join(sections), "STOR").allowed is allowed


def test_an_anonymous_session_is_asked_of_its_section_before_the_server(tmp_path: Path) -> None:
    main = configured(
        tmp_path,
        "<Limit WRITE>\nAllowAll\n</Limit>\n<Directory />\n<Limit WRITE>\nAllowAll\n</Limit>\n</Directory>\n"
        "<Anonymous /srv/ftp>\nUser ftp\n<Limit WRITE>\nDenyAll\n</Limit>\n"
        "<Directory incoming>\n<Limit STOR>\nAllowAll\n</Limit>\n</Directory>\n</Anonymous>\n",
    ).main
    anon = next(child for child in main.children if child.kind is ANON)
    ftp = Who("ftp")
    assert not limit(main, anon, "/srv/ftp/x", "STOR", Group.WRITE, ftp).allowed
    assert limit(main, anon, "/srv/ftp/incoming/x", "STOR", Group.WRITE, ftp).allowed
    assert not limit(main, anon, "/srv/ftp/incoming/x", "MKD", Group.WRITE, ftp).allowed
    assert limit(main, None, "/srv/ftp/x", "STOR", Group.WRITE, ANNA).allowed


def test_a_limit_in_ftpaccess_is_asked_first(tmp_path: Path) -> None:
    main = configured(tmp_path, "Umask 022\n").main
    access, told = build.read_ftpaccess("/srv/.ftpaccess", "<Limit WRITE>\nDenyAll\n</Limit>\n", Host())
    assert told == ()
    assert not limit(main, None, "/srv/x", "STOR", Group.WRITE, ANNA, access=(access,)).allowed
    assert limit(main, None, "/srv/x", "RETR", Group.READ, ANNA, access=(access,)).allowed


# -- one section -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "allowed", "explicit"),
    [
        ("Order allow,deny\nAllow from 10.\nDeny from all", True, True),
        ("Order allow,deny\nAllow from 192.168.\nDeny from all", False, True),
        ("Order allow,deny\nAllow from 192.168.", True, False),
        ("Order deny,allow\nAllow from 10.\nDeny from all", False, True),
        ("Order deny,allow\nAllow from 10.", True, True),
        ("Order deny,allow\nAllow from 192.168.", False, True),
        ("Order deny, allow\nDeny from none", False, True),
        ("Allow from from 10.\nDenyAll", True, True),
        ("AllowAll\nDenyAll", True, True),
        ("AllowUser anna", True, True),
        ("AllowUser bert\nDenyAll", False, True),
        ("AllowUser bert,anna\nDenyAll", True, True),
        ("AllowUser AND anna bert\nDenyAll", False, True),
        ("AllowUser AND anna !bert\nDenyAll", True, True),
        ("AllowUser !bert\nDenyAll", True, True),
        ("AllowUser ann*\nDenyAll", False, True),
        ("AllowUser regex ^an\nDenyAll", True, True),
        ("AllowUser bert\nAllowUser anna\nDenyAll", True, True),
        ("DenyUser anna", False, True),
        ("DenyUser !anna", True, False),
        ("AllowGroup staff\nDenyAll", True, True),
        ("AllowGroup staff users\nDenyAll", True, True),
        ("AllowGroup staff,wheel\nDenyAll", False, True),
        ("AllowGroup OR staff wheel\nDenyAll", True, True),
        ("AllowGroup staff,!wheel\nDenyAll", True, True),
        ("DenyGroup regex ^sta", False, True),
        ("AllowClass local\nDenyAll", False, True),
        ("AllowClass !local\nDenyAll", False, True),
        ("DenyClass !local", True, False),
        ("Deny from !10.0.0.0/8", True, False),
        ("Deny from !192.168.0.0/16", False, True),
    ],
)
def test_a_section_says(tmp_path: Path, inside: str, allowed: bool, explicit: bool) -> None:
    verdict = rules(tmp_path, inside)
    assert (verdict.allowed, verdict.explicit) == (allowed, explicit)


def test_a_class_is_asked_for_once_the_client_is_in_one(tmp_path: Path) -> None:
    assert rules(tmp_path, "AllowClass local,lan\nDenyAll", Who("anna", class_name="lan")).allowed
    assert not rules(tmp_path, "DenyClass !local", Who("anna", class_name="lan")).allowed


def test_before_login_a_rule_for_users_shuts_nobody_out(tmp_path: Path) -> None:
    assert rules(tmp_path, "AllowUser bert\nDenyAll", NOBODY).allowed
    assert rules(tmp_path, "AllowGroup staff\nDenyAll", NOBODY).allowed
    assert rules(tmp_path, "DenyUser anna\nDenyGroup staff", NOBODY).allowed
    assert not rules(tmp_path, "DenyAll", NOBODY).allowed


def test_a_user_without_groups_is_in_none(tmp_path: Path) -> None:
    assert not rules(tmp_path, "AllowGroup staff\nDenyAll", Who("anna")).allowed
    assert rules(tmp_path, "AllowGroup !staff\nDenyAll", Who("anna")).allowed


def test_filters_have_no_say_in_who_may_log_in(tmp_path: Path) -> None:
    lines = "AllowFilter ^\nDenyAll"
    assert rules(tmp_path, lines, argument="").allowed
    closed = configured(tmp_path, LOGIN.format(lines)).main
    assert not connect_allowed(closed, NOBODY).allowed
    assert not login_allowed(closed, None, ANNA).allowed
    open_to_all = configured(tmp_path, LOGIN.format("DenyFilter ^")).main
    assert connect_allowed(open_to_all, NOBODY).allowed
    assert login_allowed(open_to_all, None, ANNA).allowed


def test_filters_look_at_the_argument(tmp_path: Path) -> None:
    assert not rules(tmp_path, r"DenyFilter \.exe$", argument="a.exe").allowed
    assert rules(tmp_path, r"DenyFilter \.exe$", argument="a.txt").allowed
    assert rules(tmp_path, "AllowFilter ^in/\nDenyAll", argument="in/a").allowed


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("all", True),
        ("none", False),
        ("10.1.2.3", True),
        ("10.1.2.4", False),
        ("10.0.0.0/8", True),
        ("10.9.9.9/8", True),
        ("10.1.2.0/31", False),
        ("10.", True),
        ("10.1.*", True),
        ("10.1.2", False),
        ("10.66051", True),
        ("*", True),
        ("1.1.", False),
        ("::ffff:10.0.0.0/104", True),
        ("2001:db8::/32", False),
        (".example.com", True),
        ("*.EXAMPLE.com", True),
        ("example.com", False),
        ("pc.example.com", True),
        ("192.168.0.1,10.0.0.0/8", True),
        ("192.168.0.1 , 10.0.0.0/8", True),
        ("!10.1.2.3", False),
        ("10.0.0.0/8 !10.1.2.3", False),
        ("10.0.0.0/8 !10.1.2.4", True),
        ("192.168.0.0/16 !10.1.2.4", False),
        ("!.example.com", False),
    ],
)
def test_an_address_line_means_the_client(tmp_path: Path, line: str, matches: bool) -> None:
    assert rules(tmp_path, f"Allow from {line}\nDenyAll").allowed is matches


def test_an_ipv4_client_on_an_ipv6_socket_is_an_ipv4_client(tmp_path: Path) -> None:
    mapped = Who("anna", address=ip_address("::ffff:10.1.2.3"))
    assert rules(tmp_path, "Allow from 10.0.0.0/8\nDenyAll", mapped).allowed


def test_without_reverse_dns_no_name_ever_matches(tmp_path: Path) -> None:
    unnamed = Who("anna", address=ip_address("10.1.2.3"), hostname=None)
    assert not rules(tmp_path, "Allow from .example.com\nDenyAll", unnamed).allowed


def test_hidden_files_are_ignored_where_a_limit_says_so(tmp_path: Path) -> None:
    main = configured(tmp_path, "<Directory /srv>\n<Limit READ>\nIgnoreHidden on\n</Limit>\n</Directory>\n").main
    assert ignores_hidden(main, None, "/srv/x", "RETR", Group.READ)
    assert not ignores_hidden(main, None, "/srv/x", "STOR", Group.WRITE)
    assert not ignores_hidden(main, None, "/x", "RETR", Group.READ)


# -- LOGIN and classes -------------------------------------------------------------------------------

LOGIN = "<Limit LOGIN>\n{}\n</Limit>\n"


def test_login_is_asked_of_the_level_that_the_client_logs_in_at(tmp_path: Path) -> None:
    main = configured(
        tmp_path,
        f"{LOGIN.format('DenyAll')}<Anonymous /srv/ftp>\nUser ftp\n{LOGIN.format('AllowAll')}</Anonymous>\n",
    ).main
    anon = next(child for child in main.children if child.kind is ANON)
    assert connect_allowed(main, NOBODY).allowed
    assert not login_allowed(main, None, ANNA).allowed
    assert login_allowed(main, anon, Who("ftp")).allowed


def test_an_anonymous_without_a_login_limit_is_open(tmp_path: Path) -> None:
    main = configured(tmp_path, f"{LOGIN.format('DenyAll')}<Anonymous /srv/ftp>\nUser ftp\n</Anonymous>\n").main
    anon = next(child for child in main.children if child.kind is ANON)
    assert login_allowed(main, anon, Who("ftp")).allowed
    assert not connect_allowed(main, NOBODY).allowed


def test_an_anonymous_that_shuts_itself_lets_the_others_connect(tmp_path: Path) -> None:
    closed = f"<Anonymous /srv/ftp>\nUser ftp\n{LOGIN.format('DenyAll')}</Anonymous>\n"
    assert connect_allowed(configured(tmp_path, closed).main, NOBODY).allowed
    assert not connect_allowed(configured(tmp_path, LOGIN.format("DenyAll") + closed).main, NOBODY).allowed


def test_several_login_limits_must_agree(tmp_path: Path) -> None:
    main = configured(tmp_path, LOGIN.format("DenyUser anna") + LOGIN.format("AllowAll")).main
    assert not login_allowed(main, None, ANNA).allowed
    assert login_allowed(main, None, Who("bert")).allowed


def test_a_login_rule_for_users_lets_everybody_connect(tmp_path: Path) -> None:
    main = configured(tmp_path, LOGIN.format("AllowUser bert\nDenyAll")).main
    assert connect_allowed(main, NOBODY).allowed
    assert not login_allowed(main, None, ANNA).allowed


def test_the_first_class_that_fits_is_the_clients(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "<Class one>\nSatisfy all\nFrom 10.0.0.0/8 !10.1.0.0/16\n</Class>\n"
        "<Class two>\nSatisfy all\nFrom 10.\nFrom .example.com\n</Class>\n"
        "<Class three>\nFrom 10.\nFrom 11.\n</Class>\n",
    )
    assert class_of(config, ANNA) == "two"
    assert class_of(config, Who(address=ip_address("10.2.0.1"))) == "one"
    assert class_of(config, NOBODY) == "three"
    assert class_of(config, Who(address=ip_address("11.0.0.1"))) == "three"
    assert class_of(config, Who(address=ip_address("12.0.0.1"))) == ""


@pytest.mark.parametrize(
    ("lines", "inside", "outside"),
    [
        # one that holds is enough, and whoever is not 10.1.0.1 is not 10.1.0.1
        ("From 10.0.0.0/8 !10.1.0.1", ["10.1.0.1", "10.9.9.9", "192.0.2.1"], []),
        ("From !10.1.0.1", ["10.9.9.9", "192.0.2.1"], ["10.1.0.1"]),
        ("From 10.1.0.1,10.1.0.2", ["10.1.0.1", "10.1.0.2"], ["10.1.0.3"]),
        ("From 10.0.0.0/8 !10.1.0.1\nSatisfy all", ["10.9.9.9"], ["10.1.0.1", "192.0.2.1"]),
        # nobody is at two places
        ("From 10.1.0.1 10.1.0.2\nSatisfy all", [], ["10.1.0.1", "10.1.0.2"]),
        ("From 10.0.0.0/8\nFrom !10.1.0.1 !10.1.0.2\nSatisfy all", ["10.9.9.9"], ["10.1.0.1", "10.1.0.2"]),
        ("From none\nSatisfy all", [], ["10.1.0.1"]),
    ],
)
def test_each_address_of_a_class_is_a_rule_of_its_own(
    tmp_path: Path, lines: str, inside: list[str], outside: list[str]
) -> None:
    config = configured(tmp_path, f"<Class k>\n{lines}\n</Class>\n")
    assert [at for at in (*inside, *outside) if class_of(config, Who(address=ip_address(at))) == "k"] == inside


def test_a_class_whose_exceptions_except_nobody_is_warned_of(tmp_path: Path) -> None:
    def warned(lines: str) -> list[str]:
        return [warning.message for warning in configured(tmp_path, f"<Class k>\n{lines}\n</Class>\n").warnings]

    assert any("nearly everybody" in message for message in warned("From 10.0.0.0/8 !10.1.0.1"))
    assert any("nearly everybody" in message for message in warned("From 10.0.0.0/8\nFrom !10.1.0.1\nSatisfy any"))
    assert warned("From 10.0.0.0/8 !10.1.0.1\nSatisfy all") == warned("From !10.1.0.1") == warned("From 10.") == []


MORE = "<Limit MKD>\nDenyAll\n</Limit>\n<Directory /free>\n<Limit ALL>\nAllowAll\n</Limit>\n</Directory>\n"

# -- many sections -----------------------------------------------------------------------------------


def test_what_many_sections_have_said_of_one_is_not_said_of_another(tmp_path: Path) -> None:
    text = "".join(f"<Limit STOR>\nDenyUser user{number}\n</Limit>\n" for number in range(40))
    main = configured(tmp_path, text + MORE).main
    last, first = Who("user39"), Who("user0")
    for _ in range(2):
        for who, verb, path, allowed in (
            (ANNA, "STOR", "/srv", True), (last, "STOR", "/srv", False), (first, "STOR", "/srv", False),
            (ANNA, "MKD", "/srv", False), (last, "RETR", "/srv", True), (ANNA, "MKD", "/free/x", False),
            (last, "LIST", "/free/x", True),
        ):  # fmt: skip
            assert limit(main, None, path, verb, GROUPS.get(verb, Group.NONE), who).allowed is allowed, (
                who,
                verb,
                path,
            )


def test_a_filter_among_many_sections_is_asked_each_time(tmp_path: Path) -> None:
    text = "".join(f"<Limit STOR>\nDenyUser user{number}\n</Limit>\n" for number in range(40))
    main = configured(tmp_path, text + "<Limit STOR>\nDenyFilter exe$\n</Limit>\n").main
    answers = [limit(main, None, "/", "STOR", Group.WRITE, ANNA, argument=name).allowed for name in ("a", "a.exe", "b")]
    assert answers == [True, False, True]
