"""mod_ratio over real connections: several workers with one file, a full disk, and SIGTERM right behind a transfer."""

from __future__ import annotations

import ftplib
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from daemon import Daemon, until

from tests.wire.daemon import PATIENCE


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o711)
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def serve(tmp_path: Path, place: Path) -> Iterator[Callable[[str], Daemon]]:
    started = []

    def start(conf: str) -> Daemon:
        base = tmp_path / f"daemon{len(started)}"
        base.mkdir()
        ratios = f"LoadModule mod_ratio.c\nRatios on\nSaveRatios on\nRatioFile {place}/ratios\n"
        daemon = Daemon(base, f"{ratios}AllowOverwrite on\n{conf}")
        daemon.start()
        started.append(daemon)
        return daemon

    yield start
    for daemon in started:
        daemon.stop()


def _login(daemon: Daemon) -> ftplib.FTP:
    ftp = ftplib.FTP()
    ftp.connect(daemon.host, daemon.port, timeout=PATIENCE)
    ftp.login(daemon.user, daemon.password)
    return ftp


def _kept(place: Path) -> list[str]:
    """Files and bytes stored, files and bytes fetched, of the one user there is."""
    line = (place / "ratios").read_text().strip().split("|")
    stored, kb_stored, fetched, kb_fetched, over_stored, over_fetched = map(int, line[1:])
    return [f"+{stored}/{kb_stored * 1024 + over_stored}", f"-{fetched}/{kb_fetched * 1024 + over_fetched}"]


def test_what_was_stored_pays_for_what_is_fetched_also_after_a_restart(
    serve: Callable[[str], Daemon], place: Path
) -> None:
    conf = "UserRatio * 0 0 2 0\n"
    daemon = serve(conf)
    with _login(daemon) as ftp:
        assert "226 Down: 0 Files (0mb)  Up: 1 Files (0mb)" in ftp.storbinary("STOR a", BytesIO(b"x" * 1500))
    # nothing that a client has been told of is lost
    daemon.stop()
    assert _kept(place) == ["+1/1500", "-0/0"]
    daemon.start()
    with _login(daemon) as ftp:
        got: list[bytes] = []
        ftp.retrbinary("RETR a", got.append)
        ftp.retrbinary("RETR a", got.append)
        assert len(b"".join(got)) == 3000
        with pytest.raises(ftplib.error_perm, match="550 a: BYTE RATIO: 1:2B  Down: 0mb  Up: only 0mb!"):
            ftp.retrbinary("RETR a", got.append)
    daemon.stop()
    assert _kept(place) == ["+1/1500", "-2/3000"]
    assert os.listdir(place) == ["ratios"]


def test_workers_count_in_one_file_and_none_loses_what_another_counts(
    serve: Callable[[str], Daemon], place: Path
) -> None:
    daemon = serve("Workers 3\nUserRatio * 1 0 0 0\n")

    def visit(number: int) -> None:
        with _login(daemon) as ftp:
            for _ in range(5):
                ftp.storbinary(f"STOR f{number}", BytesIO(b"x" * 100))

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(visit, range(12)))
    until("all is in the file", lambda: _kept(place) == ["+60/6000", "-0/0"])
    # and each of them knows it
    for _ in range(6):
        with _login(daemon) as ftp:
            assert ftp.sendcmd("SITE RATIO").startswith("214-Current Ratio: ( -0/0 +60/0 (1 0 0 0) = 60/0 )")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_full_disk_keeps_the_file_and_loses_nothing(serve: Callable[[str], Daemon], place: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "small", str(place)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        before = "".join(f"user{number}|1|2|3|4|0|0\n" for number in range(500))
        (place / "ratios").write_text(before)
        daemon = serve("UserRatio * 1 0 0 0\n")
        with _login(daemon) as ftp:
            with pytest.raises(OSError, match="No space"):
                (place / "filler").write_bytes(bytes(100_000))
            for _ in range(3):
                assert ftp.storbinary("STOR a", BytesIO(b"12345")).startswith("226-")
            assert (place / "ratios").read_text() == before
            until("it is told", lambda: "No space left on device; what is counted waits in memory" in daemon.log())
            # each try makes a file, and takes it away when it has failed
            until("nothing is left of a try", lambda: sorted(os.listdir(place)) == ["filler", "ratios"])
            assert (place / "ratios").read_text() == before
            (place / "filler").unlink()
            until("all is written", lambda: f"{daemon.user}|3|0|0|0|15|0\n" in (place / "ratios").read_text())
            assert (place / "ratios").read_text().startswith(before)
        daemon.stop()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
