"""MLSD and MLST by RFC 3659, the choice of facts, and MFMT and MFF, which change them."""

from __future__ import annotations

import os
import re
import stat

import pytest
from xfer_ground import fetch, run, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.core.identity import Identity, privileged
from ftpd.fs.local import LocalFiles
from ftpd.modules import _folders
from ftpd.testing import Bench

pytestmark = pytest.mark.usefixtures("way_to_list")

TREE = {"a.txt": b"hello\nworld\n", ".h": b"", "c d.txt": b"333", "d/in.txt": b"5"}
OPENED = "150 Opening ASCII mode data connection for MLSD"
WHEN = 1709618828  # 2024-03-05 06:07:08


def _facts(line: str) -> tuple[dict[str, str], str]:
    """The facts of a line, and the name after them."""
    facts, _, name = line.partition(" ")
    assert facts == "" or facts.endswith(";")
    return dict(fact.split("=", 1) for fact in facts.split(";")[:-1]), name  # type: ignore[misc]


def _folder(content: bytes) -> dict[str, dict[str, str]]:
    assert content.endswith(b"\r\n")
    lines = [_facts(line) for line in content.decode().split("\r\n")[:-1]]
    return {name: facts for facts, name in lines}


# -- MLST ----------------------------------------------------------------------------------------------------


def test_mlst_is_one_line_with_one_blank_before_it() -> None:
    async def tale(ftp: Bench) -> str:
        os.utime(f"{ftp.root}/a.txt", (WHEN, WHEN))
        os.chmod(f"{ftp.root}/a.txt", 0o644)
        return await ftp("MLST a.txt")

    first, line, last = run(tale, files=TREE, conf="DirFakeUser on ann\nDirFakeGroup on\n").split("\n")
    assert (first, last) == ("250-Start of list for a.txt", "250 End of list")
    assert re.fullmatch(
        r" modify=20240305060708;perm=adfrw;size=12;type=file;unique=[0-9A-F]+U[0-9A-F]+;UNIX\.group=\d+;"
        r"UNIX\.groupname=ftp;UNIX\.mode=0644;UNIX\.owner=\d+;UNIX\.ownername=ann; /a\.txt",
        line,
    )


def test_the_dots_and_a_root_are_what_their_own_bits_say() -> None:
    async def tale(ftp: Bench) -> list[str]:
        listed = [_folder(await ftp.download(line)) for line in ("MLSD", "MLSD d")]
        return [facts[name]["perm"] for facts in listed for name in (".", "..")]

    assert run(tale, files=TREE) == ["flcdmpe"] * 4
    assert all("perm=flcdmpe" in line for line in talk("MLST /", "MLST ..", "MLST d/..", "MLST d", files=TREE))


def test_mlst_alone_is_the_working_directory() -> None:
    for lines in (["CWD d", "MLST"], ["CWD d", "MLST ."]):
        first, line, _ = talk(*lines, files=TREE)[-1].split("\n")
        facts, name = _facts(line[1:])
        assert name == "/d"
        assert (facts["type"], facts["perm"]) == ("dir", "flcdmpe")
        assert "size" not in facts
        assert first == f"250-Start of list for {'.' if lines[1] == 'MLST .' else '/d'}"


def test_mlst_of_a_link_tells_of_the_file_and_of_nothing_else() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("a.txt", f"{ftp.root}/l")
        os.symlink("zip", f"{ftp.root}/br")
        os.symlink("/etc/passwd", f"{ftp.root}/out")
        lines = ("MLST l", "MLST br", "MLST out", "MLST nope", "MLST *.txt", "MLST a.txt/x")
        return [await ftp(line) for line in lines]

    link, *absent = run(tale, files=TREE)
    facts, name = _facts(link.split("\n")[1][1:])
    assert (name, facts["type"], facts["size"]) == ("/l", "file", "12")
    assert absent == [f"550 '{name}' cannot be listed" for name in ("br", "out", "nope", "*.txt", "a.txt/x")]


