"""mod_ratio -- who wants to fetch has to give: what was uploaded lets downloads through, in files and in bytes."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from ftpd.api import (
    RATIOS,
    SESSION_CLOSE,
    Command,
    Level,
    Module,
    Outcome,
    Path,
    Refuse,
    Reply,
    Session,
    Settings,
    debug,
    ledger,
    ratioaccount,
    ratiolines,
    ratios,
    ratiotext,
)

module = Module("ratio", version="1.0")
lines = ratiolines.RatioLines(module)
engine = lines.engine
_sources = module.takes_offers(RATIOS)
module.check(lines.warn_of_files)


# -- a session's account --------------------------------------------------------------------------------------

_ledgers = ledger.Ledgers(ratios.Lines())
module.resource(_ledgers.in_service)
module.every(ledger.AGAIN)(_ledgers.tend)
account_of = module.session_state(ratioaccount.Account)


async def _look(
    session: Session, settings: Settings, just: ratios.Counts = ratios.NOTHING
) -> tuple[ratios.Standing, object] | None:
    """How the client stands, and whose account that is (None: the session's); None when it cannot be looked up."""
    try:
        return await session[account_of].look(session, _sources, partial(lines.rates, session, settings), just)
    except ratioaccount.OutOfReach as error:
        session.log(Level.ERROR, "mod_ratio: ratios cannot be looked up: %s", error)
        return None


# -- commands ------------------------------------------------------------------------------------------------

_BLIND = "Ratios cannot be looked up, try again later"


def _note(cmd: Command, standing: ratios.Standing | None) -> None:
    said = f" :{standing.figures(rates=False)}" if standing is not None and standing.enforced else ""
    session = cmd.session
    debug(0, "%s", f"mod_ratio/{module.version}: {session.user} in {session.cwd}: {cmd.shown}{said}", peer=session.peer)


@module.pre("CWD", "LIST", "NLST", "STOR", "APPE", "STOU")
def before(cmd: Command) -> None:
    if cmd.session.logged_in and cmd.config[engine]:
        _note(cmd, cmd.session[account_of].last)


@module.pre("RETR")
def before_download(cmd: Command) -> Awaitable[None] | None:
    if not cmd.session.logged_in or not cmd.argument:
        return None
    path = cmd.path()
    return _let_through(cmd, path) if path.settings[engine] else None


async def _let_through(cmd: Command, path: Path) -> None:
    session, account = cmd.session, cmd.session[account_of]
    found = await _look(session, path.settings)
    if found is None:
        raise Refuse(451, f"{cmd.argument}: {_BLIND}")
    standing, whose = found
    _note(cmd, standing)
    if not standing.enforced:
        return
    size = ratioaccount.price(cmd, path)
    now = ratios.Standing(standing.rates, standing.counts.plus(account.under_way(whose)))
    ratiotext.check_download(now, cmd.argument, size, standing.counts, lines.messages(path.settings))
    account.hold(whose, ratios.Counts(0, 1, 0, size))


@module.post("RETR", "STOR", "APPE", "STOU")
def after_transfer(cmd: Command) -> Awaitable[None] | None:
    transfer = cmd.transfer
    if transfer is None or not cmd.config[engine]:
        return None
    just = ratios.Counts(0, 1, 0, transfer.moved) if cmd.name == "RETR" else ratios.Counts(1, 0, transfer.moved, 0)
    cmd.session[account_of].add(just)
    return _show(cmd, just)


@module.post_err("RETR")
def after_part(cmd: Command) -> None:
    """What has gone out of a file has been fetched, or all but its last byte would be free."""
    if cmd.transfer is not None and cmd.transfer.moved and cmd.config[engine]:
        cmd.session[account_of].add(ratios.Counts(0, 0, 0, cmd.transfer.moved))


@module.log("RETR")
@module.log_err("RETR")
def let_go(cmd: Command) -> None:
    cmd.session[account_of].release()


@module.on(SESSION_CLOSE)
def left(session: Session) -> None:
    session[account_of].release()


@module.post("LIST", "NLST")
def after_listing(cmd: Command) -> Awaitable[None] | None:
    return _show(cmd) if cmd.config[engine] else None


async def _show(cmd: Command, just: ratios.Counts = ratios.NOTHING) -> None:
    found = await _look(cmd.session, cmd.config, just)
    if found is not None and cmd.replies:
        cmd.ok(cmd.replies[0].code, *ratiotext.behind_reply(found[0], lines.messages(cmd.config)))


@module.post("PASS")
async def after_login(cmd: Command) -> None:
    session, settings = cmd.session, cmd.session.settings
    path = settings[lines.file] if settings[lines.save] else None
    await session[account_of].open(session, _ledgers, path, settings[lines.temp_file])
    found = await _look(session, settings) if settings[engine] else None
    if found is not None and cmd.replies:
        # before what the login says itself, as with ProFTPD: scripts look at the last line
        cmd.replies.insert(0, Reply(cmd.replies[0].code, ratiotext.behind_reply(found[0], lines.messages(settings))))


@module.log("PASS")
def log_login(cmd: Command) -> None:
    session, standing = cmd.session, cmd.session[account_of].last
    if session.logged_in and standing is not None:
        group = session.groups[0][1] if session.groups else ""
        who = f"{ratiolines.visitor(session) or session.user}/{group} {session.remote_name}[{session.remote.host}]"
        session.log(Level.INFO, "Ratio: %s: %s.", who, standing.figures())


@module.post("CWD", "XCWD", "CDUP", "XCUP")
def on_arrival(cmd: Command) -> None:
    messages = ratiotext.on_arrival(cmd.session.settings[lines.on_arrival])
    if messages and cmd.replies:
        cmd.replies.insert(0, Reply(cmd.replies[0].code, messages))


@module.site("RATIO", usage="-- show all ratios in effect")
async def show_all(cmd: Command) -> Outcome:
    session = cmd.session
    standing = ratios.Standing(None, ratios.NOTHING)
    if session.settings[engine]:
        found = await _look(session, session.settings)
        if found is None:
            raise Refuse(451, f"SITE RATIO: {_BLIND}")
        standing = found[0]
    return cmd.ok(214, *ratiotext.report(standing))
