"""The options of ftpd, which are those of proftpd: worked off in order, some act at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from getopt import GetoptError, getopt


@dataclass(frozen=True)
class Option:
    """One option: its letter, its long name, the name of its argument, and its line of help."""

    letter: str
    long: str
    argument: str
    help: str


OPTIONS = (
    Option("h", "help", "", "Show this help and end"),
    Option("n", "nodaemon", "", "Stay in the foreground and log to standard error"),
    Option("q", "quiet", "", "With -n: log where the configuration says, not to standard error"),
    Option("d", "debug", "level", "Log debugging messages up to this level (0-10)"),
    Option("D", "define", "label", "Define a label for <IfDefine>; may be repeated"),
    Option("c", "config", "file", "Read this configuration; the path is absolute"),
    Option("p", "persistent", "0|1", "Default of PersistentPasswd"),
    Option("l", "list", "", "List the static modules and end"),
    Option("v", "version", "", "Print the version and end; -vv also what is loaded, -vvv also all directives"),
    Option("V", "settings", "", "Print how this ftpd was built and end"),
    Option("t", "configtest", "", "Check the configuration, report everything that is wrong with it, and end"),
    Option("S", "serveraddr", "address", "Use this address for the main server"),
    Option("X", "", "", "Serve one session, then end"),
    Option("N", "nocollision", "", "Do not check servers for the same address and port"),
    Option("4", "ipv4", "", "IPv4 only"),
    Option("6", "ipv6", "", "IPv6 too"),
)

_WHAT_IS_MISSING = {
    "d": "-d requires debug level parameter",
    "D": "-D requires definition parameter",
    "c": "-c requires configuration path parameter",
    "p": "-p requires Boolean (0|1) parameter",
    "S": "-S requires server address parameter",
}


class UsageError(Exception):
    """A command line that cannot be worked off; ``usage`` asks for the usage behind the message."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage


@dataclass
class CommandLine:
    """What the words of the command line said."""

    act: str = ""
    """help, list, settings, version or configtest: what to do instead of serving."""
    foreground: bool = False
    quiet: bool = False
    debug: int | None = None
    defines: list[str] = field(default_factory=list)
    config: str | None = None
    verbose: int = 0
    address: str | None = None
    ipv6: bool | None = None
    one_session: bool = False
    check_collisions: bool = True


def parse(words: list[str]) -> CommandLine:
    """Work the options off; UsageError says what cannot be meant."""
    short = "".join(o.letter + (":" if o.argument else "") for o in OPTIONS)
    long = [o.long + ("=" if o.argument else "") for o in OPTIONS if o.long] + ["version-status"]
    try:
        found, rest = getopt(words, short, long)
    except GetoptError as error:
        if error.opt in _WHAT_IS_MISSING and "requires" in error.msg:
            raise UsageError(f"fatal: {_WHAT_IS_MISSING[error.opt]}") from None
        raise UsageError(f"unknown option: {error.opt}", usage=True) from None
    line = CommandLine()
    letters = {f"--{o.long}": o.letter for o in OPTIONS if o.long}
    for name, value in found:
        if name == "--version-status":
            line.verbose = 2
        else:
            _apply(line, letters.get(name, name[1:]), value)
        if line.act in ("help", "list", "settings"):
            return line
    if rest:
        raise UsageError(f"fatal: unknown parameter: '{rest[0]}'")
    if line.verbose:
        line.act = "version"
    if line.config is not None and not line.config.startswith("/"):
        raise UsageError("fatal: -c requires an absolute path")
    return line


def _apply(line: CommandLine, letter: str, value: str) -> None:
    match letter:
        case "h":
            line.act = "help"
        case "l":
            line.act = "list"
        case "V":
            line.act = "settings"
        case "t":
            line.act = "configtest"
        case "n":
            line.foreground = True
        case "q":
            line.quiet = True
        case "v":
            line.verbose += 1
        case "D":
            line.defines.append(value)
        case "c":
            line.config = value
        case "S":
            line.address = value
        case "4" | "6":
            line.ipv6 = letter == "6"
        case "X":
            line.one_session = True
        case "N":
            line.check_collisions = False
        case "d":
            if not (value.isascii() and value.isdigit() and int(value) <= 10):
                raise UsageError(f"fatal: -d takes a level from 0 to 10, not '{value}'")
            line.debug = int(value)
        case "p":
            if value not in ("0", "1"):
                raise UsageError("fatal: -p requires Boolean (0|1) parameter")


def usage() -> str:
    """The text of -h."""
    lines = ["usage: ftpd [options]", ""]
    for option in OPTIONS:
        long = f", --{option.long}" if option.long else ""
        argument = f" {option.argument}" if option.argument else ""
        lines += [f" -{option.letter}{long}{argument}", f"     {option.help}"]
    return "\n".join(lines)
