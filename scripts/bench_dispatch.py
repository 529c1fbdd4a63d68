"""What a NOOP costs through the core modules and through thirty more.

All times are the process's own: what others of the machine do meanwhile is not in them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
from pathlib import Path
from time import process_time

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ftpd.dispatch.phases import run_inline
from ftpd.module.build import unconfigured
from ftpd.testing import Bench

_ROUNDS = 20_000
_REPEATED = 7
_MORE = 30

MODULE = '''\
"""mod_more{number} -- what a usual module declares, for verbs of its own."""
from ftpd.api import SERVER, SESSION_OPEN, Module, types

module = Module("mod_more{number}", version="1.0")
text = module.directive("More{number}Text", types.string, default="", contexts=SERVER)

@module.on(SESSION_OPEN)
def began(session):
    pass

@module.cmd("XMORE{number}")
def answer(cmd):
    return cmd.ok(200, cmd.config[text])

@module.pre("STOR")
def before(cmd):
    pass

@module.log("RETR", "STOR")
def after(cmd):
    pass
'''


async def noop(conf: str) -> float:
    """The microseconds of a NOOP, from its Command to its reply; the best of some rounds."""
    async with Bench(conf=conf) as ftp:
        assert ftp.generation is not None and ftp.session is not None
        best = []
        gc.disable()
        try:
            for _ in range(_REPEATED):
                began = process_time()
                for _ in range(_ROUNDS):
                    command, plan = ftp.generation.command(ftp.session, "NOOP", "")
                    run_inline(command, plan)
                best.append((process_time() - began) / _ROUNDS * 1e6)
                gc.collect()
        finally:
            gc.enable()
        assert command.reply is not None and command.reply.code == 200
        return min(best)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ftpd-bench-") as name:
        folder = Path(name)
        for number in range(_MORE):
            path = folder / f"mod_more{number}.py"
            path.write_text(MODULE.format(number=number))
            path.chmod(0o644)
        more = "".join(f"LoadModule mod_more{number}.c\n" for number in range(_MORE))
        core = asyncio.run(noop(""))
        with_more = asyncio.run(noop(f"ModulePath {folder}\n{more}"))
        found = {
            "core modules": len(unconfigured().static),
            "noop through the core modules, us": round(core, 2),
            f"noop through {_MORE} more, us": round(with_more, 2),
            "difference, us": round(with_more - core, 2),
        }
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
