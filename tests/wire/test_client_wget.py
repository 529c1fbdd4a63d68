"""wget: LIST -a for every folder, SIZE before each file, no QUIT at the end; it only fetches."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.wire.clients import AWKWARD_NAMES, kill_while_downloading, need, run
from tests.wire.daemon import Daemon

need("wget")

PATIENCE = ["--tries=1", "--timeout=60", "--no-verbose"]


def wget(server: Daemon, path: str, *options: str, password: str = "secret", fails: bool = False) -> str:
    login = ["--ftp-user=alice", f"--ftp-password={password}"]
    return run("wget", *PATIENCE, *login, *options, f"{server.url}/{quote(path)}", fails=fails)


@pytest.mark.parametrize("mode", [[], ["--no-passive-ftp"]])
def test_gets_byte_by_byte(server: Daemon, here: Path, content: bytes, mode: list[str]) -> None:
    server.give("get.bin", content)
    wget(server, "get.bin", *mode)
    assert (here / "get.bin").read_bytes() == content


def test_names_survive_the_way(server: Daemon, here: Path) -> None:
    for name in AWKWARD_NAMES:
        server.give(name, name.encode())
        wget(server, name, "-O", "down")
        assert (here / "down").read_bytes() == name.encode()


def test_resumes_a_download(server: Daemon, here: Path, content: bytes) -> None:
    server.give("resumed.bin", content)
    (here / "resumed.bin").write_bytes(content[:1_000_000])
    wget(server, "resumed.bin", "-c")
    assert (here / "resumed.bin").read_bytes() == content


def test_fetches_a_tree(server: Daemon, here: Path) -> None:
    (server.give_folder("tree") / "a folder").mkdir()
    (server.home / "tree/a folder/leaf.txt").write_bytes(b"leaf")
    (server.home / "tree/.hidden").write_bytes(b"hidden")
    wget(server, "tree/", "-r", "-nH")
    assert (here / "tree/a folder/leaf.txt").read_bytes() == b"leaf"
    assert (here / "tree/.hidden").read_bytes() == b"hidden", "wget asks for hidden files, by LIST -a"


def test_fetches_by_wildcard(server: Daemon, here: Path) -> None:
    for name in ("one.txt", "two.txt", "three.bin"):
        server.give(name, name.encode())
    run("wget", *PATIENCE, "--ftp-user=alice", "--ftp-password=secret", f"{server.url}/*.txt")
    assert {path.name for path in here.glob("*.*")} == {"one.txt", "two.txt"}


def test_is_refused_with_a_wrong_password(server: Daemon) -> None:
    assert "Login incorrect" in wget(server, "any", password="wrong", fails=True)


def test_a_missing_file_is_an_error(server: Daemon) -> None:
    assert "No such file" in wget(server, "nowhere.txt", fails=True)


def test_a_visitor_reads(server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    run("wget", *PATIENCE, f"{server.url}/public.txt")
    assert (here / "public.txt").read_bytes() == b"for all"


def test_killed_in_a_download(server: Daemon) -> None:
    server.give_huge("huge.bin")
    kill_while_downloading("wget", *PATIENCE, "-O", "-", f"{server.url_with_login}/huge.bin")
    server.assert_well()
