"""Answers that are known before the line comes: given again, at the cost of a look, until a command may change them."""

from __future__ import annotations

import re
import socket
from functools import partial
from math import inf
from time import monotonic
from typing import NamedTuple

from ftpd.conf.directive import Settings
from ftpd.core import trace
from ftpd.core.answers import Answers, ShortAnswer
from ftpd.core.log import Level
from ftpd.core.paths import decode, normalise, split
from ftpd.core.vocab import Steady
from ftpd.dispatch.compile import Plan
from ftpd.engine.common import Common, Found, Inherited, Recipe, common_of, kin_of
from ftpd.engine.entrance import Entrance
from ftpd.engine.strangers import Named, Naming, Strangers, strangers_of
from ftpd.module.command import Command
from ftpd.module.handler import Shortcut

_LONGEST = 64
"""Bytes of a line that is remembered."""
_MOST = 16
"""Lines that are remembered in one session."""


_ONE_NAME = re.compile(rb"([^ \r\n\0\xff]+ )([^ \r\n\0\xff][^\r\n\0\xff]*)\r\n", re.DOTALL)
"""A verb with its blank and a name; line ends and NULs inside and telnet are looked at more closely."""


def _key_of(packet: bytes) -> bytes:
    """What stands for the verb and the folder of a name; nothing where it is no such line."""
    line = _ONE_NAME.fullmatch(packet)
    if line is None:
        return b""
    folder, slash, name = line[2].rpartition(b"/")
    return line[1] + folder + slash if name else b""


def _answer_shortly(answers: Answers, packet: bytes) -> bytes | None:
    """What the verb's function, if there is one, has to say of the name."""
    line = _ONE_NAME.fullmatch(packet)
    if line is None:
        return None
    folder, slash, name = line[2].rpartition(b"/")
    function = answers.get(line[1] + folder + slash)
    return _asked(function, name) if name and callable(function) else None


def _asked(function: ShortAnswer, argument: bytes) -> bytes | None:
    try:
        return function(argument)
    except Exception:
        # who takes the whole road will be told
        return None


class Before(NamedTuple):
    """Where a session stood."""

    common: Common
    cwd: str
    settings: Settings


