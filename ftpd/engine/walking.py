"""Transfers that are decided like the one before: the compiled walk is told what was decided, and asked for sums."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ftpd.core.answers import ShortAnswer
from ftpd.core.log import Level, log
from ftpd.core.paths import decode, normalise
from ftpd.core.reply import on_one_line
from ftpd.core.vocab import Phase, Steady
from ftpd.dispatch.compile import Chain
from ftpd.dispatch.phases import Road, run_on
from ftpd.engine.common import Recipe
from ftpd.engine.dataside import DataSide
from ftpd.engine.tuning import tuning_of
from ftpd.module.command import Command, Transfer
from ftpd.module.events import FILES_RECEIVED, FILES_SENT, Sent
from ftpd.module.files import Path, Way
from ftpd.module.handler import Handler, Note
from ftpd.transfer.portrange import of_system
from ftpd.transfer.sockets import DEFAULT


class Listening(NamedTuple):
    """What there is to know of the answers to PASV and EPSV."""

    first: int
    many: int
    before: bytes
    after: bytes
    split: bool


class Sending(NamedTuple):
    """What there is to know of the files of a folder that are sent."""

    verb: str
    folder: bytes
    above: str
    before: bytes
    after: str
    done: bytes
    recorders: Chain


class Walking(DataSide):
    """Makes answers that move a file: those of PASV, EPSV and RETR, for :mod:`ftpd.engine.recall` to give.

    An answer of theirs is known as long as any other is: whatever may change a decision has them forgotten.
    """

    def listens(self, before: str, after: str, *, ports: range | None, split: bool = False) -> ShortAnswer | None:
        if ports is None:
            ports, reserved = of_system()
            if not ports or any(port in ports for port in reserved):
                return None
        recipe = Listening(ports.start, len(ports), before.encode(), after.encode(), split)
        return self._made(self._listening(recipe), partial(type(self)._listening, recipe=recipe))

    def sends(self, command: Command, way: Way, before: str, after: str) -> ShortAnswer | None:
        recorders = self._recorders(command, Phase.LOG_CMD)
        if any(inspect.iscoroutinefunction(handler.run) for handler in recorders if handler.brief is None):
            return None
        above = command.argument[: command.argument.rfind("/") + 1]
        said, done = b"150 " + on_one_line(before + above), f"226 {after}\r\n".encode()
        recipe = Sending(command.name, way.folder, above, said, after, done, recorders)
        return self._made(self._sending(recipe, way), partial(type(self)._sending, recipe=recipe))

    def _made(self, function: ShortAnswer | None, recipe: Recipe) -> ShortAnswer | None:
        if function is not None:
            self._recipe = function, recipe
        return function

    def _listening(self, recipe: Listening) -> ShortAnswer | None:
        walk = self._walk()
        if walk is None:
            return partial(self._listen, recipe) if self._is_plain() else None
        assert self._port is not None
        self._port.lend()
        known = self._listens
        if known is None or known[0] != recipe:
            # it is the same in all folders
            known = self._listens = recipe, partial(walk.listen, *recipe)
        return known[1]

    def _listen(self, recipe: Listening, nothing: bytes) -> bytes | None:
        """What the walk does, where that is not to be had."""
        first, many, before, after, split = recipe
        try:
            _, port = self._data_port().passive(ports=range(first, first + many), address=None, extended=0)
        except OSError:
            # the whole road will tell why
            return None
        return before + (b"%d,%d" % divmod(port, 256) if split else b"%d" % port) + after

    def _sending(self, recipe: Sending, way: Way | None = None) -> ShortAnswer | None:
        walk, files = self._walk(), self.session.files
        if way is None and files is not None:
            way = files.way_within(recipe.folder)
        if walk is None or way is None:
            return None
        recorded: Any = None
        if recipe.recorders:
            recorded = self._in_brief(recipe.recorders, "o", recipe.folder) or partial(
                self._record, recipe.verb, recipe.above, recipe.after, recipe.recorders
            )
        return partial(
            walk.send, way.identity, way.otherwise, way.root.fd, way.root, way.devices, way.folder,
            recipe.before, recipe.done, recorded,
        )  # fmt: skip

    def _walk(self) -> Any:
        """That of this session, if there may be one."""
        if not self._is_plain():
            return None
        port = self._port
        return self._data_port().walks(self._fileno) if port is None or port.walk is None else port.walk

    def _is_plain(self) -> bool:
        """Whether nothing is to be done to the bytes or to their socket."""
        plain = self.socket.__class__ is socket.socket and self.session.translation is None
        return plain and tuning_of(self.generation, self.session.server).data is DEFAULT

    def account(self) -> None:
        """Let the session have what the walk has moved since the last time."""
        walk = None if self._port is None else self._port.walk
        if walk is not None:
            if self.ioloop.noted:
                self.ioloop.note()
            files, moved, files_taken, moved_in, said = walk.tell()
            session = self.session
            session.bytes_out += moved + said
            session.bytes_in += moved_in
            if files or moved:
                self.generation.emit(FILES_SENT, Sent(session, files, moved))
            if files_taken:
                self.generation.emit(FILES_RECEIVED, Sent(session, files_taken, moved_in))

    # -- logs ------------------------------------------------------------------------------------------

    def _recorders(self, command: Command, first: Phase) -> Chain:
        """Who has something to record of a command like this one, from that phase on."""

        def records(handler: Handler) -> bool:
            return handler.steady is None or handler.steady(command) != Steady.VERB

        after, asked = self.generation.table.plan(command.name).after, (first, Phase.LOG_CMD)
        return tuple(handler for phase, chain in after if phase in asked for handler in chain if records(handler))

    def _in_brief(self, recorders: Chain, direction: str, folder: bytes) -> Any:
        """What the walk puts on a list for them, to be told when there is time; None where one wants each command."""
        made = [None if handler.brief is None else handler.brief(self.session, direction) for handler in recorders]
        notes, files = [note for note in made if note is not None], self.session.files
        if not notes or files is None or len(notes) < len(made):
            return None
        above = files.real(Path(decode(folder).rstrip("/") or "/")).rstrip("/")
        return self.ioloop.noted, partial(_note, f"{above}/", notes)

    def _record(
        self, verb: str, above: str, told: str, recorders: Chain, name: bytes, size: int, port: int, seconds: float
    ) -> None:  # fmt: skip
        """Have a file that was sent recorded, as if its command had come by the whole road."""
        self.account()
        session = self.session
        command, plan = self.generation.command(session, verb, above + decode(name))
        self._tell_of(command, "o", size, port, seconds)
        command.ok(226, told)
        road = Road(command, plan)
        waits_for = road.follow(_in_turn(recorders))
        if waits_for is not None:
            self.worker.spawn(run_on(road, waits_for))

    def _tell_of(self, command: Command, direction: str, size: int, port: int, seconds: float) -> None:
        """Have the command hold what there is to know of its transfer."""
        path = Path(normalise(self.session.cwd, command.argument))
        done = command.transfer = Transfer(path.virtual, command.files.real(path), direction, ascii=False)
        done.moved = done.file_size = size
        done.port, done.seconds, done.status = port, seconds, "success"


def _note(above: str, notes: list[Note], files: Sequence[tuple[bytes, int, float]]) -> None:
    moved = [(above + decode(name), size, seconds) for name, size, seconds in files]
    for note in notes:
        try:
            note(moved)
        except Exception as error:
            # a log that fails stops no other
            log(Level.ERROR, "%d transfers could not be recorded: %r", len(moved), error, exc_info=error)


def _in_turn(handlers: Chain) -> Iterator[tuple[Phase, Chain]]:
    """Each in a chain of its own: one that ends its own does not end another's."""
    return iter([(Phase.LOG_CMD, (handler,)) for handler in handlers])