def test_mlst_of_a_hidden_name_does_not_tell_whether_it_is_there() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("nowhere", f"{ftp.root}/secret.link")
        names = ("secret.txt", "secret.not", "secret.link", "d/secret.not", "nowhere/secret", "nope")
        return [await ftp(f"MLST {name}") for name in names]

    conf = "<Directory />\nHideFiles ^secret\n</Directory>\n"
    *hidden, absent = run(tale, files={**TREE, "secret.txt": b"x"}, conf=conf)
    assert [answer.split("\n")[1:] for answer in hidden] == [["250 End of list"]] * 5
    assert absent == "550 'nope' cannot be listed"


@pytest.mark.parametrize(
    ("conf", "kind", "name"),
    [
        ("ShowSymlinks on\n", "OS.unix=symlink", "/a.txt"),
        ("ShowSymlinks on\nFactsOptions UseSlink\n", "OS.unix=slink:/a.txt", "/d/l"),
        ("ShowSymlinks off\n", "file", "/d/l"),
        ("", "file", "/d/l"),
    ],
)
def test_mlst_tells_of_the_link_where_showsymlinks_asks_for_it(conf: str, kind: str, name: str) -> None:
    async def tale(ftp: Bench) -> tuple[str, str]:
        os.symlink("../a.txt", f"{ftp.root}/d/l")
        return await ftp("MLST d/l"), await ftp("MLST a.txt")

    link, target = run(tale, files=TREE, conf=conf)
    facts, shown = _facts(link.split("\n")[1][1:])
    assert (facts["type"], shown) == (kind, name)
    assert facts["unique"] == _facts(target.split("\n")[1][1:])[0]["unique"]
    assert facts["UNIX.mode"] == ("0777" if kind.startswith("OS") else "0644")


@pytest.mark.parametrize("line", ["MLST a.txt", "MLSD"])
def test_faked_owners_have_faked_numbers(line: str) -> None:
    async def tale(ftp: Bench) -> str:
        return await ftp(line) if line.startswith("MLST") else (await ftp.download(line)).decode()

    own = run(tale, files=TREE, conf="DirFakeUser on ~\nDirFakeGroup on ~\n")
    assert f"UNIX.owner={os.geteuid()};UNIX.ownername=tom;" in own
    nobody = run(tale, files=TREE, conf="DirFakeUser on nobody-has-it\nDirFakeGroup on nobody-has-it\n")
    assert "UNIX.group=65534;UNIX.groupname=nobody-has-it;" in nobody
    assert "UNIX.owner=65534;UNIX.ownername=nobody-has-it;" in nobody
    assert f"UNIX.owner={os.geteuid()};" in run(tale, files=TREE)


# -- MLSD ----------------------------------------------------------------------------------------------------


def test_mlsd_lists_all_with_itself_and_its_parent() -> None:
    async def tale(ftp: Bench) -> tuple[dict[str, dict[str, str]], str]:
        os.symlink("a.txt", f"{ftp.root}/l")
        os.symlink("zip", f"{ftp.root}/br")
        content = await ftp.download("MLSD")
        return _folder(content), ftp.replies

    entries, replies = run(tale, files=TREE)
    assert replies == f"{OPENED}\n226 Transfer complete"
    kinds = {name: facts["type"] for name, facts in entries.items()}
    assert kinds == {
        ".": "cdir", "..": "pdir", ".h": "file", "a.txt": "file", "br": "OS.unix=symlink", "c d.txt": "file",
        "d": "dir", "l": "OS.unix=symlink",
    }  # fmt: skip
    assert entries["l"]["unique"] == entries["a.txt"]["unique"]
    assert "size" not in entries["d"]
    assert entries["c d.txt"]["size"] == "3"


