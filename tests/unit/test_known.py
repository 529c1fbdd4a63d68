"""A line of a module that is not loaded: the remedy that the fault names leads to where the file is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from xfer_ground import run

from ftpd.conf.faults import ConfigFaults
from ftpd.conf.known import OURS
from ftpd.testing import Bench

LINES = "<Global>\nSQLAuthTypes Backend Crypt\nSQLConnectInfo users@127.0.0.1 ftpd secret\n</Global>\n"


def test_modules_that_a_build_may_be_without_are_those_of_libexec() -> None:
    assert {path.stem for path in Path(__file__).parents[2].glob("libexec/mod_*.py")} == OURS


def test_lines_of_mod_sql_ask_for_its_database_as_well() -> None:
    async def tale(ftp: Bench) -> None:
        pass

    def right(conf: str) -> set[str | None]:
        with pytest.raises(ConfigFaults) as told:
            run(tale, conf=conf)
        return {fault.right for fault in told.value.faults}

    backends = "mod_sql_mysql.c, mod_sql_postgres.c or mod_sql_sqlite.c"
    assert right(LINES) == {
        f"a line 'LoadModule mod_sql.c' above this one, and behind it that of the database: {backends}"
    }
    assert right(f"LoadModule mod_sql.c\n{LINES}") == {f"LoadModule {backends}"}
    # nobody is to be asked about the bench's user
    run(tale, conf=f"LoadModule mod_sql.c\nLoadModule mod_sql_mysql.c\nSQLEngine off\n{LINES}")
