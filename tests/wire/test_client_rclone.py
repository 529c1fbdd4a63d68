"""rclone: several control connections for one job, MLSD with a path after it, sizes checked again after an upload."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.wire.clients import AWKWARD_NAMES, kill_while_downloading, kill_while_uploading, need, run
from tests.wire.daemon import Daemon

need("rclone")


@pytest.fixture(scope="module")
def obscured() -> dict[str, str]:
    """rclone takes a password only in its own disguise."""
    return {password: run("rclone", "obscure", password).strip() for password in ("secret", "wrong", "me@")}


@pytest.fixture(autouse=True)
def remote(server: Daemon, obscured: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``r:`` means to rclone, and ``visitor:``; it is not to try again what was refused."""
    for name, user, password in (("R", "alice", "secret"), ("STRANGER", "alice", "wrong"), ("VISITOR", "ftp", "me@")):
        settings = {"TYPE": "ftp", "HOST": server.host, "PORT": str(server.port), "USER": user}
        settings["PASS"] = obscured[password]
        for key, value in settings.items():
            monkeypatch.setenv(f"RCLONE_CONFIG_{name}_{key}", value)
    monkeypatch.setenv("RCLONE_RETRIES", "1")
    monkeypatch.setenv("RCLONE_LOW_LEVEL_RETRIES", "1")
    monkeypatch.setenv("RCLONE_CONFIG", "")


def test_gets_and_puts_byte_by_byte(server: Daemon, here: Path, content: bytes) -> None:
    (here / "up").write_bytes(content)
    run("rclone", "copyto", "up", "r:put.bin")
    assert (server.home / "put.bin").read_bytes() == content
    run("rclone", "copyto", "r:put.bin", "down")
    assert (here / "down").read_bytes() == content


def test_a_tree_with_awkward_names_goes_there_and_back(server: Daemon, here: Path) -> None:
    (here / "tree/a folder").mkdir(parents=True)
    for name in AWKWARD_NAMES:
        (here / "tree/a folder" / name).write_bytes(name.encode())
    run("rclone", "copy", "tree", "r:tree")
    for name in AWKWARD_NAMES:
        assert (server.home / "tree/a folder" / name).read_bytes() == name.encode()
    run("rclone", "copy", "r:tree", "back")
    assert sorted(path.name for path in (here / "back/a folder").iterdir()) == sorted(AWKWARD_NAMES)
    run("rclone", "check", "--size-only", "tree", "r:tree")


def test_an_upload_keeps_its_time(server: Daemon, here: Path) -> None:
    (here / "dated").write_bytes(b"")
    run("touch", "-d", "2024-03-05 06:07:08Z", "dated")
    run("rclone", "copyto", "dated", "r:dated")
    assert (server.home / "dated").stat().st_mtime == 1709618828


def test_makes_renames_and_removes(server: Daemon) -> None:
    server.give("old name.txt", b"")
    run("rclone", "mkdir", "r:new folder")
    run("rclone", "moveto", "r:old name.txt", "r:new folder/new name.txt")
    assert (server.home / "new folder/new name.txt").exists()
    run("rclone", "deletefile", "r:new folder/new name.txt")
    run("rclone", "rmdir", "r:new folder")
    assert not (server.home / "new folder").exists()


def test_removes_a_whole_tree(server: Daemon) -> None:
    (server.give_folder("doomed") / "file.txt").write_bytes(b"")
    (server.home / "doomed").chmod(0o777)
    run("rclone", "purge", "r:doomed")
    assert not (server.home / "doomed").exists()


def test_lists_names_sizes_and_kinds(server: Daemon) -> None:
    folder = server.give_folder("listed")
    (folder / "file.txt").write_bytes(b"12345")
    (folder / "sub folder").mkdir()
    entries = {entry["Name"]: entry for entry in json.loads(run("rclone", "lsjson", "r:listed"))}
    assert entries["file.txt"]["Size"] == 5
    assert entries["sub folder"]["IsDir"] is True
    assert set(entries) == {"file.txt", "sub folder"}


def test_is_refused_with_a_wrong_password() -> None:
    assert "530" in run("rclone", "lsf", "stranger:", fails=True)


def test_a_visitor_reads_and_cannot_write(server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    assert run("rclone", "cat", "visitor:public.txt") == "for all"
    (here / "up").write_bytes(b"")
    assert "550" in run("rclone", "copyto", "up", "visitor:refused.txt", fails=True)


def test_killed_in_a_download(server: Daemon) -> None:
    server.give_huge("huge.bin")
    kill_while_downloading("rclone", "cat", "r:huge.bin")
    server.assert_well()


def test_killed_in_an_upload(server: Daemon) -> None:
    kill_while_uploading(server.home / "endless.bin", "rclone", "rcat", "r:endless.bin")
    server.assert_well()