def test_each_listing_of_a_session_tells_what_may_be_done_now_and_the_facts_that_are_wanted_now() -> None:
    """What one listing has worked out is kept for the next, as long as it is true."""
    ann = Identity(2101, 2101)

    async def tale(ftp: Bench) -> list[dict[str, dict[str, str]]]:
        await ftp("NOOP")
        if privileged():
            for place in (f"{ftp.root}/a", f"{ftp.root}/b", f"{ftp.root}/a/f", f"{ftp.root}/b/f"):
                os.chown(place, ann.uid, ann.gid)
        os.chmod(os.path.dirname(ftp.root), 0o711)
        assert ftp.session is not None
        ftp.session.files = LocalFiles(ann, ftp.root, 0o022)
        told = []
        for line, path, mode in (
            ("MLSD a", "a", 0o755),
            ("MLSD a", "a/f", 0o444),
            ("MLSD a", "a", 0o555),
            ("MLSD b", "b", 0o755),
            ("MLSD a", "a", 0o755),
        ):
            os.chmod(f"{ftp.root}/{path}", mode)
            told.append(_folder(await ftp.download(line)))
        await ftp("OPTS MLST size;perm;")
        return [*told, _folder(await ftp.download("MLSD a"))]

    section = "<Directory {root}/b>\nDirFakeUser on bob\n</Directory>\n"
    *told, last = run(tale, conf=section, files={"a/f": b"1", "b/f": b""})
    perms = [(facts["f"]["perm"], facts["."]["perm"]) for facts in told]
    assert perms == [
        ("adfrw", "flcdmpe"), ("adfr", "flcdmpe"), ("ar", "le"), ("adfrw", "flcdmpe"), ("adfr", "flcdmpe"),
    ]  # fmt: skip
    assert [facts["f"]["UNIX.ownername"] == "bob" for facts in told] == [False, False, False, True, False]
    assert last["f"] == {"perm": "adfr", "size": "1"}


def test_links_can_be_shown_as_filezilla_wants_them_or_not_at_all() -> None:
    async def tale(ftp: Bench) -> dict[str, str]:
        os.symlink("../a.txt", f"{ftp.root}/d/l")
        os.symlink("a b;c", f"{ftp.root}/d/odd")
        return {name: facts["type"] for name, facts in _folder(await ftp.download("MLSD d")).items()}

    kinds = run(tale, files=TREE, conf="FactsOptions UseSlink\n")
    assert (kinds["l"], kinds["odd"]) == ("OS.unix=slink:/a.txt", "OS.unix=symlink")
    kinds = run(tale, files=TREE, conf="ShowSymlinks off\n")
    assert (kinds["l"], kinds["odd"]) == ("file", "OS.unix=symlink")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MLSD a.txt", "550 'a.txt' is not a directory"),
        ("MLSD nope", "550 nope: No such file or directory"),
        ("MLSD *", "550 *: No such file or directory"),
        ("MLSD -a", "550 -a: No such file or directory"),
        ("MLSD a.txt/x", "550 a.txt/x: Not a directory"),
        ("MLSD d", "425 Unable to build data connection: Connection refused"),
    ],
)
def test_mlsd_of_anything_else(line: str, reply: str) -> None:
    assert talk(line, files=TREE) == [reply]


def test_odd_names_stay_on_their_line() -> None:
    entries = _folder(fetch("MLSD", files={"a\r\nb": b"", " x": b"", "semi;colon": b""}))
    assert set(entries) == {".", "..", "a??b", " x", "semi;colon"}


def test_a_large_folder_comes_whole() -> None:
    async def tale(ftp: Bench) -> bytes:
        for number in range(1200):
            os.close(os.open(f"{ftp.root}/f{number:05}", os.O_CREAT))
        return await ftp.download("MLSD")

    assert len(_folder(run(tale))) == 1202


