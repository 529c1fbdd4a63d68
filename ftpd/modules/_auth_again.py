"""Coming again: who was let in before, and is still the same to all who were asked, needs only the right password.

What may be otherwise by now is asked anew each time: the hash, the files of the accounts, all limits and the folder.
Whoever cannot be sure of something before the password has been looked at leaves the login to the whole road.
"""

from __future__ import annotations

from functools import partial

from ftpd.api import AuthAnswer, Command, Session, Settings, ShortAnswer, pool_at, trace
from ftpd.modules import _auth_directives as d
from ftpd.modules import _auth_lists as lists
from ftpd.modules._auth_denied import Denied
from ftpd.modules._auth_entry import SettingsAt, announce, move_in, tell_apart
from ftpd.modules._auth_known import Regular, regular
from ftpd.modules._auth_login import Visitor, failed
from ftpd.modules._auth_place import enter
from ftpd.modules._auth_visit import Visit, visit_of

# bound once: Python 3.11 asks a function for each look at a member of an enumeration
_OK = AuthAnswer.OK


def come_again(
    session: Session, visit: Visit, one: Regular, settings_at: SettingsAt, password: str
) -> bool:  # fmt: skip
    """Let him in; False where nothing has been done yet and the whole road is to be taken. Raises what forbids it.

    Not to be asked where the folders of his home may keep us waiting.
    """
    assurance, visitor = one.assurance, one.visitor
    if assurance is None or trace.active or not password or "\0" in password or _is_too_long(password, one.longest):
        return False
    if not assurance.lasts() or (one.asks_lists and _is_objected_to(visitor)):
        return False
    answer = assurance.verify(password)
    if answer is None:
        return False
    visit.name = None
    if answer is not _OK:
        raise Denied(failed(session, visitor.target, answer))
    try:
        files, cwd = enter(session, one.plan, visitor, one.umask, show_links=one.show_links)
    except Denied as denied:
        if denied.final:
            tell_apart(session, visitor)
        raise
    move_in(session, visit, one, files, cwd, settings_at, password)
    announce(session, visitor)
    return True


def _is_too_long(password: str, most: int) -> bool:
    # no letter takes more than four bytes
    return 4 * len(password) > most and len(password.encode("utf-8", "surrogateescape")) > most


def _is_objected_to(visitor: Visitor) -> bool:
    """Whether the shell or the name may be refused: the whole road says so once the password has been looked at."""
    settings = visitor.target.settings
    if pool_at(lists.SHELLS, lists.FTPUSERS, kind=""):
        return True
    try:
        return bool(lists.objection(visitor.account, settings[d.require_valid_shell], settings[d.use_ftp_users]))
    except Denied:
        return True


def short_way(cmd: Command, folder: str) -> ShortAnswer | None:
    """What a password is answered before the login follows from what this one has found out."""
    session = cmd.session
    one = regular(session)
    if one is None or one.assurance is None or session.settings[d.display_login] is not None:
        return None
    return session.wire.admits(partial(_lets_in, one, session.settings, session.cwd, cmd.gate.settings_at))


def _lets_in(
    one: Regular, settings: Settings, cwd: str, settings_at: SettingsAt, session: Session, password: str
) -> bool:  # fmt: skip
    visit = session[visit_of]
    if visit.name is None:
        return False
    try:
        if not come_again(session, visit, one, settings_at, password):
            return False
    except Exception as error:
        visit.came = error
        return False
    if session.settings is settings and session.cwd == cwd:
        return True
    # what there is to say hangs on where he is now
    visit.came = one
    return False
