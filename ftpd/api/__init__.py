"""The one door for module authors: everything a module may import, and nothing else is promised."""

from importlib import import_module
from typing import TYPE_CHECKING

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
from ftpd.conf.expr import Expression, class_expression, for_whom, group_expression, user_expression
from ftpd.conf.override import ALLOW_OVERRIDE
from ftpd.conf.patterns import GivenUp, Pattern, bound_patterns, compile_groups, denies
from ftpd.conf.tree import Config, Scope
from ftpd.core import crypt, facl, listing, logfile, mlsx, trace
from ftpd.core.allowance import Allowance, Excess
from ftpd.core.answers import ShortAnswer
from ftpd.core.aside import at_file, close_file
from ftpd.core.charset import Recode, codec_named
from ftpd.core.clock import Timer
from ftpd.core.devices import addresses_of_device
from ftpd.core.eager import begin, in_task
from ftpd.core.identity import ROOT, Identity, acting_as, acting_as_daemon, neutral, privileged
from ftpd.core.log import Level, debug, escape, log
from ftpd.core.moments import moment
from ftpd.core.mounts import pool_at
from ftpd.core.nearness import near
from ftpd.core.paths import normalise, within
from ftpd.core.record import dataclass
from ftpd.core.reply import Refrain, Refuse, Reply
from ftpd.core.scoreboard import check_place as check_board
from ftpd.core.signs import Sign, sign
from ftpd.core.slices import my_turn
from ftpd.core.syslog import syslog
from ftpd.core.tally import Tally, tally
from ftpd.core.title import show as show_title
from ftpd.core.translation import Catalogue
from ftpd.core.vocab import ANY, DECLINED, ERROR, HANDLED, Class, Group, Outcome, Phase, Steady
from ftpd.module import acls, copying, globbing, hidden, logformat, lookup, program
from ftpd.module.auth import Account, Accounts, Assurance, AuthAnswer, AuthBackend, AuthUnavailable
from ftpd.module.build import CORE_MODULES, DISPENSABLE
from ftpd.module.command import Command, Transfer
from ftpd.module.control import Asked, Asker, ControlError, ControlRule, Lines, Status, control_rules, socket_rule
from ftpd.module.errands import Errands
from ftpd.module.events import (
    BAD_PROTOCOL,
    FILES_RECEIVED,
    FILES_SENT,
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
    Sent,
)
from ftpd.module.files import Files, Folder, Path, Surveyed, Use
from ftpd.module.handler import Moved, Note
from ftpd.module.home import meant
from ftpd.module.links import resolved
from ftpd.module.missing import missing_folders
from ftpd.module.names import means as names_module
from ftpd.module.names import module_name
from ftpd.module.offers import LARGEST_UPLOAD, LETS_BE, NOTED_NAMES, RATIOS, UPLOAD_GUARD, Offer, Ratios
from ftpd.module.session import GREETING, Address, Session, Slot
from ftpd.module.table import API_VERSION, Module
from ftpd.module.wire import Data, Foreign, TransferError, Wire, Work
from ftpd.module.writers import check_folder, check_way, check_writers

if TYPE_CHECKING:
    from ftpd.module import (
        conversions,
        copycommand,
        digestlines,
        digestrequest,
        digests,
        emptying,
        execlines,
        execrun,
        ledger,
        ratioaccount,
        ratiolines,
        ratios,
        ratiotext,
        rewritelines,
        rewritematch,
        rewritetext,
        siteline,
        template,
    )
else:

    def __getattr__(name):
        """What is for shared modules alone is imported when the first of them asks, not at each start."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"ftpd.module.{name}")


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
    "FILES_RECEIVED",
    "FILES_SENT",
    "FTPACCESS",
    "GLOBAL",
    "GREETING",
    "HANDLED",
    "INVALID_COMMAND",
    "LARGEST_UPLOAD",
    "LETS_BE",
    "LIMIT",
    "LIMIT_DIRECTIVES",
    "LOGGED_IN",
    "MAX_COMMAND_RATE",
    "MAX_CONNECTION_RATE",
    "MAX_INSTANCES",
    "MAX_LOGIN_ATTEMPTS",
    "NOTED_NAMES",
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
    "Allowance",
    "Asked",
    "Asker",
    "Assurance",
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
    "Excess",
    "Expression",
    "Files",
    "Folder",
    "Foreign",
    "GivenUp",
    "Group",
    "Identity",
    "Level",
    "Lines",
    "Module",
    "Moved",
    "Multi",
    "Note",
    "Offer",
    "Outcome",
    "Path",
    "Pattern",
    "Phase",
    "Ratios",
    "Reading",
    "Recode",
    "Refrain",
    "Refuse",
    "Rehousing",
    "Reply",
    "Scope",
    "Sent",
    "Session",
    "Settings",
    "ShortAnswer",
    "Sign",
    "Slot",
    "Status",
    "Steady",
    "Surveyed",
    "Tally",
    "Timer",
    "Transfer",
    "TransferError",
    "Use",
    "Wire",
    "Work",
    "acls",
    "acting_as",
    "acting_as_daemon",
    "addresses_of_device",
    "at_file",
    "begin",
    "bound_patterns",
    "check_board",
    "check_folder",
    "check_way",
    "check_writers",
    "class_expression",
    "close_file",
    "codec_named",
    "compile_groups",
    "control_rules",
    "conversions",
    "copycommand",
    "copying",
    "crypt",
    "dataclass",
    "debug",
    "denies",
    "digestlines",
    "digestrequest",
    "digests",
    "emptying",
    "escape",
    "execlines",
    "execrun",
    "facl",
    "for_whom",
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
    "meant",
    "missing_folders",
    "mlsx",
    "module_name",
    "moment",
    "my_turn",
    "names_module",
    "near",
    "neutral",
    "normalise",
    "pool_at",
    "privileged",
    "program",
    "ratioaccount",
    "ratiolines",
    "ratios",
    "ratiotext",
    "resolved",
    "rewritelines",
    "rewritematch",
    "rewritetext",
    "show_title",
    "sign",
    "siteline",
    "socket_rule",
    "syslog",
    "tally",
    "template",
    "trace",
    "types",
    "user_expression",
    "within",
]
