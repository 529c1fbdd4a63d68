"""How the built-in modules move data: one road from opening the data connection to its orderly end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Protocol

from ftpd.api import (
    TIMEOUT_STALLED,
    Command,
    Data,
    Excess,
    Foreign,
    Level,
    Reply,
    Session,
    Settings,
    Slot,
    Transfer,
    TransferError,
    dataclass,
    trace,
)

PATIENCE = 60
"""Seconds that a client has to make the data connection it asked for."""
_AFTER = 1
"""Seconds by which that comes after a timer of the session, which is a fraction of one late."""

LINGER = 10
"""Seconds of TimeoutLinger in ProFTPD where the configuration says none."""

_TAKEN_BACK = "Transfer aborted. Data connection closed."
_ABORTED = "Transfer aborted. "
_CLOSED = "Data connection closed"
"""What no ABOR has asked for: the client's end of the data connection is gone, or its session."""
"""What the engine says of a transfer that ABOR ends; without the full stop it was lost."""


class Place(Protocol):
    """One of the transfers that may run at the same time."""

    limited: bool
    """Others are refused while it lasts."""

    def waits(self) -> None:
        """To be told before the transfer is waited for."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What the configuration says of data connections in one place, for one client."""

    settings: Settings
    patience: int
    """Seconds for the client to make the connection."""
    foreign: Foreign
    """AllowForeignAddress: another host than the client may be at the other end, or one of a class."""
    stalled: int
    """Seconds without a byte moving, 0 for ever."""
    linger: int | None
    """TimeoutLinger, if it is said."""


@dataclass(slots=True)
class Tally:
    """What a session has moved and is moving, for STAT and the timers."""

    moved: int = 0
    current: Transfer | None = None
    manners: Manners | None = None
    """Of the last transfer; the next one is mostly in the same place."""


tally = Slot("transfers", Tally)


def plural(count: int, noun: str) -> str:
    """
    >>> plural(1, "byte"), plural(2, "byte")
    ('1 byte', '2 bytes')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def opening(cmd: Command, what: str, size: int = 0) -> str:
    """The text of 150; ProFTPD leaves the size out where it is unknown or nothing is to come."""
    kind = "ASCII" if cmd.session.data_type == "A" else "BINARY"
    text = f"Opening {kind} mode data connection for {what}"
    return f"{text} ({plural(size, 'byte')})" if size else text


def tell_of_end(session: Session, reason: str = _CLOSED) -> None:
    """What ProFTPD's log says of a transfer that is broken off, and once more of ABOR, whatever that ends."""
    session.log(Level.NOTICE, "notice: user %s: aborting transfer: %s", session.user, reason)


