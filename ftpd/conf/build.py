"""Lines to a configuration: one walk, top down, that asks the modules' directives and reports every fault."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ftpd.conf.acl import lets_nearly_all_in
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
    ModuleHost,
    Multi,
    Settings,
)
from ftpd.conf.faults import ConfigFaults, Fault, Report
from ftpd.conf.filters import OPENERS
from ftpd.conf.fixup import add_globals, compile_limits, finish, name_after
from ftpd.conf.known import known, similar, unknown
from ftpd.conf.lexer import Line
from ftpd.conf.limited import doubt
from ftpd.conf.parser import Reader
from ftpd.conf.patterns import patterns_at, unbound_patterns
from ftpd.conf.sections import SECTIONS, TITLES, Section, join, places
from ftpd.conf.tree import Config, Scope
from ftpd.conf.types import arity, doubts, is_strict
from ftpd.core import turns
from ftpd.core.fault import is_interrupt

_EVERYWHERE = SERVER | GLOBAL | VHOST | ANON | DIRECTORY | LIMIT | FTPACCESS | CLASS
_INCLUDERS = SERVER | GLOBAL | VHOST | ANON | DIRECTORY | LIMIT

LANGUAGE: dict[str, tuple[str, Context]] = {
    "include": ("Include", _INCLUDERS),
    "includeoptions": ("IncludeOptions", SERVER),
    "define": ("Define", _EVERYWHERE),
}
"""The directives of the language itself, which no module declares, and where they may stand."""


def read(
    path: str, modules: ModuleHost, *, defines: Iterable[str] = (), environment: Mapping[str, str] | None = None
) -> Config:  # fmt: skip
    """The configuration in the file; ConfigFaults with all that is wrong in it."""
    unbound_patterns()
    builder = _Builder(Scope(SERVER, "", [], path, 0, None), modules, defines, environment)
    try:
        builder.reader.read(path)
    except OSError as wrong:
        builder.report.file_fault(path, f"unable to read configuration file '{path}': {wrong.strerror}")
    builder.walk()
    return builder.config()


def read_ftpaccess(
    file: str, text: str, modules: ModuleHost, *, defines: Iterable[str] = ()
) -> tuple[Scope, tuple[Fault, ...]]:  # fmt: skip
    """What a .ftpaccess file says, as the innermost section of its folder, and what there is to tell of it.

    With a faulty line in it the section is marked as faulty: what it was to forbid is not known then. There is no
    environment in it: users write such files, and the daemon's may hold what is not for them.
    """
    top = Scope(FTPACCESS, ".ftpaccess", [os.path.dirname(file)], file, 0, None)
    builder = _Builder(top, modules, defines, {})
    builder.reader.read_text(file, text)
    builder.walk()
    top.settings = Settings(top.values)
    compile_limits(top.children)
    top.faulty = bool(builder.report.faults)
    return top, (*builder.report.warnings, *builder.report.faults)


class _Builder:
    """The state of one reading; it is what a directive's ``act`` is given."""

    def __init__(
        self, top: Scope, modules: ModuleHost, defines: Iterable[str], environment: Mapping[str, str] | None
    ) -> None:  # fmt: skip
        self.modules = modules
        self.defines = set(defines)
        self.environment = dict(os.environ if environment is None else environment)
        self.report = Report()
        self.reader = Reader(modules, self.report, self.defines, self.environment)
        self.top = self.scope = top
        self._open: list[tuple[Line, Scope, list[Scope] | None, int]] = []
        """Open sections with their opening line, the list they go to (None for faulty ones), and the faults so far."""
        self._crossed: list[str] = []
        """Sections that another one's closer has ended: their own closers are no further fault."""
        self._globals: list[Scope] = []
        self._hosts: list[Scope] = []
        self._classes: list[Scope] = []
        self._line = Line(top.file, 0, "")

    # -- what an act may use -----------------------------------------------------------------------

    @property
    def file(self) -> str:
        return self._line.file

    @property
    def line(self) -> int:
        return self._line.number

    @property
    def context(self) -> Context:
        return self.scope.kind

    def warn(self, message: str, *, word: int | None = None) -> None:
        self.report.warn(self._line, message, word=word)

    # -- the walk ----------------------------------------------------------------------------------

    def walk(self) -> None:
        for line in self.reader.lines():
            turns.rest()
            self._line = line
            try:
                self._take(line)
            except ConfigError as wrong:
                self.report.fault(line, wrong)
        for line, scope, _, _ in self._open:
            closer = scope.name.replace("<", "</")
            self.report.fault(line, ConfigError("unclosed configuration section", right=f"a line {closer} at its end"))
        self.top.children.reverse()

    def _take(self, line: Line) -> None:
        name = line.name
        if name.startswith("</"):
            self._close(line)
        elif name.startswith("<"):
            self._begin(line)
        elif name in LANGUAGE:
            self._language(line)
        else:
            self._directive(line)

    def _language(self, line: Line) -> None:
        name, contexts = LANGUAGE[line.name]
        self._check_context(contexts)
        if name == "Include":
            self.reader.include(line)
        elif name == "IncludeOptions":
            self.reader.include_options(line)
        elif len(line.words) < 2:
            raise ConfigError("missing parameters", right="Define LABEL")
        else:
            self.defines.add(line.words[1])

    def _check_context(self, contexts: Context) -> None:
        if self.scope.kind not in contexts:
            raise ConfigError(
                f"directive not allowed in {TITLES[self.scope.kind]} context", right=f"in {places(contexts)}"
            )

    # -- directives --------------------------------------------------------------------------------

    def _owners(self, name: str) -> list[Directive[Any]]:
        owners = self.modules.directives.find(name)
        if not owners:
            names = [directive.name for directive in self.modules.directives]
            names += [name for name, _ in LANGUAGE.values()] + [section.name for section in SECTIONS.values()]
            names += [f"<If{name}>" for name in ("Module", "Define")]
            raise unknown(name, names, self.modules)
        fitting = [owner for owner in owners if self.scope.kind in owner.contexts]
        if not fitting:
            contexts = owners[0].contexts
            for owner in owners[1:]:
                contexts |= owner.contexts
            self._check_context(contexts)
        return fitting

    def _directive(self, line: Line) -> None:
        if self.modules.directives.leaves_out(line.words[0]):
            return
        faults: dict[str, ConfigError] = {}
        for directive in self._owners(line.words[0]):
            try:
                value = self._value(directive, line.words[1:])
                self._check_repeated(directive, value)
                self._act(directive, value)
                self.scope.add(directive, value, (line.file, line.number))
                if directive.inert:
                    self.warn("is accepted, but has no effect in this version")
            except ConfigError as wrong:
                # two modules that own a name mostly complain of the same
                faults.setdefault(wrong.message, wrong)
        for fault in faults.values():
            self.report.fault(line, fault)

    def _value(self, directive: Directive[Any], words: list[str]) -> Any:
        usage = f"{directive.name} {directive.usage}".strip()
        fewest, most = arity(directive.parse)
        if len(words) < fewest:
            raise ConfigError("missing parameters", right=usage if directive.usage else "")
        try:
            patterns_at(f"{self.file}:{self.line}: {directive.name}")
            doubts()
            value = directive.parse(self._at_most(words, most, is_strict(directive.parse)))
            for message, word in doubts():
                self.warn(message, word=word)
            return value
        except ConfigError as wrong:
            if not wrong.right and directive.usage:
                raise ConfigError(wrong.message, right=usage, word=wrong.word) from None
            raise
        except BaseException as wrong:
            # a module's parser that was not ready for this text: the line is refused, the others still checked
            raise _brittle(directive, "read", wrong, usage) from wrong

    def _act(self, directive: Directive[Any], value: Any) -> None:
        if directive.act is None:
            return
        try:
            directive.act(self, value)
        except ConfigError:
            raise
        except BaseException as wrong:
            raise _brittle(directive, "act on", wrong) from wrong

    def _at_most(self, words: list[str], most: int | None, strict: bool = False) -> list[str]:
        """The words that count; ProFTPD does not mind more of them, unless it is ``strict`` about this directive."""
        if most is None or len(words) <= most:
            return words
        if strict:
            raise ConfigError(f"wrong number of parameters: {_count(most)} expected", word=most)
        self.warn(f"'{' '.join(words[most:])}' is ignored: {_count(most)} expected", word=most)
        return words[:most]

    def _check_repeated(self, directive: Directive[Any], value: Any) -> None:
        if directive not in self.scope.values or directive.multi in (Multi.LAST, Multi.LIST):
            return
        file, number = self.scope.where[directive][0]
        if directive.multi is Multi.ERROR:
            raise ConfigError(f"has already been set at {file}:{number}", right="only one such line here")
        held = self.scope.values[directive]
        if value != held and directive.behind(held, value) == held:
            self.warn(f"has no effect: the first line of a section counts, and that is {file}:{number}")

    # -- sections ----------------------------------------------------------------------------------

    def _begin(self, line: Line) -> None:
        name, args = line.name if line.name.endswith(">") else f"{line.name}>", line.words[1:]
        apart = name == "<>" and args
        if apart:
            name, args = f"<{args[0].lower()}>", args[1:]
        section = SECTIONS.get(name)
        # a faulty section is entered all the same: its lines are checked as those of what it should have been
        meant = section or self._meant(name)
        kind = meant.kind if isinstance(meant, Section) else self.scope.kind
        title = name if meant is None else meant.name
        inner = Scope(kind, title, args, line.file, line.number, self.scope)
        home: list[Scope] | None = None
        try:
            if apart:
                raise ConfigError("a section's name follows its '<' at once", right=f"<{' '.join(line.words[1:])}>")
            if name != line.name:
                raise unknown(line.words[0], (), self.modules)
            if section is not None:
                home = self._home(section, inner)
            elif not self.modules.directives.leaves_out(name):
                home = self._conditional(line, inner)
        finally:
            # the end of an <IfModule that lacks its > is no line of ours
            if name == line.name or name not in OPENERS:
                self._open.append((line, inner, home, len(self.report.faults)))
                self.scope = inner

    def _meant(self, name: str) -> Section | Directive[Any] | None:
        """The section that is alone in being spelt almost like that."""
        if self.modules.directives.find(name) or self.modules.directives.leaves_out(name) or name in known():
            return None
        sections: dict[str, Section | Directive[Any]] = {
            one.name.lower(): one for one in self.modules.directives if one.name.startswith("<")
        }
        sections |= {section.name.lower(): section for section in SECTIONS.values()}
        near = similar(name, sections)
        return sections[near[0]] if len(near) == 1 else None

    def _home(self, section: Section, inner: Scope) -> list[Scope]:
        self._check_context(section.parents)
        args = self._at_most(inner.args, section.most)
        doubts()
        inner.args = section.check(args, self.scope)
        for message, word in doubts():
            self.warn(message, word=word)
        inner.spelt = args[0] if args else ""
        if section.kind is GLOBAL:
            return self._globals
        if section.kind is VHOST:
            return self._hosts
        return self._classes if section.kind is CLASS else self.scope.children

    def _conditional(self, line: Line, inner: Scope) -> list[Scope]:
        """A section that a module brought: its lines are those of the section around it, for some sessions."""
        directive = self._owners(line.words[0])[0]
        inner.name = directive.name
        inner.condition = (directive, self._value(directive, line.words[1:]))
        return self.scope.conditional

    def _close(self, line: Line) -> None:
        opener = line.name.replace("</", "<", 1)
        if len(line.words) > 1:
            self.report.fault(line, ConfigError("wrong number of parameters", right=line.words[0], word=0))
        names = [scope.name.lower() for _, scope, _, _ in self._open]
        if opener not in names and (meant := self._meant(opener)) is not None and meant.name.lower() in names:
            opener = meant.name.lower()
            first = next(line for line, scope, _, _ in reversed(self._open) if scope.name.lower() == opener)
            if first.name != line.name.replace("</", "<", 1):
                # who has mistyped both ends is told once
                right = f"did you mean {meant.name.replace('<', '</')}?"
                self.report.fault(line, ConfigError("unknown configuration directive", right=right))
        if opener not in names:
            if opener in self._crossed:
                self._crossed.remove(opener)
                return
            raise ConfigError("closes nothing: no such section is open here")
        crossed = names[-1] != opener
        inmost = self._open[-1][1]
        while self._open[-1][1].name.lower() != opener:
            self._crossed.append(self._open[-1][1].name.lower())
            self._end()
        self._end()
        if crossed:
            raise ConfigError(
                f"directive not allowed in {inmost.name} context: {inmost.title} is still open, "
                f"since {inmost.file}:{inmost.line}",
                right=f"{inmost.name.replace('<', '</')} before it",
            )

    def _end(self) -> None:
        line, scope, home, faults = self._open.pop()
        self.scope = scope.parent or self.top
        scope.children.reverse()
        if home is None:
            return
        empty = not (scope.values or scope.children or scope.conditional)
        if scope.kind is CLASS:
            if empty and len(self.report.faults) == faults:
                self.report.warn(line, "empty <Class> definition, which is ignored")
            elif not empty and any(other.args[0] == scope.args[0] for other in self._classes):
                self.report.warn(
                    line, f"a class '{scope.args[0]}' is defined above already, and that one counts", word=0
                )
            if lets_nearly_all_in(scope):
                self.report.warn(
                    line, "one address of From is enough, so that those with a ! let nearly everybody in",
                    right="Satisfy all, and a From line for each address",
                )  # fmt: skip
        if scope.kind is ANON and scope.condition is None and not empty:
            self._check_anonymous(line, scope)
        if scope.kind is LIMIT and self.top.kind is not FTPACCESS:
            self._check_limit(line, scope)
        # ProFTPD forgets sections with nothing in them; a virtual host is there even so
        if not empty or (scope.kind is VHOST and scope.condition is None):
            if (wrong := join(scope, home)) is not None:
                self.report.fault(line, wrong)
            home.append(scope)

    def _check_anonymous(self, line: Line, scope: Scope) -> None:
        declared = self.modules.directives.find("User")
        if declared and not any(directive in scope.values for directive in declared):
            self.report.warn(line, "nobody can log in through this section: it has no User line")

    def _check_limit(self, line: Line, scope: Scope) -> None:
        for word in scope.args:
            if (meant := doubt(word)) is not None:
                index = line.words.index(word) - 1 if word in line.words else None
                self.report.warn(line, f"no command is called '{word}', so it limits nothing", right=meant, word=index)

    # -- the result --------------------------------------------------------------------------------

    def config(self) -> Config:
        """Everything joined and frozen; with faults it is what ConfigFaults carries, so that checks can look on."""
        warnings = tuple(self.report.warnings)
        servers = (self.top, *self._hosts)
        for server in servers:
            turns.rest()
            name_after(self.top, server)
            add_globals(server, self._globals)
            finish(server)
        for scope in self._classes:
            scope.settings = Settings(scope.values)
        config = Config(
            self.top, servers, tuple(self._classes), warnings, tuple(self.reader.files), dict(self.environment),
            frozenset(self.defines),
        )  # fmt: skip
        if self.report.faults:
            raise ConfigFaults(self.report.faults, warnings, config)
        return config


def _brittle(directive: Directive[Any], what: str, wrong: BaseException, right: str = "") -> ConfigError:
    """The fault that stands for whatever else than ConfigError a module raised."""
    if is_interrupt(wrong):
        raise wrong
    owner = directive.module or "its module"
    return ConfigError(f"{owner} cannot {what} this: {type(wrong).__name__}: {wrong}", right=right)


def _count(most: int) -> str:
    return {0: "no arguments are", 1: "one argument is"}.get(most, f"at most {most} arguments are")
