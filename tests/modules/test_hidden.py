"""HideFiles, and <Limit> that denies: which names each listing leaves out, links and dots among them."""

from __future__ import annotations

import os

import pytest
from hidden_ground import IGNORE, LISTINGS, TREE, at_home, listings_of, names_in
from xfer_ground import run, talk

from ftpd.api import Command, Path
from ftpd.conf.faults import ConfigFaults
from ftpd.modules import _ls_request
from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")


# -- HideFiles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", LISTINGS)
def test_every_listing_leaves_hidden_names_out(line: str) -> None:
    assert listings_of(at_home("HideFiles \\.key$"), line) == [["a.txt", "d"]]


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ("HideFiles key", "a.txt d"),
        ("HideFiles !key", "b.key k.key"),
        ("HideFiles none", "a.txt b.key d k.key"),
        ("HideFiles key user tom", "a.txt d"),
        ("HideFiles key user ann", "a.txt b.key d k.key"),
        ("HideFiles key user !ann", "a.txt d"),
        ("HideFiles none user tom\nHideFiles key", "a.txt b.key d k.key"),
        ("HideFiles none user ann\nHideFiles key", "a.txt d"),
        ("HideFiles key group nobody-is-in-it", "a.txt b.key d k.key"),
        ("HideFiles key class other", "a.txt b.key d k.key"),
        # as with ProFTPD, the first line that is for the client decides
        ("HideFiles key\nHideFiles txt", "a.txt d"),
    ],
)
def test_the_first_line_that_is_for_the_client_decides(rules: str, names: str) -> None:
    assert listings_of(at_home(rules), "NLST") == [names.split()]


def test_inner_folders_inherit_and_can_end_it() -> None:
    outer = at_home("HideFiles key")
    assert listings_of(outer, "NLST d") == [["d/in.txt"]]
    inner = "<Directory {root}/d>\nHideFiles none\n</Directory>\n"
    assert listings_of(outer + inner, "NLST d", "NLST d/*") == [["d/in.key", "d/in.txt"]] * 2


def test_recursion_does_not_enter_what_it_does_not_show() -> None:
    assert listings_of(at_home("HideFiles ^(d|k)"), "LIST -R") == [["a.txt", "b.key"]]


def test_a_link_does_not_show_what_it_leads_to() -> None:
    links = {"to-file": "b.key", "to-folder": "k.key", "fine": "a.txt", "nowhere": "zip"}
    seen = listings_of(at_home("HideFiles key"), "LIST -1", "NLST", "MLSD", links=links)
    assert seen == [["a.txt", "d", "fine", "nowhere"], ["a.txt", "d", "fine"], ["a.txt", "d", "fine", "nowhere"]]


def test_nor_does_a_link_to_a_hidden_name_where_nothing_is() -> None:
    links = {"tells": "old.key", "above": "../k.key/gone", "absolute": "/was.key", "fine": "gone.txt"}
    seen = listings_of(at_home("HideFiles \\.key$"), "LIST -1", "MLSD", files={"a.txt": b""}, links=links)
    assert seen == [["a.txt", "above", "fine"]] * 2
    conf = "<Directory {root}/no>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n"
    assert listings_of(conf, "LIST -1", files={"a.txt": b""}, links={"a": "no/x", "b": "yes/x"}) == [["a.txt", "b"]]


LINKED = {
    "files": {"a.txt": b"", "secret": b"", "d.txt/": b""},
    "links": {"plain": "a.txt", "b.txt": "a.txt", "c.txt": "secret", "folder": "d.txt", "gone.txt": "nowhere"},
}


@pytest.mark.parametrize("line", [line for line in LISTINGS if not line.startswith("NLST")])
def test_a_link_is_hidden_by_its_own_name_and_by_that_of_what_it_leads_to(line: str) -> None:
    lines = line, line.replace("LIST -1", "LIST -1L")
    for seen in listings_of(at_home("HideFiles !\\.txt$"), *lines, **LINKED):  # type: ignore[arg-type]
        # the last word of a long line is where a link leads
        assert seen in (["a.txt", "a.txt", "d.txt"], ["a.txt", "b.txt", "d.txt"])


@pytest.mark.parametrize(
    ("rule", "inside", "matched", "named"),
    [
        ("!\\.txt$", "a.txt b.txt d.txt folder plain", "a.txt b.txt c.txt d.txt", "b.txt c.txt"),
        ("\\.txt$", "c.txt secret", "folder plain secret", "plain"),
        ("!^s", "c.txt secret", "secret", ""),
    ],
)
def test_nlst_asks_of_links_in_a_folder_by_their_aim_and_of_those_it_names_by_themselves(
    rule: str, inside: str, matched: str, named: str
) -> None:
    lines = "NLST", "NLST *", "NLST plain", "NLST b.txt", "NLST c.txt"
    seen = listings_of(at_home(f"HideFiles {rule}"), *lines, **LINKED)  # type: ignore[arg-type]
    assert seen[:2] == [inside.split(), matched.split()]
    assert sorted(name for names in seen[2:] for name in names) == named.split()


