"""mod_sql -- accounts from a database and logs into one, through a backend (mod_sql_mysql and its kin)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from weakref import WeakSet

from ftpd.api import (
    ANON,
    GLOBAL,
    SERVER,
    SESSION_CLOSE,
    VHOST,
    Account,
    Asked,
    AuthAnswer,
    AuthBackend,
    AuthUnavailable,
    Command,
    Config,
    ConfigError,
    Directive,
    Event,
    Level,
    Module,
    Reading,
    Refuse,
    Scope,
    Session,
    control_rules,
    crypt,
    event_named,
    log,
    logfile,
    sql,
    types,
)

module = Module("sql", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_MAX_ID = 2**32 - 2
_NAMES_LAST = 300.0
"""Seconds for which the name of an id is believed; an id without a name is asked for again sooner."""
_NAMELESS_LAST = 10.0
_MOST_NAMES = 10_000
_MOST_ASKED = 64
"""Lookups of names that run at a time: a folder with ten thousand owners must not fill the pool."""
_TURN = 2.0
"""Seconds between two looks at what is spooled, idle or to be kept alive."""
_GRACE = 5.0
"""Seconds that rows on their way have when the module goes out of service."""


# -- directives: what stands in a line -----------------------------------------------------------------------


@dataclass(frozen=True)
class ConnectInfo:
    """SQLConnectInfo, or SQLNamedConnectInfo with its name and backend in front."""

    name: str
    backend: str
    info: str
    user: str = ""
    password: str = field(default="", repr=False)
    at_connect: bool = False
    """PERCONNECTION: a client is let in only when the database can be reached."""
    idle: float = 0.0
    ssl: tuple[tuple[str, str], ...] = ()


def _connection(name: str, backend: str, words: list[str], first: int) -> ConnectInfo:
    ssl: dict[str, str] = {}
    plain: list[str] = []
    for index, word in enumerate(words):
        found = re.fullmatch(r"ssl-(ca|cert|key|ciphers):(.+)", word, re.IGNORECASE)
        if found is None:
            plain.append(word)
        elif found[1].lower() == "ciphers":
            ssl["ciphers"] = found[2]
        else:
            ssl[found[1].lower()] = types.to_path(found[2], word=first + index)
    if not 1 <= len(plain) <= 4:
        right = "database[@host][:port] [user [password [policy]]] [ssl-ca:path] ..."
        raise ConfigError(f"{len(plain)} words do not say how to connect", right=right)
    if ("cert" in ssl) != ("key" in ssl):
        raise ConfigError("a certificate needs its key, and a key its certificate", right="ssl-cert:path ssl-key:path")
    info, user, password, policy = [*plain, "", "", ""][:4]
    idle = float(policy) if policy.isdecimal() else 0.0
    at_connect = policy.upper() == "PERCONNECTION"
    if policy and not idle and policy.upper() not in ("PERSESSION", "PERCONNECTION"):
        log(Level.WARN, "SQLConnectInfo: the policy '%s' is taken for PERSESSION", policy)
    return ConnectInfo(name, backend, info, user, password, at_connect, idle, tuple(ssl.items()))


@types.takes(1)
def connect_line(words: list[str]) -> ConnectInfo:
    """SQLConnectInfo ftpusers@db.example.net:3306 proftpd secret PERSESSION"""
    return _connection("default", "", words, 0)


@types.takes(3)
def named_connect_line(words: list[str]) -> ConnectInfo:
    """SQLNamedConnectInfo logdb mysql ftplogs@db.example.net proftpd secret"""
    if words[0].lower() == "default":
        raise ConfigError("'default' is the name of SQLConnectInfo's connection", right="another name", word=0)
    return _connection(words[0], words[1].lower(), words[2:], 2)


@dataclass(eq=False)
class NamedQuery:
    """SQLNamedQuery: a name, and a template that is compiled once the backend is known."""

    name: str
    kind: str
    template: str
    connection: str
    at: tuple[str, int] | None = None


@types.takes(3)
def query_line(words: list[str]) -> NamedQuery:
    """SQLNamedQuery get-user SELECT "userid, passwd FROM users WHERE userid = '%U'\""""
    name, kind, text = words[0], words[1].upper(), words[2]
    rest = words[3:]
    if kind in ("UPDATE", "INSERT"):
        if not rest:
            raise ConfigError(f"{kind} needs a table", right=f'{name} {kind} "{text}" table')
        if "%" in rest[0]:
            raise ConfigError("the name of a table cannot hold a variable: it cannot be bound", word=3)
        text = f"UPDATE {rest[0]} SET {text}" if kind == "UPDATE" else f"INSERT INTO {rest[0]} VALUES ({text})"
        rest = rest[1:]
    elif kind == "SELECT":
        text = f"SELECT {text}"
    elif kind != "FREEFORM":
        raise ConfigError(f"'{words[1]}' is no type of query", right="SELECT, UPDATE, INSERT or FREEFORM", word=1)
    return NamedQuery(name, kind, text, rest[0] if rest else "default")


def remember_place(reading: Reading, value: NamedQuery) -> None:
    value.at = (reading.file, reading.line)


@dataclass(frozen=True)
class Record:
    """SQLLog or SQLLogOnEvent: at what to run which query."""

    verbs: frozenset[str]
    query: str
    ignores_errors: bool


def _verbs(text: str) -> frozenset[str]:
    verbs = frozenset(verb.replace("SITE_", "SITE ") for verb in re.split("[, ]+", text.upper()) if verb)
    if not verbs:
        raise ConfigError("no command is named", right="STOR,RETR or ERR_STOR or * or ERR_*", word=0)
    return verbs


@types.takes(2)
def log_line(words: list[str]) -> Record:
    """SQLLog RETR,STOR insert-file IGNORE_ERRORS"""
    return Record(_verbs(words[0]), words[1], words[2:3] != [] and words[2].upper() == "IGNORE_ERRORS")


@types.takes(2)
def event_line(words: list[str]) -> Record:
    """SQLLogOnEvent mod_auth.max-login-attempts note-attempts"""
    return Record(frozenset(words[:1]), words[1], words[2:3] != [] and words[2].upper() == "IGNORE_ERRORS")


def listen(reading: Reading, value: Record) -> None:
    """Hear of the event that the line names; which queries are meant is looked up when it happens."""
    (name,) = value.verbs
    event = event_named(name)
    if event is None:
        reading.warn(f"nothing here ever tells of an event '{name}'", word=0)
    elif event not in _heard:
        _heard.add(event)
        module.on(event)(lambda payload: happened(name, payload))


_heard: WeakSet[Event[Any]] = WeakSet()


@dataclass(frozen=True)
class Show:
    """SQLShowInfo: at which commands to tell the client what."""

    verbs: frozenset[str]
    code: int
    text: str


@types.takes(3, 3)
def show_line(words: list[str]) -> Show:
    """SQLShowInfo PASS 230 "You were here %{count} times, %u\""""
    if not re.fullmatch("[2-5][0-9][0-9]", words[1]):
        raise ConfigError(f"'{words[1]}' is no code of a reply", right="three digits, as 230", word=1)
    return Show(_verbs(words[0]), int(words[1]), words[2])


