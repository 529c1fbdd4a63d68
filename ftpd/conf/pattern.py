"""What a compiled expression is asked, whichever engine it is of: it answers, or gives up and denies."""

from __future__ import annotations

from ftpd.core.log import Level, log

LONGEST = 8192
"""Bytes of the longest text that is searched; a path is half as long, and so is a command."""


class GivenUp(Exception):
    """Whether the expression matches is not known: to find out would hold everybody up."""


class Pattern:
    """A compiled regular expression; ``place`` is where it stands, for the log."""

    __slots__ = ("_is_told", "nocase", "pattern", "place")

    def __init__(self, pattern: str, place: str, *, nocase: bool = False) -> None:
        self.pattern = pattern
        self.place = place
        self.nocase = nocase
        self._is_told = False

    def __eq__(self, other: object) -> bool:
        # a line that says again what another has said is no mistake
        return isinstance(other, Pattern) and (self.pattern, self.nocase) == (other.pattern, other.nocase)

    def __hash__(self) -> int:
        return hash((self.pattern, self.nocase))

    def __repr__(self) -> str:
        return f"<Pattern {self.pattern}>"

    def matches(self, string: str) -> bool:
        """Whether it matches anywhere in the text; GivenUp."""
        raise NotImplementedError

    def find(self, string: str) -> tuple[str, ...] | None:
        """What matches, and its groups, those that have no part in it empty; GivenUp."""
        raise NotImplementedError

    def search(self, string: str, /) -> Pattern | None:
        """The pattern itself where it matches; None also where it was given up."""
        try:
            return self if self.matches(string) else None
        except GivenUp:
            self._tell(string)
            return None

    def denies(self, string: str) -> bool:
        """Whether it matches, or nobody can tell: who makes up a name must not get past a filter with it."""
        try:
            return self.matches(string)
        except GivenUp:
            self._tell(string)
            return True

    def groups(self, string: str) -> tuple[str, ...] | None:
        """As :meth:`find`, and the log hears of it when it is given up."""
        try:
            return self.find(string)
        except GivenUp:
            self._tell(string)
            raise

    def _tell(self, string: str) -> None:
        # once: a client can have it given up as often as it likes
        if not self._is_told:
            self._is_told = True
            log(
                Level.WARN,
                "%s: the search for '%s' in a text of %d letters takes too long and was given up, which denies; "
                "it is said this once",
                self.place,
                self.pattern,
                len(string),
            )
