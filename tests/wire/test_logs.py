"""The logs of a real daemon: who gets which, what a signal does, and that no disk holds a client."""

from __future__ import annotations

import ftplib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.wire import daemon
from tests.wire.daemon import PATIENCE, Daemon, free_port, until
from tests.wire.hostile import Raw, alive

LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \S+ proftpd\[\d+\] 127\.0\.0\.1"

Start = Callable[[str], Daemon]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a daemon that logs as one that has left the terminal does; ``{run}`` is the folder of its files."""
    started: list[Daemon] = []

    def begin(conf: str) -> Daemon:
        run = tmp_path / "run"
        server = Daemon(tmp_path, f"SystemLog {run}/system\n{conf.format(run=run)}\n")
        server._process = subprocess.Popen(
            [daemon.BINARY, "-n", "-q", "-c", str(server._conf)], stdin=subprocess.DEVNULL
        )
        server._log = run / "system"
        started.append(server)
        until("the daemon greets with 220", server._greets)
        return server

    yield begin
    for server in started:
        if server._process.poll() is None:
            server.stop()


def lines(server: Daemon, name: str = "system") -> list[str]:
    path = server._run / name
    return path.read_text().splitlines() if path.exists() else []


def visit(server: Daemon, port: int | None = None) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect(server.host, port or server.port, timeout=PATIENCE)
        ftp.login(server.user, server.password)
        ftp.voidcmd("NOOP")
        ftp.quit()


def test_who_is_turned_away_at_the_door_has_no_line_of_an_end(start: Start) -> None:
    deny = "<Limit LOGIN>\nOrder allow,deny\nDeny from 127.0.0.2\n</Limit>\n"
    server = start(f'LogFormat f "%m %a"\nExtendedLog {{run}}/moments CONNECT,EXIT f\n{deny}')
    with socket.create_connection((server.host, server.port), PATIENCE, ("127.0.0.2", 0)) as stranger:
        assert stranger.recv(100) == b""
    visit(server)
    until("the end is told", lambda: len(lines(server, "moments")) >= 4)
    server.stop()
    # of the client that waited for the daemon, and of the visitor
    assert lines(server, "moments") == ["CONNECT 127.0.0.1", "EXIT 127.0.0.1"] * 2


# -- SystemLog and ServerLog ---------------------------------------------------------------------------------


def test_a_session_is_told_from_its_beginning_to_its_end(start: Start) -> None:
    server = start("SyslogLevel info")
    visit(server)
    until("the end is told", lambda: sum("session closed" in line for line in lines(server)) >= 2)
    told = [line for line in lines(server) if "(127.0.0.1[127.0.0.1])" in line][-3:]
    texts = ["FTP session opened.", "USER alice: Login successful.", "FTP session closed."]
    for line, text in zip(told, texts, strict=True):
        assert re.fullmatch(rf"{LINE} \(127\.0\.0\.1\[127\.0\.0\.1\]\): {text}", line)


def test_without_a_level_what_is_usual_is_not_told(start: Start) -> None:
    server = start("")
    visit(server)
    assert any("STARTUP" in line for line in lines(server))
    assert not any("session opened" in line or "Login successful" in line for line in lines(server))


def test_debuglevel_tells_of_each_handler(start: Start) -> None:
    server = start("DebugLevel 5")
    visit(server)
    until("NOOP is told", lambda: any("dispatching CMD command 'NOOP' to mod_core" in line for line in lines(server)))
    assert not any(server.password in line for line in lines(server))
    assert any("dispatching CMD command 'PASS (hidden)' to mod_auth" in line for line in lines(server))


def test_a_sysloglevel_beside_debuglevel_is_the_one_that_counts(start: Start) -> None:
    server = start("DebugLevel 5\nSyslogLevel notice")
    visit(server)
    server.stop()
    assert any("STARTUP" in line for line in lines(server))
    assert not any("dispatching" in line or "session opened" in line for line in lines(server))


def test_a_server_has_a_log_and_a_level_of_its_own(start: Start) -> None:
    port = free_port()
    server = start(
        f'LogFormat verb "%m of %v"\n<VirtualHost 127.0.0.1>\nServerName other\nExtendedLog {{run}}/all MISC verb'
        f"\nPort {port}\nServerLog {{run}}/server\nSyslogLevel info\nAuthOrder mod_auth_file.c\n"
        "AuthUserFile {run}/passwd\nAuthGroupFile {run}/group\nRequireValidShell off\nUseFtpUsers off\nWtmpLog off\n"
        "</VirtualHost>"
    )
    visit(server, port)
    visit(server)
    until("its log tells of the end", lambda: any("session closed" in line for line in lines(server, "server")))
    assert sum("Login successful" in line for line in lines(server, "server")) == 1
    assert not any("STARTUP" in line for line in lines(server, "server"))
    assert not any("Login successful" in line for line in lines(server))
    until("its ExtendedLog is written", lambda: "NOOP of other" in lines(server, "all"))
    assert lines(server, "all") == ["TYPE of other", "NOOP of other"] or lines(server, "all") == ["NOOP of other"]


def test_a_serverlog_without_a_folder_is_told_at_the_start(start: Start) -> None:
    server = start("ServerLog /no/such/server")
    until("it is told", lambda: any("ServerLog" in line for line in lines(server)))
    said = "\n".join(lines(server))
    assert "unable to write ServerLog '/no/such/server': No such file or directory: /no/such" in said


def test_logoptions_take_parts_away_and_name_roles(start: Start) -> None:
    server = start("SyslogLevel info\nLogOptions -Timestamp -Hostname -VirtualHost +RoleBasedProcessLabels")
    visit(server)
    until("the end is told", lambda: any("session closed" in line for line in lines(server)))
    shape = r"(daemon\[\d+\]:|session\[\d+\] \(127\.0\.0\.1\[127\.0\.0\.1\]\):) "
    assert all(re.match(shape, line) for line in lines(server))
    assert {line.partition("[")[0] for line in lines(server)} == {"daemon", "session"}


@pytest.mark.parametrize(
    ("own", "looks"),
    [
        ("", r"session\[\d+\] \(127"),
        ("LogOptions -VirtualHost", r"\d{4}-\d\d-\d\d \S+ \S+ proftpd\[\d+\] \(127"),
        ("LogOptions -Hostname +Hostname +VirtualHost", r"\d{4}-\d\d-\d\d \S+ \S+ proftpd\[\d+\] 127\.0\.0\.1 \(127"),
    ],
    ids=["none", "others", "the last word counts"],
)
def test_logoptions_of_the_main_server_are_for_those_without_their_own(start: Start, own: str, looks: str) -> None:
    port = free_port()
    server = start(
        "LogOptions -Timestamp -Hostname -VirtualHost +RoleBasedProcessLabels\n"
        f"<VirtualHost 127.0.0.1>\nPort {port}\nServerLog {{run}}/own\nSyslogLevel info\n{own}\n</VirtualHost>"
    )
    with ftplib.FTP() as ftp:
        ftp.connect(server.host, port, timeout=PATIENCE)
        ftp.quit()
    until("the end is told", lambda: any("session closed" in line for line in lines(server, "own")))
    assert all(re.match(looks, line) for line in lines(server, "own")), lines(server, "own")


def test_an_unsafe_log_is_told_at_the_start_and_the_daemon_serves(start: Start, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    server = start(f"ExtendedLog {tmp_path}/open/all ALL\nTransferLog {tmp_path}/none/xfer")
    until("both are told", lambda: sum("unable to write" in line for line in lines(server)) == 2)
    told = "\n".join(lines(server))
    assert f"unable to write ExtendedLog '{tmp_path}/open/all': {tmp_path}/open is a world-writable directory" in told
    assert f"unable to write TransferLog '{tmp_path}/none/xfer': No such file or directory: {tmp_path}/none" in told
    alive(server)
    assert not (tmp_path / "open" / "all").exists()


# -- TraceLog ------------------------------------------------------------------------------------------------


def test_tracing_tells_of_a_session_by_channel(start: Start) -> None:
    server = start("TraceLog {run}/trace\nTrace DEFAULT:0 command:7\nTrace session auth:6 response:1 xfer:5\n")
    server.give("file", b"content")
    with ftplib.FTP() as ftp:
        ftp.connect(server.host, server.port, timeout=PATIENCE)
        ftp.login(server.user, server.password)
        ftp.retrbinary("RETR file", lambda data: None)
    traced = server._run / "trace"
    until("the transfer is traced", lambda: "7 bytes in" in traced.read_text())
    text = traced.read_text()
    assert traced.stat().st_mode & 0o777 == 0o640
    for expected in (
        "<command:7>: dispatching CMD command 'USER alice' to mod_auth",
        '<auth:6>: dispatching auth request "getpwnam" to module mod_auth_file',
        "<response:1>: 230 User alice logged in",
    ):
        assert expected in text
    assert {found[1] for found in re.finditer(r"<(\w+):\d+>", text)} <= {"command", "auth", "response", "xfer"}
    assert server.password not in text


def test_tracing_tells_of_the_root_the_scoreboard_s_lock_and_the_options_of_sockets(start: Start) -> None:
    server = start(
        "DefaultRoot ~\nSocketOptions keepalive 60:9:75\nScoreboardFile {run}/score\n"
        "TraceLog {run}/trace\nTrace DEFAULT:0 inet:15 lock:9 auth:5\n"
    )
    visit(server)
    traced = server._run / "trace"
    until("the login is traced", lambda: "chroot" in traced.read_text())
    text = traced.read_text()
    assert f"<auth:5>: Preparing to chroot to directory '{server.home}'" in text
    assert re.search(r"<lock:9>: write-lock of scoreboard mutex fd \d+ successful", text)
    # that of the test's first look at the daemon, too, which was over at once
    assert len(re.findall(r"<lock:9>: attempting to write-lock scoreboard fd \d+ entry, offset 32", text)) >= 2
    for option in ("TCP_KEEPIDLE 60", "TCP_KEEPCNT 9", "TCP_KEEPINTVL 75"):
        assert re.search(rf"<inet:15>: enabled {option} on socket fd \d+", text)


def test_tracing_tells_why_a_client_waits_and_whose_timers_run(start: Start) -> None:
    server = start(
        "IdentLookups on\nDelayOnEvent USER 5\nExtendedLog {run}/all MISC\n"
        "TraceLog {run}/trace\nTrace DEFAULT:0 ident:5 delay:8 timer:7 extlog:19\n"
    )
    visit(server)
    traced = server._run / "trace"
    until("the visit is traced", lambda: "<extlog:19>" in traced.read_text())
    text = traced.read_text()
    assert "<ident:5>: 127.0.0.1 says 'UNKNOWN'" in text
    assert re.search(r"<delay:8>: USER is answered \d+\.\d ms later", text)
    assert "<timer:7>: added a timer of 600 seconds (watch_idle)" in text
    assert "<extlog:19>: NOOP of class MISC for" in text


def test_a_servers_traceoptions_are_for_its_sessions(start: Start) -> None:
    port = free_port()
    server = start(
        "TraceLog {run}/trace\nTrace response:1\nTraceOptions -Timestamp\n"
        f"<VirtualHost 127.0.0.1>\nPort {port}\nTraceOptions +ConnIPs -TimestampMillis\n</VirtualHost>"
    )
    for at in (server.port, port):
        with ftplib.FTP() as ftp:
            ftp.connect(server.host, at, timeout=PATIENCE)
            ftp.quit()
    traced = server._run / "trace"
    until("both are traced", lambda: bool(re.search(r"\(client .*Goodbye", traced.read_text())))
    said = [line for line in traced.read_text().splitlines() if "Goodbye" in line]
    assert re.fullmatch(r"\[\d+\] <response:1>: 221 Goodbye\.", said[0])
    ends = rf"\(client 127\.0\.0\.1, server 127\.0\.0\.1:{port}\)"
    assert re.fullmatch(rf"[\d-]+ [\d:]+ \[\d+\] {ends} <response:1>: 221 Goodbye\.", said[-1])


def test_without_tracelog_nothing_is_traced(start: Start) -> None:
    server = start("Trace DEFAULT:20")
    visit(server)
    assert not any("<command:" in line for line in lines(server))


# -- rotation and reload -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("signals", [True, False], ids=["with HUP", "without a signal"])
def test_rotation_under_load_loses_tears_and_doubles_nothing(start: Start, signals: bool) -> None:
    server = start('LogFormat number "%J"\nExtendedLog {run}/all WRITE number')
    log, sent = server._run / "all", 0

    def rotate() -> None:
        for number in range(5):
            until("there is one to rotate", log.exists)
            time.sleep(0.05)
            log.rename(server._run / f"all.{number}")
            if signals:
                server._process.send_signal(signal.SIGHUP)
        until("there is a new one", log.exists)

    with ThreadPoolExecutor(1) as pool, Raw(server) as client:
        client.login()
        rotator = pool.submit(rotate)
        while not rotator.done() or sent < 500:
            client.ask(f"DELE {sent:06}-{'x' * 100}")
            sent += 1
        rotator.result()

    def found() -> list[str]:
        files = [*sorted(server._run.glob("all.[0-9]")), log]
        return [line for file in files for line in file.read_text().splitlines()]

    until("all is written", lambda: len(found()) >= sent)
    assert found() == [f"{number:06}-{'x' * 100}" for number in range(sent)]


def test_a_reload_may_bring_another_log(start: Start) -> None:
    server = start("ExtendedLog {run}/one MISC")
    visit(server)
    until("it is written", lambda: any("NOOP" in line for line in lines(server, "one")))
    conf = server._conf.read_text().replace(f"{server._run}/one", f"{server._run}/two")
    server._conf.write_text(conf)
    server._process.send_signal(signal.SIGHUP)
    until("the other is there", (server._run / "two").exists)
    before = lines(server, "one")
    visit(server)
    until("it is written", lambda: any("NOOP" in line for line in lines(server, "two")))
    assert lines(server, "one") == before


# -- nobody waits --------------------------------------------------------------------------------------------------


def test_full_stuck_and_vanished_logs_hold_nobody(start: Start, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "gone").mkdir(mode=0o755)
    server = start(
        f"ExtendedLog {fifo} ALL\nExtendedLog /dev/full ALL\nExtendedLog {tmp_path}/gone/log ALL\n"
        f"TransferLog {tmp_path}/gone/xfer\nExtendedLog {{run}}/fine MISC"
    )
    # in one step: the end of the visit that has found out whether it serves may still be on its way into the log
    shutil.rmtree((tmp_path / "gone").rename(tmp_path / "elsewhere"))
    with Raw(server) as client:
        client.login()
        began = time.monotonic()
        for _ in range(2000):
            assert client.ask(f"XYZZY {'x' * 900}").startswith("500")
        assert client.ask("NOOP").startswith("200")
        assert time.monotonic() - began < 20
    alive(server)
    until("the good log is written", lambda: any('"NOOP" 200' in line for line in lines(server, "fine")))
    until("what is lost is told", lambda: sum("loses records" in line for line in lines(server)) >= 2)
    told = "\n".join(lines(server))
    assert told.count("unable to write ExtendedLog '/dev/full': No space left on device") == 1
    assert f"ExtendedLog '{fifo}' loses records" in told
    server.stop()
    os.close(reader)


def test_a_terminal_that_is_not_read_holds_nobody(tmp_path: Path) -> None:
    server = Daemon(tmp_path, "DebugLevel 10\n")
    told, mouth = os.pipe()
    server._process = subprocess.Popen(
        [daemon.BINARY, "-n", "-c", str(server._conf)], stdin=subprocess.DEVNULL, stderr=mouth
    )
    os.close(mouth)
    try:
        until("the daemon greets with 220", server._greets)
        with Raw(server) as client:
            client.login()
            for _ in range(1000):
                assert client.ask("NOOP").startswith("200")
        assert server._greets()
    finally:
        server._process.terminate()
        with os.fdopen(told, "rb") as pipe:
            text = pipe.read()
        assert server._process.wait(PATIENCE) == 0
    assert b"standalone mode SHUTDOWN" in text


def test_the_daemons_own_log_on_a_full_disk_ends_nothing(start: Start) -> None:
    server = start("SyslogLevel debug\nServerLog /dev/full")
    for _ in range(20):
        visit(server)
    alive(server)


# -- commands whose data connection never comes ----------------------------------------------------------------

WAITED_FOR = (
    'LogFormat said "%m|%s|%r"\nExtendedLog {run}/said ALL,EXIT said\nTransferLog {run}/xfer\nAllowOverwrite on'
)
IN_VAIN = [("LIST", ""), ("NLST", ""), ("MLSD", ""), ("RETR kept", "o"), ("STOR new", "i"), ("STOU", "i")]


def comes(server: Daemon) -> ftplib.FTP:
    (Path(server.home) / "kept").write_text("kept")
    ftp = ftplib.FTP()
    ftp.connect(server.host, server.port, timeout=PATIENCE)
    ftp.login(server.user, server.password)
    return ftp


def told(server: Daemon, line: str) -> list[str]:
    """What the ExtendedLog says of the line and of ABOR, once the session is over."""

    def since_login() -> list[str]:
        said = lines(server, "said")
        return said[said.index("USER|331|USER alice") :] if "USER|331|USER alice" in said else []

    until("the end is told", lambda: any(text.startswith("EXIT") for text in since_login()))
    return [text for text in since_login() if text.startswith((line.partition(" ")[0], "ABOR"))]


def is_broken_off(server: Daemon, direction: str) -> None:
    """The xferlog has one file of which nothing moved; of a listing it has nothing."""
    expected = [("0", direction, "i")] if direction else []

    def files() -> list[tuple[str, str, str]]:
        fields = [text.split() for text in lines(server, "xfer")]
        return [(field[7], field[11], field[-1]) for field in fields]

    until("the file is told", lambda: len(files()) >= len(expected))
    assert files() == expected


@pytest.mark.parametrize(("line", "direction"), IN_VAIN)
def test_a_session_that_ends_before_the_data_connection_comes_leaves_a_broken_transfer_and_no_command(
    line: str, direction: str, start: Start
) -> None:
    server = start(WAITED_FOR)
    with comes(server) as ftp:
        ftp.sendcmd("EPSV")
        ftp.putcmd(line)
        # the answer tells that it is under way
        assert "No data connection" in ftp.sendcmd("STAT")
        assert ftp.sock is not None
        # a connection that is reset is over at once; one that is closed may only have nothing more to say
        ftp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ftp.close()
    assert told(server, line) == []
    is_broken_off(server, direction)


@pytest.mark.parametrize(("line", "direction"), IN_VAIN)
def test_abor_ends_the_waiting_and_both_are_told(line: str, direction: str, start: Start) -> None:
    server = start(WAITED_FOR)
    with comes(server) as ftp:
        ftp.sendcmd("EPSV")
        ftp.putcmd(line)
        assert "No data connection" in ftp.sendcmd("STAT")
        ftp.putcmd("ABOR")
        with pytest.raises(ftplib.error_temp, match="426"):
            ftp.getresp()
        assert ftp.getresp() == "226 Abort successful"
    assert told(server, line) == [f"{line.partition(' ')[0]}|426|{line}", "ABOR|226|ABOR"]
    is_broken_off(server, direction)


@pytest.mark.parametrize(("line", "direction"), IN_VAIN)
def test_a_data_connection_that_cannot_be_had_breaks_off_a_transfer(line: str, direction: str, start: Start) -> None:
    server = start(WAITED_FOR)
    with comes(server) as ftp, pytest.raises(ftplib.error_temp, match="425"):
        ftp.sendcmd(line)
    assert told(server, line) == [f"{line.partition(' ')[0]}|425|{line}"]
    is_broken_off(server, direction)
