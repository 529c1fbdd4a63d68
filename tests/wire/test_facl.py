"""Files that an ACL opens, or closes, for the user: what listings tell and hide, with mod_facl and without."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import acl_ground
import pytest

from tests.wire.daemon import HASH, Daemon
from tests.wire.hostile import Raw, as_root

pytestmark = as_root
UMA = 61001
OPENED = f"user::rwx,user:{UMA}:rwx,group::---,mask::rwx,other::---"
CLOSED = f"user::rwx,user:{UMA}:---,group::r-x,mask::r-x,other::r-x"
BY_ACL = {"opened": "adfrw", "opened.d": "flcdmpe", "plain": "adfr"}
BY_MODE = {"closed": "adfr", "closed.d": "flde", "plain": "adfr"}


def prepared(folder: Path, conf: str) -> Daemon:
    users = folder.with_name(folder.name + "-users")
    daemon = Daemon(folder, f"{conf}AuthUserFile {users}\n<Directory {folder}/home>\nHideNoAccess on\n</Directory>\n")
    users.write_text(f"uma:{HASH}:{UMA}:{UMA}::{daemon.home}:/bin/sh\n")
    users.chmod(0o600)
    daemon.user = "uma"
    os.chown(daemon.home, UMA, UMA)
    for name, acl in (("opened", OPENED), ("closed", CLOSED), ("plain", None)):
        for path in (daemon.home / name, daemon.home / f"{name}.d"):
            path.mkdir() if path.suffix else path.touch()
            path.chmod(0o644 if path.name == "plain" else 0o700)
            if acl is not None:
                acl_ground.give(path, acl)
    return daemon


@pytest.fixture(scope="module")
def with_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with prepared(tmp_path_factory.mktemp("daemon"), "LoadModule mod_facl.c\n") as daemon:
        yield daemon


@pytest.fixture(scope="module", params=["", "LoadModule mod_facl.c\nFACLEngine off\n"])
def without_it(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with prepared(tmp_path_factory.mktemp("daemon"), request.param) as daemon:
        yield daemon


def listed(server: Daemon, command: str) -> str:
    with Raw(server).login() as client, client.passive() as data:
        client.send(command)
        assert client.reply().startswith("150")
        with data.makefile("r") as came:
            text = came.read()
        assert client.reply().startswith("226")
        return text


def perms(text: str) -> dict[str, str]:
    facts = (line.partition("; ") for line in text.splitlines() if not line.endswith((" .", " ..")))
    return {name: dict(fact.split("=") for fact in told.split(";"))["perm"] for told, _, name in facts}


def test_what_an_acl_opens_is_listed_and_what_one_closes_is_not(with_it: Daemon) -> None:
    assert sorted(listed(with_it, "NLST").split()) == sorted(BY_ACL)
    assert sorted(line.split()[-1] for line in listed(with_it, "LIST").splitlines()) == sorted(BY_ACL)
    assert perms(listed(with_it, "MLSD")) == BY_ACL


def test_without_it_both_go_by_the_modes(without_it: Daemon) -> None:
    assert sorted(listed(without_it, "NLST").split()) == sorted(BY_MODE)
    assert perms(listed(without_it, "MLSD")) == BY_MODE


def test_access_is_as_the_kernel_judges_it_either_way(with_it: Daemon, without_it: Daemon) -> None:
    for server in (with_it, without_it):
        with Raw(server).login() as client:
            assert client.ask("CWD opened.d").startswith("250")
            assert client.ask("CWD ../closed.d").startswith("550")


def test_what_is_uploaded_and_made_has_the_permissions_that_its_folder_hands_on(with_it: Daemon) -> None:
    shared = with_it.home / "shared"
    shared.mkdir()
    os.chown(shared, UMA, UMA)
    with Raw(with_it).login() as client:
        assert client.ask("CWD shared").startswith("250")

        def made(name: str) -> int:
            with client.passive() as data:
                client.send(f"STOR {name}")
                assert client.reply().startswith("150")
                data.sendall(b"x")
            assert client.reply().startswith("226")
            return stat.S_IMODE((shared / name).stat().st_mode)

        # the last ones go the short way, where there is one
        assert [made(f"before{number}") for number in range(4)] == [0o644] * 4
        acl_ground.give(shared, "user::rwx,group::rwx,other::---", acl_ground.DEFAULT)
        assert [made(f"after{number}") for number in range(4)] == [0o660] * 4
        assert client.ask("MKD folder").startswith("257")
        assert stat.S_IMODE((shared / "folder").stat().st_mode) == 0o770