def test_nlst_shows_no_link_to_what_limit_denies_whatever_it_is_called() -> None:
    conf = at_home("HideFiles !\\.txt$") + "<Directory {root}/a.txt>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n"
    seen = listings_of(conf, "NLST", "NLST *", **LINKED)  # type: ignore[arg-type]
    assert seen == [["d.txt", "folder"], ["c.txt", "d.txt"]]


@pytest.mark.parametrize(
    ("rule", "line", "dots"),
    [
        ("HideFiles ^d$", "NLST -a d", "d/.."),
        ("HideFiles ^d$", "NLST -a d/e", "d/e/."),
        ("HideFiles ^d$", "NLST -a", ". .."),
        ("HideFiles ^d$", "MLSD d", ".."),
        ("HideFiles ^d$", "LIST -a1 d", ". .."),
        ("HideFiles \\.", "NLST -a d", "d/. d/.."),
        ("HideFiles \\.", "MLSD d", ""),
        ("HideFiles \\.\\.", "MLSD d", "."),
        ("HideFiles !e", "NLST -a d/e", "d/e/."),
        ("HideFiles !d", "NLST -a", ""),
        ("HideFiles !d", "NLST -a d", "d/."),
        ("HideFiles ^$", "NLST -a", ". .."),
        ("HideUser ~", "NLST -a d/e", ""),
        ("HideUser ~", "MLSD d/e", ""),
        ("HideUser nobody-has-this-name", "MLSD d/e", ". .."),
        ("HideNoAccess on", "NLST -a d/e", "d/e/. d/e/.."),
    ],
)
def test_nlst_and_mlsd_hide_a_folder_under_its_dots_as_well(rule: str, line: str, dots: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        words = [text.split()[-1] for text in (await ftp.download(line)).decode().splitlines()]
        return [word for word in words if word.rpartition("/")[2] in (".", "..")]

    assert run(tale, files={"d/e/f": b""}, conf=at_home(rule)) == dots.split()


def _closed(folder: str, verb: str, rule: str = "DenyAll") -> str:
    return f"<Directory {{root}}{folder}>\n<Limit {verb}>\n{rule}\n</Limit>\n</Directory>\n"


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize(("verb", "line"), [("MLSD", "MLSD d/e"), ("DIRS", "MLSD d/e"), ("NLST", "NLST -a d/e")])
@pytest.mark.parametrize(
    ("rules", "dots"),
    [
        ([("/d", "DenyAll"), ("/d/e", "AllowAll")], ". ef"),
        ([("", "DenyAll"), ("/d", "AllowAll")], ". .. ef"),
        ([("", "AllowAll"), ("/d/e/ef", "DenyAll")], ". .."),
        ([(None, "DenyAll"), ("/d/e", "AllowAll")], ". ef"),
    ],
)
def test_nlst_and_mlsd_have_no_dotdot_where_only_the_folder_above_is_denied(
    rules: list[tuple[str | None, str]], dots: str, verb: str, line: str, root: bool
) -> None:
    conf = "DefaultRoot ~\n" if root else ""
    for folder, rule in rules:
        conf += f"<Limit {verb}>\n{rule}\n</Limit>\n" if folder is None else _closed(folder, verb, rule)

    async def tale(ftp: Bench) -> list[str]:
        words = [text.split()[-1] for text in (await ftp.download(line)).decode().splitlines()]
        return sorted(word.removeprefix("d/e/") for word in words)

    assert run(tale, files={"d/e/ef": b""}, conf=conf) == dots.split()


@pytest.mark.parametrize("line", ["MLSD d", "NLST -a d"])
def test_nor_where_the_folder_above_is_the_root_of_the_session(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        words = [text.split()[-1] for text in (await ftp.download(line)).decode().splitlines()]
        return sorted(word.removeprefix("d/") for word in words)

    for rules in (_closed("", "DIRS") + _closed("/d", "DIRS", "AllowAll"), "<Directory {root}/d>\nHideFiles x\n"
                  "HideUser nobody\n</Directory>\n" + at_home("HideUser ~")):  # fmt: skip
        assert run(tale, files={"d/a": b""}, conf="DefaultRoot ~\n" + rules) == [".", "a"], rules


@pytest.mark.parametrize(("line", "shown"), [("MLSD", []), ("NLST -a", []), ("LIST -1a", [".", ".."]), ("MLSD d", [])])
def test_a_hidden_root_is_hidden_under_its_dots_as_well(line: str, shown: list[str]) -> None:
    async def tale(ftp: Bench) -> list[str]:
        return [text.split()[-1] for text in (await ftp.download(line)).decode().splitlines()]

    assert run(tale, files={"d/a": b""}, conf="DefaultRoot ~\n" + at_home("HideUser ~")) == shown


def test_mlsd_has_what_hides_the_entries_of_a_folder_look_at_its_dots() -> None:
    async def tale(ftp: Bench) -> list[str]:
        return [text.split()[-1] for line in ("MLSD d", "NLST -a d") for text in
                (await ftp.download(line)).decode().splitlines()]  # fmt: skip

    conf = "<Directory {root}/d>\nHideUser ~\n</Directory>\n"
    assert run(tale, files={"d/a": b""}, conf=conf) == ["d/.."]


@pytest.mark.parametrize(("more", "last"), [("", "226 Transfer complete"), (IGNORE, "450 No files found")])
def test_many_hidden_names_that_a_pattern_matches_are_not_asked_for_one_by_one(
    more: str, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    allowed = _ls_request.allowed

    def counted(cmd: Command, virtual: str) -> Path:
        asked.append(virtual)
        return allowed(cmd, virtual)

    async def tale(ftp: Bench) -> str:
        assert await ftp.download("NLST *.key") == b""
        return ftp.replies.splitlines()[-1]

    monkeypatch.setattr(_ls_request, "allowed", counted)
    files = {f"{number}.key": b"" for number in range(500)}
    assert run(tale, files=files, conf=at_home("HideFiles key\n" + more)) == last
    assert len(asked) < 100


def test_named_by_itself_a_hidden_entry_gives_an_empty_listing_and_can_be_fetched() -> None:
    async def tale(ftp: Bench) -> list[str]:
        replies = []
        for line in ("LIST b.key", "LIST -d k.key", "NLST b.key", "NLST *.key"):
            assert await ftp.download(line) == b""
            replies.append(ftp.replies.splitlines()[-1])
        assert await ftp.download("LIST -1 k.key") == b"x.txt\r\n"
        assert await ftp.download("RETR b.key") == b"2"
        return [*replies, await ftp("STAT b.key"), await ftp("MLST b.key")]

    assert run(tale, files=TREE, conf=at_home("HideFiles key")) == [
        *["226 Transfer complete"] * 4,
        "213-Status of b.key:\n213 End of status",
        "250-Start of list for b.key\n250 End of list",
    ]


# -- entries that <Limit> denies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("line", LISTINGS)
def test_entries_that_the_command_may_not_use_are_left_out(line: str) -> None:
    conf = "<Directory {root}/d>\n<Limit DIRS>\nDenyAll\n</Limit>\n</Directory>\n"
    assert listings_of(conf, line, links={"to-d": "d", "to-e": "d/in.txt"}) == [["a.txt", "b.key", "k.key"]]


def test_a_limit_for_another_command_hides_nothing() -> None:
    conf = "<Directory {root}/d>\n<Limit WRITE>\nDenyAll\n</Limit>\n</Directory>\n"
    assert listings_of(conf, "NLST") == [["a.txt", "b.key", "d", "k.key"]]


def test_a_bare_denyall_hides_the_folder() -> None:
    assert (
        listings_of("<Directory {root}/d>\nDenyAll\n</Directory>\n", "LIST -1", "MLSD")
        == [["a.txt", "b.key", "k.key"]] * 2
    )


# -- the directives ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("HideFiles", "missing parameters"),
        ("HideFiles (", "failed regex compilation: missing "),
        ("HideFiles x users tom", "'users' is unknown here"),
        ("HideFiles x user", "'user' is unknown here"),
        ("HideUser !", "'!' has no name behind it"),
        ("HideNoAccess maybe", "Boolean"),
    ],
)
def test_wrong_lines_are_explained(line: str, words: str) -> None:
    with pytest.raises(ConfigFaults) as caught:
        talk("NOOP", conf=at_home(line))
    assert words in str(caught.value)


@pytest.mark.parametrize("line", LISTINGS)
def test_a_link_to_what_is_hidden_is_found_without_a_look_at_all_others(line: str) -> None:
    async def tale(ftp: Bench) -> str:
        os.symlink("b.key", f"{ftp.root}/l")
        os.symlink("a.txt", f"{ftp.root}/m")
        return await ftp(line) if line.startswith("STAT") else (await ftp.download(line)).decode()

    shown = run(tale, files={"a.txt": b"1", "b.key": b"2", "c.txt": b"3"}, conf=at_home("HideFiles key$"))
    # of links that a pattern matches NLST asks by their own names
    named = ["l"] if line == "NLST *" else []
    assert names_in(shown.replace(" -> a.txt", "")) == ["a.txt", "c.txt", *named, "m"]


def test_what_is_hidden_does_not_count_among_those_that_may_be_shown() -> None:
    async def tale(ftp: Bench) -> str:
        os.symlink("b.key", f"{ftp.root}/a")
        return (await ftp.download("LIST -1")).decode()

    files = {"b.key": b"", "c": b"", "d": b"", "e": b""}
    assert run(tale, files=files, conf=at_home('HideFiles key$\nListOptions "" maxfiles 2')) == "c\r\nd\r\n"
