"""UserOwner and GroupOwner as root's daemon serves them: a user's files become another's, whatever made them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.daemon import HASH, Daemon
from tests.wire.hostile import Raw, as_root

pytestmark = [as_root, pytest.mark.usefixtures("ends_alive")]
LIBEXEC = Path(__file__).parents[2] / "libexec"
UMA, WEB, WWW, MORE = 61001, 61005, 61006, 61007


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    users, groups = (folder.with_name(f"{folder.name}-{what}") for what in ("users", "groups"))
    home = folder / "home"
    places = {
        "both": "UserOwner web\nGroupOwner www",
        "hidden": "UserOwner web\nHiddenStores on",
        "mine": "GroupOwner more",
        "other": "GroupOwner www",
        "theirs": "HideFiles ftpaccess",
    }
    conf = [f"AuthUserFile {users}", f"AuthGroupFile {groups}", "AllowOverwrite on", "AllowStoreRestart on"]
    conf += [f"ModulePath {LIBEXEC}", "LoadModule mod_copy.c", "LoadModule mod_site_misc.c"]
    conf += [f"<Directory {home}/{name}>\n{lines}\n</Directory>" for name, lines in places.items()]
    daemon = Daemon(folder, "\n".join(conf) + "\n")
    users.write_text(f"uma:{HASH}:{UMA}:{UMA}::{daemon.home}:/bin/sh\nweb:{HASH}:{WEB}:{WEB}::/:/bin/sh\n")
    groups.write_text(f"uma:x:{UMA}:\nwww:x:{WWW}:\nmore:x:{MORE}:uma\n")
    for file in (users, groups):
        file.chmod(0o600)
    for path in (daemon.home, *(daemon.home / name for name in places)):
        path.mkdir(exist_ok=True)
        os.chown(path, UMA, UMA)
    # what stands where users may write it gives to their own groups only
    (daemon.home / "theirs" / ".ftpaccess").write_text("GroupOwner www\n")
    (daemon.home / "source").write_bytes(b"copied")
    (daemon.home / "source").chmod(0o666)
    daemon.user = "uma"
    with daemon:
        yield daemon


@pytest.mark.parametrize(
    ("place", "uid", "gid"),
    [("both", WEB, WWW), ("hidden", WEB, UMA), ("mine", UMA, MORE), ("other", UMA, WWW), ("theirs", UMA, UMA)],
)
def test_whatever_makes_a_file_it_gets_its_owner(server: Daemon, place: str, uid: int, gid: int) -> None:
    with Raw(server) as client:
        client.login()
        for line in ("STOR new", "APPE appended", "STOU"):
            client.ask(f"CWD /{place}")
            assert client.transfer(line, b"x")[0].endswith("226 Transfer complete")
        assert client.ask("MKD folder").startswith("257")
        assert client.ask("SITE MKDIR other").startswith("200")
        assert client.ask("SITE CPFR /source").startswith("350")
        assert client.ask("SITE CPTO copy") == "250 Copy successful"
    made = [path for path in (server.home / place).rglob("*") if path.name != ".ftpaccess"]
    assert len(made) == 6
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(uid, gid)}, made
    assert (server.home / place / "copy").read_bytes() == b"copied"


def test_what_is_given_away_is_out_of_reach(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        client.ask("CWD /both")
        assert client.transfer("STOR given", b"x")[0] == "226 Transfer complete"
        assert client.ask("SITE CHMOD 777 given").startswith("550")
        assert client.transfer("APPE given", b"y")[0].startswith("550")
    assert stat.S_IMODE((server.home / "both" / "given").stat().st_mode) == 0o644
