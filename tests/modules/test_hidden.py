"""HideFiles, HideUser, HideGroup, HideNoAccess and IgnoreHidden: what listings leave out, and what is not there."""

from __future__ import annotations

import os
import stat

import pytest
from xfer_ground import run, talk

from ftpd.api import Command, Path
from ftpd.conf.faults import ConfigFaults
from ftpd.modules import _ls_request
from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")

TREE = {"a.txt": b"1", "b.key": b"2", "d/in.key": b"3", "d/in.txt": b"4", "k.key/x.txt": b"5"}
IGNORE = "<Limit ALL>\nIgnoreHidden on\n</Limit>\n"
LISTINGS = ("LIST -1", "LIST", "NLST", "NLST *", "LIST *", "MLSD", "STAT .")


def _at_home(lines: str) -> str:
    return f"<Directory {{root}}>\n{lines}\n</Directory>\n"


def _names(text: str) -> list[str]:
    """The last words of the lines of any listing, but not ``.`` and ``..``."""
    words = [line.split()[-1].rstrip(":") for line in text.splitlines() if line.strip()]
    return sorted(word for word in words if word not in (".", "..", "status"))


async def _listed(ftp: Bench, line: str) -> list[str]:
    return _names(await ftp(line) if line.startswith("STAT") else (await ftp.download(line)).decode())


def _seen(
    conf: str, *lines: str, files: dict[str, bytes] = TREE, links: dict[str, str] | None = None
) -> list[list[str]]:
    async def tale(ftp: Bench) -> list[list[str]]:
        for name, target in (links or {}).items():
            os.symlink(target, f"{ftp.root}/{name}")
        return [await _listed(ftp, line) for line in lines]

    return run(tale, files=files, conf=conf)


# -- HideFiles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", LISTINGS)
def test_every_listing_leaves_hidden_names_out(line: str) -> None:
    assert _seen(_at_home("HideFiles \\.key$"), line) == [["a.txt", "d"]]


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
    assert _seen(_at_home(rules), "NLST") == [names.split()]


def test_inner_folders_inherit_and_can_end_it() -> None:
    outer = _at_home("HideFiles key")
    assert _seen(outer, "NLST d") == [["d/in.txt"]]
    inner = "<Directory {root}/d>\nHideFiles none\n</Directory>\n"
    assert _seen(outer + inner, "NLST d", "NLST d/*") == [["d/in.key", "d/in.txt"]] * 2


def test_recursion_does_not_enter_what_it_does_not_show() -> None:
    assert _seen(_at_home("HideFiles ^(d|k)"), "LIST -R") == [["a.txt", "b.key"]]


def test_a_link_does_not_show_what_it_leads_to() -> None:
    links = {"to-file": "b.key", "to-folder": "k.key", "fine": "a.txt", "nowhere": "zip"}
    seen = _seen(_at_home("HideFiles key"), "LIST -1", "NLST", "MLSD", links=links)
    assert seen == [["a.txt", "d", "fine", "nowhere"], ["a.txt", "d", "fine"], ["a.txt", "d", "fine", "nowhere"]]


def test_nor_does_a_link_to_a_hidden_name_where_nothing_is() -> None:
    links = {"tells": "old.key", "above": "../k.key/gone", "absolute": "/was.key", "fine": "gone.txt"}
    seen = _seen(_at_home("HideFiles \\.key$"), "LIST -1", "MLSD", files={"a.txt": b""}, links=links)
    assert seen == [["a.txt", "above", "fine"]] * 2
    conf = "<Directory {root}/no>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n"
    assert _seen(conf, "LIST -1", files={"a.txt": b""}, links={"a": "no/x", "b": "yes/x"}) == [["a.txt", "b"]]


LINKED = {
    "files": {"a.txt": b"", "secret": b"", "d.txt/": b""},
    "links": {"plain": "a.txt", "b.txt": "a.txt", "c.txt": "secret", "folder": "d.txt", "gone.txt": "nowhere"},
}


@pytest.mark.parametrize("line", [line for line in LISTINGS if not line.startswith("NLST")])
def test_a_link_is_hidden_by_its_own_name_and_by_that_of_what_it_leads_to(line: str) -> None:
    lines = line, line.replace("LIST -1", "LIST -1L")
    for seen in _seen(_at_home("HideFiles !\\.txt$"), *lines, **LINKED):  # type: ignore[arg-type]
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
    seen = _seen(_at_home(f"HideFiles {rule}"), *lines, **LINKED)  # type: ignore[arg-type]
    assert seen[:2] == [inside.split(), matched.split()]
    assert sorted(name for names in seen[2:] for name in names) == named.split()


