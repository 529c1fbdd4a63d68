"""What is recorded in a database and shown from it: at which command or event which query runs, and for whom."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ftpd.conf.directive import ConfigError, ConfigWarning
from ftpd.conf.tree import Where
from ftpd.core.log import Level
from ftpd.core.record import dataclass
from ftpd.module.command import Command
from ftpd.module.errands import Errands
from ftpd.module.session import Session
from ftpd.sql.backend import SqlError, Value
from ftpd.sql.lines import Columns, Record, Show
from ftpd.sql.queries import QueryBook, Ready
from ftpd.sql.text import Asking, text_of, variable

T = TypeVar("T")


class ByVerb(Generic[T]):
    """What is meant by each word of ``STOR,RETR``, ``ERR_STOR``, ``*`` and ``ERR_*``."""

    def __init__(self, rules: Sequence[tuple[frozenset[str], T]]) -> None:
        self._tables: tuple[dict[str, tuple[T, ...]], ...] = ({}, {})
        for failed, table in enumerate(self._tables):
            named = [
                ({verb.removeprefix("ERR_") for verb in verbs if verb.startswith("ERR_") == bool(failed)}, rule)
                for verbs, rule in rules
            ]
            for verb in {verb for verbs, _ in named for verb in verbs}:
                # EXIT is no command
                every = "*" if verb != "EXIT" else verb
                table[verb] = tuple(rule for verbs, rule in named if verb in verbs or every in verbs)

    def at(self, name: str, *, failed: bool) -> tuple[T, ...]:
        """What is meant when the command succeeded, or failed; a SITE command is SITE as well."""
        table = self._tables[failed]
        found = table.get(name)
        if found is None and name.startswith("SITE "):
            found = table.get("SITE")
        return table.get("*", ()) if found is None else found

    def named(self, name: str) -> tuple[T, ...]:
        """What names the word itself: for what is no command."""
        return self._tables[False].get(name, ())


@dataclass(eq=False)
class Shown:
    """A SQLShowInfo line: its text cut where a query's answer goes in; None is a query that gives none."""

    code: int
    parts: tuple[Callable[[Asking], str] | Ready | None, ...]


Rows = tuple[Record, Ready]


def recorded(book: QueryBook, records: tuple[Record, ...]) -> ByVerb[Rows]:
    """The lines of SQLLog or SQLLogOnEvent with their queries, without those that can record nothing."""
    found: list[tuple[frozenset[str], Rows]] = []
    for record in records:
        ready = book.named(record.query)
        if ready is not None and book.changes(record.query):
            found.append((record.verbs, (record, ready)))
    return ByVerb(found)


def in_vain(
    book: QueryBook, directive: str, records: Sequence[Record], where: Sequence[Where]
) -> Iterator[ConfigWarning]:
    """Tells of each of the directive's lines whose query can record nothing; ``where`` is file and line of each."""
    for record, at in zip(records, where, strict=False):
        if not book.changes(record.query):
            why = "is a SELECT" if book.knows(record.query) else "is not defined"
            yield ConfigWarning(
                f"the query '{record.query}' {why}: nothing is recorded",
                right=f'SQLNamedQuery {record.query} INSERT "..." table',
                directive=directive,
                at=at,
            )


def shown(book: QueryBook, show: Show) -> Shown:
    """``%{name}`` is the answer of the named query of that name, all else what LogFormat makes of it."""
    parts: list[Callable[[Asking], str] | Ready | None] = []
    at = 0
    for found in re.finditer(r"%%|%\{([^{}]+)\}", show.text):
        name = found[1]
        if name is None or (not book.knows(name) and variable(name, None) is not None):
            continue
        parts.append(text_of(show.text[at : found.start()], book.environment))
        parts.append(book.named(name) if book.selects(name) else None)
        at = found.end()
    parts.append(text_of(show.text[at:], book.environment))
    return Shown(show.code, tuple(parts))


def counting(book: QueryBook, info: Columns, columns: Sequence[str], condition: str) -> Ready | None:
    """SQLRatioStats: files stored and sent, bytes stored and sent are added to four columns of the user's row."""
    if not columns:
        return None
    if info.queries:
        raise ConfigError("with custom queries there is no table to count in", right="a table in SQLUserInfo")
    # numbers of the module's own, so that they are bound as such
    added = ", ".join(
        f"{column} = {column} + CAST('%{{{index}}}' AS DECIMAL(20, 0))" for index, column in enumerate(columns)
    )
    return book.compiled(f"UPDATE {info.table} SET {added} WHERE ({info.columns[0]} = '%u'){condition}")


