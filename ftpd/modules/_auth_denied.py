"""Why a login fails: the log tells it, the client hears the same words for every reason."""

from __future__ import annotations

from ftpd.api import Level


class Denied(Exception):
    """A login is refused. ``reason`` is for the log; fail2ban and its kin know ProFTPD's wording of it.

    ``first`` is a line before the usual refusal, ``final`` ends the session at once, and ``ending`` is what the logs
    have as the reason of that: nothing in most cases, as in ProFTPD. One that is not ``counted`` is no login attempt.
    """

    def __init__(
        self,
        reason: str,
        *,
        level: Level = Level.NOTICE,
        code: int = 530,
        first: str = "",
        final: bool = False,
        ending: str = "",
        counted: bool = True,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.level = level
        self.code = code
        self.first = first
        self.final = final
        self.ending = ending
        self.counted = counted
