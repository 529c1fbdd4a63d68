"""lftp: FEAT and OPTS before the login, MLSD, several connections at once, and SITE CHMOD and MFMT after an upload."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wire.clients import AWKWARD_NAMES, kill_while_downloading, kill_while_uploading, need, run
from tests.wire.daemon import Daemon

need("lftp")

# lftp would try for ever, and asks for TLS first
SETTINGS = "set net:max-retries 1; set net:timeout 5; set ftp:ssl-allow no; set cmd:fail-exit yes; "


def command(server: Daemon, script: str, login: str = "alice,secret") -> list[str]:
    return ["lftp", "--norc", "-c", f"{SETTINGS} open -u {login} {server.url}; {script}"]


def lftp(server: Daemon, script: str, login: str = "alice,secret", fails: bool = False) -> str:
    return run(*command(server, script, login), fails=fails)


def test_gets_and_puts_byte_by_byte(server: Daemon, here: Path, content: bytes) -> None:
    (here / "up").write_bytes(content)
    lftp(server, "put up -o put.bin; get put.bin -o down")
    assert (server.home / "put.bin").read_bytes() == content
    assert (here / "down").read_bytes() == content


@pytest.mark.parametrize("passive", ["yes", "no"])
def test_passive_and_active_mode(server: Daemon, here: Path, content: bytes, passive: str) -> None:
    server.give("mode.bin", content)
    lftp(server, f"set ftp:passive-mode {passive}; get mode.bin")
    assert (here / "mode.bin").read_bytes() == content


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_names_survive_the_way_there_and_back(server: Daemon, here: Path, name: str) -> None:
    (here / name).write_bytes(b"content")
    lftp(server, f'put "{name}"')
    assert (server.home / name).read_bytes() == b"content"
    (here / name).unlink()
    assert name in lftp(server, "cls -1").splitlines()
    lftp(server, f'get "{name}"')
    assert (here / name).read_bytes() == b"content"


def test_resumes_a_download_and_an_upload(server: Daemon, here: Path, content: bytes) -> None:
    server.give("resumed.bin", content)
    (here / "resumed.bin").write_bytes(content[:1_000_000])
    server.give("half.bin", content[:1_000_000])
    (here / "half.bin").write_bytes(content)
    lftp(server, "get -c resumed.bin; put -c half.bin")
    assert (here / "resumed.bin").read_bytes() == content
    assert (server.home / "half.bin").read_bytes() == content


def test_fetches_one_file_over_three_connections(server: Daemon, here: Path, content: bytes) -> None:
    server.give("parts.bin", content)
    lftp(server, "pget -n 3 parts.bin")
    assert (here / "parts.bin").read_bytes() == content


def test_mirrors_a_tree_there_and_back(server: Daemon, here: Path) -> None:
    tree = here / "tree"
    (tree / "a folder" / "deeper").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "a folder" / "deeper" / "ünïcode.txt").write_bytes(b"deep")
    (tree / "zero").write_bytes(b"")
    lftp(server, "mirror -R -P 2 tree mirrored; mirror -P 2 mirrored back")
    found = {str(path.relative_to(here / "back")): path for path in (here / "back").rglob("*")}
    assert set(found) == {"a folder", "a folder/deeper", "a folder/deeper/ünïcode.txt", "empty", "zero"}
    assert found["a folder/deeper/ünïcode.txt"].read_bytes() == b"deep"


def test_a_mirrored_file_keeps_its_time_and_mode(server: Daemon, here: Path) -> None:
    (here / "keeping").mkdir()
    run("touch", "-d", "2024-03-05 06:07:08Z", "keeping/dated")
    (here / "keeping/dated").chmod(0o640)
    lftp(server, "mirror -R keeping")
    arrived = (server.home / "keeping/dated").stat()
    assert arrived.st_mtime == 1709618828
    assert arrived.st_mode & 0o777 == 0o640


def test_makes_renames_and_removes(server: Daemon) -> None:
    server.give("old name.txt", b"")
    lftp(server, 'mkdir "new folder"; mv "old name.txt" "new folder/new name.txt"')
    assert (server.home / "new folder/new name.txt").exists()
    lftp(server, 'rm "new folder/new name.txt"; rmdir "new folder"')
    assert not (server.home / "new folder").exists()


def test_lists_what_is_there(server: Daemon) -> None:
    folder = server.give_folder("listed")
    (folder / "file.txt").write_bytes(b"12345")
    assert any(line.startswith("-rw") and line.endswith(" file.txt") for line in lftp(server, "ls listed").splitlines())
    assert "./listed/file.txt" in lftp(server, "find .").splitlines()
    assert lftp(server, "cat listed/file.txt") == "12345"


def test_is_refused_with_a_wrong_password(server: Daemon) -> None:
    assert "530" in lftp(server, "ls", login="alice,wrong", fails=True)


def test_a_visitor_reads_and_cannot_write(server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    assert lftp(server, "cat public.txt", login="anonymous,me@") == "for all"
    (here / "up").write_bytes(b"")
    assert "550" in lftp(server, "put up", login="anonymous,me@", fails=True)


def test_killed_in_a_download(server: Daemon) -> None:
    server.give_huge("huge.bin")
    kill_while_downloading(*command(server, "cat huge.bin"))
    server.assert_well()


def test_killed_in_an_upload(server: Daemon) -> None:
    kill_while_uploading(server.home / "endless.bin", *command(server, "put /dev/stdin -o endless.bin"))
    server.assert_well()
