"""Files to lines: follows Include, drops what <IfModule> and its kin leave out; knows no directive."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from ftpd.conf import filters, include
from ftpd.conf.directive import ConfigError, ModuleHost
from ftpd.conf.faults import Report
from ftpd.conf.known import GUARDS, lacking
from ftpd.conf.lexer import Line, is_cut_short, logical_lines, split
from ftpd.core.identity import acting_as_daemon

_NESTED = 64
_OFF = re.compile(r"\w+engine\s+off")
"""A line, in lower case, that says that a module is to do nothing."""
_CURLED = ("\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}", "\N{DOUBLE LOW-9 QUOTATION MARK}")
"""What word processors and web pages make of a quote."""


class _Pending:
    """A file that an Include line named, not opened yet."""

    __slots__ = ("file", "line")

    def __init__(self, file: str, line: Line) -> None:
        self.file = file
        self.line = line


class _Source:
    """A file being read, and who it is on disk, so that it does not include itself."""

    __slots__ = ("file", "key", "lines")

    def __init__(self, file: str, key: tuple[int, int], lines: Iterator[Line]) -> None:
        self.file = file
        self.key = key
        self.lines = lines


class Reader:
    """Yields the lines that count, one at a time: what a line does (LoadModule, SetEnv) holds for the next one."""

    def __init__(self, modules: ModuleHost, report: Report, defines: set[str], environment: dict[str, str]) -> None:
        self.modules = modules
        self.report = report
        self.defines = defines
        self.environment = environment
        self.files: list[str] = []
        self._options: frozenset[str] = frozenset()
        self._sources: list[_Source | _Pending] = []
        self._open: list[Line] = []

    # -- where lines come from ---------------------------------------------------------------------

    def read(self, file: str) -> None:
        """Go on with the lines of this file; OSError when it cannot be read."""
        text, key = self._text(file)
        self._push(file, text, key)

    def read_text(self, file: str, text: str) -> None:
        """Go on with these lines; ``file`` is only their name in messages."""
        self._push(file, text, (0, 0))

    def include(self, line: Line) -> None:
        """The Include directive: read what the line names, then come back."""
        words = line.words[1:]
        if not words:
            raise ConfigError("missing parameters", right="Include path|pattern|folder")

        def warn(message: str) -> None:
            self.report.warn(line, message, word=0)

        if len(words) > 1:
            self.report.warn(line, f"'{' '.join(words[1:])}' is ignored: an Include line names one path", word=1)
        if sum(isinstance(source, _Source) for source in self._sources) > _NESTED:
            raise ConfigError(f"Include lines are nested more than {_NESTED} deep", word=0)
        with acting_as_daemon():
            files = include.files(words[0], self._options, warn)
        # opened one after the other, when their turn comes; the stack's top is read next
        self._sources += [_Pending(file, line) for file in reversed(files)]

    def include_options(self, line: Line) -> None:
        """The IncludeOptions directive."""
        self._options = include.options(line.words[1:])

    def _text(self, file: str) -> tuple[str, tuple[int, int]]:
        with acting_as_daemon():
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if self._sources else 0))
            try:
                status = os.fstat(descriptor)
                key = (status.st_dev, status.st_ino)
                if stat.S_ISDIR(status.st_mode):
                    raise IsADirectoryError(21, "Is a directory", file)
                if self._sources and not stat.S_ISREG(status.st_mode):
                    # a FIFO or a device would let the start hang
                    raise OSError(22, "it is not a regular file", file)
                if any(isinstance(source, _Source) and source.key == key for source in self._sources):
                    raise ConfigError(f"'{file}' is being read already: it would include itself without end", word=0)
                with open(descriptor, "rb", closefd=False) as opened:
                    raw = opened.read()
            finally:
                os.close(descriptor)
        if status.st_mode & stat.S_IWOTH and stat.S_ISREG(status.st_mode):
            self.report.file_warning(
                file, 0, "is world-writable: any user of this machine can change the configuration"
            )
        return raw.decode("utf-8", "surrogateescape"), key

    def _push(self, file: str, text: str, key: tuple[int, int]) -> None:
        self.files.append(file)
        if is_cut_short(text):
            number = text.count("\n") + 1
            self.report.file_warning(file, number, "the last line has no line end; the file may be truncated")
        self._sources.append(_Source(file, key, logical_lines(file, text)))

    # -- which lines count -------------------------------------------------------------------------

    def lines(self) -> Iterator[Line]:
        """All lines to act on, those of included files in their place."""
        while self._sources:
            source = self._sources[-1]
            if isinstance(source, _Pending):
                self._begin(source)
                continue
            line = next(source.lines, None)
            if line is None:
                self._sources.pop()
                continue
            self._split(line)
            if not line.words:
                continue
            if "\0" in line.text:
                self.report.fault(line, ConfigError("a NUL byte stands in this line", right="plain text, in UTF-8"))
                continue
            name = line.name
            if name.startswith("<if") and filters.is_filter(name, self.modules):
                self._enter(line, source)
            elif name in filters.CLOSERS and filters.is_filter(filters.CLOSERS[name], self.modules):
                self._leave(line)
            else:
                yield line
        for line in self._open:
            self.report.warn(line, f"is never closed; a {_closer(line)} line is missing")

    def _begin(self, pending: _Pending) -> None:
        self._sources.pop()
        try:
            self.read(pending.file)
        except OSError as wrong:
            self.report.warn(pending.line, f"unable to include '{pending.file}': {wrong.strerror}", word=0)
        except ConfigError as wrong:
            self.report.fault(pending.line, wrong)

    def _split(self, line: Line) -> None:
        unset: list[tuple[str, int]] = []
        split(line, self.environment, lambda name, index: unset.append((name, index)), self._keeps_variables)
        if line.open_quote:
            last = max(len(line.words) - 2, 0)
            self.report.warn(line, "the quote is never closed, so it ends with the line", word=last)
        # within plain ones they are meant
        starts = [start for start, _ in line.spans[1:]]
        curled = next((index for index, start in enumerate(starts) if line.text.startswith(_CURLED, start)), None)
        if curled is not None:
            self.report.warn(
                line, "such quotes are letters of the word, and hold nothing together",
                right='" as on the keyboard', word=curled,
            )  # fmt: skip
        for name, index in unset:
            word = index - 1 if index else None
            self.report.warn(
                line, f"the environment variable {name} is not set; nothing stands in its place", word=word
            )

    def _keeps_variables(self, name: str) -> bool:
        return any(directive.keeps_variables for directive in self.modules.directives.find(name))

    def _enter(self, line: Line, source: _Source) -> None:
        def warn(message: str, word: int) -> None:
            self.report.warn(line, message, word=word)

        try:
            if filters.holds(line, self.modules, self.defines, warn):
                self._open.append(line)
                return
        except ConfigError as wrong:
            self.report.fault(line, wrong)
        if self._skip(line, source) and line.name == "<ifmodule>":
            self._regret(line)

    def _regret(self, line: Line) -> None:
        """Where what is passed over was meant to keep somebody out, who reads the file should know.

        What a LoadModule line asks for, and lines say how, is not passed over.
        """
        name = line.words[1] if len(line.words) > 1 else ""
        bare = name.removesuffix(".c")
        lost = GUARDS.get(bare)
        if self.modules.is_lacking(name):
            self.report.fault(line, lacking(bare))
        elif lost is not None and not self.modules.can_load(name):
            self.report.warn(line, f"this ftpd has no {bare}, and passes over these lines: {lost}", word=0)

    def _leave(self, line: Line) -> None:
        self._check_surplus(line)
        # ProFTPD takes any closer, so they are matched by kind, the innermost first
        for index in range(len(self._open) - 1, -1, -1):
            if filters.OPENERS[self._open[index].name] == line.name:
                del self._open[index]
                return
        self.report.warn(line, "closes nothing: no such section is open")

    def _check_surplus(self, line: Line) -> None:
        """A closer with a name in it: whoever wrote it may think that it chooses which open section ends."""
        surplus = " ".join(line.words[1:])
        if surplus and line.name == "</ifmodule>":
            wrong = ConfigError(f"wrong number of parameters: {surplus}", right="</IfModule>", word=0)
            self.report.fault(line, wrong)
        elif surplus:
            self.report.warn(line, f"'{surplus}' is ignored: the innermost section of its kind ends here", word=0)

    def _skip(self, opener: Line, source: _Source) -> bool:
        """Drop lines up to the opener's closer in the same file; only openers of its own kind are counted.

        Whether any of them would have said anything.
        """
        kind, closer = opener.name[:-1], filters.OPENERS[opener.name]
        depth, telling = 1, False
        for line in source.lines:
            text = line.text.strip().lower()
            if text.startswith(closer):
                depth -= 1
                if depth == 0:
                    return telling
            elif text.startswith(kind):
                depth += 1
            telling = telling or not (text == "" or text[0] in "<#" or _OFF.fullmatch(text))
        self.report.fault(
            opener, ConfigError(f"unclosed {opener.words[0]} section", right=f"a line {_closer(opener)} in this file")
        )
        return False


def _closer(opener: Line) -> str:
    return opener.words[0].replace("<", "</")
