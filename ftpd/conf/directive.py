"""A directive as data: its name, where it may stand, how its words become a value, and who owns it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Context(enum.Flag):
    """The places in proftpd.conf where a directive may stand (``config.md``: section names in messages)."""

    SERVER = enum.auto()
    GLOBAL = enum.auto()
    VHOST = enum.auto()
    ANON = enum.auto()
    DIRECTORY = enum.auto()
    LIMIT = enum.auto()
    FTPACCESS = enum.auto()
    CLASS = enum.auto()


SERVER = Context.SERVER
GLOBAL = Context.GLOBAL
VHOST = Context.VHOST
ANON = Context.ANON
DIRECTORY = Context.DIRECTORY
LIMIT = Context.LIMIT
FTPACCESS = Context.FTPACCESS
CLASS = Context.CLASS


class Multi(enum.Enum):
    """What a second line of the same directive in one context means."""

    FIRST = "the first one wins"
    LAST = "the last one wins"
    LIST = "all are kept, in file order"
    ERROR = "is refused"


class ConfigError(Exception):
    """What is wrong with a line, in the words the administrator shall read.

    ``right`` says what would be right; ``word`` is the index of the faulty argument (0 is the first), or
    None when the directive's name or the whole line is at fault.  A check of the whole configuration says
    in ``directive`` and ``at`` (file and line) what it complains of; elsewhere the line being read is meant.
    """

    def __init__(
        self,
        message: str,
        *,
        right: str = "",
        word: int | None = None,
        directive: str = "",
        at: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.right = right
        self.word = word
        self.directive = directive
        self.at = at


class ConfigWarning(ConfigError):
    """What a check of the whole configuration yields when it is worth telling, and no reason to refuse."""


class Reading(Protocol):
    """What a directive's ``act`` may use while the configuration is being read."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def modules(self) -> ModuleHost: ...
    @property
    def defines(self) -> set[str]: ...
    @property
    def environment(self) -> dict[str, str]: ...
    @property
    def context(self) -> Context:
        """The kind of section that the line stands in."""

    def warn(self, message: str, *, word: int | None = None) -> None: ...


class ModuleHost(Protocol):
    """Where LoadModule and <IfModule> find modules; names come in any spelling (mod_x.c, mod_x.py, mod_x)."""

    path: str

    def load(self, name: str, reading: Reading) -> None:
        """Load the module and declare its directives; ConfigError when it cannot be."""

    def order(self, names: Sequence[str]) -> None:
        """Have the loaded modules in this order, as if they had been loaded so; ConfigError unless all are named."""

    def is_loaded(self, name: str) -> bool: ...

    def can_load(self, name: str) -> bool:
        """True when a LoadModule line for it would find the module; asked for advice in messages only."""

    def is_lacking(self, name: str) -> bool:
        """Whether a LoadModule line was passed over, as this ftpd does not have that module of ProFTPD's."""

    @property
    def directives(self) -> DirectiveTable: ...


class Directive(Generic[T]):
    """A typed key: ``settings[directive]`` gives T back.

    ``parse`` takes the words behind the name; a LIST directive's value is the tuple of all its parsed lines.
    ``usage`` is the argument syntax as the documents write it, ``act`` runs as soon as the line is read.
    An ``inert`` directive is read and checked but has no effect in this version, and the reader is warned of it.
    ``combine(inner, outer)`` gives what holds where a section and one around it both say something, or a line and one
    above it; without it the inner one's value does, or the upper one's, and of a LIST the lines of both.
    One that ``keeps_variables`` gets ``%{env:NAME}`` as it stands, and fills it in itself.
    """

    __slots__ = (
        "act", "combine", "contexts", "default", "doc", "inert", "inherit", "keeps_variables", "module", "multi",
        "name", "parse", "usage",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        parse: Callable[[list[str]], Any],
        *,
        default: T,
        contexts: Context,
        multi: Multi = Multi.FIRST,
        inherit: bool = True,
        usage: str = "",
        doc: str = "",
        act: Callable[[Reading, Any], None] | None = None,
        module: str = "",
        inert: bool = False,
        keeps_variables: bool = False,
        combine: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.name = name
        self.combine = combine
        self.parse = parse
        self.default = default
        self.contexts = contexts
        self.multi = multi
        self.inherit = inherit
        self.usage = usage
        self.doc = doc
        self.act = act
        self.module = module
        self.inert = inert
        self.keeps_variables = keeps_variables

    def __repr__(self) -> str:
        return f"<Directive {self.name} of {self.module or 'nobody'}>"

    def behind(self, first: Any, second: Any) -> Any:
        """What holds of two lines in one section: the first one, and what the second has to add to it."""
        return first if self.combine is None else self.combine(first, second)


class DirectiveTable:
    """Which directives are known now, by name in any case; grows while LoadModule lines are read."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Directive[Any]]] = {}
        self.left_out: frozenset[str] = frozenset()
        """Names, in lower case, of directives whose module was taken out of service: their lines are passed over."""

    def leaves_out(self, name: str) -> bool:
        """Whether a line of this name is to be passed over, as if <IfModule> of its module stood around it."""
        return name.lower() in self.left_out and name.lower() not in self._by_name

    def add(self, directives: Iterable[Directive[Any]]) -> None:
        for directive in directives:
            self._by_name.setdefault(directive.name.lower(), []).append(directive)

    def remove(self, directives: Iterable[Directive[Any]]) -> None:
        for directive in directives:
            owners = self._by_name[directive.name.lower()]
            owners.remove(directive)
            if not owners:
                del self._by_name[directive.name.lower()]

    def find(self, name: str) -> list[Directive[Any]]:
        """All owners of the name, the one loaded last first; empty when unknown."""
        return self._by_name.get(name.lower(), [])[::-1]

    def __iter__(self) -> Iterator[Directive[Any]]:
        return (directive for owners in self._by_name.values() for directive in owners)


class Settings(dict[Any, Any]):
    """The values in force somewhere: everything that flows down to that place, flattened at load time.

    As a dictionary it holds what has been asked for, defaults included: a transfer asks two dozen times.
    """

    __slots__ = ("_values",)

    def __init__(self, values: dict[Directive[Any], Any]) -> None:
        super().__init__()
        self._values = values

    if TYPE_CHECKING:

        def __getitem__(self, key: Directive[T]) -> T: ...

    def __missing__(self, key: Directive[T]) -> T:
        value: T = self._values.get(key, key.default)
        self[key] = value
        return value

    @property
    def lines(self) -> dict[Directive[Any], Any]:
        """What lines of the configuration set."""
        return self._values

    def __bool__(self) -> bool:
        return True

    # no function of ours: all that is known of those who stand alike is looked up by it
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __contains__(self, key: object) -> bool:
        """True when some line of the configuration sets it."""
        return key in self._values


EMPTY = Settings({})
