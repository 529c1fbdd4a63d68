"""The directives of listings: whose names they show, which flags they have, how much one may show."""

from __future__ import annotations

import os

import pytest
from ls_ground import FAKES, OPENED, TREE, listed, names_of
from xfer_ground import run, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.modules import _ls_view
from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")


def test_dirfake_hides_owners_and_permissions() -> None:
    assert listed("LIST", conf="DirFakeUser on ~\nDirFakeGroup on\nDirFakeMode 0640\n")[2:] == [
        "-rw-r-----   1 tom      ftp             3 Mar  5  2024 c d.txt",
        "drwxr-x---   - tom      ftp             - Mar  5  2024 d",
    ]
    faked = listed("LIST -n a.txt", conf="DirFakeUser on somebody\nDirFakeGroup on everybody\n")[0]
    assert faked.split()[2:4] == ["65534", "65534"]


def test_each_listing_of_a_session_is_as_its_folder_its_flags_and_the_time_want_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def tale(ftp: Bench) -> list[list[str]]:
        os.utime(f"{ftp.root}/a/f", (1709618828, 1709618828))
        os.link(f"{ftp.root}/a/f", f"{ftp.root}/b/f")
        said = []
        for line in ("LIST a", "LIST a", "LIST b", "LIST -n b", "LIST b", "LIST -1 b", "LIST a"):
            said.append((await ftp.download(line)).decode().split())
        monkeypatch.setattr(_ls_view, "time", lambda: 1709618828 + 60)
        return [*said, (await ftp.download("LIST a")).decode().split()]

    sections = "<Directory {{root}}/{0}>\nDirFakeUser on {1}\nDirFakeGroup on {1}\n</Directory>\n"
    listed = run(tale, conf=sections.format("a", "ann") + sections.format("b", "bob"), files={"a/f": b"", "b/": b""})
    assert [words[2] if len(words) > 1 else words for words in listed] == [
        "ann", "ann", "bob", "65534", "bob", ["f"], "ann", "ann",
    ]  # fmt: skip
    assert [words[7] for words in listed if len(words) > 1] == ["2024"] * 6 + ["06:07"]


def test_listoptions_set_flags_and_deny_them() -> None:
    assert names_of("LIST", conf=FAKES + 'ListOptions "-A"\n')[0] == ".h"
    assert "" not in listed("LIST -R", conf=FAKES + 'ListOptions "+R"\n')
    assert names_of("LIST -r", conf=FAKES + 'ListOptions "-A" strict\n')[0] == ".h"
    assert names_of("LIST", conf=FAKES + 'ListOptions "-A" NLSTOnly\n')[0] == "B.txt"
    assert listed("NLST d", conf=FAKES + 'ListOptions "-A -1" NLSTOnly\n') == ["e", "in.txt"]
    assert listed("NLST d/*", conf=FAKES + 'ListOptions "-1"\n') == ["e", "in.txt"]
    assert listed("LIST -l d", conf=FAKES + 'ListOptions "-1"\n') == ["e", "in.txt"]
    assert listed("LIST -1 d", conf=FAKES + 'ListOptions "-l"\n')[0].startswith("drwx")


@pytest.mark.parametrize("denied", ["+l", "+1", "+C", "-l +l", "-C +1"])
def test_listoptions_that_deny_a_layout_leave_names_alone(denied: str) -> None:
    conf = FAKES + f'ListOptions "{denied}"\n'
    for line in ("LIST d", "LIST -l d", "LIST -C d"):
        assert listed(line, conf=conf) == ["e", "in.txt"]
    assert listed("NLST d", conf=conf) == ["d/e", "d/in.txt"]
    assert listed("LIST d", conf=conf.replace('"\n', '" NLSTOnly\n'))[0].startswith("drwx")


@pytest.mark.parametrize("line", ["LIST d", "LIST -1 d", "LIST -C d"])
def test_windows_has_one_layout(line: str) -> None:
    assert [row.split()[-2] for row in listed(line, conf='ListStyle Windows\nListOptions "+l"\n')] == ["<DIR>", "1"]