class Recall(Entrance):
    """What a line was answered, where its whole road says that the same line would be answered so again.

    The table holds something only while nothing else is under way: whatever may change an answer, or must come before
    it, empties the table first (:meth:`Channel.unsettle`).
    """

    def _remember(self, packet: bytes, command: Command, plan: Plan, answer: bytes) -> None:
        """The packet was one line, and this was its answer; its command has come to its end."""
        try:
            if not self._may_recall(command, plan):
                self.unsettle()
                return
            if self._answers is None:
                self._answers = Answers()
            elif len(self._answers) >= _MOST or self._answers.until <= monotonic():
                self._answers.clear()
            if plan.shortcut is not None:
                self._keep_function(self._answers, packet, command, plan, plan.shortcut)
            elif len(packet) <= _LONGEST:
                self._keep(self._answers, packet, answer, self._holds_until(self._answers, command, plan))
                if (common := self._shared_by(plan)) is not None and plan.alike is not None:
                    common.keep(packet, Found(answer, plan.alike), self._holds_until(common, command, plan))
        except Exception as error:
            self.unsettle()
            self.session.log(Level.ERROR, "what is known of %s cannot be told: %r", command.shown, error)
            self.session.log_exception(error)

    def _set_answers_aside(self) -> None:
        """While a transfer runs nothing is answered that it would not leave as it is, and nothing else either."""
        self._set_aside, self._answers = self._answers, None
        self.ioloop.forget(self._fileno)

    def _bring_answers_back(self) -> None:
        answers, self._set_aside = self._set_aside, None
        if answers and self._answers is None and not self._over:
            self._answers = answers
            self.ioloop.recall(self._fileno, answers)

    def _may_recall(self, command: Command, plan: Plan) -> bool:
        occupied = self._out or self._over or self._peer_done
        return not (occupied or command.errors or trace.loud) and all(holds(command) for holds in plan.steady or ())

    def _keep_function(
        self, answers: Answers, packet: bytes, command: Command, plan: Plan, shortcut: Shortcut
    ) -> None:  # fmt: skip
        """What answers the verb for names in this folder, if nobody has anything to say of others than this one.

        Where it has no argument, that is what answers this line.
        """
        verb, blank, argument = packet.rstrip(b"\r\n").partition(b" ")
        given, slash, last = argument.rpartition(b"/")
        key = verb + blank + given + slash if blank else packet
        if key in answers or self.session.translation is not None:
            return
        if blank and not all(holds(command) == Steady.VERB for holds in plan.steady or ()):
            return
        folder, name = split(normalise(self.session.cwd, command.argument))
        if blank and (not name or name != decode(last) or given[:1] == b"~"):
            # what ends with dots or a slash is no name in a folder, and a ~ may be another one the next time
            return
        self._recipe = None
        function, made = shortcut(command, folder), self._recipe
        self._recipe = None
        if function is None:
            return
        names = command.gate.names_pass_until

        def until(known: Answers) -> float:
            return names(self.session, known, folder) if blank else self._holds_until(known, command, plan)

        self._keep(answers, key, function, until(answers))
        if made is not None and made[0] is function and (common := self._shared_by(plan)) is not None:
            assert plan.alike is not None
            common.keep(key, Found(made[1], plan.alike), until(common))

    def _shared_by(self, plan: Plan) -> Common | None:
        """Where others find what is known here, if it is the same for all who stand alike."""
        if plan.alike is None or not all(alike(self.session) for alike in plan.alike):
            return None
        return self._commonly_known()

    def _commonly_known(self) -> Common | None:
        if self._common is None:
            if self._kin is None or not self._kin.has(self.session):
                self._kin = kin_of(self.generation, self.session)
            if self._kin is not None:
                self._common = common_of(self._kin, self.session)
        return self._common

    def answer_commonly(self, packet: bytes) -> bool:
        """Answer the packet by what others who stand alike have found out; from then on it is known here as well.

        Only a line that came alone is asked for so, while nothing is under way.
        """
        if trace.loud or self._out or self._over or self._peer_done or self._receives:
            return False
        if packet.partition(b" ")[0].rstrip(b"\r\n") not in self.generation.table.alike:
            return False
        common = self._commonly_known()
        if not common or common.until <= monotonic() or (packet not in common and _key_of(packet) not in common):
            return False
        self._inherit(common)
        return self.answer_known(packet)

    def _inherit(self, common: Common) -> None:
        """Know all of it: who opens a port fetches or sends next."""
        if self._answers is None:
            self._answers = Answers()
        elif self._answers.until <= monotonic():
            self._answers.clear()
        answers, session, mine = self._answers, self.session, self._mine
        if mine is None or mine.common is not common:
            mine = self._mine = Inherited(common)
        made = mine.made
        for key, found in common.found():
            if key in answers:
                continue
            for alike in found.alike:
                if not alike(session):
                    break
            else:
                answer: bytes | ShortAnswer | None
                if isinstance(found.answer, bytes):
                    answer = found.answer
                else:
                    before = made.get(key)
                    if before is None or before[0] is not found:
                        before = made[key] = found, self._made_by(found.answer)
                    answer = before[1]
                if answer is not None:
                    answers[key] = answer
        if common.until < answers.until:
            answers.until = common.until
        common.inherited_by(answers)
        if self.socket.__class__ is socket.socket:
            self.ioloop.recall(self._fileno, answers)

    def _inherit_again(self) -> None:
        """A command is done that may have changed anything: what is known where the session stands now."""
        if trace.loud or self._out or self._over or self._peer_done or self._receives or self._task is not None:
            return
        common = self._commonly_known()
        if common and common.until > monotonic():
            self._inherit(common)

    def _place_before(self, plan: Plan, packet: bytes) -> Before | None:
        """Where the session stands whose command is to lead it elsewhere."""
        if plan.leads is None or not packet:
            return None
        common, self._common = self._commonly_known(), None
        return None if common is None else Before(common, self.session.cwd, self.session.settings)

    def _remember_lead(self, packet: bytes, command: Command, plan: Plan, before: Before) -> None:
        """The command has led from one place to another: so it does with all that stand where this session stood."""
        occupied = self._out or self._over or self._peer_done
        if command.errors or occupied or trace.loud or plan.leads is None:
            return
        if plan.leads_by is Steady.LINE and self.session.settings is not before.settings:
            return
        alike = plan.alike
        if alike is None or not all(one(self.session) for one in alike):
            return
        if not all(holds(command) == Steady.VERB for holds in plan.steady_around):
            return
        verb, blank, argument = packet.rstrip(b"\r\n").partition(b" ")
        given, slash, last = argument.rpartition(b"/")
        if argument[:1] == b"~":
            return
        folder, name = split(normalise(before.cwd, command.argument))
        common, key = before.common, verb + blank + given + slash
        self._recipe = None
        made, told = plan.leads(command, folder), None
        if made is not None and self._recipe is not None and self._recipe[0] is made:
            told = self._recipe[1]
        self._recipe = None
        if told is None or not blank:
            return
        if plan.leads_by is Steady.LINE:
            if len(packet) <= _LONGEST:
                common.keep(packet, Found(told, alike), self._holds_until(common, command, plan))
        elif name and name == decode(last):
            until = command.gate.names_lead_until(self.session, common, folder)
            common.keep(key, Found(told, alike), until)

    def _made_by(self, recipe: Recipe) -> ShortAnswer | None:
        raise NotImplementedError

    # -- names that are said first -----------------------------------------------------------------------

    def _expect_name(self) -> None:
        """The client has been greeted: what others have been answered who came alike and said their name first."""
        if trace.loud or self._pace is not None or self._meter is not None or self._ending is not None or self._closed:
            return
        if self.socket.__class__ is not socket.socket:
            return
        strangers = self._strangers = strangers_of(self.generation, self.session)
        if strangers is not None and strangers.names:
            answers = self._answers = Answers()
            answers[strangers.verb] = partial(self._named, strangers)
            self.ioloop.recall(self._fileno, answers)

    def _named(self, strangers: Strangers, name: bytes) -> bytes | None:
        named = strangers.known(name, self.session)
        if named is None:
            return None
        self._strangers = None
        self.unsettle()
        named.naming(self.session)
        self._expect_proof(strangers, name, named)
        return named.said

    def names(self, naming: Naming) -> ShortAnswer | None:
        def answer(nothing: bytes) -> None:
            return None

        self._naming = answer, naming
        return answer

    def _remember_name(self, packet: bytes, command: Command, plan: Plan, answer: bytes) -> None:
        """It was the first that this client has said: others who come alike and say it are answered so."""
        strangers, self._strangers = self._strangers, None
        verb, blank, name = packet[:-2].partition(b" ")
        if strangers is None or self.session.bytes_in != len(packet) or plan.leads is None or plan.alike is None:
            return
        if command.errors or self._out or self._over or self._peer_done or trace.loud:
            return
        if not _ONE_NAME.fullmatch(packet) or b"/" in name:
            return
        if not all(holds(command) == Steady.VERB for holds in plan.steady_around):
            return
        self._naming = None
        made, naming = plan.leads(command, "/"), self._naming
        self._naming = None
        if made is not None and naming is not None and naming[0] is made:
            until = command.gate.holds_until(self.session, Answers()) if plan.limited else inf
            strangers.keep(verb + blank, name, Named(answer, naming[1], plan.alike, until))
            self._entrance = strangers, name

    def _holds_until(self, answers: Answers, command: Command, plan: Plan) -> float:
        """Until when the verb is allowed, as far as no path is named."""
        return command.gate.holds_until(self.session, answers) if plan.limited else inf

    def _keep(self, answers: Answers, key: bytes, answer: bytes | ShortAnswer, until: float) -> None:
        if until > monotonic():
            answers[key] = answer
            answers.until = min(answers.until, until)
            if self.socket.__class__ is socket.socket:
                self.ioloop.recall(self._fileno, answers)

    def answer_known(self, packet: bytes) -> bool:
        """Answer the packet if it is a line whose answer is known."""
        answers, now = self._answers, monotonic()
        if not answers or trace.loud or answers.until <= now:
            return False
        answer = answers.get(packet) or _answer_shortly(answers, packet)
        if callable(answer):
            answer = _asked(answer, b"")
        if not isinstance(answer, bytes):
            return False
        self.answered(len(packet), 0, now)
        if answer:
            self._write(answer)
        return True

    def answered(self, received: int, sent: int, when: float) -> None:
        """Known answers were given, the last one at ``when``: what every command leaves behind it, they leave too."""
        self.session.bytes_in += received
        self.session.bytes_out += sent
        if self._port is not None:
            self.account()
        for timer in self._idlers:
            timer.reset(when)
        if self.worker.presence is not None:
            self.worker.presence.does(self, None)

    def answered_in_part(self, packet: bytes, answer: bytes, sent: int) -> None:
        """The socket took only so many bytes of a known answer."""
        self.answered(len(packet), len(answer), monotonic())
        self._write_later(answer[sent:])
