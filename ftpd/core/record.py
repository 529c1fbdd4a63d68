"""Dataclasses that a start has cheaply: of what they do, Python compiles the making of one alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **said):
        """Like dataclasses.dataclass, of which a class takes up to six compilations: with ninety classes that is a
        fourth of the daemon's start. What is compared, shown and kept from changes is so by functions of all."""
        return _made(cls, **said) if cls is not None else lambda cls: _made(cls, **said)


def _made(cls: type[Any], *, frozen: bool = False, eq: bool = True, **said: Any) -> type[Any]:
    if any(hasattr(base, "__dataclass_fields__") for base in cls.__mro__[1:]):
        # which of its bases is to do what, dataclasses knows better
        return dataclasses.dataclass(frozen=frozen, eq=eq, **said)(cls)
    own = set(cls.__dict__)
    if cls.__dict__.get("__hash__") is None and "__eq__" in own:
        # Python itself puts it there
        own.discard("__hash__")
    made = dataclasses.dataclass(init=False, repr=False, eq=False, **said)(cls)
    fields = dataclasses.fields(made)
    methods: list[Callable[..., Any]] = [_init(fields, frozen=frozen, after="__post_init__" in own), _repr(fields)]
    if eq:
        methods += _eq_and_hash(fields, frozen=frozen)
        if not frozen and "__hash__" not in own:
            made.__hash__ = None  # type: ignore[assignment]  # as Python does for a class with an __eq__
    if frozen:
        methods += _frozen(made, frozenset(field.name for field in fields))
    for method in methods:
        if method.__name__ not in own:
            method.__qualname__ = f"{made.__qualname__}.{method.__name__}"
            setattr(made, method.__name__, method)
    return made


def _init(fields: tuple[dataclasses.Field[Any], ...], *, frozen: bool, after: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": object.__setattr__, "_unset": dataclasses.MISSING}
    words, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            known[f"_new_{name}"] = field.default_factory
            words += [f"{name}=_unset"] if field.init else []
            value = f"_new_{name}() if {name} is _unset else {name}" if field.init else f"_new_{name}()"
        elif field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            words += [f"{name}=_default_{name}"] if field.init else []
            value = name if field.init else f"_default_{name}"
        elif field.init:
            words.append(name)
        else:
            continue
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    lines += ["self.__post_init__()"] if after else []
    body = "\n  ".join(lines or ["pass"])
    made: dict[str, Any] = {}
    # names of fields are names of Python, and nothing else of the text comes from elsewhere
    exec(f"def make({', '.join(known)}):\n def __init__({', '.join(words)}):\n  {body}\n return __init__", made)  # noqa: S102
    init: Callable[..., None] = made["make"](**known)
    return init


def _repr(fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., str]:
    shown = tuple(field.name for field in fields if field.repr)

    @recursive_repr()
    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    return __repr__


def _eq_and_hash(fields: tuple[dataclasses.Field[Any], ...], *, frozen: bool) -> list[Callable[..., Any]]:
    compared = [field.name for field in fields if field.compare]
    values: Callable[[Any], Any] = attrgetter(*compared) if compared else lambda _: ()

    def __eq__(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return [__eq__, __hash__] if frozen else [__eq__]


def _frozen(cls: type[Any], names: frozenset[str]) -> list[Callable[..., None]]:
    def __setattr__(self: Any, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return [__setattr__, __delattr__]