def test_listoptions_bound_what_one_listing_shows() -> None:
    assert names_of("LIST", conf=FAKES + 'ListOptions "-l" maxfiles 2\n') == ["B.txt", "a.txt"]
    assert listed("NLST", conf='ListOptions "-l" maxfiles 2\n') == ["B.txt", "a.txt"]
    assert "d:" not in listed("LIST -R", conf=FAKES + 'ListOptions "-l" maxdepth 1\n')
    two = listed("LIST -R", conf=FAKES + 'ListOptions "-l" maxdirs 2\n')
    assert "d:" in two
    assert "d/e:" not in two


def test_noerrorifabsent_makes_nothing_of_nothing() -> None:
    async def tale(ftp: Bench) -> list[str]:
        replies = []
        os.symlink("nope", f"{ftp.root}/broken")
        for line in ("LIST nope", "NLST nope", "NLST nope*", "LIST a.txt/x", "NLST a.txt/x"):
            await ftp.download(line)
            replies.append(ftp.replies)
        return [*replies, await ftp("STAT broken"), await ftp("STAT nope")]

    assert run(tale, files=TREE, conf='ListOptions "-l" NoErrorIfAbsent\n') == [
        *[f"{OPENED}\n226 Transfer complete"] * 3,
        f"{OPENED}\n450 a.txt/x: Not a directory",
        "450 a.txt/x: Not a directory",
        "213-Status of broken:\n213 End of status",
        "450 nope: No such file or directory",
    ]


def test_useglobbing_off_takes_patterns_for_names_and_has_nothing_for_them() -> None:
    async def tale(ftp: Bench) -> list[str]:
        said = []
        for line in (
            "NLST *.txt",
            "LIST *.txt",
            "LIST [ab].txt",
            "LIST a.txt/*",
            "LIST [a.txt",
            "LIST {a,b}.txt",
            "LIST nope",
        ):
            assert await ftp.download(line) == b""
            said.append(ftp.replies.splitlines()[-1])
        return said

    assert run(tale, files=TREE, conf="UseGlobbing off\n") == [
        "450 *.txt: No such file or directory",
        *["226 Transfer complete"] * 3,
        *[f"450 {name}: No such file or directory" for name in ("[a.txt", "{a,b}.txt", "nope")],
    ]


def test_liststyle_windows() -> None:
    assert listed("LIST", conf="ListStyle Windows\n")[2:] == [
        "03-05-24  06:07AM                    3 c d.txt",
        "03-05-24  06:07AM       <DIR>          d",
    ]
    assert [line[39:] for line in listed("LIST -aF d", conf="ListStyle Windows\n")] == ["e", "in.txt"]
    assert listed("LIST -a", conf="ListStyle Windows\n")[0].endswith(" .h")


def test_limits_close_folders_to_listings_of_every_kind() -> None:
    conf = FAKES + "<Directory {root}/d/e>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n"

    async def tale(ftp: Bench) -> list[str]:
        refused = []
        for line in ("LIST d/e", "LIST d/e/deep.txt", "LIST d/e/nope", "NLST d/e", "NLST d/e/nope", "NLST d/e/*"):
            assert await ftp.download(line) == b""
            refused.append(ftp.replies)
        refused += [await ftp("STAT d/e"), await ftp("STAT d/e/nope")]
        assert b"deep.txt" not in await ftp.download("LIST -R")
        assert b"deep.txt" not in await ftp.download("NLST d/*/*")
        return refused

    assert run(tale, files=TREE, conf=conf) == [
        *[f"{OPENED}\n226 Transfer complete"] * 2,
        f"{OPENED}\n450 d/e/nope: No such file or directory",
        "450 d/e: No such file or directory",
        "450 d/e/nope: No such file or directory",
        "450 No files found",
        "212-Status of d/e:\n212 End of status",
        "450 d/e/nope: No such file or directory",
    ]


