"""What replaced generations leave behind is cleared away before it is much: the collector alone would let it lie."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftpd.dispatch.assemble import assemble
from ftpd.engine.leavings import Leavings
from ftpd.module.build import unconfigured

MODULE = """from ftpd.api import Module
module = Module("mod_ring", version="1.0")
def function() -> None: pass
"""


async def _offload(work: Callable[[], Any], kind: str) -> Any:
    return work()


@pytest.mark.parametrize(("count", "kept"), [(3, 3), (4, 0)])
def test_after_four_generations_their_modules_are_gone(tmp_path: Path, count: int, kept: int) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "mod_ring.py").write_text(MODULE)
    (tmp_path / "mod_ring.py").chmod(0o644)
    conf = tmp_path / "proftpd.conf"
    conf.write_text(f"ModulePath {tmp_path}\nLoadModule mod_ring.c\n")

    async def one(leavings: Leavings) -> weakref.ref[Any]:
        generation = assemble(str(conf), unconfigured(), _offload)
        await generation.start()
        (ring,) = (module for module in generation.modules if module.name == "mod_ring")
        function = weakref.ref(sys.modules[ring.namespace].function)
        await leavings.stop(generation)
        return function

    async def story() -> int:
        leavings = Leavings(asyncio.get_running_loop())
        gone = [await one(leavings) for _ in range(count)]
        await asyncio.sleep(0.1)
        return sum(function() is not None for function in gone)

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(story()) == kept
    finally:
        gc.enable()
