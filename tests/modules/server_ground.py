"""A bench over a real server of a database, and what is recorded and shown by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sql_servers import Server

from ftpd.api import Module
from ftpd.testing import Bench
from libexec import mod_sql, mod_sql_mysql, mod_sql_passwd, mod_sql_postgres

MODULES = (mod_sql.module, mod_sql_mysql.module, mod_sql_postgres.module, mod_sql_passwd.module)
FILES = [Path(__file__).parents[2] / "libexec" / f"mod_sql{name}.py" for name in ("", "_mysql", "_postgres")]
LOG = """
SQLLog PASS,ERR_PASS,STOR,ERR_RETR,MKD,ERR_MKD,NOOP record
SQLNamedQuery record INSERT "'%U', '%m %J', %b" log
"""
RAW = ["it's", "'x'", "a\\", "\\'; DROP TABLE log; --", "%s %u %%", "?", "$1", "ünï\u4e2d😀", '"q"', "a\tb", "{0}", "`"]
CIPHER = 'SQLNamedQuery cipher SELECT "%s"\nSQLShowInfo NOOP 200 "cipher %%{cipher}"'


def bench(server: Server, conf: str = "", modules: Sequence[Module] = ()) -> Bench:
    lines = f"""
SQLBackend {server.backend}
SQLConnectInfo {server.connect}
SQLAuthTypes Plaintext
SQLMinID 0
DelayEngine off
AuthOrder mod_sql.c
RequireValidShell off
{conf}"""
    return Bench(*MODULES, *modules, conf=lines, users={}, login=None)
