"""The scoreboard: an entry comes back as it was written, and a place where others may write is not used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.cli import ftpcount, ftpwho
from ftpd.core import scoreboard
from ftpd.core.scoreboard import Board, CommonBoard, Entry, ScoreboardError, read, unpack

ALICE = Entry(
    42, 1000, 100, "alice", 2121, "10.0.0.1:2121", "My server", "10.0.0.2", "host.example", "local", "ftp", "/pub",
    "RETR", "big file", 1000, 900, 2000, 1000, 1000, 500,
)  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    board = Board(str(tmp_path / "score"), pid=7, started=100)
    places = [board.claim() for _ in range(3)]
    for place in places:
        board.write(place, Entry(42, user=f"user{place}"))
    board.write(places[1], ALICE)
    board.release(places[0])
    found = read(str(tmp_path / "score"))
    assert (found.pid, found.started) == (7, 100)
    assert found.entries == (ALICE, Entry(42, user="user2"))
    assert board.claim() == places[0], "a place that is free is used first"
    assert (tmp_path / "score.lck").exists()
    board.close()
    assert not list(tmp_path.iterdir())


READER = """\
import fcntl, sys
file = open(sys.argv[1], "rb")
fcntl.lockf(file, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_reader_s_lock_is_free_between_writes_and_is_not_waited_for(tmp_path: Path) -> None:
    score = str(tmp_path / "score")
    board = Board(score, pid=7, started=100)
    place = board.claim()
    board.write(place, Entry(42, user="before"))
    # in a process of its own: a lock of fcntl is none against the process that holds it
    with subprocess.Popen(
        [sys.executable, "-c", READER, score], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None and reader.stdin is not None
        assert reader.stdout.readline() == "held\n"
        board.write(place, ALICE)
        assert read(score).entries == (ALICE,)
        reader.stdin.close()
    board.close()


@given(st.text(max_size=300), st.text(max_size=300), st.integers(-1, 1 << 32))
def test_any_text_fits_and_nothing_in_it_reaches_a_terminal(user: str, argument: str, uid: int) -> None:
    data = Entry(1, uid=uid, user=user, argument=argument).pack()
    assert len(data) == 624
    back = unpack(data)
    assert back.pid == 1
    assert (back.user + back.argument).isprintable()


def test_what_an_earlier_daemon_left_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "score").write_bytes(b"x" * 5000)
    board = Board(str(tmp_path / "score"), pid=7, started=100)
    assert read(str(tmp_path / "score")).entries == ()
    board.close()


def test_sessions_of_an_earlier_daemon_do_not_write_into_the_file_of_the_next(tmp_path: Path) -> None:
    score = str(tmp_path / "score")
    earlier = Board(score, pid=7, started=100)
    earlier.write(earlier.claim(), ALICE)
    later = Board(score, pid=8, started=200)
    later.write(later.claim(), replace(ALICE, user="later"))
    earlier.release(0)
    earlier.close()
    assert [entry.user for entry in read(score).entries] == ["later"]
    later.close()
    assert not os.path.exists(score)


def test_unsafe_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    for name, why in (("open/score", "world-writable"), ("link", "symbolic link"), ("fifo", "not a regular file")):
        with pytest.raises(OSError, match=why):
            Board(str(tmp_path / name), pid=1, started=0)
    with pytest.raises(FileNotFoundError):
        Board(str(tmp_path / "nowhere" / "score"), pid=1, started=0)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "bad/corrupted file"),
        (b"x" * 700, "bad/corrupted file"),
        (scoreboard._HEADER.pack(scoreboard.MAGIC, 1, 0, 0), "too old"),
        (scoreboard._HEADER.pack(scoreboard.MAGIC, 1 << 40, 0, 0), "too new"),
    ],
)
def test_what_is_no_scoreboard_is_said_to_be_none(
    tmp_path: Path, content: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "score"
    path.write_bytes(content)
    with pytest.raises(ScoreboardError, match=why):
        read(str(path))
    for tool in (ftpwho.main, ftpcount.main):
        assert tool(["-f", str(path)]) == 1
        assert why in capsys.readouterr().err


def test_a_fifo_is_no_scoreboard_and_nobody_waits_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "score")
    with pytest.raises(ScoreboardError, match="bad/corrupted file"):
        read(str(tmp_path / "score"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_an_empty_file_of_another_is_replaced_by_one_of_the_daemons(tmp_path: Path) -> None:
    score = tmp_path / "score"
    score.touch()
    os.chown(score, 65534, 65534)
    board = Board(str(score), pid=7, started=100)
    assert score.stat().st_uid == 0
    assert read(str(score)).pid == 7
    board.close()


# -- the commands --------------------------------------------------------------------------------------


def test_ftpwho_shows_who_does_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(str(tmp_path / "score"), pid=0, started=0)
    for entry in (ALICE, Entry(43, label="My server"), Entry(44, user="bob", label="other", argument="x")):
        board.write(board.claim(), entry)
    config = tmp_path / "proftpd.conf"
    config.write_text(f'ServerName x\n  ScoreboardFile "{tmp_path}/score"\n')
    assert ftpwho.main(["--config", str(config), "-v"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("inetd FTP daemon:\n   42 alice    [")
    assert "] ( 50%) RETR big file\n\tKB/s: 1.95\n\tclient: host.example [10.0.0.2]\n" in shown
    assert "\tclass: local\n\n   43 (none)   [" in shown
    assert "(authenticating)" in shown
    assert shown.endswith(
        "Service class local                -   1 user\nService class                      -   2 users\n"
    )
    monkeypatch.setenv("FTPD_TEST_PLACE", str(tmp_path))
    config.write_text("ScoreboardFile %{env:FTPD_TEST_PLACE}/score\n")
    assert ftpwho.main(["-c", str(config)]) == 0
    assert "RETR big file" in capsys.readouterr().out
    assert ftpcount.main(["-f", str(tmp_path / "score"), "-S", "other"]) == 0
    assert capsys.readouterr().out == (
        "inetd FTP connections:\nProFTPD Server 'other'\nService class                      -   1 user\n"
    )
    board.close()


def test_the_compat_form_has_no_padding_and_says_what_is_sent_alone_in_percent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftpwho, "time", lambda: 60.0)
    board = Board(str(tmp_path / "score"), pid=0, started=0)
    upload = Entry(45, user="bob", began=55, command="STOR", argument="up.bin", length=9)
    idle = Entry(44, user="bob", began=50, idle_since=57)
    for entry in (replace(ALICE, began=50), Entry(43), idle, upload):
        board.write(board.claim(), entry)
    assert ftpwho.main(["-o", "compat", "-f", str(tmp_path / "score")]) == 0
    assert capsys.readouterr().out.splitlines()[1:5] == [
        "   42 0m10s  (50%) RETR big file", "   43 -       ", "   44 0m3s   idle ", "   45 0m5s   STOR up.bin",
    ]  # fmt: skip
    board.close()


def test_who_is_not_logged_in_is_idle_in_json_whatever_ran_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Board(str(tmp_path / "score"), pid=0, started=0)
    board.write(board.claim(), Entry(43, command=""))
    assert ftpwho.main(["-o", "json", "-f", str(tmp_path / "score")]) == 0
    (connection,) = json.loads(capsys.readouterr().out)["connections"]
    assert (connection["authenticating"], connection["idling"]) == (True, True)
    assert "command" not in connection
    board.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-Z"], "unknown option: Z"),
        (["--nonsense"], "unknown option: nonsense"),
        (["-o", "xml"], "unknown outform value: 'xml'"),
        (["-f", "/nowhere/score"], "/nowhere/score: No such file or directory"),
        (["-c", "/nowhere/conf"], "/nowhere/conf: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ftpwho.main(words) == 1
    assert said in capsys.readouterr().err


def test_a_configuration_without_one_shows_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "proftpd.conf"
    config.write_text("ScoreboardFile off\n")
    assert ftpcount.main(["-c", str(config)]) == 0
    assert capsys.readouterr().out.endswith("0 users\n")


def test_no_scoreboard_shows_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert ftpwho.main(["-f", "none"]) == 0
    assert capsys.readouterr().out.endswith("no users connected\n")


@pytest.mark.parametrize("tool", [ftpwho.main, ftpcount.main])
def test_what_a_daemon_left_that_is_gone_is_shown_and_said_to_be_so(
    tool: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    for pid, said in ((gone.pid, f"process {gone.pid}, which kept it, is not there"), (os.getpid(), "")):
        board = Board(str(tmp_path / "score"), pid=pid, started=0)
        board.write(board.claim(), ALICE)
        assert tool(["-f", str(tmp_path / "score")]) == 0
        shown = capsys.readouterr()
        assert "1 user" in shown.out
        assert said in shown.err if said else not shown.err
        board.close()


def test_processes_that_share_a_board_take_places_of_their_own(tmp_path: Path) -> None:
    score = str(tmp_path / "score")
    boards = [CommonBoard(score, started=0, scrub=False) for _ in range(3)]
    places = [board.claim() for board in boards]
    assert sorted(places) == [0, 1, 2]
    boards[1].release(places[1])
    boards.append(CommonBoard(score, started=0, scrub=False))
    assert boards[-1].claim() == places[1]
    for board in boards:
        board.close()
    assert os.path.exists(score)
