"""Who is on: counts of connections and logins for MaxClients and its kin, kept for this worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ftpd.api import Refuse, Session, Settings
from ftpd.modules import _auth_directives as d
from ftpd.modules._auth_directives import Cap

Key = tuple[str, ...]


@dataclass(slots=True)
class Presence:
    """What one session counts as; given back as a whole when it ends."""

    keys: list[Key] = field(default_factory=list)


class Census:
    """Counters by key; a key without anybody is not kept.

    It belongs to the process and not to a generation: sessions that began before a reload still count.
    """

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()

    def __len__(self) -> int:
        return len(self._counts)

    def connected(self, session: Session, presence: Presence) -> None:
        """Count a connection; Refuse the one too many from its host."""
        cap = session.settings[d.max_connections_per_host]
        key = ("connection", _server(session), session.remote.host)
        self._enter(key, presence)
        if cap.most is not None and self._counts[key] > cap.most:
            self.left(presence)
            raise Refuse(
                530, _text(cap, "Sorry, the maximum number of connections (%m) for your host are already connected.")
            )

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
        before = len(presence.keys)
        # an anonymous area has caps of its own, which count its own clients only
        where = f"{_server(session)}/{user}" if anonymous else _server(session)
        for key in _login_keys(session, where, user):
            self._enter(key, presence)
        for key, cap, default in self._caps(session, settings, where, user):
            if cap.most is not None and self._counts[key] > cap.most:
                self._leave(presence, before)
                raise Refuse(530, _text(cap, default), close=True)

    def logged_out(self, presence: Presence) -> None:
        """The login came to nothing after all; the connection is still there."""
        self._leave(presence, 1)

    def left(self, presence: Presence) -> None:
        """The session ended."""
        self._leave(presence, 0)

    def clients(self, session: Session) -> int:
        """How many are logged in to the session's server."""
        return self._counts["client", _server(session)]

    def clients_of_class(self, session: Session) -> int:
        return self._counts["class", _server(session), session.class_name]

    def _caps(self, session: Session, settings: Settings, where: str, user: str) -> Iterator[tuple[Key, Cap, str]]:
        if session.class_name:
            for name, cap in settings[d.max_clients_per_class]:
                if name == session.class_name:
                    key: Key = ("class", _server(session), name)
                    yield key, cap, "Sorry, the maximum number of clients (%m) from your class are already connected."
                    break
        host = session.remote.host
        yield (
            ("host", where, host), settings[d.max_clients_per_host],
            "Sorry, the maximum number of clients (%m) from your host are already connected.",
        )  # fmt: skip
        yield (
            ("user", where, user), settings[d.max_clients_per_user],
            "Sorry, the maximum number of clients (%m) for this user are already connected.",
        )  # fmt: skip
        yield (
            ("client", where), settings[d.max_clients],
            "Sorry, the maximum number of allowed clients (%m) are already connected.",
        )  # fmt: skip
        yield (
            ("hosts", where, user), settings[d.max_hosts_per_user],
            "Sorry, the maximum number of hosts (%m) for this user already connected.",
        )  # fmt: skip

    def _enter(self, key: Key, presence: Presence) -> None:
        self._counts[key] += 1
        presence.keys.append(key)
        # the first client of a user at a host is one more host of that user
        if key[0] == "at" and self._counts[key] == 1:
            self._counts["hosts", key[1], key[2]] += 1

    def _leave(self, presence: Presence, keep: int) -> None:
        while len(presence.keys) > keep:
            key = presence.keys.pop()
            self._drop(key)
            if key[0] == "at" and key not in self._counts:
                self._drop(("hosts", key[1], key[2]))

    def _drop(self, key: Key) -> None:
        self._counts[key] -= 1
        if self._counts[key] <= 0:
            del self._counts[key]


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


def _text(cap: Cap, default: str) -> str:
    return (cap.message or default).replace("%m", str(cap.most))
