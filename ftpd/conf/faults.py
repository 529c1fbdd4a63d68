"""What is wrong with a configuration, told so that the administrator can put it right: file, line and caret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftpd.conf.directive import ConfigError
from ftpd.conf.lexer import BLANKS, Line, logical_lines, split
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import escape
from ftpd.core.record import dataclass

if TYPE_CHECKING:
    from ftpd.conf.tree import Config


@dataclass(frozen=True, slots=True)
class Fault:
    """One complaint. ``line`` 0 means the whole file; ``column`` and ``width`` mark the faulty part of ``source``."""

    file: str
    line: int
    name: str
    message: str
    right: str = ""
    source: str = ""
    column: int = 0
    width: int = 0

    def summary(self) -> str:
        """The complaint on one line: ``file:line: Directive: message``."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return escape(f"{where}: {f'{self.name}: ' if self.name else ''}{self.message}")

    def render(self) -> str:
        """The summary, the source line with a caret below the faulty word, and what would be right."""
        lines = [self.summary()]
        if self.source.strip(BLANKS):
            # a tab is one column wide here, and what cannot be printed is as wide as its escape
            source = self.source.replace("\t", " ")
            indent = len(source) - len(source.lstrip(BLANKS))
            before = source[indent : self.column]
            marked = source[self.column : self.column + self.width].rstrip(BLANKS)
            lines.append(f"    {escape(source.strip(BLANKS))}")
            if self.width:
                lines.append(f"    {' ' * len(escape(before))}^{'~' * max(0, len(escape(marked)) - 1)}")
        if self.right:
            lines.append(f"    right: {escape(self.right)}")
        return "\n".join(lines)

    __str__ = render


class ConfigFaults(Exception):
    """All that keeps a configuration from being used, and what was only worth a warning."""

    def __init__(self, faults: list[Fault], warnings: tuple[Fault, ...] = (), config: Config | None = None) -> None:
        super().__init__("\n".join(fault.summary() for fault in faults))
        self.faults = faults
        self.warnings = warnings
        self.config = config
        """What could be read in spite of the faults, for those who look for more of them."""

    def by_line(self) -> list[Fault]:
        """File by file from the top down, whichever check found them: so they are looked for."""
        files = {fault.file: rank for rank, fault in reversed([*enumerate(self.faults)])}
        return sorted(self.faults, key=lambda fault: (files[fault.file], fault.line))

    def render(self) -> str:
        """Every fault in full."""
        return "\n".join(fault.render() for fault in self.by_line())


def of_check(error: ConfigError, path: str) -> Fault:
    """What a check of the whole configuration complains of, with the line that it names as it stands in its file."""
    file, number = error.at or (path, 0)
    line = _line_at(file, number) if number else None
    if line is None:
        return Fault(file, number, error.directive, error.message, error.right)
    return _about(line, error.message, error.right, error.word)


def _line_at(file: str, number: int) -> Line | None:
    try:
        with acting_as_daemon(), open(file, encoding="utf-8", errors="surrogateescape", newline="") as opened:
            found = next((line for line in logical_lines(file, opened.read()) if line.number == number), None)
    except OSError:
        return None
    return None if found is None else split(found, {})


class Report:
    """Collects the faults and warnings of one reading."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def fault(self, line: Line, error: ConfigError) -> None:
        self.faults.append(_about(line, error.message, error.right, error.word))

    def warn(self, line: Line, message: str, *, right: str = "", word: int | None = None) -> None:
        self.warnings.append(_about(line, message, right, word))

    def file_fault(self, file: str, message: str, *, right: str = "") -> None:
        self.faults.append(Fault(file, 0, "", message, right))

    def file_warning(self, file: str, number: int, message: str) -> None:
        self.warnings.append(Fault(file, number, "", message))


def _about(line: Line, message: str, right: str, word: int | None) -> Fault:
    index = 0 if word is None else word + 1
    start, end = line.spans[min(index, len(line.spans) - 1)]
    return Fault(line.file, line.number, line.words[0], message, right, line.text, start, max(1, end - start))