@types.takes(1)
def authenticate_line(words: list[str]) -> frozenset[str]:
    """SQLAuthenticate users groups"""
    if len(words) == 1 and words[0].lower() not in _LOOKUPS:
        on = types.to_boolean(words[0].rstrip("*"))
        return frozenset({"users", "groups", "userset", "groupset"} if on else ())
    chosen = set()
    for index, word in enumerate(words):
        bare = word.lower().rstrip("*")
        if bare not in _LOOKUPS:
            raise ConfigError(f"unknown parameter '{word}'", right=f"on, off, or {', '.join(_LOOKUPS)}", word=index)
        if bare != word.lower():
            log(Level.WARN, "SQLAuthenticate: '*' has no effect; AuthOrder says who has the last word")
        chosen.add(bare)
    return frozenset(chosen)


_LOOKUPS = ("users", "groups", "userset", "groupset", "usersetfast", "groupsetfast")


@dataclass(frozen=True)
class Columns:
    """SQLUserInfo or SQLGroupInfo: a table and its columns, or the names of queries."""

    table: str
    columns: tuple[str, ...]
    queries: tuple[str, ...] = ()


def _columns(count: int, usage: str, most: int) -> Callable[[list[str]], Columns]:
    @types.takes(1)
    def parse(words: list[str]) -> Columns:
        if len(words) == 1 and words[0].lower().startswith("custom:/"):
            queries = tuple(words[0][len("custom:/") :].split("/"))
            if not 1 <= len(queries) <= most or not queries[0]:
                raise ConfigError("badly formatted custom queries", right=f"custom:/ and up to {most} names", word=0)
            return Columns("", (), queries)
        if len(words) != count + 1:
            raise ConfigError(f"{len(words)} words name no table and {count} columns", right=usage)
        return Columns(words[0], tuple(words[1:]))

    return parse


def _ratio_columns(*defaults: str) -> Callable[[list[str]], tuple[str, ...]]:
    @types.takes(1)
    def parse(words: list[str]) -> tuple[str, ...]:
        if len(words) == 1:
            return defaults if types.to_boolean(words[0]) else ()
        if len(words) != len(defaults) or not all(re.fullmatch(r"[\w.$`\"]+", word) for word in words):
            raise ConfigError("these are not four names of columns", right=f"on, off or {' '.join(defaults)}")
        return tuple(words)

    return parse


@types.takes(1, 1)
def engine_line(words: list[str]) -> str:
    """SQLEngine on|off|auth|log"""
    if words[0].lower() in ("auth", "log"):
        return words[0].lower()
    return "on" if types.to_boolean(words[0]) else "off"


@types.takes(1, 2)
def keep_alive_line(words: list[str]) -> tuple[int, str]:
    """SQLKeepAlive 30 "SELECT 1\""""
    return types.to_seconds(words[0]), words[1] if len(words) > 1 else "SELECT 1"


@types.takes(1, 2)
def retry_line(words: list[str]) -> tuple[int, float]:
    """SQLRetry 3 2s"""
    return types.to_integer(words[0], 0, 100), float(types.to_seconds(words[1], word=1) if len(words) > 1 else 1)


@types.takes(1, 2)
def spool_line(words: list[str]) -> tuple[str | None, int]:
    """SQLSpool /var/spool/ftpd 100000"""
    folder = None if words[0].lower() == "none" else types.to_path(words[0])
    return folder, types.to_integer(words[1], 0, 10_000_000, word=1) if len(words) > 1 else 10_000


@types.takes(1, 1)
def log_path(words: list[str]) -> str:
    """An absolute path, or ``none``, which silences what <Global> says."""
    return "none" if words[0].lower() == "none" else types.to_path(words[0])


# -- directives: the table -----------------------------------------------------------------------------------

_USERS = "user-table user-name passwd uid gid home-dir shell"
_GROUPS = "group-table group-name gid members"
_CONNECT = (
    "connection-info [username] [password] [policy] [ssl-ca:path] [ssl-cert:path] [ssl-key:path] [ssl-ciphers:list]"
)

