"""The names of modules: ``mod_x.c``, ``mod_x.py`` and ``mod_x`` are one."""

from __future__ import annotations

import re

_NAME = re.compile(r"mod_[A-Za-z0-9_]+")


def module_name(text: str) -> str:
    """The bare name that any spelling means; ValueError for what cannot name a module.

    >>> module_name("mod_sql.c"), module_name("mod_sql.py"), module_name("mod_sql")
    ('mod_sql', 'mod_sql', 'mod_sql')
    """
    bare = text.removesuffix(".c").removesuffix(".cpp").removesuffix(".py")
    if not _NAME.fullmatch(bare):
        raise ValueError(f"'{text}' does not name a module; a name looks like mod_sql.c")
    return bare


def means(entry: str, module: str) -> bool:
    """Whether an entry of AuthOrder is that module's; ProFTPD knows a module there by its whole name alone.

    >>> means("mod_sql.c", "mod_sql"), means("mod_sql.c*", "mod_sql"), means("mod_sql", "mod_sql")
    (True, True, False)
    """
    return entry.removesuffix("*") in (f"{module}.c", f"{module}.py")
