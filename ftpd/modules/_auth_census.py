"""Who is on: connections and logins counted for MaxClients and its kin, in the tally of all workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ftpd.api import Event, Level, Refuse, Session, Settings, tally
from ftpd.modules import _auth_directives as d
from ftpd.modules._auth_directives import Cap
from ftpd.modules._auth_events import (
    MAX_CLIENTS,
    MAX_CLIENTS_PER_CLASS,
    MAX_CLIENTS_PER_HOST,
    MAX_CLIENTS_PER_USER,
    MAX_CONNECTIONS_PER_HOST,
    MAX_HOSTS_PER_USER,
)

Key = tuple[str, ...]

_AS_CONNECTION = 2
"""What a session counts as before it is logged in: one of its host's connections and one of the server's."""
_TOO_MANY = "Sorry, the maximum number of"
_CONNECTIONS = f"{_TOO_MANY} connections (%m) for your host are already connected."
_CLASS = f"{_TOO_MANY} clients (%m) from your class are already connected."


class Rule(NamedTuple):
    """A cap: its name in the log, the event of the one too many, and what that one reads by default."""

    name: str
    event: Event[Session]
    text: str


_PER_HOST = Rule(
    "MaxClientsPerHost", MAX_CLIENTS_PER_HOST, f"{_TOO_MANY} clients (%m) from your host are already connected."
)
_PER_USER = Rule(
    "MaxClientsPerUser", MAX_CLIENTS_PER_USER, f"{_TOO_MANY} clients (%m) for this user are already connected."
)
_CLIENTS = Rule("MaxClients", MAX_CLIENTS, f"{_TOO_MANY} allowed clients (%m) are already connected.")
_HOSTS = Rule("MaxHostsPerUser", MAX_HOSTS_PER_USER, f"{_TOO_MANY} hosts (%m) for this user are already connected.")


@dataclass(slots=True)
class Presence:
    """What one session counts as; given back as a whole when it ends."""

    keys: list[Key] = field(default_factory=list)


class Census:
    """Counts by key; they belong to the daemon and not to a generation: who began before a reload still counts."""

    def connected(self, session: Session, presence: Presence) -> None:
        """Count a connection; Refuse the one too many from its host."""
        cap = session.settings[d.max_connections_per_host]
        key = ("connection", _server(session), session.remote.host)
        with tally().exclusively():
            self._enter(key, presence)
            self._enter(("connections", _server(session)), presence)
            crowded = cap.most is not None and tally().count(key) > cap.most
            if crowded:
                self.left(presence)
        if crowded:
            raise _refusal(session, d.max_connections_per_host.name, cap, MAX_CONNECTIONS_PER_HOST, _CONNECTIONS)

    def moved(self, session: Session, presence: Presence) -> None:
        """The client goes on at another virtual host; Refuse the connection that is one too many there."""
        before = list(presence.keys)
        self._leave(presence, 0)
        try:
            self.connected(session, presence)
        except Refuse:
            for key in before:
                self._enter(key, presence)
            raise

    def logged_in(self, session: Session, presence: Presence, settings: Settings, user: str, anonymous: bool) -> None:
        """Count a login; Refuse the one too many and count it as the mere connection that it was."""
        # an anonymous area has caps of its own, which count its own clients only
        where = f"{_server(session)}/{user}" if anonymous else _server(session)
        with tally().exclusively():
            for key in _login_keys(session, where, user):
                self._enter(key, presence)
            reached = self._reached(session, settings, where, user)
            if reached is not None:
                self._leave(presence, _AS_CONNECTION)
        if reached is not None:
            cap, rule = reached
            raise _refusal(session, rule.name, cap, rule.event, rule.text)

    def logged_out(self, presence: Presence) -> None:
        """The login came to nothing after all; the connection is still there."""
        self._leave(presence, _AS_CONNECTION)

    def left(self, presence: Presence) -> None:
        """The session ended."""
        self._leave(presence, 0)

    def clients(self, session: Session) -> int:
        """How many are logged in to the session's server; before the login, how many are connected to it."""
        return tally().count(("client" if session.logged_in else "connections", _server(session)))

    def clients_of_class(self, session: Session) -> int:
        return tally().count(("class", _server(session), session.class_name))

    def _reached(self, session: Session, settings: Settings, where: str, user: str) -> tuple[Cap, Rule] | None:
        """The first cap that the client who has just been counted is one too many for."""
        for key, cap, rule in self._caps(session, settings, where, user):
            if cap.most is None:
                continue
            hosts = rule is _HOSTS
            if (tally().distinct(key) if hosts else tally().count(key)) > cap.most:
                return cap, rule
        return None

    def _caps(self, session: Session, settings: Settings, where: str, user: str) -> Iterator[tuple[Key, Cap, Rule]]:
        if session.class_name:
            yield (
                ("class", _server(session), session.class_name),
                _class_cap(session.class_name, settings),
                Rule(f"MaxClientsPerClass {session.class_name}", MAX_CLIENTS_PER_CLASS, _CLASS),
            )
        host = session.remote.host
        yield ("host", where, host), settings[d.max_clients_per_host], _PER_HOST
        yield ("user", where, user), settings[d.max_clients_per_user], _PER_USER
        yield ("client", where), settings[d.max_clients], _CLIENTS
        yield ("hosts", where, user), settings[d.max_hosts_per_user], _HOSTS

    def _enter(self, key: Key, presence: Presence) -> None:
        # each host that a user is at is one of the user's hosts, however many clients are there
        tally().add(key, under=("hosts", *key[1:3]) if key[0] == "at" else None)
        presence.keys.append(key)

    def _leave(self, presence: Presence, keep: int) -> None:
        while len(presence.keys) > keep:
            tally().drop(presence.keys.pop())


def _login_keys(session: Session, where: str, user: str) -> list[Key]:
    host, server = session.remote.host, _server(session)
    keys: list[Key] = [("client", where), ("host", where, host), ("user", where, user), ("at", where, user, host)]
    if where != server:
        keys.append(("client", server))
    if session.class_name:
        keys.append(("class", server, session.class_name))
    return keys


def _server(session: Session) -> str:
    """The same name for a virtual host before and after a reload."""
    return f"{' '.join(session.server.args)}:{session.local.port}"


def _refusal(session: Session, name: str, cap: Cap, event: Event[Session], default: str) -> Refuse:
    session.log(Level.NOTICE, "Connection refused (%s %d)", name, cap.most)
    session.modules.emit(event, session)
    return Refuse(530, (cap.message or default).replace("%m", str(cap.most)), close=True)


def _class_cap(name: str, settings: Settings) -> Cap:
    return next((cap for wanted, cap in settings[d.max_clients_per_class] if wanted == name), Cap())


def most(session: Session) -> int:
    """MaxClients where the client is; 0 is any number."""
    return session.settings[d.max_clients].most or 0


def most_of_class(session: Session) -> int:
    return _class_cap(session.class_name, session.settings).most or 0


census = Census()
