"""ftptop: which sessions it shows and how, its options, its keys on a screen that remembers what was put on it."""

from __future__ import annotations

import curses
import io
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ftpd.cli import ftptop, topview
from ftpd.cli.ftptop import Screen, Watch, WrongError, batch, understand
from ftpd.cli.topview import View, columns, head, lines
from ftpd.core import scoreboard
from ftpd.core.scoreboard import Board, Entry, Scores

NOW = 1_800_000_000.0
PID = 4711
SESSIONS = (
    Entry(PID, label="Main", server="10.0.0.1:21", name="guest.example", began=int(NOW) - 5),
    Entry(PID, user="alice", label="Main", server="10.0.0.1:21", address="10.0.0.2", began=int(NOW) - 500),
    Entry(PID, user="bob", label="Other", server="10.0.0.1:2121", name="bob.example", command="RETR",
          argument="big file", began=int(NOW) - 4000, size=4000, done=1000, length=1024 * 1000, elapsed=2000),
    Entry(PID, user="carol", label="Main", server="10.0.0.1:21", name="carol.example", command="STOR", argument="new",
          began=int(NOW), length=0, elapsed=0),
    Entry(PID, user="dave", label="Main", server="10.0.0.1:21", name="dave.example", command="MLSD", began=int(NOW)),
    Entry(PID, user="eve", label="Main", server="10.0.0.1:21", name="eve.example", command="CWD", argument="/"),
)  # fmt: skip
FOUND = Scores(PID, int(NOW) - 7200, SESSIONS)
Said = pytest.CaptureFixture[str]


def users(view: View) -> list[str]:
    return [line.split()[2] for line in lines(FOUND, view, NOW, 80)]


def test_a_line_for_each_session() -> None:
    assert head(FOUND, View(), NOW) == [
        f"ftptop: {time.ctime(NOW)}, up for  2 hrs 00 min",
        "6 Total FTP Sessions: 1 downloading, 1 uploading, 1 idle",
    ]
    assert columns(View(), 80).split() == ["PID", "S", "USER", "CLIENT", "SERVER", "TIME", "COMMAND"]
    assert lines(FOUND, View(), NOW, 80)[:5] == [
        "4711    A (none)   guest.example    10.0.0.1:21     0m5s   (authenticating)",
        "4711    I alice    10.0.0.2         10.0.0.1:21     8m20s  idle",
        "4711    D bob      bob.example      10.0.0.1:2121   1h6m   RETR big file",
        "4711    U carol    carol.example    10.0.0.1:21     0m0s   STOR new",
        "4711    L dave     dave.example     10.0.0.1:21     0m0s   MLSD",
    ]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("", "(none) alice bob carol dave eve"),
        ("-A", "(none)"),
        ("-a", "alice bob carol dave eve"),
        ("-I", "alice"),
        ("-i", "(none) bob carol dave eve"),
        ("-D", "bob"),
        ("-U", "carol"),
        ("-D -U", "bob carol"),
        ("-ai", "bob carol dave eve"),
        ("-S Other", "bob"),
        ("-S Other -I", ""),
    ],
)
def test_the_options_choose_sessions(words: str, shown: str) -> None:
    view = understand(words.split()).view
    assert users(view) == shown.split()


def test_what_is_hidden_is_counted() -> None:
    assert head(FOUND, View(only=frozenset("D")), NOW)[1] == (
        "6 Total FTP Sessions: 1 downloading, 1 uploading, 1 idle (1 shown)"
    )
    assert head(FOUND, View(server="Other"), NOW)[1] == "1 Total FTP Sessions: 1 downloading, 0 uploading, 0 idle"


def test_the_speed_of_transfers() -> None:
    view = View(speeds=True)
    assert columns(view, 80).split() == ["PID", "S", "USER", "CLIENT", "KB/s", "%DONE", "COMMAND"]
    assert lines(FOUND, view, NOW, 80) == [
        "4711    D bob      bob.example          500.00    25 RETR big file",
        "4711    U carol    carol.example             - (n/a) STOR new",
    ]


