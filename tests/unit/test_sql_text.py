"""SQL templates: every value is bound, whatever it is and wherever it stands, or the template is refused."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.conf.directive import ConfigError
from ftpd.sql import text as sqltext
from ftpd.sql.backend import SqlError
from libexec import mod_sql_mysql, mod_sql_postgres, mod_sql_sqlite

SQLITE = mod_sql_sqlite.SQLite.dialect
MYSQL = mod_sql_mysql.MySQL.dialect
POSTGRES = mod_sql_postgres.Postgres.dialect
EVIL = ["' OR '1'='1", "'x'", "\\", "\\' OR 1=1 -- ", "%u", "%", "?", "$1", ":a", "a;b", "\xbf'", "\n", "{0}", "--", ""]


def asking(*arguments: str) -> sqltext.Asking:
    return sqltext.Asking(None, None, arguments)


def asked(template: str, *arguments: str) -> object:
    query = sqltext.compiled(template, SQLITE)
    with sqlite3.connect(":memory:") as database:
        (row,) = database.execute(query.statement.text, query.values(asking(*arguments)))
    database.close()
    return row[0]


@pytest.mark.parametrize("value", EVIL)
def test_a_value_is_only_ever_a_value(value: str) -> None:
    assert asked("SELECT '%{0}'", value) == value
    assert asked("SELECT %{0}", value) == (value or None)
    assert asked("SELECT 'a%%%{0}''b'", value) == f"a%{value}'b"


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.text("ab'%\\\"-;?:$@[{", max_size=12)
)
def test_what_stands_around_it_in_quotes_is_kept(value: str, around: str) -> None:
    written = around.replace("%", "%%").replace("'", "''")
    assert asked(f"SELECT '{written}%{{0}}{written}', 1", value) == f"{around}{value}{around}"


@pytest.mark.parametrize("dialect", [SQLITE, MYSQL, POSTGRES])
@given(st.text("%u{0}'\"`\\-#/*;$[]? ax", max_size=30))
def test_any_template_is_bound_or_refused(dialect: object, template: str) -> None:
    try:
        query = sqltext.compiled(template, dialect)  # type: ignore[arg-type]
    except ConfigError as wrong:
        assert wrong.message
        return
    plain = query.statement.text.replace("%%", "")
    assert query.statement.text.count(dialect.mark) >= len(query.parameters)  # type: ignore[attr-defined]
    assert "%u" not in plain and "%{0}" not in plain


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("SELECT a FROM %u", "behind FROM would be a name"),
        ("SELECT a FROM t_%u", "only a part of a name"),
        ("SELECT a FROM t ORDER BY %u", "behind BY would be a name"),
        ("UPDATE t SET %u = 1", "behind SET would be a name"),
        ("SELECT %u%b", "only a part of a name"),
        ("SELECT a.%u FROM t", "only a part of a name"),
        ("SELECT x'%u'", "a variable in x'%u' cannot be bound"),
        ("SELECT 1 -- %u", "a variable in a comment"),
        ("SELECT 1 /* %u */", "a variable in a comment"),
        ("SELECT 'a", "never closed"),
        ("SELECT 1 /* a", "never closed"),
        ("SELECT 1; DROP TABLE t", "more than one statement"),
        ("SELECT %{nonsense}", "no variable %{nonsense}"),
        ("SELECT DATE '%u'", "a variable in DATE"),
    ],
)
@pytest.mark.parametrize("dialect", [SQLITE, MYSQL, POSTGRES])
def test_what_cannot_be_bound_is_refused_with_the_reason(dialect: object, template: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason.replace("{", "\\{")):
        sqltext.compiled(template, dialect)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dialect", "template"),
    [
        (SQLITE, "SELECT ?"), (SQLITE, "SELECT :a"), (SQLITE, 'SELECT "%u"'), (SQLITE, "SELECT [%u]"),
        (MYSQL, "SELECT ?"), (MYSQL, "SELECT 1 # %u"), (MYSQL, "SELECT `%u`"),
        (POSTGRES, "SELECT $1"), (POSTGRES, 'SELECT "%u"'),
        (POSTGRES, "SELECT $a$ %u $a$"), (POSTGRES, "SELECT E'%u'"), (POSTGRES, "SELECT INTERVAL '%u'"),
    ],
)  # fmt: skip
def test_every_database_has_quotes_of_its_own(dialect: object, template: str) -> None:
    with pytest.raises(ConfigError):
        sqltext.compiled(template, dialect)  # type: ignore[arg-type]


def bound(dialect: object, template: str, *arguments: str) -> tuple[str, list[object]]:
    query = sqltext.compiled(template, dialect)  # type: ignore[arg-type]
    return query.statement.text, list(query.values(asking(*arguments)))


def test_backslashes_are_read_as_the_database_reads_them() -> None:
    assert bound(MYSQL, r"SELECT 'it\'s %{0}\n', 'a\'%{0}'", "x") == ("SELECT ?, ?", ["it's x\n", "a'x"])
    assert bound(SQLITE, r"SELECT '\%{0}'", "x") == ("SELECT ?", ["\\x"])
    assert bound(POSTGRES, r"SELECT E'\'', '%{0}'", "x") == (r"SELECT E'\'', %s", ["x"])
    assert bound(MYSQL, r"SELECT 'a' '\\', %{0}", "x") == (r"SELECT 'a' '\\', ?", ["x"])


def test_double_quotes_are_text_in_mysql_only() -> None:
    assert bound(MYSQL, 'SELECT "a%{0}"', "x") == ("SELECT ?", ["ax"])
    assert bound(POSTGRES, "SELECT \"a b\", '%{0}'", "x") == ('SELECT "a b", %s', ["x"])


def test_percent_signs_survive() -> None:
    assert bound(POSTGRES, "SELECT 5 %% 2, 'a%%', '50%' WHERE a LIKE '%%,%{0},%%'", "x") == (
        "SELECT 5 %% 2, 'a%%', '50%%' WHERE a LIKE %s",
        ["%,x,%"],
    )


def test_names_are_never_numbers() -> None:
    """MySQL finds the name 'root' equal to the number 0."""
    assert bound(MYSQL, "SELECT 1 WHERE name = %{0}", "0") == ("SELECT 1 WHERE name = ?", ["0"])
    assert bound(MYSQL, "SELECT 1 LIMIT %{0}", "5") == ("SELECT 1 LIMIT ?", [5])


def test_an_argument_that_nobody_gave_is_an_error() -> None:
    query = sqltext.compiled("SELECT '%{3}'", SQLITE)
    with pytest.raises(SqlError, match="nobody gave a value"):
        query.values(asking("one"))


def test_a_variable_that_never_changes_is_a_value_too() -> None:
    text, values = bound(SQLITE, "SELECT '%{version}', 100 %% 7")
    assert text == "SELECT ?, 100 % 7" and str(values[0])


def test_nothing_moved_is_zero_for_what_counts_bytes() -> None:
    """A dash is no number: a column of numbers would refuse it, and NULL would wipe out a sum."""
    text, values = bound(MYSQL, "UPDATE u SET n = n + %b, s = '%b', t = '%T', x = %T")
    assert text == "UPDATE u SET n = n + ?, s = ?, t = ?, x = ?" and values == [0, "0", "0.0", "0.0"]


def test_what_the_environment_holds_is_a_value_too() -> None:
    query = sqltext.compiled("SELECT '%{env:EVIL}', %{env:EVIL}, %{env:NOPE}", SQLITE, {"EVIL": "x' --"})
    assert query.statement.text == "SELECT ?, ?, ?"
    assert query.values(asking()) == ["x' --", "x' --", None]
    with pytest.raises(ConfigError, match="cannot be bound"):
        sqltext.compiled("SELECT 1 FROM %{env:TABLE}", SQLITE, {"TABLE": "users"})


def test_what_is_no_command_has_a_name() -> None:
    query = sqltext.compiled("SELECT '%m', '%r'", SQLITE)
    assert query.values(sqltext.Asking(None, None, verb="EXIT")) == ["EXIT", "EXIT"]