@pytest.mark.parametrize("where", ["{root}", "{root}/d"])
@pytest.mark.parametrize("rule", ["<Limit LIST STAT>\nDenyAll\n</Limit>\n", "<Limit ALL>\nDenyAll\n</Limit>\n"])
def test_list_and_stat_tell_of_what_is_not_there_where_they_may_show_nothing(where: str, rule: str) -> None:
    async def tale(ftp: Bench) -> list[str]:
        for name, target in (("link", "e"), ("broken", "nope")):
            os.symlink(target, f"{ftp.root}/d/{name}")
        said = []
        for name in ("e", "in.txt", "nope", "*", "n*", "link", "broken", "in.txt/x"):
            assert await ftp.download(f"LIST d/{name}") == b""
            said.append(ftp.replies.partition("\n")[2])
        return said + [await ftp(f"STAT d/{name}") for name in ("e", "in.txt", "nope", "*", "link", "broken")]

    missing, done = "450 d/%s: No such file or directory", "226 Transfer complete"
    assert run(tale, files=TREE, conf=f"<Directory {where}>\n{rule}</Directory>\n") == [
        *[done, done, missing % "nope", done, done, done, missing % "broken", "450 d/in.txt/x: Not a directory"],
        *["212-Status of d/e:\n212 End of status", "213-Status of d/in.txt:\n213 End of status"],
        *[missing % "nope", missing % "*", "213-Status of d/link:\n213 End of status", missing % "broken"],
    ]


def test_what_is_hidden_and_denied_is_not_told_of() -> None:
    conf = "HideFiles ^in\n<Limit ALL>\nDenyAll\nIgnoreHidden on\n</Limit>\n"
    lines = [f"STAT d/{name}" for name in ("in.txt", "nope", "e")]
    assert [
        reply[:3] for reply in talk(*lines, files=TREE, conf="<Directory {root}/d>\n" + conf + "</Directory>\n")
    ] == [
        "450",
        "450",
        "212",
    ]


@pytest.mark.parametrize(
    ("line", "warned"),
    [('ListOptions "a" maxdepth 2', 1), ('ListOptions "+a"', 0), ("ListOptions strict", 1),
     ("ListOptions NLSTOnly maxdepth 2", 1), ('ListOptions "+R -a"', 1), ('ListOptions "strict -a"', 1)],
)  # fmt: skip
def test_flags_without_a_sign_are_warned_of_and_do_nothing(line: str, warned: int) -> None:
    async def tale(ftp: Bench) -> tuple[int, str]:
        assert ftp.generation is not None
        told = [str(fault) for fault in ftp.generation.config.warnings]
        await ftp("PASV")
        return sum("has no effect" in fault for fault in told), (await ftp.download("NLST")).decode()

    times, names = run(tale, files={".hidden": b"", "seen": b""}, conf=f"{line}\n")
    assert (times, names) == (warned, "seen\r\n")


def test_a_faked_name_may_have_blanks_and_any_letters() -> None:
    conf = 'DirFakeUser on "Domain Users"\nDirFakeGroup on Größe\n'
    assert {tuple(line.split()[2:4]) for line in listed("LIST", conf=conf)} == {("Domain_Users", "Größe")}


def test_keywords_among_the_flags_say_nothing() -> None:
    limited = 'ListOptions "-l maxfiles 1" maxdirs +5\n'
    assert listed("NLST", conf=limited) == listed("NLST", conf='ListOptions "-l"\n')


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('ListOptions "-l" maxfiles', "has no number behind it"),
        ('ListOptions "-l" maxfiles some', "is not a number"),
        ('ListOptions "-l" maxwidth 4', "unknown option 'maxwidth'"),
        ("ListOptions maxfiles 50 -l", "unknown option '50'"),
        ('ListOptions NLSTOnly "-a"', "unknown option '-a'"),
        ('ListOptions "-a" -l', "unknown option '-l'"),
        ('ListOptions "-a" ""', "unknown option ''"),
        ("DirFakeMode 999", "not a valid mode"),
        ('DirFakeUser on ""', "cannot stand in a column"),
        ("ListStyle Mac", "is unknown here"),
    ],
)
def test_wrong_directives_are_explained(line: str, words: str) -> None:
    with pytest.raises(ConfigFaults, match=words):
        talk("NOOP", conf=f"{line}\n")
