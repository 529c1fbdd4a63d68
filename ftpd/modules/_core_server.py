"""What the configuration says of a server and its process: names, addresses, limits; the daemon reads these by name."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ftpd.api import (
    ALLOW_OVERRIDE,
    LIMIT_DIRECTIVES,
    SERVER,
    VHOST,
    Config,
    ConfigError,
    Directive,
    Multi,
    Reading,
    Scope,
    addresses_of_device,
    types,
)
from ftpd.modules._core import PLACES, SERVERS, SESSIONS, module

module.adopt(*LIMIT_DIRECTIVES, ALLOW_OVERRIDE)

_MOST_WORKERS = 16
_NAME = re.compile(r"[^\x00-\x20=\x7f]+")


class Ident(NamedTuple):
    """Whether the banner names the server, and the text of its own that it has."""

    shown: bool = True
    text: str | None = None


# -- parsers -----------------------------------------------------------------------------------------


@types.takes(1, 1)
def _max_instances(words: list[str]) -> int | None:
    """``none``, or a number above 0, which may be larger than those of others."""
    if words[0].lower() == "none":
        return None
    count, behind = types.to_long(types.unpadded(words[0]))
    if behind or count < 1:
        right = "none, or a number such as 1000"
        raise ConfigError("argument must be 'none' or a number greater than 0", right=right, word=0)
    return count


@types.takes(1, 1)
def _workers(words: list[str]) -> int:
    if words[0].lower() == "auto":
        return min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
    try:
        return types.to_integer(words[0], 1, _MOST_WORKERS)
    except ConfigError:
        right = f"auto, or a number from 1 to {_MOST_WORKERS}"
        raise ConfigError(f"'{words[0]}' is no number of workers", right=right, word=0) from None


@types.takes(1, 1)
def _port(words: list[str]) -> int:
    """A number, or something that is none and so 0: the port of a server that is not listened for."""
    if not any(letter.isdigit() for letter in words[0]):
        types.doubt(f"'{words[0]}' is no number, so this server is not listened for; 'Port 0' says so", word=0)
        return 0
    return types.to_leading_integer(words[0], 0, 65535)


def _debug_level(words: list[str]) -> int:
    if not words[0]:
        types.doubt("'' is taken for 0", word=0)
    try:
        return types.to_integer(words[0] or "0", 0, 10)
    except ConfigError:
        raise ConfigError("invalid debug level configured", right="a level from 0 to 10", word=0) from None


def _syslog_level(words: list[str]) -> str:
    try:
        return _levels(words)
    except ConfigError as wrong:
        raise ConfigError(f"SyslogLevel requires level keyword, not '{words[0]}'", right=wrong.right, word=0) from None


_levels = types.one_of("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")


@types.takes(1, 1)
def _server_type(words: list[str]) -> str:
    if words[0].lower() not in ("inetd", "standalone"):
        raise ConfigError("type must be either 'inetd' or 'standalone'", right="standalone or inetd", word=0)
    return words[0].lower()


@types.takes(1)
def _auth_order(words: list[str]) -> tuple[str, ...]:
    """Names of modules; a ``*`` behind one makes its answer final."""
    return tuple(words)


@types.takes(2, 2)
def _passive_ports(words: list[str]) -> range:
    """The lowest and the highest port."""
    low, high = (types.to_leading_integer(word, 0, 65535, word=index) for index, word in enumerate(words[:2]))
    if low < 1024 or high < 1024:
        raise ConfigError("port numbers must be above 1023", right="49152 65534", word=0 if low < 1024 else 1)
    if high <= low:
        # as in ProFTPD one port is no range: the next client would have none while the first has it
        right = f"{high} {low}" if high < low else f"{low} {low + 1}" if low < 65535 else f"{low - 1} {low}"
        raise ConfigError("min port must be less than max port", right=right, word=0)
    return range(low, high + 1)


def is_address(text: str, *, version: int | None = None) -> bool:
    """Whether this is an IP address (of that version), and not a name that had none when it was looked up."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return version is None or address.version == version


