"""mod_ratio -- who wants to fetch has to give: what was uploaded lets downloads through, in files and in bytes."""

from __future__ import annotations

import stat
from collections.abc import Awaitable
from contextlib import suppress

from ftpd.api import (
    ANON,
    DIRECTORY,
    GLOBAL,
    RATIOS,
    SERVER,
    SESSION_CLOSE,
    VHOST,
    Command,
    Config,
    Directive,
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
    log,
    ratioaccount,
    ratiolines,
    ratios,
    types,
)

module = Module("ratio", version="1.0")

# -- directives ----------------------------------------------------------------------------------------------

_PLACES = SERVER | GLOBAL | VHOST | ANON | DIRECTORY
_FOUR = "name file-ratio file-credit byte-ratio byte-credit"


def _ratio(name: str, doc: str, *, patterns: bool = False) -> Directive[tuple[ratiolines.Rule, ...]]:
    act = None if patterns else ratiolines.warn_of_patterns
    return module.directive_list(name, ratiolines.ratio_line, contexts=_PLACES, usage=_FOUR, doc=doc, act=act)


def _message(name: str, text: str, doc: str) -> Directive[str]:
    return module.directive(name, types.string, default=text, contexts=_PLACES, usage="message", doc=doc)


engine = module.directive(
    "Ratios", types.boolean, default=False, contexts=_PLACES, usage="on|off",
    doc="Whether downloads depend on uploads, and the client is told how it stands.",
)  # fmt: skip
host_ratios = _ratio("HostRatio", "The ratios of clients by address or name, * and ? are patterns.", patterns=True)
anon_ratios = _ratio("AnonRatio", "The ratios of anonymous visitors, by what they gave as their e-mail address.")
user_ratios = _ratio("UserRatio", "The ratios of a user, or of all with *.")
group_ratios = _ratio("GroupRatio", "The ratios of a group's members, or of all with *.")
save = module.directive(
    "SaveRatios", types.boolean, default=False, contexts=_PLACES, usage="on|off",
    doc="Whether what users have stored and fetched is kept over their sessions, in RatioFile.",
)  # fmt: skip
ratio_file = module.directive(
    "RatioFile", types.path, contexts=_PLACES, usage="path", doc="Where SaveRatios keeps it: a file of the machine.",
)  # fmt: skip
temp_file = module.directive(
    "RatioTempFile", types.path, contexts=_PLACES, usage="path",
    doc="The name, in RatioFile's folder, under which its next version is written; by default RatioFile's with .new.",
)  # fmt: skip
cwd_messages = module.directive_list(
    "CwdRatioMsg", types.string, contexts=_PLACES, usage="message",
    doc="A line for who comes into a folder; an empty one ends the list.",
)  # fmt: skip
file_message = _message(
    "FileRatioErrMsg", "Too few files uploaded to earn file -- please upload more.",
    "What a client is told that has fetched too many files.",
)  # fmt: skip
byte_message = _message(
    "ByteRatioErrMsg", "Too few bytes uploaded to earn more data -- please upload.",
    "What a client is told that has fetched too many bytes.",
)  # fmt: skip
leech_message = _message("LeechRatioMsg", "10,000,000:1  CR: LEECH", "What a client is told that no ratio holds for.")
_sources = module.takes_offers(RATIOS)


@module.check
def can_be_kept(config: Config) -> None:
    scopes = list(config.servers)
    for scope in scopes:
        scopes += scope.children
        where, temp = scope.settings[ratio_file], scope.settings[temp_file]
        if save in scope.values and scope.settings[save] and where is None:
            log(Level.WARN, "mod_ratio: %s: SaveRatios needs a RatioFile, and without one keeps nothing", scope.title)
        elif temp_file in scope.values and where is not None and (used := ledger.beside(where, temp)) != temp:
            log(Level.WARN, "mod_ratio: a RatioTempFile has to be another file in RatioFile's folder: %s is used", used)


# -- how somebody stands --------------------------------------------------------------------------------------


def _lines(standing: ratios.Standing, settings: Settings) -> list[str]:
    """What stands behind a reply."""
    lines = [standing.summary(settings[leech_message])]
    if standing.rates.files and standing.files < 0:
        lines.append(settings[file_message])
    if standing.rates.bytes and standing.bytes < 0:
        lines.append(settings[byte_message])
    return lines


def _check(standing: ratios.Standing, cmd: Command, settings: Settings, size: int, mine: ratios.Counts) -> None:
    """Refuse a download of so many bytes; the numbers told are those of ``mine``, without what is under way."""
    if standing.rates.files and standing.files < 1:
        why = f"FILE RATIO: {standing.file_text}  Down: {mine.fetched}  Up: only {mine.stored}!"
        raise Refuse(550, settings[file_message], f"{cmd.argument}: {why}")
    if standing.rates.bytes and standing.bytes < size:
        down, up = ratios.mb(mine.bytes_fetched), ratios.mb(mine.bytes_stored)
        why = f"BYTE RATIO: {standing.byte_text}  Down: {down}mb  Up: only {up}mb!"
        raise Refuse(550, settings[byte_message], f"{cmd.argument}: {why}")