authenticate = module.directive(
    "SQLAuthenticate", authenticate_line, default=authenticate_line(["on"]), contexts=_SERVERS,
    usage="on|off|[users] [groups] [userset[fast]] [groupset[fast]]", doc="What is looked up in the database.",
)  # fmt: skip
auth_types: Directive[tuple[str, ...]] = module.directive(
    "SQLAuthTypes", types.words, default=(), contexts=_SERVERS, usage="type ...",
    doc="In which ways passwords are stored, in the order in which they are tried.",
)  # fmt: skip
backend_name = module.directive(
    "SQLBackend", types.string, contexts=_SERVERS, usage="backend",
    doc="The kind of database of SQLConnectInfo; without it that of the backend loaded first.",
)  # fmt: skip
connect_info = module.directive(
    "SQLConnectInfo", connect_line, contexts=_SERVERS, usage=_CONNECT,
    doc="Where the database is, and who the daemon is to it; without it the module does nothing.",
)  # fmt: skip
default_gid = module.directive(
    "SQLDefaultGID", types.integer(0, _MAX_ID), default=65533, contexts=_SERVERS, usage="gid",
    doc="The gid of accounts that have none, or one that is too small.",
)  # fmt: skip
default_home = module.directive(
    "SQLDefaultHomedir", types.path, contexts=_SERVERS, usage="path",
    doc="The home of accounts that have none.",
)  # fmt: skip
default_uid = module.directive(
    "SQLDefaultUID", types.integer(0, _MAX_ID), default=65533, contexts=_SERVERS, usage="uid",
    doc="The uid of accounts that have none, or one that is too small.",
)  # fmt: skip
engine = module.directive(
    "SQLEngine", engine_line, default="on", contexts=_SERVERS | ANON, usage="on|off|auth|log",
    doc="Whether the module does anything; auth: accounts only, log: logs only.",
)  # fmt: skip
group_info = module.directive(
    "SQLGroupInfo", _columns(3, _GROUPS, 5), default=Columns("groups", ("groupname", "gid", "members")),
    contexts=_SERVERS, usage=f"{_GROUPS} | custom:/by-name/by-id/by-member[/all-names[/all]]",
    doc="The table of the groups and its columns, or the queries in its place.",
)  # fmt: skip
group_key = module.directive(
    "SQLGroupPrimaryKey", types.string, contexts=_SERVERS, usage="column|custom:/named-query",
    doc="What of the group's row is kept as %{note:sql.group-primary-key}.",
)  # fmt: skip
group_where = module.directive(
    "SQLGroupWhereClause", types.string, contexts=_SERVERS, usage="where-clause", keeps_variables=True,
    doc="A condition that every row of the group table has to meet.",
)  # fmt: skip
health_check = module.directive(
    "SQLHealthCheck", types.seconds, default=30, contexts=_SERVERS, usage="seconds",
    doc="A connection that was idle for longer is tried before it is used.",
)  # fmt: skip
keep_alive = module.directive(
    "SQLKeepAlive", keep_alive_line, contexts=_SERVERS, usage="interval [statement]",
    doc="Send a statement on every idle connection from time to time.",
)  # fmt: skip
log_rules = module.directive_list(
    "SQLLog", log_line, contexts=_SERVERS, usage='commands query-name ["IGNORE_ERRORS"]',
    doc="Run a named query when one of these commands succeeded, or as ERR_command failed.",
)  # fmt: skip
log_file = module.directive(
    "SQLLogFile", log_path, contexts=_SERVERS, usage='file|"none"',
    doc="Where it is told which statements were sent and how they ended; values are never told.",
)  # fmt: skip
event_rules = module.directive_list(
    "SQLLogOnEvent", event_line, contexts=_SERVERS, usage='event query-name ["IGNORE_ERRORS"]', act=listen,
    doc="Run a named query when something happens.",
)  # fmt: skip
min_id = module.directive(
    "SQLMinID", types.integer(0, _MAX_ID), contexts=_SERVERS, usage="id",
    doc="The smallest uid and gid that an account may have; SQLMinUserUID and SQLMinUserGID are not heard beside it.",
)  # fmt: skip
min_gid = module.directive(
    "SQLMinUserGID", types.integer(0, _MAX_ID), default=999, contexts=_SERVERS, usage="gid",
    doc="The smallest gid that an account may have.",
)  # fmt: skip
min_uid = module.directive(
    "SQLMinUserUID", types.integer(0, _MAX_ID), default=999, contexts=_SERVERS, usage="uid",
    doc="The smallest uid that an account may have.",
)  # fmt: skip
named_connect_info = module.directive_list(
    "SQLNamedConnectInfo", named_connect_line, contexts=_SERVERS, usage=f"connection-name sql-backend {_CONNECT}",
    doc="A further connection, for the named queries that name it.",
)  # fmt: skip
named_queries = module.directive_list(
    "SQLNamedQuery", query_line, contexts=_SERVERS, usage="name type query-string [table] [connection-name]",
    act=remember_place, doc="A query of one's own; its variables become bound parameters.", keeps_variables=True,
)  # fmt: skip
negative_cache = module.directive(
    "SQLNegativeCache", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Whether it is remembered for long that an id has no name.",
)  # fmt: skip
options = module.directive_list(
    "SQLOptions",
    types.flags("NoDisconnectOnError", "UseNormalizedGroupSchema", "NoReconnect", "IgnoreConfigFile"),
    contexts=_SERVERS, usage="NoDisconnectOnError|UseNormalizedGroupSchema|NoReconnect|IgnoreConfigFile ...",
    doc="Small changes in what the module does.",
)  # fmt: skip
pool_size = module.directive(
    "SQLPoolSize", types.integer(1, 1000), default=8, contexts=_SERVERS, usage="count",
    doc="The most connections to one database.",
)  # fmt: skip
ratios: Directive[tuple[str, ...]] = module.directive(
    "SQLRatios", _ratio_columns("frate", "fcred", "brate", "bcred"), default=(), contexts=SERVER | GLOBAL,
    usage="on|off|frate fcred brate bcred", inert=True, doc="The columns that mod_ratio would go by.",
)  # fmt: skip
ratio_stats: Directive[tuple[str, ...]] = module.directive(
    "SQLRatioStats", _ratio_columns("fstor", "fretr", "bstor", "bretr"), default=(), contexts=SERVER | GLOBAL,
    usage="on|off|fstor fretr bstor bretr", doc="Columns in which a user's files and bytes are counted.",
)  # fmt: skip
retry = module.directive(
    "SQLRetry", retry_line, default=(1, 1.0), contexts=_SERVERS, usage="count [pause]",
    doc="How often a statement is tried again when the connection is lost, and the pause before a new connection.",
)  # fmt: skip
show_rules = module.directive_list(
    "SQLShowInfo", show_line, contexts=_SERVERS, usage="commands code text", keeps_variables=True,
    doc="What the client is told behind the reply, with answers of named queries in it.",
)  # fmt: skip
spool_place: Directive[tuple[str | None, int]] = module.directive(
    "SQLSpool", spool_line, default=(None, 10_000), contexts=_SERVERS, usage="folder|none [rows]",
    doc="Where rows of SQLLog wait while the database is away, and how many may.",
)  # fmt: skip
timeout = module.directive(
    "SQLTimeout", types.seconds, default=10, contexts=_SERVERS, usage="seconds",
    doc="How long a statement may take, with the waiting for a connection.",
)  # fmt: skip
user_info = module.directive(
    "SQLUserInfo", _columns(6, _USERS, 4),
    default=Columns("users", ("userid", "passwd", "uid", "gid", "homedir", "shell")), contexts=_SERVERS,
    usage=f"{_USERS} | custom:/by-name[/by-id[/all-names[/all]]]",
    doc="The table of the accounts and its columns, or the queries in its place.",
)  # fmt: skip
user_key = module.directive(
    "SQLUserPrimaryKey", types.string, contexts=_SERVERS, usage="column|custom:/named-query",
    doc="What of the user's row is kept as %{note:sql.user-primary-key}.",
)  # fmt: skip
user_where = module.directive(
    "SQLUserWhereClause", types.string, contexts=_SERVERS, usage="where-clause", keeps_variables=True,
    doc="A condition that every row of the user table has to meet.",
)  # fmt: skip
acls: Any = module.directive_list(
    "SQLControlsACLs", control_rules("sql"), contexts=SERVER, usage="actions|all allow|deny user|group list",
    doc="Who may ask ftpdctl sql.",
)  # fmt: skip

_backends = module.takes_offers(sql.BACKENDS)
_offered_checks = module.takes_offers(sql.PASSWORD_CHECKS)
_log = logfile.ModuleLog("SQLLogFile", f"mod_sql/{module.version}")


# -- what a server's lines come to ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ready:
    """A compiled query and the pool that runs it."""

    query: sql.Query
    store: Store


class Names:
    """Names of ids as far as they are known; listings ask for each entry and cannot wait."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | str], tuple[Any, float]] = {}

    def get(self, kind: str, key: int | str) -> tuple[bool, Any]:
        """Whether it is known, and what."""
        found = self._known.get((kind, key))
        return (False, None) if found is None or found[1] < monotonic() else (True, found[0])

    def keep(self, kind: str, key: int | str, value: int | str | None, seconds: float) -> None:
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[kind, key] = (value, monotonic() + seconds)


@dataclass(eq=False)
class Store:
    """A database of one server."""

    name: str
    pool: sql.Pool
    spool: sql.Spool
    at_connect: bool
    keep_alive: tuple[float, sql.Statement] | None
    kept_alive: float = 0.0


@dataclass(eq=False)
class Shown:
    """A SQLShowInfo line: its text cut where a query's answer goes in."""

    code: int
    parts: tuple[Callable[[sql.Asking], str] | Ready | None, ...]


