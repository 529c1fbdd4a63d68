"""What scripts/run gives to somebody who just cloned the project: its configuration, its user, its anonymous area."""

from __future__ import annotations

import ftplib
import grp
import io
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.wire.daemon import PATIENCE, Running, free_port

CHECKOUT = Path(__file__).parents[2]


class OutOfTheBox(Running):
    """The daemon of a fresh checkout, and what its first start said."""

    said = ""

    def __init__(self, home: Path) -> None:
        serve_as = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(serve_as.pw_gid).gr_name
        environ = {"FTPD_HOME": str(home), "FTPD_USER": serve_as.pw_name, "FTPD_GROUP": group}
        environ["FTPD_ADMIN"] = pwd.getpwuid(os.geteuid()).pw_name
        self.home = home
        shutil.copytree(CHECKOUT / "libexec", home / "libexec")
        (home / "etc").mkdir()
        super().__init__(home / "etc" / "proftpd.conf", free_port(), environ)
        conf = (CHECKOUT / "etc" / "proftpd.conf").read_text()
        assert len(re.findall(r"(?m)^Port +2121$", conf)) == 1
        self._conf.write_text(re.sub(r"(?m)^Port +2121$", f"Port {self.port}", conf))

    @property
    def account(self) -> tuple[str, str]:
        """The name and the password that the first start said."""
        found = re.search(r"log in as: (\w+), password (\S+) ", self.said)
        assert found, f"the first start said no user and password, but: {self.said}"
        return found[1], found[2]

    def first_start(self) -> str:
        return self._first_start().stdout

    def first_start_told(self) -> str:
        """What it wrote on standard error."""
        return self._first_start().stderr

    def _first_start(self) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, CHECKOUT / "scripts" / "first_start.py"]
        environ = self._environ | {"PYTHONPATH": str(CHECKOUT)}
        return subprocess.run(program, env=environ, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutOfTheBox]:
    home = tmp_path_factory.mktemp("checkout")
    for folder in (home, *home.parents):
        if folder.name.startswith(("pytest-", "checkout")):
            folder.chmod(0o755)
    daemon = OutOfTheBox(home)
    daemon.said = daemon.first_start()
    with daemon:
        yield daemon


@contextmanager
def session(daemon: OutOfTheBox, user: str, password: str) -> Iterator[ftplib.FTP]:
    with ftplib.FTP(timeout=PATIENCE) as ftp:
        ftp.connect(daemon.host, daemon.port)
        ftp.login(user, password)
        yield ftp


def fetch(ftp: ftplib.FTP, name: str) -> bytes:
    came = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", came.write)
    return came.getvalue()


def test_the_first_start_says_a_password_that_works(fresh: OutOfTheBox) -> None:
    with session(fresh, *fresh.account) as ftp:
        ftp.storbinary("STOR mine.txt", io.BytesIO(b"mine"))
        assert fetch(ftp, "mine.txt") == b"mine"
        assert ftp.pwd() == "/"
        ftp.cwd("..")
        assert ftp.nlst() == ["mine.txt"], "the user sees nothing but the home folder"


def test_the_second_start_says_nothing_and_changes_nothing(fresh: OutOfTheBox) -> None:
    before = (fresh.home / "var/passwd").read_bytes()
    assert fresh.first_start() == ""
    assert (fresh.home / "var/passwd").read_bytes() == before


def test_only_the_daemon_reads_the_password_file(fresh: OutOfTheBox) -> None:
    assert (fresh.home / "var/passwd").stat().st_mode & 0o777 == 0o600
    assert fresh.account[1] not in (fresh.home / "var/passwd").read_text()


def test_two_checkouts_have_different_passwords(fresh: OutOfTheBox, tmp_path: Path) -> None:
    other = OutOfTheBox(tmp_path)
    other.said = other.first_start()
    assert other.account[1] != fresh.account[1]


