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
    ConfigWarning,
    Context,
    Directive,
    Multi,
    Reading,
    Settings,
)
from ftpd.conf.expr import Expression, class_expression, group_expression, user_expression
from ftpd.conf.override import ALLOW_OVERRIDE
from ftpd.conf.tree import Config, Scope
from ftpd.core import crypt, listing, logfile, mlsx, trace
from ftpd.core.aside import at_file, close_file
from ftpd.core.charset import Recode, codec_named
from ftpd.core.clock import Timer
from ftpd.core.devices import addresses_of_device
from ftpd.core.eager import begin, in_task
from ftpd.core.identity import ROOT, Identity, acting_as, acting_as_daemon, neutral, privileged
from ftpd.core.log import Level, debug, escape, log
from ftpd.core.mounts import pool_at
from ftpd.core.nearness import near
from ftpd.core.paths import normalise, within
from ftpd.core.reply import Refuse, Reply
from ftpd.core.syslog import syslog
from ftpd.core.tally import Tally, tally
from ftpd.core.translation import Catalogue
from ftpd.core.vocab import ANY, DECLINED, ERROR, HANDLED, Class, Group, Outcome, Phase
from ftpd.module import copying, digests, globbing, hidden, ledger, logformat, lookup, program, template
from ftpd.module.auth import Account, Accounts, AuthAnswer, AuthBackend, AuthUnavailable
from ftpd.module.build import CORE_MODULES, DISPENSABLE
from ftpd.module.command import Command, Transfer
from ftpd.module.control import Asked, Asker, ControlError, ControlRule, Lines, Status, control_rules, socket_rule
from ftpd.module.errands import Errands
from ftpd.module.events import (
    BAD_PROTOCOL,
    INVALID_COMMAND,
    LOGGED_IN,
    MAX_COMMAND_RATE,
    MAX_CONNECTION_RATE,
    MAX_INSTANCES,
    MAX_LOGIN_ATTEMPTS,
    POSTPARSE,
    RESTART,
    REWRITE_HOME,
    SESSION_CLOSE,
    SESSION_OPEN,
    SESSION_REINIT,
    SHUTDOWN,
    SIGNAL_USR2,
    STARTUP,
    TIMEOUT_IDLE,
    TIMEOUT_LOGIN,
    TIMEOUT_NO_TRANSFER,
    TIMEOUT_STALLED,
    UNHANDLED_COMMAND,
    WORK_DONE,
    Event,
    Rehousing,
)
from ftpd.module.files import Files, Folder, Path, Use
from ftpd.module.links import resolved
from ftpd.module.loader import check_folder, check_way, check_writers
from ftpd.module.names import module_name
from ftpd.module.offers import LARGEST_UPLOAD, RATIOS, UPLOAD_GUARD, Offer, Ratios
from ftpd.module.session import GREETING, Address, Session, Slot
from ftpd.module.table import API_VERSION, Module
from ftpd.module.wire import Data, Foreign, TransferError, Wire, Work

__all__ = [
    "ALLOW_OVERRIDE",
    "ANON",
    "ANY",
    "API_VERSION",
    "BAD_PROTOCOL",
    "CLASS",
    "CORE_MODULES",
    "DECLINED",
    "DIRECTORY",
    "DISPENSABLE",
    "ERROR",
    "FTPACCESS",
    "GLOBAL",
    "GREETING",
    "HANDLED",
    "INVALID_COMMAND",
    "LARGEST_UPLOAD",
    "LIMIT",
    "LIMIT_DIRECTIVES",
    "LOGGED_IN",
    "MAX_COMMAND_RATE",
    "MAX_CONNECTION_RATE",
    "MAX_INSTANCES",
    "MAX_LOGIN_ATTEMPTS",
    "POSTPARSE",
    "RATIOS",
    "RESTART",
    "REWRITE_HOME",
    "ROOT",
    "SERVER",
    "SESSION_CLOSE",
    "SESSION_OPEN",
    "SESSION_REINIT",
    "SHUTDOWN",
    "SIGNAL_USR2",
    "STARTUP",
    "TIMEOUT_IDLE",
    "TIMEOUT_LOGIN",
    "TIMEOUT_NO_TRANSFER",
    "TIMEOUT_STALLED",
    "UNHANDLED_COMMAND",
    "UPLOAD_GUARD",
    "VHOST",
    "WORK_DONE",
    "Account",
    "Accounts",
    "Address",
    "Asked",
    "Asker",
    "AuthAnswer",
    "AuthBackend",
    "AuthUnavailable",
    "Catalogue",
    "Class",
    "Command",
    "Config",
    "ConfigError",
    "ConfigWarning",
    "Context",
    "ControlError",
    "ControlRule",
    "Data",
    "Directive",
    "Errands",
    "Event",
    "Expression",
    "Files",
    "Folder",
    "Foreign",
    "Group",
    "Identity",
    "Level",
    "Lines",
    "Module",
    "Multi",
    "Offer",
    "Outcome",
    "Path",
    "Phase",
    "Ratios",
    "Reading",
    "Recode",
    "Refuse",
    "Rehousing",
    "Reply",
    "Scope",
    "Session",
    "Settings",
    "Slot",
    "Status",
    "Tally",
    "Timer",
    "Transfer",
    "TransferError",
    "Use",
    "Wire",
    "Work",
    "acting_as",
    "acting_as_daemon",
    "addresses_of_device",
    "at_file",
    "begin",
    "check_folder",
    "check_way",
    "check_writers",
    "class_expression",
    "close_file",
    "codec_named",
    "control_rules",
    "copying",
    "crypt",
    "debug",
    "digests",
    "escape",
    "globbing",
    "group_expression",
    "hidden",
    "in_task",
    "ledger",
    "listing",
    "log",
    "logfile",
    "logformat",
    "lookup",
    "mlsx",
    "module_name",
    "near",
    "neutral",
    "normalise",
    "pool_at",
    "privileged",
    "program",
    "resolved",
    "socket_rule",
    "syslog",
    "tally",
    "template",
    "trace",
    "types",
    "user_expression",
    "within",
]
