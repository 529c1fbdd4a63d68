"""Expressions searched in one pass over the text, however they repeat: all ways to match are followed at once.

Thompson's construction, its steps remembered as they are taken.  It tells whether there is a match, not where.
"""

from __future__ import annotations

import re._compiler as sre_compiler  # type: ignore[import-not-found]
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from typing import Any

_LARGEST = 4000
_STEPS = 12_000
"""Nodes looked at in one search, those that are remembered from earlier not counted."""
_REMEMBERED = 4000
_NOTHING = -1
"""What stands before the beginning of a text and behind its end."""

Test = Callable[[int], bool]


class Unfit(Exception):
    """The expression is none that such a machine can search for."""


class _Node:
    """One place in the expression: what must hold there, and where it goes on."""

    __slots__ = ("after", "before", "follows", "takes")

    def __init__(self) -> None:
        self.takes: Test | None = None
        """The letters that lead on; None where it goes on without one."""
        self.before: Test | None = None
        self.after: Test | None = None
        """What the letters before and behind the place must be."""
        self.follows: list[int] = []


class _State:
    """The places that may have been come to behind a letter."""

    __slots__ = ("last", "leads", "places")

    def __init__(self, places: frozenset[int], last: int) -> None:
        self.places, self.last = places, last
        self.leads: dict[int, _State | None] = {}
        """The next state by the letter; None is the end of an expression that has matched."""


class Automaton:
    """Built from what ``re`` has parsed; Unfit where that looks back or far ahead, or would be too large."""

    def __init__(self, tree: Any) -> None:
        self._state = tree.state
        self.is_of_letters = isinstance(tree.state.str, str)
        self._nodes: list[_Node] = []
        self._end = self._node()
        self._start = self._chain(tree, self._end)
        self._known: dict[tuple[frozenset[int], int], _State] = {}
        self._size = 0

    # -- building, from the end to the beginning -----------------------------------------------------------

    def _node(self, *follows: int) -> int:
        if len(self._nodes) >= _LARGEST:
            raise Unfit
        node = _Node()
        node.follows += follows
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _chain(self, tree: Any, then: int) -> int:
        for kind, what in reversed(list(tree)):
            then = self._item(kind, what, then)
        return then

    def _item(self, kind: Any, what: Any, then: int) -> int:
        if kind in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            at = self._node(then)
            self._nodes[at].takes = self._test(kind, what)
            return at
        if kind is sre.SUBPATTERN:
            _, adds, drops, inner = what
            if adds or drops:
                raise Unfit
            return self._chain(inner, then)
        if kind is sre.BRANCH:
            return self._node(*(self._chain(branch, then) for branch in what[1]))
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeat(what, then)
        if kind is sre.AT:
            return self._place(what, then)
        if kind in (sre.ASSERT, sre.ASSERT_NOT):
            return self._beside(kind, what, then)
        raise Unfit

    def _repeat(self, what: Any, then: int) -> int:
        least, most, inner = what
        at = then
        if most is sre.MAXREPEAT:
            at = self._node(then)
            self._nodes[at].follows.append(self._chain(inner, at))
        else:
            for _ in range(most - least):
                at = self._node(then, self._chain(inner, at))
        for _ in range(least):
            at = self._chain(inner, at)
        return at

    def _place(self, what: Any, then: int) -> int:
        at = self._node(then)
        node = self._nodes[at]
        if what in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
            node.before = _is_nothing
        elif what is sre.AT_END_STRING:
            node.after = _is_nothing
        elif what in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            word = self._test(sre.IN, [(sre.CATEGORY, sre.CATEGORY_WORD)])
            apart = self._conditional(_not(word), word, then), self._conditional(word, _not(word), then)
            alike = self._conditional(word, word, then), self._conditional(_not(word), _not(word), then)
            node.follows[:] = apart if what is sre.AT_BOUNDARY else alike
        else:
            raise Unfit
        return at

    def _conditional(self, before: Test, after: Test, then: int) -> int:
        at = self._node(then)
        self._nodes[at].before, self._nodes[at].after = before, after
        return at

    def _beside(self, kind: Any, what: Any, then: int) -> int:
        """(?=x) and its like, where x is one letter."""
        direction, inner = what
        items = list(inner)
        if len(items) != 1 or items[0][0] not in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            raise Unfit
        test = self._test(*items[0])
        if kind is sre.ASSERT_NOT:
            test = _not(test)
        at = self._node(then)
        if direction < 0:
            self._nodes[at].before = test
        else:
            self._nodes[at].after = test
        return at

    def _test(self, kind: Any, what: Any) -> Test:
        """Whether a letter is one of those: ``re`` knows best, and answers for one letter at a time."""
        fits = sre_compiler.compile(sre_parser.SubPattern(self._state, [(kind, what)]), self._state.flags).fullmatch
        one: Callable[[int], Any] = chr if self.is_of_letters else lambda letter: bytes((letter,))
        return lambda letter: letter >= 0 and fits(one(letter)) is not None

    # -- searching -------------------------------------------------------------------------------------------

    def search(self, text: Iterable[int]) -> bool | None:
        """Whether the expression matches anywhere; None where that would take too long to find out."""
        if self._size > _REMEMBERED:
            self._known.clear()
            self._size = 0
        self._left = _STEPS
        state = self._state_of(frozenset(), _NOTHING)
        try:
            for letter in text:
                leads = state.leads
                following = leads[letter] if letter in leads else self._step(state, letter)
                if following is None:
                    return True
                state = following
            return self._step(state, _NOTHING) is None
        except Unfit:
            return None

    def _state_of(self, places: frozenset[int], last: int) -> _State:
        state = self._known.get((places, last))
        if state is None:
            state = self._known[places, last] = _State(places, last)
        return state

    def _step(self, state: _State, letter: int) -> _State | None:
        """The state behind the letter; a match may begin anywhere, so the beginning is among the places always."""
        seen = {self._start, *state.places}
        waiting = list(seen)
        after: set[int] = set()
        matched = False
        while waiting:
            at = waiting.pop()
            node = self._nodes[at]
            self._left -= 1
            if self._left < 0:
                raise Unfit
            if (node.before is not None and not node.before(state.last)) or (
                node.after is not None and not node.after(letter)
            ):
                continue
            if at == self._end:
                matched = True
                break
            if node.takes is None:
                fresh = [one for one in node.follows if one not in seen]
                seen.update(fresh)
                waiting += fresh
            elif node.takes(letter):
                after.update(node.follows)
        following = None if matched else self._state_of(frozenset(after), letter)
        state.leads[letter] = following
        self._size += 1 + len(after)
        return following


def _is_nothing(letter: int) -> bool:
    return letter == _NOTHING


def _not(test: Test) -> Test:
    return lambda letter: not test(letter)
