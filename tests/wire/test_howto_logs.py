"""doc/howto/Logs.md: each configuration in it starts, and each line shown under it is written."""

from __future__ import annotations

import ftplib
import io
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.wire import daemon
from tests.wire.daemon import PATIENCE, Daemon, until

PAGE = Path(__file__).parents[2] / "doc" / "howto" / "Logs.md"
BLOCK = re.compile(r"^```(conf|log)\n(.*?)^```$", re.M | re.S)


def examples() -> list[tuple[str, dict[str, list[str]]]]:
    """Each configuration, and by the name of the log the lines that it shall have."""
    found: list[tuple[str, dict[str, list[str]]]] = []
    for kind, text in BLOCK.findall(PAGE.read_text()):
        if kind == "conf":
            found.append((text, {}))
        else:
            name, *lines = text.splitlines()
            found[-1][1][name.removeprefix("# ")] = lines
    return found


def shape(line: str) -> str:
    """What may differ: numbers, the names of days and months, and of the machine."""
    line = re.escape(line)
    line = re.sub(r"Thu\\ Mar\\ \\ 5", r"\\w{3} \\w{3} [ \\d]\\d", line)
    line = line.replace("/Mar/", r"/\w{3}/").replace(r"\ host\ ", r"\ \S+\ ")
    return re.sub(r"(?<!\\)(?<!\{)\d+(?!\})", r"\\d+", line)


def has(log: Path, wanted: re.Pattern[str]) -> bool:
    return any(map(wanted.fullmatch, log.read_text().splitlines()))


def visit(server: Daemon) -> None:
    """What the page's clients do."""
    with ftplib.FTP() as ftp:
        ftp.connect(server.host, server.port, timeout=PATIENCE)
        with pytest.raises(ftplib.error_perm):
            ftp.login(server.user, "wrong")
        ftp.login(server.user, server.password)
        ftp.retrbinary("RETR report.txt", lambda data: None)
        with pytest.raises(ftplib.error_perm):
            ftp.retrbinary("RETR none.txt", lambda data: None)
        ftp.storbinary("STOR upload.txt", io.BytesIO(b"upload"))
        ftp.delete("upload.txt")
        ftp.quit()
    with ftplib.FTP() as ftp:
        ftp.connect(server.host, server.port, timeout=PATIENCE)
        ftp.login("guest", "me@example.org")
        ftp.retrbinary("RETR welcome.txt", lambda data: None)
        ftp.quit()


@pytest.mark.parametrize(("conf", "logs"), examples())
def test_every_example_of_the_page(tmp_path: Path, conf: str, logs: dict[str, list[str]]) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    names = {
        "/var/log/ftpd": str(folder),
        "/home/alice": f"{tmp_path}/home",
        "/home/anonymous": f"{tmp_path}/anonymous",
    }

    def here(text: str) -> str:
        return re.sub("|".join(names), lambda found: names[found[0]], text)

    server = Daemon(tmp_path, here(conf))
    text = server._conf.read_text()
    if "<Anonymous" in conf:
        text = re.sub(r"\n<Anonymous (?:(?!<Anonymous).)*\Z", "\n", text, flags=re.S)
    server._conf.write_text(
        text.replace("UserAlias anonymous ftp", "UserAlias guest ftp").replace("TransferLog none\n", "")
    )
    server.give("report.txt", b"content")
    (tmp_path / "anonymous" / "welcome.txt").write_bytes(b"hello there")
    server._process = subprocess.Popen([daemon.BINARY, "-n", "-q", "-c", str(server._conf)], stdin=subprocess.DEVNULL)
    server._log = folder / "system.log"
    try:
        until("the daemon greets with 220", server._greets)
        visit(server)
        for name, lines in logs.items():
            log = folder / name
            for line in lines:
                wanted = re.compile(shape(here(line)))
                until(f"{name} has {wanted.pattern}", partial(has, log, wanted))
    finally:
        server._process.terminate()
        server._process.wait(PATIENCE)


def test_the_page_has_examples() -> None:
    assert len(examples()) >= 6
    assert all(logs for _, logs in examples())
