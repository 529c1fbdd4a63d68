"""Whether a rule of mod_rewrite is for a command: its pattern, and the conditions that stood before it."""

from __future__ import annotations

import stat

from ftpd.conf.patterns import GivenUp, Pattern
from ftpd.core.reply import Refuse
from ftpd.module.command import Command
from ftpd.module.rewritelines import Condition, Rule
from ftpd.module.rewritetext import Moment

LONGEST = 4096
"""A subject is never longer than a path can be."""


async def applies(moment: Moment, one: Rule) -> bool:
    """Notes the groups that were found, for the substitution."""
    found = _search(moment, one.pattern, moment.subject)
    if (found is not None) == one.negated:
        return False
    moment.rule = found or ()
    holds = True
    satisfied = False
    """A condition of the present row of [OR]s held: the rest of the row need not be asked."""
    for part in one.conditions:
        if satisfied:
            satisfied = part.or_next
            continue
        holds = await _holds(moment, part)
        if holds:
            satisfied = part.or_next
        elif not part.or_next:
            return False
    return holds


async def _holds(moment: Moment, part: Condition) -> bool:
    text = await part.subject.fill(moment)
    if isinstance(part.pattern, Pattern):
        found = _search(moment, part.pattern, text)
        moment.condition = found or ()
        held = found is not None
    elif part.operator.startswith("-"):
        held = _is(moment.cmd, text, part.operator)
    else:
        left, right = (text.lower(), part.pattern.lower()) if part.nocase else (text, part.pattern)
        held = left < right if part.operator == "<" else left > right if part.operator == ">" else left == right
    return held != part.negated


def _search(moment: Moment, pattern: Pattern, text: str) -> tuple[str, ...] | None:
    """What matches, and its groups. Where nobody can tell, the command is refused: a rule may be there for safety."""
    if len(text) > LONGEST:
        raise Refuse(501, f"{moment.name}: the argument is too long")
    try:
        return pattern.groups(text)
    except GivenUp:
        raise Refuse(501, f"{moment.name}: the argument takes too long to be compared") from None


def _is(cmd: Command, text: str, test: str) -> bool:
    """What lies at the path, for who may see it; links are not followed, as in ProFTPD."""
    try:
        found = cmd.files.lstat(cmd.path(text))
    except (OSError, Refuse):
        return False
    if test == "-d":
        return stat.S_ISDIR(found.st_mode)
    if test == "-l":
        return stat.S_ISLNK(found.st_mode)
    return stat.S_ISREG(found.st_mode) and (test == "-f" or found.st_size > 0)
