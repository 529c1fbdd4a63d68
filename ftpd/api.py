"""The one door for module authors: everything a module may import, and nothing else is promised."""

from ftpd.conf import types
from ftpd.conf.acl import LIMIT_DIRECTIVES
from ftpd.conf.directive import (
    ANON,
    CLASS,
    DIRECTORY,
    FTPACCESS,
    GLOBAL,
    LIMIT,
    SERVER,
    VHOST,
    ConfigError,
    Context,
    Directive,
    Multi,
    Reading,
    Settings,
)
from ftpd.conf.expr import Expression, class_expression, group_expression, user_expression
from ftpd.conf.tree import Config, Scope
from ftpd.core import crypt, listing
from ftpd.core.clock import Timer
from ftpd.core.identity import Identity, acting_as, acting_as_daemon, privileged
from ftpd.core.log import Level, debug, escape, log
from ftpd.core.paths import normalise
from ftpd.core.reply import Refuse, Reply
from ftpd.core.vocab import ANY, DECLINED, ERROR, HANDLED, Class, Group, Outcome, Phase
from ftpd.module import globbing
from ftpd.module.auth import Account, Accounts, AuthAnswer, AuthBackend
from ftpd.module.command import Command, Transfer
from ftpd.module.events import (
    BAD_PROTOCOL,
    INVALID_COMMAND,
    LOGGED_IN,
    MAX_LOGIN_ATTEMPTS,
    POSTPARSE,
    RESTART,
    SESSION_CLOSE,
    SESSION_OPEN,
    SHUTDOWN,
    STARTUP,
    TIMEOUT_IDLE,
    TIMEOUT_LOGIN,
    TIMEOUT_NO_TRANSFER,
    TIMEOUT_STALLED,
    UNHANDLED_COMMAND,
    Event,
)
from ftpd.module.files import Files, Folder, Path
from ftpd.module.loader import check_folder
from ftpd.module.names import module_name
from ftpd.module.session import Address, Session, Slot
from ftpd.module.table import API_VERSION, Module
from ftpd.module.wire import Data, TransferError, Wire

__all__ = [
    "ANON",
    "ANY",
    "API_VERSION",
    "BAD_PROTOCOL",
    "CLASS",
    "DECLINED",
    "DIRECTORY",
    "ERROR",
    "FTPACCESS",
    "GLOBAL",
    "HANDLED",
    "INVALID_COMMAND",
    "LIMIT",
    "LIMIT_DIRECTIVES",
    "LOGGED_IN",
    "MAX_LOGIN_ATTEMPTS",
    "POSTPARSE",
    "RESTART",
    "SERVER",
    "SESSION_CLOSE",
    "SESSION_OPEN",
    "SHUTDOWN",
    "STARTUP",
    "TIMEOUT_IDLE",
    "TIMEOUT_LOGIN",
    "TIMEOUT_NO_TRANSFER",
    "TIMEOUT_STALLED",
    "UNHANDLED_COMMAND",
    "VHOST",
    "Account",
    "Accounts",
    "Address",
    "AuthAnswer",
    "AuthBackend",
    "Class",
    "Command",
    "Config",
    "ConfigError",
    "Context",
    "Data",
    "Directive",
    "Event",
    "Expression",
    "Files",
    "Folder",
    "Group",
    "Identity",
    "Level",
    "Module",
    "Multi",
    "Outcome",
    "Path",
    "Phase",
    "Reading",
    "Refuse",
    "Reply",
    "Scope",
    "Session",
    "Settings",
    "Slot",
    "Timer",
    "Transfer",
    "TransferError",
    "Wire",
    "acting_as",
    "acting_as_daemon",
    "check_folder",
    "class_expression",
    "crypt",
    "debug",
    "escape",
    "globbing",
    "group_expression",
    "listing",
    "log",
    "module_name",
    "normalise",
    "privileged",
    "types",
    "user_expression",
]
