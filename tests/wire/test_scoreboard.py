"""Who is on stands in the scoreboard while they are, for our ftpwho and for ProFTPD's."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.wire.command import Watched
from tests.wire.daemon import PATIENCE, Daemon, until
from tests.wire.hostile import Raw

OURS = str(Path(sys.prefix, "bin", "ftpwho"))
THEIRS = shutil.which("ftpwho", path="/usr/bin")


def connections(server: Daemon, tool: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [tool, "-f", server._run / "scoreboard", "-o", "json"], capture_output=True, text=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout or "{}").get("connections", [])
    return found


@pytest.mark.parametrize("tool", [OURS, pytest.param(THEIRS, marks=pytest.mark.skipif(not THEIRS, reason="none"))])
def test_sessions_come_do_something_and_go(server: Daemon, tool: str) -> None:
    server.give_huge("huge file")
    with Raw(server) as stranger, Raw(server).login() as idle, Raw(server).login() as busy, busy.passive() as data:
        busy.send("RETR huge file")
        assert busy.reply().startswith("150")
        data.recv(1000)

        def shown() -> bool:
            found = connections(server, tool)
            return (
                sum("authenticating" in one for one in found) == 1
                and sum(one.get("user") == "alice" and one.get("idling") is True for one in found) == 1
                and any(one.get("command_args") == "huge file" and one.get("downloading") for one in found)
            )

        until("ftpwho shows all three", shown)
        assert stranger.ask("NOOP").startswith("200")
        assert idle.ask("NOOP").startswith("200")
    until("nobody is left on it", lambda: not connections(server, tool))


def test_it_is_gone_when_the_daemon_is(tmp_path: Path) -> None:
    server = Daemon(tmp_path)
    server.start()
    assert {"scoreboard", "scoreboard.lck"} <= {path.name for path in server._run.iterdir()}
    server.stop()
    assert not {"scoreboard", "scoreboard.lck"} & {path.name for path in server._run.iterdir()}


def at_a_terminal(kind: str, *words: str) -> tuple[int, bytes]:
    """ftptop at a terminal of this kind, ended by q when its keys are shown; its status and what it wrote there."""
    command = str(Path(sys.prefix, "bin", "ftptop"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command, [command, *words], {**os.environ, "TERM": kind})
    screen = b""
    end = time.monotonic() + PATIENCE
    while select.select([terminal], [], [], max(end - time.monotonic(), 0))[0]:
        try:
            screen += os.read(terminal, 4096)
        except OSError:
            # it has ended
            break
        if b"q quit" in screen:
            os.write(terminal, b"q")
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen


def test_ftptop_shows_them_on_a_terminal_until_q_is_pressed(server: Daemon) -> None:
    with Raw(server).login():
        until("the session is there", lambda: [one.get("user") for one in connections(server, OURS)] == ["alice"])
        screens = [at_a_terminal(kind, "-f", f"{server._run}/scoreboard") for kind in ("vt100", "xterm-256color")]
    for status, screen in screens:
        assert status == 0, screen
        assert b"1 Total FTP Sessions" in screen
        assert b"alice" in screen
        assert not re.search(rb"\x1b\[(3[0-7]|4[0-7])m", screen), "it keeps the terminal's colours"


def test_ftptop_says_what_helps_where_no_cursor_can_be_moved(server: Daemon) -> None:
    status, screen = at_a_terminal("dumb", "-f", f"{server._run}/scoreboard")
    assert status == 1, screen
    assert b"this terminal cannot be used (its cursor cannot be moved); ftptop -b" in screen


def test_what_a_daemon_that_was_killed_left_is_scrubbed(tmp_path: Path) -> None:
    server = Watched(tmp_path)
    server.start()
    score = str(server._run / "scoreboard")
    scrub = [str(Path(sys.prefix, "bin", "ftpscrub")), "-v", "-f", score]
    session = server.login()
    try:
        until("the session is there", lambda: [one.get("user") for one in connections(server, OURS)] == ["alice"])
        done = subprocess.run(scrub, capture_output=True, text=True, check=True)
        assert done.stdout == f"scrubbing ScoreboardFile {score}\n"
        assert len(connections(server, OURS)) == 1
        pid = server.pid
    finally:
        server.kill()
        session.close()
    assert len(connections(server, OURS)) == 1
    done = subprocess.run(scrub, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(f"scrubbing scoreboard slot for PID {pid}, alice from 127.0.0.1\n")
    assert connections(server, OURS) == []


def test_where_it_cannot_be_kept_clients_are_served_and_the_log_says_why(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    # of two lines the last counts, as in ProFTPD; the tests' own comes last
    server = Daemon(tmp_path)
    text = server._conf.read_text().replace(f"ScoreboardFile {server._run}/", f"ScoreboardFile {tmp_path}/open/")
    server._conf.write_text(text)
    server.start()
    server.assert_well()
    assert "world-writable" in server.log()
    server.stop()
