"""How long a configuration of thousands of lines takes to be read, and what a CWD costs with it and with ten lines."""

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

from ftpd.dispatch.assemble import assemble
from ftpd.dispatch.phases import run_inline
from ftpd.module.build import unconfigured
from ftpd.testing import Bench

_DIRECTORIES, _HOSTS, _LIMIT_LINES = 500, 200, 2000
_PLACES = (
    "/srv/site{number}/*/upload",
    "~/a/site{number}",
    "/srv/site{number}/pub",
    "~/*/site{number}",
    "/*/s{number}",
)
_ROUNDS, _REPEATED = 2_000, 9
_MOST_SECONDS, _MOST_TIMES = 1.0, 1.2


def plain() -> str:
    """Ten lines that say nothing of any place: what a CWD costs at least."""
    return (
        "DefaultRoot ~\nUmask 022\nServerName plain\nAllowOverwrite on\nTimeoutIdle 600\nMaxInstances 30\n"
        "MaxLoginAttempts 3\nDeferWelcome off\nShowSymlinks on\nTimesGMT on\n"
    )


def small() -> str:
    inside = "AllowOverwrite on\n<Limit WRITE>\nDenyUser ann\n</Limit>"
    return f"DefaultRoot ~\nUmask 022\n<Directory ~/a>\n{inside}\n</Directory>\n"


def large() -> str:
    """500 <Directory>, of homes and patterns as well, 200 <VirtualHost>, and 2,000 lines in <Limit>."""
    lines = [small()]
    each = _LIMIT_LINES // _DIRECTORIES
    for number in range(_DIRECTORIES):
        path = _PLACES[number % len(_PLACES)].format(number=number)
        lines.append(f"<Directory {path}>\nUmask 0{number % 8}7\n<Limit STOR MKD>")
        lines += [f"DenyUser user{number}x{line}" for line in range(each)]
        lines.append("</Limit>\n</Directory>")
    for number in range(_HOSTS):
        lines.append(
            f"<VirtualHost 127.0.0.1>\nPort {3000 + number}\nServerName host{number}\nUmask 027\n</VirtualHost>"
        )
    return "\n".join(lines) + "\n"


async def _unused(work: object, kind: str) -> None:
    raise AssertionError("nothing is offloaded while a configuration is read")


def reading(text: str) -> float:
    """Seconds to read the configuration, the modules being in memory; the best of some rounds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "proftpd.conf")
        path.write_text(text)
        path.chmod(0o600)
        took = []
        for _ in range(4):
            gc.collect()
            began = process_time()
            assemble(str(path), unconfigured(), _unused)  # type: ignore[arg-type]
            took.append(process_time() - began)
    return min(took)


async def cwd(ftp: Bench) -> float:
    """Seconds of one round of CWD into a folder and back, each from its Command to its reply."""
    assert ftp.generation is not None and ftp.session is not None
    began = process_time()
    for number in range(_ROUNDS):
        command, plan = ftp.generation.command(ftp.session, "CWD", "/b" if number % 2 else "/a")
        assert run_inline(command, plan) is None and command.reply is not None and command.reply.code == 250
    return (process_time() - began) / _ROUNDS


async def compared() -> tuple[float, float, float]:
    """Seconds of a CWD with no section, with few lines in some and with many, measured in turns; the best of each."""
    files = {"a/": b"", "b/": b""}
    async with (
        Bench(conf=plain(), files=files) as none,
        Bench(conf=small(), files=files) as few,
        Bench(conf=large(), files=files) as many,
    ):
        gc.disable()
        try:
            rounds = [(await cwd(none), await cwd(few), await cwd(many)) for _ in range(_REPEATED)]
        finally:
            gc.enable()
    best = [min(times) for times in zip(*rounds, strict=True)]
    return best[0], best[1], best[2]


def main() -> int:
    text = large()
    seconds = reading(text)
    none, few, many = asyncio.run(compared())
    figures = {
        "lines": text.count("\n"),
        "read_seconds": round(seconds, 3),
        "cwd_us_no_section": round(none * 1e6, 1),
        "cwd_us_few_lines": round(few * 1e6, 1),
        "cwd_us_many_lines": round(many * 1e6, 1),
        "times_of_no_section": round(many / none, 2),
        "times": round(many / few, 2),
    }
    print(json.dumps(figures, indent=2))
    good = seconds < _MOST_SECONDS and many / min(few, none) <= _MOST_TIMES
    print(f"{'within' if good else 'NOT within'} {_MOST_SECONDS} s to read and {_MOST_TIMES} times for a CWD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
