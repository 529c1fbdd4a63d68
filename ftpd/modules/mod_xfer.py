"""mod_xfer -- files to and from the client: RETR STOR STOU APPE, what goes before them, and the timer between them."""

from __future__ import annotations

from ftpd.api import (
    FILES_RECEIVED,
    FILES_SENT,
    LOGGED_IN,
    TIMEOUT_NO_TRANSFER,
    WORK_DONE,
    Command,
    Level,
    Reply,
    Sent,
    Session,
    Steady,
    Timer,
    dataclass,
)
from ftpd.modules import _xfer_params, _xfer_send, _xfer_store
from ftpd.modules._transfer import tally
from ftpd.modules._xfer_config import module, timeout_no_transfer

# the commands live in files of their own and register with the one module
__all__ = ["_xfer_params", "_xfer_send", "_xfer_store", "module"]


@dataclass(slots=True)
class _Watch:
    timer: Timer | None = None


_watch = module.session_state(_Watch)
_NETWORK = (
    "Passive data transfer failed, possibly due to network issues",
    "Check your PassivePorts and MasqueradeAddress settings,",
    "and any router, NAT, and firewall rules in the network path.",
)
"""What may be the matter where a client does not come to the port that it was told."""


@module.on(LOGGED_IN)
def start_watch(session: Session) -> None:
    """TimeoutNoTransfer runs from the login and anew after every transfer."""
    seconds = session.settings[timeout_no_transfer]
    if not seconds:
        return

    def ring() -> None:
        if session.wire.busy:
            start_watch(session)
            return
        session.modules.emit(TIMEOUT_NO_TRANSFER, session)
        if session.wire.awaits_client:
            for line in _NETWORK:
                session.log(Level.NOTICE, line)
        session.log(Level.NOTICE, "FTP no transfer timeout, disconnected")
        session.send(Reply(421, (f"No transfer timeout ({seconds} seconds): closing control connection",)))
        session.end("Timeout exceeded: TimeoutNoTransfer")

    session[_watch].timer = session.wire.timer(seconds, ring)


_DATA_COMMANDS = ("RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD")


@module.log(*_DATA_COMMANDS, steady=Steady.VERB, alike=True)
@module.log_err(*_DATA_COMMANDS)
def start_anew(cmd: Command) -> None:
    # a command that was refused, or that no data connection came for, is no transfer
    if cmd.transfer is not None and cmd.transfer.port:
        count_from_here(cmd.session)


@module.on(FILES_SENT)
@module.on(FILES_RECEIVED)
def add_up(sent: Sent) -> None:
    """The same for files that no command's road was walked for."""
    sent.session[tally].moved += sent.moved
    count_from_here(sent.session)


@module.on(WORK_DONE)
def count_from_here(session: Session) -> None:
    timer = session[_watch].timer
    if timer is not None and timer.active:
        timer.reset()
