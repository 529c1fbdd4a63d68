"""What is in force where: first and last lines, <Global>, what flows down, and <Directory> paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conf_host import (
    ALLOW_OVERWRITE,
    GROUP_OWNER,
    HIDE_FILES,
    IF_USER,
    PORT,
    SERVER_NAME,
    UMASK,
    USER,
    Host,
    configured,
)

from ftpd.conf import build
from ftpd.conf.directive import ANON, Directive
from ftpd.conf.faults import ConfigFaults
from ftpd.conf.resolve import barred, chain_at, directory_at, settings_at, specialise
from ftpd.conf.tree import Config, Scope


def anonymous(server: Scope) -> Scope:
    return next(child for child in server.children if child.kind is ANON)


def umask(config: Config, path: str, anon: Scope | None = None, **who: str) -> str:
    """The umask of files at a path of the main server."""
    return f"{settings_at(config.main, anon, path, **who)[UMASK][0]:03o}"


def test_the_first_line_counts_or_the_last_or_all(tmp_path: Path) -> None:
    main = configured(tmp_path, "Umask 027\nUmask 077\nServerName a\nServerName b\nHideFiles x\nHideFiles y\n").main
    assert main.settings[UMASK] == (0o27, 0o27)
    assert main.settings[SERVER_NAME] == "b"
    assert [pattern.pattern for pattern in main.settings[HIDE_FILES]] == ["x", "y"]
    assert main.settings[PORT] == 21 and PORT not in main.settings


def test_the_umask_of_directories_may_stand_in_a_later_line(tmp_path: Path) -> None:
    later = configured(tmp_path, "Umask 022\nUmask 027 077\n")
    assert later.main.settings[UMASK] == (0o22, 0o77) and not later.warnings
    early = configured(tmp_path, "Umask 022 027\nUmask 000 077\n")
    assert early.main.settings[UMASK] == (0o22, 0o27)
    assert [warning.message for warning in early.warnings]


def test_each_value_remembers_its_lines(tmp_path: Path) -> None:
    main = configured(tmp_path, "HideFiles x\n\nHideFiles y\n").main
    assert [line for _, line in main.where[HIDE_FILES]] == [1, 3]


def test_virtual_hosts_take_nothing_from_the_main_server(tmp_path: Path) -> None:
    config = configured(
        tmp_path, "Umask 077\n<VirtualHost b>\nPort 2\n</VirtualHost>\n<VirtualHost c>\n</VirtualHost>\n"
    )
    assert [server.args for server in config.servers] == [[], ["b"], ["c"]]
    assert [UMASK in server.settings for server in config.servers] == [True, False, False]


def test_a_virtual_host_without_a_name_has_that_of_the_main_server(tmp_path: Path) -> None:
    hosts = "<VirtualHost 192.0.2.1>\n</VirtualHost>\n<VirtualHost 192.0.2.2>\nServerName own\n</VirtualHost>\n"
    config = configured(tmp_path, f"{hosts}ServerName main\n")
    assert [server.settings[SERVER_NAME] for server in config.servers] == ["main", "main", "own"]


def test_global_stands_behind_each_servers_own(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "<Global>\nUmask 027\nHideFiles g\n</Global>\nHideFiles m\n<VirtualHost b>\nUmask 077\n</VirtualHost>\n"
        "<Global>\nUmask 000\nAllowOverwrite on\n</Global>\n",
    )
    main, host = config.servers
    assert [pattern.pattern for pattern in main.settings[HIDE_FILES]] == ["m", "g"]
    assert (main.settings[UMASK], host.settings[UMASK]) == ((0, 0), (0o77, 0o77))
    assert host.settings[ALLOW_OVERWRITE]


def test_the_last_global_comes_before_the_others(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "<Global>\nUmask 077\nAllowOverwrite on\n<Directory /a>\nUmask 007\n</Directory>\n</Global>\n"
        "<VirtualHost b>\nUmask 002\n</VirtualHost>\n"
        "<Global>\nUmask 027\nUmask 022\n<Directory /a>\nUmask 005\n</Directory>\n</Global>\n",
    )
    main, host = config.servers
    assert [server.settings[UMASK][0] for server in (main, host)] == [0o27, 0o2]
    assert main.settings[ALLOW_OVERWRITE]
    assert umask(config, "/a") == "005"


def test_sections_in_global_are_in_every_server(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "AllowOverwrite on\n<Global>\n<Directory /srv>\nUmask 077\n</Directory>\n</Global>\n"
        "<VirtualHost b>\n</VirtualHost>\n",
    )
    main, host = (settings_at(server, None, "/srv/x") for server in config.servers)
    assert (main[UMASK], host[UMASK]) == ((0o77, 0o77), (0o77, 0o77))
    assert (main[ALLOW_OVERWRITE], host[ALLOW_OVERWRITE]) == (True, False)


def test_values_flow_from_the_server_through_outer_directories(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "Umask 027\nHideFiles s\n<Directory /srv/pub>\nHideFiles p\n</Directory>\n"
        "<Directory /srv>\nHideFiles o\nUmask 077\nGroupOwner staff\n</Directory>\n",
    )
    inner = settings_at(config.main, None, "/srv/pub/x/y")
    assert [pattern.pattern for pattern in inner[HIDE_FILES]] == ["p", "o", "s"]
    assert inner[UMASK] == (0o77, 0o77)
    assert GROUP_OWNER not in inner
    assert settings_at(config.main, None, "/srv/x")[GROUP_OWNER] == "staff"
    assert umask(config, "/srvx") == "027"
    scope = directory_at(config.main, None, "/srv/pub")
    assert scope is not None and scope.settings[UMASK] == (0o77, 0o77)


def directories(tmp_path: Path, *paths: str) -> Config:
    """Directories whose umask is their number, from 1."""
    return configured(
        tmp_path,
        "Umask 000\n"
        + "".join(f"<Directory {path}>\nUmask {n:03o}\n</Directory>\n" for n, path in enumerate(paths, 1)),
    )


def test_the_deepest_directory_counts_however_they_are_ordered(tmp_path: Path) -> None:
    for paths in (["/", "/a", "/a/b"], ["/a/b", "/", "/a"]):
        config = directories(tmp_path, *paths)
        for path, section in (("/x", "/"), ("/a", "/a"), ("/a/c/d", "/a"), ("/a/b/c", "/a/b"), ("/ab", "/")):
            found = directory_at(config.main, None, path)
            assert found is not None and found.args == [section]


def test_a_star_crosses_slashes_and_means_what_is_below(tmp_path: Path) -> None:
    config = directories(tmp_path, "/x/*", "/home/*/pub")
    assert umask(config, "/x") == "000"
    assert umask(config, "/x/a/b") == "001"
    assert umask(config, "/home/a/b/pub") == "002"
    assert umask(config, "/home/a/pub/c/d") == "002"
    assert umask(config, "/home/a/publish") == "000"


def test_a_plain_path_is_deeper_than_a_pattern_that_covers_it(tmp_path: Path) -> None:
    assert umask(directories(tmp_path, "/home/anna", "/home/*"), "/home/anna/x") == "001"


def test_a_home_is_known_with_the_session(tmp_path: Path) -> None:
    config = directories(tmp_path, "~", "~/in*", "/ftp/%u/x")
    assert umask(config, "/home/anna/a", home="/home/anna", user="anna") == "001"
    assert umask(config, "/home/anna/incoming", home="/home/anna", user="anna") == "002"
    assert umask(config, "/home/bert/a", home="/home/anna", user="anna") == "000"
    assert umask(config, "/ftp/anna/x/y", home="/home/anna", user="anna") == "003"
    assert umask(config, "/ftp/anna/x/y", home="/home/bert", user="bert") == "000"


def test_a_name_or_home_is_never_taken_as_a_pattern(tmp_path: Path) -> None:
    config = directories(tmp_path, "~/*", "/ftp/%u/*")
    assert umask(config, "/home/anna/x", home="/home/*", user="*") == "000"
    assert umask(config, "/ftp/anna/x", home="/home/*", user="*") == "000"


def test_the_home_of_a_named_user_is_looked_up(tmp_path: Path) -> None:
    config = directories(tmp_path, "~root", "~nosuchuserhere/x")
    assert umask(config, "/root/x") == "001"
    assert umask(config, "/x") == "000"


def test_a_directory_behind_a_link_counts_under_both_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    config = directories(tmp_path, f"{tmp_path}/link")
    assert umask(config, f"{tmp_path}/link/x") == umask(config, f"{tmp_path.resolve()}/real/x") == "001"


ANONYMOUS = """
Umask 001
HideFiles server
<Directory />
  Umask 002
