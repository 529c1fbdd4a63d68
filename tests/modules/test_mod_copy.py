"""mod_copy: files, links and whole folders are copied on the server, only where one may, and others hear of it."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from copy_ground import DONE, LOAD, OVERWRITE, READY, TREE, after
from xfer_ground import names, run, talk

from ftpd.api import Command, Module
from ftpd.conf.faults import ConfigFaults
from ftpd.fs import local
from ftpd.testing import Bench

# -- the conversation ------------------------------------------------------------------------------------


def test_a_file_is_copied_from_here_to_there() -> None:
    async def tale(ftp: Bench) -> None:
        assert await ftp("SITE CPFR two words") == READY
        assert await ftp("SITE CPTO three words now") == DONE
        assert ftp.read("three words now") == b"2"
        # the source is used up
        assert await ftp("SITE CPTO again") == "503 Bad sequence of commands"
        assert await ftp("SITE COPY a.txt tree/b.txt") == "200 SITE COPY command successful"
        assert ftp.read("tree/b.txt") == b"hello\n"

    run(tale, conf=LOAD, files=TREE)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("SITE CPFR", "500 'SITE CPFR' not understood"),
        ("SITE CPTO", "500 'SITE CPTO' not understood"),
        ("SITE COPY a.txt", "500 'SITE COPY' not understood"),
        ("SITE COPY a.txt b c", "500 'SITE COPY' not understood"),
        ("SITE CPTO b", "503 Bad sequence of commands"),
        ("SITE CPFR nope", "550 /nope: No such file or directory"),
        ("SITE COPY nope b", "550 COPY: No such file or directory"),
        ("SITE COPY a.txt no/b", "550 COPY: No such file or directory"),
        ("SITE COPY a.txt old.txt/b", "550 COPY: Not a directory"),
        ("SITE COPY tree old.txt", "550 COPY: Not a directory"),
    ],
)
def test_what_cannot_be_is_told(line: str, reply: str) -> None:
    assert talk(line, conf=LOAD, files=TREE) == [reply]


def test_before_login_nothing_is_copied() -> None:
    replies = talk("SITE CPFR a.txt", "SITE CPTO b", "SITE COPY a.txt b", conf=LOAD, files=TREE, login=None)
    assert replies == ["530 Please login with USER and PASS"] * 3
    # as in ProFTPD it is only then asked who that is
    lines = "SITE CPFR", "SITE CPTO", "SITE COPY a.txt"
    assert talk(*lines, conf=LOAD, login=None) == [f"500 '{line[:9]}' not understood" for line in lines]


def test_the_engine_can_be_off() -> None:
    lines = ("SITE CPFR a.txt", "SITE CPTO b", "SITE COPY a.txt b")
    assert talk(*lines, conf=LOAD + "CopyEngine off\n", files=TREE) == [
        f"500 '{line[:9]}' not understood" for line in lines
    ]
    assert " SITE COPY" in talk("FEAT", conf=LOAD)[0].split("\n")
    assert " SITE COPY" not in talk("FEAT", conf=LOAD + "CopyEngine off\n")[0].split("\n")


def test_options_that_do_not_exist_end_the_start() -> None:
    with pytest.raises(ConfigFaults, match="unknown option 'NoDelete'"):
        talk("NOOP", conf=LOAD + "CopyOptions NoDelete\n")


# -- what is kept, what is replaced --------------------------------------------------------------------------


def test_permissions_are_kept_and_special_bits_are_not() -> None:
    async def tale(ftp: Bench) -> tuple[int, int]:
        os.chmod(f"{ftp.root}/a.txt", 0o4646)
        os.chmod(f"{ftp.root}/tree", 0o550)
        await ftp("SITE COPY a.txt b")
        await ftp("SITE COPY tree t2")
        modes = [stat.S_IMODE(os.stat(f"{ftp.root}/{name}").st_mode) for name in ("b", "t2")]
        os.chmod(f"{ftp.root}/tree", 0o755)
        return modes[0], modes[1]

    assert run(tale, conf=LOAD + "Umask 077\n", files=TREE) == (0o646, 0o550)


def test_what_is_there_is_replaced_only_where_allowed() -> None:
    denied = ["550 COPY: Permission denied", READY, "550 CPTO: Permission denied"]
    lines = ("SITE COPY a.txt old.txt", "SITE CPFR a.txt", "SITE CPTO old.txt")
    assert talk(*lines, conf=LOAD, files=TREE) == denied
    assert after(*lines, look=lambda ftp: ftp.read("old.txt")) == b"old"
    assert talk(*lines, conf=OVERWRITE, files=TREE) == ["200 SITE COPY command successful", READY, DONE]
    assert after(*lines, conf=OVERWRITE, look=lambda ftp: (ftp.read("old.txt"), names(ftp))) == (
        b"hello\n",
        ["a.txt", "old.txt", "tree", "two words"],
    )


def test_a_file_takes_no_folders_place() -> None:
    assert (
        talk("SITE COPY a.txt tree", "SITE COPY a.txt /", conf=OVERWRITE, files=TREE)
        == ["550 COPY: Is a directory"] * 2
    )
    assert talk("SITE COPY a.txt tree", conf=LOAD, files=TREE) == ["550 COPY: Permission denied"]


def test_a_file_copied_onto_itself_stays() -> None:
    assert talk("SITE COPY a.txt a.txt", conf=OVERWRITE, files=TREE) == ["550 COPY: Invalid argument"]
    assert after("SITE COPY a.txt a.txt", conf=OVERWRITE, look=lambda ftp: ftp.read("a.txt")) == b"hello\n"


def test_links_are_copied_as_links_and_not_followed() -> None:
    async def tale(ftp: Bench) -> None:
        os.symlink("nowhere", f"{ftp.root}/broken")
        os.symlink("/etc", f"{ftp.root}/tree/out")
        os.symlink("a.txt", f"{ftp.root}/link")
        assert await ftp("SITE CPFR broken") == READY
        assert await ftp("SITE CPTO b2") == DONE
        assert os.readlink(f"{ftp.root}/b2") == "nowhere"
        assert await ftp("SITE COPY tree t2") == "200 SITE COPY command successful"
        assert os.readlink(f"{ftp.root}/t2/out") == "/etc"
        # the link gives way, what it led to stays
        assert await ftp("SITE COPY old.txt link") == "200 SITE COPY command successful"
        assert (ftp.read("a.txt"), ftp.read("link")) == (b"hello\n", b"old")

    run(tale, conf=OVERWRITE, files=TREE)


def test_nothing_from_outside_the_root_comes_in_through_a_link() -> None:
    async def tale(ftp: Bench) -> None:
        outside = os.path.join(os.path.dirname(ftp.root), "proftpd.conf")
        os.symlink(outside, f"{ftp.root}/leak")
        os.symlink(os.path.dirname(ftp.root), f"{ftp.root}/up")
        await ftp("SITE COPY leak mine")
        assert os.path.islink(f"{ftp.root}/mine")
        assert await ftp("SITE COPY up/proftpd.conf mine2") == "550 COPY: No such file or directory"
        assert await ftp("SITE COPY a.txt up/x") == "550 COPY: No such file or directory"

    run(tale, conf=LOAD, files=TREE)


def test_special_files_are_not_read() -> None:
    async def tale(ftp: Bench) -> None:
        os.mkfifo(f"{ftp.root}/tree/pipe")
        assert await ftp("SITE COPY tree/pipe p") == "550 COPY: Invalid argument"
        # in a folder they are left out, as ProFTPD does
        assert await ftp("SITE COPY tree t2") == "200 SITE COPY command successful"
        assert names(ftp, "t2") == ["e", "in", "r"]

    run(tale, conf=LOAD, files=TREE)


def test_holes_stay_holes_and_every_byte_arrives() -> None:
    async def tale(ftp: Bench) -> None:
        with open(f"{ftp.root}/holes", "wb") as out:
            out.truncate(1 << 30)
            out.seek(100 << 20)
            out.write(b"island" * 1000)
        assert await ftp("SITE COPY holes h2") == "200 SITE COPY command successful"
        copy = os.stat(f"{ftp.root}/h2")
        assert copy.st_size == 1 << 30
        assert copy.st_blocks * 512 < 10 << 20
        with open(f"{ftp.root}/h2", "rb") as made:
            made.seek(100 << 20)
            assert made.read(6000) == b"island" * 1000

    run(tale, conf=LOAD)


def test_where_the_kernel_cannot_copy_ranges_the_bytes_arrive_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuses)
    content = os.urandom(3_000_000)
    files = {"big": content}
    assert after("SITE COPY big b2", files=files, look=lambda ftp: ftp.read("b2")) == content


# -- folders -------------------------------------------------------------------------------------------------


def test_a_folder_is_copied_with_all_that_is_in_it() -> None:
    def look(ftp: Bench) -> tuple[bytes, bytes, list[str], list[str]]:
        return ftp.read("p/q/t2/r"), ftp.read("p/q/t2/in/deep"), names(ftp, "p/q/t2"), names(ftp, "p/q/t2/e")

    assert after("SITE CPFR tree", "SITE CPTO p/q/t2", look=look) == (b"r", b"deep", ["e", "in", "r"], [])


def test_a_folder_can_be_copied_into_one_that_is_there() -> None:
    files = {**TREE, "t2/own": b"own"}
    assert after("SITE COPY tree t2", files=files, look=lambda ftp: names(ftp, "t2")) == ["e", "in", "own", "r"]


def test_files_in_a_folder_are_replaced_only_where_allowed() -> None:
    files = {**TREE, "t2/r": b"mine"}
    assert talk("SITE COPY tree t2", files=files, conf=LOAD) == ["550 COPY: Permission denied"]
    assert after("SITE COPY tree t2", files=files, look=lambda ftp: ftp.read("t2/r")) == b"mine"
    assert after("SITE COPY tree t2", files=files, conf=OVERWRITE, look=lambda ftp: ftp.read("t2/r")) == b"r"


@pytest.mark.parametrize("target", ["tree", "tree/in/t2", "tree/new", "alias/in/new"])
def test_a_folder_is_not_copied_into_itself(target: str) -> None:
    async def tale(ftp: Bench) -> None:
        os.symlink("tree", f"{ftp.root}/alias")
        assert (await ftp(f"SITE COPY tree {target}")).startswith("550 COPY: ")
        assert names(ftp, "tree") == ["e", "in", "r"]
        assert names(ftp, "tree/in") == ["deep"]

    run(tale, conf=OVERWRITE, files=TREE)


def test_a_folder_that_cannot_be_copied_whole_leaves_nothing() -> None:
    conf = LOAD + "PathDenyFilter deep$\n"
    assert talk("SITE COPY tree new/t2", conf=conf, files=TREE) == ["550 COPY: Operation not permitted"]
    assert "new" not in after("SITE COPY tree new/t2", conf=conf, look=names)
    kept = conf + "CopyOptions NoDeleteOnFailure\n"
    assert after("SITE COPY tree new/t2", conf=kept, look=lambda ftp: names(ftp, "new/t2")) == ["e", "in", "r"]


def test_a_hostile_name_forges_no_reply() -> None:
    files = {"tree/x\r\n230 Welcome*/f": b""}
    reply = talk("SITE COPY tree t2", conf=LOAD, files=files)[0]
    assert reply == "550 /t2/x??230 Welcome*: Invalid directory name"


def test_copying_happens_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[threading.Thread] = []
    open_write = local.LocalFiles.open_write

    def noted(self: local.LocalFiles, *args: Any, **options: Any) -> int:
        seen.append(threading.current_thread())
        return open_write(self, *args, **options)

    monkeypatch.setattr(local.LocalFiles, "open_write", noted)
    after("SITE COPY tree t2", look=names)
    assert len(seen) == 2
    assert threading.main_thread() not in seen


# -- who may -----------------------------------------------------------------------------------------------------


def limits(*names: str, place: str = "") -> str:
    limit = f"<Limit {' '.join(names)}>\n DenyAll\n</Limit>\n"
    return LOAD + (f"<Directory {{root}}/{place}>\n{limit}</Directory>\n" if place else limit)


@pytest.mark.parametrize(
    ("denied", "copy", "cpfr", "cpto"),
    [
        (("SITE_COPY",), "550 a.txt: Operation not permitted", READY, DONE),
        (("SITE_CPFR",), "200 SITE COPY command successful", "550 a.txt: Operation not permitted", "503 "),
        (("SITE_CPTO",), "200 SITE COPY command successful", READY, "550 /c: Operation not permitted"),
        (("WRITE",), "550 b: Operation not permitted", READY, "550 /c: Operation not permitted"),
        (("READ",), "550 a.txt: Operation not permitted", "550 a.txt: Operation not permitted", "503 "),
    ],
)
def test_limits_hold(denied: tuple[str, ...], copy: str, cpfr: str, cpto: str) -> None:
    replies = talk("SITE COPY a.txt b", "SITE CPFR a.txt", "SITE CPTO c", conf=limits(*denied), files=TREE)
    assert [reply[: len(expected)] for reply, expected in zip(replies, (copy, cpfr, cpto), strict=True)] == [
        copy,
        cpfr,
        cpto,
    ]


def test_a_folder_closed_to_reading_is_not_copied_with_the_one_around_it() -> None:
    conf = limits("READ", place="tree/in")
    assert talk("SITE COPY tree t2", conf=conf, files=TREE) == ["550 /tree/in: Operation not permitted"]
    assert "t2" not in after("SITE COPY tree t2", conf=conf, look=names)


def test_a_folder_closed_to_writing_takes_no_copies_of_a_tree() -> None:
    conf = limits("WRITE", place="t2/in")
    files = {**TREE, "t2/in/": b""}
    assert talk("SITE COPY tree t2", conf=conf, files=files)[0].startswith("550 /t2/in")
    assert after("SITE COPY tree t2", conf=conf, files=files, look=lambda ftp: names(ftp, "t2/in")) == []


def test_filters_judge_both_names() -> None:
    conf = LOAD + "PathDenyFilter \\.bad$\n"
    lines = ("SITE CPFR x.bad", "SITE COPY a.txt b.bad", "SITE CPFR a.txt", "SITE CPTO b.bad", "SITE COPY a.txt good")
    assert talk(*lines, conf=conf, files=TREE) == [
        "550 x.bad: Forbidden filename",
        "550 COPY: Operation not permitted",
        READY,
        "550 CPTO: Operation not permitted",
        "200 SITE COPY command successful",
    ]
    allowed = LOAD + "PathAllowFilter ^[a-z.]+$\n"
    assert talk("SITE COPY a.txt B", "SITE COPY a.txt b", conf=allowed, files=TREE) == [
        "550 COPY: Operation not permitted",
        "200 SITE COPY command successful",
    ]


# -- what others hear of it ----------------------------------------------------------------------------------------


def test_the_transfer_log_has_a_line_for_each_file(tmp_path: Any) -> None:
    log = tmp_path / "xfer"
    conf = OVERWRITE + f"TransferLog {log}\n"
    after("TYPE I", "SITE CPFR a.txt", "SITE CPTO b", "SITE COPY tree t2", "SITE COPY nope x", conf=conf, look=names)
    lines = [line.split()[6:] for line in log.read_text().splitlines()]
    assert [(size, path.rpartition("/root")[2]) for _, size, path, *_ in lines] == [
        ("6", "/b"),
        ("1", "/t2/r"),
        ("4", "/t2/in/deep"),
    ]
    assert [" ".join(line[3:]) for line in lines] == ["b _ d r tom ftp 0 * c"] * 3


def _watching(heard: list[tuple[str, Any]]) -> Module:
    watcher = Module("watcher", version="1.0")

    @watcher.pre("SITE COPY")
    def before(cmd: Command) -> None:
        heard.append(("before", cmd.notes.get("mod_copy.target")))

    @watcher.post("SITE COPY")
    def done(cmd: Command) -> None:
        moved = cmd.transfer.moved if cmd.transfer else None
        heard.append((cmd.notes["mod_copy.target"], (moved, cmd.notes.get("mod_copy.replaced"))))

    @watcher.post_err("SITE COPY")
    def failed(cmd: Command) -> None:
        heard.append(("undone", cmd.notes.get("mod_copy.undone")))

    return watcher


@pytest.fixture
def told() -> Iterator[tuple[list[tuple[str, Any]], Callable[..., None]]]:
    heard: list[tuple[str, Any]] = []

    def tell(line: str, conf: str) -> None:
        async def main() -> None:
            async with Bench(_watching(heard), conf="DefaultRoot ~\n" + conf, files=TREE) as ftp:
                await ftp(line)

        asyncio.run(main())

    yield heard, tell


def test_quotas_hear_what_was_copied_and_what_it_replaced(told: Any) -> None:
    heard, tell = told
    tell("SITE COPY a.txt old.txt", OVERWRITE)
    assert heard == [("before", None), ("/old.txt", (6, 3))]


def test_quotas_hear_of_each_file_in_a_folder(told: Any) -> None:
    heard, tell = told
    tell("SITE COPY tree t2", LOAD)
    assert heard == [
        ("before", None),
        ("before", "/t2/r"),
        ("/t2/r", (1, None)),
        ("before", "/t2/in/deep"),
        ("/t2/in/deep", (4, None)),
        ("/t2", (None, None)),
    ]


def test_quotas_hear_what_was_taken_back(told: Any) -> None:
    heard, tell = told
    tell("SITE COPY tree t2", LOAD + "PathDenyFilter deep$\n")
    assert heard[-1] == ("undone", (1, 1))
