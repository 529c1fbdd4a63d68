"""What forgotten modules leave behind is taken away at once, and nothing else is looked through for it."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ftpd.conf.faults import ConfigFaults
from ftpd.dispatch.assemble import assemble
from ftpd.engine.leavings import Cluster, Leavings
from ftpd.module import loader
from ftpd.module.build import unconfigured

MODULE = """from typing import Generic, TypeVar
from ftpd.api import Module
module = Module("mod_ring", version="1.0")
T = TypeVar("T")
class Box(Generic[T]): pass
class Thing: pass
things = Box[Thing]()
def function() -> type: return Thing
"""


class Ring:
    """An object that holds itself: what the collector comes for."""

    def __init__(self) -> None:
        self.me = self


async def _offload(work: Callable[[], Any], kind: str) -> Any:
    return work()


@pytest.fixture(autouse=True)
def without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture
def conf(tmp_path: Path) -> str:
    tmp_path.chmod(0o755)
    (tmp_path / "mod_ring.py").write_text(MODULE)
    (tmp_path / "mod_ring.py").chmod(0o644)
    conf = tmp_path / "proftpd.conf"
    conf.write_text(f"ModulePath {tmp_path}\nLoadModule mod_ring.c\n")
    return str(conf)


async def swapped(leavings: Leavings, conf: str) -> Callable[[], type]:
    """A generation comes and goes; gives a function of its module."""
    generation = assemble(conf, unconfigured(), _offload)
    await generation.start()
    (ring,) = (module for module in generation.modules if module.name == "mod_ring")
    function: Callable[[], type] = sys.modules[ring.namespace].function
    await leavings.stop(generation)
    return function


async def gone(thing: weakref.ref[Any]) -> bool:
    """Whether it goes within a second."""
    for _ in range(100):
        if thing() is None:
            return True
        await asyncio.sleep(0.01)
    return False


def test_a_module_is_gone_as_soon_as_its_generation_has_ended(conf: str) -> None:
    async def story() -> None:
        leavings = Leavings(asyncio.get_running_loop())
        for _ in range(3):
            assert await gone(weakref.ref(await swapped(leavings, conf)))

    asyncio.run(story())


def census() -> Counter[str]:
    """How many objects there are of each kind, of those that hold others."""
    gc.collect()
    return Counter(type(one).__qualname__ for one in gc.get_objects())


def test_a_hundred_changes_leave_no_more_than_ten(conf: str) -> None:
    """Static modules, which are the same in every generation, keep nothing of the ones before either."""

    async def changed(times: int) -> Counter[str]:
        leavings = Leavings(asyncio.get_running_loop())
        for _ in range(times):
            await swapped(leavings, conf)
        async with asyncio.timeout(30):
            while loader.unloaded:
                await asyncio.sleep(0.01)
        leavings.close()
        return census()

    async def story() -> None:
        # what is made once and kept is there then
        before = await changed(10)
        more = await changed(90) - before
        assert not {kind: count for kind, count in more.items() if count >= 90}

    asyncio.run(story())


def test_what_is_not_the_modules_is_not_looked_through(conf: str) -> None:
    ring = Ring()
    # as old as sessions are that have been there for long
    gc.collect()
    old = weakref.ref(ring)
    del ring

    async def story() -> None:
        assert await gone(weakref.ref(await swapped(Leavings(asyncio.get_running_loop()), conf)))

    asyncio.run(story())
    assert old() is not None


def test_a_module_is_looked_through_step_by_step(conf: str) -> None:
    async def story() -> None:
        leavings = Leavings(asyncio.get_running_loop())
        reference = weakref.ref(await swapped(leavings, conf))
        leavings.close()
        cluster = Cluster(loader.unloaded[next(iter(loader.unloaded))])
        steps = 1
        while cluster.look_on(5):
            steps += 1
        assert steps > 3
        assert reference() is not None
        cluster.clear()
        assert reference() is None

    asyncio.run(story())


def test_what_is_in_use_still_is_looked_at_once(conf: str) -> None:
    """What stays is old afterwards: as it grew young with each change, the collector went through all of it at once."""

    async def story() -> None:
        leavings = Leavings(asyncio.get_running_loop())
        function = await swapped(leavings, conf)
        leavings.close()
        gc.collect()
        cluster = Cluster(loader.unloaded[function.__module__])
        while cluster.look_on(100):
            pass
        cluster.clear()
        assert loader.unloaded[function.__module__].function is function
        assert not any(one is function for young in (0, 1) for one in gc.get_objects(young))

    asyncio.run(story())


def test_what_is_in_use_still_goes_when_it_is_not_any_more(conf: str) -> None:
    async def story() -> None:
        function = await swapped(Leavings(asyncio.get_running_loop()), conf)
        reference = weakref.ref(function)
        await asyncio.sleep(0.1)
        assert function().__name__ == "Thing"
        del function
        assert await gone(reference)

    asyncio.run(story())


def test_a_module_that_never_went_into_service_is_taken_away_too(conf: str) -> None:
    with Path(conf).open("a") as file:
        file.write("NoSuchDirective on\n")
    with pytest.raises(ConfigFaults):
        assemble(conf, unconfigured(), _offload)
    assert loader.unloaded

    async def story() -> None:
        Leavings(asyncio.get_running_loop()).clear_soon()
        async with asyncio.timeout(1):
            while loader.unloaded:
                await asyncio.sleep(0.01)

    asyncio.run(story())


def test_nothing_is_done_after_the_close(conf: str) -> None:
    async def story() -> None:
        leavings = Leavings(asyncio.get_running_loop())
        reference = weakref.ref(await swapped(leavings, conf))
        leavings.close()
        await asyncio.sleep(0.15)
        assert reference() is not None

    asyncio.run(story())
