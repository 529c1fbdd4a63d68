"""The ftpscrub command: removes from the scoreboard those whose process is gone."""

from __future__ import annotations

import sys

from ftpd.cli.board import NoScoresError, UsageError, fail, place, reasons, understand
from ftpd.core.scoreboard import NOBODY, scrub

USAGE = """\
usage: ftpscrub [options]
  -c, --config PATH\tthe ScoreboardFile of this configuration
  -f, --file PATH\tthe scoreboard itself
  -h, --help\t\tdisplay this message
  -v, --verbose\t\ttell which entries are removed
"""


def main(words: list[str] | None = None) -> int:
    """Scrub it; 0, or 1 where there is no scoreboard or an entry could not be removed."""
    try:
        wanted = understand(sys.argv[1:] if words is None else words, "cfhv")
        if wanted.help:
            print(USAGE, end="")
            return 0
        path = place(wanted)
        if path is None:
            return 0
        if wanted.verbose:
            print(f"scrubbing ScoreboardFile {path}")
        with reasons(path):
            freed, kept = scrub(path)
    except UsageError as error:
        return fail(f"{error}\n{USAGE}")
    except NoScoresError as error:
        return fail(str(error))
    if wanted.verbose:
        for entry in freed:
            who = "" if entry.user == NOBODY else f", {entry.user}"
            print(f"scrubbing scoreboard slot for PID {entry.pid}{who} from {entry.address or 'nowhere'}")
    if kept:
        return fail(f"{path}: {kept} of the dead stay there, as a reader holds a lock on them; try again")
    return 0
