"""A line of a module that is not loaded: the remedy that the fault names leads to where the file is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from xfer_ground import run

from ftpd.conf.faults import ConfigFaults
from ftpd.conf.known import OURS, absent, unknown
from ftpd.dispatch.assemble import Assembly
from ftpd.testing import Bench

LINES = "<Global>\nSQLAuthTypes Backend Crypt\nSQLConnectInfo users@127.0.0.1 ftpd secret\n</Global>\n"


def test_modules_that_a_build_may_be_without_are_those_of_libexec() -> None:
    assert {path.stem for path in Path(__file__).parents[2].glob("libexec/mod_*.py")} == OURS


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("MaxInstances\N{NO-BREAK SPACE}30", "a plain space for its character 13, which is U+00A0, no-break space"),
        ("Us\N{EURO SIGN}r", "an ASCII letter for its character 3, which is U+20AC, euro sign"),
        ("MaxInstances\udca030", "an ASCII letter for its character 13, which is the byte 0xa0"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_by_eye_is_named(name: str, right: str) -> None:
    assert unknown(name, (), Assembly([], "")).right == right


@pytest.mark.parametrize("name", ["mod_copy", "mod_sql"])
def test_a_module_that_was_left_out_of_the_build_can_be_installed(name: str) -> None:
    assert absent(name, ["mod_own"]) == (
        f"prxs -i {name}.py, or ./configure --enable-dso --with-shared={name}, installs it"
    )


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
