"""The directives that say what is looked up in a server's databases, counted there and recorded, and what is shown."""

from __future__ import annotations

from collections.abc import Callable

from ftpd.conf import types
from ftpd.conf.directive import ANON, GLOBAL, SERVER, VHOST, Directive, Reading
from ftpd.core.record import dataclass
from ftpd.module.table import Module
from ftpd.sql.accountlines import AccountLines
from ftpd.sql.lines import (
    NamedQuery,
    Record,
    Show,
    counters_line,
    engine_line,
    event_line,
    failure_line,
    log_line,
    query_line,
    remember_place,
    show_line,
)

_SERVERS = SERVER | GLOBAL | VHOST
_RECORD = 'query-name ["IGNORE_ERRORS"]'


@dataclass(frozen=True)
class ServerLines:
    """The directives by their names, and those of the accounts."""

    accounts: AccountLines
    engine: Directive[str]
    event_rules: Directive[tuple[Record, ...]]
    failure_rules: Directive[tuple[Record, ...]]
    log_rules: Directive[tuple[Record, ...]]
    named_queries: Directive[tuple[NamedQuery, ...]]
    options: Directive[tuple[frozenset[str], ...]]
    ratio_stats: Directive[tuple[str, ...]]
    ratios: Directive[tuple[str, ...]]
    show_rules: Directive[tuple[Show, ...]]


def server_lines(
    module: Module, accounts: AccountLines, listen: Callable[[Reading, Record], None]
) -> ServerLines:  # fmt: skip
    """Have the module declare them; they are its own. ``listen`` is told of each line that waits for an event."""
    return ServerLines(
        accounts,
        engine=module.directive(
            "SQLEngine", engine_line, default="on", contexts=_SERVERS | ANON, usage="on|off|auth|log",
            doc="Whether the module does anything; auth: accounts only, log: logs only.",
        ),
        event_rules=module.directive_list(
            "SQLLogOnEvent", event_line, contexts=_SERVERS, usage=f"event {_RECORD}", act=listen,
            doc="Run a named query when something happens.",
        ),
        failure_rules=module.directive_list(
            "SQLLogIfFailed", failure_line, contexts=_SERVERS, usage=f"commands {_RECORD}",
            doc="Run a named query when one of these commands failed: SQLLog with ERR_ before each.",
        ),
        log_rules=module.directive_list(
            "SQLLog", log_line, contexts=_SERVERS, usage=f"commands {_RECORD}",
            doc="Run a named query when one of these commands succeeded, or as ERR_command failed.",
        ),
        named_queries=module.directive_list(
            "SQLNamedQuery", query_line, contexts=_SERVERS,
            usage="name type query-string [table] [connection-name]", act=remember_place, keeps_variables=True,
            doc="A query of one's own; its variables become bound parameters.",
        ),
        options=module.directive_list(
            "SQLOptions",
            types.flags("NoDisconnectOnError", "UseNormalizedGroupSchema", "NoReconnect", "IgnoreConfigFile"),
            contexts=_SERVERS, usage="NoDisconnectOnError|UseNormalizedGroupSchema|NoReconnect|IgnoreConfigFile ...",
            doc="Small changes in what the module does.",
        ),
        ratio_stats=module.directive(
            "SQLRatioStats", counters_line("fstor", "fretr", "bstor", "bretr"), default=(),
            contexts=SERVER | GLOBAL, usage="on|off|fstor fretr bstor bretr",
            doc="Columns in which a user's files and bytes are counted.",
        ),
        ratios=module.directive(
            "SQLRatios", counters_line("frate", "fcred", "brate", "bcred"), default=(),
            contexts=SERVER | GLOBAL, usage="on|off|frate fcred brate bcred",
            doc="The columns that mod_ratio goes by.",
        ),
        show_rules=module.directive_list(
            "SQLShowInfo", show_line, contexts=_SERVERS, usage="commands code text", keeps_variables=True,
            doc="What the client is told behind the reply, with answers of named queries in it.",
        ),
    )  # fmt: skip
