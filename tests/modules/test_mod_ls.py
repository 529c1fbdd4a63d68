"""LIST, NLST and STAT: the lines that clients parse, the flags they send, and how much one listing may show."""

from __future__ import annotations

import asyncio
import os

import pytest
from xfer_ground import fetch, run, talk, upload_over

from ftpd.conf.faults import ConfigFaults
from ftpd.dispatch.phases import run as dispatch
from ftpd.modules import _ls_view
from ftpd.testing import Bench
from ftpd.testing.memory import MemoryData, MemoryWire

pytestmark = pytest.mark.usefixtures("way_to_list")

TREE = {"B.txt": b"22", "a.txt": b"1", "c d.txt": b"333", ".h": b"4", "d/in.txt": b"5", "d/e/deep.txt": b"6"}
OPENED = "150 Opening ASCII mode data connection for file list"
FAKES = "DirFakeUser on ann\nDirFakeGroup on staff\n"


def _plain(line: str) -> str:
    """How many links and bytes a folder has is the file system's own affair."""
    if line.startswith("d") and line[40:41].isdigit():
        return f"{line[:11]}  -{line[14:33]}       -{line[41:]}"
    return line


def _dated(ftp: Bench, *paths: str) -> None:
    for path in paths:
        os.utime(os.path.join(ftp.root, path), (1709618828, 1709618828), follow_symlinks=False)


def _list(line: str, *, conf: str = FAKES, links: dict[str, str] | None = None) -> list[str]:
    """What the line lists of the tree, everything being of 2024-03-05."""

    async def tale(ftp: Bench) -> list[str]:
        for name, target in (links or {}).items():
            os.symlink(target, os.path.join(ftp.root, name))
        _dated(ftp, *TREE, *(links or {}), "d", "d/e", ".")
        os.chmod(f"{ftp.root}/a.txt", 0o644)
        content = await ftp.download(line)
        assert ftp.replies == f"{OPENED}\n226 Transfer complete", ftp.replies
        assert content.replace(b"\r\n", b"").find(b"\n") < 0
        return [_plain(text) for text in content.decode().split("\r\n")[:-1]]

    return run(tale, files=TREE, conf=conf)


def _names(line: str, **more: object) -> list[str]:
    return [text[55:] for text in _list(line, **more)]  # type: ignore[arg-type]


def test_a_listing_has_the_columns_of_ls() -> None:
    assert _list("LIST", links={"l": "a.txt"}) == [
        "-rw-r--r--   1 ann      staff           2 Mar  5  2024 B.txt",
        "-rw-r--r--   1 ann      staff           1 Mar  5  2024 a.txt",
        "-rw-r--r--   1 ann      staff           3 Mar  5  2024 c d.txt",
        "drwxr-xr-x   - ann      staff           - Mar  5  2024 d",
        "lrwxrwxrwx   1 ann      staff           5 Mar  5  2024 l -> a.txt",
    ]


def test_owners_are_named_and_n_shows_their_numbers() -> None:
    line = _list("LIST a.txt", conf="")[0]
    numeric = _list("LIST -n a.txt", conf="")[0]
    assert line.split()[2] not in ("ann", "")
    assert numeric.split()[2:4] == [str(os.geteuid()), str(os.getegid())]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("LIST", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST -a", [".", "..", ".h", "B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST -la", [".", "..", ".h", "B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST -a -l", [".", "..", ".h", "B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST -A", [".h", "B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST -r", ["d", "c d.txt", "a.txt", "B.txt"]),
        ("LIST -xyzZ", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST -", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST d", ["e", "in.txt"]),
        ("LIST -l d", ["e", "in.txt"]),
        ("LIST -- d", ["e", "in.txt"]),
        ("LIST d/", ["e", "in.txt"]),
        ("LIST /d", ["e", "in.txt"]),
        ("LIST -d d", ["d"]),
        ("LIST -d", ["."]),
        ("LIST a.txt", ["a.txt"]),
        ("LIST d/in.txt", ["d/in.txt"]),
        ("LIST c d.txt", ["c d.txt"]),
        ("LIST *.txt", ["B.txt", "a.txt", "c d.txt"]),
        ("LIST [aB].txt", ["B.txt", "a.txt"]),
        ("LIST */*", ["d/e", "d/in.txt"]),
        ("LIST */", ["d/"]),
        ("LIST ./*.txt", ["./B.txt", "./a.txt", "./c d.txt"]),
        ("LIST d/../[aB]*", ["d/../B.txt", "d/../a.txt"]),
        ("LIST d/*/../i*", ["d/in.txt"]),
        ("LIST .*", [".h"]),
        ("LIST ~", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("LIST ~/d", ["e", "in.txt"]),
        ("LIST nope*", []),
        ("LIST -F", ["B.txt", "a.txt", "c d.txt", "d/"]),
        ("LIST  -l d", ["e", "in.txt"]),
        ("LIST -l  -a d", [".", "..", "e", "in.txt"]),
        ("LIST d//in.txt", ["d//in.txt"]),
    ],
)
def test_flags_and_arguments(line: str, names: list[str]) -> None:
    assert _names(line) == names


