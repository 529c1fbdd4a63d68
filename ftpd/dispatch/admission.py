"""Who may come in, and which of its commands may reach a handler: login and arity and <Limit>."""

from __future__ import annotations

from ftpd.conf import resolve
from ftpd.conf.tree import Config, Scope
from ftpd.core import trace
from ftpd.core.log import Level
from ftpd.core.reply import Refuse
from ftpd.core.whitespace import words_in
from ftpd.dispatch.access import who
from ftpd.module.command import Command
from ftpd.module.handler import Handler
from ftpd.module.session import Session


def limits_login(server: Scope) -> bool:
    """Whether a <Limit LOGIN> stands anywhere in the server: mostly there is none, and nobody to be asked about."""
    return server.places is None or "LOGIN" in server.places.limits


def welcomes_all(server: Scope, classes: Config) -> bool:
    """Whether :func:`welcome` has nothing to find out and nobody to ask at that server, whoever comes."""
    return not classes.classes and not limits_login(server)


def welcome(session: Session, classes: Config) -> None:
    """A client connects: find its class, and ask <Limit LOGIN>; Refuse without words closes silently."""
    if classes.classes:
        session.class_name = resolve.class_of(classes, who(session))
    if trace.active:
        trace.say("class", 2, "the client is of class '%s'", session.class_name or "(none)", peer=session.peer)
    readmit(session)


def readmit(session: Session) -> None:
    """<Limit LOGIN> of the server that the client has come to, or moved to by HOST, must let it in."""
    if limits_login(session.server) and not resolve.connect_allowed(session.server, who(session)).allowed:
        session.log(Level.NOTICE, "Connection from %s [%s] denied", session.remote_name, session.remote.host)
        raise Refuse(530)


def admit(command: Command, handler: Handler) -> None:
    """Refuse a command that may not reach this handler: 530 before login, 501 for its arity, or by <Limit>."""
    session = command.session
    if handler.auth and session.user is None:
        raise Refuse(530, "Please login with USER and PASS")
    fewest, most = handler.arity
    if fewest or most is not None:
        words = len(words_in(command.argument))
        if words < fewest or (most is not None and words > most):
            raise Refuse(501, "Invalid number of parameters")
    if handler.limit is not None and not command.gate.allows(command):
        raise Refuse(*handler.limit)