# -- RatioFile -----------------------------------------------------------------------------------------------

_ESCAPED = {code: f"%{code:02X}" for code in (*range(32), *b"%:|\x7f")}
_FULL = 100_000
"""Names in the file from which on no visitor adds one: anybody can make up an address at every login."""


_ledgers = ledger.Ledgers(ratios.Lines())
module.resource(_ledgers.in_service)
module.every(ledger.AGAIN)(_ledgers.tend)


# -- a session's account --------------------------------------------------------------------------------------

account_of = module.session_state(ratioaccount.Account)


def _address(session: Session) -> str | None:
    """What an anonymous visitor gave for a password; None for everybody else."""
    return None if session.anonymous is None else session.notes.get("mod_auth.anon-passwd", session.user or "")


async def _open(session: Session) -> None:
    """Find out, at the login, where the session's account is."""
    account, settings, address = session[account_of], session.settings, _address(session)
    # a visitor's address, which is anything they like, is no user's name
    names = (session.user or "",) if address is None else (session.user or "", address[:80])
    account.name = ":".join(name.translate(_ESCAPED) for name in names)
    path = settings[ratio_file]
    if not settings[save] or path is None:
        return
    beside = ledger.beside(path, settings[temp_file])
    book = _ledgers.at(f"mod_ratio: RatioFile {path}", path, beside, session.modules.offload)
    await book.refresh()
    if address is None or account.name in book or len(book) < _FULL:
        account.book = book
    else:
        session.log(Level.WARN, "RatioFile %s is full of visitors: this one is counted for the session alone", path)


def rates_for(session: Session, settings: Settings) -> ratios.Rates | None:
    """What the lines in force there say."""
    return ratiolines.rates_for(
        session, _address(session), hosts=settings[host_ratios], visitors=settings[anon_ratios],
        users=settings[user_ratios], groups=settings[group_ratios],
    )  # fmt: skip


async def _look(
    session: Session, settings: Settings, just: ratios.Counts = ratios.NOTHING
) -> tuple[ratios.Standing, object] | None:
    """How the client stands, and whose account that is (None: the session's); None when it cannot be looked up.

    ``just`` is what others who count have yet to hear of.
    """
    account = session[account_of]
    counts: ratios.Counts | None = None
    rates: ratios.Rates | None = None
    try:
        for source in _sources:
            if counts is None and (stats := await source.stats(session)) is not None:
                counts = ratios.Counts(*stats).plus(just)
            if rates is None and (found := await source.rates(session)) is not None:
                rates = ratios.Rates(*found)
    except Exception as error:
        session.log(Level.ERROR, "mod_ratio: ratios cannot be looked up: %s", error)
        return None
    whose: object = session.server if counts is not None else account.book
    if counts is None and account.book is not None:
        await account.book.refresh()
        counts = ratios.Counts(*account.book[account.name])
    account.last = ratios.Standing(rates or rates_for(session, settings), counts or account.own)
    return account.last, whose


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
    size = 0
    with suppress(OSError):
        there = cmd.files.stat(path)
        # what a client has already is not paid for twice
        size = max(there.st_size - session.restart, 0) if stat.S_ISREG(there.st_mode) else 0
    now = ratios.Standing(standing.rates, standing.counts.plus(account.under_way(whose)))
    _check(now, cmd, path.settings, size, standing.counts)
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
        cmd.ok(cmd.replies[0].code, *_lines(found[0], cmd.config))


@module.post("PASS")
async def after_login(cmd: Command) -> None:
    session = cmd.session
    await _open(session)
    found = await _look(session, session.settings) if session.settings[engine] else None
    if found is not None and cmd.replies:
        # before what the login says itself, as with ProFTPD: scripts look at the last line
        cmd.replies.insert(0, Reply(cmd.replies[0].code, tuple(_lines(found[0], session.settings))))


@module.log("PASS")
def log_login(cmd: Command) -> None:
    session, standing = cmd.session, cmd.session[account_of].last
    if session.logged_in and standing is not None:
        group = session.groups[0][1] if session.groups else ""
        who = f"{_address(session) or session.user}/{group} {session.remote_name}[{session.remote.host}]"
        session.log(Level.INFO, "Ratio: %s: %s.", who, standing.figures())


@module.post("CWD", "XCWD", "CDUP", "XCUP")
def on_arrival(cmd: Command) -> None:
    messages = cmd.session.settings[cwd_messages]
    if "" in messages:
        messages = messages[: messages.index("")]
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
    rates, c = standing.rates, standing.counts
    lines = [f"Current Ratio: ( {standing.figures()} )"]
    if rates.files:
        noun = "file" if standing.files == 1 else "files"
        lines.append(f"Files: {standing.file_text}  Down: {c.fetched}  Up: {c.stored}  CR: {standing.files} {noun}")
    if rates.bytes:
        down, up = ratios.mb(c.bytes_fetched), ratios.mb(c.bytes_stored)
        lines.append(f"Bytes: {standing.byte_text}  Down: {down}mb  Up: {up}mb  CR: {ratios.mb(standing.bytes)} Mbytes")
    return cmd.ok(214, *lines)
