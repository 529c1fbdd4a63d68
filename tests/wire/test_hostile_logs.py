"""Names that try to forge, hide or break log records: each event stays one line with its fields."""

from __future__ import annotations

import re
import signal
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire import daemon
from tests.wire.daemon import Daemon, until
from tests.wire.hostile import Raw

pytestmark = pytest.mark.usefixtures("ends_alive")

# what ends a line or moves the cursor for some reader of logs: terminals, pagers, str.splitlines, JavaScript
FORGERY = "2026-01-01 00:00:00,000 host proftpd[1]: USER root: Login successful."
NAMES = {
    "CR": f"cr\r{FORGERY}",
    "LF": f"lf\n{FORGERY}",
    "ESC": f"esc\x1b[2K\x1b[1A{FORGERY}",
    "NEL": f"nel\u0085{FORGERY}",
    "LS": f"ls\u2028{FORGERY}",
    "bidi": f"bidi\u202e{FORGERY[::-1]}\u2066",
    "VT": "vt\x0b\x0cff",
    "backspace": "bs\x08\x08\x7f",
    "not UTF-8": "latin-\udce9",
    "quotes and blanks": "a \"b\" 'c' %s %n {0}",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that writes SystemLog and TransferLog, as one that has left the terminal does."""
    folder = tmp_path_factory.mktemp("daemon")
    logging = f"SystemLog {folder}/run/system\nTransferLog {folder}/run/xferlog\nSyslogLevel info\nDebugLevel 0\n"
    server = Daemon(folder, logging)
    # -q keeps the log away from the terminal also in the foreground
    server._process = subprocess.Popen([daemon.BINARY, "-n", "-q", "-c", str(server._conf)], stdin=subprocess.DEVNULL)
    server._log = folder / "run" / "system"
    try:
        until("the daemon greets with 220", server._greets)
        yield server
    finally:
        if server._process.poll() is None:
            server.stop()


def assert_clean(lines: list[str]) -> None:
    for line in lines:
        odd = [character for character in line if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
        assert not odd, f"{odd!r} stand in the log as they came: {line!r}"


def records(path: Path) -> list[str]:
    # split("\n"), as splitlines would hide just the characters that are looked for
    return path.read_bytes().decode("utf-8").split("\n")[:-1]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_login_name_makes_one_escaped_record(server: Daemon, name: str) -> None:
    before = len(records(server._log))
    with Raw(server) as client:
        assert client.ask(b"USER " + name.encode("utf-8", "surrogateescape") + b"\r\n").startswith("331")
        assert client.ask("PASS wrong").startswith("530")

    def failures() -> int:
        told = [line.lower() for line in records(server._log)[before:]]
        return sum("login failed" in line or "no such user" in line for line in told)

    until("the failure is in the log", lambda: failures() > 0)
    until("the session has ended", lambda: not server._connections())
    lines = records(server._log)[before:]
    assert_clean(lines)
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \S+ proftpd\[\d+\]", line) for line in lines), lines
    assert failures() == 1, lines
    assert not any(line.startswith(FORGERY[:20]) for line in lines)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_file_name_makes_one_escaped_record_of_eighteen_fields(server: Daemon, name: str) -> None:
    xferlog = Path(server.home.parent, "run", "xferlog")
    before = len(records(xferlog)) if xferlog.exists() else 0
    raw = name.encode("utf-8", "surrogateescape").replace(b"/", b"-")
    with Raw(server) as client:
        client.login()
        for command in (b"STOR ", b"RETR "):
            with client.passive() as data:
                client.send(command + raw + b"\r\n")
                assert client.reply().startswith("150")
                if command == b"STOR ":
                    data.sendall(b"content")
                else:
                    assert data.recv(100) == b"content"
            assert client.reply().startswith("226")
        assert client.ask(b"DELE " + raw + b"\r\n").startswith("250")
    until("transfers and deletion are in the log", lambda: len(records(xferlog)) >= before + 3)
    lines = records(xferlog)[before:]
    assert len([line for line in lines if line.split()[11] != "d"]) == 2, lines
    assert_clean(lines)
    assert all(len(line.split()) == 18 for line in lines), lines
    assert_clean(records(server._log))


def test_a_name_of_four_thousand_bytes_is_one_record(server: Daemon) -> None:
    before = len(records(server._log))
    with Raw(server) as client:
        assert client.ask("USER " + "\x1b" * 4000).startswith("501")
        client.login()
        assert client.ask("MKD " + "n\x1b" * 2000).startswith("550")
    until("the session has ended", lambda: not server._connections())
    assert_clean(records(server._log)[before:])
    assert all(len(line) < 20_000 for line in records(server._log)[before:])


def test_no_password_is_in_any_log(server: Daemon) -> None:
    with Raw(server) as client:
        client.ask("USER alice")
        client.ask("PASS hunter2-\x1b")
        client.ask("PASS hunter2")
        client.login()
    until("the session has ended", lambda: not server._connections())
    assert "hunter2" not in server._log.read_text()
    assert server.password not in server._log.read_text()


def test_a_reload_keeps_writing_to_the_same_place(server: Daemon) -> None:
    before = len(records(server._log))
    server._process.send_signal(signal.SIGHUP)
    until("the new configuration is in force", lambda: "new configuration is in force" in server._log.read_text())
    with Raw(server) as client:
        client.login()
    until("the login is logged", lambda: any("Login successful" in line for line in records(server._log)[before:]))
