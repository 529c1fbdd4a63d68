"""The file that ftpasswd writes to: its mode, owner, folder and links, who else writes to it, and a disk that fails."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ftpasswd_ground import GROUP, TOM, Said, entry, mode, run

from ftpd.cli import accounts, ftpasswd

pytestmark = pytest.mark.usefixtures("own_folder")


def test_anew_means_with_this_entry_alone(capsys: Said) -> None:
    Path("other").write_text("tim:x:1:1::/:/bin/sh\n")
    assert run(*TOM, "-F", "--file", "other", say="") == 255
    assert entry("tim", "other")
    assert run(*TOM, "-F", "--file", "other", say="secret") == 0
    assert [line.split(":")[0] for line in Path("other").read_text().splitlines()] == ["tom"]
    assert "ftpasswd: using alternate file: other\n" in capsys.readouterr().err
    assert os.listdir() == ["other"]


def test_the_mode_stays_but_for_what_everybody_may(capsys: Said) -> None:
    Path("ftpd.passwd").write_text("")
    for before, after in ((0o440, 0o440), (0o640, 0o640), (0o644, 0o640)):
        os.chmod("ftpd.passwd", before)
        assert run(*TOM, say="secret") == 0
        assert mode("ftpd.passwd") == after
    assert capsys.readouterr().err.count("was open to everybody (mode 0644); its mode is 0640 now") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays() -> None:
    Path("ftpd.passwd").write_text("")
    os.chown("ftpd.passwd", 12345, 54321)
    assert run(*TOM, say="secret") == 0
    now = os.stat("ftpd.passwd")
    assert (now.st_uid, now.st_gid) == (12345, 54321)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_who_cannot_leave_a_file_to_its_owner_leaves_it_alone(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest-") or folder == tmp_path:
            folder.chmod(0o711)
    tmp_path.chmod(0o777)
    Path("ftpd.group").write_text("staff:x:5:tom\n")
    Path("ftpd.group").chmod(0o644)
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os._exit(ftpasswd.main([*GROUP, "--gid", "6"]))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 255
    assert Path("ftpd.group").read_text() == "staff:x:5:tom\n"
    assert os.listdir() == ["ftpd.group"]


def test_a_link_stays_a_link() -> None:
    Path("real").mkdir()
    Path("ftpd.passwd").symlink_to("real/passwd")
    assert run(*TOM, say="secret") == 0
    assert Path("ftpd.passwd").is_symlink()
    assert entry("tom", "real/passwd")
    assert os.listdir("real") == ["passwd"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's link")
def test_a_link_that_somebody_else_has_made_is_not_followed(capsys: Said) -> None:
    Path("shadow").write_text("root:x:1:1::/:/bin/sh\n")
    Path("ftpd.passwd").symlink_to("shadow")
    os.lchown("ftpd.passwd", 12345, 12345)
    assert run(*TOM, say="secret") == 255
    assert "is a link that uid 12345 has made" in capsys.readouterr().err
    assert Path("shadow").read_text() == "root:x:1:1::/:/bin/sh\n"


def test_what_is_no_file_is_not_replaced() -> None:
    os.mkfifo("ftpd.passwd")
    assert run(*TOM, say="secret") == 255
    assert stat.S_ISFIFO(os.stat("ftpd.passwd").st_mode)
    assert run(*TOM, "--file", "no/where", say="secret") == 255


def test_a_disk_that_fails_leaves_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    run(*TOM, say="secret")
    before = Path("ftpd.passwd").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(accounts.os, "fsync", full)
    assert run(*TOM, say="other") == 255
    assert "is left as it was: No space left on device" in capsys.readouterr().err
    assert Path("ftpd.passwd").read_bytes() == before
    assert os.listdir() == ["ftpd.passwd"]


def test_a_malformed_entry_is_named_and_left(capsys: Said) -> None:
    Path("ftpd.passwd").write_text("# x\ntom:x:1\n")
    assert run("--passwd", "--name", "tom", "--lock") == 255
    assert "line 2, the entry of tom, is malformed" in capsys.readouterr().err
    assert run("--passwd", "--name", "tom", "--delete-user") == 0
    assert Path("ftpd.passwd").read_text() == "# x\n"


def test_a_folder_that_everybody_may_write_to_is_told_of(tmp_path: Path, capsys: Said) -> None:
    tmp_path.chmod(0o777)
    assert run(*TOM, say="secret") == 0
    assert "everybody may write to" in capsys.readouterr().err
    tmp_path.chmod(0o1777)
    assert run(*TOM, say="secret") == 0
    assert "everybody may write to" not in capsys.readouterr().err


def test_a_change_waits_for_another_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setattr(accounts, "PATIENCE", 0.05)
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run(*TOM, say="secret") == 255
        assert "something holds a lock on" in capsys.readouterr().err
        assert os.listdir() == []
    finally:
        os.close(held)
    assert run(*TOM, say="secret") == 0


def test_of_many_at_once_none_is_lost() -> None:
    code = (
        "import sys; from ftpd.cli.ftpasswd import main; "
        "sys.exit(any(main(['--group', '--name', f'{sys.argv[1]}{n}', '--gid', '5']) for n in range(20)))"
    )
    all_of = [subprocess.Popen([sys.executable, "-c", code, name], stderr=subprocess.DEVNULL) for name in "abcd"]
    assert [one.wait(120) for one in all_of] == [0, 0, 0, 0]
    assert len(Path("ftpd.group").read_text().splitlines()) == 80
    assert os.listdir() == ["ftpd.group"]