</Directory>
<Directory /srv/ftp/shared>
  HideFiles shared
</Directory>
<Anonymous /srv/ftp>
  User ftp
  Umask 003
  <Directory *>
    AllowOverwrite on
  </Directory>
  <Directory incoming>
    Umask 004
  </Directory>
</Anonymous>
"""


def test_in_an_anonymous_session_its_own_directories_come_first(tmp_path: Path) -> None:
    config = configured(tmp_path, ANONYMOUS)
    anon = anonymous(config.main)
    assert umask(config, "/srv/ftp", anon) == "003"
    assert settings_at(config.main, anon, "/srv/ftp")[ALLOW_OVERWRITE]
    assert umask(config, "/srv/ftp/incoming/x", anon) == "004"
    assert settings_at(config.main, anon, "/srv/ftp/incoming/x")[ALLOW_OVERWRITE]
    assert anon.settings[USER] == "ftp" and USER not in config.main.settings
    assert umask(config, "/srv/ftp/incoming") == "002"


def test_directories_of_the_server_do_not_count_for_anonymous(tmp_path: Path) -> None:
    config = configured(tmp_path, ANONYMOUS.replace("<Directory *>", "<Directory pub>"))
    anon = anonymous(config.main)
    assert umask(config, "/srv/ftp/x", anon) == "003"
    inside = settings_at(config.main, anon, "/srv/ftp/shared/x")
    assert inside[UMASK] == (3, 3)
    assert [pattern.pattern for pattern in inside[HIDE_FILES]] == ["server"]
    assert [pattern.pattern for pattern in settings_at(config.main, None, "/srv/ftp/shared")[HIDE_FILES]] == [
        "shared",
        "server",
    ]


# -- sections side by side: what the tests below say was seen of ProFTPD 1.3.8 -----------------------------


@pytest.mark.parametrize(
    ("written", "path", "chain"),
    [
        # of two that match the one written last counts, and only what its own text lies in counts with it
        (["/h/a", "/h/*"], "/h/a/x", ["/h/a", "/h/*"]),
        (["/h/u/p", "/h/*/p"], "/h/u/p/x", ["/h/*/p"]),
        (["/h/*/p", "/h/u/p"], "/h/u/p/x", ["/h/u/p"]),
        (["/h/a/b*", "/h/*/b"], "/h/a/b/x", ["/h/*/b"]),
        (["/h/*/b", "/h/a/?", "/h/*"], "/h/a/b/x", ["/h/*/b", "/h/*"]),
        (["/", "/h/*b", "/h/a/*", "/h/?"], "/h/a/x", ["/h/a/*", "/"]),
        (["/h/a/b/c", "/h", "/h/a"], "/h/a/b/c/d", ["/h/a/b/c", "/h/a", "/h"]),
        (["/h/a", "/h/ab"], "/h/ab/x", ["/h/ab"]),
        (["/h/?"], "/h/x", ["/h/?"]),
        (["/h/*"], "/h", []),
        (["/h/[ab]"], "/h/b/c", ["/h/[ab]"]),
        # what begins at a home stands by itself; in ProFTPD these would be hidden by what is written after them, which
        # therefore holds there as well
        (["/", "~/a"], "/home/tom/a/x", ["~/a"]),
        (["~/a", "/"], "/home/tom/a/x", ["~/a", "/"]),
        (["~/a", "~/*"], "/home/tom/a/x", ["~/a", "~/*"]),
        (["~", "/home/tom/a"], "/home/tom/a/x", ["/home/tom/a"]),
        (["/home/tom/a", "~"], "/home/tom/a/x", ["/home/tom/a", "~"]),
        (["~/a", "/home/*/a"], "/home/tom/a/x", ["/home/*/a"]),
    ],
)
def test_sections_side_by_side(tmp_path: Path, written: list[str], path: str, chain: list[str]) -> None:
    text = "".join(f"<Directory {where}>\nUmask 022\n</Directory>\n" for where in written)
    main = configured(tmp_path, text).main
    assert [scope.args[0] for scope in chain_at(main, None, path, home="/home/tom", user="tom")] == chain


def test_a_relative_section_of_anonymous_lies_in_none_that_begins_at_the_root_of_the_machine(tmp_path: Path) -> None:
    names = ["b/*", "/srv/*/b", "/srv/*"]
    inside = "".join(f"<Directory {name}>\nUmask 022\n</Directory>\n" for name in names)
    main = configured(tmp_path, f"<Anonymous /srv>\nUser ftp\n{inside}</Anonymous>\n").main
    chain = chain_at(main, anonymous(main), "/srv/b/b/x")
    assert [scope.args[0] for scope in chain] == ["/srv/*/b", "/srv/*"]


def test_an_anonymous_root_may_be_a_home(tmp_path: Path) -> None:
    config = configured(tmp_path, ANONYMOUS.replace("<Anonymous /srv/ftp>", "<Anonymous ~ftp>"))
    anon = anonymous(config.main)
    assert umask(config, "/home/ftp/incoming", anon, home="/home/ftp", user="ftp") == "004"
    assert umask(config, "/home/ftp/x", anon, home="/home/ftp", user="ftp") == "003"


def test_a_bare_deny_all_bars_its_directory_and_no_section_further_in(tmp_path: Path) -> None:
    main = configured(
        tmp_path,
        "<Directory /a>\nDenyAll\n</Directory>\n<Directory /a/b>\nAllowAll\n</Directory>\n"
        "<Directory /a/b/c>\nUmask 022\n</Directory>\n<Directory /a/d>\nUmask 022\n</Directory>\n"
        "<Directory /a/e>\nAllowAll\nDenyAll\n</Directory>\n",
    ).main
    assert barred(main, None, "/a/x")
    assert not barred(main, None, "/a/b/c/d")
    assert not barred(main, None, "/a/d/x")
    assert not barred(main, None, "/a/e/x")
    assert not barred(main, None, "/x")


def test_two_modules_may_own_one_directive(tmp_path: Path) -> None:
    main = configured(tmp_path, "LoadModule mod_umask.c\nUmask 022\n").main
    (other,) = [directive for directive in main.values if directive.module == "mod_umask"]
    assert main.settings[UMASK] == (0o22, 0o22)
    assert main.settings[other] == ("022",)


def test_an_unused_context_of_one_owner_leaves_the_other(tmp_path: Path) -> None:
    config = configured(tmp_path, "LoadModule mod_umask.c\n<Directory /srv>\nUmask 077\n</Directory>\n")
    scope = directory_at(config.main, None, "/srv")
    assert scope is not None
    assert list(scope.values) == [UMASK]


def test_a_conditional_section_is_applied_on_demand_and_comes_first(tmp_path: Path) -> None:
    main = configured(
        tmp_path,
        "LoadModule mod_ifsession.c\nUmask 022\n<IfUser anna>\nUmask 077\nHideFiles x\nServerType inetd\n"
        "<Directory /srv>\nAllowOverwrite on\n</Directory>\n</IfUser>\nHideFiles y\n",
    ).main
    assert main.settings[UMASK] == (0o22, 0o22)
    (section,) = main.conditional
    assert section.condition is not None
    directive, expression = section.condition
    assert directive is IF_USER and expression.matches(("anna",)) and not expression.matches(("bert",))
    special = specialise(main, [section])
    assert special.settings[UMASK] == (0o77, 0o77)
    assert [pattern.pattern for pattern in special.settings[HIDE_FILES]] == ["x", "y"]
    assert settings_at(special, None, "/srv/x")[ALLOW_OVERWRITE]
    assert not settings_at(main, None, "/srv/x")[ALLOW_OVERWRITE]


def test_ftpaccess_wins_over_directories_above_and_never_stops_anything(tmp_path: Path) -> None:
    main = configured(tmp_path, "<Directory />\nUmask 022\nAllowOverwrite on\n</Directory>\n").main
    access, told = build.read_ftpaccess("/srv/.ftpaccess", "Umask 077\nPort 21\nUmask 9x\nNonsense\n", Host())
    inside = settings_at(main, None, "/srv/x", access=(access,))
    assert inside[UMASK] == (0o77, 0o77) and inside[ALLOW_OVERWRITE]
    assert [fault.line for fault in told] == [2, 3, 4]
    assert told[0].message == "directive not allowed in .ftpaccess context"


def test_empty_sections_are_forgotten(tmp_path: Path) -> None:
    main = configured(tmp_path, "<Directory /srv>\n<Limit ALL>\n</Limit>\n</Directory>\n").main
    assert main.children == []


def test_a_thousand_lines_of_one_list_are_read_at_once(tmp_path: Path) -> None:
    values: dict[Directive[Any], Any] = configured(tmp_path, "HideFiles x\n" * 1000).main.values
    assert len(values[HIDE_FILES]) == 1000


@pytest.mark.parametrize(("one", "other"), [("/srv", "/srv/"), ("/srv/", "/srv"), ("/srv/", "/srv//")])
def test_a_path_with_a_slash_at_its_end_lies_in_the_one_without(tmp_path: Path, one: str, other: str) -> None:
    inner, outer = sorted((one, other), key=len, reverse=True)
    lines = {inner: "Umask 077\nHideFiles inner\n", outer: "Umask 022\nHideFiles outer\nAllowOverwrite on\n"}
    config = configured(tmp_path, "".join(f"<Directory {path}>\n{lines[path]}</Directory>\n" for path in (one, other)))
    found = settings_at(config.main, None, "/srv/a")
    assert (found[UMASK], found[ALLOW_OVERWRITE]) == ((0o77, 0o77), True)
    assert [pattern.pattern for pattern in found[HIDE_FILES]] == ["inner", "outer"]
    assert not config.warnings


def test_sections_of_one_path_must_not_say_the_opposite(tmp_path: Path) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        configured(tmp_path, "<Directory /srv>\nDenyAll\n</Directory>\n<Directory /srv/>\nAllowAll\n</Directory>\n")
    assert "says the opposite of the one at" in wrong.value.render()


def test_of_two_sections_of_a_path_the_last_counts_for_guests(tmp_path: Path) -> None:
    sections = "<Directory pub>\nUmask 022\n</Directory>\n<Directory pub>\nUmask 077\n</Directory>\n"
    config = configured(tmp_path, f"<Anonymous /srv>\nUser ftp\n{sections}</Anonymous>\n")
    assert umask(config, "/srv/pub", anonymous(config.main)) == "077"
    assert any("takes the place of the section at" in warning.message for warning in config.warnings)
