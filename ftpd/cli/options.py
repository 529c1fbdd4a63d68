"""The options of ftpd, which are those of proftpd: worked off in order, some act at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from ftpd.core.record import dataclass


@dataclass(frozen=True)
class Option:
    """One option; ``missing`` is what the message calls an argument that is not there."""

    letter: str
    long: str
    argument: str
    help: str
    missing: str = ""


OPTIONS = (
    Option("h", "help", "", "Show this help and end"),
    Option("n", "nodaemon", "", "Stay in the foreground and log to standard error"),
    Option("q", "quiet", "", "With -n: log where the configuration says, not to standard error"),
    Option("d", "debug", "level", "Log debugging messages up to this level (0-10)", "debug level"),
    Option("D", "define", "label", "Define a label for <IfDefine>; may be repeated", "definition"),
    Option("c", "config", "file", "Read this configuration; the path is absolute", "configuration path"),
    Option("p", "persistent", "0|1", "Accepted as proftpd does, without an effect", "Boolean (0|1)"),
    Option("l", "list", "", "List the static modules and end"),
    Option("v", "version", "", "Print the version and end; -vv also what is loaded, -vvv also all directives"),
    Option("", "version-status", "", "The same as -vv"),
    Option("V", "settings", "", "Print how this ftpd was built and end"),
    Option("t", "configtest", "", "Check the configuration, report everything that is wrong with it, and end"),
    Option(
        "",
        "explain",
        "question",
        "With -t: say what 'USER PATH COMMAND [from ADDRESS] [at SERVER]' comes to, and why",
        "question",
    ),
    Option("S", "serveraddr", "address", "Use this address for the main server", "server address"),
    Option("X", "", "", "Stay in the foreground, serve one session, then end"),
    Option("N", "nocollision", "", "Do not check servers for the same address and port"),
    Option("4", "ipv4", "", "IPv4 only"),
    Option("6", "ipv6", "", "IPv6 too"),
)


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
    question: str | None = None


def parse(words: list[str]) -> CommandLine:
    """Work the options off; UsageError says what cannot be meant."""
    line = CommandLine()
    strays: list[str] = []
    for option, value in _options(words, strays):
        _apply(line, option.letter or option.long, value)
        if line.act in ("help", "list", "settings"):
            return line
    if strays:
        raise UsageError(f"fatal: unknown parameter: '{strays[0]}'")
    if line.config is not None and not line.config.startswith("/"):
        raise UsageError(f"fatal: -c requires an absolute path, not '{line.config}'")
    if line.verbose and not line.act:
        line.act = "version"
    return line


def _options(words: list[str], strays: list[str]) -> Iterator[tuple[Option, str]]:
    """Each option with its argument, as getopt_long(3) finds them: bundled, abbreviated, between other words."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            strays.extend(rest)
        elif word.startswith("--"):
            name, given, value = word[2:].partition("=")
            option = _long(name)
            if given and not option.argument:
                raise UsageError(f"option --{option.long} takes no argument, but is given '{value}'", usage=True)
            yield option, value if given else _argument(option, rest)
        elif word.startswith("-") and word != "-":
            letters = word[1:]
            while letters:
                option, letters = _short(letters[0]), letters[1:]
                if option.argument and letters:
                    yield option, letters
                    break
                yield option, _argument(option, rest)
        else:
            strays.append(word)


def _short(letter: str) -> Option:
    for option in OPTIONS:
        if option.letter == letter:
            return option
    raise UsageError(f"unknown option: {letter}", usage=True)


def _long(name: str) -> Option:
    """The option of that name, or the only one whose name begins so."""
    found = [option for option in OPTIONS if option.long and option.long.startswith(name)]
    for option in found:
        if len(found) == 1 or option.long == name:
            return option
    if found and name:
        raise UsageError(f"ambiguous option: --{name} (--{', --'.join(o.long for o in found)})", usage=True)
    raise UsageError(f"unknown option: {name}", usage=True)


def _argument(option: Option, rest: Iterator[str]) -> str:
    if not option.argument:
        return ""
    value = next(rest, None)
    if value is None:
        name = f"-{option.letter}" if option.letter else f"--{option.long}"
        raise UsageError(f"fatal: {name} requires {option.missing} parameter")
    return value


def _apply(line: CommandLine, name: str, value: str) -> None:
    match name:
        case "h":
            line.act = "help"
        case "l":
            line.act = "list"
        case "V":
            line.act = "settings"
        case "t":
            line.act = "configtest"
        case "explain":
            line.act, line.question = "configtest", value
        case "n":
            line.foreground = True
        case "q":
            line.quiet = True
        case "v":
            line.verbose += 1
        case "version-status":
            line.verbose = 2
        case "D":
            line.defines.append(value)
        case "c":
            line.config = value
        case "S":
            line.address = value
        case "4" | "6":
            line.ipv6 = name == "6"
        case "X":
            line.one_session = True
        case "N":
            line.check_collisions = False
        case "d":
            if not (value.isascii() and value.isdigit()):
                raise UsageError(f"fatal: -d requires debug level parameter: a number from 0 to 10, not '{value}'")
            # more than all there is, as scripts for ProFTPD ask for it, is all there is
            line.debug = min(int(value[:9]), 10)
        case "p":
            if value not in ("0", "1"):
                raise UsageError(f"fatal: -p requires Boolean (0|1) parameter, not '{value}'")


def usage(program: str) -> str:
    """The text of -h."""
    lines = [f"usage: {program} [options]", ""]
    for option in OPTIONS:
        names = [f"-{option.letter}"] if option.letter else []
        names += [f"--{option.long}"] if option.long else []
        argument = f" {option.argument}" if option.argument else ""
        lines += [f" {', '.join(names)}{argument}", f"     {option.help}"]
    return "\n".join(lines)