@types.takes(1, 1)
def _masquerade_address(words: list[str]) -> str:
    """The address that a name or a network device has now; what has none stays as written."""
    if not words[0]:
        raise ConfigError("missing required name parameter", right="an address, a name or a device, or no such line")
    found = addresses_of_device(words[0])
    if found:
        return found[0]
    try:
        entries = socket.getaddrinfo(words[0], None, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return words[0]
    # PASV has room for IPv4 only
    entries.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(entries[0][4][0])


@types.takes(1, 2, strict=True)
def _server_ident(words: list[str]) -> Ident:
    shown = types.to_boolean(words[0])
    return Ident(shown, words[1] if shown and len(words) > 1 else None)


@types.takes(2, 2)
def _set_env(words: list[str]) -> tuple[str, str]:
    """A name and its value."""
    return words[0], words[1]


@types.takes(1, 1)
def _unset_env(words: list[str]) -> str:
    return words[0]


# -- what acts as the line is read ---------------------------------------------------------------------


def only(wanted: object, otherwise: str) -> Callable[[Reading, Any], None]:
    """Warn where a line asks for more than this version does."""

    def act(reading: Reading, value: object) -> None:
        if value != wanted:
            reading.warn(otherwise, word=0)

    return act


def _into_environment(reading: Reading, value: tuple[str, str]) -> None:
    # those of a virtual host must not change what the lines of the others see
    if _can_be(reading, value[0]) and reading.context is SERVER:
        reading.environment[value[0]] = value[1]


def _out_of_environment(reading: Reading, value: str) -> None:
    if _can_be(reading, value) and reading.context is SERVER:
        reading.environment.pop(value, None)


def _can_be(reading: Reading, name: str) -> bool:
    """Whether that can be the name of a variable; the line is without effect where not."""
    if _NAME.fullmatch(name):
        return True
    reading.warn(f"has no effect: '{name}' cannot be the name of a variable", word=0)
    return False


def _resolved(reading: Reading, value: str) -> None:
    if not (":" in value or re.fullmatch(r"[0-9.]+", value)):
        reading.warn(f"'{value}' has no address now: clients are told the one they connected to", word=0)


# -- the server ----------------------------------------------------------------------------------------

server_name = module.directive(
    "ServerName", types.string, default="ProFTPD", contexts=SERVER | VHOST, multi=Multi.LAST,
    usage='"name"', doc="The name of the server: the banner and STAT show it.",
)  # fmt: skip
server_admin = module.directive(
    "ServerAdmin", types.string, default="", contexts=SERVER | VHOST, multi=Multi.LAST,
    usage="e-mail-address", doc="Whom to write to; HELP tells it. Default root@ and the host's name.",
)  # fmt: skip
server_ident = module.directive(
    "ServerIdent", _server_ident, default=Ident(), contexts=SERVERS,
    usage='on|off ["text"]', doc="What the banner says; %L is the address, %V the host, %v the ServerName.",
)  # fmt: skip
server_alias = module.directive_list(
    "ServerAlias", types.words, contexts=SERVER | VHOST,
    usage="name ...", doc="Names by which a client may ask for this server with HOST.",
)  # fmt: skip
defer_welcome = module.directive(
    "DeferWelcome", types.boolean, default=False, contexts=SERVERS,
    usage="on|off", doc="Keep the server's name and address out of the banner until the client has logged in.",
)  # fmt: skip
module.directive(
    "ServerType", _server_type, default="standalone", contexts=SERVER, multi=Multi.LAST,
    usage="standalone|inetd", doc="Listen for clients, or serve the one that inetd hands over.",
)  # fmt: skip
module.directive(
    "Port", _port, default=21, contexts=SERVERS,
    usage="port", doc="The port to listen on; 0 keeps a server from listening.",
)  # fmt: skip
module.directive(
    "DefaultAddress", types.words, contexts=SERVER, multi=Multi.LAST,
    usage="address|name|device ...",
    doc="The addresses that belong to the main server; all of the machine without this line.",
)  # fmt: skip
module.directive(
    "DefaultServer", types.boolean, default=False, contexts=SERVER | VHOST, multi=Multi.ERROR,
    usage="on|off", doc="Serve connections to addresses that no server is configured for.",
)  # fmt: skip
module.directive(
    "SocketBindTight", types.boolean, default=False, contexts=SERVER, multi=Multi.LAST,
    usage="on|off", doc="Listen on each server's own addresses instead of on all.",
)  # fmt: skip
module.directive(
    "UseIPv6", types.boolean, default=True, contexts=SERVER, multi=Multi.LAST,
    usage="on|off", doc="Listen on IPv6 as well.",
)  # fmt: skip
masquerade = module.directive(
    "MasqueradeAddress", _masquerade_address, contexts=SERVERS, act=_resolved,
    usage="address|name|device", doc="The address that PASV announces, where clients reach the server through NAT.",
)  # fmt: skip
passive = module.directive(
    "PassivePorts", _passive_ports, contexts=SERVERS,
    usage="min max", doc="The ports that PASV and EPSV choose from, at random.",
)  # fmt: skip
module.directive(
    "AuthOrder", _auth_order, contexts=SERVERS, multi=Multi.ERROR,
    usage="mod_name.c[*] ...", doc="The modules asked who a user is, in this order, and no others.",
)  # fmt: skip

# -- the process ---------------------------------------------------------------------------------------

user = module.directive(
    "User", types.string, contexts=SESSIONS, inherit=False,
    usage="name|uid", doc="The user the daemon becomes; in <Anonymous>, the account of the login.",
)  # fmt: skip
group = module.directive(
    "Group", types.string, contexts=SESSIONS, inherit=False,
    usage="name|gid", doc="The group the daemon becomes; in <Anonymous>, the group of the login.",
)  # fmt: skip
module.directive(
    "MaxInstances", _max_instances, contexts=SERVER, multi=Multi.LAST,
    usage="count|none", doc="How many sessions there may be at once.",
)  # fmt: skip
module.directive(
    "Workers", _workers, default=1, contexts=SERVER, multi=Multi.LAST,
    usage="count|auto", doc="How many processes serve; auto is one for each processor. Not known to ProFTPD.",
)  # fmt: skip
module.directive(
    "PidFile", types.path, contexts=SERVER, multi=Multi.LAST,
    usage="path", doc="Where the daemon writes its process id.",
)  # fmt: skip
module.directive_list(
    "SetEnv", _set_env, contexts=SERVERS, act=_into_environment,
    usage="name value", doc="Set a variable for %{env:name} in the lines below.",
)  # fmt: skip
module.directive_list(
    "UnsetEnv", _unset_env, contexts=SERVERS, act=_out_of_environment,
    usage="name", doc="Forget a variable for the lines below.",
)  # fmt: skip
module.directive(
    "DebugLevel", types.takes(1, 1)(_debug_level), default=0, contexts=SERVERS,
    usage="0-10", doc="How much the log tells; above 0 SyslogLevel is debug unless a line says otherwise.",
)  # fmt: skip
module.directive(
    "SyslogLevel", types.takes(1, 1)(_syslog_level), default=None, contexts=SERVERS,
    usage="emerg|alert|crit|error|warn|notice|info|debug", doc="The least urgent messages that are logged.",
)  # fmt: skip
module.directive(
    "TransferLog", types.log_or_none, contexts=SESSIONS,
    usage="path|none", doc="Where mod_log writes a line of the xferlog for each transfer.",
)  # fmt: skip
module.directive(
    "TimesGMT", types.boolean, default=True, contexts=SESSIONS,
    usage="on|off", doc="Show the times of LIST and STAT in UTC instead of the server's time zone.",
)  # fmt: skip
module.directive(
    "Umask", types.umask, default=(0o022, 0o022), contexts=PLACES, combine=types.umasks,
    usage="file-umask [directory-umask]", doc="The permissions that new files and directories do not get.",
)  # fmt: skip


# -- what can be checked only when all is read ---------------------------------------------------------


@module.check
def users_exist(config: Config) -> Iterator[ConfigError]:
    """User and Group of a server must be known to the system; in <Anonymous> they may be mod_auth_file's."""
    for server in config.servers:
        yield from _must_exist(server, user, pwd.getpwnam, pwd.getpwuid)
        yield from _must_exist(server, group, grp.getgrnam, grp.getgrgid)


def _must_exist(
    server: Scope, key: Directive[str | None], by_name: Callable[[str], object], by_id: Callable[[int], object]
) -> Iterator[ConfigError]:
    name = server.values.get(key)
    if name is None:
        return
    try:
        if name.isascii() and name.isdigit():
            by_id(int(name))
        else:
            by_name(name)
    except (KeyError, OverflowError):
        kind = key.name.lower()
        yield ConfigError(
            f"Unknown {kind} '{name}'",
            right=f"a {kind} that the system knows",
            word=0,
            directive=key.name,
            at=server.where[key][0],
        )
