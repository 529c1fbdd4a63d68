"""User, group and class expressions: names joined by AND or OR, negated, or one regular expression."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ftpd.conf.directive import ConfigError
from ftpd.conf.patterns import Pattern, compile_pattern
from ftpd.conf.types import doubt, takes


class Expression:
    """Names that are compared with those of a client: its user, its class, or all its groups.

    A name is equal or it is not (``*`` is no wildcard); ``!name`` holds where the client does not have the name.
    """

    __slots__ = ("_all", "_elements", "_pattern", "text", "vague")

    def __init__(self, words: list[str], *, default: str) -> None:
        self.text = " ".join(words)
        self.vague = ""
        """Why it can hardly be what somebody meant; whether that is a fault, the line decides."""
        self._pattern: Pattern | None = None
        self._elements: list[tuple[str, bool]] = []
        # a keyword alone is a name, as in ProFTPD
        keyword = words[0].upper() if len(words) > 1 else ""
        if keyword == "REGEX":
            if len(words) != 2:
                raise ConfigError("regex takes exactly one pattern", right="regex ^admin", word=0)
            self._pattern = compile_pattern(words[1], word=1)
            return
        # ProFTPD 1.3 keeps an explicit AND as if it were a name, so that nothing ever matches; its documents
        # promise what is done here
        if keyword in ("AND", "OR"):
            words = words[1:]
            self._all = keyword == "AND"
        else:
            self._all = default == "AND"
        for name in _names(words):
            bare = name.removeprefix("!")
            if not bare:
                self.vague = f"'{name}' means {'everybody' if name else 'nobody'}, as nobody has an empty name"
            self._elements.append((bare, bare != name))
        if not keyword and self.text.upper() in ("AND", "OR", "REGEX"):
            self.vague = f"'{self.text}' with nothing behind it is taken for a name"
        if self.vague:
            doubt(self.vague)
        if not self._elements:
            self.vague = f"'{self.text}' names nobody"

    def __repr__(self) -> str:
        return f"<Expression {self.text}>"

    @property
    def empty(self) -> bool:
        """Whether it is commas alone: what that means, each directive says."""
        return self._pattern is None and not self._elements

    @property
    def mentioned(self) -> list[str]:
        """The names that stand in it; none of a pattern."""
        return [name for name, _ in self._elements]

    @property
    def names(self) -> list[str] | None:
        """The names of which one is enough; None where it is not as simple as that."""
        if self._pattern is not None or (self._all and len(self._elements) > 1):
            return None
        return None if any(negated for _, negated in self._elements) else [name for name, _ in self._elements]

    def matches(self, names: Collection[str] | None, *, unsure: bool = False) -> bool:
        """Whether a client with these names is meant; None, not logged in or in no class, never is.

        ``unsure`` is the answer where a pattern is given up.
        """
        if names is None:
            return False
        if self._pattern is not None:
            found = self._pattern.denies if unsure else self._pattern.search
            return any(found(name) for name in names)
        held = ((name in names) != negated for name, negated in self._elements)
        return all(held) if self._all else any(held)


def _names(words: list[str]) -> Iterator[str]:
    """What stands between commas and blanks; a word in quotes may be empty, a place between commas says nothing."""
    for word in words:
        yield from (name for name in word.split(",") if name) if "," in word else (word,)


def for_whom(words: list[str], first: int) -> list[str]:
    """The expression of a line that also says something else: one word, as in ProFTPD, or a keyword before it.

    A blank where a comma was meant would make it that of other clients. ``first`` is the index of its first word.
    """
    if len(words) > 1 and words[0].upper() not in ("AND", "OR", "REGEX"):
        raise ConfigError("wrong number of parameters", right=",".join(words), word=first + 1)
    if words[0] and not words[0].strip(","):
        doubt(f"'{words[0]}' names nobody", word=first)
    return words


class ExpressionIndex:
    """Many lines of expressions asked at once: a thousand names cost what one costs.

    ``tried`` are those that are more than names of which one is enough, with their number; ``unsure`` is the
    answer of one that is given up.
    """

    __slots__ = ("_found", "_unsure", "tried")

    def __init__(self, lines: Iterable[Expression], *, unsure: bool = False) -> None:
        self._unsure = unsure
        self._found: dict[str, int] = {}
        self.tried: list[tuple[int, Expression]] = []
        for at, line in enumerate(lines):
            names = line.names
            if names is None:
                self.tried.append((at, line))
            else:
                for name in names:
                    self._found.setdefault(name, at)

    def first(self, names: Collection[str] | None) -> int | None:
        """Which line is the first to match a client with these names, 0 being the first; None where none does."""
        if names is None:
            return None
        best = min((self._found[name] for name in names if name in self._found), default=None)
        for at, line in self.tried:
            if best is not None and at > best:
                break
            if line.matches(names, unsure=self._unsure):
                return at
        return best


@takes(1)
def user_expression(words: list[str]) -> Expression:
    """Users; several are joined by OR unless AND comes first."""
    return Expression(words, default="OR")


@takes(1)
def group_expression(words: list[str]) -> Expression:
    """Groups; several are joined by AND unless OR comes first. Primary and supplementary groups count alike."""
    return Expression(words, default="AND")


@takes(1)
def class_expression(words: list[str]) -> Expression:
    """Classes; several are joined by OR unless AND comes first."""
    return Expression(words, default="OR")
