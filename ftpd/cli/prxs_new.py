"""What prxs -n writes: a module to start from, and its test, which passes at once."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from ftpd.conf.directive import ConfigError
from ftpd.dispatch.assemble import static_modules
from ftpd.module.build import BuildRecord
from ftpd.module.names import module_name

_MODULE = '''\
"""mod_{name} -- answer {verb} with a greeting."""

from ftpd.api import DECLINED, SERVER, VHOST, Command, Module, Outcome, types

module = Module("mod_{name}", version="0.1")
engine = module.directive(
    "{camel}Engine", types.boolean, default=False, contexts=SERVER | VHOST,
    usage="on|off", doc="Answer {verb}.",
)  # fmt: skip


@module.cmd("{verb}", auth=False)
def greet(cmd: Command) -> Outcome | None:
    if not cmd.config[engine]:
        return DECLINED
    return cmd.ok(200, f"Hello, {{cmd.session.user or 'stranger'}}.")
'''

_TEST = '''\
"""mod_{name}: what a client hears. Run it with: {run}"""

import unittest

import mod_{name}

from ftpd.testing import Bench


class Greeting(unittest.IsolatedAsyncioTestCase):
    async def test_it_names_the_user(self) -> None:
        async with Bench(mod_{name}.module, conf="{camel}Engine on") as ftp:
            self.assertEqual(await ftp("{verb}"), "200 Hello, tom.")

    async def test_without_the_engine_nobody_answers(self) -> None:
        async with Bench(mod_{name}.module) as ftp:
            self.assertEqual(await ftp("{verb}"), "500 {verb} not understood")


if __name__ == "__main__":
    unittest.main()
'''


def write_module(word: str, folder: Path, record: BuildRecord) -> str:
    """Write the two files, never over any; gives what to say of them."""
    try:
        bare = module_name(word if word.startswith("mod_") else f"mod_{word}")
    except ValueError:
        raise ConfigError(
            f"'{word}' does not name a module", right="letters, digits and underscores, as prxs -n hello"
        ) from None
    if bare in record.static:
        raise ConfigError(f"{bare} is built into this ftpd, and so no other is ever loaded", right="another name")
    name = bare.removeprefix("mod_")
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    words = {"name": name, "verb": _new_verb(name, record), "camel": camel, "run": f"python test_{bare}.py"}
    # the python of the path seldom has ftpd
    python = shlex.quote(sys.executable)
    texts = {f"{bare}.py": _MODULE.format(**words), f"test_{bare}.py": _TEST.format(**words)}
    for file in texts:
        if (folder / file).exists():
            raise ConfigError(f"{folder / file} is there already; -n writes over no file")
    for file, text in texts.items():
        (folder / file).write_text(text)
        (folder / file).chmod(0o644)
    return "\n".join(
        (
            f"prxs: wrote {bare}.py and test_{bare}.py; test it, check it and install it with",
            f"  {python} test_{bare}.py",
            f"  prxs -c -i {bare}.py",
        )
    )


def _new_verb(name: str, record: BuildRecord) -> str:
    """A verb that no built-in module answers; they have XPWD and its kin."""
    taken = {handler.verb for module in static_modules(record) for handler in module.handlers}
    verb = f"X{name.replace('_', '').upper()}"
    while verb in taken:
        verb = f"X{verb}"
    return verb
