"""Our dataclasses do what those of the standard library do."""

import dataclasses
from typing import Any

import pytest

from ftpd.core import record


def both(cls: type[Any], **said: bool) -> tuple[Any, Any]:
    """The class made by ours and by theirs, each of a copy of its own."""
    body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    ours, theirs = (type(cls.__name__, (), dict(body)) for _ in range(2))
    return record.dataclass(**said)(ours), dataclasses.dataclass(**said)(theirs)


class Plain:
    """A class with all kinds of fields."""

    name: str
    size: int = 0
    words: list[str] = dataclasses.field(default_factory=list)
    seen: int = dataclasses.field(default=3, compare=False, repr=False)
    own: list[int] = dataclasses.field(default_factory=lambda: [1], init=False)

    def __post_init__(self) -> None:
        self.own.append(len(self.name))


@pytest.mark.parametrize("said", [{}, {"frozen": True}, {"eq": False}, {"frozen": True, "eq": False}])
@pytest.mark.parametrize("slots", [False, True])
def test_they_are_made_shown_and_compared_alike(said: dict[str, bool], slots: bool) -> None:
    ours, theirs = both(Plain, slots=slots, **said)
    for words in (("a",), ("a", 2), ("bc", 2, ["w"]), ("a", 2, [], 9)):
        one, other = ours(*words), theirs(*words)
        assert repr(one) == repr(other)
        assert dataclasses.asdict(one) == dataclasses.asdict(other)
        assert (one == ours(*words)) == (other == theirs(*words))
        assert (one == ours("else")) == (other == theirs("else"))
        assert repr(dataclasses.replace(one, size=7)) == repr(dataclasses.replace(other, size=7))
        assert one != other
    assert ours("a").words is not ours("a").words
    assert ours.__match_args__ == theirs.__match_args__
    assert (ours.__hash__ is None) == (theirs.__hash__ is None)
    assert hasattr(ours("a"), "__dict__") == hasattr(theirs("a"), "__dict__")


@pytest.mark.parametrize("words", [(), ("a", 1, [], 2, 3)])
def test_what_is_missing_or_too_much_is_a_fault(words: tuple[object, ...]) -> None:
    for cls in both(Plain):
        with pytest.raises(TypeError):
            cls(*words)


@record.dataclass(frozen=True, slots=True)
class Point:
    """A value."""

    x: int
    y: int = 0


def test_a_frozen_one_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'y'"):
        del point.y
    assert (point.x, point.y) == (1, 0)


def test_a_frozen_one_is_a_key() -> None:
    assert {Point(1): "here"}[Point(1, 0)] == "here"
    assert len({Point(1), Point(1), Point(2)}) == 2


def test_one_that_changes_is_no_key() -> None:
    @record.dataclass
    class Changing:
        """It compares by value."""

        x: int

    with pytest.raises(TypeError, match="unhashable"):
        hash(Changing(1))


def test_methods_of_the_class_itself_stay() -> None:
    @record.dataclass(frozen=True)
    class Own:
        """It says itself what is equal, and how it is shown."""

        x: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    assert Own(1) == Own(2)
    assert hash(Own(1)) == 7
    assert repr(Own(1)) == "own"


def test_a_child_has_the_fields_of_its_parent_first() -> None:
    @record.dataclass
    class Parent:
        """It has one."""

        x: int = 1

    @record.dataclass
    class Child(Parent):
        """It has one more."""

        y: int = 2

    assert (Child(3).x, Child(3).y) == (3, 2)
    assert Child() == Child(1, 2)


def test_a_value_in_itself_can_be_shown() -> None:
    @record.dataclass
    class Node:
        """It may hold itself."""

        held: object = None

    node = Node()
    node.held = node
    assert repr(node).endswith("Node(held=...)")
