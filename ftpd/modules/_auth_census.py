"""Who is on: connections and logins counted for MaxClients and its kin, in the tally of all workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class Counting(NamedTuple):
    """What a login counts as, and what it is one too many for."""

    counted: tuple[tuple[Key, Key | None], ...]
    keys: tuple[Key, ...]
    caps: tuple[tuple[Key, Cap, Rule], ...]
    """In the order in which they are asked: what is counted for each."""


_MOST = 1024
"""Logins of which one generation of modules knows what they count as."""
_COUNTINGS = object()


class Census:
    """Counts by key; they belong to the daemon and not to a generation: who began before a reload still counts."""

    def connected(self, session: Session, keys: list[Key]) -> None:
        """Count a connection; Refuse the one too many from its host. ``keys`` are what the session counts as."""
        cap = session.settings[d.max_connections_per_host]
        server, counts = _server(session), tally()
        key = ("connection", server, session.remote.host)
        counted = (key, None), (("connections", server), None)
        if cap.most is None:
            _enter(counts, keys, counted)
            return
        with counts.exclusively():
            _enter(counts, keys, counted)
            crowded = counts.count(key) > cap.most
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
            _enter(tally(), keys, [(key, None) for key in before])
            raise

    def logged_in(self, session: Session, keys: list[Key], settings: Settings, user: str, anonymous: bool) -> None:
        """Count a login; Refuse the one too many and count it as the mere connection that it was."""
        # by the name that the connection was counted under, if it was
        server, counts = keys[0][1] if keys else _server(session), tally()
        counting = _counting(session, server, settings, user, anonymous)
        if not counting.caps:
            counts.add_all(counting.counted)
            keys += counting.keys
            return
        with counts.exclusively():
            counts.add_all(counting.counted)
            keys += counting.keys
            reached = _reached(counts, counting.caps)
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


def _counting(session: Session, server: str, settings: Settings, user: str, anonymous: bool) -> Counting:
    """That of all logins like this one: from its host, as its class, under these settings."""
    known: dict[object, Counting] = session.modules.kept.setdefault(_COUNTINGS, {})
    who = server, session.remote.host, session.class_name, settings, user, anonymous
    found = known.get(who)
    if found is None:
        if len(known) >= _MOST:
            known.clear()
        # an anonymous area has caps of its own, which count its own clients only
        where = f"{server}/{user}" if anonymous else server
        counted = _counted(session, server, where, user)
        caps = tuple(one for one in _caps(session, server, where, settings, user) if one[1].most is not None)
        found = known[who] = Counting(counted, tuple(key for key, _ in counted), caps)
    return found


def _counted(session: Session, server: str, where: str, user: str) -> tuple[tuple[Key, Key | None], ...]:
    host = session.remote.host
    # each host that a user is at is one of the user's hosts, however many clients are there
    at = ("at", where, user, host), ("hosts", where, user)
    # a guest is one of the server's clients, too, and one of those from its host
    more: list[Key] = [("client", server), ("host", server, host)] if where != server else []
    if session.class_name:
        more.append(("class", server, session.class_name))
    plain: list[Key] = [("client", where), ("host", where, host), ("user", where, user), *more]
    return (at, *((key, None) for key in plain))


def _caps(session: Session, server: str, where: str, settings: Settings, user: str) -> Iterator[tuple[Key, Cap, Rule]]:
    if session.class_name:
        rule = Rule(f"MaxClientsPerClass {session.class_name}", MAX_CLIENTS_PER_CLASS, _CLASS)
        yield ("class", server, session.class_name), _class_cap(session.class_name, settings), rule
    for what, directive, rule in _CAPS:
        key = {"host": (what, where, session.remote.host), "client": (what, where)}.get(what, (what, where, user))
        yield key, settings[directive], rule


def _reached(counts: Tally, caps: tuple[tuple[Key, Cap, Rule], ...]) -> tuple[Cap, Rule] | None:
    """The first cap that the client who has just been counted is one too many for."""
    for key, cap, rule in caps:
        most = cap.most
        if most is not None and (counts.distinct(key) if rule is _HOSTS else counts.count(key)) > most:
            return cap, rule
    return None


def _enter(counts: Tally, keys: list[Key], counted: Sequence[tuple[Key, Key | None]]) -> None:
    counts.add_all(counted)
    keys += [key for key, _ in counted]


def _leave(keys: list[Key], keep: int) -> None:
    going = keys[keep:]
    del keys[keep:]
    tally().drop_all(going)


def _server(session: Session) -> str:
    """The same name for a virtual host before and after a reload."""
    return f"{' '.join(session.server.args)}:{session.local.port}"


def _refusal(session: Session, name: str, cap: Cap, event: Event[Session], default: str) -> Refuse:
    session.log(Level.NOTICE, "Connection refused (%s %d)", name, cap.most)
    session.modules.emit(event, session)
    # what %E of a LogFormat tells: the directive by its name alone
    reason = f"Configured policy: Denied by {name.partition(' ')[0]}"
    text = default if cap.message is None else cap.message
    return Refuse(530, text.replace("%m", str(cap.most)), close=True, reason=reason)


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
