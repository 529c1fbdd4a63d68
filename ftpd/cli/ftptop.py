"""The ftptop command: who is on and what each one does, anew every two seconds, until a key ends it."""

from __future__ import annotations

import getopt
import locale
import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import Any

from ftpd.cli import topview
from ftpd.cli.board import NoScoresError, Wanted, fail, place, reasons
from ftpd.cli.topview import AUTHENTICATING, DOWNLOADING, IDLING, UPLOADING, View
from ftpd.core.record import dataclass
from ftpd.core.scoreboard import ScoreboardError, Scores, alive, read
from ftpd.module.build import ftpd_version

USAGE = """\
usage: ftptop [options]
  -A\t\tshow the sessions that are logging in
  -a\t\thide these
  -b\t\tbatch: print lines, take no keys and no screen
  -c PATH\tread the ScoreboardFile of this configuration
  -D\t\tshow those that download
  -d SECONDS\tlook so often, 0 to 15 (2)
  -f PATH\tthe scoreboard to read
  -h\t\tdisplay this message
  -I\t\tshow those that are idle
  -i\t\thide these
  -n NUMBER\tend after so many looks
  -S NAME\tshow the sessions of this ServerName only
  -U\t\tshow those that upload
  -V\t\tdisplay the version

keys: q ends it, t shows the speed of transfers and back, a and i hide who is logging in or idle and back,
arrows, j, k, Page Up and Page Down move on where there are more than fit, space looks at once
"""
_ONLY = {"-A": AUTHENTICATING, "-D": DOWNLOADING, "-I": IDLING, "-U": UPLOADING}
_HIDDEN = {"-a": AUTHENTICATING, "-i": IDLING}
_TOGGLES = {"a": AUTHENTICATING, "i": IDLING}
_SHORTEST = 0.1
_KEYS = "q quit  t speeds  a logins  i idle  arrows scroll"
_ROWS_AROUND = 5
"""Of a screen: two of the head, an empty one, the columns, and the keys."""


class WrongError(Exception):
    """What is wrong with the command line."""


@dataclass
class Told:
    """What the command line says."""

    wanted: Wanted
    view: View
    delay: float = 2.0
    looks: int = 0
    """0: without an end."""
    batch: bool = False
    help: bool = False
    version: bool = False


def main(words: list[str] | None = None) -> int:
    """Show it; 0, or 1 where there is no scoreboard or no screen."""
    try:
        told = understand(sys.argv[1:] if words is None else words)
        if told.help or told.version:
            print(USAGE if told.help else f"ftptop/{ftpd_version()}", end="" if told.help else "\n")
            return 0
        path = place(told.wanted)
        if path is None:
            return fail("ftptop: ScoreboardFile is none: there is nothing to show")
        with reasons(path):
            read(path)
        if told.batch or not sys.stdout.isatty():
            return batch(path, told)
        return _on_screen(path, told)
    except WrongError as error:
        return fail(f"ftptop: {error}\n{USAGE}")
    except NoScoresError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # who read it has seen enough; nothing is left to be flushed at the end
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 0


def understand(words: list[str]) -> Told:
    """What the words ask for; WrongError where that makes no sense."""
    try:
        found, rest = getopt.getopt(words, "AabDd:f:hIin:S:UVc:")
    except getopt.GetoptError as error:
        raise WrongError(error.msg) from None
    if rest:
        raise WrongError(f"'{rest[0]}' belongs to no option")
    values = dict(found)
    told = Told(
        Wanted(config=values.get("-c"), file=values.get("-f")),
        View(
            server=values.get("-S"),
            only=frozenset(_ONLY[option] for option in values if option in _ONLY),
            hidden=frozenset(_HIDDEN[option] for option in values if option in _HIDDEN),
        ),
        batch="-b" in values, help="-h" in values, version="-V" in values,
    )  # fmt: skip
    if "-d" in values:
        told.delay = max(_number("-d", values["-d"], 15), _SHORTEST)
    if "-n" in values:
        told.looks = int(_number("-n", values["-n"], 1 << 31))
    return told


def _number(option: str, word: str, most: int) -> float:
    if not word.replace(".", "", 1).isdecimal() or not 0 <= float(word) <= most:
        raise WrongError(f"{option} takes a number from 0 to {most}, not '{word}'")
    return float(word)


