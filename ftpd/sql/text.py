"""SQL templates of the configuration: each %-variable becomes a bound parameter, or it is told why it cannot."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from ftpd.conf.directive import ConfigError
from ftpd.core.record import dataclass
from ftpd.module import logformat
from ftpd.module.command import Command
from ftpd.module.session import Session
from ftpd.sql.backend import Dialect, SqlError, Statement, Value

_VARIABLE = re.compile(r"%(?:\{([^{}]*)\}|(.))", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_TAG = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_LAST_WORD = re.compile(r"([^\W\d]\w*)\s*\Z")
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
# behind these a name has to stand, or a text that is part of the grammar: neither can be a parameter
_NEED_A_NAME = frozenset(
    {"AS", "BY", "COLLATE", "DATABASE", "FROM", "INTO", "JOIN", "SCHEMA", "SET", "TABLE", "UPDATE", "USING"}
)
_NEED_A_TEXT = frozenset({"DATE", "INTERVAL", "TIME", "TIMESTAMP"})
# what no client can choose to be anything but a number
_NUMBERS = frozenset(
    {"%b", "%I", "%O", "%P", "%p", "%R", "%s", "%{epoch}", "%{file-offset}", "%{file-size}", "%{gid}", "%{remote-port}",
     "%{transfer-millisecs}", "%{transfer-port}", "%{uid}"}
)  # fmt: skip
# counters add these up: with nothing moved they are zero, where LogFormat writes a dash
_NOTHING = {"b": "0", "T": "0.0"}


@dataclass(frozen=True, slots=True)
class Asking:
    """What a statement is filled in from."""

    session: Session | None
    command: Command | None = None
    arguments: tuple[str, ...] = ()
    """The values of %{0}, %{1}."""
    user: str | None = None
    """Whom a lookup is about: the value of %u and %U then."""
    group: str | None = None
    """Which group a lookup is about: the value of %g then."""
    verb: str = ""
    """What %m and %r say of something that is no command: EXIT."""
    of_id: bool = False
    """Whether the arguments are ids, and numbers where they stand without quotes."""


Variable = Callable[[Asking, bool], str]
"""What it stands for; with True nothing where LogFormat writes ``-`` for it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value to be bound: the pieces of what stood between the quotes, or a variable that stood alone."""

    pieces: tuple[str | Variable, ...]
    quoted: bool
    number: bool = False
    argument: bool = False
    """Whether it is %{0} or one of its kin."""

    def value(self, asking: Asking) -> Value:
        """In quotes text, as LogFormat would write it; without quotes NULL for nothing.

        What could be a name is never bound as a number, however it looks: MySQL finds any name equal to the number 0.
        """
        text = "".join(piece if isinstance(piece, str) else piece(asking, not self.quoted) for piece in self.pieces)
        if self.quoted:
            return text
        if text == "":
            return None
        number = self.number or (self.argument and asking.of_id)
        return int(text) if number and _NUMBER.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Query:
    """A statement and what to bind in it."""

    statement: Statement
    parameters: tuple[Parameter, ...]

    def values(self, asking: Asking) -> list[Value]:
        return [parameter.value(asking) for parameter in self.parameters]


def compiled(template: str, dialect: Dialect, environment: Mapping[str, str] = os.environ) -> Query:
    """The template as a statement; ConfigError says which variable cannot be bound, and why.

    ``environment`` is what ``%{env:NAME}`` stands for, unless the session has a NAME of its own.
    """
    return _Reader(template, dialect, environment).read()


def heartbeat(wanted: tuple[int, str] | None, dialect: Dialect) -> tuple[int, Statement] | None:
    """Seconds, and what is sent that often on an idle connection; ConfigError where it wants what a session has."""
    if wanted is None:
        return None
    query = compiled(wanted[1], dialect)
    if query.parameters:
        raise ConfigError("what keeps a connection alive has no variables", right='30 "SELECT 1"')
    return wanted[0], query.statement


def text_of(template: str, environment: Mapping[str, str] = os.environ) -> Callable[[Asking], str]:
    """A template that is no SQL (SQLShowInfo's text, without its queries): filled in as LogFormat does."""
    pieces = _pieces(template, environment)
    return lambda asking: "".join(piece if isinstance(piece, str) else piece(asking, False) for piece in pieces)


def variable(
    name: str | None, letter: str | None, environment: Mapping[str, str] = os.environ
) -> Variable | None:  # fmt: skip
    """What ``%{name}`` or ``%letter`` stands for; None when it stands for itself."""
    if name is not None and name.isascii() and name.isdigit():
        index = int(name)
        return lambda asking, blank: _argument(asking, index)
    if name is not None and name.startswith("env:"):
        key = name.removeprefix("env:")
        constant = environment.get(key, "")
        return lambda asking, blank: logformat.environment(asking.session, key, constant)
    text = logformat.Format(f"%{{{name}}}" if letter is None else f"%{letter}")
    if not text.varies:
        constant = text.fill(None)
        # what is no variable is given back as it stands
        return (
            None
            if constant == (name if letter is None else f"%{letter}" if letter != "%" else "%")
            else (lambda asking, blank: constant)
        )

    def fill(asking: Asking, blank: bool) -> str:
        return text.fill(asking.session, asking.command, blank=blank)

    match letter:
        case "u" | "U":
            return lambda asking, blank: fill(asking, blank) if asking.user is None else asking.user
        case "g":
            return lambda asking, blank: fill(asking, blank) if asking.group is None else asking.group
        case "m" | "r":
            return lambda asking, blank: asking.verb or fill(asking, blank)
        case "b" | "T":
            return lambda asking, blank: fill(asking, True) or _NOTHING[letter]
    return fill


def _argument(asking: Asking, index: int) -> str:
    try:
        return asking.arguments[index]
    except IndexError:
        raise SqlError(f"the query uses %{{{index}}}, which nobody gave a value here") from None


def _pieces(text: str, environment: Mapping[str, str]) -> list[str | Variable]:
    """Literal text and variables; ``%%`` is a percent sign, and so is one that begins no variable."""
    pieces: list[str | Variable] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        meant = variable(found[1], found[2], environment)
        if meant is None and found[2] != "%":
            if found[1] is not None:
                raise ConfigError(f"there is no variable {found[0]}", right="%%{ for a percent sign and a brace")
            continue
        pieces.append(text[at : found.start()])
        pieces.append("%" if meant is None else meant)
        at = found.end()
    pieces.append(text[at:])
    return [piece for piece in pieces if piece != ""]


def _means_something(found: re.Match[str]) -> bool:
    """Whether a percent sign begins a variable there, or stands for one."""
    return found[1] is not None or found[2] == "%" or variable(None, found[2]) is not None


class _Reader:
    """Reads a template once, from left to right, knowing at every character whether it stands in quotes."""

    def __init__(self, template: str, dialect: Dialect, environment: Mapping[str, str]) -> None:
        self._text = template
        self._dialect = dialect
        self._taken = re.compile(dialect.taken, re.ASCII)
        self._environment = environment
        self._at = 0
        self._out: list[str] = []
        self._parameters: list[Parameter] = []

    def read(self) -> Query:
        if "\0" in self._text:
            raise ConfigError("SQL cannot hold a NUL byte")
        while self._at < len(self._text):
            self._step(self._text[self._at])
        return Query(Statement("".join(self._out).strip()), tuple(self._parameters))

    def _step(self, char: str) -> None:
        text, at, dialect = self._text, self._at, self._dialect
        if char == "'" or (char == '"' and dialect.double_quoted_text):
            self._literal(char)
        elif char in '"`' or (char == "[" and dialect.brackets_quote):
            self._verbatim(at + 1, "]" if char == "[" else char, "a name in quotes")
        elif text.startswith("/*", at):
            self._verbatim(at + 2, "*/", "a comment")
        elif self._begins_comment(char):
            self._verbatim(at + 1, "\n", "a comment", open_end=True)
        elif char == "$" and dialect.dollar_quotes and (tag := _TAG.match(text, at)):
            self._verbatim(tag.end(), tag[0], "a text in dollar quotes")
        elif char == ";":
            if text[at + 1 :].strip(" \t\r\n;"):
                raise ConfigError("this is more than one statement", right="one statement for each query")
            self._at = len(text)
        elif char == "%":
            self._percent()
        elif found := self._taken.match(text, at):
            raise ConfigError(
                f"the database would take '{found[0]}' for a parameter of its own", right="a %-variable, or quotes"
            )
        else:
            self._out.append(char)
            self._at += 1

    def _begins_comment(self, char: str) -> bool:
        if char == "#":
            return self._dialect.hash_comments
        if not self._text.startswith("--", self._at):
            return False
        # MySQL wants a blank behind it, and reads two minus signs otherwise
        follows = self._text[self._at + 2 : self._at + 3]
        return not self._dialect.hash_comments or follows == "" or follows.isspace()

    def _verbatim(self, begin: int, end: str, what: str, *, open_end: bool = False) -> None:
        """Copy up to and with ``end``; a variable in there is refused."""
        found = self._text.find(end, begin)
        if found < 0 and not open_end:
            raise ConfigError(f"{what} is never closed", right=f"{end} behind it")
        stop = len(self._text) if found < 0 else found + len(end)
        pieces = _pieces(self._text[self._at : stop], self._environment)
        if not all(isinstance(piece, str) for piece in pieces):
            raise ConfigError(
                f"a variable in {what} cannot be bound: {self._text[self._at : stop].strip()}",
                right="variables where a value can stand",
            )
        self._emit("".join(piece for piece in pieces if isinstance(piece, str)))
        self._at = stop

    def _literal(self, quote: str) -> None:
        """A text in quotes: one parameter when there is a variable in it, whatever else there is."""
        begin = self._at
        prefix = re.search(r"[\w$&]+\Z", "".join(self._out[-32:]))
        backslash = self._dialect.backslash or (
            self._dialect.dollar_quotes and prefix is not None and prefix[0].lower() == "e"
        )
        pieces: list[str | Variable] = []
        at = begin + 1
        while True:
            char = self._text[at : at + 1]
            if char == "":
                raise ConfigError(f"a text in quotes is never closed: {self._text[begin:]}", right=f"{quote} behind it")
            if char == quote:
                if self._text[at + 1 : at + 2] != quote:
                    break
                pieces.append(quote)
                at += 2
            elif char == "\\" and backslash and at + 1 < len(self._text):
                follows = self._text[at + 1]
                # \% and \_ are for LIKE to read
                pieces.append(f"\\{follows}" if follows in "%_" else _ESCAPES.get(follows, follows))
                at += 2
            elif char == "%" and (found := _VARIABLE.match(self._text, at)) and _means_something(found):
                pieces.extend(_pieces(found[0], self._environment))
                at = found.end()
            else:
                pieces.append(char)
                at += 1
        raw = self._text[begin : at + 1]
        self._at = at + 1
        if all(isinstance(piece, str) for piece in pieces):
            self._emit(raw.replace("%%", "%"))
            return
        if prefix is not None:
            raise ConfigError(f"a variable in {prefix[0]}{raw} cannot be bound", right=f"{raw} without {prefix[0]}")
        word = self._last_word()
        if word in _NEED_A_TEXT and not (word == "INTERVAL" and self._dialect.hash_comments):
            raise ConfigError(f"a variable in {word} {raw} cannot be bound", right=f"CAST({raw} AS {word})")
        self._bind(Parameter(tuple(_joined(pieces)), quoted=True))

    def _percent(self) -> None:
        found = _VARIABLE.match(self._text, self._at)
        meant = None if found is None else variable(found[1], found[2], self._environment)
        if found is None or meant is None:
            if found is not None and found[1] is not None:
                raise ConfigError(f"there is no variable {found[0]}")
            self._emit("%")
            self._at += 2 if found is not None and found[2] == "%" else 1
            return
        before = self._out[-1][-1:] if self._out else ""
        after = self._text[found.end() : found.end() + 1]
        if re.match(r"[\w$@.%\"'`?]", before) or re.match(r"[\w$@.%\"'`]", after):
            raise ConfigError(
                f"{found[0]} is only a part of a name or a number there, so it cannot be bound",
                right=f"the whole in quotes, as 'a {found[0]}', where it is text",
            )
        word = self._last_word()
        if word in _NEED_A_NAME or word in _NEED_A_TEXT:
            raise ConfigError(
                f"{found[0]} behind {word} would be a name or a part of SQL, not a value, so it cannot be bound",
                right="the name itself, or a query of its own for each",
            )
        self._at = found.end()
        number = found[0] in _NUMBERS or word in ("LIMIT", "OFFSET")
        self._bind(Parameter((meant,), quoted=False, number=number, argument=(found[1] or "").isdecimal()))

    def _last_word(self) -> str:
        found = _LAST_WORD.search("".join(self._out[-64:]))
        return "" if found is None else found[1].upper()

    def _bind(self, parameter: Parameter) -> None:
        self._parameters.append(parameter)
        self._out.append(self._dialect.mark)

    def _emit(self, text: str) -> None:
        self._out.append(text.replace("%", self._dialect.percent))


def _joined(pieces: list[str | Variable]) -> list[str | Variable]:
    """Neighbouring texts as one."""
    joined: list[str | Variable] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
