"""Who has said its name proves it: let in as others were who came alike and said the same, if the proof holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ftpd.core import trace
from ftpd.core.answers import Answers, ShortAnswer
from ftpd.core.mounts import mounts
from ftpd.core.paths import decode
from ftpd.core.vocab import Steady
from ftpd.dispatch.compile import Plan
from ftpd.engine.parting import Parting
from ftpd.engine.strangers import Named, Proved, Strangers
from ftpd.module.command import Command
from ftpd.module.session import Session


class Entrance(Parting):
    """What a client says that has said its name and nothing else: mostly its password."""

    def _expect_proof(self, strangers: Strangers, name: bytes, named: Named) -> None:
        """The name was answered as that of others; nothing is kept for answers that may never be."""
        self._entrance = strangers, name
        if named.proved is None:
            self._answers = None
            self.ioloop.forget(self._fileno)
            return
        answers = self._answers
        if answers is None:
            answers = self._answers = Answers()
        answers[named.proved.verb] = partial(self._admitted, named.proved)
        answers.until = named.until
        self.ioloop.recall(self._fileno, answers)

    def _admitted(self, proved: Proved, argument: bytes) -> bytes | None:
        """Let the client in if the proof holds; None where the command's road is to be walked."""
        session = self.session
        self._answers = self._common = None
        self.ioloop.forget(self._fileno)
        if trace.loud or self._out or self._closed or self._ending is not None or self._peer_done or mounts().far:
            return None
        if proved.alike and not all(alike(session) for alike in proved.alike):
            return None
        # who ends the session meanwhile waits for the reply
        self._running = True
        try:
            if not proved.again(session, decode(argument)):
                return None
        finally:
            self._running = False
        self._entrance = None
        if not self._out and self._ending is None:
            return proved.said
        self._write(proved.said)
        if self._ending is not None:
            self.worker.soon(self._hang_up)
        return b""

    def admits(self, again: Callable[[Session, str], bool]) -> ShortAnswer | None:
        def answer(nothing: bytes) -> None:
            return None

        self._admission = answer, again
        return answer

    def _remember_proof(self, packet: bytes, command: Command, plan: Plan, answer: bytes) -> None:
        """The client has said something behind its name: others who come alike and say the same may be let in so."""
        assert self._entrance is not None
        (strangers, name), self._entrance = self._entrance, None
        named, session = strangers.names.get(name), self.session
        if named is None or session.user is None or plan.leads is None or plan.alike is None:
            return
        if session.bytes_in != len(strangers.verb) + len(name) + 2 + len(packet):
            return
        if session.recode is not None or session.translation is not None:
            return
        if command.errors or self._out or self._over or self._peer_done or trace.loud:
            return
        if not all(holds(command) == Steady.VERB for holds in plan.steady_around):
            return
        self._admission = None
        made, admission = plan.leads(command, "/"), self._admission
        self._admission = None
        if made is not None and admission is not None and admission[0] is made:
            verb, blank, _ = packet.partition(b" ")
            strangers.names[name] = named._replace(proved=Proved(verb + blank, admission[1], answer, plan.alike))
