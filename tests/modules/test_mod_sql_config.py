"""What is wrong with lines of mod_sql ends the start with the reason, and what is doubtful is told of with its line."""

from __future__ import annotations

import pytest
from sql_ground import CONF, Database, play

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SQLNamedQuery q SELECT \"a FROM %u\"", "behind FROM would be a name"),
        ("SQLNamedQuery q UPDATE \"a = 1\"", "needs a table"),
        ("SQLNamedQuery q UPDATE \"a = 1\" t_%u", "cannot hold a variable"),
        ("SQLNamedQuery q MERGE x", "no type of query"),
        ("SQLNamedQuery q SELECT 1 elsewhere", "wants the connection 'elsewhere'"),
        ("SQLNamedConnectInfo logs oracle db", "no backend 'oracle' is loaded"),
        ("SQLUserInfo users userid", "1 words name no table|2 words name no table"),
        ("SQLUserInfo custom:/missing", "no query 'missing' that selects"),
        ("SQLAuthTypes Rot13", "'Rot13' is unknown here"),
        ("SQLUserWhereClause \"a = 'b\"", "never closed"),
        ("SQLShowInfo PASS 99 x", "no code of a reply"),
        ("SQLLog , q", "no command is named"),
        ("SQLKeepAlive 30 \"SELECT '%u'\"", "has no variables"),
        ("SQLKeepAlive 30 \"SELECT 1; SELECT 2\"", r"conf:\d+: SQLKeepAlive: this is more than one statement"),
        ("SQLConnectInfo {db} a b c d", "5 words do not say"),
        ("SQLConnectInfo {db} ssl-cert:/", "needs its key"),
        ("SQLConnectInfo relative.db", "absolute pathname"),
    ],
)  # fmt: skip
def test_what_is_wrong_ends_the_start_with_the_reason(db: Database, line: str, reason: str) -> None:
    directive = line.split()[0]
    base = "\n".join(old for old in CONF.splitlines() if directive != old.partition(" ")[0] or directive == "SQLAuth")

    async def story() -> None:
        if directive != "SQLConnectInfo" and "SQLConnectInfo" not in base:
            raise AssertionError("the database is missing")
        with pytest.raises(ConfigFaults, match=reason) as found:
            async with db.bench(f"\n{line}", base=base):
                pass
        assert directive in str(found.value)

    play(story)


@pytest.mark.parametrize(("port", "doubted"), [("port", True), ("3307", False), ("", False)])
def test_a_port_that_is_no_number_is_doubted_and_the_databases_own_is_used(port: str, doubted: bool) -> None:
    """As in the sample file mod_sql.conf of ProFTPD, which passes there."""
    conf = f"LoadModule mod_sql.c\nLoadModule mod_sql_mysql.c\nSQLConnectInfo ftp@127.0.0.1:{port} proftpd x\n"

    async def story() -> None:
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            told = [warning.summary() for warning in ftp.generation.config.warnings]
        assert [text.endswith("SQLConnectInfo: 'port' is no port: the database's own is used") for text in told] == (
            [True] if doubted else []
        )

    play(story)


@pytest.mark.parametrize("info", ["ftp@127.0.0.1:0", "ftp@127.0.0.1:65536", "ftp@127.0.0.1:123456", "@127.0.0.1"])
def test_what_is_no_place_of_a_database_is_refused(info: str) -> None:
    conf = f"LoadModule mod_sql.c\nLoadModule mod_sql_mysql.c\nSQLConnectInfo {info} proftpd x\n"

    async def story() -> None:
        with pytest.raises(ConfigFaults, match="does not say where the database is"):
            async with Bench(conf=conf, login=None):
                pass

    play(story)


def test_all_that_is_wrong_with_queries_is_told_at_once(db: Database) -> None:
    lines = [
        'SQLNamedQuery a SELECT "x FROM %u"',
        'SQLNamedQuery b FREEFORM "SELECT 1; SELECT 2"',
        "SQLNamedConnectInfo other sqlite3 {db}",
        "SQLNamedQuery c SELECT 1 elsewhere",
        'SQLUserWhereClause "a = \'b"',
        "SQLGroupInfo custom:/missing/missing/missing",
    ]

    async def story() -> None:
        with pytest.raises(ConfigFaults) as found:
            async with db.bench("\n".join(lines)):
                pass
        assert [fault.name for fault in found.value.faults] == [
            "SQLNamedQuery", "SQLNamedQuery", "SQLNamedQuery", "SQLUserWhereClause", "SQLGroupInfo",
        ]  # fmt: skip
        assert len({fault.line for fault in found.value.faults}) == 5

    play(story)


def test_a_record_whose_query_records_nothing_is_told_of_with_its_line(db: Database) -> None:
    lines = [
        "SQLNamedQuery note INSERT \"'%u', 'STOR', 0\" log",
        'SQLNamedQuery look SELECT "who FROM log"',
        "SQLLog STOR note",
        "SQLLog STOR look",
        "SQLLog STOR missing",
    ]

    async def story() -> None:
        async with db.bench("\n".join(lines)) as ftp:
            told = {fault.source.strip(): fault.message for fault in ftp.generation.config.warnings}
        assert told == {
            "SQLLog STOR look": "the query 'look' is a SELECT: nothing is recorded",
            "SQLLog STOR missing": "the query 'missing' is not defined: nothing is recorded",
        }

    play(story)


def test_a_query_that_is_defined_twice_is_told_of_and_a_server_s_own_is_not(db: Database) -> None:
    lines = [
        'SQLNamedQuery once SELECT "1 FROM log"',
        'SQLNamedQuery again SELECT "1 FROM log"',
        'SQLNamedQuery again SELECT "2 FROM log"',
        "<Global>",
        'SQLNamedQuery common SELECT "3 FROM log"',
        "</Global>",
        "<VirtualHost 127.0.0.9>",
        f"SQLConnectInfo {db.path}",
        'SQLNamedQuery common SELECT "4 FROM log"',
        'SQLNamedQuery once SELECT "5 FROM log"',
        "</VirtualHost>",
    ]

    async def story() -> None:
        async with db.bench("\n".join(lines)) as ftp:
            told = {fault.source.strip(): fault.message for fault in ftp.generation.config.warnings}
        assert list(told) == ['SQLNamedQuery again SELECT "2 FROM log"']
        assert "a query 'again' is defined at " in told['SQLNamedQuery again SELECT "2 FROM log"']

    play(story)
