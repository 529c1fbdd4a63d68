"""Groups of mod_sql: which of them a user is in, and what names of the database listings show."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from time import monotonic

import pytest
from sql_ground import CONF, Database, entered, play


def test_groups_are_those_that_list_the_user(db: Database) -> None:
    for row in [("staff", 2002, ""), ("ftp", 3001, "ann,tom"), ("web", 3002, "naomi, tom ,bob"), ("no", 3003, "tommy"),
                ("also", 3004, "xtom"), ("alone", 3005, "tom")]:  # fmt: skip
        db.do("INSERT INTO groups VALUES (?, ?, ?)", *row)

    async def story() -> None:
        async with db.bench() as ftp:
            await entered(ftp)
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"), (3002, "web"), (3005, "alone"))
        async with db.bench("SQLOptions UseNormalizedGroupSchema\nSQLGroupWhereClause gid<>3005") as ftp:
            await entered(ftp)
            assert ftp.session.groups == ((2002, "staff"),)
        async with db.bench("SQLAuthenticate users") as ftp:
            await entered(ftp)
            assert ftp.session.groups == ((2002, "2002"),)

    play(story)


def test_groups_of_users_who_are_elsewhere(db: Database, tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(f"tom:$1$abc$BXBqpb9BZcZhXLgbee.0s/:2001:2002::{db.home}:/bin/sh\n")
    passwd.chmod(0o600)
    db.do("INSERT INTO groups VALUES ('staff', 2002, 'ann'), ('ftp', 3001, 'ann,tom')")
    base = CONF.replace("mod_sql.c", "mod_sql.c mod_auth_file.c") + f"AuthUserFile {passwd}\n"

    async def story() -> None:
        async with db.bench("SQLAuthenticate groups", base=base) as ftp:
            assert await entered(ftp, password="password") == "230 User tom logged in"
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"))

    play(story)


def test_ids_may_be_computed(db: Database) -> None:
    # a column of a view has no type in SQLite: a number in it is no text
    db.do("ALTER TABLE groups RENAME TO kept")
    db.do("CREATE VIEW groups AS SELECT groupname, gid + 2000 AS gid, members FROM kept")
    db.do("INSERT INTO kept VALUES ('staff', 2, ''), ('ftp', 1001, 'tom')")
    db.do("CREATE VIEW people AS SELECT userid, passwd, uid + 1000 AS uid, gid, homedir, shell FROM users")
    db.user("ann", "pw", uid=2500)

    async def story() -> None:
        async with db.bench("SQLUserInfo people userid passwd uid gid homedir shell") as ftp:
            assert await entered(ftp) == "230 User tom logged in"
            assert ftp.session.groups == ((2002, "staff"), (3001, "ftp"))
            names = ftp.session.modules.accounts
            names.uid_name(ftp.session, 3500)
            end = monotonic() + 5
            while names.uid_name(ftp.session, 3500) == "3500" and monotonic() < end:
                await asyncio.sleep(0.01)
            assert names.uid_name(ftp.session, 3500) == "ann"

    play(story)


def test_a_name_with_wildcards_is_in_no_group_but_its_own(db: Database) -> None:
    db.user("t%", "pw")
    db.do("INSERT INTO groups VALUES ('a', 3001, 'tom'), ('b', 3002, 'x,t%'), ('c', 3003, 't%x')")

    async def story() -> None:
        async with db.bench() as ftp:
            assert await entered(ftp, "t%", "pw") == "230 User t% logged in"
            assert ftp.session.groups == ((2002, "2002"), (3002, "b"))

    play(story)


def test_listings_show_names_of_the_database(db: Database) -> None:
    db.do("INSERT INTO groups VALUES ('staff', 2002, '')")

    async def story() -> None:
        async with db.bench() as ftp:
            await entered(ftp)
            accounts, session = ftp.session.modules.accounts, ftp.session
            assert accounts.uid_name(session, 2001) == "tom"
            assert accounts.gid_name(session, 2002) == "staff"
            assert accounts.name_gid(session, "staff") == 2002

    play(story)


@pytest.mark.parametrize("line", ["LIST", "MLSD"])
def test_a_name_that_was_asked_for_stands_in_a_later_listing_of_the_same_session(db: Database, line: str) -> None:
    (db.home / "file").write_text("x")
    there = (db.home / "file").stat()
    db.user("ann", "secret", there.st_uid, there.st_gid)
    db.do("INSERT INTO groups VALUES ('staff', ?, '')", there.st_gid)

    async def story() -> None:
        async with db.bench(f"DefaultRoot {db.home}") as ftp:
            await entered(ftp)
            end = monotonic() + 10
            while not {b"ann", b"staff"} <= set(re.split(rb"[ ;=]", text := await ftp.download(line))):
                assert monotonic() < end, text
                await asyncio.sleep(0.02)

    play(story)