class Setup:
    """All that the lines of one server come to."""

    def __init__(self, scope: Scope, stores: dict[str, Store], config: Config) -> None:
        self.scope = scope
        self.stores = stores
        self._config = config
        self.names = Names()
        settings = scope.settings
        self.log_file = settings[log_file]
        self.lookups = settings[authenticate]
        self.options: frozenset[str] = frozenset().union(*settings[options])
        self.queries: dict[str, NamedQuery] = {}
        for query in settings[named_queries]:
            self.queries.setdefault(query.name, query)
        self._ready: dict[str, Ready] = {name: self._named(query) for name, query in self.queries.items()}
        self.checks = self._checks()
        self._users()
        self._groups()
        self.logs, self.error_logs = _by_verb(self._records(log_rules))
        self.events = _by_verb(self._records(event_rules))[0]
        shows = [(show.verbs, self._shown(show)) for show in settings[show_rules]]
        self.shows, self.error_shows = _by_verb(shows)
        self.stats = self._stats()

    # -- queries

    def _named(self, query: NamedQuery) -> Ready:
        store = self.stores.get(query.connection)
        if store is None:
            raise ConfigError(
                f"the query '{query.name}' wants the connection '{query.connection}', which nothing defines",
                right=f"SQLNamedConnectInfo {query.connection} ...", directive="SQLNamedQuery", at=query.at,
            )  # fmt: skip
        try:
            compiled = sql.compiled(query.template, store.pool.backend.dialect, self._config.environment)
        except ConfigError as wrong:
            raise ConfigError(
                f"the query '{query.name}': {wrong.message}", right=wrong.right, directive="SQLNamedQuery", at=query.at
            ) from None
        return Ready(compiled, store)

    def compiled(self, template: str, directive: Any) -> Ready:
        """A query of the module's own, with the administrator's names and conditions in it."""
        store = self.stores["default"]
        try:
            return Ready(sql.compiled(template, store.pool.backend.dialect, self._config.environment), store)
        except ConfigError as wrong:
            raise self.wrong(directive, wrong.message, wrong.right) from None

    def _where(self, directive: Any) -> str:
        """The administrator's condition as it is put behind ours."""
        condition: str | None = self.scope.settings[directive]
        if not condition:
            return ""
        self.compiled(f"SELECT 1 WHERE ({condition})", directive)
        return f" AND ({condition})"

    def named(self, name: str) -> Ready | None:
        return self._ready.get(name)

    def wrong(self, directive: Any, message: str, right: str = "") -> ConfigError:
        where = self.scope.where.get(directive)
        return ConfigError(message, right=right, directive=directive.name, at=where[0] if where else None)

    def _custom(self, directive: Any, name: str) -> Ready | None:
        """The query; None where <Global> names one that only other servers have: nobody of the database comes in."""
        found = self._ready.get(name)
        elsewhere = {query.name for server in self._config.servers for query in server.settings[named_queries]}
        if found is None and name in elsewhere:
            server = f"<VirtualHost {' '.join(self.scope.args)}>" if self.scope.args else "the main server"
            log(
                Level.WARN, "%s: the query '%s' stands in another server; %s finds nobody", directive.name, name, server
            )
            return None
        if found is None or self.queries[name].kind not in ("SELECT", "FREEFORM"):
            raise self.wrong(
                directive, f"there is no query '{name}' that selects", f'SQLNamedQuery {name} SELECT "... FROM ..."'
            )
        return found

    # -- accounts

    def _checks(self) -> list[sql.PasswordCheck]:
        known = {check.name: check for check in (*_CHECKS, *_offered_checks)}
        chosen: list[sql.PasswordCheck] = []
        for word in self.scope.settings[auth_types]:
            if word.lower() == "backend":
                chosen.append(Check("backend", _backend_check(self.stores["default"].pool.backend)))
            elif (check := known.get(word.lower())) is not None:
                chosen.append(check)
            else:
                right = f"{', '.join(sorted({*known, 'backend'}))}; mod_sql_passwd brings more"
                raise self.wrong(auth_types, f"'{word}' is unknown here", right)
        if self.lookups and not chosen and self.scope.settings[engine] in ("on", "auth"):
            log(Level.WARN, "mod_sql: no SQLAuthTypes, so no password in the database is good for anything")
        return chosen

    def _users(self) -> None:
        settings = self.scope.settings
        info = settings[user_info]
        self.user_by_id: Ready | None = None
        if info.queries:
            self.user_by_name = self._custom(user_info, info.queries[0])
            if len(info.queries) > 1 and info.queries[1]:
                self.user_by_id = self._custom(user_info, info.queries[1])
        else:
            wanted = ", ".join(info.columns)
            tail = self._where(user_where)
            self.user_by_name = self.compiled(
                f"SELECT {wanted} FROM {info.table} WHERE ({info.columns[0]} = '%{{0}}'){tail} LIMIT 1", user_info
            )
            if info.columns[2].upper() != "NULL":
                self.user_by_id = self.compiled(
                    f"SELECT {wanted} FROM {info.table} WHERE ({info.columns[2]} = %{{0}}){tail} LIMIT 1", user_info
                )
        self.user_key = self._key(user_key, info, user_where)

    def _groups(self) -> None:
        settings = self.scope.settings
        info = settings[group_info]
        if info.queries:
            if len(info.queries) < 3:
                raise self.wrong(group_info, "three queries are needed", "custom:/by-name/by-id/by-member")
            self.group_by_name, self.group_by_id, self.groups_of = (
                self._custom(group_info, name) for name in info.queries[:3]
            )
        else:
            name, gid, members = info.columns
            tail = self._where(group_where)
            select = f"SELECT {name}, {gid}, {members} FROM {info.table} WHERE"
            self.group_by_name = self.compiled(f"{select} ({name} = '%{{0}}'){tail} LIMIT 1", group_info)
            self.group_by_id = self.compiled(f"{select} ({gid} = %{{0}}){tail} LIMIT 1", group_info)
            matches = f"{members} = '%{{0}}'"
            if "UseNormalizedGroupSchema" not in self.options:
                # whoever is found is looked for once more in what was found: LIKE takes part of a name, too
                matches += f" OR {members} LIKE '%{{1}}' ESCAPE '!'"
            self.groups_of = self.compiled(f"{select} ({matches}){tail}", group_info)
        self.lists_members = not info.queries and "UseNormalizedGroupSchema" not in self.options
        self.group_key = self._key(group_key, info, group_where)

    def _key(self, directive: Any, info: Columns, where: Any) -> Ready | None:
        chosen = self.scope.settings[directive]
        if chosen is None:
            return None
        if chosen.lower().startswith("custom:/"):
            return self._custom(directive, chosen[len("custom:/") :])
        if info.queries:
            raise self.wrong(directive, "with custom queries a column has no table", "custom:/ and a named query")
        return self.compiled(
            f"SELECT {chosen} FROM {info.table} WHERE ({info.columns[0]} = '%{{0}}'){self._where(where)} LIMIT 1",
            directive,
        )

    # -- logs

    def _records(self, directive: Any) -> list[tuple[frozenset[str], tuple[Record, Ready]]]:
        found = []
        for record in self.scope.settings[directive]:
            ready = self._ready.get(record.query)
            if ready is None or self.queries[record.query].kind == "SELECT":
                why = "is not defined" if ready is None else "is a SELECT"
                log(Level.WARN, "%s: the query '%s' %s: nothing is recorded", directive.name, record.query, why)
            else:
                found.append((record.verbs, (record, ready)))
        return found

    def _shown(self, show: Show) -> Shown:
        parts: list[Callable[[sql.Asking], str] | Ready | None] = []
        try:
            at = 0
            for found in re.finditer(r"%%|%\{([^{}]+)\}", show.text):
                name = found[1]
                if name is None or (name not in self.queries and sql.variable(name, None) is not None):
                    continue
                parts.append(sql.text_of(show.text[at : found.start()], self._config.environment))
                selects = name in self.queries and self.queries[name].kind in ("SELECT", "FREEFORM")
                parts.append(self._ready[name] if selects else None)
                at = found.end()
            parts.append(sql.text_of(show.text[at:], self._config.environment))
        except ConfigError as wrong:
            raise self.wrong(show_rules, wrong.message, wrong.right) from None
        return Shown(show.code, tuple(parts))

    def _stats(self) -> Ready | None:
        columns = self.scope.settings[ratio_stats]
        info = self.scope.settings[user_info]
        if not columns:
            return None
        if info.queries:
            raise self.wrong(ratio_stats, "with custom queries there is no table to count in", "a table in SQLUserInfo")
        # numbers of the module's own, so that they are bound as such
        added = ", ".join(
            f"{column} = {column} + CAST('%{{{index}}}' AS DECIMAL(20, 0))" for index, column in enumerate(columns)
        )
        where = self._where(user_where)
        return self.compiled(f"UPDATE {info.table} SET {added} WHERE ({info.columns[0]} = '%u'){where}", ratio_stats)

    # -- asking

    async def rows(self, ready: Ready | None, asking: sql.Asking) -> list[sql.Row]:
        """Run the query and tell SQLLogFile; without a query nothing is found."""
        return [] if ready is None else await self._run(ready, _values(ready, asking))

    async def _run(self, ready: Ready, values: list[sql.Value]) -> list[sql.Row]:
        began = monotonic()
        try:
            rows = await ready.store.pool.run(ready.query.statement, values)
        except sql.SqlError as error:
            self.tell(f"[{ready.store.name}] '{ready.query.statement.text}' failed: {error}")
            raise
        if self.log_file is not None:
            spent = (monotonic() - began) * 1000
            self.tell(f"[{ready.store.name}] '{ready.query.statement.text}': {len(rows)} rows, {spent:.1f} ms")
        return rows

    async def write(self, ready: Ready, values: list[sql.Value]) -> None:
        """Run a query that records something; what the database cannot take now waits for it in order."""
        spool = ready.store.spool
        if not spool:
            try:
                await self._run(ready, values)
                return
            except sql.SqlLost as error:
                lost: sql.SqlError = error
        else:
            lost = sql.SqlLost(f"{len(spool)} rows wait already")
        if not spool.add(ready.query.statement, values):
            raise lost

    def tell(self, message: str) -> None:
        if self.log_file is not None:
            _log.write(self.log_file, message)