def test_times_sort_and_can_be_those_of_change() -> None:
    async def tale(ftp: Bench) -> list[bytes]:
        os.utime(f"{ftp.root}/old", (1, 1))
        os.utime(f"{ftp.root}/new", (9_000_000_000, 9_000_000_000))
        assert b" 1970 old" in await ftp.download("LIST old")
        assert b" 1970 old" in await ftp.download("LIST -u old")
        assert b" 1970 old" not in await ftp.download("LIST -c old")
        return [await ftp.download(line) for line in ("LIST -1t", "LIST -1tr", "LIST -1U")]

    by_time, reverse, unsorted = run(tale, files={"mid": b"", "old": b"", "new": b""})
    assert by_time == b"new\r\nmid\r\nold\r\n"
    assert reverse == b"old\r\nmid\r\nnew\r\n"
    assert sorted(unsorted.split()) == [b"mid", b"new", b"old"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("LIST -1t *", "c a b"),
        ("LIST -1tr *", "b a c"),
        ("LIST -1S ?", "b c a"),
        ("LIST -1Sr *", "a c b"),
        ("LIST -1r *", "c b a"),
        ("LIST -1 *", "a b c"),
    ],
)
def test_what_a_pattern_matches_is_sorted_as_well(line: str, names: str) -> None:
    async def tale(ftp: Bench) -> bytes:
        for name, moment in (("a", 200), ("b", 100), ("c", 300)):
            os.utime(f"{ftp.root}/{name}", (moment, moment))
        return await ftp.download(line)

    assert run(tale, files={"a": b"", "b": b"333", "c": b"22"}).decode().split() == names.split()


def test_a_blank_in_front_of_a_name_is_part_of_it() -> None:
    async def tale(ftp: Bench) -> list[bytes]:
        return [await ftp.download(line) for line in ("LIST -1  x", "NLST -l  x", "NLST  x", "LIST -1 x")]

    assert run(tale, files={" x": b"", "x": b""}) == [b" x\r\n", b" x\r\n", b" x\r\n", b"x\r\n"]


def test_blanks_in_front_of_a_name_that_nothing_has_are_none() -> None:
    async def tale(ftp: Bench) -> list[str]:
        lists = [(await ftp.download(line)).decode().strip() for line in ("LIST -1  x", "NLST  x", "NLST -l   *")]
        return [*lists, (await ftp("STAT  x")).splitlines()[0], (await ftp("STAT  nope"))]

    assert run(tale, files={"x": b""}) == ["x", "x", "x", "213-Status of x:", "450 nope: No such file or directory"]


def test_short_forms() -> None:
    assert _list("LIST -1") == ["B.txt", "a.txt", "c d.txt", "d"]
    assert _list("LIST -CF", links={"l": "a.txt"}) == ["B.txt\ta.txt\tc d.txt\td/\tl@"]
    assert _list("LIST -C d") == ["e\tin.txt"]
    assert _list("LIST -1l")[0].startswith("-rw")


@pytest.mark.parametrize(("line", "conf"), [("LIST -LS", ""), ("LIST -S", "ShowSymlinks off\n")])
@pytest.mark.parametrize("what", ["", " [!d]*"])
def test_links_that_are_followed_are_sorted_by_the_sizes_that_are_shown(line: str, conf: str, what: str) -> None:
    links = {"l": "c d.txt", "m": "a.txt", "long": "./././a.txt"}
    names = _names(line + what, conf=FAKES + conf, links=links)
    assert [name for name in names if name != "d"] == ["c d.txt", "l", "B.txt", "a.txt", "long", "m"]


