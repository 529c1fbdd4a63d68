"""The servers that can be measured: ours, and of the others those that are installed, all set up alike."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.benchmark.account import Account
from scripts.benchmark.ground import PAPERS, PASSWORD, ROOT, USER

Command = list[str] | None
"""How to start the server in the foreground; None where it is not installed."""
_PROGRAMS = "/usr/sbin:/usr/local/sbin:/usr/bin"

PROFTPD = """\
ServerName bench
ServerType standalone
DefaultServer on
Port {port}
UseIPv6 off
User nobody
Group nogroup
RequireValidShell off
UseFtpUsers off
AuthUserFile {papers}/passwd
AuthOrder mod_auth_file.c
WtmpLog off
TransferLog {papers}/{name}.xferlog
SystemLog {papers}/{name}.log
ScoreboardFile {papers}/{name}.score
PidFile {papers}/{name}.pid
DefaultRoot ~
AllowOverwrite on
MaxInstances none
TimeoutIdle 0
TimeoutLogin 0
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
{more}
"""
VSFTPD = """\
listen=YES
listen_port={port}
background=NO
local_enable=YES
write_enable=YES
anonymous_enable=NO
ascii_download_enable=YES
ascii_upload_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
use_sendfile=YES
xferlog_enable=NO
max_per_ip=0
max_clients=0
pam_service_name=vsftpd
seccomp_sandbox=NO
secure_chroot_dir=/run/vsftpd/empty
"""
PYFTPDLIB = """\
import logging
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
logging.basicConfig(level=logging.WARNING)
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user("{user}", "{password}", "{root}", perm="elradfmwMT")
server = FTPServer(("127.0.0.1", {port}), FTPHandler)
server.max_cons = 20000
server.serve_forever()
"""


def _papers(name: str, template: str, port: int, more: str = "") -> str:
    path = PAPERS / f"{name}.conf"
    text = template.format(
        port=port, name=name, papers=PAPERS, more=more, root=ROOT, user=USER, password=PASSWORD
    )  # fmt: skip
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def ours(port: int, more: str = "") -> Command:
    """With all that a peer does, and a transfer log, which the peers do not write."""
    program = Path(sys.prefix, "bin", "ftpd")
    return [str(program), "-n", "-q", "-c", _papers("ours", PROFTPD, port, more)]


def proftpd(port: int) -> Command:
    program = shutil.which("proftpd", path=_PROGRAMS)
    return program and [program, "-n", "-q", "-c", _papers("proftpd", PROFTPD, port)]  # type: ignore[return-value]


def vsftpd(port: int) -> Command:
    top = os.environ.get("PEER_VSFTPD_DIR", "")
    program = shutil.which("vsftpd", path=f"{top}/usr/sbin:{_PROGRAMS}")
    if program is None:
        return None
    if not os.path.exists("/etc/pam.d/vsftpd"):
        shutil.copy(f"{top}/etc/pam.d/vsftpd", "/etc/pam.d/vsftpd")
    os.makedirs("/run/vsftpd/empty", exist_ok=True)
    return [program, _papers("vsftpd", VSFTPD, port)]


def pureftpd(port: int) -> Command:
    top = os.environ.get("PEER_PUREFTPD_DIR", "")
    program = shutil.which("pure-ftpd", path=f"{top}/usr/sbin:{_PROGRAMS}")
    options = ["-S", str(port), "-l", "unix", "-A", "-c", "1000", "-C", "1000", "-E", "-H", "-L", "20000:5"]
    return program and [program, *options]  # type: ignore[return-value]


def pyftpdlib(port: int) -> Command:
    """The library that ours stands on, as it is."""
    if subprocess.run([sys.executable, "-c", "import pyftpdlib"], capture_output=True).returncode:
        return None
    return [sys.executable, "-W", "ignore", _papers("pyftpdlib", PYFTPDLIB, port)]


SERVERS: dict[str, Callable[[int], Command]] = {
    "proftpd": proftpd,
    "vsftpd": vsftpd,
    "pureftpd": pureftpd,
    "pyftpdlib": pyftpdlib,
    "ours": ours,
}
PEERS = ("proftpd", "vsftpd", "pureftpd")
"""The servers in C, one of which is the best that ours is compared with."""
ONE_PROCESS = ("ours", "pyftpdlib")
"""Servers to which a session is no process: only many sessions show what one costs."""


@contextmanager
def running(account: Account, command: list[str], port: int) -> Iterator[None]:
    """The server from its first answer to its end."""
    process = account.start(command)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit(f"bench: no answer on port {port} from {command}: see {PAPERS}/servers.log")
        yield
    finally:
        account.stop(process)
