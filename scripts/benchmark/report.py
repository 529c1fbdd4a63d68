"""What was measured, as a table for the terminal, and as the tables and plots of doc/Performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from scripts.benchmark.growth import Point
from scripts.benchmark.scenarios import BURST_PATIENCE, Cost
from scripts.benchmark.servers import PEERS

Rows = Mapping[str, Mapping[str, Cost]]
"""Costs by scenario and server."""
_NAMES = {"proftpd": "ProFTPD", "vsftpd": "vsftpd", "pureftpd": "Pure-FTPd", "pyftpdlib": "pyftpdlib", "ours": "ours"}


def medians(results: Mapping[str, Mapping[str, Sequence[Cost]]]) -> dict[str, dict[str, Cost]]:
    return {
        name: {
            server: Cost(
                median(cost.cpu for cost in costs),
                median(cost.wall for cost in costs),
                costs[0].unit,
                median(cost.served for cost in costs),
            )
            for server, costs in by_server.items()
        }
        for name, by_server in results.items()
    }


def best_peer(row: Mapping[str, Cost]) -> tuple[str, float] | None:
    """Which server in C does it for least, and for how much."""
    peers = [(row[name].cpu, name) for name in PEERS if name in row]
    return (min(peers)[1], min(peers)[0]) if peers else None


def unserved(rows: Rows) -> list[str]:
    """A sentence for each server that left a part of a crowd outside."""
    return [
        f"{name}: of those that came at once {_NAMES[server]} let {cost.served:.0%} in within {BURST_PATIENCE} s."
        for name, row in rows.items()
        for server, cost in row.items()
        if cost.served < 1
    ]


def terminal(rows: Rows, servers: Sequence[str]) -> str:
    shown = [name for name in servers if any(name in row for row in rows.values())]
    lines = [f"{'CPU of the server':<22}" + "".join(f"{_NAMES[name]:>12}" for name in shown) + "   ours to the best"]
    for name, row in rows.items():
        unit = next(iter(row.values())).unit
        cells = "".join(f"{row[server].cpu:>12.2f}" if server in row else f"{'-':>12}" for server in shown)
        best = best_peer(row)
        ratio = f"   {row['ours'].cpu / best[1]:>6.2f} ({_NAMES[best[0]]})" if best and "ours" in row else ""
        lines.append(f"{f'{name} ({unit})':<22}{cells}{ratio}")
    return "\n".join([*lines, *unserved(rows)])


def growth(series: Mapping[str, Sequence[Point]]) -> str:
    lines = []
    for name, points in series.items():
        for point in points:
            first = f"   first byte {point.first:8.1f} ms" if point.first else ""
            cost = f"{point.cpu:>14.2f} {point.unit:<9}{point.cpu / points[0].cpu:>7.2f} x"
            lines.append(f"{name:<10}{point.amount:>12}{cost}{point.rss:>9.1f} MiB{first}")
    return "\n".join(lines)


# -- doc/Performance.md ------------------------------------------------------------------------------------------------


def write(page: Path, rows: Rows, series: Mapping[str, Sequence[Point]], servers: Sequence[str], rounds: int) -> None:
    """Put the tables between the page's markers, and the plots beside it."""
    text = page.read_text()
    shown = [name for name in servers if any(name in row for row in rows.values())]
    if rows:
        text = _between(text, "table", f"{_machine(rounds)}\n\n{_table(rows, shown)}")
        _bars(page.parent / "plots" / "peers.svg", rows, shown)
    if series:
        text = _between(text, "growth", _growth_table(series))
        _curves(page.parent / "plots" / "growth.svg", series)
    page.write_text(text)


def _between(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    assert begin in text and end in text, f"the page has no place for the {name}"
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL)


def _machine(rounds: int) -> str:
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} processors ({processor}), Linux {platform.release().split('-')[0]}, "
        f"CPython {platform.python_version()}; medians of {rounds} interleaved rounds."
    )


def _table(rows: Rows, shown: Sequence[str]) -> str:
    lines = [
        "| scenario | unit | " + " | ".join(_NAMES[name] for name in shown) + " | ours to the best in C |",
        "|---|---|" + "---|" * (len(shown) + 1),
    ]
    for name, row in rows.items():
        best = best_peer(row)
        ratio = f"{row['ours'].cpu / best[1]:.2f} ({_NAMES[best[0]]})" if best and "ours" in row else ""
        cells = " | ".join(f"{row[server].cpu:.2f}" if server in row else "" for server in shown)
        lines.append(f"| {name} | {next(iter(row.values())).unit} | {cells} | {ratio} |")
    if left := unserved(rows):
        lines += ["", *left]
    return "\n".join(lines)


def _growth_table(series: Mapping[str, Sequence[Point]]) -> str:
    lines = ["| series | amount | CPU | to the first | memory, MiB | first byte, ms |", "|---|---|---|---|---|---|"]
    for name, points in series.items():
        for point in points:
            first = f"{point.first:.1f}" if point.first else ""
            lines.append(
                f"| {name} | {point.amount:,} | {point.cpu:,.2f} {point.unit} | {point.cpu / points[0].cpu:.2f} "
                f"| {point.rss:.1f} | {first} |"
            )
    return "\n".join(lines)


def plotter() -> Any:
    """What draws the plots; SystemExit says how to get it."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("bench: plots need matplotlib: .venv/bin/pip install matplotlib") from None
    matplotlib.use("svg")
    # text as text, and the same file for the same figures
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ftpd", "font.size": 9})
    from matplotlib import pyplot

    return pyplot


def _bars(path: Path, rows: Rows, shown: Sequence[str]) -> None:
    """Each server's cost as a multiple of the best in C, on a logarithmic scale."""
    pyplot = plotter()
    kept = {name: row for name, row in rows.items() if best_peer(row)}
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(kept) + 1))
    height = 0.8 / len(shown)
    for place, server in enumerate(shown):
        at = [line + place * height for line, row in enumerate(kept.values()) if server in row]
        ratios = [row[server].cpu / best_peer(row)[1] for row in kept.values() if server in row]  # type: ignore[index]
        axes.barh(at, ratios, height, label=_NAMES[server])
    axes.set_yticks([line + 0.4 - height / 2 for line in range(len(kept))], list(kept))
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("processor time of the server, to the best of the servers in C (less is better)")
    axes.invert_yaxis()
    axes.legend()
    _save(pyplot, figure, path)


def _curves(path: Path, series: Mapping[str, Sequence[Point]]) -> None:
    pyplot = plotter()
    figure, places = pyplot.subplots(1, len(series), figsize=(4 * len(series), 3.2), squeeze=False)
    for axes, (name, points) in zip(places[0], series.items(), strict=True):
        axes.plot([point.amount for point in points], [point.cpu for point in points], marker="o")
        axes.set_xscale("log")
        axes.set_xlabel(name)
        axes.set_ylabel(f"CPU, {points[0].unit}")
        if name == "sizes":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
    _save(pyplot, figure, path)


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def save(path: Path, rows: Rows, series: Mapping[str, Sequence[Point]]) -> None:
    """All figures, for another program."""
    content = {
        "costs": {name: {server: cost._asdict() for server, cost in row.items()} for name, row in rows.items()},
        "growth": {name: [point._asdict() for point in points] for name, points in series.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
