"""What an ExtendedLog costs a command: NOOP through all its phases, with the log and without, in turns."""

from __future__ import annotations

import asyncio
import tempfile
from statistics import median
from time import process_time

from ftpd.core import logfile
from ftpd.dispatch.phases import run_inline
from ftpd.testing import Bench

ROUNDS, COMMANDS = 15, 5000
FORMATS = {
    "the default format": "",
    "a long one": r'LogFormat long "%h %a %l %u %U %t %{iso8601} \"%r\" %s \"%S\" %b %f %F %d %T %m %J %P %V %p"'
    + "\n",
}


async def seconds_a_command(bench: Bench) -> float:
    assert bench.session is not None and bench.generation is not None
    began = process_time()
    for _ in range(COMMANDS):
        run_inline(*bench.generation.command(bench.session, "NOOP", ""))
    logfile.flush()
    return (process_time() - began) / COMMANDS


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Bench() as plain:
            for what, line in FORMATS.items():
                conf = f"{line}ExtendedLog {folder}/log ALL {'long' if line else ''}\n"
                async with Bench(conf=conf) as logging:
                    pairs = [(await seconds_a_command(plain), await seconds_a_command(logging)) for _ in range(ROUNDS)]
                without, with_log = (median(column) * 1e6 for column in zip(*pairs, strict=True))
                cost = median((after - before) * 1e6 for before, after in pairs)
                print(f"{what}: NOOP {without:.1f} us, with ExtendedLog {with_log:.1f} us, so {cost:.1f} us a command")


asyncio.run(main())
