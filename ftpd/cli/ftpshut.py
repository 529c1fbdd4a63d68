"""The ftpshut command: announces to the daemons of this machine that they are to let nobody in, and when."""

from __future__ import annotations

import getopt
import os
import re
import sys
import tempfile
import time
from contextlib import suppress

from ftpd.core.shutmsg import PATH, Shutdown

USAGE = """\
usage: ftpshut [ -R ] [ -l min ] [ -d min ] time  [ warning-message ... ]
  time\tnow, +MIN (in so many minutes), or HHMM or HH (the next time that the clock shows it)
  -R\ttake a shutdown back: clients are let in again
  -l\tminutes before that time from which on no connection is let in (10)
  -d\tminutes before it from which on sessions are ended (5)
  -h\tdisplay this message
"""
_DENIED, _ENDED = 10, 5
_MOST = 99 * 60
"""Minutes, as the file has two digits for hours."""
_INVALID = "ftpshut: Invalid time interval specified."


class WrongError(Exception):
    """What is wrong with the command line."""


def main(words: list[str] | None = None, path: str = PATH) -> int:
    """Write the notice, or remove it; 0, or 1 where that could not be done."""
    try:
        options, rest = getopt.getopt(sys.argv[1:] if words is None else words, "Rl:d:h")
    except getopt.GetoptError as error:
        return _fail(f"ftpshut: {error}\n{USAGE}")
    found = dict(options)
    if "-h" in found:
        print(USAGE, end="")
        return 0
    if "-R" in found:
        return _take_back(path)
    try:
        shutdown = Shutdown(
            moment_of(rest[0] if rest else "", time.time()),
            60 * _minutes(found, "-l", _DENIED),
            60 * _minutes(found, "-d", _ENDED),
            " ".join(rest[1:]).replace("\n", " ") or "going down at %s",
        )
    except WrongError as error:
        return _fail(f"{error}\n{USAGE}")
    try:
        _write(path, shutdown.written())
    except OSError as error:
        return _fail(f"ftpshut: error writing '{path}': {error.strerror}")
    return 0


def moment_of(word: str, now: float) -> float:
    """The moment that a time on the command line stands for; WrongError."""
    if word == "now":
        return now
    if found := re.fullmatch(r"\+(\d{1,6})", word, re.ASCII):
        return now + 60 * int(found[1])
    found = re.fullmatch(r"(\d\d)(\d\d)?", word, re.ASCII)
    if found is None or int(found[1]) > 23 or int(found[2] or 0) > 59:
        raise WrongError(_INVALID)
    today = time.localtime(now)
    for day in (0, 1):
        # mktime carries the last day of a month over, and knows what the clock does in the nights when it is changed
        at = time.mktime(
            (today.tm_year, today.tm_mon, today.tm_mday + day, int(found[1]), int(found[2] or 0), 0, 0, 0, -1)
        )
        if at > now:
            break
    return at


def _minutes(found: dict[str, str], option: str, usual: int) -> int:
    word = found.get(option, str(usual))
    if not re.fullmatch(r"\d{1,6}", word, re.ASCII):
        raise WrongError(f"ftpshut: {option} requires a numeric argument")
    if int(word) > _MOST:
        raise WrongError(f"ftpshut: {option} takes at most {_MOST} minutes")
    return int(word)


def _write(path: str, text: str) -> None:
    """The whole file or nothing of it: the daemons may look at any moment."""
    descriptor, made = tempfile.mkstemp(prefix=".shutmsg.", dir=os.path.dirname(path))
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            os.fchmod(descriptor, 0o644)
        os.rename(made, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(made)
        raise


def _take_back(path: str) -> int:
    try:
        os.unlink(path)
    except OSError as error:
        return _fail(f"ftpshut: error removing '{path}': {error.strerror}")
    print(f"ftpshut: {path} removed")
    return 0


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
