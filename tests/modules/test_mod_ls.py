"""LIST: the lines that clients parse, and the flags they send."""

from __future__ import annotations

import os

import pytest
from ls_ground import FAKES, OPENED, TREE, listed, names_of
from xfer_ground import fetch, run, talk

from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")


def test_a_listing_has_the_columns_of_ls() -> None:
    assert listed("LIST", links={"l": "a.txt"}) == [
        "-rw-r--r--   1 ann      staff           2 Mar  5  2024 B.txt",
        "-rw-r--r--   1 ann      staff           1 Mar  5  2024 a.txt",
        "-rw-r--r--   1 ann      staff           3 Mar  5  2024 c d.txt",
        "drwxr-xr-x   - ann      staff           - Mar  5  2024 d",
        "lrwxrwxrwx   1 ann      staff           5 Mar  5  2024 l -> a.txt",
    ]


def test_owners_are_named_and_n_shows_their_numbers() -> None:
    line = listed("LIST a.txt", conf="")[0]
    numeric = listed("LIST -n a.txt", conf="")[0]
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
    assert names_of(line) == names


def test_times_sort_and_can_be_those_of_change() -> None:
    async def tale(ftp: Bench) -> list[bytes]:
        os.utime(f"{ftp.root}/old", (1, 1))
        os.utime(f"{ftp.root}/new", (9_000_000_000, 9_000_000_000))
        assert b" 1970 old" in await ftp.download("LIST old")
        assert b" 1970 old" in await ftp.download("LIST -u old")
        assert b" 1970 old" not in await ftp.download("LIST -c old")
        # the last one counts
        assert b" 1970 old" in await ftp.download("LIST -cu old")
        assert b" 1970 old" not in await ftp.download("LIST -u -c old")
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
    assert listed("LIST -1") == ["B.txt", "a.txt", "c d.txt", "d"]
    assert listed("LIST -CF", links={"l": "a.txt"}) == ["B.txt\ta.txt\tc d.txt\td/\tl@"]
    assert listed("LIST -C d") == ["e\tin.txt"]
    assert listed("LIST -1l")[0].startswith("-rw")


@pytest.mark.parametrize(("line", "conf"), [("LIST -LS", ""), ("LIST -S", "ShowSymlinks off\n")])
@pytest.mark.parametrize("what", ["", " [!d]*"])
def test_links_that_are_followed_are_sorted_by_the_sizes_that_are_shown(line: str, conf: str, what: str) -> None:
    links = {"l": "c d.txt", "m": "a.txt", "long": "./././a.txt"}
    names = names_of(line + what, conf=FAKES + conf, links=links)
    assert [name for name in names if name != "d"] == ["c d.txt", "l", "B.txt", "a.txt", "long", "m"]


def test_links_that_are_not_followed_are_sorted_by_their_own_sizes() -> None:
    names = names_of("LIST -S [!d]*", links={"l": "c d.txt", "m": "a.txt"})
    assert names == ["l -> c d.txt", "m -> a.txt", "c d.txt", "B.txt", "a.txt"]


@pytest.mark.parametrize("what", ["", " [!d]*"])
def test_marks_have_links_sorted_by_the_sizes_of_what_they_lead_to(what: str) -> None:
    links = {"l": "c d.txt", "m": "a.txt", "long": "./././a.txt"}
    names = [name.partition(" ->")[0] for name in names_of("LIST -FS" + what, conf=FAKES, links=links) if name != "d/"]
    assert names == ["c d.txt", "l", "B.txt", "a.txt", "long", "m"]
    # where no size is shown it is their own that counts
    bare = [name for name in listed("LIST -FS1" + what, links=links) if name != "d/"]
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
    assert [text[55:] or text for text in listed("LIST -R", links={"d/out": "../a.txt"})] == [
        "B.txt", "a.txt", "c d.txt", "d",
        "", "d:", "e", "in.txt", "out -> ../a.txt",
        "", "d/e:", "deep.txt",
    ]  # fmt: skip


@pytest.mark.parametrize("target", [".", "./", "..", "../.././././/../", "../d"])
def test_a_link_to_its_own_folder_or_above_is_not_listed_for_a_client_would_go_round(target: str) -> None:
    for line in ("LIST -R", "LIST -L d", "LIST d"):
        names = names_of(line, links={"d/round": target, "d/into": "./e"})
        assert not [name for name in names if name.startswith("round")]
        assert [name for name in names if name.startswith("into")]


def test_recursion_of_a_pattern_lists_the_folders_that_it_matches() -> None:
    assert [text[55:] or text for text in listed("LIST -R *", links={"to-d": "d"})] == [
        "B.txt", "a.txt", "c d.txt",
        "", "d:", "e", "in.txt",
        "", "d/e:", "deep.txt",
        "", "to-d:", "e", "in.txt",
        "", "to-d/e:", "deep.txt",
    ]  # fmt: skip
    assert listed("NLST -R *") == ["B.txt", "a.txt", "c d.txt", "d/e", "d/in.txt"]


def test_links_can_be_followed_and_then_broken_ones_are_left_out() -> None:
    links = {"br": "zip", "dl": "d", "l": "a.txt"}
    followed = ["B.txt", "a.txt", "c d.txt", "d", "dl", "l"]
    assert names_of("LIST -L", links=links) == followed
    assert names_of("LIST", links=links, conf=FAKES + "ShowSymlinks off\n") == followed
    assert names_of("LIST -F dl", links=links) == ["e/", "in.txt"]
    assert names_of("LIST -F", links=links)[-3:] == ["d/", "dl -> d/", "l -> a.txt"]


def test_adjustedsymlinks_shows_where_links_lead_from_the_clients_root() -> None:
    links = {"l": "a.txt", "d/up": "../a.txt", "d/full": "/a.txt"}
    adjusted = 'DefaultRoot ~\nListOptions "" AdjustedSymlinks\n'
    assert listed("LIST", conf=adjusted, links=links)[-1].endswith(" l -> /a.txt")
    assert [line.partition(" -> ")[2] for line in listed("LIST d", conf=adjusted, links=links)[-2:]] == ["", "/a.txt"]
    assert [line.partition(" -> ")[2] for line in listed("LIST d/up", conf=adjusted, links=links)] == ["/a.txt"]
    assert listed("LIST", conf="DefaultRoot ~\n", links=links)[-1].endswith(" l -> a.txt")


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


@pytest.mark.parametrize("line", ["STAT link", "STAT down/here", "LIST -a link"])
def test_above_a_folder_that_a_link_names_is_the_folder_that_it_lies_in(line: str) -> None:
    async def tale(ftp: Bench) -> str:
        os.symlink("down/there", f"{ftp.root}/link")
        os.symlink("there", f"{ftp.root}/down/here")
        os.chmod(f"{ftp.root}/down", 0o711)
        told = await ftp(line) if line.startswith("STAT") else (await ftp.download(line)).decode()
        return next(text.split()[0] for text in told.splitlines() if text.endswith(" .."))

    assert run(tale, files={"down/there/f": b""}) == "drwx--x--x"