def test_nlst_shows_no_link_to_what_limit_denies_whatever_it_is_called() -> None:
    conf = _at_home("HideFiles !\\.txt$") + "<Directory {root}/a.txt>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n"
    seen = _seen(conf, "NLST", "NLST *", **LINKED)  # type: ignore[arg-type]
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

    assert run(tale, files={"d/e/f": b""}, conf=_at_home(rule)) == dots.split()


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
                  "HideUser nobody\n</Directory>\n" + _at_home("HideUser ~")):  # fmt: skip
        assert run(tale, files={"d/a": b""}, conf="DefaultRoot ~\n" + rules) == [".", "a"], rules


@pytest.mark.parametrize(("line", "shown"), [("MLSD", []), ("NLST -a", []), ("LIST -1a", [".", ".."]), ("MLSD d", [])])
def test_a_hidden_root_is_hidden_under_its_dots_as_well(line: str, shown: list[str]) -> None:
    async def tale(ftp: Bench) -> list[str]:
        return [text.split()[-1] for text in (await ftp.download(line)).decode().splitlines()]

    assert run(tale, files={"d/a": b""}, conf="DefaultRoot ~\n" + _at_home("HideUser ~")) == shown


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
    assert run(tale, files=files, conf=_at_home("HideFiles key\n" + more)) == last
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

    assert run(tale, files=TREE, conf=_at_home("HideFiles key")) == [
        *["226 Transfer complete"] * 4,
        "213-Status of b.key:\n213 End of status",
        "250-Start of list for b.key\n250 End of list",
    ]


# -- HideUser, HideGroup, HideNoAccess ---------------------------------------------------------------------------


