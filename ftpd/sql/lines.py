"""What a line of the configuration says of databases: words in, values out, for connections, queries and records."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from ftpd.conf import types
from ftpd.conf.directive import ConfigError, Directive, Reading
from ftpd.core.log import Level, log
from ftpd.core.record import dataclass

if TYPE_CHECKING:
    from ftpd.conf.tree import Scope

# -- connections ---------------------------------------------------------------------------------------------


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
            ssl[found[1].lower()] = _there(types.to_path(found[2], word=first + index), first + index)
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


def _there(path: str, word: int) -> str:
    """The path, if there is something; whether it can be read is known to the daemon alone, not to ``ftpd -t``."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{path} is not there", right="the path of a PEM file", word=word) from None
    except OSError:
        pass
    return path


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


# -- queries -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class NamedQuery:
    """SQLNamedQuery: a name, and a template that is compiled once the backend is known."""

    name: str
    kind: str
    template: str
    connection: str
    at: tuple[str, int] | None = None

    @property
    def selects(self) -> bool:
        return self.kind in ("SELECT", "FREEFORM")


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
    """For the directive's ``act``: whether the query will do is found out when all is read."""
    value.at = (reading.file, reading.line)


# -- accounts ------------------------------------------------------------------------------------------------

_LOOKUPS = ("users", "groups", "userset", "groupset", "usersetfast", "groupsetfast")


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


@types.takes(1, 1)
def engine_line(words: list[str]) -> str:
    """SQLEngine on|off|auth|log"""
    if words[0].lower() in ("auth", "log"):
        return words[0].lower()
    return "on" if types.to_boolean(words[0]) else "off"


@dataclass(frozen=True)
class Columns:
    """SQLUserInfo or SQLGroupInfo: a table and its columns, or the names of queries."""

    table: str
    columns: tuple[str, ...]
    queries: tuple[str, ...] = ()


def columns_line(count: int, usage: str, most: int) -> Callable[[list[str]], Columns]:
    """SQLUserInfo users userid passwd uid gid homedir shell"""

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


# -- records -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """SQLLog or SQLLogOnEvent: at what to run which query."""

    verbs: frozenset[str]
    query: str
    ignores_errors: bool = False


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
def failure_line(words: list[str]) -> Record:
    """SQLLogIfFailed STOR,RETR insert-file"""
    record = log_line(words)
    return replace(record, verbs=frozenset("ERR_" + verb.removeprefix("ERR_") for verb in record.verbs))


@types.takes(2)
def event_line(words: list[str]) -> Record:
    """SQLLogOnEvent mod_auth.max-login-attempts note-attempts"""
    return Record(frozenset(words[:1]), words[1], words[2:3] != [] and words[2].upper() == "IGNORE_ERRORS")


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


def counters_line(*defaults: str) -> Callable[[list[str]], tuple[str, ...]]:
    """SQLRatioStats on, or the names of its four columns"""

    @types.takes(1)
    def parse(words: list[str]) -> tuple[str, ...]:
        if len(words) == 1:
            return defaults if types.to_boolean(words[0]) else ()
        if len(words) != len(defaults) or not all(re.fullmatch(r"[\w.$`\"]+", word) for word in words):
            raise ConfigError("these are not four names of columns", right=f"on, off or {' '.join(defaults)}")
        return tuple(words)

    return parse


# -- where they stand ----------------------------------------------------------------------------------------


@contextmanager
def line_of(scope: Scope, directive: Directive[Any]) -> Iterator[None]:
    """What is found wrong in here is the fault of the directive's first line."""
    try:
        yield
    except ConfigError as wrong:
        at = place_of(scope, directive)
        raise ConfigError(wrong.message, right=wrong.right, directive=directive.name, at=at) from None


def place_of(scope: Scope, directive: Directive[Any]) -> tuple[str, int] | None:
    """File and line of the directive's first line."""
    where = scope.where.get(directive)
    return where[0] if where else None
