"""Many system users on one loop at once: each file belongs to who made it, and nobody gets at another's."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.wire.daemon import HASH, Daemon, until
from tests.wire.hostile import Raw, as_root, connect, everything, pid

pytestmark = [as_root, pytest.mark.usefixtures("ends_alive")]
UIDS = {"uma": 61001, "ulf": 61002}
SESSIONS = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with two system users who share one folder, where as in /tmp each may remove only what is his."""
    folder = tmp_path_factory.mktemp("daemon")
    users = folder.with_name(folder.name + "-users")
    daemon = Daemon(folder, f"AuthUserFile {users}\n")
    users.write_text("".join(f"{name}:{HASH}:{uid}:{uid}::{daemon.home}:/bin/sh\n" for name, uid in UIDS.items()))
    users.chmod(0o600)
    os.chown(daemon.home, 0, 0)
    daemon.home.chmod(0o1777)
    daemon.user = "uma"
    with daemon:
        yield daemon


def all_ask(clients: list[Raw], commands: list[str]) -> list[str]:
    """Each its command, all sent before any answer is read."""
    for client, command in zip(clients, commands, strict=True):
        client.send(command)
    return [client.reply()[:3] for client in clients]


def file_identities(server: Daemon) -> set[str]:
    """The user ids under which the daemon's threads would touch files now."""
    tasks = Path(f"/proc/{pid(server)}/task").iterdir()
    return {re.findall(r"^Uid:.*\t(\d+)$", (task / "status").read_text(), re.M)[0] for task in tasks}


def test_a_hundred_sessions_of_two_users_keep_their_files_apart(server: Daemon) -> None:
    names = [list(UIDS)[number % 2] for number in range(SESSIONS)]
    before = file_identities(server)
    with ExitStack() as left:
        clients = [left.enter_context(Raw(server)) for _ in names]
        all_ask(clients, [f"USER {name}" for name in names])
        assert set(all_ask(clients, [f"PASS {server.password}"] * SESSIONS)) == {"230"}
        assert set(all_ask(clients, [f"MKD folder{number}" for number in range(SESSIONS)])) == {"257"}
        ports = [client.port_for_data() for client in clients]
        for number, client in enumerate(clients):
            client.send(f"STOR folder{number}/file")
        # every upload is open before the first one ends
        data = [left.enter_context(connect(server.host, port)) for port in ports]
        assert {client.reply()[:3] for client in clients} == {"150"}
        for sock, name in zip(data, names, strict=True):
            sock.sendall(name.encode())
        for sock in data:
            sock.close()
        assert {client.reply()[:3] for client in clients} == {"226"}
        for number, name in enumerate(names):
            for path in (server.home / f"folder{number}", server.home / f"folder{number}" / "file"):
                found = path.stat()
                assert (found.st_uid, found.st_gid) == (UIDS[name], UIDS[name]), path
            assert (server.home / f"folder{number}" / "file").read_text() == name
        # the neighbour is the other user
        others = [(number + 1) % SESSIONS for number in range(SESSIONS)]
        assert set(all_ask(clients, [f"DELE folder{other}/file" for other in others])) == {"550"}
        assert set(all_ask(clients, [f"RMD folder{other}" for other in others])) == {"550"}
        assert set(all_ask(clients, [f"RNFR folder{other}" for other in others])) <= {"350", "550"}
        assert "250" not in all_ask(clients, [f"RNTO stolen{number}" for number in range(SESSIONS)])
        assert set(all_ask(clients, [f"SITE CHMOD 777 folder{other}/file" for other in others])) == {"550"}
        assert set(all_ask(clients, [f"RNFR folder{number}/file" for number in range(SESSIONS)])) == {"350"}
        assert set(all_ask(clients, [f"RNTO folder{number}/mine" for number in range(SESSIONS)])) == {"250"}
        assert set(all_ask(clients, [f"DELE folder{number}/mine" for number in range(SESSIONS)])) == {"250"}
        assert set(all_ask(clients, [f"RMD folder{number}" for number in range(SESSIONS)])) == {"250"}
    assert file_identities(server) == before == {"65534"}, "a thread has stayed somebody else"


def test_what_only_one_user_may_read_is_read_by_no_other(server: Daemon) -> None:
    secrets = {}
    for name, uid in UIDS.items():
        path = secrets[name] = server.home / f"{name}.secret"
        path.write_text(f"{name}'s own")
        path.chmod(0o600)
        os.chown(path, uid, uid)
    root_only = server.home / "root.secret"
    root_only.write_text("root's own")
    root_only.chmod(0o600)
    with Raw(server) as uma, Raw(server) as ulf:
        uma.login("uma")
        ulf.login("ulf")
        for _ in range(20):
            assert uma.transfer("RETR uma.secret") == ("226 Transfer complete", b"uma's own")
            assert ulf.transfer("RETR ulf.secret") == ("226 Transfer complete", b"ulf's own")
            assert uma.transfer("RETR ulf.secret")[0].startswith("550")
            assert ulf.transfer("RETR uma.secret")[0].startswith("550")
            assert uma.transfer("RETR root.secret")[0].startswith("550")
            assert ulf.ask("DELE root.secret").startswith("550")
    assert stat.S_IMODE(root_only.stat().st_mode) == 0o600


def test_a_session_has_the_groups_of_its_user_and_not_of_who_started_the_daemon(server: Daemon) -> None:
    for gid, name in ((0, "wheel.txt"), (UIDS["uma"], "uma-group.txt")):
        path = server.home / name
        path.write_text("for the group")
        os.chown(path, 0, gid)
        path.chmod(0o040)
    with Raw(server) as uma, uma.login().passive() as data:
        uma.send("RETR uma-group.txt")
        assert uma.reply().startswith("150")
        assert everything(data) == b"for the group"
        assert uma.reply().startswith("226")
        assert uma.transfer("RETR wheel.txt")[0].startswith("550")


def test_what_a_name_was_answered_tells_nobody_else_of_files_that_he_may_not_reach(server: Daemon) -> None:
    folder = server.home / "private"
    folder.mkdir()
    (folder / "file").write_text("1234")
    with Raw(server).login("uma", "secret") as uma, Raw(server).login("ulf", "secret") as ulf:
        assert uma.codes("CWD private") == ulf.codes("CWD private") == [250]
        for _ in range(3):
            assert uma.ask("SIZE file") == ulf.ask("SIZE file") == "213 4"
        # from now on only she may look into the folder in which both are
        os.chown(folder, UIDS["uma"], UIDS["uma"])
        folder.chmod(0o700)
        for _ in range(50):
            assert uma.ask("SIZE file") == "213 4"
            assert ulf.ask("SIZE file") == "550 file: Permission denied"
            assert ulf.ask("NOOP").startswith("200")
        until("nobody is left acting for a user", lambda: file_identities(server).isdisjoint({"61001", "61002"}))
    (folder / "file").unlink()
    folder.rmdir()