def test_anybody_may_read(fresh: OutOfTheBox) -> None:
    with session(fresh, "anonymous", "me@example.com") as ftp:
        assert b"Welcome to ftpd" in fetch(ftp, "pub/welcome.txt")
        assert sorted(ftp.nlst()) == ["README", "incoming", "pub"]


def test_mod_readme_names_the_readme_at_login(fresh: OutOfTheBox) -> None:
    with session(fresh, "ftp", "me@example.com") as ftp:
        assert "README" in ftp.sendcmd("CWD /")


def test_anybody_may_upload_to_incoming_and_nobody_sees_it(fresh: OutOfTheBox) -> None:
    with session(fresh, "anonymous", "me@example.com") as ftp:
        ftp.cwd("incoming")
        ftp.storbinary("STOR gift.txt", io.BytesIO(b"gift"))
        assert ftp.nlst() == []
        assert ftp.nlst("/incoming") == []
        for refused in ("RETR gift.txt", "SIZE gift.txt", "DELE gift.txt", "RNFR gift.txt", "MKD folder"):
            with pytest.raises(ftplib.error_perm, match="550"):
                ftp.sendcmd(refused)
        with pytest.raises(ftplib.error_perm, match="550"):
            ftp.storbinary("STOR gift.txt", io.BytesIO(b"another"))
    assert (fresh.home / "var/ftp/incoming/gift.txt").read_bytes() == b"gift"


@pytest.mark.parametrize("refused", ["STOR new.txt", "MKD new", "DELE README", "RMD pub", "RNFR README", "APPE README"])
def test_nothing_else_of_the_anonymous_area_changes(fresh: OutOfTheBox, refused: str) -> None:
    with session(fresh, "anonymous", "me@example.com") as ftp, pytest.raises(ftplib.error_perm, match="550"):
        ftp.sendcmd(refused)


def test_a_wrong_password_and_an_account_without_one_are_refused(fresh: OutOfTheBox) -> None:
    for user in ("demo", "root", "nobody"):
        with ftplib.FTP(timeout=PATIENCE) as ftp, pytest.raises(ftplib.error_perm, match="530"):
            ftp.connect(fresh.host, fresh.port)
            ftp.login(user, "!")


def test_the_greeting_says_nothing_of_what_runs_here(fresh: OutOfTheBox) -> None:
    with ftplib.FTP(timeout=PATIENCE) as ftp:
        assert ftp.connect(fresh.host, fresh.port) == "220 FTP server ready"


def test_who_started_it_may_ask_it_to_load_a_module(fresh: OutOfTheBox) -> None:
    def ctl(*words: str) -> str:
        program = [sys.executable, "-m", "ftpd.cli.ftpdctl", "-s", str(fresh.home / "var/run/proftpd.sock")]
        return subprocess.run([*program, *words], capture_output=True, text=True, check=True).stdout

    assert "mod_readme.c" in ctl("lsmod")
    assert ctl("insmod", "mod_copy.c") == "ftpdctl: 'mod_copy.c' loaded\n"
    assert "denied" not in ctl("delay", "info")
    with session(fresh, *fresh.account) as ftp:
        assert "SITE COPY" in ftp.sendcmd("FEAT")
    ctl("rmmod", "mod_copy.c")


@pytest.mark.skipif(os.geteuid() != 0, reason="any other user serves as who started it")
def test_root_is_told_where_the_user_that_serves_cannot_enter(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "test_")):
            folder.chmod(0o755)
    assert OutOfTheBox(tmp_path).first_start_told() == ""
    (tmp_path / "closed").mkdir(mode=0o700)
    told = OutOfTheBox(tmp_path / "closed").first_start_told()
    assert told.startswith(f"run: {tmp_path}/closed is closed to nobody, as whom a daemon of root serves here")
    assert told.endswith(f"or: chmod o+x {tmp_path}/closed\n")
    assert told.count("\n") == 1
