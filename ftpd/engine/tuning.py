"""What a server's configuration says of the sockets and lines of its sessions, worked out once for each server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftpd.core.record import dataclass
from ftpd.engine.lines import BUFFER
from ftpd.transfer.sockets import DEFAULT, SocketOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftpd.conf.tree import Scope
    from ftpd.dispatch.registry import Generation


@dataclass(frozen=True, slots=True)
class Tuning:
    """The technical side of one server."""

    line_buffer: int = BUFFER
    """CommandBufferSize."""
    command_rate: tuple[int, int] | None = None
    """MaxCommandRate."""
    control: SocketOptions = DEFAULT
    data: SocketOptions = DEFAULT


def tuning_of(generation: Generation, server: Scope) -> Tuning:
    """The server's tuning; a generation keeps those that were asked for."""
    try:
        found: Tuning = generation.kept[server]
    except KeyError:
        found = generation.kept[server] = _worked_out(generation, server)
    return found


def together(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What lines of SocketOptions come to: of each option the last one counts, as in ProFTPD."""
    return {name: meant for line in lines for name, meant in line.items()}


def _worked_out(generation: Generation, server: Scope) -> Tuning:
    def value(name: str, default: Any) -> Any:
        key = generation.directive(name)
        found = None if key is None else server.settings[key]
        return default if found is None else found

    options = together(value("SocketOptions", ()))
    no_delay: dict[str, bool] = value("TCPNoDelay", {})
    # equal ones are one: whoever has the defaults can be told from who has not at no cost
    control, data = (
        SocketOptions(
            no_delay=no_delay.get(kind, True),
            keepalive=options.get("keepalive"),
            send_buffer=options.get("sndbuf", 0),
            receive_buffer=options.get("rcvbuf", 0),
            max_segment=options.get("maxseg", 0),
        )
        for kind in ("ctrl", "data")
    )
    return Tuning(
        line_buffer=value("CommandBufferSize", BUFFER),
        command_rate=value("MaxCommandRate", None),
        control=DEFAULT if control == DEFAULT else control,
        data=DEFAULT if data == DEFAULT else data,
    )
