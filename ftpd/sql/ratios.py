"""What a user owes and has earned: columns of the user table, for a module that makes downloads depend on uploads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ftpd.conf.directive import ConfigError
from ftpd.core.record import dataclass
from ftpd.module.offers import Four
from ftpd.module.session import Session
from ftpd.sql.backend import SqlError
from ftpd.sql.lines import Columns
from ftpd.sql.queries import QueryBook, Ready
from ftpd.sql.text import Asking

_WHOLE = re.compile(r"-?[0-9]{1,18}(?:\.0+)?", re.ASCII)


@dataclass(frozen=True, eq=False)
class Ledger:
    """The queries of one server; None where the configuration names no columns."""

    book: QueryBook
    rates: Ready | None
    stats: Ready | None


def four_columns(book: QueryBook, info: Columns, columns: Sequence[str], condition: str) -> Ready | None:
    """The query for four columns of the user's row, without columns None."""
    if not columns:
        return None
    if info.queries:
        raise ConfigError("with custom queries there is no table to look into", right="a table in SQLUserInfo")
    return book.compiled(
        f"SELECT {', '.join(columns)} FROM {info.table} WHERE ({info.columns[0]} = '%u'){condition} LIMIT 1"
    )


class SqlRatios:
    """Implements :class:`ftpd.api.Ratios`; ``ledger`` gives the one for a session, None where there is none."""

    def __init__(self, ledger: Callable[[Session], Ledger | None]) -> None:
        self._ledger = ledger

    async def rates(self, session: Session) -> Four | None:
        ledger = self._ledger(session)
        return None if ledger is None else await _numbers(ledger, ledger.rates, session)

    async def stats(self, session: Session) -> Four | None:
        ledger = self._ledger(session)
        return None if ledger is None else await _numbers(ledger, ledger.stats, session)


async def _numbers(ledger: Ledger, ready: Ready | None, session: Session) -> Four | None:
    rows = await ledger.book.rows(ready, Asking(session))
    if not rows:
        return None
    first, second, third, fourth = map(_number, rows[0])
    return first, second, third, fourth


def _number(text: str | None) -> int:
    """NULL counts as nothing."""
    if text is None:
        return 0
    if not _WHOLE.fullmatch(text):
        raise SqlError(f"a column of ratios holds {text!r}, which is no whole number")
    return int(text.partition(".")[0])