def test_links_that_are_not_followed_are_sorted_by_their_own_sizes() -> None:
    names = _names("LIST -S [!d]*", links={"l": "c d.txt", "m": "a.txt"})
    assert names == ["l -> c d.txt", "m -> a.txt", "c d.txt", "B.txt", "a.txt"]


@pytest.mark.parametrize("what", ["", " [!d]*"])
def test_marks_have_links_sorted_by_the_sizes_of_what_they_lead_to(what: str) -> None:
    links = {"l": "c d.txt", "m": "a.txt", "long": "./././a.txt"}
    names = [name.partition(" ->")[0] for name in _names("LIST -FS" + what, conf=FAKES, links=links) if name != "d/"]
    assert names == ["c d.txt", "l", "B.txt", "a.txt", "long", "m"]
    # where no size is shown it is their own that counts
    bare = [name for name in _list("LIST -FS1" + what, links=links) if name != "d/"]
    assert bare[:3] == ["long@", "l@", "m@"]


def test_sizes_sort_and_can_be_for_humans() -> None:
    async def tale(ftp: Bench) -> list[bytes]:
        os.truncate(f"{ftp.root}/large", 3_000_000)
        return [await ftp.download(line) for line in ("LIST -1S", "LIST -1Sr", "LIST -h")]

    down, up, human = run(tale, files={"small": b"1", "mid": b"22", "large": b"", "twin": b"1"})
    assert down.split() == [b"large", b"mid", b"small", b"twin"]
    assert up.split() == [b"small", b"twin", b"mid", b"large"]
    assert [line.split()[4] for line in human.splitlines()] == [b"2.9M", b"2", b"1", b"1"]


def test_a_wide_c_listing_wraps() -> None:
    rows = fetch("LIST -C", files={f"name-{number:02}": b"" for number in range(30)}).decode().split("\r\n")[:-1]
    # seven letters take eight places, of which 75 hold nine: four rows, read down the columns
    assert rows[0].split("\t") == [f"name-{number:02}" for number in range(0, 30, 4)]
    assert len(rows) == 4


def test_long_names_have_a_row_of_their_own() -> None:
    assert fetch("LIST -C", files={"a" * 80: b"", "b": b""}).split() == [b"a" * 80, b"b"]


def test_recursion_lists_folder_after_folder_and_follows_no_link() -> None:
    assert [text[55:] or text for text in _list("LIST -R", links={"d/out": "../a.txt"})] == [
        "B.txt", "a.txt", "c d.txt", "d",
        "", "d:", "e", "in.txt", "out -> ../a.txt",
        "", "d/e:", "deep.txt",
    ]  # fmt: skip


@pytest.mark.parametrize("target", [".", "./", "..", "../.././././/../", "../d"])
def test_a_link_to_its_own_folder_or_above_is_not_listed_for_a_client_would_go_round(target: str) -> None:
    for line in ("LIST -R", "LIST -L d", "LIST d"):
        names = _names(line, links={"d/round": target, "d/into": "./e"})
        assert not [name for name in names if name.startswith("round")]
        assert [name for name in names if name.startswith("into")]


def test_recursion_of_a_pattern_lists_the_folders_that_it_matches() -> None:
    assert [text[55:] or text for text in _list("LIST -R *", links={"to-d": "d"})] == [
        "B.txt", "a.txt", "c d.txt",
        "", "d:", "e", "in.txt",
        "", "d/e:", "deep.txt",
        "", "to-d:", "e", "in.txt",
        "", "to-d/e:", "deep.txt",
    ]  # fmt: skip
    assert _list("NLST -R *") == ["B.txt", "a.txt", "c d.txt", "d/e", "d/in.txt"]


def test_links_can_be_followed_and_then_broken_ones_are_left_out() -> None:
    links = {"br": "zip", "dl": "d", "l": "a.txt"}
    followed = ["B.txt", "a.txt", "c d.txt", "d", "dl", "l"]
    assert _names("LIST -L", links=links) == followed
    assert _names("LIST", links=links, conf=FAKES + "ShowSymlinks off\n") == followed
    assert _names("LIST -F dl", links=links) == ["e/", "in.txt"]
    assert _names("LIST -F", links=links)[-3:] == ["d/", "dl -> d/", "l -> a.txt"]


