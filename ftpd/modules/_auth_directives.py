"""The directives of mod_auth: what each takes, and the small values that their words become."""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable
from dataclasses import replace

from ftpd.api import (
    ANON,
    GLOBAL,
    SERVER,
    VHOST,
    ConfigError,
    Directive,
    Expression,
    Module,
    Pattern,
    Reading,
    class_expression,
    crypt,
    dataclass,
    for_whom,
    group_expression,
    types,
    user_expression,
)

module = Module("mod_auth", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_EVERYWHERE = _SERVERS | ANON

_LONGEST_CACHE = 3600
PASSWORD_SIZE = 1024
"""The longest password where MaxPasswordSize says nothing else, or 0."""


# -- values --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cap:
    """MaxClients and its kin: how many at most (None: any number), and what the one too many is told."""

    most: int | None = None
    message: str | None = None
    """None: the usual one."""


@dataclass(frozen=True, slots=True)
class ForGroups:
    """A folder for the members of some groups, or for all."""

    path: str
    groups: Expression | None = None

    def means(self, groups: tuple[str, ...]) -> bool:
        # whoever a pattern is given up with is shut in rather than not
        return self.groups is None or self.groups.matches(groups, unsure=True)


def _doubt_groups(reading: Reading, value: ForGroups) -> None:
    """``~ staff and guests`` names three groups, and whoever is not in all of them is not meant by the line."""
    words = [] if value.groups is None else value.groups.text.replace(",", " ").split()
    for word in words[1:]:
        if word.lower() in ("and", "or", "not"):
            reading.warn(f"'{word}' is taken for the name of a group: all that are named must be the user's")


@dataclass(frozen=True, slots=True)
class SessionLimit:
    """TimeoutSession: seconds, for all or for those whom an expression over users, groups or classes means."""

    seconds: int
    kind: str = ""
    who: Expression | None = None


@dataclass(frozen=True, slots=True)
class NewHome:
    """CreateHome: how a home that is missing is made."""

    mode: int = 0o700
    parents_mode: int = 0o711
    skeleton: str = ""
    uid: int | None = None
    """The owner of the folders above the home; None is root, -1 the user (``~``)."""
    gid: int | None = None
    home_gid: int | None = None
    as_user: bool = False
    """NoRootPrivs: made with the user's own rights."""


class Revoke(enum.Enum):
    """RootRevoke: what a session gives up of root's rights for good."""

    OFF = "off"
    ON = "on"
    ANY_PORT = "UseNonCompliantActiveTransfers"
    """Active transfers go on, from any port."""


# -- parsers -------------------------------------------------------------------------------------------------------


@types.takes(1, 2, strict=True)
def cap(words: list[str]) -> Cap:
    """``count|none [message]``; ``%m`` in the message is the count."""
    return Cap(types.limit_or_none(words[:1]), words[1] if len(words) > 1 else None)


@types.takes(2, 3)
def class_cap(words: list[str]) -> tuple[str, Cap]:
    """``class count|none [message]``"""
    try:
        return words[0], cap(words[1:])
    except ConfigError:
        raise ConfigError("max must be 'none' or a number greater than 0", right=f"{words[0]} 10", word=1) from None


def folder_for_groups(*, absolute: bool) -> Callable[[list[str]], ForGroups]:
    """``path [group-expression]``"""

    @types.takes(1)
    def parse(words: list[str]) -> ForGroups:
        path = words[0]
        if absolute and path[:1] not in ("/", "~"):
            raise ConfigError(f"({path}) absolute pathname required", right="a path that begins with / or ~", word=0)
        if "*" in path:
            raise ConfigError(f"({path}) wildcards not allowed in pathname", right="the name of one folder", word=0)
        groups = group_expression(words[1:]) if len(words) > 1 else None
        if groups is not None and groups.empty:
            types.doubt(f"'{' '.join(words[1:])}' names no group: the line is for everybody", word=1)
            groups = None
        return ForGroups(path, groups)

    return parse


@types.takes(1)
def session_limit(words: list[str]) -> SessionLimit:
    """``seconds [user|group|class expression]``"""
    seconds = types.to_seconds(words[0])
    if len(words) == 1:
        return SessionLimit(seconds)
    readers = {"user": user_expression, "group": group_expression, "class": class_expression}
    reader = readers.get(words[1].lower())
    if reader is None:
        raise ConfigError(f"unknown classifier used: '{words[1]}'", right="user, group or class", word=1)
    if len(words) == 2:
        raise ConfigError("missing parameters", right=f"{words[0]} {words[1]} name[,name...]")
    return SessionLimit(seconds, words[1].lower(), reader(for_whom(words[2:], 2)))


def _mode(words: list[str], index: int) -> int:
    """Setuid and setgid are read and fall away, as with mkdir(2), and so with ProFTPD; the sticky bit stays."""
    return types.to_octal(words[index], 0o7777, word=index) & 0o1777


def _skeleton(path: str, word: int) -> str:
    """Root copies from there into homes: it must be there, and nobody else may put things into it."""
    types.to_path(path, word=word)
    try:
        known = os.stat(path)
    except OSError as error:
        raise ConfigError(
            f"unable to stat '{path}': {error.strerror}", right="a folder, as /etc/skel", word=word
        ) from None
    if not stat.S_ISDIR(known.st_mode):
        raise ConfigError(f"'{path}' is not a directory", right="a folder, as /etc/skel", word=word)
    if known.st_mode & stat.S_IWOTH:
        raise ConfigError(f"'{path}' is world-writable", right=f"chmod o-w {path}", word=word)
    return path


def _id_or_self(words: list[str], index: int) -> int:
    """An id; -1 is what ProFTPD keeps for ``~``, and may be written as well."""
    return -1 if words[index] == "~" else types.to_integer(words[index], -1, 2**32 - 2, word=index)


@types.takes(1)
def new_home(words: list[str]) -> NewHome | None:
    """``off|on [mode] [skel path] [dirmode mode] [uid id|~] [gid id|~] [homegid id] [NoRootPrivs]``"""
    if not types.to_boolean(words[0]):
        return None
    home, index = NewHome(), 1
    if len(words) > 1 and words[1].lstrip().lstrip("+-")[:1].isdigit():
        home, index = replace(home, mode=_mode(words, 1)), 2
    while index < len(words):
        option = words[index].lower()
        if option == "norootprivs":
            home, index = replace(home, as_user=True), index + 1
            continue
        if option not in ("skel", "dirmode", "uid", "gid", "homegid"):
            right = "a mode as 0700, NoRootPrivs, or skel, dirmode, uid, gid, homegid with its value"
            raise ConfigError(f"bad mode parameter: '{words[index]}'", right=right, word=index)
        if index + 1 == len(words):
            raise ConfigError(f"'{words[index]}' has no value behind it", right=f"{option} <value>", word=index)
        value = index + 1
        if option == "skel":
            home = replace(home, skeleton=_skeleton(words[value], value))
        elif option == "dirmode":
            home = replace(home, parents_mode=_mode(words, value))
        elif option == "homegid":
            group = types.to_integer(words[value], -1, 2**32 - 2, word=value)
            home = replace(home, home_gid=None if group == -1 else group)
        elif option == "uid":
            home = replace(home, uid=_id_or_self(words, value))
        else:
            home = replace(home, gid=_id_or_self(words, value))
        index += 2
    return home


@types.takes(1, 1)
def _password_size(words: list[str]) -> int:
    """A number of bytes; nothing is 0, which stands for the usual ones."""
    if not words[0]:
        types.doubt(f"'' is taken for 0, which is {PASSWORD_SIZE}", word=0)
    length, behind = types.to_long(words[0])
    if behind or words[0].startswith("-"):
        raise ConfigError(f"'{words[0]}' is not a number", right="a number of at least 0", word=0)
    # it was without a sign for ProFTPD, and more than a line can bring is as good as any
    if length < 0:
        types.doubt(f"'{words[0]}' is a password of any length", word=0)
    elif length:
        types.unpadded(words[0])
    return min(length, 2**31 - 1) if length >= 0 else 2**31 - 1


@types.takes(2, 2)
def pair(words: list[str]) -> tuple[str, str]:
    return words[0], words[1]


@types.takes(2, 2)
def _alias(words: list[str]) -> tuple[str, str]:
    if words[0] == words[1]:
        raise ConfigError("alias and real user names must differ", word=1)
    return words[0], words[1]


@types.takes(1, 2, strict=True)
def negatable_pattern(words: list[str]) -> tuple[Pattern, bool]:
    """``[!]regex [flags]``: the pattern, and whether what it does not match is meant."""
    bare = words[0].removeprefix("!")
    return types.regex([bare, *words[1:]]), bare != words[0]


@types.takes(1, 1)
def root_revoke(words: list[str]) -> Revoke:
    # ProFTPD takes both spellings
    if words[0].lower() in ("usenoncompliantactivetransfer", "usenoncompliantactivetransfers"):
        return Revoke.ANY_PORT
    return Revoke.ON if types.to_boolean(words[0]) else Revoke.OFF


def _warn_when_on(effect: str) -> Callable[[Reading, bool], None]:
    def warn(reading: Reading, value: bool) -> None:
        if value:
            reading.warn(effect, word=0)

    return warn


@types.takes(1, 1)
def _cache_time(words: list[str]) -> int:
    """``off``, or seconds that are a short while."""
    if words[0].lower() in ("off", "none"):
        return 0
    right = f"off, or at most {_LONGEST_CACHE} seconds"
    try:
        seconds = types.seconds(words)
    except ConfigError as wrong:
        raise ConfigError(wrong.message, right=right, word=0) from None
    if seconds > _LONGEST_CACHE:
        raise ConfigError(f"'{words[0]}' is too long for a password to be known", right=right, word=0)
    return seconds


def _on_off_or_none(words: list[str]) -> bool:
    """``none`` is a word for off that older configurations have."""
    return words[0].lower() != "none" and types.boolean(words)


# -- who may log in ------------------------------------------------------------------------------------------------

user_alias = module.directive_list(
    "UserAlias", _alias, contexts=_EVERYWHERE, usage="alias real-user",
    doc="Lets a client log in under another name; `*` stands for every name.",
)  # fmt: skip
auth_alias_only = module.directive(
    "AuthAliasOnly", types.boolean, default=False, contexts=_EVERYWHERE, usage="on|off",
    doc="Lets only names in that a UserAlias maps; in <Anonymous>, only there.",
)  # fmt: skip
root_login = module.directive(
    "RootLogin", types.boolean, default=False, contexts=_EVERYWHERE, usage="on|off",
    doc="Lets accounts with the user id 0 log in.",
)  # fmt: skip
require_valid_shell = module.directive(
    "RequireValidShell", types.boolean, default=True, contexts=_EVERYWHERE, usage="on|off",
    doc="Refuses accounts whose shell is not listed in /etc/shells.",
)  # fmt: skip
use_ftp_users = module.directive(
    "UseFtpUsers", types.boolean, default=True, contexts=_EVERYWHERE, usage="on|off",
    doc="Refuses accounts that /etc/ftpusers names.",
)  # fmt: skip
allow_empty_passwords = module.directive(
    "AllowEmptyPasswords", types.boolean, default=True, contexts=_EVERYWHERE, usage="on|off",
    doc="Lets a client try an empty password; an account with an empty hash is never let in.",
)  # fmt: skip
max_password_size = module.directive(
    "MaxPasswordSize", _password_size, default=PASSWORD_SIZE, contexts=_SERVERS, usage="length",
    doc="Refuses longer passwords before any account is looked up.",
)  # fmt: skip
user_password = module.directive_list(
    "UserPassword", pair, contexts=_EVERYWHERE, usage="user hash",
    doc="Gives a user a password that replaces the account's own.",
)  # fmt: skip
module.directive(
    "AuthPasswordCache", _cache_time, default=crypt.RIGHT_FOR, contexts=SERVER, usage="off|seconds",
    doc="How long a password that was right is known to be, so that it need not be hashed anew. Not known to ProFTPD.",
)  # fmt: skip
max_login_attempts: Directive[int | None] = module.directive(
    "MaxLoginAttempts", types.limit_or_none, default=3, contexts=_SERVERS, usage="count|none",
    doc="Ends the connection after so many failed logins.",
)  # fmt: skip

# -- anonymous logins ----------------------------------------------------------------------------------------------

anon_require_password = module.directive(
    "AnonRequirePassword", types.boolean, default=False, contexts=ANON, usage="on|off",
    doc="Wants the account's password for this anonymous login, too.",
)  # fmt: skip
anon_reject_passwords = module.directive(
    "AnonRejectPasswords", negatable_pattern, contexts=ANON, usage="[!]regex [NC]",
    doc="Refuses anonymous logins whose password (an e-mail address, by habit) matches.",
)  # fmt: skip
auth_using_alias = module.directive(
    "AuthUsingAlias", types.boolean, default=False, contexts=ANON, usage="on|off",
    doc="With AnonRequirePassword: checks the password of the alias instead of that of the block's User.",
)  # fmt: skip
user_dir_root = module.directive(
    "UserDirRoot", types.boolean, default=False, contexts=ANON, usage="on|off",
    doc="Takes the folder that is named as the login name, inside the anonymous root, as root.",
)  # fmt: skip
anon_allow_robots = module.directive(
    "AnonAllowRobots", types.boolean, default=False, contexts=ANON, usage="on|off",
    doc="Off: an area without a robots.txt has one that asks web robots to stay away.",
)  # fmt: skip

# -- where a session begins ----------------------------------------------------------------------------------------

default_root = module.directive_list(
    "DefaultRoot", folder_for_groups(absolute=True), contexts=_SERVERS, act=_doubt_groups,
    usage="path [group-expression]", doc="Locks sessions into a folder; `~` is the home, `%u` the user's name.",
)  # fmt: skip
default_chdir = module.directive_list(
    "DefaultChdir", folder_for_groups(absolute=False), contexts=_EVERYWHERE, act=_doubt_groups,
    usage="path [group-expression]", doc="The folder that a session begins in, instead of the home.",
)  # fmt: skip
allow_chroot_symlinks = module.directive(
    "AllowChrootSymlinks", types.boolean, default=True, contexts=_SERVERS, usage="on|off",
    doc="Off refuses logins whose root is reached through a symbolic link.",
)  # fmt: skip
create_home = module.directive(
    "CreateHome", new_home, contexts=_SERVERS,
    usage="off|on [mode] [skel path] [dirmode mode] [uid id|~] [gid id|~] [homegid id] [NoRootPrivs]",
    doc="Makes a home that is missing when its user logs in.",
)  # fmt: skip
rewrite_home = module.directive(
    "RewriteHome", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Lets mod_rewrite change the home before it is used.",
)  # fmt: skip

# -- what a client reads -------------------------------------------------------------------------------------------

access_grant_msg = module.directive(
    "AccessGrantMsg", types.string, contexts=_EVERYWHERE, usage='"text"',
    doc="The reply to a successful login; `%u` is the name sent with USER.",
)  # fmt: skip
access_deny_msg = module.directive(
    "AccessDenyMsg", types.string, contexts=_EVERYWHERE, usage='"text"',
    doc="The reply to a failed login; `%u` is the name sent with USER.",
)  # fmt: skip
display_login = module.directive(
    "DisplayLogin", types.string, contexts=_EVERYWHERE, usage="path",
    doc="A text file that is shown before the reply to a successful login.",
)  # fmt: skip

# -- how many, how long --------------------------------------------------------------------------------------------

max_clients = module.directive(
    "MaxClients", cap, default=Cap(), contexts=_EVERYWHERE, usage='count|none ["message"]',
    doc="How many may be logged in to the server, or through the <Anonymous>, at once.",
)  # fmt: skip
max_clients_per_host = module.directive(
    "MaxClientsPerHost", cap, default=Cap(), contexts=_EVERYWHERE, usage='count|none ["message"]',
    doc="How many may be logged in from one address at once.",
)  # fmt: skip
max_clients_per_user = module.directive(
    "MaxClientsPerUser", cap, default=Cap(), contexts=_EVERYWHERE, usage='count|none ["message"]',
    doc="How often one user may be logged in at once.",
)  # fmt: skip
max_hosts_per_user = module.directive(
    "MaxHostsPerUser", cap, default=Cap(), contexts=_EVERYWHERE, usage='count|none ["message"]',
    doc="From how many addresses one user may be logged in at once.",
)  # fmt: skip
max_clients_per_class = module.directive_list(
    "MaxClientsPerClass", class_cap, contexts=_SERVERS, usage='class count|none ["message"]',
    doc="How many clients of a class may be logged in at once.",
)  # fmt: skip
max_connections_per_host = module.directive(
    "MaxConnectionsPerHost", cap, default=Cap(), contexts=_SERVERS, usage='count|none ["message"]',
    doc="How many connections one address may have, logged in or not.",
)  # fmt: skip
timeout_login = module.directive(
    "TimeoutLogin", types.seconds, default=300, contexts=_SERVERS, usage="seconds",
    doc="How long a client may take to log in; 0 is any time.",
)  # fmt: skip
timeout_session = module.directive_list(
    "TimeoutSession", session_limit, contexts=_EVERYWHERE, usage="seconds [user|group|class expression]",
    doc="How long a session may last, busy or not; 0 is any time.",
)  # fmt: skip

# -- the process, which here belongs to many sessions --------------------------------------------------------------

root_revoke_ = module.directive(
    "RootRevoke", root_revoke, default=Revoke.ANY_PORT, contexts=_EVERYWHERE,
    usage="on|off|UseNonCompliantActiveTransfers",
    doc="off: active transfers leave from the port before the server's; on: not if only root may use that port.",
)  # fmt: skip
use_lastlog = module.directive(
    "UseLastlog", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Records logins in the machine's lastlog.",
)  # fmt: skip
wtmp_log = module.directive(
    "WtmpLog", types.takes(1, 1)(_on_off_or_none), default=True, contexts=_EVERYWHERE, usage="on|off|none",
    doc="Whether mod_log records logins in the system's wtmp.",
)  # fmt: skip
