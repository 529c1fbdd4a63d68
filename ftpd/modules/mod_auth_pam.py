"""mod_auth_pam -- passwords checked by PAM, with its account and session phases, off the loop."""

from __future__ import annotations

import asyncio
import os

from ftpd.api import (
    GLOBAL,
    SERVER,
    SESSION_CLOSE,
    VHOST,
    Account,
    AuthAnswer,
    AuthBackend,
    Directive,
    Level,
    Module,
    Session,
    names_module,
    privileged,
    trace,
    types,
)
from ftpd.modules._pam_conversation import Conversation, Stage, available
from ftpd.modules.mod_auth_unix import AuthUnix

module = Module("mod_auth_pam", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST

enabled = module.directive(
    "AuthPAM", types.boolean, default=True, contexts=_SERVERS,
    usage="on|off", doc="Whether PAM is asked for passwords.",
)  # fmt: skip
service = module.directive(
    "AuthPAMConfig", types.string, default="ftp", contexts=_SERVERS,
    usage="service", doc="The service, which is a file in /etc/pam.d.",
)  # fmt: skip
options: Directive[frozenset[str]] = module.directive(
    "AuthPAMOptions", types.flags("NoTTY", "NoInfoMsgs", "NoRadioMsgs"), default=frozenset(), contexts=_SERVERS,
    usage="NoTTY|NoInfoMsgs|NoRadioMsgs ...", doc="NoTTY: PAM is told no terminal. The others are always so.",
)  # fmt: skip


class Visit:
    """The PAM transaction of a session that logged in with it."""

    __slots__ = ("conversation",)

    def __init__(self) -> None:
        self.conversation: Conversation | None = None


_visit = module.session_state(Visit)


class AuthPam(AuthBackend):
    """Passwords only: who there is, the other backends know."""

    checks_first = True

    def takes_part(self, session: Session) -> bool:
        return session.server.settings[enabled]

    async def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        settings = session.server.settings
        if not self.takes_part(session):
            return None
        order: tuple[str, ...] = session.setting("AuthOrder", ()) or ()
        named = [entry for entry in order if names_module(entry, module.name)]
        # without AuthOrder it is for the system's own users: each wrong password of another would cost PAM's delay
        if not named and not (available() and privileged() and isinstance(account.source, AuthUnix)):
            return None
        if not available():
            # who names PAM counts on what its account phase refuses
            session.log(
                Level.ERROR, "AuthOrder names mod_auth_pam.c, and python-pam is missing: pip install ftpd[auth-pam]"
            )
            return AuthAnswer.ERROR
        tty = None if "NoTTY" in settings[options] else f"/dev/ftpd{os.getpid()}"
        conversation = Conversation(settings[service], host=session.remote.host, tty=tty)
        answer, reason = await session.offload(lambda: conversation.log_in(account.name, password), "pam")
        if trace.active:
            trace.say("auth.pam", 7, "%s, user '%s': %s", settings[service], account.name, reason, peer=session.peer)
        if answer is AuthAnswer.OK:
            visit = session[_visit]
            if visit.conversation is not None:
                await _close(session, visit.conversation)
            visit.conversation = conversation
            return answer
        if conversation.stage is not Stage.PASSWORD:
            # a wrong password is told of with the login; what else PAM has against it stands in a line of its own
            session.log(Level.NOTICE, "mod_auth_pam/1.2: PAM(%s): %s", account.name, reason)
        final = any(entry.endswith("*") for entry in named)
        return answer if final or conversation.bars else None


async def _close(session: Session, conversation: Conversation) -> None:
    await session.offload(conversation.log_out, "pam")


module.auth(AuthPam())


@module.on(SESSION_CLOSE)
def close_session(session: Session) -> None:
    if _visit in session and (visit := session[_visit]).conversation is not None:
        conversation, visit.conversation = visit.conversation, None
        _closing.add(task := asyncio.ensure_future(_close(session, conversation)))
        task.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()
"""Kept until they are done: the loop itself holds its tasks only weakly."""