def test_a_wide_screen_has_room_for_names() -> None:
    long = Scores(0, 0, (Entry(1, user="u" * 31, server="s" * 30, name="n" * 70, began=int(NOW)),))
    narrow, wide = (lines(long, View(), NOW, width)[0] for width in (80, 200))
    assert "u" * 8 + " " in narrow
    assert "u" * 20 + " " + "n" * 46 + " " in wide
    for width in (80, 200):
        assert lines(long, View(), NOW, width)[0][columns(View(), width).index("COMMAND") :] == "idle"


@given(some.text(max_size=100), some.text(max_size=100), some.integers(1, 300), some.booleans())
def test_nothing_in_an_entry_reaches_the_terminal_as_more_than_letters(
    user: str, argument: str, width: int, speeds: bool
) -> None:
    found = Scores(0, 0, (Entry(1, user=user, name=argument, command="RETR", argument=argument),))
    for line in lines(found, View(speeds=speeds), NOW, width):
        assert line.isprintable()
        assert len(line) <= width


# -- the command line ----------------------------------------------------------------------------------------------


def test_the_other_options() -> None:
    told = understand(["-b", "-d", "1.5", "-n", "3", "-f", "score", "-c", "conf"])
    assert (told.batch, told.delay, told.looks, told.wanted.file, told.wanted.config) == (True, 1.5, 3, "score", "conf")
    assert understand([]).delay == 2
    assert understand(["-d", "0"]).delay == 0.1, "so that it does not take a whole processor"


@pytest.mark.parametrize("words", [["-d", "16"], ["-d", "-1"], ["-d", "x"], ["-n", "x"], ["-Z"], ["word"], ["-d", "."]])
def test_what_makes_no_sense_is_refused(words: list[str], capsys: Said) -> None:
    with pytest.raises(WrongError):
        understand(words)
    assert ftptop.main(words) == 1
    assert "usage: ftptop" in capsys.readouterr().err


def test_help_and_version(capsys: Said) -> None:
    assert ftptop.main(["-h"]) == 0
    assert capsys.readouterr().out == ftptop.USAGE
    assert ftptop.main(["-V"]) == 0
    assert capsys.readouterr().out.startswith("ftptop/1.3.8 (ftpd ")


def test_without_a_scoreboard_it_ends(tmp_path: Path, capsys: Said) -> None:
    assert ftptop.main(["-b", "-n", "1", "-f", str(tmp_path / "none")]) == 1
    assert "none: No such file or directory\n" in capsys.readouterr().err
    assert ftptop.main(["-b", "-f", "none"]) == 1
    assert "there is nothing to show" in capsys.readouterr().err


# -- look after look -----------------------------------------------------------------------------------------------


@pytest.fixture
def board(tmp_path: Path) -> Iterable[Board]:
    board = Board(str(tmp_path / "score"), pid=os.getpid(), started=100)
    board.write(board.claim(), Entry(os.getpid(), user="alice", began=100))
    yield board
    board.close()


def test_batch_prints_as_often_as_it_was_asked_to(board: Board, capsys: Said) -> None:
    # standard output is no terminal here, so that -b is not needed
    assert ftptop.main(["-f", board.path, "-n", "2", "-d", "0"]) == 0
    said = capsys.readouterr().out
    assert said.count(" I alice ") == 2
    assert said.count("1 Total FTP Sessions") == 2
    assert "\x1b" not in said