def test_a_larger_one_comes_part_by_part_and_each_entry_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_folders, "_LARGE", 0)
    files = [f"f{number:05}" for number in range(5000)]

    async def tale(ftp: Bench) -> list[bytes]:
        for name in [*files, ".h", "é;x"]:
            os.close(os.open(f"{ftp.root}/{name}", os.O_CREAT))
        os.symlink("f04000", f"{ftp.root}/l")
        os.mkdir(f"{ftp.root}/e")
        listings = [await ftp.download("MLSD"), await ftp.download("MLSD e"), await ftp.download("NLST -U")]
        return [*listings, await ftp.download("NLST -aU")]

    plain, empty, names, all_names = run(tale)
    assert plain.count(b"\r\n") == len(files) + 6
    entries = _folder(plain)
    assert set(entries) == {".", "..", ".h", "é;x", "l", "e", *files}
    assert (entries["l"]["type"], entries["e"]["type"]) == ("OS.unix=symlink", "dir")
    assert set(_folder(empty)) == {".", ".."}
    assert sorted(names.decode().split("\r\n")[:-1]) == sorted({*entries} - {".", "..", ".h"})
    assert sorted(all_names.decode().split("\r\n")[:-1]) == sorted(entries)
    plain, empty, names, _ = run(tale, conf="<Directory />\nHideFiles ^f0000\n</Directory>\n")
    assert set(_folder(plain)) == {*entries} - set(files[:10])
    assert set(_folder(empty)) == {".", ".."}
    assert sorted(names.decode().split("\r\n")[:-1]) == sorted({*entries} - {".", "..", ".h", *files[:10]})


def test_limit_on_dirs_closes_folders() -> None:
    conf = "<Directory {root}/d>\n<Limit DIRS>\nDenyAll\n</Limit>\n</Directory>\n"
    replies = talk("MLSD d", "MLST d", "MLST d/in.txt", "MLST a.txt", files=TREE, conf=conf)
    assert replies[:3] == ["550 Unable to handle command"] * 3
    assert replies[3].startswith("250")


# -- which facts -----------------------------------------------------------------------------------------------

MLST = "MLST modify*;perm*;size*;type*;unique*;UNIX.group*;UNIX.groupname*;UNIX.mode*;UNIX.owner*;UNIX.ownername*;"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("OPTS MLST type;size;", "200 MLST OPTS type;size;"),
        ("OPTS MLST Type;SIZE;Foo;", "200 MLST OPTS type;size;"),
        ("OPTS MLST size;unix.MODE", "200 MLST OPTS size;UNIX.mode;"),
        ("OPTS mlst type;", "200 MLST OPTS type;"),
        ("OPTS MLST foo;", "200 MLST OPTS "),
        ("OPTS MLST", "200 MLST OPTS"),
        ("OPTS MLST a b", "501 'OPTS MLST' not understood"),
    ],
)
def test_a_client_chooses_its_facts_even_before_login(line: str, reply: str) -> None:
    assert talk(line) == [reply]
    assert talk(line, login=None) == [reply]


def test_the_choice_is_followed_and_shown() -> None:
    lines = talk("OPTS MLST type;size;", "MLST a.txt", "FEAT", "OPTS MLST", "MLST a.txt", files=TREE)
    assert lines[1].split("\n")[1] == " size=12;type=file; /a.txt"
    assert (
        " MLST modify;perm;size*;type*;unique;UNIX.group;UNIX.groupname;UNIX.mode;UNIX.owner;UNIX.ownername;\n"
        in lines[2]
    )
    assert lines[4].split("\n")[1] == "  /a.txt"


def test_feat_tells_of_all() -> None:
    told = talk("FEAT")[0].split("\n")
    assert {" MFF modify;UNIX.group;UNIX.mode;", " MFMT", f" {MLST}", " TVFS"} <= set(told)


