"""ftpasswd and the daemons that read its files: who may log in is what it says, at once, here and in ProFTPD."""

from __future__ import annotations

import ftplib
import grp
import os
import pty
import pwd
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire import daemon as daemons
from tests.wire.daemon import PATIENCE, Daemon, Running, free_port

PROFTPD = Path("/usr/sbin/proftpd")


def ftpasswd(*words: str, say: str = "", status: int = 0) -> str:
    command = Path(sys.prefix, "bin", "ftpasswd")
    ended = subprocess.run([command, *words], input=say, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == status, ended.stderr
    return ended.stdout


def asked(*words: str, answers: list[str]) -> str:
    """The command at a terminal, where it is answered whenever it asks; returns what the screen shows."""
    command = str(Path(sys.prefix, "bin", "ftpasswd"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command, [command, *words])
    shown, due = b"", list(answers)
    end = time.monotonic() + PATIENCE
    prompts = 0
    while select.select([terminal], [], [], max(end - time.monotonic(), 0))[0]:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
        while due and shown.count(b"assword: ") > prompts:
            prompts += 1
            os.write(terminal, f"{due.pop(0)}\n".encode())
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    return shown.decode()


def lets_in(server: Running, password: str, name: str = "bob") -> bool:
    with ftplib.FTP() as ftp:
        ftp.connect(server.host, server.port, timeout=PATIENCE)
        try:
            ftp.login(name, password)
            ftp.quit()
        except ftplib.error_perm as refused:
            assert str(refused).startswith("530")
            return False
        return True


def account(server: Daemon) -> list[str]:
    owner = server._owner
    return ["--uid", str(owner.pw_uid), "--gid", str(owner.pw_gid), "--home", str(server.home), "--shell", "/bin/false"]


def the_story_of_an_account(server: Running, words: list[str], more: list[str]) -> None:
    """From its making to its end."""
    assert not lets_in(server, "first")
    ftpasswd(*words, *more, "--stdin", say="first\n")
    assert lets_in(server, "first")
    assert not lets_in(server, "wrong")
    ftpasswd(*words, "--lock")
    assert not lets_in(server, "first")
    ftpasswd(*words, "--unlock")
    assert lets_in(server, "first")
    ftpasswd(*words, "--change-password", "--stdin", say="first\n", status=2)
    ftpasswd(*words, "--change-password", "--stdin", say="second\n")
    assert lets_in(server, "second")
    assert not lets_in(server, "first")
    ftpasswd(*words, "--delete-user")
    assert not lets_in(server, "second")
    ftpasswd(*words, "--delete-user", status=1)


def test_an_account_lets_in_as_long_as_it_is_there_and_not_locked(server: Daemon) -> None:
    words = ["--passwd", "--file", str(server._run / "passwd"), "--name", "bob"]
    the_story_of_an_account(server, words, account(server))
    assert lets_in(server, "secret", "alice")


@pytest.mark.parametrize("scheme", ["des", "md5", "sha256", "sha512", "blowfish", "yescrypt"])
def test_each_hash_lets_in(server: Daemon, scheme: str) -> None:
    words = ["--passwd", "--file", str(server._run / "passwd"), "--name", scheme]
    ftpasswd(*words, *account(server), f"--{scheme}", "--stdin", say="first\n")
    assert lets_in(server, "first", scheme)
    assert not lets_in(server, "other", scheme)


def test_a_password_is_asked_for_until_it_is_told_twice_and_a_new_one(server: Daemon) -> None:
    words = ["--passwd", "--file", str(server._run / "passwd"), "--name", "ann"]
    shown = asked(*words, *account(server), answers=["first", "fisrt", "first", "first"])
    assert "first" not in shown.replace("these were two different ones", "")
    assert lets_in(server, "first", "ann")
    shown = asked(*words, "--change-password", answers=["first", "first", "sec\u00f6nd", "sec\u00f6nd"])
    assert "this is the password that the account has" in shown
    assert lets_in(server, "sec\u00f6nd", "ann")


# -- ProFTPD's own -------------------------------------------------------------------------------------------------


@pytest.fixture
def proftpd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    if not PROFTPD.exists() or PROFTPD.read_bytes()[:4] != b"\x7fELF":
        pytest.skip("ProFTPD is not installed")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest-") or folder == tmp_path:
            folder.chmod(0o711)
    (tmp_path / "home").mkdir()
    (tmp_path / "passwd").write_text("tim:x:1000:1000::/:/bin/sh\n")
    (tmp_path / "passwd").chmod(0o600)
    user = (
        ("nobody", "nogroup")
        if os.geteuid() == 0
        else (pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
    )
    conf, port = tmp_path / "conf", free_port()
    conf.write_text(
        f"ServerType standalone\nPort {port}\nDefaultAddress 127.0.0.1\nUseIPv6 off\nUser {user[0]}\nGroup {user[1]}\n"
        f"PidFile {tmp_path}/pid\nScoreboardFile {tmp_path}/scoreboard\nTransferLog none\nWtmpLog off\n"
        f"AuthOrder mod_auth_file.c\nAuthUserFile {tmp_path}/passwd\nRequireValidShell off\nUseReverseDNS off\n"
    )
    monkeypatch.setattr(daemons, "BINARY", str(PROFTPD))
    with Running(conf, port) as running:
        yield running


def test_proftpd_reads_the_same_file_in_the_same_way(proftpd: Running, tmp_path: Path) -> None:
    words = ["--passwd", "--file", str(tmp_path / "passwd"), "--name", "bob"]
    more = ["--uid", "65534", "--gid", "65534", "--home", str(tmp_path / "home"), "--shell", "/bin/false"]
    the_story_of_an_account(proftpd, words, more)
