"""The ftpcount command: how many are on, by class."""

from __future__ import annotations

import sys

from ftpd.cli.board import NoScoresError, UsageError, by_class, fail, of_server, scores, understand

USAGE = """\
usage: ftpcount [options]
  -c, --config PATH\tread the ScoreboardFile of this configuration
  -f, --file PATH\tthe scoreboard to read
  -h, --help\t\tdisplay this message
  -S, --server NAME\tcount the sessions of this ServerName only
"""


def main(words: list[str] | None = None) -> int:
    """Print the counts; 0, or 1 where there is no scoreboard."""
    try:
        wanted = understand(sys.argv[1:] if words is None else words, "cfhS")
        if wanted.help:
            print(USAGE, end="")
            return 0
        found = scores(wanted)
    except UsageError as error:
        return fail(f"{error}\n{USAGE}")
    except NoScoresError as error:
        return fail(str(error))
    print("inetd FTP connections:" if found.pid == 0 else f"Master proftpd process {found.pid}:")
    if wanted.server is not None:
        print(f"ProFTPD Server '{wanted.server}'")
    lines = by_class(of_server(found.entries, wanted.server))
    print("\n".join(lines or ["0 users"]))
    return 0
