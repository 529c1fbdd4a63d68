"""The door's second wing, for modules that speak with databases; nobody else waits for it to be loaded."""

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
    marks,
)
from ftpd.sql.pool import Limits, Pool
from ftpd.sql.spool import Spool
from ftpd.sql.text import Asking, Query, compiled, text_of, variable

__all__ = [
    "BACKENDS",
    "PASSWORD_CHECKS",
    "QUERIES",
    "Asking",
    "Backend",
    "Connection",
    "Dialect",
    "Limits",
    "PasswordCheck",
    "Pool",
    "Queries",
    "Query",
    "Row",
    "Spool",
    "SqlError",
    "SqlLost",
    "Statement",
    "Target",
    "Value",
    "compiled",
    "marks",
    "text_of",
    "variable",
]
