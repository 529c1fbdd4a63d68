"""Texts with ``$1``, ``%1``, ``%u``, ``%{NAME}`` and ``${map:key|default}`` in them: parsed once, filled in often."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

M = TypeVar("M")
"""What a text is filled in from."""

Value = Callable[[M], str]
Meaning = Callable[[str, str], Value[M] | None]
"""Of a sign (``$``, ``%`` or ``{``) and the word behind it what that stands for; None: the text stays as it is."""
LookUp = Callable[[M, str, str, bool], Awaitable[str | None]]
"""The value that a map has for a key, and None for the default; the last argument says whether there is one."""
Part = Callable[[M], Awaitable[str]]

_TOKEN = re.compile(
    r"\$(?P<same>\$\d)|%(?P<same2>%\d)|\$(?P<dollar>\d)|%(?P<percent>\d|[A-Za-z])|%\{(?P<name>[^{}]*)\}"
    r"|\$\{(?P<map>[^:{}|]*):"
)
_SIGNS = {"dollar": "$", "percent": "%", "name": "{"}


class Template(Generic[M]):
    """A text whose variables have a meaning; what a value brings in is never looked at again."""

    def __init__(self, text: str, meaning: Meaning[M], look_up: LookUp[M]) -> None:
        self.text = text
        self._meaning = meaning
        self._look_up = look_up
        self._parts, _ = self._parsed(0, "")

    async def fill(self, source: M) -> str:
        return await _joined(self._parts, source)

    def _parsed(self, at: int, stop: str) -> tuple[list[str | Part[M]], int]:
        """The parts from ``at`` to one of the letters in ``stop``, and where that is."""
        text = self.text
        parts: list[str | Part[M]] = []
        plain = ""
        while at < len(text) and text[at] not in stop:
            found = _TOKEN.match(text, at)
            part: str | Part[M] | None = None
            if found is not None:
                part, at = self._part(found)
            if part is None:
                part, at = text[at], at + 1
            if isinstance(part, str):
                plain += part
                continue
            parts += [plain, part]
            plain = ""
        return [part for part in (*parts, plain) if part != ""], at

    def _part(self, found: re.Match[str]) -> tuple[str | Part[M] | None, int]:
        kind = found.lastgroup or ""
        word = found[kind]
        if kind.startswith("same"):
            return word, found.end()
        if kind == "map":
            return self._map_part(word, found)
        value = self._meaning(_SIGNS[kind], word)
        return (None, found.start()) if value is None else (_given(value), found.end())

    def _map_part(self, name: str, found: re.Match[str]) -> tuple[str | Part[M] | None, int]:
        key, at = self._parsed(found.end(), "|}")
        default: list[str | Part[M]] = []
        has_default = self.text[at : at + 1] == "|"
        if has_default:
            default, at = self._parsed(at + 1, "}")
        if self.text[at : at + 1] != "}":
            return None, found.start()

        async def part(source: M) -> str:
            value = await self._look_up(source, name, await _joined(key, source), has_default)
            return await _joined(default, source) if value is None else value

        return part, at + 1


async def _joined(parts: list[str | Part[M]], source: M) -> str:
    return "".join([part if isinstance(part, str) else await part(source) for part in parts])


def _given(value: Value[M]) -> Part[M]:
    async def part(source: M) -> str:
        return value(source)

    return part
