"""mod_copy and mod_site_misc over the wire: the copy is the user's own, made as the user, and others are served."""

from __future__ import annotations

import ftplib
import os
import stat
from pathlib import Path

import pytest

from ftpd.testing.plugin import LiveServer, StartServer
from tests.wire.daemon import PATIENCE

LIBEXEC = Path(__file__).parents[2] / "libexec"
MODULES = [LIBEXEC / "mod_copy.py", LIBEXEC / "mod_site_misc.py"]
FILES = 200


def login(server: LiveServer) -> ftplib.FTP:
    ftp = ftplib.FTP()
    ftp.connect(server.host, server.port, timeout=PATIENCE)
    ftp.login(server.user, server.password)
    return ftp


def give(server: LiveServer, name: str, content: bytes, mode: int = 0o644) -> Path:
    path = server.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    owner = server.root.stat()
    for made in (path, path.parent):
        os.chown(made, owner.st_uid, owner.st_gid)
    return path


def test_a_copy_belongs_to_the_user_and_has_every_byte(ftpd_server: StartServer, content: bytes) -> None:
    server = ftpd_server(modules=MODULES)
    give(server, "a.bin", content, 0o640)
    with login(server) as ftp:
        assert ftp.sendcmd("SITE CPFR a.bin").startswith("350 ")
        assert ftp.sendcmd("SITE CPTO b.bin") == "250 Copy successful"
    copy = server.root / "b.bin"
    assert copy.read_bytes() == content
    known, home = copy.stat(), server.root.stat()
    assert (known.st_uid, known.st_gid) == (home.st_uid, home.st_gid)
    assert stat.S_IMODE(known.st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's daemon serves as another user than its own")
def test_what_the_user_may_not_read_or_change_the_daemon_does_not_copy_for_it(ftpd_server: StartServer) -> None:
    server = ftpd_server(conf="AllowOverwrite on", modules=MODULES)
    give(server, "mine", b"mine")
    secret = give(server, "secret", b"secret", 0o600)
    os.chown(secret, 0, 0)
    closed = server.root / "closed"
    closed.mkdir(mode=0o755)
    (closed / "file").touch()
    refused = ("SITE COPY secret b", "SITE COPY mine closed/b", "SITE MKDIR closed/a/b", "SITE RMDIR closed")
    with login(server) as ftp:
        for line in (*refused, "SITE SYMLINK mine closed/l", "SITE UTIME 20200101010101 secret"):
            with pytest.raises(ftplib.error_perm, match=r"^550 .*(Permission denied|Operation not permitted)$"):
                ftp.sendcmd(line)
    assert sorted(os.listdir(server.root)) == ["closed", "mine", "secret"]
    assert os.listdir(closed) == ["file"]


def test_others_are_served_while_a_tree_is_copied_and_removed(ftpd_server: StartServer) -> None:
    server = ftpd_server(modules=MODULES)
    for number in range(FILES):
        give(server, f"tree/{number}", b"x")
    with login(server) as ftp, login(server) as other:
        for line, reply in (("SITE COPY tree t2", "200"), ("SITE RMDIR tree", "200")):
            ftp.putcmd(line)
            assert other.sendcmd("NOOP").startswith("200")
            assert ftp.getresp().startswith(reply)
    assert len(os.listdir(server.root / "t2")) == FILES
    assert os.listdir(server.root) == ["t2"]


def test_a_client_that_leaves_in_the_middle_leaves_no_stray_file(ftpd_server: StartServer) -> None:
    server = ftpd_server(modules=MODULES)
    for number in range(FILES):
        give(server, f"tree/{number}", b"x")
    with login(server) as ftp:
        ftp.putcmd("SITE COPY tree t2")
    # the daemon ends when the command has come to its end
    assert server.stop() == 0
    copied = os.listdir(server.root / "t2") if (server.root / "t2").exists() else []
    assert len(copied) in (0, FILES)
    assert not [name for name in copied if name.startswith(".copy-")]


def test_abor_ends_a_copy_with_426_and_is_answered_itself(ftpd_server: StartServer) -> None:
    server = ftpd_server(modules=MODULES)
    for number in range(FILES):
        give(server, f"tree/{number}", b"x")
    with login(server) as ftp:
        assert ftp.sock is not None
        ftp.sock.sendall(b"SITE COPY tree t2\r\nABOR\r\n")
        with pytest.raises(ftplib.error_temp, match="426 COPY: aborted"):
            ftp.getresp()
        assert ftp.getresp().startswith("226")
        assert os.listdir(server.root) == ["tree"]
        # the next one is not meant
        assert ftp.sendcmd("SITE COPY tree t2").startswith("200")
    assert len(os.listdir(server.root / "t2")) == FILES
