"""The configuration as read: scopes with typed values, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ftpd.conf.directive import EMPTY, Context, Directive, Multi, Settings
from ftpd.core.log import Route
from ftpd.core.record import dataclass

if TYPE_CHECKING:
    from ftpd.conf.faults import Fault
    from ftpd.conf.places import Places
    from ftpd.conf.rule import Rule

Values = dict[Directive[Any], Any]
Where = tuple[str, int]


class Scope:
    """One section of the configuration, the main server among them.

    ``values`` is what stands in the section itself (a LIST directive's value is a tuple), ``settings`` what is
    in force there with all that flows down, ``where`` the lines that say so. ``children`` are sections inside:
    the one written last comes first, as it is examined first.
    """

    __slots__ = (
        "args", "children", "condition", "conditional", "faulty", "file", "kind", "line", "name", "parent", "places",
        "route", "rule", "settings", "spelt", "values", "where",
    )  # fmt: skip

    def __init__(self, kind: Context, name: str, args: list[str], file: str, line: int, parent: Scope | None) -> None:
        self.kind = kind
        self.name = name
        """How the section is written: ``<Directory>``; empty for the main server."""
        self.args = args
        self.file = file
        self.line = line
        self.parent = parent
        self.children: list[Scope] = []
        self.values: Values = {}
        self.where: dict[Directive[Any], list[Where]] = {}
        self.settings: Settings = EMPTY
        self.spelt = ""
        """Of a <Directory>: its path as the line has it."""
        self.condition: tuple[Directive[Any], Any] | None = None
        """For a section that a module brought (<IfUser>): its directive and the value of its arguments."""
        self.conditional: list[Scope] = []
        """Sections of modules inside this one, in file order; :func:`ftpd.conf.fixup.specialise` applies them."""
        self.faulty = False
        """For a .ftpaccess file: it cannot be understood, and nobody may do anything where it counts."""
        self.places: Places | None = None
        """The index of the <Directory> sections: servers and <Anonymous> have one."""
        self.rule: Rule | None = None
        """What a <Limit> says, compiled."""
        self.route: Route | None = None
        """Of a server: where the records of its sessions go; None means where the daemon's go."""

    def __repr__(self) -> str:
        return f"<Scope {self.title} {self.file}:{self.line}>"

    @property
    def title(self) -> str:
        """The section as its opening line names it: ``<Directory /srv>``, or ``server config``."""
        if not self.name:
            return "server config"
        return f"<{' '.join([self.name.strip('<>'), *self.args])}>"

    def add(self, directive: Directive[Any], value: Any, where: Where) -> None:
        """Keep one more line's value; the first or the last one wins, or all are kept."""
        if directive.multi is Multi.LIST:
            self.values[directive] = (*self.values.get(directive, ()), value)
        elif directive.multi is Multi.LAST or directive not in self.values:
            self.values[directive] = value
        else:
            self.values[directive] = directive.behind(self.values[directive], value)
        self.where.setdefault(directive, []).append(where)

    def take_in(self, other: Scope) -> None:
        """Have the lines of another section of the same path as well: the path that is written longer comes first.

        To ProFTPD ``/srv/`` lies in ``/srv``.
        """
        inner, outer = (self, other) if len(self.spelt) > len(other.spelt) else (other, self)
        self.values = merged(inner.values, outer.values, inheriting=False)
        lines = [*inner.where.items(), *outer.where.items()]
        self.where = {}
        for directive, where in lines:
            self.where.setdefault(directive, []).extend(where)
        self.children = [*inner.children, *outer.children]
        self.conditional = [*outer.conditional, *inner.conditional]
        for child in (*self.children, *self.conditional):
            child.parent = self

    def copy(self, parent: Scope | None) -> Scope:
        """This section and all in it, under another parent; settings and indices are left for the fix-up."""
        twin = Scope(self.kind, self.name, self.args, self.file, self.line, parent)
        twin.values = dict(self.values)
        twin.where = {directive: list(lines) for directive, lines in self.where.items()}
        twin.condition, twin.spelt = self.condition, self.spelt
        twin.rule = self.rule
        twin.route = self.route
        twin.children = [child.copy(twin) for child in self.children]
        twin.conditional = [child.copy(twin) for child in self.conditional]
        return twin


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; nothing in it changes any more."""

    main: Scope
    servers: tuple[Scope, ...]
    """The main server, then the virtual hosts in file order."""
    classes: tuple[Scope, ...] = ()
    warnings: tuple[Fault, ...] = ()
    files: tuple[str, ...] = ()
    """The files read, in order."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What ``%{env:NAME}`` stood for in the end: the daemon's environment, and SetEnv's."""
    labels: frozenset[str] = frozenset()
    """What ``<IfDefine>`` found defined in the end, by ``-D`` and by Define."""


def merged(inner: Values, outer: Values, *, inheriting: bool = True) -> Values:
    """Outer values behind inner ones: the inner wins, lists are joined, and some are put together.

    ``inheriting`` leaves out what does not flow down.
    """
    result = dict(inner)
    for directive, value in outer.items():
        if inheriting and not directive.inherit:
            continue
        if directive.combine is not None and directive in result:
            result[directive] = directive.combine(result[directive], value)
        elif directive.multi is Multi.LIST:
            result[directive] = (*result.get(directive, ()), *value)
        else:
            result.setdefault(directive, value)
    return result