@pytest.mark.parametrize("line", LISTINGS)
@pytest.mark.parametrize(
    ("rule", "empty"),
    [
        ("HideUser ~", True),
        ("HideUser !~", False),
        ("HideUser tom", True),
        ("HideUser nobody-has-this-name", False),
        ("HideGroup ~", True),
        ("HideGroup !~", False),
        ("HideGroup nobody-has-this-name", False),
    ],
)
def test_files_of_an_owner_can_be_hidden(rule: str, empty: bool, line: str) -> None:
    assert _seen(_at_home(rule), line) == [[] if empty else ["a.txt", "b.key", "d", "k.key"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_of_others_can_be_hidden() -> None:
    async def tale(ftp: Bench) -> list[list[str]]:
        os.chown(f"{ftp.root}/a.txt", 12345, 12346)
        os.symlink("a.txt", f"{ftp.root}/link")
        return [await _listed(ftp, line) for line in LISTINGS]

    for rule in ("HideUser !~", "HideGroup !~"):
        assert run(tale, files={"a.txt": b"", "own": b""}, conf=_at_home(rule)) == [["own"]] * len(LISTINGS)


def test_an_entry_may_have_a_section_of_its_own() -> None:
    conf = "<Directory {root}/d>\nHideUser ~\n</Directory>\n"
    assert _seen(conf, "NLST", "NLST d") == [["a.txt", "b.key", "k.key"], []]


def test_a_section_that_is_the_entry_hides_it_from_mlst_and_nlst_that_name_it_plainly() -> None:
    async def tale(ftp: Bench) -> list[str]:
        told = []
        for line in ("CWD d", "CWD /"):
            assert (await ftp(line))[:3] == "250"
            for name in ("in.key", "e", "d", "d/e", "../d/e"):
                told.append(f"{line} {name} {(await ftp(f'MLST {name}')).count(chr(10)) == 1}")
        await ftp("CWD d")
        for line in ("NLST in.key", "NLST ./in.key", "NLST ../d/in.key", "NLST *", "NLST ../d/*", "NLST", "NLST e"):
            told.append(f"{line}: {(await ftp.download(line)).decode().split()}")
        return [line for line in told if not line.endswith(" False")]

    conf = "".join(f"<Directory {{root}}/{name}>\nHideFiles ^(in|e|d)\n</Directory>\n" for name in ("d/in.key", "d/e"))
    files = {"d/in.key": b"", "d/other": b"", "d/e/x": b""}
    assert run(tale, files=files, conf=conf) == [
        "CWD d in.key True",
        "CWD d e True",
        "NLST in.key: []",
        "NLST ./in.key: []",
        "NLST ../d/in.key: ['../d/in.key']",
        "NLST *: ['other']",
        "NLST ../d/*: ['../d/e', '../d/in.key', '../d/other']",
        "NLST: ['e', 'in.key', 'other']",
        "NLST e: ['e/x']",
    ]


@pytest.mark.parametrize("line", LISTINGS)
def test_the_section_of_what_a_link_leads_to_hides_the_link_as_well(line: str) -> None:
    links = {"to-d": "d", "to-in": "d/in.key", "fine": "a.txt"}
    files = {"a.txt": b"", "d/in.key": b""}
    for section, more in (("d", set()), ("d/in.key", {"d", "to-d"})):
        conf = f"<Directory {{root}}/{section}>\nHideUser ~\n</Directory>\n"
        seen = _seen(conf, line, files=files, links=links)[0]
        # the last word of a long line is where a link leads
        assert len(seen) == 2 + len(more) and set(seen) <= {"a.txt", "fine", *more}, seen


@pytest.mark.parametrize("line", ["LIST -1", "MLSD"])
def test_the_owner_of_a_link_that_leads_nowhere_hides_nothing(line: str) -> None:
    conf = _at_home("HideUser ~\nHideGroup ~")
    assert _seen(conf, line, files={"a": b""}, links={"bad": "gone", "good": "a"}) == [["bad"]]


@pytest.mark.parametrize(
    ("inner", "names"),
    [
        ("HideUser nobody-has-this-name", "a b"),
        ("HideUser nobody-has-this-name\nHideUser ~", ""),
        ("HideGroup nobody-has-this-name", ""),
        ("HideNoAccess on", ""),
        ("HideFiles ^b", ""),
    ],
)
def test_a_section_with_hideuser_has_none_of_those_around_it(inner: str, names: str) -> None:
    conf = _at_home("HideUser ~") + f"<Directory {{root}}/d>\n{inner}\n</Directory>\n"
    assert _seen(conf, "NLST -1 d", files={"d/a": b"", "d/b": b""}) == [names.split()]


@pytest.mark.skipif(os.geteuid() == 0, reason="root has access to everything")
def test_what_cannot_be_read_or_entered_can_be_hidden() -> None:
    async def tale(ftp: Bench) -> list[list[str]]:
        os.chmod(f"{ftp.root}/a.txt", 0)
        os.chmod(f"{ftp.root}/d", 0o600)
        try:
            return [await _listed(ftp, line) for line in LISTINGS]
        finally:
            os.chmod(f"{ftp.root}/d", 0o700)

    assert run(tale, files=TREE, conf=_at_home("HideNoAccess on")) == [["b.key", "k.key"]] * len(LISTINGS)


@pytest.mark.parametrize("facl", ["", "LoadModule mod_facl.c\n"])
def test_nobody_lacks_access_to_what_a_link_leads_nowhere_for(facl: str) -> None:
    seen = _seen(facl + _at_home("HideNoAccess on"), "LIST -1", "MLSD", files={"a": b""}, links={"bad": "gone"})
    assert seen == [["a", "bad"]] * 2


# -- IgnoreHidden ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["HideFiles key", "HideFiles !(txt|d)$"])
@pytest.mark.parametrize(
    "line",
    [
        "SIZE {}", "MDTM {}", "MLST {}", "DELE {}", "RNFR {}", "CWD {}", "RMD {}", "STAT {}", "SITE CHMOD 600 {}",
        "MFMT 20200101000000 {}", "MFF UNIX.mode=600; {}",
    ],
)  # fmt: skip
def test_s70_a_hidden_file_answers_like_one_that_is_not_there(line: str, rule: str) -> None:
    hidden, absent = talk(
        "TYPE I", line.format("b.key"), line.format("c.nope"), files=TREE, conf=_at_home(rule + "\n" + IGNORE)
    )[1:]
    assert hidden.replace("b.key", "c.nope") == absent
    assert hidden[0] in "45"


@pytest.mark.parametrize("line", ["RETR {}", "LIST {}", "NLST {}", "MLSD {}", "NLST {}*", "LIST {}*"])
def test_s70_so_do_transfers_of_it(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        said = []
        for name in ("b.key", "c.nope"):
            assert await ftp.download(line.format(name)) == b""
            said.append(ftp.replies.replace(name, "x"))
        return said

    hidden, absent = run(tale, files=TREE, conf=_at_home("HideFiles key\n" + IGNORE))
    assert hidden == absent


@pytest.mark.parametrize("line", ["STOR {}", "APPE {}", "MKD {}", "RNTO {}"])
def test_s70_nothing_is_made_in_its_place_and_nobody_learns_whether_it_is_there(line: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        said = []
        for name in ("b.key", "new.key"):
            if line.startswith("RNTO"):
                await ftp("RNFR a.txt")
            said.append((await ftp(line.format(name))).replace(name, "x"))
        with open(f"{ftp.root}/b.key", "rb") as file:
            assert file.read() == b"2"
        assert not os.path.lexists(f"{ftp.root}/new.key")
        return said

    assert run(tale, files=TREE, conf=_at_home("HideFiles key\n" + IGNORE)) == ["550 x: No such file or directory"] * 2


@pytest.mark.parametrize("verbs", ["ALL", "DIRS", "NLST", "STOR NLST"])
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("NLST -a", "a.txt d"),
        ("NLST -A", "a.txt d"),
        ("NLST -a d", "d/in"),
        ("NLST -aR *", "a.txt d/in"),
        ("NLST -a .h", ".h/x"),
        ("NLST .h*", ".h"),
        ("LIST -1A", ".h a.txt d"),
        ("MLSD", ".h a.txt d"),
    ],
)
def test_nlst_has_no_dotted_names_under_ignorehidden_whatever_flags_ask_for_them(
    line: str, names: str, verbs: str
) -> None:
    files = {"a.txt": b"", ".h/x": b"", "d/in": b"", "d/.in": b""}
    conf = _at_home(f"<Limit {verbs}>\nIgnoreHidden on\n</Limit>")
    assert _seen(conf, line, files=files) == [names.split()]


@pytest.mark.parametrize(
    ("conf", "names"),
    [
        (_at_home("<Limit LIST STAT READ MLSD>\nIgnoreHidden on\n</Limit>"), ".h a"),
        (_at_home("<Limit NLST>\nIgnoreHidden off\n</Limit>"), ".h a"),
        # outside of all folders it is about what HideFiles hides and nothing else
        (IGNORE, ".h a"),
        # of two in one section the last decides, and of two sections the inner
        (_at_home(IGNORE + "<Limit NLST>\nIgnoreHidden off\n</Limit>"), ".h a"),
        (_at_home("<Limit NLST>\nIgnoreHidden off\n</Limit>\n" + IGNORE), "a"),
        (_at_home(IGNORE + "<Limit READ>\nAllowAll\n</Limit>"), "a"),
        (_at_home("HideFiles ^a\n" + IGNORE), ""),
        ("<Directory />\n" + IGNORE + "</Directory>\n" + _at_home("<Limit NLST>\nAllowAll\n</Limit>"), ".h a"),
        ("<Directory />\n" + IGNORE + "</Directory>\n" + _at_home("<Limit READ>\nAllowAll\n</Limit>"), "a"),
    ],
)
def test_it_does_so_for_the_commands_of_the_innermost_limit_in_a_folder(conf: str, names: str) -> None:
    assert _seen(conf, "NLST -A", files={"a": b"", ".h": b""}) == [names.split()]


def test_a_ftpaccess_file_with_ignorehidden_keeps_dotted_names_from_nlst() -> None:
    files = {"d/a": b"", "d/.ftpaccess": IGNORE.encode(), "e/.b": b""}
    assert _seen("", "NLST -A d", "NLST -A e", files=files) == [["d/a"], ["e/.b"]]


def test_a_link_to_what_is_hidden_leads_nowhere() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("b.key", f"{ftp.root}/link")
        await ftp("TYPE I")
        return [await ftp("SIZE link"), await ftp("SIZE a.txt")]

    assert run(tale, files=TREE, conf=_at_home("HideFiles key\n" + IGNORE)) == [
        "550 link: No such file or directory",
        "213 1",
    ]


def test_ignorehidden_is_for_the_commands_it_names_and_inner_folders_can_end_it() -> None:
    conf = _at_home("HideFiles key\n<Limit DELE>\nIgnoreHidden on\n</Limit>\n")
    assert talk("TYPE I", "SIZE b.key", "DELE b.key", files=TREE, conf=conf)[1:] == [
        "213 1",
        "550 b.key: No such file or directory",
    ]
    inner = "<Directory {root}/d>\n<Limit DELE>\nIgnoreHidden off\n</Limit>\n</Directory>\n"
    assert talk("DELE d/in.key", files=TREE, conf=conf + inner) == ["250 DELE command successful"]


def test_a_ftpaccess_file_can_hide_and_ignore_what_is_hidden() -> None:
    files = {**TREE, "d/.ftpaccess": b"HideFiles key\n" + IGNORE.encode()}
    replies = talk("TYPE I", "SIZE d/in.key", "SIZE d/in.txt", "DELE d/in.key", "SIZE b.key", files=files)
    assert replies[1:] == [
        "550 d/in.key: No such file or directory",
        "213 1",
        "550 d/in.key: No such file or directory",
        "213 1",
    ]


def test_a_ftpaccess_file_ends_an_ignorehidden_further_out() -> None:
    files = {**TREE, "d/.ftpaccess": b"<Limit DELE>\nIgnoreHidden off\n</Limit>\n"}
    conf = _at_home("HideFiles key\n<Limit DELE>\nIgnoreHidden on\n</Limit>\n")
    assert talk("DELE b.key", "DELE d/in.key", files=files, conf=conf) == [
        "550 b.key: No such file or directory",
        "250 DELE command successful",
    ]


def test_what_is_not_hidden_is_used_as_ever() -> None:
    async def tale(ftp: Bench) -> list[str]:
        await ftp("TYPE I")
        said = [await ftp(line) for line in ("SIZE a.txt", "SITE CHMOD 600 a.txt", "MKD new", "CWD d")]
        assert stat.S_IMODE(os.stat(f"{ftp.root}/a.txt").st_mode) == 0o600
        return [reply[:3] for reply in said]

    assert run(tale, files=TREE, conf=_at_home("HideFiles key\n" + IGNORE)) == ["213", "200", "257", "250"]


# -- entries that <Limit> denies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("line", LISTINGS)
def test_entries_that_the_command_may_not_use_are_left_out(line: str) -> None:
    conf = "<Directory {root}/d>\n<Limit DIRS>\nDenyAll\n</Limit>\n</Directory>\n"
    assert _seen(conf, line, links={"to-d": "d", "to-e": "d/in.txt"}) == [["a.txt", "b.key", "k.key"]]


def test_a_limit_for_another_command_hides_nothing() -> None:
    conf = "<Directory {root}/d>\n<Limit WRITE>\nDenyAll\n</Limit>\n</Directory>\n"
    assert _seen(conf, "NLST") == [["a.txt", "b.key", "d", "k.key"]]


def test_a_bare_denyall_hides_the_folder() -> None:
    assert (
        _seen("<Directory {root}/d>\nDenyAll\n</Directory>\n", "LIST -1", "MLSD") == [["a.txt", "b.key", "k.key"]] * 2
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
        talk("NOOP", conf=_at_home(line))
    assert words in str(caught.value)


@pytest.mark.parametrize("line", LISTINGS)
def test_a_link_to_what_is_hidden_is_found_without_a_look_at_all_others(line: str) -> None:
    async def tale(ftp: Bench) -> str:
        os.symlink("b.key", f"{ftp.root}/l")
        os.symlink("a.txt", f"{ftp.root}/m")
        return await ftp(line) if line.startswith("STAT") else (await ftp.download(line)).decode()

    shown = run(tale, files={"a.txt": b"1", "b.key": b"2", "c.txt": b"3"}, conf=_at_home("HideFiles key$"))
    # of links that a pattern matches NLST asks by their own names
    named = ["l"] if line == "NLST *" else []
    assert _names(shown.replace(" -> a.txt", "")) == ["a.txt", "c.txt", *named, "m"]


def test_what_is_hidden_does_not_count_among_those_that_may_be_shown() -> None:
    async def tale(ftp: Bench) -> str:
        os.symlink("b.key", f"{ftp.root}/a")
        return (await ftp.download("LIST -1")).decode()

    files = {"b.key": b"", "c": b"", "d": b"", "e": b""}
    assert run(tale, files=files, conf=_at_home('HideFiles key$\nListOptions "" maxfiles 2')) == "c\r\nd\r\n"