class Watch:
    """The scoreboard, looked at again and again; when the daemon is gone what it said last stays, with a word on it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._last = Scores(0, 0, ())

    def look(self) -> tuple[Scores, str]:
        """What it says now, and what is to be said of it."""
        try:
            self._last = read(self._path)
        except (OSError, ScoreboardError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._last = Scores(0, 0, ())
            return self._last, f"{self._path}: {reason}"
        if self._last.pid and not alive(self._last.pid):
            return self._last, f"process {self._last.pid} is not there: this is what it wrote last"
        return self._last, ""


def batch(path: str, told: Told) -> int:
    """Print it, look after look."""
    watch = Watch(path)
    done = 0
    while True:
        found, trouble = watch.look()
        now = time.time()
        # a file has no edge where lines would have to end
        width = shutil.get_terminal_size((200, 24)).columns if sys.stdout.isatty() else 200
        said = [*topview.head(found, told.view, now), *filter(None, [trouble]), ""]
        said += [topview.columns(told.view, width), *topview.lines(found, told.view, now, width), ""]
        print("\n".join(said), flush=True)
        done += 1
        if done == told.looks:
            return 0
        time.sleep(told.delay)


# -- on a screen ---------------------------------------------------------------------------------------------------


def _on_screen(path: str, told: Told) -> int:
    try:
        import curses
    except ImportError:
        return fail("ftptop: this Python was built without curses; ftptop -b needs none")
    locale.setlocale(locale.LC_ALL, "")

    def run(screen: curses.window) -> None:
        if not curses.tigetstr("cup"):
            # curses itself would print blanks for ever
            raise curses.error("its cursor cannot be moved")
        with suppress(curses.error):
            # a terminal with colours keeps its own, where the library's default is white on black
            curses.use_default_colors()
        Screen(curses, screen, path, told).run()

    try:
        curses.wrapper(run)
    except curses.error as error:
        return fail(f"ftptop: this terminal cannot be used ({error}); ftptop -b needs no more than lines")
    return 0


class Screen:
    """The live view: draws, waits for a key or for the time to look again, and acts."""

    def __init__(self, curses: ModuleType, screen: Any, path: str, told: Told) -> None:
        self._curses, self._screen, self._told = curses, screen, told
        self._watch = Watch(path)
        self._view = told.view
        self._top = 0
        """The first of the lines that is on the screen."""
        self._count = 0

    def run(self) -> None:
        """Until q is pressed, or as many looks are done as were asked for."""
        with suppress(self._curses.error):
            # where the terminal can hide it
            self._curses.curs_set(0)
        looks = 0
        while True:
            found, trouble = self._watch.look()
            looks += 1
            end = time.monotonic() + self._told.delay
            while True:
                self._draw(found, trouble)
                self._screen.timeout(max(int((end - time.monotonic()) * 1000), 0))
                key = self._screen.getch()
                if key == ord("q"):
                    return
                if key in (-1, ord(" ")) and looks == self._told.looks:
                    return
                if key in (-1, ord(" ")):
                    break
                self._act(key)

    def _act(self, key: int) -> None:
        letter = chr(key) if 0 < key < 128 else ""
        page = max(self._screen.getmaxyx()[0] - _ROWS_AROUND, 1)
        steps = {
            self._curses.KEY_DOWN: 1, ord("j"): 1, self._curses.KEY_UP: -1, ord("k"): -1,
            self._curses.KEY_NPAGE: page, self._curses.KEY_PPAGE: -page,
            self._curses.KEY_HOME: -self._count, self._curses.KEY_END: self._count,
        }  # fmt: skip
        if key in steps:
            self._top += steps[key]
        elif letter == "t":
            self._view, self._top = replace(self._view, speeds=not self._view.speeds), 0
        elif letter in _TOGGLES:
            self._view = replace(self._view, hidden=self._view.hidden ^ {_TOGGLES[letter]})

    def _draw(self, found: Scores, trouble: str) -> None:
        height, width = self._screen.getmaxyx()
        now = time.time()
        rows = topview.lines(found, self._view, now, width)
        self._count = len(rows)
        room = max(height - _ROWS_AROUND, 0)
        self._top = max(min(self._top, len(rows) - room), 0)
        below = len(rows) - self._top - room
        self._screen.erase()
        for at, text in enumerate(topview.head(found, self._view, now)):
            self._put(at, text, self._curses.A_BOLD)
        self._put(2, trouble, self._curses.A_STANDOUT if trouble else 0)
        self._put(3, topview.columns(self._view, width).ljust(width), self._curses.A_REVERSE)
        for at, text in enumerate(rows[self._top : self._top + room], 4):
            self._put(at, text)
        self._put(height - 1, _KEYS + (f"  ({below} more below)" if below > 0 else ""), self._curses.A_DIM)
        self._screen.refresh()

    def _put(self, row: int, text: str, how: int = 0) -> None:
        height, width = self._screen.getmaxyx()
        if 0 <= row < height:
            try:
                # the last cell of the last row cannot be written to without moving on
                self._screen.addnstr(row, 0, text, width - 1 if row == height - 1 else width, how)
            except self._curses.error:
                # the window has shrunk meanwhile
                pass