def test_adjustedsymlinks_shows_where_links_lead_from_the_clients_root() -> None:
    links = {"l": "a.txt", "d/up": "../a.txt", "d/full": "/a.txt"}
    adjusted = 'DefaultRoot ~\nListOptions "" AdjustedSymlinks\n'
    assert _list("LIST", conf=adjusted, links=links)[-1].endswith(" l -> /a.txt")
    assert [line.partition(" -> ")[2] for line in _list("LIST d", conf=adjusted, links=links)[-2:]] == ["", "/a.txt"]
    assert [line.partition(" -> ")[2] for line in _list("LIST d/up", conf=adjusted, links=links)] == ["/a.txt"]
    assert _list("LIST", conf="DefaultRoot ~\n", links=links)[-1].endswith(" l -> a.txt")


def test_a_file_that_is_called_like_a_flag_wins() -> None:
    async def tale(ftp: Bench) -> list[bytes]:
        return [await ftp.download(line) for line in ("NLST -a", "LIST -1a", "NLST -rf")]

    assert run(tale, files={"-a": b"", "-rf": b"", "x": b""}) == [
        b"-a\r\n",
        b".\r\n..\r\n-a\r\n-rf\r\nx\r\n",
        b"-rf\r\n",
    ]


def test_a_name_cannot_forge_a_line_or_rewrite_the_screen() -> None:
    content = fetch("LIST -1", files={"a\nb": b"", "*": b"", " x": b"", "~": b"", "%d": b""})
    assert content == b" x\r\n%d\r\n*\r\na?b\r\n~\r\n"


@pytest.mark.parametrize("line", ["NLST", "NLST *", "NLST d", "NLST d/*", "LIST -1", "STAT d"])
def test_control_characters_are_shown_as_question_marks_by_every_listing(line: str) -> None:
    odd = "a\r\n150 b\x1b[2K"

    async def tale(ftp: Bench) -> str:
        return (await ftp.download(line)).decode() if not line.startswith("STAT") else await ftp(line)

    content = run(tale, files={odd: b"", f"d/{odd}": b""})
    assert "a??150 b?[2K" in content
    assert not any(letter in content.replace("\r\n", "") for letter in "\r\x1b")
    assert not any(text.startswith("150 b") for text in content.splitlines())


def test_a_name_that_is_also_a_pattern_is_the_name() -> None:
    assert fetch("NLST *", files={"*": b"", "x": b""}) == b"*\r\n"


def test_names_that_are_not_utf8_come_as_they_are() -> None:
    async def tale(ftp: Bench) -> bytes:
        with open(os.path.join(os.fsencode(ftp.root), b"\xe9t\xe9"), "wb"):
            pass
        return await ftp.download("NLST")

    assert run(tale) == b"\xe9t\xe9\r\n"


def test_what_is_not_there_is_450() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("zip", f"{ftp.root}/br")
        replies = []
        for line in ("LIST nope", "LIST br", "LIST a.txt/x", "NLST nope", "NLST nope*", "LIST d a.txt"):
            await ftp.download(line)
            replies.append(ftp.replies)
        return replies

    assert run(tale, files=TREE) == [
        f"{OPENED}\n450 nope: No such file or directory",
        f"{OPENED}\n450 br: No such file or directory",
        f"{OPENED}\n450 a.txt/x: Not a directory",
        "450 nope: No such file or directory",
        "450 No files found",
        f"{OPENED}\n450 d a.txt: No such file or directory",
    ]


def test_listings_need_a_data_connection() -> None:
    assert talk("LIST", "NLST", "LIST nope") == ["425 Unable to build data connection: Connection refused"] * 3


