"""ftpscrub: the dead go from a scoreboard, and those who live stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftpd.cli import ftpscrub
from ftpd.core import scoreboard
from ftpd.core.scoreboard import Board, CommonBoard, Entry, alive, read, scrub

Said = pytest.CaptureFixture[str]
HOLDER = """\
import fcntl, sys
file = open(sys.argv[1], "rb")
fcntl.lockf(file, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


@pytest.fixture
def score(tmp_path: Path, dead: int) -> str:
    """A scoreboard with two of the dead between two of the living."""
    path = tmp_path / "score"
    header = scoreboard._HEADER.pack(scoreboard.MAGIC, scoreboard.VERSION, dead, 100)
    entries = [Entry(os.getpid(), user="ann"), Entry(dead, user="tom", address="10.0.0.1"), Entry(dead),
               Entry(os.getppid(), user="bob")]  # fmt: skip
    path.write_bytes(header + b"".join(entry.pack() for entry in entries))
    return str(path)


def on(score: str) -> list[str]:
    return [entry.user for entry in read(score).entries]


def test_the_dead_go_and_the_living_stay_where_they_are(score: str, dead: int, capsys: Said) -> None:
    before = Path(score).read_bytes()
    assert ftpscrub.main(["-f", score, "-v"]) == 0
    assert on(score) == ["ann", "bob"]
    after = Path(score).read_bytes()
    assert after[: 32 + 624] == before[: 32 + 624]
    assert after[32 + 3 * 624 :] == before[32 + 3 * 624 :]
    assert capsys.readouterr().out.splitlines() == [
        f"scrubbing ScoreboardFile {score}",
        f"scrubbing scoreboard slot for PID {dead}, tom from 10.0.0.1",
        f"scrubbing scoreboard slot for PID {dead} from nowhere",
    ]
    assert ftpscrub.main(["--file", score]) == 0
    assert capsys.readouterr().out == ""


def test_the_configuration_names_the_file(score: str, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text(f"ScoreboardFile {score}\n")
    assert ftpscrub.main(["-c", str(tmp_path / "conf")]) == 0
    assert on(score) == ["ann", "bob"]
    (tmp_path / "conf").write_text("ScoreboardFile none\n")
    assert ftpscrub.main(["-c", str(tmp_path / "conf")]) == 0


def test_what_is_no_scoreboard_is_told_of_and_left(tmp_path: Path, score: str, capsys: Said) -> None:
    assert ftpscrub.main(["-f", str(tmp_path / "none")]) == 1
    assert "none: No such file or directory\n" in capsys.readouterr().err
    (tmp_path / "other").write_bytes(b"x" * 5000)
    assert ftpscrub.main(["-f", str(tmp_path / "other")]) == 1
    assert capsys.readouterr().err == "error opening scoreboard: bad/corrupted file\n"
    assert (tmp_path / "other").read_bytes() == b"x" * 5000
    (tmp_path / "link").symlink_to(score)
    assert ftpscrub.main(["-f", str(tmp_path / "link")]) == 1
    assert on(score) == ["ann", "tom", "(none)", "bob"]


def test_help_and_what_is_no_option(capsys: Said) -> None:
    assert ftpscrub.main(["-h"]) == 0
    assert capsys.readouterr().out == ftpscrub.USAGE
    assert ftpscrub.main(["-x"]) == 1
    assert capsys.readouterr().err.startswith("unknown option: x\nusage: ftpscrub")


def test_who_reads_an_entry_is_not_waited_for_for_ever(score: str, capsys: Said) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, score], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None and reader.stdin is not None
        assert reader.stdout.readline() == "held\n"
        assert ftpscrub.main(["-f", score]) == 1
        assert "2 of the dead stay there" in capsys.readouterr().err
        reader.stdin.close()
    assert ftpscrub.main(["-f", score]) == 0


def test_a_place_that_was_given_to_somebody_meanwhile_stays_his(score: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = scoreboard.fcntl.lockf

    def lockf(file: int, act: int, length: int, at: int) -> None:
        if act != scoreboard.fcntl.LOCK_UN:
            os.pwrite(file, Entry(os.getpid(), user="new").pack(), at)
        lock(file, act, length, at)

    monkeypatch.setattr(scoreboard.fcntl, "lockf", lockf)
    assert scrub(score) == ([], 0)
    assert on(score) == ["ann", "new", "new", "bob"]


def test_the_sessions_of_a_daemon_that_runs_stay(tmp_path: Path) -> None:
    board = Board(str(tmp_path / "score"), pid=os.getpid(), started=100)
    for _ in range(3):
        board.write(board.claim(), Entry(os.getpid(), user="ann"))
    assert scrub(board.path) == ([], 0)
    assert on(board.path) == ["ann"] * 3
    board.close()


@pytest.mark.parametrize("pid", [-1, -7, -(1 << 31)])
def test_a_number_that_no_process_has_is_that_of_no_process(tmp_path: Path, pid: int) -> None:
    assert not alive(pid)
    path = tmp_path / "score"
    header = scoreboard._HEADER.pack(scoreboard.MAGIC, scoreboard.VERSION, 0, 100)
    path.write_bytes(header + Entry(pid).pack())
    board = CommonBoard(str(path), started=100, scrub=True)
    assert board.others() == []
    assert on(str(path)) == []
    board.close()
