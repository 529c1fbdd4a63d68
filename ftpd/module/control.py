"""Control actions: what ``ftpdctl`` can ask a module to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """An action: its name, one line of help, and the function from arguments to lines of answer."""

    action: str
    help: str
    run: Callable[[list[str]], Iterable[str]]
    module: str
