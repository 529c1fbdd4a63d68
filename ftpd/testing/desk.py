"""The daemon that a control action of a bench is given: it has the bench's modules, and only notes what it is to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ftpd.conf.tree import Config
from ftpd.daemon import explain
from ftpd.dispatch.registry import Generation
from ftpd.module.control import Asked, Asker, Control, ControlError, Status, one_by_one
from ftpd.module.table import Module

ROOT = Asker(0, 0, "root", "root")


class BenchDesk:
    """Implements :class:`ftpd.module.control.Steering`."""

    def __init__(self, generation: Generation) -> None:
        self.disabled: set[str] = set()
        self.swaps: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        """What :meth:`swap` was asked for: the modules to add, and those to remove."""
        self._generation = generation

    @property
    def modules(self) -> tuple[Module, ...]:
        return self._generation.modules

    @property
    def controls(self) -> Mapping[str, Control]:
        return self._generation.controls

    @property
    def config(self) -> Config:
        return self._generation.config

    async def explain(self, words: list[str]) -> list[str]:
        try:
            return await explain.explain(self._generation, explain.question(words))
        except explain.Unclear as unclear:
            raise ControlError(Status.WRONG_PARAMETERS, str(unclear)) from None

    async def swap(
        self, *, add: Collection[str] = (), remove: Collection[str] = (), renew: Collection[str] = ()
    ) -> None:  # fmt: skip
        self.swaps.append((tuple(add), tuple(remove)))

    async def run(self, line: str, asker: Asker) -> str:
        action, *words = line.split()
        control = self.controls.get(action)
        if control is None:
            raise ControlError(Status.UNSUPPORTED, "unsupported action requested")
        return "\n".join([said async for said in one_by_one(control.run(Asked(words, asker, self)))])