# -- NLST ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("NLST", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST -CF", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST -a", [".", "..", ".h", "B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST d", ["d/e", "d/in.txt"]),
        ("NLST ./d/", ["d/e", "d/in.txt"]),
        ("NLST /d", ["/d/e", "/d/in.txt"]),
        ("NLST .", ["B.txt", "a.txt", "c d.txt", "d"]),
        ("NLST *.txt", ["B.txt", "a.txt", "c d.txt"]),
        ("NLST /*.txt", ["/B.txt", "/a.txt", "/c d.txt"]),
        ("NLST -l *.txt", ["B.txt", "a.txt", "c d.txt"]),
        ("NLST {a,B}.txt", ["a.txt", "B.txt"]),
        ("NLST c d.txt", ["c d.txt"]),
        ("NLST d*", ["d"]),
        ("NLST -1 d", ["e", "in.txt"]),
        ("NLST -1 /d/i*", ["in.txt"]),
        ("NLST d//in.txt", ["d/in.txt"]),
        ("NLST */", ["d/"]),
        ("NLST ./*.txt", ["./B.txt", "./a.txt", "./c d.txt"]),
        ("NLST .*", [".h"]),
        ("NLST d/e/../in.txt", ["d/in.txt"]),
    ],
)
def test_nlst_gives_names_that_retr_takes(line: str, names: list[str]) -> None:
    assert _list(line) == names


@pytest.mark.parametrize(
    ("line", "names"), [("NLST", "fifo good x"), ("NLST *", "good x"), ("LIST -1", "bad fifo good x")]
)
def test_names_are_of_what_is_there(line: str, names: str) -> None:
    """A client's MGET fetches what NLST names: a link that leads nowhere would end it with an error."""

    async def tale(ftp: Bench) -> bytes:
        os.symlink("zip", f"{ftp.root}/bad")
        os.symlink("x", f"{ftp.root}/good")
        os.mkfifo(f"{ftp.root}/fifo")
        return await ftp.download(line)

    assert run(tale, files={"x": b""}).decode().split() == names.split()


def test_nlst_of_what_cannot_be_fetched_is_450() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.mkfifo(f"{ftp.root}/fifo")
        replies = []
        for line in ("NLST fifo", "NLST [", "NLST [x]", "NLST a"):
            await ftp.download(line)
            replies.append(ftp.replies)
        return replies

    assert run(tale, files={"a": b""}) == [
        "450 fifo: Not a regular file",
        "450 [: No such file or directory",
        "450 No files found",
        f"{OPENED}\n226 Transfer complete",
    ]


def test_an_empty_folder_has_no_names_and_is_there() -> None:
    async def tale(ftp: Bench) -> tuple[bytes, str]:
        return await ftp.download("NLST empty"), ftp.replies

    assert run(tale, files={"empty/": b""}) == (b"", f"{OPENED}\n226 Transfer complete")


def test_names_above_the_working_directory() -> None:
    assert fetch("CWD d/e", "NLST ../*.txt", files=TREE) == b"../in.txt\r\n"
    assert fetch("CWD d/e", "NLST ..", files=TREE) == b"../e\r\n../in.txt\r\n"


# -- the configuration -----------------------------------------------------------------------------------------


def test_dirfake_hides_owners_and_permissions() -> None:
    assert _list("LIST", conf="DirFakeUser on ~\nDirFakeGroup on\nDirFakeMode 0640\n")[2:] == [
        "-rw-r-----   1 tom      ftp             3 Mar  5  2024 c d.txt",
        "drwxr-x---   - tom      ftp             - Mar  5  2024 d",
    ]
    faked = _list("LIST -n a.txt", conf="DirFakeUser on somebody\nDirFakeGroup on everybody\n")[0]
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
    assert _names("LIST", conf=FAKES + 'ListOptions "-A"\n')[0] == ".h"
    assert "" not in _list("LIST -R", conf=FAKES + 'ListOptions "+R"\n')
    assert _names("LIST -r", conf=FAKES + 'ListOptions "-A" strict\n')[0] == ".h"
    assert _names("LIST", conf=FAKES + 'ListOptions "-A" NLSTOnly\n')[0] == "B.txt"
    assert _list("NLST d", conf=FAKES + 'ListOptions "-A -1" NLSTOnly\n') == ["e", "in.txt"]
    assert _list("NLST d/*", conf=FAKES + 'ListOptions "-1"\n') == ["e", "in.txt"]
    assert _list("LIST -l d", conf=FAKES + 'ListOptions "-1"\n') == ["e", "in.txt"]
    assert _list("LIST -1 d", conf=FAKES + 'ListOptions "-l"\n')[0].startswith("drwx")


