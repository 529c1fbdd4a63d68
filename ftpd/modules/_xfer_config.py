"""The directives of mod_xfer: what may be stored and fetched, how fast, how large, and under which names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Protocol, TypeVar

from ftpd.api import (
    ANON,
    DIRECTORY,
    FTPACCESS,
    GLOBAL,
    SERVER,
    VHOST,
    ConfigError,
    Expression,
    Module,
    Reading,
    Session,
    class_expression,
    dataclass,
    for_whom,
    group_expression,
    types,
    user_expression,
)

module = Module("mod_xfer", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_SESSIONS = _SERVERS | ANON
_PLACES = _SESSIONS | DIRECTORY
_EVERYWHERE = _PLACES | FTPACCESS

TRANSFERS = ("APPE", "RETR", "STOR", "STOU")


# -- whom a line is for ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Audience:
    """The clients that a line with ``user``, ``group`` or ``class`` behind it means; everybody without."""

    rank: int = 0
    expression: Expression | None = None

    def includes(self, session: Session) -> bool:
        if self.expression is None:
            return True
        if self.rank == 3:
            names: Collection[str] | None = (session.user,) if session.user else None
        elif self.rank == 2:
            names = [name for _, name in session.groups]
        else:
            names = (session.class_name,) if session.class_name else None
        # a limit holds for whoever a pattern is given up with
        return self.expression.matches(names, unsure=True)


_Kinds = Mapping[str, tuple[int, Callable[[list[str]], Expression]]]
_AUDIENCES: _Kinds = {"user": (3, user_expression), "group": (2, group_expression), "class": (1, class_expression)}


def _any_group(words: list[str]) -> Expression:
    """Groups of which one is enough, unless AND comes first."""
    return Expression(words, default="OR")


_SIZE_AUDIENCES = {**_AUDIENCES, "group": (2, _any_group)}
"""ProFTPD asks for all groups of a TransferRate, and for one of those of a size."""


def _audience(words: list[str], first: int, kinds: _Kinds = _AUDIENCES) -> Audience:
    """What stands behind the value of a line; ``first`` is the index of its first word."""
    if not words:
        return Audience()
    kind = words[0].lower()
    if kind not in kinds:
        raise ConfigError(f"unknown classifier '{words[0]}'", right="user, group or class", word=first)
    if len(words) < 2:
        raise ConfigError(f"'{words[0]}' has no expression behind it", right=f"{kind} name[,name ...]", word=first)
    rank, read = kinds[kind]
    expression = read(for_whom(words[1:], first + 1))
    # a size for nobody is one for everybody to ProFTPD, a rate for nobody is none
    return Audience() if expression.empty and kinds is _SIZE_AUDIENCES else Audience(rank, expression)


class _Rule(Protocol):
    @property
    def audience(self) -> Audience: ...


R = TypeVar("R", bound=_Rule)


def rule_for(session: Session, rules: tuple[R, ...]) -> R | None:
    """The line that counts: user before group before class before everybody, the inner section before the outer."""
    best: R | None = None
    for rule in rules:
        if (best is None or rule.audience.rank > best.audience.rank) and rule.audience.includes(session):
            best = rule
    return best


# -- the parsers ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """A line of MaxStoreFileSize or MaxRetrieveFileSize; None bytes is no limit."""

    bytes: int | None
    audience: Audience = Audience()


@types.takes(1)
def size_limit(words: list[str]) -> SizeLimit:
    """``*``, ``5 Mb``, ``5MB``, and behind it whom it is for."""
    if words[0] == "*":
        return SizeLimit(None, _audience(words[1:], 1, _SIZE_AUDIENCES))
    has_unit = len(words) > 1 and words[1].lower() not in _AUDIENCES
    if not has_unit and words[0][-1:].isdigit():
        # ProFTPD wants a unit, and who leaves it out has hardly thought of bytes
        raise ConfigError(
            "incorrect number of parameters", right=f"{words[0].strip()} MB, or {words[0].strip()} B", word=0
        )
    limit = types.to_size(words[0], words[1] if has_unit else "")
    if limit < 1:
        raise ConfigError(
            "size must be greater than zero", right="a number with B, KB, MB or GB, or * for no limit", word=0
        )
    used = 2 if has_unit else 1
    return SizeLimit(limit, _audience(words[used:], used, _SIZE_AUDIENCES))


@dataclass(frozen=True, slots=True)
class Rate:
    """A line of TransferRate: bytes a second once ``free`` bytes have passed."""

    commands: frozenset[str]
    rate: float
    free: int
    audience: Audience = Audience()


@types.takes(1)
def _anything(words: list[str]) -> tuple[str, ...]:
    return tuple(words)


def _without_effect(reading: Reading, value: object) -> None:
    reading.warn("has no effect, and is no directive of ProFTPD's any more: the line can go")


_RATE = re.compile(
    r"(?:\+?|-(?=0+$))((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?)(?::\s*\+?(\d{0,18}))?", re.ASCII | re.IGNORECASE
)
_LONGEST_RATE = 64


def _commands(text: str) -> frozenset[str]:
    names = frozenset(name.upper() for name in types.items(text))
    wrong = sorted(names.difference(TRANSFERS))
    if wrong or not names:
        raise ConfigError(
            f"invalid FTP transfer command '{wrong[0] if wrong else text}'",
            right="APPE, RETR, STOR, STOU, joined by commas",
            word=0,
        )
    return names


@types.takes(2)
def transfer_rate(words: list[str]) -> Rate:
    """``RETR,STOR 8.5:1024``: kilobytes a second (0: no limit), and after the colon how many bytes go unthrottled."""
    commands = _commands(words[0])
    rate = types.unpadded(words[1], 1)
    found = _RATE.fullmatch(rate) if len(rate) <= _LONGEST_RATE else None
    if not found:
        raise ConfigError(
            f"rate must be greater than zero, which '{words[1]}' is not",
            right="kilobytes a second, as 8.5 or 8.5:1024",
            word=1,
        )
    return Rate(commands, float(found[1]) * 1024, int(found[2] or 0), _audience(words[2:], 2))


@dataclass(frozen=True, slots=True)
class Hidden:
    """How HiddenStores names a file while it is being uploaded."""

    prefix: str
    suffix: str

    def name(self, session: Session, name: str) -> str:
        # %P is ProFTPD's word for the session's process; here many sessions share one
        mark = f"{os.getpid()}-{session.id}"
        return f"{self.prefix.replace('%P', mark)}{name}{self.suffix.replace('%P', mark)}"


@types.takes(1, 2)
def hidden_stores(words: list[str]) -> Hidden | None:
    """``on``, ``off``, or a prefix and perhaps a suffix; a prefix alone is put between dots where it has none."""
    with suppress(ConfigError):
        return Hidden(".in.", ".") if types.to_boolean(words[0]) else None
    prefix, suffix = words[0], words[1] if len(words) > 1 else "."
    if len(words) == 1 and not (prefix.startswith(".") and prefix.endswith(".")):
        prefix = f".{prefix}."
    for index, word in enumerate(words):
        if "/" in word:
            raise ConfigError(
                f"'{word}' holds a slash, but the file stays in its folder",
                right="on, off, or a prefix as .in.",
                word=index,
            )
    if not "".join(words):
        raise ConfigError("prefix and suffix cannot both be empty", right='HiddenStores "" .filepart', word=0)
    return Hidden(prefix, suffix)


@types.takes(1, 1)
def unique_prefix(words: list[str]) -> str:
    """The first letters of the names that STOU makes."""
    if "/" in words[0] or len(words[0]) > 200:
        raise ConfigError(f"'{words[0]}' cannot begin a file name", right="up to 200 letters without a slash", word=0)
    return words[0]


@dataclass(frozen=True, slots=True)
class Sendfile:
    """UseSendfile: whether at all, and how much of a file goes out at once; 0 leaves that to the daemon."""

    on: bool = True
    bytes: int = 0
    percent: float = 0

    def __bool__(self) -> bool:
        """Other modules ask for no more than whether it is used."""
        return self.on

    def slice(self, size: int) -> int:
        """
        >>> Sendfile(percent=25).slice(1000), Sendfile(bytes=10).slice(1000), Sendfile(percent=1).slice(1)
        (250, 10, 1)
        """
        return max(int(size * self.percent / 100), 1) if self.percent else self.bytes

    def told(self, *, ascii: bool) -> tuple[str, ...]:
        """What ProFTPD says of a download at DebugLevel 10."""
        if not self.on:
            return ("declining use of sendfile due to UseSendfile configuration",)
        if ascii:
            return ("declining use of sendfile for ASCII data",)
        used = "using sendfile capability for transmitting data"
        if self.bytes:
            return used, f"using sendfile with configured UseSendfile length ({self.bytes} bytes)"
        if self.percent:
            return used, f"using sendfile with configured UseSendfile percentage ({self.percent:.0f}%)"
        return (used,)


_PERCENT = re.compile(r"\s*([+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?|nan))%", re.ASCII | re.IGNORECASE)
_LONGEST_PERCENT = 64


@types.takes(1, 2, strict=True)
def sendfile(words: list[str]) -> Sendfile:
    """``on``, ``off``, or how much goes out at once: ``64 KB`` or ``50%`` of the file; no length means on."""
    if len(words) == 2:
        if not words[0]:
            types.doubt("'' is taken for 0, which is on", word=0)
        return Sendfile(bytes=types.to_size(words[0] or "0", words[1]))
    if len(words[0]) <= _LONGEST_PERCENT and (found := _PERCENT.fullmatch(words[0])):
        percent = float(found[1])
        if 0 < percent <= 100:
            return Sendfile(percent=percent)
        types.doubt(f"'{words[0]}' is no part of a file, and so means on", word=0)
        return Sendfile()
    return Sendfile(types.to_boolean(words[0]))


@dataclass(frozen=True, slots=True)
class Transfers:
    """A line of MaxTransfersPerHost or MaxTransfersPerUser: how many of these commands may run at once."""

    commands: frozenset[str]
    most: int
    message: str = ""


@types.takes(2, 3, strict=True)
def max_transfers(words: list[str]) -> Transfers:
    """Commands, a count, and perhaps the message of the refusal."""
    most = types.to_leading_integer(words[1], 1, word=1)
    return Transfers(_commands(words[0]), most, words[2] if len(words) > 2 else "")


# -- the directives --------------------------------------------------------------------------------------

allow_overwrite = module.directive(
    "AllowOverwrite", types.boolean, default=False, contexts=_EVERYWHERE, usage="on|off",
    doc="Whether an upload or a rename may replace a file that is there.",
)  # fmt: skip
allow_retrieve_restart = module.directive(
    "AllowRetrieveRestart", types.boolean, default=True, contexts=_EVERYWHERE, usage="on|off",
    doc="Whether REST and RANG may be used to fetch the rest of a file.",
)  # fmt: skip
allow_store_restart = module.directive(
    "AllowStoreRestart", types.boolean, default=False, contexts=_EVERYWHERE, usage="on|off",
    doc="Whether an upload may go on where an earlier one ended, by REST, RANG or APPE.",
)  # fmt: skip
default_mode = module.directive(
    "DefaultTransferMode", types.one_of("ascii", "binary"), default="ascii", contexts=_SERVERS, usage="ascii|binary",
    doc="The type of transfers for a client that never sends TYPE.",
)  # fmt: skip
delete_aborted = module.directive(
    "DeleteAbortedStores", types.boolean, default=False, contexts=_EVERYWHERE, usage="on|off",
    doc="Whether what arrived of an upload that broke off is removed; with HiddenStores it is, unless this is off.",
)  # fmt: skip
display_file_transfer = module.directive(
    "DisplayFileTransfer", types.string, contexts=_SERVERS, usage="path",
    doc="A file whose text is shown in front of the reply to each finished transfer.",
)  # fmt: skip
hidden = module.directive(
    "HiddenStores", hidden_stores, contexts=_PLACES, usage="on|off|prefix [suffix]",
    doc="Whether an upload gets its name only once it is whole.",
)  # fmt: skip
max_retrieve_size = module.directive_list(
    "MaxRetrieveFileSize", size_limit, contexts=_EVERYWHERE, usage="*|size units [user|group|class expression]",
    doc="The largest file that may be fetched.",
)  # fmt: skip
max_store_size = module.directive_list(
    "MaxStoreFileSize", size_limit, contexts=_EVERYWHERE, usage="*|size units [user|group|class expression]",
    doc="The size that an uploaded file may reach.",
)  # fmt: skip
max_transfers_per_host = module.directive_list(
    "MaxTransfersPerHost", max_transfers, contexts=_EVERYWHERE, usage="cmd-list count [message]",
    doc="How many transfers one host may have at the same time.",
)  # fmt: skip
max_transfers_per_user = module.directive_list(
    "MaxTransfersPerUser", max_transfers, contexts=_EVERYWHERE, usage="cmd-list count [message]",
    doc="How many transfers one user may have at the same time.",
)  # fmt: skip
store_unique_prefix = module.directive(
    "StoreUniquePrefix", unique_prefix, default="ftp", contexts=_EVERYWHERE, usage="prefix",
    doc="How the names begin that STOU makes.",
)  # fmt: skip
timeout_no_transfer = module.directive(
    "TimeoutNoTransfer", types.seconds, default=300, contexts=_SESSIONS, usage="seconds",
    doc="How long a client may stay logged in without a transfer or a listing; 0 is for ever.",
)  # fmt: skip
module.directive(
    "TimeoutStalled", types.seconds, default=3600, contexts=_SESSIONS, usage="seconds",
    doc="How long a transfer may stand still before it and the session are ended; 0 is for ever.",
)  # fmt: skip
transfer_options = module.directive_list(
    "TransferOptions", types.flags("AllowSymlinkUpload", "AllowSymlinkUploads", "IgnoreASCII"),
    contexts=_SERVERS, usage="AllowSymlinkUpload|IgnoreASCII ...",
    doc="Uploads through symbolic links, and TYPE A without translation.",
)  # fmt: skip
module.directive_list(
    "TransferPriority", _anything, contexts=_PLACES, act=_without_effect, usage="cmd-list low|medium|high",
    doc="Had no effect, and went from ProFTPD with 1.3.7.",
)  # fmt: skip
transfer_rates = module.directive_list(
    "TransferRate", transfer_rate, contexts=_EVERYWHERE, doc="How fast a transfer may be.",
    usage="cmd-list KB/s[:free-bytes] [user|group|class expression]",
)  # fmt: skip
use_sendfile = module.directive(
    "UseSendfile", sendfile, default=Sendfile(), contexts=_EVERYWHERE, usage="on|off|len units|percentage%",
    doc="Whether downloads go from file to connection inside the kernel.",
)  # fmt: skip


def option(session: Session, name: str) -> bool:
    """Whether one of the TransferOptions is set."""
    return any(name in chosen for chosen in session.settings[transfer_options])


def rate_for(session: Session, rates: tuple[Rate, ...], verb: str) -> Rate | None:
    """The line of TransferRate that counts for this client and verb."""
    if not rates:
        return None
    found = rule_for(session, tuple(rate for rate in rates if verb in rate.commands))
    return found if found is not None and found.rate else None
