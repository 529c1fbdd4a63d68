"""Directives about connections: how fast clients may come and talk, and the sockets and lines they do it with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftpd.api import SERVER, VHOST, Config, ConfigError, ConfigWarning, Multi, Scope, types
from ftpd.modules._core import SERVERS, module

_SHORTEST_BUFFER, _LONGEST_BUFFER = 16, 512 * 1024
"""Where no USER has room everybody is shut out; each session holds a line of this length at most, as in ProFTPD."""
_LONGEST_BACKLOG = 65535
_int = types.integer(0, 2**31 - 1, leading=True)
"""What setsockopt(2) takes."""
_buffer = types.integer(1024, 2**31 - 1, leading=True)


# -- parsers -----------------------------------------------------------------------------------------


@types.takes(1, 2, strict=True)
def _line_buffer(words: list[str]) -> int:
    """A size; nothing, or a number that leaves no room for a command, is taken at its word."""
    size = types.size([words[0] or "0", *words[1:]])
    if size > _LONGEST_BUFFER:
        right = f"up to {_LONGEST_BUFFER // 1024} KB"
        raise ConfigError(f"size {size} exceeds max size {_LONGEST_BUFFER}", right=right, word=0)
    if size < _SHORTEST_BUFFER:
        types.doubt(
            f"few can log in, if anybody: a USER or PASS has hardly room in {size} bytes; 4103 is usual", word=0
        )
    # the line's end has room at least
    return max(size, 2)


@types.takes(1, 2, strict=True)
def _rate(words: list[str]) -> tuple[int, int] | None:
    """A count, and the seconds in which it may be reached; the count 0 is no limit."""
    seconds = types.to_leading_integer(words[1], 1, word=1) if len(words) > 1 else 1
    count = types.to_integer(words[0], 0)
    return (count, seconds) if count else None


def pairs(**parsers: types.Parser[Any]) -> types.Parser[dict[str, Any]]:
    """Names that each have a value behind them; gives the values by their names in lower case."""

    @types.takes(2)
    def parse(words: list[str]) -> dict[str, Any]:
        found = {}
        for index in range(0, len(words), 2):
            name = words[index].lower()
            parser = parsers.get(name)
            if parser is None:
                raise ConfigError(f"'{words[index]}' is unknown here", right=", ".join(parsers), word=index)
            if index + 1 == len(words):
                raise ConfigError(f"'{words[index]}' has no value behind it", word=index)
            before = types.doubts()
            try:
                found[name] = parser(words[index + 1 : index + 2])
            except ConfigError as wrong:
                raise ConfigError(wrong.message, right=wrong.right, word=index + 1) from None
            for message, word in [*before, *((message, index + 1) for message, _ in types.doubts())]:
                types.doubt(message, word=word)
        return found

    return parse


def _keepalive(words: list[str]) -> bool | tuple[int, ...]:
    """``on``, ``off``, or seconds until the first probe, probes, seconds between them; each of them above 0."""
    if words[0].count(":") < 2:
        return types.boolean(words)
    numbers = []
    for part in words[0].split(":", 2):
        number, behind = types.to_long(part)
        numbers.append(0 if behind == part else types.in_32_bits(number))
        if behind and behind != part:
            types.doubt(f"'{behind}' behind the number is passed over", word=0)
    if min(numbers) < 1:
        raise ConfigError("each number of a keepalive must be above 0", right="7200:9:75", word=0)
    return tuple(numbers)


@types.takes(1, 4)
def _no_delay(words: list[str]) -> dict[str, bool]:
    """``on``, ``off``, or that for ``ctrl`` and ``data`` apart."""
    if words[0].lower() not in ("ctrl", "data"):
        if len(words) > 1:
            types.doubt(f"'{' '.join(words[1:])}' is ignored: what stands first is for both", word=1)
        return dict.fromkeys(("ctrl", "data"), types.boolean(words))
    return _no_delay_pairs(words)


_no_delay_pairs = pairs(ctrl=types.boolean, data=types.boolean)


_socket_pairs = pairs(
    maxseg=_int, rcvbuf=_buffer, sndbuf=_buffer, keepalive=_keepalive, reuseport=types.boolean,
)  # fmt: skip


@types.takes(0)
def _socket_options(words: list[str]) -> dict[str, Any]:
    """Names and values, or nothing at all, which is no option."""
    if not words:
        types.doubt("says nothing: no option is named")
        return {}
    if len(words) == 1:
        raise ConfigError("missing parameters")
    return _socket_pairs(words)


@types.takes(1)
def _protocols(words: list[str]) -> tuple[str, ...]:
    return tuple(word.lower() for word in words)


# -- the directives ------------------------------------------------------------------------------------

module.directive(
    "CommandBufferSize", _line_buffer, default=4103, contexts=SERVERS,
    usage="size [units]", doc="Command lines have to be shorter than this, with their ends.",
)  # fmt: skip
module.directive(
    "MaxCommandRate", _rate, contexts=SERVERS,
    usage="count [seconds]", doc="How many commands of a client are taken in so many seconds; the others wait.",
)  # fmt: skip
module.directive(
    "MaxConnectionRate", _rate, contexts=SERVER, multi=Multi.LAST,
    usage="count [seconds]", doc="How many connections are taken in so many seconds; the others are closed.",
)  # fmt: skip
module.directive(
    "Protocols", _protocols, contexts=SERVERS,
    usage="ftp|ftps|sftp|scp ...", doc="The protocols by which a login may come; any without this line.",
)  # fmt: skip
module.directive(
    "SocketOptions",
    _socket_options,
    contexts=SERVER | VHOST, multi=Multi.LIST,
    usage="maxseg n | rcvbuf n | sndbuf n | keepalive on|off|idle:count:interval | reuseport on|off",
    doc="Options of the sockets, which are left to the kernel's own tuning otherwise; a long file to a client on this"
    " machine has a sndbuf of 256 KiB.",
)  # fmt: skip
module.directive(
    "TCPBackLog", types.integer(1, _LONGEST_BACKLOG, leading=True), default=128, contexts=SERVER, multi=Multi.LAST,
    usage="count", doc="How many connections may wait to be accepted.",
)  # fmt: skip
module.directive(
    "TCPNoDelay", _no_delay, contexts=SERVERS,
    usage="on|off|[ctrl on|off] [data on|off]", doc="Whether small packets are sent at once; on without this line.",
)  # fmt: skip
reverse_dns = module.directive(
    "UseReverseDNS", types.boolean, default=True, contexts=SERVER, multi=Multi.LAST,
    usage="on|off", doc="Look up the names of clients' addresses: for logs, <Limit> and <Class>.",
)  # fmt: skip


@module.check
def names_are_looked_up(config: Config) -> Iterator[ConfigError]:
    """Lines about names of hosts mean nobody where nobody's name is looked up: a Deny of them is no protection."""
    if config.main.settings[reverse_dns]:
        return
    told = set()
    for scope in (*config.classes, *(inner for server in config.servers for inner in _below(server))):
        for key, lines in scope.values.items():
            if key.name not in ("Allow", "Deny", "From"):
                continue
            for line, at in zip(lines, scope.where.get(key, ()), strict=False):
                if line.names and at not in told:
                    told.add(at)
                    yield ConfigWarning(
                        f"'{line.names[0]}' is a name, and UseReverseDNS is off: no client has one",
                        right="an address or a network, or UseReverseDNS on",
                        directive=key.name,
                        at=at,
                    )


def _below(scope: Scope) -> Iterator[Scope]:
    for inner in (*scope.children, *scope.conditional):
        yield inner
        yield from _below(inner)