def test_listoptions_bound_what_one_listing_shows() -> None:
    assert _names("LIST", conf=FAKES + 'ListOptions "-l" maxfiles 2\n') == ["B.txt", "a.txt"]
    assert _list("NLST", conf='ListOptions "-l" maxfiles 2\n') == ["B.txt", "a.txt"]
    assert "d:" not in _list("LIST -R", conf=FAKES + 'ListOptions "-l" maxdepth 1\n')
    two = _list("LIST -R", conf=FAKES + 'ListOptions "-l" maxdirs 2\n')
    assert "d:" in two
    assert "d/e:" not in two


def test_noerrorifabsent_makes_nothing_of_nothing() -> None:
    async def tale(ftp: Bench) -> list[str]:
        replies = []
        for line in ("LIST nope", "NLST nope", "NLST nope*"):
            await ftp.download(line)
            replies.append(ftp.replies)
        return replies

    assert run(tale, conf='ListOptions "-l" NoErrorIfAbsent\n') == [f"{OPENED}\n226 Transfer complete"] * 3


def test_useglobbing_off_takes_patterns_for_names() -> None:
    async def tale(ftp: Bench) -> str:
        await ftp.download("NLST *.txt")
        return ftp.replies

    assert run(tale, files=TREE, conf="UseGlobbing off\n") == "450 *.txt: No such file or directory"


def test_liststyle_windows() -> None:
    assert _list("LIST", conf="ListStyle Windows\n")[2:] == [
        "03-05-24  06:07AM                    3 c d.txt",
        "03-05-24  06:07AM       <DIR>          d",
    ]
    assert [line[39:] for line in _list("LIST -aF d", conf="ListStyle Windows\n")] == ["e", "in.txt"]
    assert _list("LIST -a", conf="ListStyle Windows\n")[0].endswith(" .h")


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
        *[f"{OPENED}\n226 Transfer complete"] * 3,
        "450 d/e: No such file or directory",
        "450 d/e/nope: No such file or directory",
        "450 d/e/*: No such file or directory",
        "213-Status of d/e:\n213 End of status",
        "213-Status of d/e/nope:\n213 End of status",
    ]


@pytest.mark.parametrize(("limit", "allowed"), [("STAT", False), ("DIRS", False), ("ALL", False), ("LIST", True)])
def test_limit_on_stat_covers_the_session_as_well(limit: str, allowed: bool) -> None:
    reply = talk("STAT", conf=f"<Limit {limit}>\nDenyAll\n</Limit>\n")[0]
    assert reply.startswith("211-Status") if allowed else reply == "500 STAT: Operation not permitted"


def test_stat_of_a_denied_folder_says_that_it_is_one_only_to_who_is_in_it() -> None:
    conf = "<Limit DIRS>\nDenyAll\n</Limit>\n<Limit CWD>\nAllowAll\n</Limit>\n"
    lines = ("STAT .", "STAT /", "STAT ..", "STAT -l", "STAT d", "STAT d/", "STAT missing", "STAT a.txt")
    said = talk("CWD d", *lines, files={"d/d/": b"", "d/a.txt": b""}, conf=conf)
    assert [reply[:3] for reply in said] == ["250", *["212"] * 4, *["213"] * 4]


def test_nlst_alone_names_the_folder_that_is_denied() -> None:
    async def tale(ftp: Bench) -> str:
        await ftp.download("NLST")
        return ftp.replies

    assert run(tale, conf="<Limit NLST>\nDenyAll\n</Limit>\n") == "450 /: No such file or directory"


# -- STAT ------------------------------------------------------------------------------------------------------


