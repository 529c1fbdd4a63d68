"""ProcessTitles: what ps shows of a process that serves."""

from __future__ import annotations

from ftpd.api import RESTART, SERVER, SESSION_CLOSE, SESSION_OPEN, SHUTDOWN, STARTUP, Config, Session, show_title, types
from ftpd.modules._core import module

titles = module.directive(
    "ProcessTitles", types.one_of("terse", "verbose"), contexts=SERVER,
    usage="terse|verbose", doc="What ps shows of a process that serves: by itself the words it was started with.",
)  # fmt: skip


class _Shown:
    """What the configuration in force wants, and how many are on."""

    def __init__(self) -> None:
        self.wanted: str | None = None
        self.on = 0
        self.next: str | None = None
        """What the configuration read last wants, until it goes into service."""

    def again(self) -> None:
        if self.wanted == "terse":
            show_title("proftpd: processing connections")
        elif self.wanted is not None:
            show_title(f"proftpd: {self.on} connected" if self.on else "proftpd: (accepting connections)")


_shown = _Shown()


@module.check
def remember(config: Config) -> None:
    _shown.next = config.main.settings[titles]


@module.on(STARTUP)
@module.on(RESTART)
def begin(_: object) -> None:
    before, _shown.wanted = _shown.wanted, _shown.next
    if before is not None and _shown.wanted is None:
        show_title(None)
    _shown.again()


def _counted(config: Config) -> bool:
    return config.main.settings[titles] == "verbose"


@module.on(SESSION_OPEN, needed=_counted)
def one_more(_: Session) -> None:
    _shown.on += 1
    _shown.again()


@module.on(SESSION_CLOSE, needed=_counted)
def one_less(_: Session) -> None:
    _shown.on = max(0, _shown.on - 1)
    _shown.again()


@module.on(SHUTDOWN)
def end(_: object) -> None:
    if _shown.wanted is not None:
        _shown.wanted = None
        show_title(None)
