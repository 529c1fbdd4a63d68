"""Write doc/Directives.md from the registry: every directive of every module here, where it may stand, what it does."""

from __future__ import annotations

import sys
from pathlib import Path

from ftpd.conf.directive import Context, Directive, Multi
from ftpd.dispatch.assemble import static_modules
from ftpd.module import loader
from ftpd.module.build import unconfigured
from ftpd.module.table import Module

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "doc" / "Directives.md"

HEAD = """\
# Directives

Every directive that the modules of this distribution own, made by `scripts/directive_index.py` from what
the modules declare. *Repeated* says what a second line in the same place means. One marked † is read and
checked but has no effect yet; `ftpd -t` warns of it.

| directive | arguments | where | repeated | module | what it does |
|---|---|---|---|---|---|
"""

PLACES = {
    Context.SERVER: "server",
    Context.GLOBAL: "Global",
    Context.VHOST: "VirtualHost",
    Context.ANON: "Anonymous",
    Context.DIRECTORY: "Directory",
    Context.LIMIT: "Limit",
    Context.FTPACCESS: ".ftpaccess",
    Context.CLASS: "Class",
}
REPEATED = {Multi.FIRST: "first wins", Multi.LAST: "last wins", Multi.LIST: "all count", Multi.ERROR: "error"}


def modules() -> list[Module]:
    """The static modules and those in libexec/."""
    record = unconfigured()
    shared = sorted(path.stem for path in (ROOT / "libexec").glob("mod_*.py"))
    return static_modules(record) + [loader.load(record.libexec, name) for name in shared]


def row(module: Module, directive: Directive[object]) -> str:
    places = ", ".join(name for place, name in PLACES.items() if place in directive.contexts)
    cells = (
        f"{_plain(directive.name)}{' †' if directive.inert else ''}",
        f"`{directive.usage}`" if directive.usage else "",
        places,
        REPEATED[directive.multi],
        f"[{module.name}](modules/{module.name}.md)",
        directive.doc,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _plain(name: str) -> str:
    """A section's name would be taken for a tag."""
    return f"`{name}`" if name.startswith("<") else name


def page() -> str:
    """The whole text of the page."""
    rows = [(directive.name.lower(), row(module, directive)) for module in modules() for directive in module.directives]
    return HEAD + "".join(text for _, text in sorted(rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if PAGE.read_text() == page() else "doc/Directives.md is old: run scripts/directive_index.py")
    PAGE.write_text(page())
