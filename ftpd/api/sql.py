"""The door's second wing, for modules that speak with databases; nobody else waits for it to be loaded."""

from ftpd.module.offers import RATIOS, Four, Ratios
from ftpd.sql import hashes, mysqlways, salts
from ftpd.sql.accountlines import account_lines
from ftpd.sql.accounts import (
    NO_GROUPS,
    NO_USERS,
    Directory,
    GroupQueries,
    Rules,
    SqlAccounts,
    UserQueries,
    group_queries,
    key_query,
    user_queries,
)
from ftpd.sql.backend import (
    BACKENDS,
    PASSWORD_CHECKS,
    QUERIES,
    Backend,
    Connection,
    Dialect,
    PasswordCheck,
    Queries,
    Row,
    SqlError,
    SqlLost,
    Statement,
    Target,
    Value,
    as_text,
)
from ftpd.sql.databaselines import database_lines
from ftpd.sql.lines import Record
from ftpd.sql.names import Names
from ftpd.sql.passwordlines import PasswordLines
from ftpd.sql.passwords import CHECKS, Check, SwitchedCheck, backend_check, checks_of
from ftpd.sql.pool import Limits, Pool
from ftpd.sql.queries import NamedQueries, QueryBook, Ready, Store
from ftpd.sql.ratios import Ledger, SqlRatios, four_columns
from ftpd.sql.records import ByVerb, Journal, Shown, counting, in_vain, recorded, shown
from ftpd.sql.serverlines import server_lines
from ftpd.sql.servers import Servers
from ftpd.sql.service import Service, reach
from ftpd.sql.spool import Spool
from ftpd.sql.text import Asking, Query, compiled, text_of, variable

__all__ = [
    "BACKENDS",
    "CHECKS",
    "NO_GROUPS",
    "NO_USERS",
    "PASSWORD_CHECKS",
    "QUERIES",
    "RATIOS",
    "Asking",
    "Backend",
    "ByVerb",
    "Check",
    "Connection",
    "Dialect",
    "Directory",
    "Four",
    "GroupQueries",
    "Journal",
    "Ledger",
    "Limits",
    "NamedQueries",
    "Names",
    "PasswordCheck",
    "PasswordLines",
    "Pool",
    "Queries",
    "Query",
    "QueryBook",
    "Ratios",
    "Ready",
    "Record",
    "Row",
    "Rules",
    "Servers",
    "Service",
    "Shown",
    "Spool",
    "SqlAccounts",
    "SqlError",
    "SqlLost",
    "SqlRatios",
    "Statement",
    "Store",
    "SwitchedCheck",
    "Target",
    "UserQueries",
    "Value",
    "account_lines",
    "as_text",
    "backend_check",
    "checks_of",
    "compiled",
    "counting",
    "database_lines",
    "four_columns",
    "group_queries",
    "hashes",
    "in_vain",
    "key_query",
    "mysqlways",
    "reach",
    "recorded",
    "salts",
    "server_lines",
    "shown",
    "text_of",
    "user_queries",
    "variable",
]
