"""mod_facl and files with ACLs: listings go by them where it is on, and a copy takes them along in any case."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import acl_ground
import pytest
from xfer_ground import run

from ftpd.conf.faults import ConfigFaults
from ftpd.core import facl
from ftpd.testing import Bench

SHARED = "user::rw-,user:61003:rw-,group::---,mask::rw-,other::---"


@pytest.mark.parametrize("line", ["FACLEngine on", "FACLEngine off", "FACLEngine off\nFACLEngine on"])
def test_its_line_belongs_to_the_main_server(line: str) -> None:
    async def tale(ftp: Bench) -> bool:
        assert ftp.generation is not None
        return bool(ftp.generation.config.warnings)

    assert not run(tale, conf=f"LoadModule mod_facl.c\n{line}\n")
    with pytest.raises(ConfigFaults, match="FACLEngine"):
        run(tale, conf=f"LoadModule mod_facl.c\n<Global>\n{line}\n</Global>\n")


def test_a_copy_is_open_to_those_whom_the_acl_of_its_original_names_and_to_nobody_else() -> None:
    async def tale(ftp: Bench) -> tuple[str, bytes | None, bytes | None]:
        acl_ground.give(f"{ftp.root}/a", SHARED)
        assert (await ftp("SITE CPFR a")).startswith("350")
        return await ftp("SITE CPTO b"), acl_ground.of(f"{ftp.root}/a"), acl_ground.of(f"{ftp.root}/b")

    said, original, copy = run(tale, conf="LoadModule mod_copy.c\n", files={"a": b"x"})
    assert said == "250 Copy successful"
    assert copy == original is not None


def test_a_copy_of_a_file_without_one_has_none_where_the_folder_gives_one() -> None:
    async def tale(ftp: Bench) -> tuple[bytes | None, int]:
        acl_ground.give(f"{ftp.root}/a", SHARED)
        os.setxattr(f"{ftp.root}/in", "system.posix_acl_default", os.getxattr(f"{ftp.root}/a", acl_ground.NAME))
        os.chmod(f"{ftp.root}/plain", 0o640)
        await ftp("SITE CPFR plain")
        assert await ftp("SITE CPTO in/b") == "250 Copy successful"
        return acl_ground.of(f"{ftp.root}/in/b"), stat.S_IMODE(os.stat(f"{ftp.root}/in/b").st_mode)

    files = {"a": b"x", "plain": b"y", "in/": b""}
    assert run(tale, conf="LoadModule mod_copy.c\n", files=files) == (None, 0o640)


def test_where_there_are_no_acls_the_group_gets_no_more_than_its_own_entry(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    acl_ground.give(file, SHARED)
    with file.open("rb") as opened:
        found = facl.of(opened.fileno())
    mode = file.stat().st_mode
    assert stat.S_IMODE(mode) == 0o660, "the mask stands where the group does"
    assert facl.without(mode, found) == 0o600
    acl_ground.give(file, "user::rw-,user:61003:rw-,group::rw-,mask::r--,other::---")
    with file.open("rb") as opened:
        assert facl.without(file.stat().st_mode, facl.of(opened.fileno())) == 0o640
    assert facl.without(0o100664, None) == 0o664
