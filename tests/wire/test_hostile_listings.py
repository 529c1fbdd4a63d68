"""Listings under attack: flags and patterns without end, trees without bottom, names that no file should have."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw, answers_others, as_root, memory

MEGABYTE = 1024 * 1024
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    base = tmp_path_factory.mktemp("daemon")
    conf = (
        f"<Directory {base}/home/hiding>\n  HideFiles \\.key$\n  HideUser !~\n  HideNoAccess on\n"
        "  <Limit ALL>\n    IgnoreHidden on\n  </Limit>\n</Directory>\n"
    )
    with Daemon(base, conf) as daemon:
        yield daemon


@pytest.fixture(autouse=True)
def nothing_is_left_in_the_home(server: Daemon, ends_alive: None) -> Iterator[None]:
    yield
    _emptied(server.home)


def _emptied(folder: Path) -> None:
    # rm goes down where no path is long enough and Python's own rmtree recurses too deep
    entries = [os.path.join(os.fsencode(folder), name) for name in os.listdir(os.fsencode(folder))]
    if entries:
        subprocess.run([b"rm", b"-rf", b"--", *entries], check=True)


def _least_seconds(ftp: Raw, command: str) -> tuple[float, str]:
    """The shortest of three tries, so that a busy machine is not taken for a slow server."""
    took, reply = [], ""
    for _ in range(3):
        began = monotonic()
        reply = ftp.transfer(command)[0] if not command.startswith("STAT") else ftp.ask(command)
        took.append(monotonic() - began)
    return min(took), reply


# -- S29, S65: flags and patterns ------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["LIST", "NLST", "STAT"])
@pytest.mark.parametrize(
    "flags",
    [
        "-" + LETTERS, "-" + LETTERS * 60, "-C", "-R", "-B", "-" + "9" * 3000, "-l" * 1000, "- " * 1000, "--",
        "-\xff\xff",
    ],
    ids=["all", "all-60", "C", "R", "B", "digits", "l", "blanks", "end", "bytes"],
)  # fmt: skip
def test_s29_no_flag_does_more_than_list(server: Daemon, verb: str, flags: str) -> None:
    server.give("a.txt", b"")
    with Raw(server).login() as ftp:
        took, reply = _least_seconds(ftp, f"{verb} {flags}")
        assert reply[:3] in ("226", "212", "213", "450", "501")
        assert took < 0.5
        assert ftp.ask("NOOP").startswith("200")


@pytest.mark.parametrize("verb", ["LIST", "NLST", "STAT", "MLSD"])
@pytest.mark.parametrize(
    "pattern",
    [
        "*/../" * 500 + "*", "{a,b}" * 20, "a*" * 20 + "b", "[" * 4000, "*" * 4000, "*/" * 60 + "*",
        "{" * 500 + "a,b" + "}" * 500,
    ],
    ids=["dots", "braces", "stars", "brackets", "star", "deep", "nested"],
)  # fmt: skip
def test_s65_no_pattern_takes_long(server: Daemon, verb: str, pattern: str) -> None:
    for number in range(50):
        server.give(f"{number:02}" + "a" * 100, b"")
    with Raw(server).login() as ftp:
        took, reply = _least_seconds(ftp, f"{verb} {pattern}")
        assert reply[:3] in ("226", "450", "550"), reply
        assert took < 0.2


# -- S64, S67: trees ---------------------------------------------------------------------------------------------


def test_s64_a_loop_of_links_is_listed_once(server: Daemon) -> None:
    server.give_folder("d")
    os.symlink("..", server.home / "d" / "up")
    os.symlink(".", server.home / "here")
    os.symlink("loop", server.home / "loop")
    with Raw(server).login() as ftp:
        for command, lines in (("LIST -R", 7), ("LIST -R *", 13), ("LIST -RL", 7), ("NLST */*/*/*", 0)):
            reply, content = ftp.transfer(command)
            assert reply[:3] in ("226", "450")
            assert len(content.splitlines()) <= lines, (command, content)
        assert ftp.ask("STAT loop").startswith("450")
        assert ftp.transfer("LIST loop")[0].startswith("450")


def test_s64_a_tree_without_bottom_is_listed_as_far_as_paths_go(server: Daemon) -> None:
    here = os.open(server.home, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", 0o755, dir_fd=here)
        os.chown("d", *_owner(server), dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    before = memory(server)
    with Raw(server).login() as ftp:
        reply, content = ftp.transfer("LIST -R")
        assert reply == "226 Transfer complete"
        assert content.count(b":\r\n") >= 1000
        answers_others(server)
    assert memory(server) - before < 50 * MEGABYTE


def _owner(server: Daemon) -> tuple[int, int]:
    known = server.home.stat()
    return known.st_uid, known.st_gid


def test_s64_a_client_that_stops_reading_a_large_listing_costs_little(server: Daemon) -> None:
    folder = server.give_folder("large")
    for number in range(20_000):
        (folder / f"{number:05}{'x' * 200}").touch()
    before = memory(server)
    with Raw(server).login() as ftp:
        for command in ("LIST large", "NLST large", "MLSD large", "NLST large/*", "LIST -R"):
            with ftp.passive(window=4096) as data:
                ftp.send(command)
                assert ftp.reply().startswith("150")
                assert data.recv(1000)
                answers_others(server)
            assert ftp.reply().startswith("426")
    # on ext4, 15 of them are kept for the next long listing
    assert memory(server) - before < 65 * MEGABYTE


def test_s67_long_names_and_deep_folders(server: Daemon) -> None:
    name, deep = "n" * 255, "/".join("d" * 2 for _ in range(200))
    server.give(name, b"whole")
    os.symlink("t" * 4000, server.home / "far")
    (server.home / deep).mkdir(parents=True)
    with Raw(server).login() as ftp:
        assert ftp.transfer(f"RETR {name}") == ("226 Transfer complete", b"whole")
        for command in ("LIST", "MLSD", f"NLST {name[:200]}*"):
            assert name.encode() in ftp.transfer(command)[1]
        assert b"far" in ftp.transfer("MLSD")[1]
        assert b" -> " + b"t" * 4000 in ftp.transfer("LIST")[1]
        assert ftp.ask(f"CWD {deep}").startswith("250")
        assert ftp.ask("PWD") == f'257 "/{deep}" is the current directory'
        assert ftp.ask(f"MLST {name}x")[:3] == "550"
        assert ftp.transfer("LIST " + "x/" * 1900)[0][:3] == "450"
        assert ftp.ask("CWD /").startswith("250")
        assert ftp.ask('MKD a"b').startswith('257 "/a""b"')


# -- S68, S69: names ---------------------------------------------------------------------------------------------

NAMES = [
    b"-rf", b" x", b"x ", b" ", b"~", b"%d%n%s", b"*", b"?", b"[a]", b"{a,b}", b".in.x.", b"...", b"a;b", b'a"b',
    b"a\\b", b"type=dir; x", b"a -> b", b"\xe9t\xe9", b"\xff\xfe", b"\xed\xa0\x80", "é".encode(), b"e\xcc\x81",
    b"\xe2\x80\xae",
    b"a\tb", b"\x7f", b"\xc2\x85", b"\xc2\x9b2K",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_s68_s69_any_name_is_listed_and_reached_by_what_mlsd_says(server: Daemon, name: bytes) -> None:
    path = os.path.join(os.fsencode(server.home), name)
    with open(path, "wb") as file:
        file.write(b"here")
    os.chown(path, *_owner(server))
    with Raw(server).login() as ftp:
        entries = [line.partition(b"; ")[2] for line in ftp.transfer("MLSD")[1].split(b"\r\n") if b"type=file" in line]
        assert entries == [name]
        assert len(ftp.transfer("NLST -A")[1].split(b"\r\n")) == 2
        assert len(ftp.transfer("LIST -A")[1].split(b"\r\n")) == 2
        # telnet doubles its escape
        sent = b"./" + name.replace(b"\xff", b"\xff\xff")
        assert ftp.ask(b"SIZE " + sent + b"\r\n") == "213 4"
        assert ftp.ask(b"DELE " + sent + b"\r\n").startswith("250")
        assert os.listdir(os.fsencode(server.home)) == []


@pytest.mark.parametrize("name", ["-rf", "~", "*", "[a]", "{a,b}", "%d", ".in.x."])
def test_s69_a_name_that_means_something_else_is_first_a_name(server: Daemon, name: str) -> None:
    server.give(name, b"here")
    server.give("other", b"")
    with Raw(server).login() as ftp:
        assert ftp.transfer(f"NLST {name}") == ("226 Transfer complete", f"{name}\r\n".encode())
        assert ftp.transfer(f"LIST -1 ./{name}")[1].decode() == f"./{name}\r\n"
        assert ftp.transfer(f"RETR {name}")[1] == b"here"


# -- S70: what is hidden -----------------------------------------------------------------------------------------


@as_root
def test_s70_what_is_hidden_by_name_owner_or_mode_is_not_there(server: Daemon) -> None:
    hiding = server.give_folder("hiding")
    for name in ("fine", "by.key", "closed"):
        server.give(f"hiding/{name}", b"1")
    (hiding / "closed").chmod(0)
    (hiding / "owned").write_bytes(b"1")
    with Raw(server).login() as ftp:
        assert ftp.ask("CWD hiding").startswith("250")
        for command in ("NLST", "NLST *", "LIST -1", "LIST -1 *", "NLST /hiding", "NLST ../hiding/*"):
            assert [line.split(b"/")[-1] for line in ftp.transfer(command)[1].splitlines()] == [b"fine"], command
        assert [line.split()[-1] for line in ftp.transfer("MLSD")[1].splitlines()] == [b".", b"..", b"fine"]
        assert ftp.ask("SIZE fine") == "213 1"
        for command in ("SIZE", "MDTM", "MLST", "DELE", "RNFR", "RETR", "CWD", "STAT", "SITE CHMOD 600"):
            missing = ftp.ask(f"{command} nope")
            for name in ("by.key", "closed", "owned"):
                assert ftp.ask(f"{command} {name}").replace(name, "nope") == missing
    assert sorted(entry.name for entry in hiding.iterdir()) == ["by.key", "closed", "fine", "owned"]
