"""Listings of folders that are decided like the one before: made and given to the client in one step."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from functools import partial
from itertools import chain
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from ftpd.core.answers import ShortAnswer
from ftpd.core.paths import decode
from ftpd.core.reply import Reply
from ftpd.core.vocab import Phase
from ftpd.engine.taking import Taking, be_oneself
from ftpd.module.command import Command
from ftpd.module.files import Path
from ftpd.module.wire import Lister
from ftpd.transfer.data import PATIENCE, UNSENT_MOST

_MOST_PIECES = 8


class Listing(NamedTuple):
    """What there is to know of listings of the folders in one folder."""

    verb: str
    above: str
    before: bytes
    after: bytes
    lister: Lister


class Showing(Taking):
    """What takes longer than one step, or is no folder after all, goes by the whole road, with what was made so far."""

    def lists(
        self, command: Command, folder: str, before: str, after: str, lister: Lister
    ) -> ShortAnswer | None:  # fmt: skip
        if self._recorders(command, Phase.LOG_CMD):
            return None
        said, done = Reply(150, (before,)).encode(), Reply(226, (after,)).encode()
        recipe = Listing(command.name, folder.rstrip("/"), said, done, lister)
        return self._made(self._listing(recipe), partial(type(self)._listing, recipe=recipe))

    def _listing(self, recipe: Listing) -> ShortAnswer | None:
        walk = self._walk()
        if walk is None:
            return None
        return partial(self._list, recipe, walk)

    def _list(self, recipe: Listing, walk: Any, name: bytes) -> bytes | None:
        """List the folder of that name; without one, that in which the session is."""
        be_oneself()
        session = self.session
        files, virtual = session.files, f"{recipe.above}/{decode(name)}" if name else session.cwd
        # what begins with a dash may be flags
        if files is None or name in (b".", b"..") or name.startswith(b"-"):
            return None
        if self.generation.gate.bare_until(session, virtual) <= monotonic():
            return None
        path = Path(virtual)
        opened = files.open_at_once(path, "list")
        if opened is None or not stat.S_ISDIR(opened.attributes.st_mode) or not walk.meet():
            return None
        path.saw(opened.attributes, opened=opened)
        command, _ = self.generation.command(session, recipe.verb, "")
        return self._give(recipe, walk, _lines(command, path, recipe.lister))

    def _give(self, recipe: Listing, walk: Any, lines: Iterator[bytes]) -> bytes | None:
        until, pieces, size, whole = perf_counter() + PATIENCE, [], 0, False
        for piece in lines:
            pieces.append(piece)
            size += len(piece)
            if len(pieces) == _MOST_PIECES or perf_counter() > until:
                break
        else:
            whole = True
        if not size:
            return None
        # of so much the client has to take some before it is said that it was all
        at_once = tuple(pieces) if size < UNSENT_MOST else ()
        done: bytes | None = walk.give(recipe.before, at_once, whole and bool(at_once), recipe.after)
        if done is None:
            assert self._port is not None
            left = b"".join(pieces)[walk.went :]
            self._port.rest = chain((left,) if left else (), lines)
        return done


def _lines(command: Command, path: Path, lister: Lister) -> Iterator[bytes]:
    with command.files.open_folder(path) as folder:
        yield from lister(command, folder, path) or ()