def _by_verb(
    rules: Sequence[tuple[frozenset[str], Any]],
) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]]:
    """What is meant by each word, for success and for failure; ``*`` is everything."""
    tables: tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]] = ({}, {})
    for failed, table in enumerate(tables):
        named = [
            ({verb.removeprefix("ERR_") for verb in verbs if verb.startswith("ERR_") == bool(failed)}, rule)
            for verbs, rule in rules
        ]
        for verb in {verb for verbs, _ in named for verb in verbs}:
            # EXIT is no command
            every = "*" if verb != "EXIT" else verb
            table[verb] = tuple(rule for verbs, rule in named if verb in verbs or every in verbs)
    return tables


def _meant(table: dict[str, tuple[Any, ...]], name: str) -> tuple[Any, ...]:
    found = table.get(name)
    if found is None and name.startswith("SITE "):
        found = table.get("SITE")
    return table.get("*", ()) if found is None else found


def _values(ready: Ready, asking: sql.Asking) -> list[sql.Value]:
    dialect = ready.store.pool.backend.dialect
    return [_storable(value, dialect) for value in ready.query.values(asking)]


def _storable(value: sql.Value, dialect: sql.Dialect) -> sql.Value:
    """The value as it came; what no database takes in a text (bytes that are no UTF-8) is made visible."""
    if not isinstance(value, str):
        return value
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value if dialect.nul else value.replace("\0", "\\x00")


def _can_be_a_name(text: str) -> bool:
    """Whether a database can hold it: what cannot be there is not looked for, nor what looks like it."""
    try:
        return "\0" not in text and bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False


_setups: dict[Scope, Setup] = {}
_new_setups: list[Setup] = []
_new_stores: list[Store] = []


@module.check
def set_up(config: Config) -> None:
    """Bring together what the lines say; servers that speak with the same database share its connections."""
    _new_setups.clear()
    _new_stores.clear()
    pools: dict[Any, tuple[sql.Pool, sql.Spool]] = {}
    for scope in config.servers:
        info = scope.settings[connect_info]
        if info is None or (scope.settings[engine] == "off" and not scope.children):
            continue
        stores = {}
        for connection in (info, *scope.settings[named_connect_info]):
            if connection.name not in stores:
                stores[connection.name] = _store(scope, connection, pools)
        setup = _setups[scope] = Setup(scope, stores, config)
        _new_setups.append(setup)
        _new_stores.extend(stores.values())


def _store(scope: Scope, info: ConnectInfo, pools: dict[Any, tuple[sql.Pool, sql.Spool]]) -> Store:
    settings = scope.settings
    directive: Any = connect_info if info.name == "default" else named_connect_info
    wanted = info.backend or (settings[backend_name] or "").lower()
    backend = next((known for known in _backends if not wanted or wanted in known.names), None)
    where = scope.where.get(directive)
    at = where[0] if where else None
    if backend is None:
        what = f"no backend '{wanted}' is loaded" if wanted else "no backend is loaded"
        known = ", ".join(known.names[0] for known in _backends)
        right = f"one of {known}" if known else "LoadModule mod_sql_mysql.c, mod_sql_postgres.c or mod_sql_sqlite.c"
        raise ConfigError(what, right=right, directive=directive.name, at=at)
    count, pause = settings[retry]
    limits = sql.Limits(
        size=settings[pool_size],
        timeout=settings[timeout] or 10.0,
        retries=0 if any("NoReconnect" in some for some in settings[options]) else count,
        pause=pause,
        health=settings[health_check],
        idle=info.idle,
    )
    alive = settings[keep_alive]
    try:
        target = backend.target(info.info, info.user, info.password, info.ssl)
        beat = None if alive is None else (alive[0], sql.compiled(alive[1], backend.dialect))
    except ConfigError as wrong:
        raise ConfigError(wrong.message, right=wrong.right, directive=directive.name, at=at) from None
    if beat is not None and beat[1].parameters:
        raise ConfigError("what keeps a connection alive has no variables", directive="SQLKeepAlive")
    key = (target, limits, settings[spool_place])
    if key not in pools:
        pool = sql.Pool(backend, target, limits)
        pools[key] = pool, sql.Spool(pool, *settings[spool_place])
    return Store(info.name, *pools[key], info.at_connect, None if beat is None else (beat[0], beat[1].statement))


