"""MaxTransfersPerHost and MaxTransfersPerUser: who is transferring now, in the tally of all workers."""

from __future__ import annotations

from dataclasses import field

from ftpd.api import Command, Event, Level, Refuse, Scope, Session, dataclass, tally
from ftpd.modules._xfer_config import Transfers, max_transfers_per_host, max_transfers_per_user, module

_Key = tuple[str, str, str, str]
MAX_TRANSFERS_PER_HOST: Event[Session] = Event("mod_xfer.max-transfers-per-host")
MAX_TRANSFERS_PER_USER: Event[Session] = Event("mod_xfer.max-transfers-per-user")


@dataclass(slots=True)
class _Keys:
    """What a session is counted under, by verb: made with its first transfer of each kind."""

    server: Scope | None = None
    user: str | None = None
    of: dict[str, tuple[_Key, _Key]] = field(default_factory=dict)


_keys = module.session_state(_Keys)


def _keys_of(session: Session, verb: str) -> tuple[_Key, _Key]:
    known = session[_keys]
    if known.server is not session.server or known.user != session.user:
        known.server, known.user, known.of = session.server, session.user, {}
    found = known.of.get(verb)
    if found is None:
        server = f"{' '.join(session.server.args)}:{session.local.port}"
        found = known.of[verb] = (
            ("host", server, session.remote.host, verb),
            ("user", server, session.user or "", verb),
        )
    return found


class slot:
    """Be one of the transfers that run; Refuse the one too many of its host or its user."""

    __slots__ = ("_cmd", "_keys", "limited")

    def __init__(self, cmd: Command) -> None:
        self._cmd = cmd
        self._keys: tuple[_Key, ...] = ()
        """What it is counted under."""
        self.limited = False
        """Others are refused while it lasts."""

    def __enter__(self) -> slot:
        cmd = self._cmd
        # those of the place that the file lies in, as in ProFTPD
        settings = cmd.config
        of_hosts, of_users = settings[max_transfers_per_host], settings[max_transfers_per_user]
        if not of_hosts and not of_users:
            return self
        keys = _keys_of(cmd.session, cmd.name)
        host, user = keys
        with tally().exclusively():
            _check(cmd, host, of_hosts, MAX_TRANSFERS_PER_HOST, "your host")
            _check(cmd, user, of_users, MAX_TRANSFERS_PER_USER, "this user")
            self.waits()
        self.limited = any(cmd.name in rule.commands for rule in (*of_hosts, *of_users))
        return self

    def waits(self) -> None:
        """The transfer is not over at once, so that others may see it.

        It is counted also where nothing is limited: a new configuration may ask how many there are.
        """
        if not self._keys:
            self._keys = _keys_of(self._cmd.session, self._cmd.name)
            counts = tally()
            for key in self._keys:
                counts.add(key)

    def __exit__(self, *_: object) -> None:
        if self._keys:
            counts = tally()
            for key in self._keys:
                counts.drop(key)


def _check(
    cmd: Command, who: _Key, rules: tuple[Transfers, ...], event: Event[Session], whose: str
) -> None:  # fmt: skip
    for rule in rules:
        if cmd.name not in rule.commands:
            continue
        # each command of a line is counted apart, as in ProFTPD: RETR,STOR 1 is a download beside an upload
        if tally().count(who) >= rule.most:
            cmd.session.modules.emit(event, cmd.session)
            cmd.session.log(Level.NOTICE, "%s from %s refused: %d transfers are under way", cmd.name, who[2], rule.most)
            default = f"Sorry, the maximum number of data transfers (%m) from {whose} are currently being used."
            raise Refuse(451, (rule.message or default).replace("%m", str(rule.most)))