def test_the_configuration_chooses_facts() -> None:
    assert " MLST" not in talk("FEAT", conf="FactsAdvertise off\n")[0]
    assert talk("MLST a.txt", files=TREE, conf="FactsAdvertise off\n")[0].startswith("250-")
    conf = "FactsOptions NoNames\nFactsDefault type size\n"
    feat, one = talk("FEAT", "MLST a.txt", files=TREE, conf=conf)
    assert " MLST modify;perm;size*;type*;unique;UNIX.group;UNIX.mode;UNIX.owner;\n" in feat
    assert one.split("\n")[1] == " size=12;type=file; /a.txt"
    with pytest.raises(ConfigFaults, match="unknown fact 'colour'"):
        talk("NOOP", conf="FactsDefault type colour\n")


# -- MFMT and MFF ------------------------------------------------------------------------------------------------


def _changed(line: str) -> tuple[str, os.stat_result]:
    async def tale(ftp: Bench) -> tuple[str, os.stat_result]:
        os.symlink("zip", f"{ftp.root}/br")
        os.chmod(f"{ftp.root}/a.txt", 0o644)
        return await ftp(line), os.stat(f"{ftp.root}/a.txt")

    return run(tale, files=TREE)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MFMT 20240305060708 a.txt", "213 Modify=20240305060708; a.txt"),
        ("MFMT 20240305060708.123 a.txt", "213 Modify=20240305060708; a.txt"),
        ("MFF modify=20240305060708; a.txt", "213 modify=20240305060708; a.txt"),
        ("MFF Modify=20240305060708;UNIX.mode=0600; a.txt", "213 Modify=20240305060708;UNIX.mode=0600; a.txt"),
    ],
)
def test_times_are_set_in_utc(line: str, reply: str) -> None:
    said, attributes = _changed(line)
    assert said == reply
    assert attributes.st_mtime == WHEN
    assert stat.S_IMODE(attributes.st_mode) == (0o600 if "0600" in line else 0o644)


@pytest.mark.parametrize("behind", [".123", ".", ".x", ".1234567890", ".1.2"])
def test_a_fraction_of_a_second_is_passed_over_and_not_told_of(behind: str) -> None:
    for line, reply in {
        f"MFMT 20240305060708{behind} a.txt": "213 Modify=20240305060708; a.txt",
        f"MFF modify=20240305060708{behind};UNIX.mode=644; a.txt": "213 modify=20240305060708;UNIX.mode=644; a.txt",
    }.items():
        said, attributes = _changed(line)
        assert (said, attributes.st_mtime) == (reply, WHEN)


@pytest.mark.parametrize(
    ("stamp", "means"),
    [("20230231000000", 1677801600), ("20230101240000", 1672617600), ("20230101006061", 1672534861)],
)
def test_what_no_calendar_has_is_that_much_later(stamp: str, means: int) -> None:
    for line in (f"MFMT {stamp} a.txt", f"MFF Modify={stamp}; a.txt"):
        said, attributes = _changed(line)
        assert (said, attributes.st_mtime) == (f"213 Modify={stamp}; a.txt", means)