def _setup(session: Session, purpose: str) -> Setup | None:
    """What holds for the session, if the engine is on for this: auth or log."""
    setup = _setups.get(session.server)
    if setup is None:
        return None
    mode = session.settings[engine]
    return setup if mode in ("on", purpose) else None


# -- in service ----------------------------------------------------------------------------------------------

_tasks: set[asyncio.Task[Any]] = set()
_loops: list[asyncio.AbstractEventLoop] = []


def _launch(work: Any) -> asyncio.Task[Any]:
    """A task that comes to its end even when nobody waits for it any more."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


@asynccontextmanager
async def in_service() -> AsyncIterator[None]:
    """Spools are taken over; at the end what is on its way arrives, and every connection is closed."""
    setups, stores = list(_new_setups), list(dict.fromkeys(_new_stores))
    _loops[:] = [asyncio.get_running_loop()]
    _stores[:] = stores
    spools = list(dict.fromkeys(store.spool for store in stores))
    for spool in spools:
        spool.open()
    try:
        yield
    finally:
        if _tasks:
            _, late = await asyncio.wait(list(_tasks), timeout=_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for spool in spools:
            if spool and spool.pool.down is None:
                try:
                    await asyncio.wait_for(spool.flush(), _GRACE)
                except TimeoutError:
                    pass
            spool.close()
        for pool in dict.fromkeys(store.pool for store in stores):
            await pool.close()
        for setup in setups:
            _setups.pop(setup.scope, None)


module.resource(in_service)
_stores: list[Store] = []


@module.every(_TURN)
async def tend() -> None:
    """Write what was spooled, close what is idle for too long, keep the rest alive."""
    now = monotonic()
    pools = dict.fromkeys(store.pool for store in _stores)
    await asyncio.gather(*(spool.flush() for spool in dict.fromkeys(store.spool for store in _stores)))
    await asyncio.gather(*(pool.close_idle() for pool in pools))
    for store in _stores:
        if store.keep_alive is not None and store.keep_alive[0] and now - store.kept_alive >= store.keep_alive[0]:
            store.kept_alive = now
            await store.pool.keep_alive(store.keep_alive[1])


@module.opening
async def reach(session: Session) -> None:
    """PERCONNECTION: who comes while the database is away is told to come back."""
    setup = _setups.get(session.server)
    if setup is None or session.server.settings[engine] == "off":
        return
    for store in setup.stores.values():
        if store.at_connect:
            try:
                await store.pool.run(sql.Statement("SELECT 1"))
            except sql.SqlError as error:
                session.log(Level.ERROR, "mod_sql: %s", error)
                raise Refuse(421, "Service not available, please try again later") from None


@module.control("sql", help="connections to databases, and rows that wait for them", acl=acls)
def pools(asked: Asked) -> Iterator[str]:
    for pool in dict.fromkeys(store.pool for store in _stores):
        names = ", ".join(dict.fromkeys(store.name for store in _stores if store.pool is pool))
        spool = next(store.spool for store in _stores if store.pool is pool)
        mean = pool.spent / pool.statements * 1000 if pool.statements else 0.0
        yield f"{pool.target.label} ({names}): {'up' if pool.down is None else f'down: {pool.down}'}"
        yield f"  connections: {pool.busy} busy, {pool.idle} idle, {pool.waiting} waiting, of {pool.limits.size}"
        yield f"  statements: {pool.statements}, {pool.failures} failed, {mean:.1f} ms in the mean"
        yield f"  spool: {len(spool)} rows wait, {spool.dropped} found no place"


# -- passwords -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """A word of SQLAuthTypes that mod_sql knows itself."""

    name: str
    holds: Callable[[Session, str, str], Awaitable[bool]]
    costly: bool = False

    async def __call__(self, session: Session, user: str, password: str, stored: str) -> bool:
        return await self.holds(session, password, stored)


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


async def crypt_holds(session: Session, password: str, stored: str) -> bool:
    return await session.offload(lambda: crypt.verify(password, stored), "auth")


async def empty_holds(session: Session, password: str, stored: str) -> bool:
    return stored == ""


async def plain_holds(session: Session, password: str, stored: str) -> bool:
    # an empty one is for Empty to allow
    return stored != "" and same(password, stored)


async def digest_holds(session: Session, password: str, stored: str) -> bool:
    """``{sha256}`` and the base64 of the digest."""
    found = re.fullmatch(r"\{([A-Za-z0-9_/.-]+)\}([A-Za-z0-9+/]+={0,2})\s*", stored)
    if found is None:
        return False
    names = {"sha": "sha1", "rmd160": "ripemd160"}
    try:
        digest = hashlib.new(names.get(found[1].lower(), found[1].lower()), usedforsecurity=False)
        digest.update(password.encode("utf-8", "surrogateescape"))
        return hmac.compare_digest(digest.digest(), base64.b64decode(found[2], validate=True))
    except (ValueError, TypeError):
        return False


def _backend_check(backend: sql.Backend) -> Callable[[Session, str, str], Awaitable[bool]]:
    async def holds(session: Session, password: str, stored: str) -> bool:
        return backend.password_holds(password, stored)

    return holds


_CHECKS = (
    Check("crypt", crypt_holds),
    Check("empty", empty_holds),
    Check("openssl", digest_holds),
    Check("plaintext", plain_holds),
)


# -- accounts ------------------------------------------------------------------------------------------------


class SqlAccounts(AuthBackend):
    """Users and groups of the server's database; when it cannot be asked, nobody is let in."""

    def __init__(self) -> None:
        self._samples: dict[Setup, str] = {}
        """For each server the hash that was checked last: an unknown user shall cost as much."""
        self._asked: set[tuple[str, int | str]] = set()

    def _on(self, session: Session, lookups: str) -> Setup | None:
        setup = _setup(session, "auth")
        return setup if setup is not None and lookups in setup.lookups else None

    async def getpwnam(self, session: Session, user: str) -> Account | None:
        setup = self._on(session, "users")
        if setup is None or not _can_be_a_name(user):
            return None
        try:
            rows = await setup.rows(setup.user_by_name, sql.Asking(session, None, (user,), user))
            account = _account(setup, rows)
            if account is None:
                await self._spend(session, setup, user)
                return None
            setup.names.keep("uid", account.uid, account.name, _NAMES_LAST)
            setup.names.keep("user", account.name, account.uid, _NAMES_LAST)
            session.notes["home"], session.notes["shell"] = account.home, account.shell
            if setup.user_key is not None:
                asking = sql.Asking(session, None, (account.name,), account.name)
                await _note_key(setup, setup.user_key, asking, "sql.user-primary-key")
            return account
        except sql.SqlError as error:
            _gone_wrong(setup, session, error)
            return None

    async def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        setup = self._on(session, "groups")
        # with SQLAuthenticate groups alone, the groups of others' users are here
        if setup is None or (account.source is not self and "users" in setup.lookups):
            return None
        try:
            groups = await self._groups_of(setup, session, account)
        except sql.SqlError as error:
            _gone_wrong(setup, session, error)
            return None
        for gid, name in groups:
            setup.names.keep("gid", gid, name, _NAMES_LAST)
            setup.names.keep("group", name, gid, _NAMES_LAST)
        return groups

    async def _groups_of(self, setup: Setup, session: Session, account: Account) -> tuple[tuple[int, str], ...]:
        asking = sql.Asking(session, None, _member_of(account.name), account.name)
        groups = _groups(setup, await setup.rows(setup.groups_of, asking), account.name)
        primary = groups.pop(account.gid, None)
        if primary is None:
            rows = await setup.rows(setup.group_by_id, sql.Asking(session, None, (str(account.gid),)))
            primary = rows[0][0] if rows else None
        if primary:
            session.notes["primary-group"] = primary
            if setup.group_key is not None:
                asking = sql.Asking(session, None, (primary,), account.name, primary)
                await _note_key(setup, setup.group_key, asking, "sql.group-primary-key")
            return (account.gid, primary), *groups.items()
        return ((account.gid, str(account.gid)), *groups.items())

    async def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        setup = self._on(session, "users")
        if setup is None or account.source is not self:
            return None
        stored = account.password
        if stored is not None:
            for check in setup.checks:
                if await self._holds(check, session, account.name, password, stored):
                    self._samples[setup] = stored
                    setup.tell(f"the password of '{account.name}' holds by SQLAuthType {check.name}")
                    return AuthAnswer.OK
        if stored is None or all(check.name != "crypt" for check in setup.checks):
            # an unknown user costs a hash by crypt, whatever is used here
            await session.offload(lambda: crypt.spend(password), "auth")
        return AuthAnswer.DISABLED if stored is None else AuthAnswer.BAD_PASSWORD

    async def _holds(self, check: sql.PasswordCheck, session: Session, user: str, password: str, stored: str) -> bool:
        """A check that needs the database, for a salt, denies while it is away."""
        try:
            return await check(session, user, password, stored)
        except sql.SqlError as error:
            session.log(Level.ERROR, "mod_sql: SQLAuthTypes %s: %s", check.name, error)
            raise AuthUnavailable("the database cannot be asked") from None

    async def _spend(self, session: Session, setup: Setup, user: str) -> None:
        """What a user who is there costs before and while the password is looked at."""
        if "groups" in setup.lookups:
            await setup.rows(setup.groups_of, sql.Asking(session, None, _member_of(user), user))
            await setup.rows(setup.group_by_id, sql.Asking(session, None, ("1",)))
        for check in setup.checks:
            if check.costly:
                await self._holds(check, session, "nobody", "nobody", self._samples.get(setup, "nobody"))

    # -- names of ids: what is not known yet is asked for, and known to the next listing

    def uid_name(self, session: Session, uid: int) -> str | None:
        found: str | None = self._name(session, "users", "uid", uid)
        return found

    def gid_name(self, session: Session, gid: int) -> str | None:
        found: str | None = self._name(session, "groups", "gid", gid)
        return found

    def name_uid(self, session: Session, name: str) -> int | None:
        found: int | None = self._name(session, "users", "user", name)
        return found

    def name_gid(self, session: Session, name: str) -> int | None:
        found: int | None = self._name(session, "groups", "group", name)
        return found

    def _name(self, session: Session, lookups: str, kind: str, key: int | str) -> Any:
        setup = self._on(session, lookups)
        if setup is None:
            return None
        known, value = setup.names.get(kind, key)
        if not known and len(self._asked) < _MOST_ASKED and (kind, key) not in self._asked and _loops:
            self._asked.add((kind, key))
            # who asks may be a thread
            _loops[0].call_soon_threadsafe(lambda: _launch(self._ask(setup, session, kind, key)))
        return value

    async def _ask(self, setup: Setup, session: Session, kind: str, key: int | str) -> None:
        value: int | str | None = None
        try:
            text = str(key)
            ready = {
                "uid": setup.user_by_id, "user": setup.user_by_name,
                "gid": setup.group_by_id, "group": setup.group_by_name,
            }[kind]  # fmt: skip
            if ready is not None and _can_be_a_name(text):
                rows = await setup.rows(ready, sql.Asking(session, None, (text,), text))
                if kind == "user":
                    account = _account(setup, rows)
                    value = None if account is None else account.uid
                elif rows and kind == "group":
                    value = _id(rows[0][1])
                elif rows:
                    value = rows[0][0]
        except sql.SqlError:
            return
        finally:
            self._asked.discard((kind, key))
        nameless = _NAMES_LAST if setup.scope.settings[negative_cache] else _NAMELESS_LAST
        setup.names.keep(kind, key, value, nameless if value is None else _NAMES_LAST)


