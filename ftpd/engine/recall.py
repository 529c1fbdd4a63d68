"""Answers that are known before the line comes: given again, at the cost of a look, until a command may change them."""

from __future__ import annotations

import socket
from time import monotonic

from ftpd.core import trace
from ftpd.core.answers import Answers
from ftpd.dispatch.compile import Plan
from ftpd.engine.parting import Parting
from ftpd.module.command import Command

_LONGEST = 64
"""Bytes of a line that is remembered."""
_MOST = 16
"""Lines that are remembered in one session."""


class Recall(Parting):
    """What a line was answered, where its whole road says that the same line would be answered so again.

    The table holds something only while nothing else is under way: whatever may change an answer, or must come before
    it, empties the table first (:meth:`Channel._unsettle`).
    """

    def _remember(self, packet: bytes, command: Command, plan: Plan, answer: bytes) -> None:
        """The packet was one line, and this was its answer; its command has come to its end."""
        assert plan.steady is not None
        if (
            command.errors
            or len(packet) > _LONGEST
            or self._is_occupied()
            or trace.loud
            or not all(holds(command) for holds in plan.steady)
        ):
            self._unsettle()
            return
        answers = self._answers
        if answers is None:
            answers = self._answers = Answers()
        now = monotonic()
        if len(answers) >= _MOST or answers.until <= now:
            answers.clear()
        if plan.limited:
            until = command.gate.holds_until(self.session, answers)
            if until <= now:
                return
            answers.until = min(answers.until, until)
        answers[packet] = answer
        if self.socket.__class__ is socket.socket:
            self.ioloop.recall(self._fileno, answers)

    def _is_occupied(self) -> bool:
        """Whether there is something that the next line may have to wait for, or nothing will be answered any more."""
        return bool(self._out or self._over or self._peer_done)

    def answer_known(self, packet: bytes) -> bool:
        """Answer the packet if it is a line whose answer is known."""
        answers = self._answers
        if not answers or trace.loud:
            return False
        answer, now = answers.get(packet), monotonic()
        if answer is None or answers.until <= now:
            return False
        self.answered(len(packet), 0, now)
        self._write(answer)
        return True

    def answered(self, received: int, sent: int, when: float) -> None:
        """Known answers were given, the last one at ``when``: what every command leaves behind it, they leave too."""
        self.session.bytes_in += received
        self.session.bytes_out += sent
        for timer in self._idlers:
            timer.reset(when)
        if self.worker.presence is not None:
            self.worker.presence.does(self, None)

    def answered_in_part(self, packet: bytes, sent: int) -> None:
        """The socket took only so many bytes of a known answer."""
        assert self._answers is not None
        answer = self._answers[packet]
        self._unsettle()
        self.answered(len(packet), sent, monotonic())
        self._write_later(answer[sent:])
