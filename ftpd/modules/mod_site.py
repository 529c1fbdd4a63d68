"""mod_site -- SITE HELP, CHMOD and CHGRP, and the word on SITE commands that nobody knows."""

from __future__ import annotations

import errno
import os
import re
import stat

from ftpd.api import Class, Command, Group, Module, Outcome, Path, Refuse, Session
from ftpd.modules._display import default_admin

module = Module("mod_site", version="1.0")


# -- SITE and SITE HELP --------------------------------------------------------------------------------


@module.cmd("SITE", auth=False, classes=Class.MISC, usage="<sp> command [<sp> arguments]")
def site(cmd: Command) -> Outcome:
    """Only what no module answers as ``SITE NAME`` comes here."""
    if not cmd.words:
        raise Refuse(500, "'SITE' requires parameters")
    # with a second blank the name is empty, as in ProFTPD
    name = cmd.argument.partition(" ")[0]
    raise Refuse(500, f"'SITE {name.upper() if name.isascii() else name}' not understood")


@module.site("HELP", auth=False, usage="[<sp> site-command]", limit=(501, "HELP: Permission denied"))
def site_help(cmd: Command) -> Outcome:
    if cmd.words:
        verb = f"SITE {cmd.argument.partition(' ')[0].upper()}"
        known = {entry.verb: entry.usage for entry in cmd.session.modules.help(cmd.session)}
        if not verb.removeprefix("SITE ") or verb not in known:
            raise Refuse(502, f"Unknown command 'SITE HELP {cmd.argument}'")
        lines = [f"Syntax: {verb} {known[verb]}"]
    else:
        lines = _all_of_them(cmd.session)
    admin = cmd.session.setting("ServerAdmin", "") or default_admin(cmd.session)
    header = "The following SITE commands are recognized (* =>'s unimplemented)"
    return cmd.ok(214, header, *lines, f"Direct comments to {admin}")


def _all_of_them(session: Session) -> list[str]:
    """The other modules' commands with their arguments, those of the module loaded last first, and then our own."""
    told: dict[str, list[str]] = {}
    for entry in session.modules.help(session):
        name = entry.verb.removeprefix("SITE ")
        if name != entry.verb:
            own = entry.module == module.name
            told.setdefault(entry.module, []).append(name if own else f"{name} {entry.usage}".rstrip())
    ours = told.pop(module.name)
    return [*(line for lines in reversed(told.values()) for line in lines), *ours]


# -- SITE CHGRP ----------------------------------------------------------------------------------------


@module.site("CHGRP", group=Group.WRITE, usage="<sp> group <sp> pathname")
def change_group(cmd: Command) -> Outcome:
    name, given = _word_and_rest(cmd)
    gid = cmd.session.modules.accounts.name_gid(cmd.session, name)
    if gid is None and re.fullmatch(r"\d{1,10}", name, re.ASCII) and int(name) < 2**32 - 1:
        gid = int(name)
    invalid = f"{given}: {os.strerror(errno.EINVAL)}"
    path = _path(cmd, given, f"{given}: {os.strerror(errno.EACCES)}" if gid is not None else invalid)
    try:
        cmd.files.lstat(path)
        if gid is None:
            raise Refuse(550, invalid)
        cmd.files.chown(path, gid=gid)
    except OSError as error:
        raise Refuse(550, f"{given}: {os.strerror(error.errno or errno.EIO)}") from None
    return cmd.ok(200, "SITE CHGRP command successful")


# -- SITE CHMOD ----------------------------------------------------------------------------------------


@module.site("CHMOD", group=Group.WRITE, usage="<sp> mode <sp> pathname")
def change_mode(cmd: Command) -> Outcome:
    text, given = _word_and_rest(cmd)
    invalid = f"'{text}': invalid mode"
    # ProFTPD repeats the line of a CHMOD that <Limit> denies, and of a CHGRP the path alone
    denied = f"CHMOD {cmd.argument}: {os.strerror(errno.EACCES)}"
    path = _path(cmd, given, denied if new_mode(text, 0) is not None else invalid)
    try:
        before = cmd.files.stat(path).st_mode
    except OSError as error:
        raise Refuse(550, f"{given}: {os.strerror(error.errno or errno.EIO)}") from None
    mode = new_mode(text, before)
    if mode is None:
        raise Refuse(550, invalid)
    try:
        cmd.files.chmod(path, mode)
    except OSError as error:
        # the file system refuses setuid, setgid and sticky bits that were not there before
        raise Refuse(550, f"CHMOD {cmd.argument}: {os.strerror(error.errno or errno.EPERM)}") from None
    return cmd.ok(200, "SITE CHMOD command successful")


def _word_and_rest(cmd: Command) -> tuple[str, str]:
    """The first word and the path behind it, which may hold blanks; with a second blank before it the word is empty."""
    word, _, given = cmd.argument.partition(" ")
    given = given.lstrip(" ")
    if not given:
        told = f"{cmd.name} {cmd.argument}".rstrip()
        raise Refuse(500, f"'{told}' not understood", "SITE not understood")
    return word, given


def _path(cmd: Command, given: str, refusal: str) -> Path:
    """The path, or the refusal that ProFTPD has where <Limit> denies it: it looks at the word in front of it first."""
    return cmd.path(given, refusal=(550, refusal))


_OCTAL = re.compile(r"[0-7]{1,5}")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


def new_mode(text: str, before: int) -> int | None:
    """The permissions that an octal or symbolic mode (chmod(1)) makes of those before; None when it is none.

    >>> oct(new_mode("u+x,go=", 0o100644)), oct(new_mode("2755", 0o100644)), new_mode("u+q", 0)
    ('0o700', '0o2755', None)
    """
    if _OCTAL.fullmatch(text):
        return int(text, 8) & 0o7777
    mode = stat.S_IMODE(before)
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            return None
        who = "ugo" if not found[1] or "a" in found[1] else found[1]
        for action in _ACTION.finditer(found[2]):
            mode = _applied(mode, who, action[1], action[2], folder=stat.S_ISDIR(before))
    return mode


def _applied(mode: int, who: str, sign: str, what: str, *, folder: bool) -> int:
    if what in _SHIFT:
        bits = mode >> _SHIFT[what] & 7
    else:
        bits = sum(_BITS[letter] for letter in set(what) & set(_BITS))
        if "X" in what and (folder or mode & 0o111):
            bits |= 1
    chosen = special = 0
    for letter in set(who):
        chosen |= bits << _SHIFT[letter]
    if "s" in what:
        special |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    if "t" in what:
        special |= stat.S_ISVTX
    if sign == "+":
        return mode | chosen | special
    if sign == "-":
        return mode & ~(chosen | special)
    cleared = sum(7 << _SHIFT[letter] for letter in set(who))
    return mode & ~cleared | chosen | special