_COUNTING = Record(frozenset(), "SQLRatioStats")
_TRANSFERS = frozenset({"STOR", "APPE", "STOU", "RETR"})


@dataclass(eq=False)
class Journal:
    """What one server records, and what it shows."""

    book: QueryBook
    errands: Errands
    logs: ByVerb[Rows]
    events: ByVerb[Rows]
    shows: ByVerb[Shown]
    stats: Ready | None
    forgiving: bool = False
    """Whether a session goes on when something could not be recorded."""

    def record(self, cmd: Command, *, failed: bool) -> Awaitable[None] | None:
        """What is to be recorded of the command; None when that is nothing."""
        records = self.logs.at(cmd.name, failed=failed)
        if self.stats is not None and not failed and cmd.name in _TRANSFERS and cmd.transfer is not None:
            records = (*records, (_COUNTING, self.stats))
        return self._record(cmd, self._begin(cmd.session, cmd, records)) if records else None

    async def _record(self, cmd: Command, work: asyncio.Task[bool]) -> None:
        """Wait for it, and end the session from here where it has to end: its own command is answered first."""
        if not await asyncio.shield(work):
            cmd.session.end("SQL error")

    def leave(self, session: Session) -> None:
        """EXIT, which is no command: a client that just went away is recorded, too."""
        if records := self.logs.named("EXIT"):
            self._begin(session, None, records, verb="EXIT")

    def happened(self, name: str, session: Session, cmd: Command | None) -> None:
        if records := self.events.named(name):
            work = self._begin(session, cmd, records, verb="" if cmd is not None else "EVENT")
            if cmd is not None:
                work.add_done_callback(lambda done: _end_unless(done, session))

    def _begin(
        self, session: Session, cmd: Command | None, records: Sequence[Rows], verb: str = ""
    ) -> asyncio.Task[bool]:
        """Begin to record; whether the session may go on comes out of it.

        The values are those of this moment, for the session may be gone when they are written.
        """
        filled: list[tuple[Record, Ready, list[Value] | SqlError]] = []
        for record, ready in records:
            try:
                asking = Asking(session, cmd, _moved(cmd) if record is _COUNTING else (), verb=verb)
                filled.append((record, ready, ready.values(asking)))
            except SqlError as error:
                filled.append((record, ready, error))
        return self.errands.launch(self._write(session, filled))

    async def _write(
        self, session: Session, records: Sequence[tuple[Record, Ready, list[Value] | SqlError]]
    ) -> bool:  # fmt: skip
        """False when one was refused that may not be missing."""
        whole = True
        for record, ready, values in records:
            try:
                if isinstance(values, SqlError):
                    raise values
                await self.book.write(ready, values)
            except SqlError as error:
                if record.ignores_errors:
                    continue
                session.log(Level.ERROR, "mod_sql: the query '%s' failed: %s", record.query, error)
                whole = self.forgiving and whole
        return whole

    def show(self, cmd: Command, *, failed: bool) -> Awaitable[None] | None:
        """What the client is told behind the reply; None when that is nothing."""
        shows = self.shows.at(cmd.name, failed=failed)
        return self._show(cmd, shows, failed=failed) if shows else None

    async def _show(self, cmd: Command, shows: Sequence[Shown], *, failed: bool) -> None:
        asking = Asking(cmd.session, cmd)
        for show in shows:
            out = []
            for part in show.parts:
                text: Any = None
                if isinstance(part, Ready):
                    text = await self._answer(part, asking, cmd.session)
                elif part is not None:
                    text = part(asking)
                out.append("{null}" if text is None else text)
            (cmd.errors if failed else cmd.replies).add(show.code, ["".join(out)])

    async def _answer(self, ready: Ready, asking: Asking, session: Session) -> str | None:
        try:
            rows = await self.book.rows(ready, asking)
        except SqlError as error:
            session.log(Level.ERROR, "mod_sql: SQLShowInfo: %s", error)
            return None
        return rows[0][0] if rows and rows[0] else None


def _end_unless(done: asyncio.Task[bool], session: Session) -> None:
    if not done.cancelled() and done.exception() is None and not done.result():
        session.end("SQL error")


def _moved(cmd: Command | None) -> tuple[str, ...]:
    """What :func:`counting` adds: files stored and sent, bytes stored and sent."""
    assert cmd is not None and cmd.transfer is not None
    stored = cmd.name != "RETR"
    moved = str(cmd.transfer.moved)
    return ("1", "0", moved, "0") if stored else ("0", "1", "0", moved)
