"""ncftp: FEAT after the login, HELP SITE and CLNT, NLST with flags, and MLST before each upload."""

from __future__ import annotations

from pathlib import Path

from tests.wire.clients import AWKWARD_NAMES, kill_while_downloading, kill_while_uploading, need, run
from tests.wire.daemon import Daemon

need("ncftpget")


def login(server: Daemon, password: str = "secret") -> list[str]:
    return ["-u", "alice", "-p", password, "-P", str(server.port)]


def test_gets_and_puts_byte_by_byte(server: Daemon, here: Path, content: bytes) -> None:
    (here / "both.bin").write_bytes(content)
    run("ncftpput", *login(server), server.host, "/", "both.bin")
    assert (server.home / "both.bin").read_bytes() == content
    (here / "down").mkdir()
    run("ncftpget", *login(server), server.host, "down", "/both.bin")
    assert (here / "down/both.bin").read_bytes() == content


def test_active_mode(server: Daemon, here: Path, content: bytes) -> None:
    server.give("active.bin", content)
    run("ncftpget", "-E", *login(server), server.host, ".", "/active.bin")
    assert (here / "active.bin").read_bytes() == content


def test_names_survive_the_way_there_and_back(server: Daemon, here: Path) -> None:
    for name in AWKWARD_NAMES:
        (here / name).write_bytes(name.encode())
    run("ncftpput", *login(server), server.host, "/", *AWKWARD_NAMES)
    (here / "down").mkdir()
    run("ncftpget", *login(server), server.host, "down", *(f"/{name}" for name in AWKWARD_NAMES))
    for name in AWKWARD_NAMES:
        assert (server.home / name).read_bytes() == name.encode()
        assert (here / "down" / name).read_bytes() == name.encode()


def test_resumes_a_download(server: Daemon, here: Path, content: bytes) -> None:
    server.give("resumed.bin", content)
    (here / "resumed.bin").write_bytes(content[:1_000_000])
    run("ncftpget", "-z", *login(server), server.host, ".", "/resumed.bin")
    assert (here / "resumed.bin").read_bytes() == content


def test_resumes_an_upload(server: Daemon, here: Path, content: bytes) -> None:
    server.give("half.bin", content[:1_000_000])
    (here / "half.bin").write_bytes(content)
    # -s: with sendfile, ncftp 3.2.6 sends the whole file after its REST
    run("ncftpput", "-z", "-s", *login(server), server.host, "/", "half.bin")
    assert (server.home / "half.bin").read_bytes() == content


def test_appends(server: Daemon, here: Path) -> None:
    server.give("log.txt", b"first ")
    (here / "log.txt").write_bytes(b"second")
    run("ncftpput", "-A", *login(server), server.host, "/", "log.txt")
    assert (server.home / "log.txt").read_bytes() == b"first second"


def test_a_tree_goes_there_and_back(server: Daemon, here: Path) -> None:
    (here / "tree/deeper").mkdir(parents=True)
    (here / "tree/deeper/leaf.txt").write_bytes(b"leaf")
    run("ncftpput", "-R", *login(server), server.host, "/", "tree")
    assert (server.home / "tree/deeper/leaf.txt").read_bytes() == b"leaf"
    (here / "down").mkdir()
    run("ncftpget", "-R", *login(server), server.host, "down", "/tree")
    assert (here / "down/tree/deeper/leaf.txt").read_bytes() == b"leaf"


def test_makes_the_folder_of_an_upload(server: Daemon, here: Path) -> None:
    (here / "file.txt").write_bytes(b"content")
    run("ncftpput", "-m", *login(server), server.host, "/made/deep", "file.txt")
    assert (server.home / "made/deep/file.txt").read_bytes() == b"content"


def test_deletes_what_it_has_fetched(server: Daemon, here: Path) -> None:
    server.give("once.txt", b"once")
    run("ncftpget", "-DD", *login(server), server.host, ".", "/once.txt")
    assert (here / "once.txt").read_bytes() == b"once"
    assert not (server.home / "once.txt").exists()


def test_makes_renames_and_removes_by_hand(server: Daemon) -> None:
    server.give("old name.txt", b"")
    script = (
        'mkdir "new folder"\nrename "old name.txt" "new folder/new name.txt"\nls "new folder"\n'
        'rm "new folder/new name.txt"\nrmdir "new folder"\nquit\n'
    )
    assert "new name.txt" in run("ncftp", *login(server), server.host, script=script)
    assert not (server.home / "new folder").exists()


def test_lists_short_and_long(server: Daemon) -> None:
    folder = server.give_folder("listed")
    (folder / "file.txt").write_bytes(b"12345")
    (folder / "sub").mkdir()
    where = f"{server.url}/listed/"
    assert run("ncftpls", "-u", "alice", "-p", "secret", where).split() == ["file.txt", "sub"]
    long = run("ncftpls", "-l", "-u", "alice", "-p", "secret", where).splitlines()
    assert any(line.startswith("-rw") and line.endswith(" file.txt") for line in long)


def test_is_refused_with_a_wrong_password(server: Daemon) -> None:
    printed = run("ncftpget", "-V", "-r", "1", *login(server, "wrong"), server.host, ".", "/any", fails=True)
    assert "not accepted for login" in printed


def test_a_visitor_reads_and_cannot_write(server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    run("ncftpget", "-P", str(server.port), server.host, ".", "/public.txt")
    assert (here / "public.txt").read_bytes() == b"for all"
    run("ncftpput", "-P", str(server.port), server.host, "/", "public.txt", fails=True)


def test_killed_in_a_download(server: Daemon) -> None:
    server.give_huge("huge.bin")
    kill_while_downloading("ncftpget", "-c", *login(server), server.host, "/huge.bin")
    server.assert_well()


def test_killed_in_an_upload(server: Daemon) -> None:
    kill_while_uploading(server.home / "endless.bin", "ncftpput", "-c", *login(server), server.host, "/endless.bin")
    server.assert_well()