def test_stat_of_a_path_lists_it_on_the_control_connection() -> None:
    async def tale(ftp: Bench) -> list[str]:
        _dated(ftp, "d", "d/e", "d/in.txt", "a.txt")
        os.utime(ftp.root, (1709618828, 1709618828))
        return [await ftp(line) for line in ("STAT d", "STAT -l a.txt", "STAT nope", "STAT *.txt", "STAT -CR d")]

    folder, file, absent, pattern, flags = run(tale, files=TREE, conf=FAKES)
    first, *lines, end = folder.splitlines()
    assert (first, end) == ("212-Status of d:", "212 End of status")
    assert [line[56:] for line in lines] == [".", "..", "e", "in.txt"]
    assert lines[3] == " -rw-r--r--   1 ann      staff           1 Mar  5  2024 in.txt"
    assert file.splitlines() == [
        "213-Status of a.txt:",
        " -rw-r--r--   1 ann      staff           1 Mar  5  2024 a.txt",
        "213 End of status",
    ]
    assert absent == "450 nope: No such file or directory"
    assert pattern == "450 *.txt: No such file or directory"
    assert flags == folder


def test_stat_shows_dots_unless_listoptions_deny_them() -> None:
    assert [line.split()[-1] for line in talk("STAT d", files=TREE, conf='ListOptions "+a"\n')[0].splitlines()] == [
        "d:", "e", "in.txt", "status",
    ]  # fmt: skip


def test_stat_has_no_marks() -> None:
    reply = talk("STAT -F d", files=TREE)[0]
    assert [line.split()[-1] for line in reply.splitlines()[1:-1]] == [".", "..", "e", "in.txt"]


def test_stat_has_the_marks_of_listoptions() -> None:
    reply = talk("STAT d", files=TREE, conf='ListOptions "-F"\n')[0]
    assert [line.split()[-1] for line in reply.splitlines()[1:-1]] == ["./", "../", "e/", "in.txt"]


def test_stat_tells_of_the_session() -> None:
    async def tale(ftp: Bench) -> tuple[str, str]:
        before = await ftp("STAT")
        await ftp("TYPE I")
        await ftp.download("RETR a.txt")
        return before, await ftp("STAT")

    before, after = run(tale, files={"a.txt": b"hello"}, conf='ServerName "Our house"\n')
    assert before.splitlines() == [
        "211-Status of 'Our house'",
        " Connected from 127.0.0.1 (127.0.0.1)",
        " Logged in as tom",
        " TYPE: ASCII, STRUcture: File, Mode: Stream",
        " No data connection",
        "211 End of status",
    ]
    assert " TYPE: BINARY, STRUcture: File, Mode: Stream\n Total bytes transferred for session: 5\n" in after


def test_stat_tells_of_the_transfer_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryWire, "data", property(lambda wire: wire.last))

    async def tale(ftp: Bench) -> str:
        told = asyncio.get_running_loop().create_future()

        class Asking(MemoryData):
            async def receive_file(self, descriptor: int, **how: object) -> int:
                self.moved = 7
                ftp.wire.last = self
                command, plan = ftp.generation.command(ftp.session, "STAT", "")  # type: ignore[union-attr, arg-type]
                await dispatch(command, plan)
                told.set_result(command.reply)
                return 7

        await upload_over(ftp, "STOR x", Asking())
        return "\n".join((await told).lines)

    assert "\nTotal bytes transferred for session: 7\nData connection established\n7 bytes transferred\n" in run(tale)


@pytest.mark.parametrize(
    ("line", "warned"), [('ListOptions "a" maxdepth 2', 1), ('ListOptions "+a"', 0), ("ListOptions strict", 0)]
)
def test_flags_without_a_sign_are_warned_of_and_do_nothing(line: str, warned: int) -> None:
    async def tale(ftp: Bench) -> tuple[int, str]:
        assert ftp.generation is not None
        told = [str(fault) for fault in ftp.generation.config.warnings]
        await ftp("PASV")
        return sum("has no effect" in fault for fault in told), (await ftp.download("NLST")).decode()

    times, names = run(tale, files={".hidden": b"", "seen": b""}, conf=f"{line}\n")
    assert (times, names) == (warned, "seen\r\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('ListOptions "-l" maxfiles', "has no number behind it"),
        ('ListOptions "-l" maxfiles some', "is not a number"),
        ('ListOptions "-l" maxwidth 4', "unknown option 'maxwidth'"),
        ("DirFakeMode 999", "not a valid mode"),
        ('DirFakeUser on "a b"', "cannot stand in a column"),
        ("ListStyle Mac", "is unknown here"),
    ],
)
def test_wrong_directives_are_explained(line: str, words: str) -> None:
    with pytest.raises(ConfigFaults, match=words):
        talk("NOOP", conf=f"{line}\n")
