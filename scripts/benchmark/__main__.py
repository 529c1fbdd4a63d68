"""``scripts/bench``: measure, print, and where it is asked for write doc/Performance.md."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from scripts.benchmark import ground, growth, report
from scripts.benchmark.account import Account
from scripts.benchmark.scenarios import SCENARIOS, Cost, measure
from scripts.benchmark.servers import ONE_PROCESS, SERVERS, ours, running

_PAGE = Path(__file__).resolve().parents[2] / "doc" / "Performance.md"
_MORE = ("idle", "noop_p99")
_PORTS = itertools.count(3310)
_IDLE = 10000
"""Sessions that do nothing, where one is no process; a process each would only take longer."""
_IDLE_PROCESSES = 200
_SHORTER = 100
"""So many times less of everything is done where the question is only whether it can be done."""


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure ftpd beside the FTP servers that are installed: processor time of the server for one "
        "operation, memory for a session. Rounds are interleaved and medians shown, as a ratio to the best peer: a "
        "ratio holds on a noisy machine where a figure does not. Peers: Debian's proftpd-core; vsftpd and pure-ftpd "
        "conflict with it, so unpack them (apt-get download, dpkg -x DEB DIR) and name the folders in PEER_VSFTPD_DIR "
        "and PEER_PUREFTPD_DIR. A peer that is not there is left out.",
    )
    parser.add_argument("--rounds", type=int, default=3, help="of all servers in turn (3)")
    parser.add_argument("--only", type=words, default=[], help=f"of {','.join([*SCENARIOS, *_MORE])}")
    parser.add_argument("--peers", type=words, default=list(SERVERS)[:-1], help="which, of those that are installed")
    parser.add_argument("--growth", action="store_true", help="how costs grow with sessions, entries and sizes, too")
    parser.add_argument("--conf", default="", help="lines for our configuration, as 'Workers 2'")
    parser.add_argument("--json", type=Path, help="write all figures into this file")
    parser.add_argument("--page", action="store_true", help="write the tables and plots of doc/Performance.md")
    parser.add_argument("--smoke", action="store_true", help="everything once and short: does it run?")
    return parser


def main() -> None:
    options = arguments().parse_args()
    unknown = [name for name in options.only if name not in SCENARIOS and name not in _MORE]
    if unknown or (bad := [name for name in options.peers if name not in SERVERS]):
        sys.exit(f"bench: unknown: {', '.join(unknown or bad)}; see --help")
    if options.page:
        # not after all has been measured
        report.plotter()
    account = Account()
    ground.prepare(large=not options.smoke)
    try:
        names = [*options.peers, "ours"]
        results: dict[str, dict[str, list[Cost]]] = {}
        for _ in range(options.rounds):
            for name in names:
                _measure(account, name, options, results)
        series = _grow(account, options) if options.growth else {}
    finally:
        ground.clear_away()
    rows = report.medians(results)
    print(report.terminal(rows, names))
    if series:
        print(report.growth(series))
    if options.json is not None:
        report.save(options.json, rows, series)
    if options.page:
        report.write(_PAGE, rows, series, names, options.rounds)


def _measure(
    account: Account, name: str, options: argparse.Namespace, results: dict[str, dict[str, list[Cost]]]
) -> None:
    port = next(_PORTS)
    command = ours(port, options.conf) if name == "ours" else SERVERS[name](port)
    if command is None:
        return
    only, sessions = set(options.only), _IDLE if name in ONE_PROCESS else _IDLE_PROCESSES
    if options.smoke:
        only = only or {name for name in SCENARIOS if not name.endswith("_1g")} | {"idle"}
        sessions = 30
    with running(account, command, port):
        for scenario, cost in measure(account, port, only, sessions, _SHORTER if options.smoke else 1).items():
            results.setdefault(scenario, {}).setdefault(name, []).append(cost)


def _grow(account: Account, options: argparse.Namespace) -> dict[str, list[growth.Point]]:
    found: dict[str, list[growth.Point]] = {}
    for name, function in growth.SERIES.items():
        amounts = {"sessions": growth.SESSIONS, "entries": growth.ENTRIES, "sizes": growth.SIZES}[name]
        port = next(_PORTS)
        command = ours(port, options.conf)
        assert command is not None
        with running(account, command, port):
            if options.smoke:
                amounts = amounts[:2]
            found[name] = list(function(account, port, amounts, _SHORTER if options.smoke else 1))
    return found


if __name__ == "__main__":
    main()
