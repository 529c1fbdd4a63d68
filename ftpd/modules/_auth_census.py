"""Who is on: connections and logins counted for MaxClients and its kin, in the tally of all workers."""

from __future__ import annotations

from typing import NamedTuple

from ftpd.api import Event, Level, Refuse, Session, Settings, Tally, tally
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


_CAPS = (
    ("host", d.max_clients_per_host, _PER_HOST),
    ("user", d.max_clients_per_user, _PER_USER),
    ("client", d.max_clients, _CLIENTS),
    ("hosts", d.max_hosts_per_user, _HOSTS),
)
"""The caps on clients in the order in which they are asked, each by what is counted."""


class Census:
    """Counts by key; they belong to the daemon and not to a generation: who began before a reload still counts."""

    def connected(self, session: Session, keys: list[Key]) -> None:
        """Count a connection; Refuse the one too many from its host. ``keys`` are what the session counts as."""
        cap = session.settings[d.max_connections_per_host]
        server, counts = _server(session), tally()
        key = ("connection", server, session.remote.host)
        with counts.exclusively():
            _enter(counts, keys, key, ("connections", server))
            crowded = cap.most is not None and counts.count(key) > cap.most
            if crowded:
                self.left(keys)
        if crowded:
            raise _refusal(session, d.max_connections_per_host.name, cap, MAX_CONNECTIONS_PER_HOST, _CONNECTIONS)

    def moved(self, session: Session, keys: list[Key]) -> None:
        """The client goes on at another virtual host; Refuse the connection that is one too many there."""
        before = list(keys)
        self.left(keys)
        try:
            self.connected(session, keys)
        except Refuse:
            _enter(tally(), keys, *before)
            raise

    def logged_in(self, session: Session, keys: list[Key], settings: Settings, user: str, anonymous: bool) -> None:
        """Count a login; Refuse the one too many and count it as the mere connection that it was."""
        # by the name that the connection was counted under, if it was
        server, counts = keys[0][1] if keys else _server(session), tally()
        # an anonymous area has caps of its own, which count its own clients only
        where = f"{server}/{user}" if anonymous else server
        with counts.exclusively():
            _enter(counts, keys, *_login_keys(session, server, where, user))
            reached = _reached(counts, session, settings, where, user)
            if reached is not None:
                _leave(keys, _AS_CONNECTION)
        if reached is not None:
            cap, rule = reached
            raise _refusal(session, rule.name, cap, rule.event, rule.text)

    def logged_out(self, keys: list[Key]) -> None:
        """The login came to nothing after all; the connection is still there."""
        _leave(keys, _AS_CONNECTION)

    def left(self, keys: list[Key]) -> None:
        """The session ended."""
        _leave(keys, 0)

    def clients(self, session: Session) -> int:
        """How many are logged in to the session's server; before the login, how many are connected to it."""
        return tally().count(("client" if session.logged_in else "connections", _server(session)))

    def clients_of_class(self, session: Session) -> int:
        return tally().count(("class", _server(session), session.class_name))


def _reached(counts: Tally, session: Session, settings: Settings, where: str, user: str) -> tuple[Cap, Rule] | None:
    """The first cap that the client who has just been counted is one too many for."""
    if session.class_name:
        cap = _class_cap(session.class_name, settings)
        if cap.most is not None and counts.count(("class", _server(session), session.class_name)) > cap.most:
            return cap, Rule(f"MaxClientsPerClass {session.class_name}", MAX_CLIENTS_PER_CLASS, _CLASS)
    for what, directive, rule in _CAPS:
        cap = settings[directive]
        if cap.most is None:
            continue
        key = {"host": (what, where, session.remote.host), "client": (what, where)}.get(what, (what, where, user))
        if (counts.distinct(key) if rule is _HOSTS else counts.count(key)) > cap.most:
            return cap, rule
    return None


def _enter(counts: Tally, keys: list[Key], *more: Key) -> None:
    add = counts.add
    for key in more:
        if key[0] == "at":
            # each host that a user is at is one of the user's hosts, however many clients are there
            add(key, under=("hosts", *key[1:3]))
        else:
            add(key)
        keys.append(key)


def _leave(keys: list[Key], keep: int) -> None:
    going = keys[keep:]
    del keys[keep:]
    tally().drop_all(going)


def _login_keys(session: Session, server: str, where: str, user: str) -> list[Key]:
    host = session.remote.host
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
    """MaxClientsPerClass of the client's class; where there is none, MaxClients, as in ProFTPD."""
    if not session.class_name:
        return most(session)
    return _class_cap(session.class_name, session.settings).most or session.server.settings[d.max_clients].most or 0


census = Census()