module.auth(SqlAccounts())


def _gone_wrong(setup: Setup, session: Session, error: sql.SqlError) -> None:
    """Nobody is let in, unless the administrator wants the other backends to be asked."""
    session.log(Level.ERROR, "mod_sql: accounts cannot be looked up: %s", error)
    if "NoDisconnectOnError" not in setup.options:
        raise AuthUnavailable("the database cannot be asked") from None


def _account(setup: Setup, rows: Sequence[sql.Row]) -> Account | None:
    """The account that a row describes; None, and a word in the log, where it describes none."""
    if not rows:
        return None
    if len(rows) > 1 or len(rows[0]) < 6:
        raise sql.SqlError(f"the query for a user gave {len(rows)} rows of {len(rows[0])} columns, not one row of 6")
    settings = setup.scope.settings
    name, password, uid_text, gid_text, home, shell = rows[0][:6]
    uid, gid = _id(uid_text), _id(gid_text)
    # SQLMinID is both; beside it the two others are not heard
    lowest = settings[min_id]
    least_uid = settings[min_uid] if lowest is None else lowest
    least_gid = settings[min_gid] if lowest is None else lowest
    if home is None or home in ("", "NULL"):
        home = settings[default_home]
    if name is None or not home:
        setup.tell(f"the account '{name}' has no home directory")
        log(Level.NOTICE, "mod_sql: the account '%s' has no home directory and cannot be used", name)
        return None
    return Account(
        name,
        settings[default_uid] if uid is None or uid < least_uid else uid,
        settings[default_gid] if gid is None or gid < least_gid else gid,
        home,
        shell or "",
        password=password,
    )


