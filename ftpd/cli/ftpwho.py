"""The ftpwho command: who is on, and what each one does."""

from __future__ import annotations

import json
import sys
from time import time

from ftpd.cli.board import (
    NoScoresError,
    UsageError,
    by_class,
    fail,
    of_server,
    percent,
    scores,
    span,
    understand,
    up_for,
)
from ftpd.core.scoreboard import IDLE, NOBODY, Entry, Scores

USAGE = """\
usage: ftpwho [options]
  -c, --config PATH\tread the ScoreboardFile of this configuration
  -f, --file PATH\tthe scoreboard to read
  -h, --help\t\tdisplay this message
  -o, --outform FORM\tcompat, oneline or json
  -S, --server NAME\tshow the sessions of this ServerName only
  -v, --verbose\t\ttell client, server, protocol, folder and class too
"""
_FORMS = ("", "compat", "oneline", "json")


def main(words: list[str] | None = None) -> int:
    """Print who is on; 0, or 1 where there is no scoreboard."""
    try:
        wanted = understand(sys.argv[1:] if words is None else words, "cfhoSv")
        if wanted.form not in _FORMS:
            raise UsageError(f"unknown outform value: '{wanted.form}'")
        if wanted.help:
            print(USAGE, end="")
            return 0
        found = scores(wanted)
    except UsageError as error:
        return fail(f"{error}\n{USAGE}")
    except NoScoresError as error:
        return fail(str(error))
    now = time()
    if wanted.form == "json":
        print(json.dumps(_as_json(found), indent=2))
        return 0
    print(_headline(found, now))
    if wanted.server is not None:
        print(f"ProFTPD Server '{wanted.server}'")
    entries = of_server(found.entries, wanted.server)
    for entry in entries:
        print(_LINES[wanted.form](entry, now, wanted.verbose))
    print("\n".join(by_class(entries) or ["no users connected"]))
    return 0


def _headline(found: Scores, now: float) -> str:
    if found.pid == 0:
        return "inetd FTP daemon:"
    return f"standalone FTP daemon [{found.pid}], up for {up_for(found, now)}"


def _what(entry: Entry) -> str:
    done = "(n/a)"
    if entry.command == "RETR" and entry.size:
        done = f"({percent(entry):3d}%)"
    return f"{done} {entry.command} {entry.argument}".rstrip()


def _state(entry: Entry, now: float) -> str:
    on = f"[{span(now - entry.began):>6}]"
    if entry.user == NOBODY:
        return f"{on} (authenticating)"
    if entry.command == IDLE:
        return f"{on} {span(now - entry.idle_since):>6} idle"
    return f"{on} {_what(entry)}"


def _details(entry: Entry) -> list[str]:
    lines = []
    if entry.elapsed and entry.length:
        lines.append(f"KB/s: {entry.length / 1024 / (entry.elapsed / 1000):3.2f}")
    lines.append(f"client: {entry.name} [{entry.address}]")
    lines.append(f"server: {entry.server} ({entry.label})")
    lines.append(f"protocol: {entry.protocol}")
    if entry.user != NOBODY:
        lines.append(f"location: {entry.cwd}")
    if entry.client_class:
        lines.append(f"class: {entry.client_class}")
    return lines


def _full(entry: Entry, now: float, verbose: bool) -> str:
    line = f"{entry.pid:5d} {entry.user:<8} {_state(entry, now)}"
    # an empty line ends what is told of one
    return "\n\t".join([line, *_details(entry)]) + "\n" if verbose else line


def _oneline(entry: Entry, now: float, verbose: bool) -> str:
    more = _details(entry) if verbose else []
    return " ".join([f"{entry.pid:5d} {entry.user:<8} {_state(entry, now)}", *more])


def _compat(entry: Entry, now: float, verbose: bool) -> str:
    if entry.user == NOBODY:
        line = f"{entry.pid:5d} -       "
    elif entry.command == IDLE:
        # the blank at the end is there for whoever reads by columns
        line = f"{entry.pid:5d} {span(now - entry.idle_since):<6} idle "
    else:
        done = f"({percent(entry)}%) " if entry.command == "RETR" and entry.size else ""
        line = f"{entry.pid:5d} {span(now - entry.began):<6} {done}{entry.command} {entry.argument}".rstrip()
    if not verbose:
        return line
    more = [f"             (host: {entry.name} [{entry.address}])", f"              (protocol: {entry.protocol})"]
    if entry.user != NOBODY:
        more.append(f"              (cwd: {entry.cwd})")
    if entry.client_class:
        more.append(f"              (class: {entry.client_class})")
    return "\n".join([line, *more])


_LINES = {"": _full, "oneline": _oneline, "compat": _compat}


def _as_json(found: Scores) -> dict[str, object]:
    kind = "standalone" if found.pid else "inetd"
    return {
        "server": {"server_type": kind, "pid": found.pid, "started_ms": found.started * 1000},
        "connections": [_connection(entry) for entry in found.entries],
    }


def _connection(entry: Entry) -> dict[str, object]:
    shown: dict[str, object] = {
        "pid": entry.pid,
        "connected_since_ms": entry.began * 1000,
        "remote_name": entry.name,
        "remote_address": entry.address,
        "local_address": entry.server.rpartition(":")[0],
        "local_port": entry.port,
    }
    logged_in = entry.user != NOBODY
    shown |= {"user": entry.user} if logged_in else {"authenticating": True}
    if entry.client_class:
        shown["class"] = entry.client_class
    shown["protocol"] = entry.protocol
    if logged_in:
        shown["location"] = entry.cwd
    if entry.command == IDLE or not logged_in:
        shown["idling"] = True
        if logged_in:
            shown["idle_since_ms"] = entry.idle_since * 1000
        return shown
    shown |= {"command": entry.command, "command_args": entry.argument}
    if entry.command == "RETR":
        shown |= {"downloading": True, "transfer_completed": str(percent(entry))}
    elif entry.command in ("STOR", "STOU", "APPE"):
        shown["uploading"] = True
    else:
        return shown
    return shown | {"transfer_bytes": entry.length, "transfer_duration_ms": entry.elapsed}
