"""MaxTransfersPerHost and MaxTransfersPerUser: who is transferring now, counted for this worker."""

from __future__ import annotations

from collections import Counter

from ftpd.api import Command, Event, Level, Refuse, Session
from ftpd.modules._xfer_config import Transfers, max_transfers_per_host, max_transfers_per_user

_Key = tuple[str, str, str, str]
_running: Counter[_Key] = Counter()
"""Transfers under way by kind, server, name and verb; of the process, so that those begun before a reload count."""

MAX_TRANSFERS_PER_HOST: Event[Session] = Event("mod_xfer.max-transfers-per-host")
MAX_TRANSFERS_PER_USER: Event[Session] = Event("mod_xfer.max-transfers-per-user")


class slot:
    """Be one of the transfers that run; Refuse the one too many of its host or its user. Gives whether one counts."""

    __slots__ = ("_counts", "_keys")

    def __init__(self, cmd: Command) -> None:
        session = cmd.session
        server = f"{' '.join(session.server.args)}:{session.local.port}"
        host, user = ("host", server, session.remote.host), ("user", server, session.user or "")
        of_hosts, of_users = session.settings[max_transfers_per_host], session.settings[max_transfers_per_user]
        self._counts = False
        if of_hosts or of_users:
            _check(cmd, host, of_hosts, MAX_TRANSFERS_PER_HOST, "your host")
            _check(cmd, user, of_users, MAX_TRANSFERS_PER_USER, "this user")
            self._counts = any(cmd.name in rule.commands for rule in (*of_hosts, *of_users))
        self._keys: tuple[_Key, ...] = ((*host, cmd.name), (*user, cmd.name))

    def __enter__(self) -> bool:
        for key in self._keys:
            _running[key] = _running.get(key, 0) + 1
        return self._counts

    def __exit__(self, *_: object) -> None:
        for key in self._keys:
            left = _running[key] - 1
            if left:
                _running[key] = left
            else:
                _running.pop(key)


def _check(
    cmd: Command, who: tuple[str, str, str], rules: tuple[Transfers, ...], event: Event[Session], whose: str
) -> None:  # fmt: skip
    for rule in rules:
        if cmd.name not in rule.commands:
            continue
        if sum(_running[(*who, verb)] for verb in rule.commands) >= rule.most:
            cmd.session.modules.emit(event, cmd.session)
            cmd.session.log(Level.NOTICE, "%s from %s refused: %d transfers are under way", cmd.name, who[2], rule.most)
            default = f"Sorry, the maximum number of data transfers (%m) from {whose} are currently being used."
            raise Refuse(451, (rule.message or default).replace("%m", str(rule.most)))
