"""Where a login leads: the home, a root, an anonymous area, a home made on the spot, or nowhere."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import Any
from unittest.mock import patch

import pytest

from ftpd.api import Account, AuthAnswer, AuthBackend, Module, Session
from ftpd.modules import _auth_place
from ftpd.testing import Bench

INCORRECT = "530 Login incorrect."
TOM = "230 User tom logged in"
ANONYMOUS = "230 Anonymous access granted, restrictions apply"


class Family(AuthBackend):
    """Accounts below one folder, and the anonymous ``ftp``, whose password nobody knows."""

    def __init__(self, top: str) -> None:
        self.top = top

    def getpwnam(self, session: Session, user: str) -> Account | None:
        if user not in ("tom", "ann", "ftp", "a/b", "..x"):
            return None
        return Account(user, os.geteuid(), os.getegid(), f"{self.top}/{user}", "/bin/sh")

    def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        return ((account.gid, account.name), *(((7001, "staff"),) if account.name == "ann" else ()))

    def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        return AuthAnswer.OK if password == "secret" and account.name != "ftp" else AuthAnswer.BAD_PASSWORD

    def name_gid(self, session: Session, name: str) -> int | None:
        return {"guests": 7007}.get(name)


@pytest.fixture
def top(tmp_path: os.PathLike[str]) -> str:
    """A folder with the homes of tom and ann, and an anonymous area."""
    place = os.path.realpath(tmp_path)
    for name in ("tom/sub", "ann", "ftp/pub", "ftp/guest"):
        os.makedirs(f"{place}/{name}")
    return place


def login(top: str, conf: str, user: str = "tom", *then: str, password: str = "secret") -> list[str]:
    """Log in and send what follows; gives the replies from that to PASS on, and ``closed`` when that was the end."""

    async def run() -> list[str]:
        family = Module("family", version="1.0")
        family.auth(Family(top))
        async with Bench(family, conf=f"AuthOrder mod_family.c\n{conf}", login=None) as bench:
            await bench(f"USER {user}")
            replies = [await bench(f"PASS {password}"), *[await bench(line) for line in then]]
            return [*replies, "closed"] if bench.wire.closed_for is not None else replies

    return asyncio.run(run())


def begins_in(folder: str) -> str:
    return f'257 "{folder}" is the current directory'


# -- without a root ------------------------------------------------------------------------------------


def test_a_session_begins_at_home(top: str) -> None:
    assert login(top, "", "tom", "PWD") == [TOM, begins_in(f"{top}/tom")]


@pytest.mark.parametrize("odd", ["{top}/", "/{top}", "{top}/ann/..", "/{top}//.", "/../{top}"])
def test_what_holds_for_a_home_holds_however_its_path_is_written(top: str, odd: str) -> None:
    conf = f"<Directory {top}/tom>\n<Limit MKD>\nDenyAll\n</Limit>\n</Directory>\n"
    replies = login(odd.format(top=top), conf, "tom", "PWD", "MKD d", "CWD sub", "PWD")
    assert replies[:2] == [TOM, begins_in(f"{top}/tom")]
    assert replies[2].startswith("550 ") and not os.path.exists(f"{top}/tom/d")
    assert replies[4] == begins_in(f"{top}/tom/sub")


def test_without_its_home_a_session_that_has_no_root_is_refused(top: str) -> None:
    os.rename(f"{top}/tom", f"{top}/elsewhere")
    assert login(top, "", "tom", "PWD") == [INCORRECT, "530 Please login with USER and PASS", "closed"]


def test_a_home_that_is_a_file_is_no_home(top: str) -> None:
    os.rename(f"{top}/tom", f"{top}/elsewhere")
    with open(f"{top}/tom", "w"):
        pass
    assert login(top, "") == [INCORRECT, "closed"]


# -- DefaultRoot ---------------------------------------------------------------------------------------


def test_a_session_may_be_locked_into_its_home(top: str) -> None:
    assert login(top, "DefaultRoot ~", "tom", "PWD", "CWD ..", "PWD", f"CWD {top}") == [
        TOM, begins_in("/"), "250 CWD command successful", begins_in("/"), f"550 {top}: No such file or directory",
    ]  # fmt: skip


def test_a_root_above_the_home_shows_the_home_below_it(top: str) -> None:
    assert login(top, f"DefaultRoot {top}", "tom", "PWD") == [TOM, begins_in("/tom")]
    assert login(top, f"DefaultRoot {top}/%u", "tom", "PWD") == [TOM, begins_in("/")]
    assert login(top, "DefaultRoot ~ann", "tom", "PWD") == [TOM, begins_in("/")]


def test_inside_a_root_a_missing_home_is_no_obstacle(top: str) -> None:
    os.rename(f"{top}/tom", f"{top}/elsewhere")
    assert login(top, f"DefaultRoot {top}", "tom", "PWD") == [TOM, begins_in("/")]


def test_a_root_that_is_not_there_keeps_the_session_out(top: str) -> None:
    assert login(top, f"DefaultRoot {top}/nowhere", "tom") == [INCORRECT, "closed"]
    assert login(top, "DefaultRoot ~nobody-at-all", "tom") == [INCORRECT, "closed"]


def test_a_root_may_be_for_some_groups(top: str) -> None:
    conf = "DefaultRoot ~ !staff"
    assert login(top, conf, "tom", "PWD") == [TOM, begins_in("/")]
    assert login(top, conf, "ann", "PWD") == ["230 User ann logged in", begins_in(f"{top}/ann")]
    both = f"DefaultRoot ~ staff\nDefaultRoot {top}"
    assert login(top, both, "ann", "PWD")[1] == begins_in("/")
    assert login(top, both, "tom", "PWD")[1] == begins_in("/tom")


def test_a_name_with_a_slash_is_no_part_of_a_path(top: str) -> None:
    assert login(top, f"DefaultRoot {top}/%u", "a/b") == [INCORRECT, "closed"]


def test_a_root_reached_through_a_link_may_be_refused(top: str) -> None:
    os.symlink(f"{top}/tom", f"{top}/link")
    assert login(top, f"DefaultRoot {top}/link/sub", "tom")[0] == TOM
    conf = f"AllowChrootSymlinks off\nDefaultRoot {top}"
    assert login(top, f"{conf}/link/sub", "tom") == [INCORRECT, "closed"]
    assert login(top, f"{conf}/link", "tom") == [INCORRECT, "closed"]
    assert login(top, f"{conf}/tom/sub", "tom")[0] == TOM


def test_a_root_that_is_exchanged_while_its_user_logs_in_is_refused(top: str) -> None:
    """S53: the look and the opening are two steps, and a link may come between."""
    found = _auth_place._without_links

    def and_then_exchanged(*asked: Any, **rest: Any) -> tuple[int, int] | None:
        answer = found(*asked, **rest)
        os.rename(f"{top}/tom/sub", f"{top}/tom/old")
        os.symlink(f"{top}/ann", f"{top}/tom/sub")
        return answer

    with patch.object(_auth_place, "_without_links", and_then_exchanged):
        assert login(top, f"AllowChrootSymlinks off\nDefaultRoot {top}/tom/sub", "tom") == [INCORRECT, "closed"]


# -- DefaultChdir --------------------------------------------------------------------------------------


def test_the_lines_of_an_area_are_in_the_place_of_the_servers(top: str) -> None:
    conf = f"%s\n<Anonymous {top}/ftp>\nUser ftp\n%s\n</Anonymous>"
    for server, area, first in (
        ("DefaultChdir /pub", "", "/pub"),
        ("DefaultChdir /pub", "DefaultChdir /guest", "/guest"),
        ("DefaultChdir /pub", "DefaultChdir /guest staff", "/"),
        ("DefaultChdir /pub", "DefaultChdir /guest !staff", "/guest"),
        ("DefaultChdir /pub staff\nDefaultChdir /guest", "", "/"),
    ):
        assert login(top, conf % (server, area), "ftp", "PWD")[1] == begins_in(first), (server, area)


def test_a_session_may_begin_elsewhere(top: str) -> None:
    assert login(top, "DefaultChdir sub", "tom", "PWD")[1] == begins_in(f"{top}/tom/sub")
    assert login(top, f"DefaultChdir {top}/ann", "tom", "PWD")[1] == begins_in(f"{top}/ann")
    assert login(top, "DefaultRoot ~\nDefaultChdir ~/sub", "tom", "PWD")[1] == begins_in("/sub")
    assert login(top, "DefaultRoot ~\nDefaultChdir /sub", "tom", "PWD")[1] == begins_in("/sub")


def test_where_it_cannot_begin_it_begins_at_home(top: str) -> None:
    assert login(top, "DefaultChdir /nowhere", "tom", "PWD")[1] == begins_in(f"{top}/tom")
    assert login(top, "DefaultChdir ~nobody-here", "tom", "PWD")[1] == begins_in(f"{top}/tom")
    assert login(top, "DefaultRoot ~\nDefaultChdir ../../ann", "tom", "PWD")[1] == begins_in("/")


def test_the_beginning_may_be_for_some_groups(top: str) -> None:
    conf = f"DefaultChdir {top} staff"
    assert login(top, conf, "ann", "PWD")[1] == begins_in(top)
    assert login(top, conf, "tom", "PWD")[1] == begins_in(f"{top}/tom")


def test_a_full_path_into_the_root_means_the_folder_there(top: str) -> None:
    conf = f"DefaultRoot {top}\nDefaultChdir {top}/ann"
    assert login(top, conf, "tom", "PWD")[1] == begins_in("/ann")


def test_the_beginning_may_be_another_s_home(top: str) -> None:
    assert login(top, "DefaultChdir ~ann", "tom", "PWD")[1] == begins_in(f"{top}/ann")
    assert login(top, f"DefaultRoot {top}\nDefaultChdir ~ann", "tom", "PWD")[1] == begins_in("/ann")


def test_a_home_that_is_not_in_the_root_may_be_told_as_it_is_seen_from_inside(top: str) -> None:
    os.makedirs(f"{top}/area{top}/tom")
    conf = f"DefaultRoot {top}/area\nDefaultChdir ~"
    assert login(top, conf, "tom", "PWD")[1] == begins_in(f"{top}/tom")
    # without that line, and where there is no such folder, a session begins at the top, as ever
    assert login(top, f"DefaultRoot {top}/area", "tom", "PWD")[1] == begins_in("/")
    assert login(top, conf, "ann", "PWD")[1] == begins_in("/")


def test_in_a_root_that_has_not_the_beginning_a_session_begins_at_the_top(top: str) -> None:
    assert login(top, f"DefaultRoot {top}\nDefaultChdir nowhere", "tom", "PWD")[1] == begins_in("/")
    assert login(top, f"DefaultRoot {top}", "tom", "PWD")[1] == begins_in("/tom")


def test_the_letters_of_a_name_sort_homes_into_folders(top: str) -> None:
    os.makedirs(f"{top}/t/to/tom")
    conf = f"DefaultChdir {top}/%u[0]/%u[0]%u[1]/%u"
    assert login(top, conf, "tom", "PWD")[1] == begins_in(f"{top}/t/to/tom")
    # a letter that the name has not is no letter: there is no such root
    assert login(top, f"DefaultRoot {top}/t%u[9]", "tom") == [INCORRECT, "closed"]
    assert login(top, f"DefaultRoot {top}/%u[0]", "tom", "PWD")[1] == begins_in("/")


def test_the_letters_of_a_name_never_lead_upwards(top: str) -> None:
    assert login(top, f"DefaultRoot {top}/ann/%u[0]%u[1]", "..x") == [INCORRECT, "closed"]
    assert login(top, f"DefaultRoot {top}/ann/%u[0]", "..x") == [INCORRECT, "closed"]


def test_a_session_that_begins_at_a_link_begins_where_it_leads(top: str) -> None:
    os.symlink("sub", f"{top}/tom/link")
    assert login(top, "DefaultRoot ~\nDefaultChdir link", "tom", "PWD")[1] == begins_in("/sub")
    conf = "DefaultRoot ~\nDefaultChdir link\nShowSymlinks off"
    assert login(top, conf, "tom", "PWD")[1] == begins_in("/link")


# -- CreateHome ----------------------------------------------------------------------------------------


def test_a_missing_home_may_be_made(top: str) -> None:
    os.rename(f"{top}/tom", f"{top}/elsewhere")
    assert login(top, "CreateHome on 0750", "tom", "PWD") == [TOM, begins_in(f"{top}/tom")]
    known = os.stat(f"{top}/tom")
    assert (stat.S_IMODE(known.st_mode), known.st_uid) == (0o750, os.geteuid())


def test_a_new_home_may_be_furnished(top: str) -> None:
    os.rename(f"{top}/tom", f"{top}/elsewhere")
    os.makedirs(f"{top}/skel/docs")
    for name in ("readme", "docs/deep"):
        with open(f"{top}/skel/{name}", "w") as out:
            out.write(name)
    os.chmod(f"{top}/skel/readme", 0o4640)
    os.symlink("readme", f"{top}/skel/link")
    os.mkfifo(f"{top}/skel/fifo")
    assert login(top, f"CreateHome on skel {top}/skel")[0] == TOM
    assert sorted(os.listdir(f"{top}/tom")) == ["docs", "link", "readme"]
    with open(f"{top}/tom/docs/deep") as file:
        assert file.read() == "docs/deep"
    assert stat.S_IMODE(os.stat(f"{top}/tom/readme").st_mode) == 0o640
    assert os.readlink(f"{top}/tom/link") == "readme"


def test_a_home_that_is_there_is_left_alone(top: str) -> None:
    os.chmod(f"{top}/tom", 0o755)
    assert login(top, "CreateHome on 0700")[0] == TOM
    assert stat.S_IMODE(os.stat(f"{top}/tom").st_mode) == 0o755


# -- <Anonymous> ---------------------------------------------------------------------------------------


def area(top: str, *lines: str) -> str:
    inside = "\n".join(("User ftp", "UserAlias anonymous ftp", *lines))
    return f"<Anonymous {top}/ftp>\n{inside}\n</Anonymous>"


def test_a_guest_needs_no_password_and_sees_the_area_only(top: str) -> None:
    for name in ("ftp", "anonymous"):
        assert login(top, area(top), name, "PWD", "CWD /pub", password="me@home") == [
            ANONYMOUS, begins_in("/"), "250 CWD command successful"
        ]  # fmt: skip
    assert login(top, area(top), "tom", "PWD") == [TOM, begins_in(f"{top}/tom")]


def test_a_guest_is_asked_for_an_address(top: str) -> None:
    async def run() -> list[str]:
        family = Module("family", version="1.0")
        family.auth(Family(top))
        async with Bench(family, conf=f"AuthOrder mod_family.c\n{area(top)}", login=None) as bench:
            return [await bench("USER ftp"), await bench("USER tom")]

    assert asyncio.run(run()) == [
        "331 Anonymous login ok, send your complete email address as your password", "331 Password required for tom"
    ]  # fmt: skip


def test_guests_may_be_let_in_under_an_alias_only(top: str) -> None:
    conf = area(top, "AuthAliasOnly on")
    assert login(top, conf, "ftp", password="me@home") == [INCORRECT]
    assert login(top, conf, "anonymous", password="me@home") == [ANONYMOUS]


def test_an_address_may_be_unwanted(top: str) -> None:
    conf = area(top, "AnonRejectPasswords @spam")
    assert login(top, conf, "ftp", password="a@spam.example") == [INCORRECT]
    assert login(top, conf, "ftp", password="a@good.example") == [ANONYMOUS]
    only = area(top, "AnonRejectPasswords !@")
    assert login(top, only, "ftp", password="nonsense") == [INCORRECT]


def test_an_area_may_want_a_password_after_all(top: str) -> None:
    conf = area(top, "AnonRequirePassword on", "AuthUsingAlias on", "UserAlias tom ftp")
    assert login(top, conf, "ftp", password="me@home") == [INCORRECT]
    assert login(top, conf, "tom", "PWD") == [ANONYMOUS, begins_in("/")]
    assert login(top, conf, "tom", password="wrong") == [INCORRECT]


def test_an_area_s_limits_hold_for_it_alone(top: str) -> None:
    deny, allow = "<Limit LOGIN>\nDenyAll\n</Limit>", "<Limit LOGIN>\nAllowAll\n</Limit>"
    closed = area(top, deny)
    assert login(top, closed, "ftp", password="x") == [INCORRECT]
    assert login(top, closed, "tom") == [TOM]
    opened = f"{deny}\n{area(top, allow)}"
    assert login(top, opened, "ftp", password="x") == [ANONYMOUS]
    assert login(top, opened, "tom") == [INCORRECT]
    assert login(top, f"{deny}\n{area(top)}", "ftp", password="x") == [INCORRECT]


def test_an_area_that_is_not_there_is_told_as_such(top: str) -> None:
    shut = ["530-Unable to set anonymous privileges.\n530 Login incorrect."]
    assert login(top, area(f"{top}/nowhere"), "ftp", password="x") == shut
    assert login(top, "<Anonymous ~nobody-at-all>\nUser ftp\n</Anonymous>", "ftp", password="x") == shut


def test_an_area_may_be_the_home_of_its_user(top: str) -> None:
    assert login(top, "<Anonymous ~ftp>\nUser ftp\n</Anonymous>", "ftp", "CWD pub", password="x") == [
        ANONYMOUS, "250 CWD command successful"
    ]  # fmt: skip


def test_a_name_may_lead_to_a_folder_of_the_area_and_nowhere_else(top: str) -> None:
    conf = area(top, "UserDirRoot on", "UserAlias * ftp")
    assert login(top, conf, "guest", "CWD /", "CWD /pub", password="x") == [
        ANONYMOUS, "250 CWD command successful", "550 /pub: No such file or directory"
    ]  # fmt: skip
    assert (
        login(top, conf.replace("UserAlias * ftp", ""), "ftp", "CWD /pub", password="x")[1]
        == "250 CWD command successful"
    )
    assert login(top, conf, "../.././/./../guest", "CWD /pub", password="x") == [
        ANONYMOUS, "550 /pub: No such file or directory"
    ], "the same folder, however one comes there"  # fmt: skip
    for name in ("..", ".", "guest/../..", "/"):
        assert login(top, conf, name, password="x")[0] == INCORRECT, "the area itself is no guest's own folder"
    assert login(top, conf, "../tom", password="x")[0].endswith("530 Login incorrect."), "there is none of that name"


def test_a_guest_s_group_is_the_area_s_and_those_of_the_account_stay(top: str) -> None:
    async def run() -> None:
        family = Module("family", version="1.0")
        family.auth(Family(top))
        conf = f"AuthOrder mod_family.c\n{area(top, 'Group guests', 'Umask 077')}"
        async with Bench(family, conf=conf, login=None) as bench:
            await bench("USER ftp")
            await bench("PASS me@home")
            session = bench.session
            assert session is not None and session.identity is not None and session.files is not None
            assert (session.identity.gid, session.identity.groups) == (7007, (7007, os.getegid()))
            assert session.groups == ((7007, "guests"), (os.getegid(), "ftp"))
            assert session.notes["mod_auth.anon-passwd"] == "me@home"
            assert session.files.umask == 0o077

    asyncio.run(run())
    assert login(top, area(top, "Group nosuch"), "ftp", password="x") == [INCORRECT]


# -- MagicTokenChroot ----------------------------------------------------------------------------------


def test_a_home_may_say_where_its_root_ends(top: str) -> None:
    magic = f"{top}/./tom"

    class Magic(Family):
        def getpwnam(self, session: Session, user: str) -> Account | None:
            return Account(user, os.geteuid(), os.getegid(), magic, "/bin/sh")

    async def run(conf: str) -> list[str]:
        module = Module("magic", version="1.0")
        module.auth(Magic(top))
        async with Bench(module, conf=f"AuthOrder mod_magic.c\n{conf}", login=None) as bench:
            await bench("USER tom")
            return [await bench("PASS secret"), await bench("PWD"), await bench("CWD /ann")]

    inside = asyncio.run(run("AuthUnixOptions MagicTokenChroot"))
    assert inside == [TOM, begins_in("/tom"), "250 CWD command successful"]
    assert asyncio.run(run(""))[2] == "550 /ann: No such file or directory"


# -- <Directory ~...> ----------------------------------------------------------------------------------------------

DENY_STOR = "<Limit MKD>\nDenyAll\n</Limit>\n"


def test_a_section_of_another_users_home_is_about_the_home_that_the_accounts_say(top: str) -> None:
    conf = f"<Directory ~tom/sub>\n{DENY_STOR}</Directory>\n"
    assert login(top, conf, "ann", f"MKD {top}/tom/sub/x", f"MKD {top}/tom/y")[1:] == [
        f"550 {top}/tom/sub/x: Permission denied",
        f'257 "{top}/tom/y" - Directory successfully created',
    ]


def test_a_section_of_the_home_counts_where_its_link_leads(top: str) -> None:
    os.symlink("sub", f"{top}/tom/www")
    conf = f"<Directory ~/www>\n{DENY_STOR}</Directory>\n"
    assert login(top, conf, "tom", "MKD sub/x", "MKD www/x", f"MKD {top}/tom/y")[1:] == [
        "550 sub/x: Permission denied",
        "550 www/x: Permission denied",
        f'257 "{top}/tom/y" - Directory successfully created',
    ]


def test_what_a_link_in_the_home_allows_is_allowed_where_it_leads(top: str) -> None:
    os.symlink("sub", f"{top}/tom/www")
    conf = f"{DENY_STOR}<Directory ~/www>\n<Limit MKD>\nAllowAll\n</Limit>\n</Directory>\n"
    assert login(top, conf, "tom", "MKD sub/x", "MKD www/y", "MKD z")[1:] == [
        f'257 "{top}/tom/sub/x" - Directory successfully created',
        f'257 "{top}/tom/www/y" - Directory successfully created',
        "550 z: Permission denied",
    ]


def test_the_slash_of_an_anonymous_area_holds_its_relative_sections(top: str) -> None:
    conf = (
        f"<Anonymous {top}/ftp>\nUser ftp\nRequireValidShell off\n"
        f"<Directory />\n{DENY_STOR}</Directory>\n<Directory pub>\nUmask 027\n</Directory>\n</Anonymous>\n"
    )
    replies = login(top, conf, "ftp", "MKD pub/x", "MKD y", password="a@b.c")
    assert replies[0] == ANONYMOUS
    assert replies[1:] == ["550 pub/x: Permission denied", "550 y: Permission denied"]


def test_an_alias_of_an_anonymous_area_comes_before_one_of_the_server(top: str) -> None:
    area = f"<Anonymous {top}/ftp>\nUser ftp\nRequireValidShell off\nUserAlias anonymous ftp\n</Anonymous>\n"
    conf = f"UserAlias * tom\n{area}"
    assert login(top, conf, "anonymous", password="a@b.c") == [ANONYMOUS]
    assert login(top, conf, "web") == ["230 User web logged in"]
    assert login(top, conf, "web", password="a@b.c") == [INCORRECT]