def test_who_reads_no_further_is_no_fault(board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def closed(*words: object, **more: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", closed)
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert ftptop.main(["-f", board.path, "-n", "1"]) == 0


def test_it_outlives_the_daemon(board: Board, capsys: Said) -> None:
    watch = Watch(board.path)
    assert [entry.user for entry in watch.look()[0].entries] == ["alice"]
    moved = f"{board.path}.away"
    os.rename(board.path, moved)
    assert watch.look() == (Scores(0, 0, ()), f"{board.path}: No such file or directory")
    Path(board.path).write_bytes(b"x")
    assert watch.look()[1] == f"{board.path}: bad/corrupted file"
    os.rename(moved, board.path)
    assert watch.look()[1] == ""
    header = scoreboard._HEADER.pack(scoreboard.MAGIC, scoreboard.VERSION, -1, 100)
    with open(board.path, "r+b") as file:
        file.write(header)
    found, trouble = watch.look()
    assert [entry.user for entry in found.entries] == ["alice"]
    assert "is not there: this is what it wrote last" in trouble
    assert batch(board.path, understand(["-n", "1"])) == 0
    assert trouble in capsys.readouterr().out


# -- on a screen ---------------------------------------------------------------------------------------------------


class Paper:
    """A screen of 80 by 12 that answers with keys, and keeps what was on it at each of them."""

    def __init__(self, *keys: int | str) -> None:
        self._keys = [ord(key) if isinstance(key, str) else key for key in keys]
        self._rows: dict[int, str] = {}
        self.seen: list[list[str]] = []
        self.height = 12

    def getmaxyx(self) -> tuple[int, int]:
        return self.height, 80

    def erase(self) -> None:
        self._rows = {}

    def addnstr(self, row: int, column: int, text: str, most: int, how: int) -> None:
        assert row < self.height
        assert column + most <= 80
        if row == self.height - 1 and most == 80:
            raise curses.error
        self._rows[row] = text[:most].rstrip()

    def refresh(self) -> None:
        self.seen.append([self._rows.get(row, "") for row in range(self.height)])

    def timeout(self, milliseconds: int) -> None:
        assert 0 <= milliseconds <= 15000

    def getch(self) -> int:
        return self._keys.pop(0)


def shown(board: Board, *keys: int | str, words: str = "", height: int = 12) -> list[list[str]]:
    paper = Paper(*keys)
    paper.height = height
    library: Any = curses
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(curses, "curs_set", lambda how: 0)
        Screen(library, paper, board.path, understand(words.split())).run()
    return paper.seen


def names(rows: list[str]) -> list[str]:
    return [row.split()[2] for row in rows[4:-1] if row]


def test_q_ends_it(board: Board) -> None:
    (rows,) = shown(board, "q")
    assert rows[1] == "1 Total FTP Sessions: 0 downloading, 0 uploading, 1 idle"
    assert rows[3].split()[0] == "PID"
    assert names(rows) == ["alice"]
    assert rows[-1].startswith("q quit")


def test_keys_change_what_is_shown_at_once(board: Board) -> None:
    board.write(board.claim(), Entry(os.getpid(), began=100))
    board.write(board.claim(), Entry(os.getpid(), user="bob", command="RETR", began=100))
    seen = shown(board, "i", "a", "i", "a", "t", "t", "x", curses.KEY_RESIZE, "q")
    everybody = ["alice", "(none)", "bob"]
    assert [names(rows) for rows in seen] == [
        everybody, ["(none)", "bob"], ["bob"], ["alice", "bob"], everybody, ["bob"], everybody, everybody, everybody,
    ]  # fmt: skip
    assert "KB/s" in seen[5][3]


def test_more_than_fit_are_moved_through(board: Board) -> None:
    for number in range(1, 20):
        board.write(board.claim(), Entry(os.getpid(), user=f"u{number}", began=100))
    seen = shown(board, curses.KEY_DOWN, "k", "k", curses.KEY_NPAGE, curses.KEY_END, "j", curses.KEY_HOME, "q")
    assert [names(rows)[0] for rows in seen] == ["alice", "u1", "alice", "alice", "u7", "u13", "u13", "alice"]
    assert {len(names(rows)) for rows in seen} == {7}
    assert seen[0][-1].endswith("(13 more below)")
    assert not seen[5][-1].endswith("more below)")


def test_it_looks_again_when_the_time_has_come_or_space_is_pressed(board: Board) -> None:
    for key in (-1, " "):
        assert len(shown(board, key, key, words="-n 2")) == 2
    assert len(shown(board, -1, -1, -1, "q")) == 4


@pytest.mark.parametrize("height", [1, 2, 4, 5])
def test_a_small_screen_shows_what_fits(board: Board, height: int) -> None:
    assert len(shown(board, "q", height=height)) == 1


def test_without_curses_or_a_terminal_it_says_what_helps(
    board: Board, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def unusable(function: object) -> None:
        raise curses.error("setupterm: could not find terminal")

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(curses, "wrapper", unusable)
    assert ftptop.main(["-f", board.path]) == 1
    assert "this terminal cannot be used (setupterm: could not find terminal); ftptop -b" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "curses", None)
    assert ftptop.main(["-f", board.path]) == 1
    assert "built without curses; ftptop -b needs none" in capsys.readouterr().err


def test_every_kind_has_its_letter() -> None:
    assert [topview.kind(entry) for entry in SESSIONS] == ["A", "I", "D", "U", "L", "C"]
