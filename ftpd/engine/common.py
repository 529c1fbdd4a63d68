"""What sessions that stand alike have in common: who and where they are, and what is configured for them there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from ftpd.core.answers import Answers, ShortAnswer
from ftpd.fs.local import LocalFiles
from ftpd.module.handler import Alikeness
from ftpd.module.session import Session

if TYPE_CHECKING:
    from ftpd.dispatch.registry import Generation
    from ftpd.engine.taking import Taking

Recipe = Callable[["Taking"], ShortAnswer | None]
"""Makes for one session what answers a verb, as it was made for another that stands alike."""


class Found(NamedTuple):
    """What one session has found out for all that stand alike."""

    answer: bytes | Recipe
    alike: tuple[Alikeness, ...]
    """Whether it is so for a session, where that hangs on more than how it stands."""


_KEY = object()
_MOST, _MOST_PLACES = 128, 16
"""Kins that are remembered by one generation, and places of each."""
_FEW_HEIRS = 64
_LINES = 16
"""Lines that are remembered of one place."""
_TRUSTED = 30.0
"""Seconds for which any of it is believed at the longest."""


class Common(Answers):
    """What those know who stand in one place, by the packets and verbs that they have answers for."""

    __slots__ = ("_heirs", "_many")

    def __init__(self) -> None:
        super().__init__()
        # not a WeakSet, which costs more than all else that an heir does
        self._heirs: set[ref[Answers]] = set()
        """The answers of sessions that have some of these, and had them."""
        self._many = _FEW_HEIRS

    def inherited_by(self, answers: Answers) -> None:
        """Once nothing of this holds any more, they are cleared as well."""
        self._heirs.add(ref(answers))
        if len(self._heirs) > self._many:
            self._heirs = {heir for heir in self._heirs if heir() is not None}
            self._many = _FEW_HEIRS + 2 * len(self._heirs)

    def keep(self, key: bytes, found: Found, until: float) -> None:
        now = monotonic()
        if len(self) >= _LINES or self.until <= now:
            self.clear()
        if until > now:
            self[key] = found  # type: ignore[assignment]
            self.until = min(self.until, until, now + _TRUSTED)

    def found(self) -> Iterable[tuple[bytes, Found]]:
        return self.items()  # type: ignore[return-value]

    def clear(self) -> None:
        super().clear()
        for heir in self._heirs:
            if (answers := heir()) is not None:
                answers.clear()
        self._heirs.clear()


class Inherited:
    """What a session has made of what it has in common with others."""

    __slots__ = ("common", "made")

    def __init__(self, common: Common) -> None:
        self.common = common
        self.made: dict[bytes, tuple[Found, ShortAnswer | None]] = {}


class Kin:
    """Sessions whose logins are alike, by where they stand now."""

    __slots__ = ("_files", "_protocol", "_server", "places")

    def __init__(self, session: Session, places: dict[Hashable, Common]) -> None:
        self.places = places
        self._files, self._protocol, self._server = session.files, session.protocol, session.server

    def has(self, session: Session) -> bool:
        """Whether the session is still one of them: all else that makes it so comes with its files."""
        mine = self._files is session.files and self._server is session.server
        return mine and self._protocol == session.protocol


def _who(session: Session) -> Hashable | None:
    """As whom and whence a session has logged in, and where; None for one that is like no other."""
    files, account = session.files, session.account
    if session.user is None or account is None or account.password is not None:
        return None
    if files.__class__ is not LocalFiles:
        return None
    return (
        session.server, session.anonymous, session.login, session.user, account, account.source, session.groups,
        session.identity, session.home, files.root, session.remote.host, session.remote_name, session.local,
        session.class_name, session.protocol,
    )  # fmt: skip


def kin_of(generation: Generation, session: Session) -> Kin | None:
    """Those who have logged in as this session has; None where nobody can."""
    who = _who(session)
    if who is None:
        return None
    known: dict[Any, dict[Hashable, Common]] = generation.kept.setdefault(_KEY, {})
    places = known.get(who)
    if places is None:
        if len(known) >= _MOST:
            known.clear()
        places = known[who] = {}
    return Kin(session, places)


def place_of(session: Session) -> Hashable | None:
    """Where a session stands, as far as its kin may stand there, too.

    None for one that has something of its own which is not told here.
    """
    files = session.files
    if files is None or session.recode is not None or session.translation is not None:
        return None
    if session.restart or session.rename_from is not None:
        return None
    return session.settings, session.cwd, session.data_type, files.umask, files.folder_umask


def standing_of(session: Session) -> Hashable | None:
    """All that makes it stand alike with others: equal to what this gives for those; None where nobody can."""
    who, place = _who(session), place_of(session)
    return None if who is None or place is None else (who, place)


def common_of(kin: Kin, session: Session) -> Common | None:
    """What is known by those of its kin who stand as this session does; None where nobody can."""
    place = place_of(session)
    if place is None:
        return None
    found = kin.places.get(place)
    if found is None:
        if len(kin.places) >= _MOST_PLACES:
            kin.places.clear()
        found = kin.places[place] = Common()
    return found


def forget_common(generation: Generation) -> None:
    """Something has changed that nobody's standing tells: a file system has come or gone."""
    for places in generation.kept.get(_KEY, {}).values():
        for common in places.values():
            common.clear()