def test_folders_and_names_with_blanks_have_times_too() -> None:
    assert talk("MFMT 20200102030405 d", "MFMT 20200102030405 c d.txt", files=TREE) == [
        "213 Modify=20200102030405; d",
        "213 Modify=20200102030405; c d.txt",
    ]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MFMT", "501 Invalid number of parameters"),
        ("MFMT a.txt", "501 Invalid number of parameters"),
        ("MFMT 20200102030405 nope", "550 nope: No such file or directory"),
        ("MFMT 20200102030405 br", "550 br: No such file or directory"),
        ("MFMT 2020010203040 a.txt", "501 2020010203040: Invalid argument"),
        ("MFMT 202001020304055 a.txt", "501 a.txt: Invalid argument"),
        ("MFMT ２０２００１０２０３０４０５ a.txt", "501 a.txt: Invalid argument"),
        *[
            (f"MFMT {wrong} a.txt", "501 a.txt: Invalid argument")
            for wrong in ("20201302030405", "20200132030405", "20200131250405", "20200131236105", "20200131235962",
                          "20200100000000", "00000101000000", "18990101000000", "99990101000000")
        ],
        ("MFMT x y z", "501 x: Invalid argument"),
        # what is wrong with the time is told before what is wrong with the name
        ("MFMT 20201302030405 nope", "501 nope: Invalid argument"),
        ("MFMT 2020010203040 nope", "501 2020010203040: Invalid argument"),
        ("MFMT 20200102030405 a.txt/x", "501 a.txt/x: Not a directory"),
        ("MFMT  20200102030405 a.txt", "550 20200102030405 a.txt: No such file or directory"),
        ("MFF modify=bad; nope", "501 bad: Invalid argument"),
        ("MFF UNIX.mode=99; nope", "501 nope: Invalid argument"),
        # and of several facts the first that cannot be
        ("MFF modify=bad;size=3; a.txt", "501 bad: Invalid argument"),
        ("MFF modify=20200102030405;size=3; nope", "550 nope: No such file or directory"),
        ("MFF size=3;modify=bad; nope", "504 Cannot modify fact 'size=3'"),
        ("MFMT abcdefghijklmn a.txt", "501 a.txt: Invalid argument"),
        ("MFF modify; a.txt", "501 modify: Invalid argument"),
        ("MFF x y", "550 x: Invalid argument"),
        ("MFF modify=20200102030405 a.txt", "550 modify=20200102030405: Invalid argument"),
        ("MFF modify=bad; a.txt", "501 bad: Invalid argument"),
        ("MFF size=3; a.txt", "504 Cannot modify fact 'size=3'"),
        ("MFF ; a.txt", "504 Cannot modify fact ''"),
        ("MFF UNIX.owner=0; a.txt", "504 Cannot modify fact 'UNIX.owner=0'"),
        ("MFF UNIX.mode=99; a.txt", "501 a.txt: Invalid argument"),
        ("MFF UNIX.mode=4755; a.txt", "501 a.txt: Operation not permitted"),
        ("MFF UNIX.group=no-such-group; a.txt", "501 a.txt: Invalid argument"),
        ("MFF UNIX.group=4294967295; a.txt", "501 a.txt: Invalid argument"),
        ("MFF UNIX.mode=644; nope", "550 nope: No such file or directory"),
        # the first fact could be set: nothing is, when another cannot be
        ("MFF UNIX.mode=600;foo=1; a.txt", "504 Cannot modify fact 'foo=1'"),
        ("MFF UNIX.mode=600;modify=20201302030405; a.txt", "501 a.txt: Invalid argument"),
    ],
)  # fmt: skip
def test_what_cannot_be_set_changes_nothing(line: str, reply: str) -> None:
    said, attributes = _changed(line)
    assert said == reply
    assert stat.S_IMODE(attributes.st_mode) == 0o644
    assert attributes.st_mtime > 1_750_000_000


def test_a_leap_second_is_the_next_second() -> None:
    said, attributes = _changed("MFMT 20161231235960 a.txt")
    assert said == "213 Modify=20161231235960; a.txt"
    assert attributes.st_mtime == 1483228800


def test_the_group_is_given_by_name_or_number() -> None:
    said, attributes = _changed(f"MFF UNIX.group={os.getegid()}; a.txt")
    assert said == f"213 UNIX.group={os.getegid()}; a.txt"
    assert _changed(f"MFF UNIX.groupname={os.getegid()}; a.txt")[0] == f"213 UNIX.groupname={os.getegid()}; a.txt"
    assert attributes.st_gid == os.getegid()


def test_limit_on_write_keeps_facts() -> None:
    conf = "<Limit WRITE>\nDenyAll\n</Limit>\n"
    assert talk("MFMT 20200102030405 a.txt", "MFF UNIX.mode=600; a.txt", files=TREE, conf=conf) == [
        "550 Unable to handle command",
        "550 Unable to handle command",
    ]