async def carry(
    cmd: Command,
    transfer: Transfer,
    announce: str,
    move: Callable[[Data], Awaitable[object] | None],
    *,
    place: Place | None = None,
) -> None:
    """Open the data connection, say 150, move the bytes and close in order; ``transfer`` is kept true.

    ``move`` gives what is to be awaited, or None where the bytes have gone already.
    ``place`` is what it takes of those there are: where others are refused while this transfer lasts, it lasts until
    the client has everything.
    When this returns the bytes are over; TransferError says why they are not, and then the connection is closed.
    """
    session = cmd.session
    wire, counts = session.wire, session[tally]
    manners = _manners(cmd, counts)
    cmd.transfer = transfer
    transfer.status = "failed"
    data: Data | None = None
    error: TransferError | None = None
    began = perf_counter()
    try:
        data = wire.data_at_once(allow_foreign=manners.foreign)
        if data is None:
            if place is not None:
                place.waits()
            data = await wire.open_data(timeout=manners.patience, allow_foreign=manners.foreign)
        transfer.port = data.local_port
        if trace.active:
            trace.say("data", 4, "data connection opened, our port %d", transfer.port, peer=session.peer)
            trace.say("xfer", 3, "%s of '%s' begins", cmd.name, transfer.real_path, peer=session.peer)
        counts.current = transfer
        data.stall_after(manners.stalled)
        if not data.announced:
            wire.send(Reply(150, (announce,)))
        if (moving := move(data)) is not None:
            if place is not None:
                place.waits()
            await moving
        if transfer.direction == "i":
            if wire.hear():
                raise TransferError(426, _TAKEN_BACK, aborted=True, moved=data.moved)
        elif seconds := _lingering(manners, place is not None and place.limited):
            if place is not None:
                place.waits()
            await data.linger(seconds)
        await data.finish()
        transfer.status = "success"
    except Excess as excess:
        if data is None:
            raise
        tell_of_end(session, excess.cause)
        raise TransferError(excess.during, f"{_ABORTED}{excess.cause}", moved=data.moved) from None
    except TransferError as caught:
        error = caught
        if error.code == 426 and not error.aborted and wire.hear():
            # the client has closed the data connection behind its ABOR
            error = TransferError(426, _TAKEN_BACK, aborted=True, moved=error.moved)
        transfer.status = "cancelled" if error.aborted else "timeout" if error.code == 421 else "failed"
        if error.code == 421:
            # a client whose data link hangs will not miss the control link (ProFTPD ends the session as well)
            session.modules.emit(TIMEOUT_STALLED, session)
            session.log(Level.NOTICE, "Data transfer stall timeout: %s", plural(manners.stalled, "second"))
            session.end("Timeout exceeded: TimeoutStalled during data transfer")
        if data is not None and (error.code == 421 or error.text.startswith(_ABORTED)):
            tell_of_end(session, error.text.removeprefix(_ABORTED).rstrip(".") if error.code != 421 else _CLOSED)
        raise error from None
    finally:
        # an exception that its own frame holds would keep the session's descriptors until the collector comes by
        error = None
        counts.current = None
        transfer.seconds = perf_counter() - began
        if data is not None:
            if transfer.status != "success":
                data.abort()
            # of a text, the bytes of the file are counted, as ProFTPD does
            transfer.moved = max(data.moved - data.grown, 0)
            counts.moved += transfer.moved
            transfer.last_moved = data.last_moved
            if trace.active:
                text = "%s of '%s': %s, %d bytes in %.3f s"
                told = (cmd.name, transfer.real_path, transfer.status, transfer.moved, transfer.seconds)
                trace.say("xfer", 3, text, *told, peer=session.peer)
            if transfer.direction == "i":
                session.bytes_in += data.moved + data.shrunk
            else:
                session.bytes_out += data.moved


def goes_straight(cmd: Command) -> bool:
    """Whether a small download or listing is over once it is sent, and may go to the client only."""
    manners = _manners(cmd, cmd.session[tally])
    return manners.foreign is False and not _lingering(manners, counted=False)


def _lingering(manners: Manners, counted: bool) -> int:
    """TimeoutLinger: how long a download waits for the client's own end before 226.

    Without it the kernel has everything, and the client saves a way there and back. Without that line it is waited
    only where it matters who is at the other end and how fast it takes what is sent.
    """
    asked, stalled = manners.linger, manners.stalled
    if asked is None:
        asked = LINGER if counted or 0 < stalled <= LINGER else 0
    # where both would end in the same moment, the client is one that takes nothing
    return stalled + 1 if 0 < stalled <= asked else asked


def _manners(cmd: Command, counts: Tally) -> Manners:
    found, settings = counts.manners, cmd.config
    if found is None or found.settings is not settings:
        foreign: bool | str | None = cmd.setting("AllowForeignAddress", False)
        stalled, idle = cmd.setting("TimeoutStalled", 3600), cmd.setting("TimeoutNoTransfer", PATIENCE)
        found = counts.manners = Manners(
            settings=settings,
            # a client that does not come stalls as well; where its session ends for that, nothing else is said before
            patience=min(idle + _AFTER if idle else PATIENCE, stalled or PATIENCE, PATIENCE),
            foreign=partial(cmd.session.modules.in_class, foreign) if isinstance(foreign, str) else foreign is True,
            stalled=stalled,
            linger=cmd.setting("TimeoutLinger", None),
        )
    return found