def _id(text: str | None) -> int | None:
    """The number in a column; what is none, or NULL, is as if there were no column."""
    if text is None or not re.fullmatch(r"[0-9]{1,10}(?:\.0+)?", text, re.ASCII):
        return None
    number = int(text.partition(".")[0])
    return number if number <= _MAX_ID else None


def _groups(setup: Setup, rows: Sequence[sql.Row], user: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for row in rows:
        if len(row) < 2 or row[0] is None or (gid := _id(row[1])) is None:
            raise sql.SqlError("the query for a user's groups gave a row that is no name, gid and members")
        if setup.lists_members and user not in {member.strip() for member in (row[2] or "").split(",")}:
            continue
        found.setdefault(gid, row[0])
    return found


def _member_of(user: str) -> tuple[str, str]:
    """The name, and the pattern for LIKE that finds it in a list."""
    escaped = re.sub("[!%_]", r"!\g<0>", user)
    return user, f"%{escaped}%"


async def _note_key(setup: Setup, ready: Ready, asking: sql.Asking, note: str) -> None:
    rows = await setup.rows(ready, asking)
    if asking.session is not None and rows and rows[0] and rows[0][0] is not None:
        asking.session.notes[note] = rows[0][0]


# -- named queries for other modules -------------------------------------------------------------------------


class NamedQueries:
    """Implements :class:`ftpd.api.sql.Queries`."""

    async def lookup(
        self, session: Session, name: str, *arguments: str, command: Command | None = None
    ) -> list[sql.Row]:
        setup, ready = self._found(session, name)
        return await setup.rows(ready, sql.Asking(session, command, arguments))

    async def change(self, session: Session, name: str, *arguments: str, command: Command | None = None) -> None:
        setup, ready = self._found(session, name)
        await setup.rows(ready, sql.Asking(session, command, arguments))

    def knows(self, session: Session, name: str) -> bool:
        setup = _setups.get(session.server)
        return setup is not None and setup.named(name) is not None

    def _found(self, session: Session, name: str) -> tuple[Setup, Ready]:
        setup = _setups.get(session.server)
        ready = None if setup is None else setup.named(name)
        if setup is None or ready is None:
            raise sql.SqlError(f"there is no SQLNamedQuery '{name}' for this server")
        return setup, ready


module.offer(sql.QUERIES, NamedQueries())


# -- logs ----------------------------------------------------------------------------------------------------


@module.log()
def log_success(cmd: Command) -> Awaitable[None] | None:
    setup = _setup(cmd.session, "log")
    if setup is None:
        return None
    records = _meant(setup.logs, cmd.name) if setup.logs else ()
    if setup.stats is not None and cmd.name in ("STOR", "APPE", "STOU", "RETR") and cmd.transfer is not None:
        records = (*records, (_counting, setup.stats))
    return asyncio.shield(_recording(setup, cmd.session, cmd, records)) if records else None


@module.log_err()
def log_failure(cmd: Command) -> Awaitable[None] | None:
    setup = _setup(cmd.session, "log")
    records = _meant(setup.error_logs, cmd.name) if setup is not None and setup.error_logs else ()
    if setup is None or not records:
        return None
    return asyncio.shield(_recording(setup, cmd.session, cmd, records))


_counting = Record(frozenset(), "SQLRatioStats", ignores_errors=False)


@module.on(SESSION_CLOSE)
def log_exit(session: Session) -> None:
    """EXIT, which is no command: a client that just went away is recorded, too."""
    setup = _setup(session, "log")
    records = setup.logs.get("EXIT") if setup is not None else None
    if setup is not None and records:
        _recording(setup, session, None, records, verb="EXIT")


def happened(name: str, payload: Any) -> None:
    """An event of a session or of a command; what happens to the daemon alone has no database."""
    cmd = payload if isinstance(payload, Command) else None
    session = cmd.session if cmd is not None else payload
    if not isinstance(session, Session):
        return
    setup = _setup(session, "log")
    records = setup.events.get(name) if setup is not None else None
    if setup is not None and records:
        _recording(setup, session, cmd, records, verb="" if cmd is not None else "EVENT")


def _recording(
    setup: Setup, session: Session, cmd: Command | None, records: Sequence[tuple[Record, Ready]], verb: str = ""
) -> asyncio.Task[None]:
    """Begin to record; the values are those of this moment, for the session may be gone when they are written."""
    filled: list[tuple[Record, Ready, list[sql.Value] | sql.SqlError]] = []
    for record, ready in records:
        try:
            asking = sql.Asking(session, cmd, _moved(cmd) if record is _counting else (), verb=verb)
            filled.append((record, ready, _values(ready, asking)))
        except sql.SqlError as error:
            filled.append((record, ready, error))
    return _launch(_record(setup, session, cmd is not None, filled))


async def _record(
    setup: Setup,
    session: Session,
    stays: bool,
    records: Sequence[tuple[Record, Ready, list[sql.Value] | sql.SqlError]],
) -> None:
    for record, ready, values in records:
        try:
            if isinstance(values, sql.SqlError):
                raise values
            await setup.write(ready, values)
        except sql.SqlError as error:
            if record.ignores_errors:
                continue
            session.log(Level.ERROR, "mod_sql: the query '%s' failed: %s", record.query, error)
            if "NoDisconnectOnError" not in setup.options and stays:
                session.end("SQL error")
                return


def _moved(cmd: Command | None) -> tuple[str, ...]:
    """What SQLRatioStats adds: files stored and sent, bytes stored and sent."""
    assert cmd is not None and cmd.transfer is not None
    stored = cmd.name != "RETR"
    moved = str(cmd.transfer.moved)
    return ("1", "0", moved, "0") if stored else ("0", "1", "0", moved)


@module.post()
def show_success(cmd: Command) -> Awaitable[None] | None:
    setup = _setup(cmd.session, "log")
    shows = _meant(setup.shows, cmd.name) if setup is not None and setup.shows else ()
    return _show(setup, cmd, shows, failed=False) if setup is not None and shows else None


@module.post_err()
def show_failure(cmd: Command) -> Awaitable[None] | None:
    setup = _setup(cmd.session, "log")
    shows = _meant(setup.error_shows, cmd.name) if setup is not None and setup.error_shows else ()
    return _show(setup, cmd, shows, failed=True) if setup is not None and shows else None


async def _show(setup: Setup, cmd: Command, shows: Sequence[Shown], *, failed: bool) -> None:
    asking = sql.Asking(cmd.session, cmd)
    for show in shows:
        out = []
        for part in show.parts:
            if not isinstance(part, Ready):
                out.append("{null}" if part is None else part(asking))
                continue
            try:
                rows = await setup.rows(part, asking)
            except sql.SqlError as error:
                cmd.session.log(Level.ERROR, "mod_sql: SQLShowInfo: %s", error)
                rows = []
            value = rows[0][0] if rows and rows[0] else None
            out.append("{null}" if value is None else value)
        (cmd.errors if failed else cmd.replies).add(show.code, ["".join(out)])
