"""AllowOverride: whether the .ftpaccess files in folders count, for everybody or for some clients only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from ftpd.conf.acl import Who
from ftpd.conf.directive import (
    ANON,
    DIRECTORY,
    GLOBAL,
    SERVER,
    VHOST,
    ConfigError,
    Context,
    Directive,
    Multi,
    Reading,
)
from ftpd.conf.expr import Expression, class_expression, group_expression, user_expression
from ftpd.conf.types import doubt, takes, to_boolean
from ftpd.core.record import dataclass

_KINDS: dict[str, tuple[int, Callable[[list[str]], Expression]]] = {
    # the narrower the audience, the more its line counts
    "user": (3, user_expression),
    "group": (2, group_expression),
    "class": (1, class_expression),
}
_LEVELS: dict[Context, int] = {DIRECTORY: 4, ANON: 3, VHOST: 2, SERVER: 2, GLOBAL: 1}


@dataclass(slots=True)
class Override:
    """One line; ``kind`` is empty where it is meant for everybody."""

    on: bool
    kind: str = ""
    expression: Expression | None = None
    level: int = field(default=0, compare=False)
    """How deep the section is that the line stands in: a <Directory> beats an <Anonymous>, and that the server."""

    def means(self, who: Who) -> bool:
        if self.expression is None:
            return True
        # a pattern that is given up lets no file count
        unsure = not self.on
        if self.kind == "group":
            return self.expression.matches(who.groups if who.user is not None else None, unsure=unsure)
        name = who.user if self.kind == "user" else who.class_name or None
        return self.expression.matches(None if name is None else (name,), unsure=unsure)

    @property
    def rank(self) -> tuple[int, int]:
        return self.level, _KINDS[self.kind][0] if self.kind else 0


@takes(1)
def _override(words: list[str]) -> Override:
    on = to_boolean(words[0])
    if len(words) == 1:
        return Override(on)
    kind = words[1].lower()
    if kind not in _KINDS:
        doubt(f"'{' '.join(words[1:])}' is ignored: the line is about everybody", word=1)
        return Override(on)
    if len(words) < 3:
        raise ConfigError(
            f"'{' '.join(words[1:])}' does not say for whom", right="user, group or class, and names behind it", word=1
        )
    try:
        return Override(on, kind, _KINDS[kind][1](words[2:]))
    except ConfigError as wrong:
        place = None if wrong.word is None else wrong.word + 2
        raise ConfigError(wrong.message, right=wrong.right, word=place) from None


def _note_level(reading: Reading, line: Override) -> None:
    line.level = _LEVELS.get(reading.context, 0)


ALLOW_OVERRIDE: Directive[tuple[Override, ...]] = Directive(
    "AllowOverride",
    _override,
    default=(),
    contexts=SERVER | GLOBAL | VHOST | ANON | DIRECTORY,
    multi=Multi.LIST,
    usage="on|off [user|group|class expression]",
    doc="Whether .ftpaccess files in the folders count.",
    module="mod_core",
    act=_note_level,
)


def overrides(lines: tuple[Override, ...], who: Who) -> bool:
    """Whether .ftpaccess counts for this client where these lines are in force, the innermost first; default yes."""
    best: Override | None = None
    for line in lines:
        if (best is None or line.rank > best.rank) and line.means(who):
            best = line
    return best is None or best.on
