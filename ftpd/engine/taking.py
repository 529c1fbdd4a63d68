"""Uploads that are decided like the one before: the walk receives them, and hands over whatever is no small thing."""

from __future__ import annotations

import stat
from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from ftpd import native
from ftpd.conf.directive import Settings
from ftpd.core.answers import ShortAnswer
from ftpd.core.paths import decode, encode
from ftpd.core.reply import Reply, on_one_line
from ftpd.core.vocab import Phase
from ftpd.dispatch.compile import Chain
from ftpd.dispatch.phases import Road, run_on
from ftpd.engine.common import Recipe
from ftpd.engine.running import Running
from ftpd.engine.uploads import Begun, Upload
from ftpd.module.command import Command
from ftpd.module.files import Path, Way

_WHOLE, _ELSEWHERE = 1, 2
"""What the walk says of an upload: that it has come, and that the whole road is to go on."""


Guard = Callable[[Command, str], bool]


class Receiving(NamedTuple):
    """What there is to know of uploads into a folder."""

    begun: Begun
    folder: bytes
    before: bytes
    done: bytes
    mode: int
    replaces: bool
    guard: Guard | None
    noted: tuple[bytes, ...]
    recorders: Chain


class Taking(Running):
    """While an upload is received so, no command runs; whoever asks for one, or does anything else, has it begin.

    Then it finds the open file and the connection with what has come so far, and all goes on as ever.
    """

    def takes(
        self, command: Command, way: Way, before: str, after: str, *, mode: int, replaces: bool,
        guard: Guard | None, noted: tuple[str, ...], came: Callable[[Command, bool], None],
    ) -> ShortAnswer | None:  # fmt: skip
        above = command.argument[: command.argument.rfind("/") + 1]
        recipe = Receiving(
            Begun(command.name, above, after, came), way.folder,
            b"150 " + on_one_line(before + above), f"226 {after}\r\n".encode(), mode, replaces, guard,
            tuple(map(encode, noted)), self._recorders(command, Phase.POST_CMD),
        )  # fmt: skip
        return self._made(self._receiving(recipe, way), partial(type(self)._receiving, recipe=recipe))

    def _receiving(self, recipe: Receiving, way: Way | None = None) -> ShortAnswer | None:
        walk, files, begun = self._walk(), self.session.files, recipe.begun
        if way is None and files is not None:
            way = files.way_within(recipe.folder)
        if walk is None or way is None:
            return None
        guard = None
        if recipe.guard is not None:
            command, _ = self.generation.command(self.session, begun.verb, "")
            guard = partial(_asked, recipe.guard, command)
        recorded: Any = None
        if recipe.recorders:
            recorded = self._in_brief(recipe.recorders, "i", recipe.folder) or partial(self._recorded, begun)
        return partial(
            walk.take, way.identity, way.otherwise, way.root.fd, way.root, way.devices, way.folder,
            recipe.before, recipe.done, recipe.mode, recipe.replaces, recipe.noted, guard, partial(self._begins, begun),
            self.worker.uploads.front, recorded,
        )  # fmt: skip

    def enters(self, verb: str, folder: str, reply: Reply, simply: Callable[[Settings], bool]) -> ShortAnswer | None:
        at = folder.rstrip("/")
        made = partial(_entering, verb, at, encode(f"{at}/"), reply.encode(), simply)
        return self._made(made(self), made)

    def _enter(
        self, verb: str, folder: str, way: Way | None, said: bytes, simply: Callable[[Settings], bool], name: bytes
    ) -> bytes | None:
        """Be in that folder, unless it takes more to find out whether that may be."""
        be_oneself()
        session, gate = self.session, self.generation.gate
        if name in (b".", b".."):
            return None
        files, virtual = session.files, f"{folder}/{decode(name)}"
        if files is None or gate.bare_until(session, virtual) <= monotonic():
            return None
        settings = gate.entered(session, verb, virtual)
        if settings is None or not (simply(session.settings) and simply(settings)):
            return None
        if way is None:
            opened = files.open_at_once(Path(virtual), "enter")
            if opened is None or not opened.searchable or not stat.S_ISDIR(opened.attributes.st_mode):
                return None
        elif not native.calls.searchable(way.identity, way.otherwise, way.root.fd, way.folder, name):
            return None
        session.cwd, session.settings = virtual, settings
        self.unsettle()
        self._inherit_again()
        return said

    def turns(self, data_type: str, reply: Reply) -> ShortAnswer | None:
        made = partial(self._turn, data_type, reply.encode())
        return self._made(made, partial(_turning, data_type, reply.encode()))

    def _turn(self, data_type: str, said: bytes, nothing: bytes) -> bytes:
        be_oneself()
        self.session.data_type = data_type
        self.unsettle()
        self._inherit_again()
        return said

    def _made_by(self, recipe: Recipe) -> ShortAnswer | None:
        return recipe(self)

    def begun_file(self) -> tuple[int, bool] | None:
        return None if self._port is None else self._port.begun_file()

    # -- uploads under way -----------------------------------------------------------------------------

    def _begins(self, begun: Begun, descriptor: int, name: bytes) -> None:
        """The client has been told to send; nothing else is known until all has come."""
        self._upload = Upload(self, descriptor, begun, begun.above + decode(name))
        self.worker.uploads.add(self._upload)
        self.ioloop.forget(self._fileno)

    def receive_more(self) -> None:
        """Something has come."""
        upload = self._upload
        assert upload is not None and self._port is not None
        how = self._port.walk.more()
        if how == _WHOLE:
            self._upload = None
            self.worker.uploads.ended(upload)
            moved, port, made = self._port.walk.taken()
            self._received(upload.begun, upload.argument, moved, port, made, perf_counter() - upload.began)
        elif how == _ELSEWHERE:
            self._overtake()

    def _overtake(self) -> None:
        if self._upload is None and self._port is not None:
            self._port.walk.take_back()
        upload, self._upload = self._upload, None
        assert upload is not None
        self.worker.uploads.given_up(upload)
        self._take(encode(f"{upload.begun.verb} {upload.argument}"))

    def _recorded(self, begun: Begun, name: bytes, moved: int, port: int, made: bool, seconds: float) -> None:
        """The same of one that the front has received."""
        try:
            self._received(begun, begun.above + decode(name), moved, port, made, seconds)
        except Exception:
            self.handle_error()

    def _received(self, begun: Begun, argument: str, moved: int, port: int, made: bool, seconds: float) -> None:
        """All has come: what follows an upload follows, and its reply."""
        self.account()
        session = self.session
        command, plan = self.generation.command(session, begun.verb, argument)
        session.bytes_in += moved
        self._tell_of(command, "i", moved, port, seconds)
        begun.came(command, made)
        command.ok(226, begun.told)
        road = Road(command, plan)
        waits_for = road.follow(iter(plan.after))
        if waits_for is not None:
            self._set_answers_aside()
            self._task = self.worker.spawn(self._wait_aside(command, run_on(road, waits_for)))
            return
        self._answer(command)
        if self._answers and not self._receives:
            self.ioloop.recall(self._fileno, self._answers)

    async def _wait_aside(self, command: Command, rest: Coroutine[Any, Any, None]) -> None:
        """For those who record the upload; then what was known is known again."""
        await self._wait(command, rest)
        self._bring_answers_back()


def be_oneself() -> None:
    """Whoever looked at a file before us may have left the thread as its user."""
    if native.calls is not None:
        native.calls.settle()


def _entering(
    verb: str, folder: str, within: bytes, said: bytes, simply: Callable[[Settings], bool], channel: Taking
) -> ShortAnswer:
    files = channel.session.files
    return partial(channel._enter, verb, folder, None if files is None else files.way_within(within), said, simply)


def _turning(data_type: str, said: bytes, channel: Taking) -> ShortAnswer:
    return partial(channel._turn, data_type, said)


def _asked(guard: Guard, command: Command, name: bytes) -> bool:
    return guard(command, decode(name))
