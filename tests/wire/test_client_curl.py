"""curl: EPSV with PASV to fall back on, resumes uploads by SIZE and APPE, and ends without an ABOR."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.wire.clients import AWKWARD_NAMES, kill_while_downloading, kill_while_uploading, need, run
from tests.wire.daemon import Daemon

need("curl")


def curl(server: Daemon, path: str, *options: str | Path, login: str = "alice:secret", fails: bool = False) -> str:
    return run("curl", "-sS", "-u", login, *options, f"{server.url}/{quote(path)}", fails=fails)


def test_gets_and_puts_byte_by_byte(server: Daemon, here: Path, content: bytes) -> None:
    (here / "up").write_bytes(content)
    curl(server, "put.bin", "-T", here / "up")
    assert (server.home / "put.bin").read_bytes() == content
    curl(server, "put.bin", "-o", here / "down")
    assert (here / "down").read_bytes() == content


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_names_survive_the_way_there_and_back(server: Daemon, here: Path, name: str) -> None:
    (here / "up").write_bytes(b"content")
    curl(server, name, "-T", here / "up")
    assert (server.home / name).read_bytes() == b"content"
    assert name in curl(server, "", "-l").splitlines()
    curl(server, name, "-o", here / "down")
    assert (here / "down").read_bytes() == b"content"


@pytest.mark.parametrize("mode", [["--disable-epsv"], ["-P", "127.0.0.1"], ["-P", "127.0.0.1", "--disable-eprt"]])
def test_every_way_to_open_a_data_connection(server: Daemon, here: Path, content: bytes, mode: list[str]) -> None:
    server.give("ways.bin", content)
    curl(server, "ways.bin", *mode, "-o", here / "down")
    assert (here / "down").read_bytes() == content


def test_resumes_a_download(server: Daemon, here: Path, content: bytes) -> None:
    server.give("resumed.bin", content)
    (here / "down").write_bytes(content[:1_000_000])
    curl(server, "resumed.bin", "-C", "-", "-o", here / "down")
    assert (here / "down").read_bytes() == content


def test_resumes_an_upload(server: Daemon, here: Path, content: bytes) -> None:
    server.give("half.bin", content[:1_000_000])
    (here / "up").write_bytes(content)
    curl(server, "half.bin", "-C", "-", "-T", here / "up")
    assert (server.home / "half.bin").read_bytes() == content


def test_fetches_a_range_and_stays_logged_in_for_the_next_file(server: Daemon, here: Path, content: bytes) -> None:
    server.give("range.bin", content)
    # curl closes the data connection in the middle of the file, and goes on in the same session
    where = f"{server.url_with_login}/range.bin"
    run("curl", "-sS", "-r", "1000-1999", where, "-o", "part", "--next", "-sS", where, "-o", "whole")
    assert (here / "part").read_bytes() == content[1000:2000]
    assert (here / "whole").read_bytes() == content


def test_makes_the_folders_of_an_upload(server: Daemon, here: Path) -> None:
    (here / "up").write_bytes(b"deep")
    curl(server, "one/two words/three/deep.txt", "--ftp-create-dirs", "-T", here / "up")
    assert (server.home / "one/two words/three/deep.txt").read_bytes() == b"deep"
    for method in ("nocwd", "singlecwd", "multicwd"):
        assert curl(server, "one/two words/three/deep.txt", "--ftp-method", method) == "deep"


def test_makes_renames_and_removes(server: Daemon) -> None:
    server.give("old name.txt", b"")
    curl(server, "", "-Q", "MKD new folder", "-Q", "RNFR old name.txt", "-Q", "RNTO new folder/new name.txt")
    assert (server.home / "new folder/new name.txt").exists()
    curl(server, "", "-Q", "DELE new folder/new name.txt", "-Q", "RMD new folder")
    assert not (server.home / "new folder").exists()


def test_lists_long_and_short(server: Daemon) -> None:
    server.give("listed.txt", b"12345")
    long = next(line for line in curl(server, "").splitlines() if line.endswith(" listed.txt"))
    assert long.startswith("-rw") and " 5 " in long
    assert "listed.txt" in curl(server, "", "-l").splitlines()
    assert "type=file;" in curl(server, "", "-X", "MLSD").lower()


def test_tells_size_and_time_without_fetching(server: Daemon) -> None:
    server.give("facts.txt", b"1234567")
    facts = curl(server, "facts.txt", "-I")
    assert "Content-Length: 7" in facts and "Last-Modified: " in facts


def test_is_refused_with_a_wrong_password(server: Daemon) -> None:
    assert "Access denied: 530" in curl(server, "", login="alice:wrong", fails=True)


def test_a_missing_file_is_an_error(server: Daemon) -> None:
    assert "550" in curl(server, "nowhere.txt", "-v", fails=True)


def test_a_visitor_reads_and_cannot_write(server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    assert run("curl", "-sS", f"{server.url}/public.txt") == "for all"
    (here / "up").write_bytes(b"")
    run("curl", "-sS", "-T", here / "up", f"{server.url}/refused.txt", fails=True)
    assert not (server.anonymous / "refused.txt").exists()


def test_killed_in_a_download(server: Daemon) -> None:
    server.give_huge("huge.bin")
    kill_while_downloading("curl", "-sS", f"{server.url_with_login}/huge.bin")
    server.assert_well()


def test_killed_in_an_upload(server: Daemon) -> None:
    arrived = server.home / "endless.bin"
    kill_while_uploading(arrived, "curl", "-sS", "-T", "-", f"{server.url_with_login}/endless.bin")
    server.assert_well()
    assert arrived.read_bytes().count(0) == arrived.stat().st_size, "what arrived is not a part of what was sent"
