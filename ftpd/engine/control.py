"""The control channel: a client is let in, or turned away at the door; then its lines come, one layer down."""

from __future__ import annotations

from ftpd.core import trace
from ftpd.core.fault import is_cancelled
from ftpd.core.log import Level
from ftpd.core.reply import Refuse
from ftpd.dispatch.admission import welcome
from ftpd.engine.intake import Intake
from ftpd.engine.names import Names
from ftpd.engine.running import NOT_AVAILABLE
from ftpd.module.events import SESSION_OPEN


class ControlChannel(Intake):
    """One client from its greeting on; implements Wire."""

    def start(self, *, expected: bool = False) -> None:
        """Tell the modules; mod_core greets the client. ``expected``: nobody has to be asked who it is."""
        names, session = self.worker.names, self.session
        name = session.remote.host if names is None else names.known(session.remote.host)
        try:
            if name is not None:
                if expected and not trace.active:
                    session.remote_name = name
                else:
                    self._admit(name)
                if not self.generation.openings:
                    self._open()
                    return
        except Refuse as refusal:
            self._turn_away(refusal)
            return
        # what the client sends meanwhile waits, as it does behind a command
        self._task = self.worker.spawn(self._open_in_time(None if name is not None else names))

    def _admit(self, name: str) -> None:
        self.session.remote_name = name
        welcome(self.session, self.generation.config)

    async def _open_in_time(self, names: Names | None) -> None:
        """For what must be asked of somebody first, by us or by modules: that has its time before the greeting."""
        try:
            if names is not None:
                self._admit(await names.of(self.session.remote.host))
            for opening in self.generation.openings:
                await opening(self.session)
            if not self._ended and not self._closed:
                self._open()
        except Refuse as refusal:
            self._turn_away(refusal)
        except BaseException as error:
            if is_cancelled(error) and self._over:
                raise
            self.session.log_exception(error)
            self._turn_away(Refuse(*NOT_AVAILABLE))
        finally:
            self._waited()

    def _open(self) -> None:
        session = self.session
        if not self.generation.emit(SESSION_OPEN, session):
            raise Refuse(*NOT_AVAILABLE)
        self._opened = True
        session.log(Level.INFO, "FTP session opened.")
        if self._task is None:
            self._expect_name()
