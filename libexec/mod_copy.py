"""mod_copy -- copy files and whole folders on the server itself: SITE CPFR and SITE CPTO, and SITE COPY."""

from __future__ import annotations

from collections.abc import Iterable

from ftpd.api import (
    GLOBAL,
    LARGEST_UPLOAD,
    SERVER,
    VHOST,
    Command,
    Group,
    Module,
    Outcome,
    Refuse,
    Session,
    copycommand,
    types,
)

module = Module("copy", version="1.0")

engine = module.directive(
    "CopyEngine", types.boolean, default=True, contexts=SERVER | GLOBAL | VHOST, usage="on|off",
    doc="Whether SITE CPFR, SITE CPTO and SITE COPY are answered.",
)  # fmt: skip
options = module.directive_list(
    "CopyOptions", types.flags("NoDeleteOnFailure", exact=True), contexts=SERVER | GLOBAL | VHOST,
    usage="NoDeleteOnFailure",
    doc="What is different from the ordinary when a copy fails.",
)  # fmt: skip


class _Chosen:
    def __init__(self) -> None:
        self.source: str | None = None


chosen = module.session_state(_Chosen)
_limits = module.takes_offers(LARGEST_UPLOAD)


@module.feat
def features(session: Session) -> Iterable[str]:
    if session.settings[engine]:
        yield "SITE COPY"


# -- the commands --------------------------------------------------------------------------------------


@module.pre("SITE CPFR", "SITE CPTO", "SITE COPY")
def enough_said(cmd: Command) -> None:
    """Before it is asked who that is, as in ProFTPD."""
    # two names without blanks; names that have some are for CPFR and CPTO
    enough = bool(cmd.words) if cmd.name != "SITE COPY" else len(cmd.words) == 2 or copycommand.SOURCE in cmd.notes
    if not enough:
        raise Refuse(500, f"'{cmd.name}' not understood")


@module.site("CPFR", group=Group.READ, usage="<sp> pathname", when=engine)
def copy_from(cmd: Command) -> Outcome:
    path = cmd.path()
    if not cmd.name_fits(cmd.argument, path):
        raise Refuse(550, f"{cmd.argument}: Forbidden filename")
    try:
        # a link is copied itself, so one that leads nowhere will do
        cmd.files.lstat(path)
    except OSError as error:
        raise copycommand.refusal(path.virtual, error) from None
    cmd.session[chosen].source = cmd.session.notes["mod_copy.cpfr-path"] = path.virtual
    return cmd.ok(350, "File or directory exists, ready for destination name")


@module.site("CPTO", group=Group.WRITE, usage="<sp> pathname", when=engine)
async def copy_to(cmd: Command) -> Outcome:
    source = cmd.notes.get(copycommand.SOURCE, cmd.session[chosen].source)
    if source is None:
        raise Refuse(503, "Bad sequence of commands")
    await _copy(cmd, source, cmd.notes.get(copycommand.TARGET, cmd.argument))
    return cmd.ok(250, "Copy successful")


@module.log("SITE CPTO")
@module.log_err("SITE CPTO")
def forget_source(cmd: Command) -> None:
    """However CPTO ended, the next one needs a new CPFR."""
    cmd.session.forget(chosen)
    cmd.session.notes.pop("mod_copy.cpfr-path", None)


@module.site("COPY", group=Group.WRITE, when=engine)
async def copy(cmd: Command) -> Outcome:
    if copycommand.SOURCE in cmd.notes:
        source, target = cmd.notes[copycommand.SOURCE], cmd.notes[copycommand.TARGET]
    else:
        source, target = cmd.words
    await _copy(cmd, source, target)
    return cmd.ok(200, "SITE COPY command successful")


async def _copy(cmd: Command, source: str, target: str) -> None:
    keeps = any("NoDeleteOnFailure" in chosen for chosen in cmd.session.settings[options])
    await copycommand.CopyCommand(cmd, _limits, keeps=keeps).run(source, target)
