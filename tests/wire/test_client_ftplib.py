"""Python's ftplib: TYPE A before a listing, TYPE I before a file, and no more than what its caller says."""

from __future__ import annotations

import ftplib
import io
from collections.abc import Iterator

import pytest

from tests.wire.clients import AWKWARD_NAMES
from tests.wire.daemon import PATIENCE, Daemon


@pytest.fixture
def ftp(server: Daemon) -> Iterator[ftplib.FTP]:
    with ftplib.FTP(timeout=PATIENCE, encoding="utf-8") as session:
        session.connect(server.host, server.port)
        session.login("alice", "secret")
        yield session


def fetch(ftp: ftplib.FTP, name: str, start: int | None = None) -> bytes:
    came = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", came.write, rest=start)
    return came.getvalue()


@pytest.mark.parametrize("passive", [True, False])
def test_gets_and_puts_byte_by_byte(ftp: ftplib.FTP, server: Daemon, content: bytes, passive: bool) -> None:
    ftp.set_pasv(passive)
    assert ftp.storbinary("STOR put.bin", io.BytesIO(content)).startswith("226")
    assert (server.home / "put.bin").read_bytes() == content
    assert fetch(ftp, "put.bin") == content


def test_a_hundred_small_files_in_one_session(ftp: ftplib.FTP, server: Daemon) -> None:
    for number in range(100):
        ftp.storbinary(f"STOR small-{number}", io.BytesIO(b"%d" % number))
    assert [fetch(ftp, f"small-{number}") for number in range(100)] == [b"%d" % number for number in range(100)]


@pytest.mark.parametrize("size", [0, 1, 65536])
def test_sizes_at_the_edges(ftp: ftplib.FTP, server: Daemon, content: bytes, size: int) -> None:
    ftp.storbinary("STOR edge.bin", io.BytesIO(content[:size]))
    assert ftp.size("edge.bin") == size == (server.home / "edge.bin").stat().st_size
    assert fetch(ftp, "edge.bin") == content[:size]


def test_names_survive_the_way_there_and_back(ftp: ftplib.FTP, server: Daemon) -> None:
    for name in AWKWARD_NAMES:
        ftp.storbinary(f"STOR {name}", io.BytesIO(name.encode()))
        assert (server.home / name).read_bytes() == name.encode()
        assert fetch(ftp, name) == name.encode()
        assert name in ftp.nlst()
        assert name in [listed for listed, _ in ftp.mlsd()]


def test_resumes_a_download_and_an_upload(ftp: ftplib.FTP, server: Daemon, content: bytes) -> None:
    server.give("resumed.bin", content)
    assert content[:1_000_000] + fetch(ftp, "resumed.bin", start=1_000_000) == content
    server.give("half.bin", content[:1_000_000])
    ftp.storbinary("STOR half.bin", io.BytesIO(content[1_000_000:]), rest=1_000_000)
    assert (server.home / "half.bin").read_bytes() == content
    ftp.storbinary("APPE half.bin", io.BytesIO(b"more"))
    assert (server.home / "half.bin").read_bytes() == content + b"more"


def test_a_text_travels_with_line_ends_of_its_own(ftp: ftplib.FTP, server: Daemon) -> None:
    ftp.storlines("STOR text.txt", io.BytesIO(b"one\ntwo\n"))
    assert (server.home / "text.txt").read_bytes() == b"one\ntwo\n"
    lines: list[str] = []
    ftp.retrlines("RETR text.txt", lines.append)
    assert lines == ["one", "two"]


def test_makes_renames_and_removes(ftp: ftplib.FTP, server: Daemon) -> None:
    server.give("old name.txt", b"")
    assert ftp.mkd('a "new" folder') == '/a "new" folder'
    ftp.rename("old name.txt", 'a "new" folder/new name.txt')
    ftp.cwd('a "new" folder')
    assert ftp.pwd() == '/a "new" folder'
    assert ftp.nlst() == ["new name.txt"]
    ftp.delete("new name.txt")
    ftp.cwd("..")
    ftp.rmd('a "new" folder')
    assert not (server.home / 'a "new" folder').exists()


def test_lists_facts_of_each_entry(ftp: ftplib.FTP, server: Daemon) -> None:
    folder = server.give_folder("listed")
    (folder / "file.txt").write_bytes(b"12345")
    (folder / "sub").mkdir()
    facts = dict(ftp.mlsd("listed", facts=["type", "size", "modify"]))
    assert facts["file.txt"]["type"] == "file" and facts["file.txt"]["size"] == "5"
    assert facts["sub"]["type"] == "dir"
    assert "." in facts and len(facts["file.txt"]["modify"]) == len("20240305060708")


def test_an_aborted_download_leaves_the_session_usable(ftp: ftplib.FTP, server: Daemon) -> None:
    server.give_huge("huge.bin")
    server.give("next.txt", b"next")
    data = ftp.transfercmd("RETR huge.bin")
    data.recv(1000)
    # ABOR as urgent data; ftplib takes 426, 225 or 226 for the answer, and the other one is still to come
    first = ftp.abort()
    data.close()
    if first.startswith("426"):
        assert ftp.getresp().startswith("226")
    assert fetch(ftp, "next.txt") == b"next"


def test_a_data_connection_closed_in_a_download_leaves_the_session_usable(ftp: ftplib.FTP, server: Daemon) -> None:
    server.give_huge("huge.bin")
    server.give("next.txt", b"next")
    data = ftp.transfercmd("RETR huge.bin")
    data.recv(1000)
    data.close()
    with pytest.raises(ftplib.error_temp, match="426"):
        ftp.voidresp()
    assert fetch(ftp, "next.txt") == b"next"


def test_what_is_refused_names_the_reason(ftp: ftplib.FTP) -> None:
    with pytest.raises(ftplib.error_perm, match=r"550 nowhere\.txt: No such file or directory"):
        fetch(ftp, "nowhere.txt")
    with pytest.raises(ftplib.error_perm, match=r"550 .*No such file or directory"):
        ftp.cwd("nowhere")
    with pytest.raises(ftplib.error_perm, match="550"):
        ftp.rmd("nowhere")


def test_is_refused_with_a_wrong_password(server: Daemon) -> None:
    with ftplib.FTP(timeout=PATIENCE) as stranger:
        stranger.connect(server.host, server.port)
        with pytest.raises(ftplib.error_perm, match=r"530 Login incorrect\."):
            stranger.login("alice", "wrong")
        with pytest.raises(ftplib.error_perm, match="530 Please login with USER and PASS"):
            stranger.nlst()


@pytest.mark.parametrize("name", ["ftp", "anonymous"])
def test_a_visitor_reads_and_cannot_write(server: Daemon, name: str) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    with ftplib.FTP(timeout=PATIENCE) as visitor:
        visitor.connect(server.host, server.port)
        visitor.login(name, "me@example.com")
        assert fetch(visitor, "public.txt") == b"for all"
        for refused in ("STOR new.txt", "MKD new", "DELE public.txt", "RNFR public.txt"):
            with pytest.raises(ftplib.error_perm, match="550"):
                visitor.sendcmd(refused)


def test_sessions_that_vanish_are_let_go(server: Daemon) -> None:
    lost = []
    for _ in range(20):
        session = ftplib.FTP(timeout=PATIENCE)
        session.connect(server.host, server.port)
        session.login("alice", "secret")
        lost.append(session)
    for session in lost:
        session.close()
    server.assert_well()
