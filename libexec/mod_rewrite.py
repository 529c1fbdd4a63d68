"""mod_rewrite -- change the argument of a command by rules, before anything else looks at it."""

from __future__ import annotations

from ftpd.api import (
    ANON,
    DIRECTORY,
    GLOBAL,
    REWRITE_HOME,
    SERVER,
    VHOST,
    Command,
    Module,
    Rehousing,
    conversions,
    logfile,
    lookup,
    rewritelines,
    rewritematch,
    rewritetext,
    types,
)

module = Module("rewrite", version="1.2")

_SERVERS = SERVER | GLOBAL | VHOST
_PLACES = _SERVERS | ANON | DIRECTORY
_SECRET = frozenset({"PASS", "ACCT", "ADAT"})


# -- directives ---------------------------------------------------------------------------------------------


engine = module.directive(
    "RewriteEngine", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
    doc="Whether commands are rewritten at all.",
)  # fmt: skip
conditions = module.directive_list(
    "RewriteCondition", rewritelines.condition_line, contexts=_PLACES, usage="condition pattern [flags]",
    act=rewritelines.wait_for_rule, doc="What must hold besides for the RewriteRule that follows.",
)  # fmt: skip
rules = module.directive_list(
    "RewriteRule", rewritelines.rule_line, contexts=_PLACES, usage="pattern substitution [flags]",
    act=rewritelines.take_conditions, doc="The argument that takes the place of one that matches.",
)  # fmt: skip
maps = module.directive_list(
    "RewriteMap", rewritelines.map_line, contexts=_SERVERS, usage="map-name map-type:map-source",
    doc="A table, a FIFO or a function that ${map-name:key|default} asks.",
)  # fmt: skip
max_replace = module.directive(
    "RewriteMaxReplace", types.integer(1, leading=True), default=8, contexts=_SERVERS, usage="count",
    doc="The most occurrences that int:replaceall replaces; a text with more is left as it is.",
)  # fmt: skip
lock_file = module.directive(
    "RewriteLock", types.path, contexts=_SERVERS, usage="file",
    doc="The file that is locked while a FIFO is asked, so that two daemons do not talk at once.",
)  # fmt: skip
log_file = module.directive(
    "RewriteLog", types.path_or_none, contexts=_SERVERS, usage='file|"none"',
    doc="Where the rewriting of each command is told.",
)  # fmt: skip
_log = logfile.ModuleLog("RewriteLog", f"mod_rewrite/{module.version}")


def tell(cmd: Command, message: str) -> None:
    settings = cmd.session.server.settings
    _log.write(settings[log_file], message, follow=cmd.session.setting("AllowLogSymlinks", False))


# -- rewriting ----------------------------------------------------------------------------------------------


@module.pre()
async def rewrite(cmd: Command) -> None:
    session = cmd.session
    if not session.server.settings[engine] or not cmd.argument:
        return
    for one in session.settings[rules]:
        moment = rewritetext.Moment(cmd, _mapped)
        if not await rewritematch.applies(moment, one):
            continue
        argument = await one.substitution.fill(moment)
        _note_groups(moment)
        if argument:
            _replace(moment, argument)
        else:
            tell(cmd, f"{moment.name}: the new argument is empty, which is not allowed: it stays as it was")
        if one.last:
            return


@module.on(REWRITE_HOME)
def rewrite_home(rehousing: Rehousing) -> None:
    """RewriteHome of mod_auth: the home is looked at as the argument of a command REWRITE_HOME."""
    rehousing.work.append(rewrite(rehousing.command))


def _replace(moment: rewritetext.Moment, argument: str) -> None:
    cmd = moment.cmd
    parent, _, sub = cmd.name.partition(" ")
    try:
        if sub and moment.name == parent:
            named, _, rest = argument.partition(" ")
            if named.upper() != sub:
                raise ValueError(f"a rule cannot make SITE {named} of {cmd.name}")
            argument = rest
        cmd.rewrite(argument)
    except ValueError as wrong:
        tell(cmd, f"{moment.name}: {wrong}: it stays as it was")
        return
    shown = "(hidden)" if cmd.name in _SECRET else f"'{argument}'"
    tell(cmd, f"{moment.name}: argument now {shown}")


def _note_groups(moment: rewritetext.Moment) -> None:
    """``$N`` and ``%N`` for other modules and for logs: ``%{note:mod_rewrite.$1}``."""
    if moment.cmd.name in _SECRET:
        return
    for sign, groups in (("$", moment.rule), ("%", moment.condition)):
        for number, text in enumerate(groups[:10]):
            moment.cmd.notes.setdefault(f"mod_rewrite.{sign}{number}", text)


# -- maps ---------------------------------------------------------------------------------------------------


_tables = lookup.TextTables()


async def _mapped(moment: rewritetext.Moment, name: str, key: str, has_default: bool) -> str | None:
    """The map's value for the key; None where the default is wanted."""
    cmd = moment.cmd
    settings = cmd.session.server.settings
    chosen = next((one for one in settings[maps] if one.name == name), None)
    if chosen is None:
        tell(cmd, f"there is no RewriteMap '{name}'")
        return None
    try:
        if chosen.kind == "int":
            if chosen.source == "replaceall":
                return conversions.replace_all(key, settings[max_replace], keep=not has_default)
            return conversions.BY_NAME[chosen.source](key)
        if chosen.kind == "txt":
            return await _tables.find(cmd, chosen.source, key)
        if len(key) > rewritematch.LONGEST or "\n" in key:
            return None
        lock = settings[lock_file]
        return await cmd.offload(lambda: lookup.ask_fifo(chosen.source, key, lock), "rewrite")
    except (OSError, ValueError) as error:
        tell(cmd, f"RewriteMap '{name}': {error}")
        return None
