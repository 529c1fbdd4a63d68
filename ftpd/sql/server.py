"""What the lines of one server come to: its queries, its accounts and their ratios, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ftpd.conf.directive import ConfigError, Directive
from ftpd.conf.tree import Config, Scope
from ftpd.core.log import Level, log
from ftpd.module.errands import Errands
from ftpd.sql.accounts import NO_GROUPS, NO_USERS, Directory, Rules, group_queries, key_query, user_queries
from ftpd.sql.backend import PasswordCheck
from ftpd.sql.lines import Columns, Record, line_of
from ftpd.sql.names import Names
from ftpd.sql.passwords import CHECKS, backend_check, checks_of
from ftpd.sql.queries import QueryBook, Ready, Store
from ftpd.sql.ratios import Ledger, four_columns
from ftpd.sql.records import ByVerb, Journal, Shown, counting, in_vain, recorded, shown
from ftpd.sql.serverlines import ServerLines

T = TypeVar("T")


class Server:
    """All that the lines of one server come to."""

    def __init__(
        self, lines: ServerLines, scope: Scope, stores: dict[str, Store], config: Config, errands: Errands, *,
        tell: Callable[[str], None] | None = None, checks: Iterable[PasswordCheck] = (),
    ) -> None:  # fmt: skip
        self._lines = lines
        self._scope = scope
        self._errands = errands
        self._offered_checks = checks
        self.stores = stores
        self.faults: list[ConfigError] = []
        """What is wrong with the lines, and what is worth telling; with faults nobody of the database comes in."""
        settings = scope.settings
        self.book = QueryBook(
            stores,
            settings[lines.named_queries],
            label=f"<VirtualHost {' '.join(scope.args)}>" if scope.args else "the main server",
            elsewhere={query.name for server in config.servers for query in server.settings[lines.named_queries]},
            environment=config.environment,
            tell=tell,
        )
        self.faults += self.book.faults
        self._options: frozenset[str] = frozenset().union(*settings[lines.options])
        self._of_users = self._condition(settings[lines.accounts.user_info], lines.accounts.user_where)
        self.directory = self._directory()
        self.ledger = self._ledger()
        self.journal = self._journal()

    def _tried(self, directive: Any, otherwise: T, make: Callable[[], T]) -> T:
        """What it makes; what is found wrong meanwhile is the fault of this directive's line."""
        try:
            with line_of(self._scope, directive):
                return make()
        except ConfigError as wrong:
            self.faults.append(wrong)
            return otherwise

    def _condition(self, info: Columns, directive: Directive[str | None]) -> str:
        text = self._scope.settings[directive]
        return "" if info.queries else self._tried(directive, "", lambda: self.book.condition(text))

    def _directory(self) -> Directory:
        lines, settings, book = self._lines.accounts, self._scope.settings, self.book
        user_columns, group_columns = settings[lines.user_info], settings[lines.group_info]
        of_users, of_groups = self._of_users, self._condition(group_columns, lines.group_where)
        normalized = "UseNormalizedGroupSchema" in self._options
        # SQLMinID is both; beside it the two others are not heard
        lowest = settings[lines.min_id]
        rules = Rules(
            uid=settings[lines.default_uid],
            gid=settings[lines.default_gid],
            least_uid=settings[lines.min_uid] if lowest is None else lowest,
            least_gid=settings[lines.min_gid] if lowest is None else lowest,
            home=settings[lines.default_home],
        )
        return Directory(
            book,
            settings[lines.authenticate],
            self._tried(lines.user_info, NO_USERS, lambda: user_queries(book, user_columns, of_users)),
            self._key(lines.user_key, user_columns, of_users),
            self._tried(
                lines.group_info,
                NO_GROUPS,
                lambda: group_queries(book, group_columns, of_groups, normalized=normalized),
            ),
            self._key(lines.group_key, group_columns, of_groups),
            self._tried(lines.auth_types, [], self._checks),
            rules,
            Names(remember_nameless=settings[lines.negative_cache]),
            forgiving="NoDisconnectOnError" in self._options,
        )

    def _key(self, directive: Directive[str | None], columns: Columns, condition: str) -> Ready | None:
        chosen = self._scope.settings[directive]
        return self._tried(directive, None, lambda: key_query(self.book, directive.name, chosen, columns, condition))

    def _ledger(self) -> Ledger:
        lines, settings, book = self._lines, self._scope.settings, self.book
        info = settings[lines.accounts.user_info]
        if settings[lines.ratios] and not settings[lines.ratio_stats]:
            log(Level.WARN, "mod_sql: SQLRatios needs SQLRatioStats, for nobody would know what was stored and fetched")

        def of(directive: Directive[tuple[str, ...]]) -> Ready | None:
            columns = settings[directive]
            return self._tried(directive, None, lambda: four_columns(book, info, columns, self._of_users))

        return Ledger(book, of(lines.ratios), of(lines.ratio_stats))

    def _checks(self) -> list[PasswordCheck]:
        lines, settings = self._lines, self._scope.settings
        accounts = lines.accounts
        known = (*CHECKS, *self._offered_checks, backend_check(self.stores["default"].pool.backend))
        if (
            settings[accounts.authenticate]
            and not settings[accounts.auth_types]
            and settings[lines.engine] in ("on", "auth")
        ):
            log(Level.WARN, "mod_sql: no SQLAuthTypes, so no password in the database is good for anything")
        return checks_of(settings[accounts.auth_types], known)

    def _journal(self) -> Journal:
        lines, settings, book = self._lines, self._scope.settings, self.book
        shows: list[tuple[frozenset[str], Shown]] = self._tried(
            lines.show_rules, [], lambda: [(show.verbs, shown(book, show)) for show in settings[lines.show_rules]]
        )
        columns, info = settings[lines.ratio_stats], settings[lines.accounts.user_info]
        return Journal(
            book,
            self._errands,
            logs=recorded(book, (*self._records(lines.log_rules), *self._records(lines.failure_rules))),
            events=recorded(book, self._records(lines.event_rules)),
            shows=ByVerb(shows),
            stats=self._tried(lines.ratio_stats, None, lambda: counting(book, info, columns, self._of_users)),
            forgiving="NoDisconnectOnError" in self._options,
        )

    def _records(self, directive: Directive[tuple[Record, ...]]) -> tuple[Record, ...]:
        """The directive's lines; one whose query can record nothing is told of."""
        records = self._scope.settings[directive]
        self.faults += in_vain(self.book, directive.name, records, self._scope.where.get(directive, ()))
        return records
