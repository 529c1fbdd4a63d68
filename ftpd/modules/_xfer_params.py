"""What a client says of the transfers to come: TYPE, STRU, MODE, REST, RANG, ALLO, and ABOR to take it back."""

from __future__ import annotations

import os
import re
from dataclasses import field

from ftpd.api import (
    SESSION_OPEN,
    SESSION_REINIT,
    Class,
    Command,
    Group,
    Outcome,
    Path,
    Refuse,
    Reply,
    Session,
    ShortAnswer,
    Steady,
    dataclass,
)
from ftpd.modules._transfer import plural, tell_of_end
from ftpd.modules._xfer_config import allow_retrieve_restart, allow_store_restart, default_mode, module, option

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a file that REST or RANG asked for: from ``offset``, ``count`` bytes or to the end."""

    offset: int = 0
    count: int | None = None
    whole: bool = field(init=False)
    """It is all of the file."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole", self.offset == 0 and self.count is None)

    @property
    def verb(self) -> str:
        return "REST" if self.count is None else "RANG"


WHOLE = Part()


@dataclass(slots=True)
class _Range:
    count: int | None = None


_range = module.session_state(_Range)


def take_part(session: Session) -> Part:
    """What was asked for, once: a transfer that fails uses it up too, so that no later one starts in the middle."""
    asked = session[_range]
    if not session.restart and asked.count is None:
        return WHOLE
    part = Part(session.restart, asked.count)
    forget_part(session)
    return part


def forget_part(session: Session) -> None:
    session.restart = 0
    session[_range].count = None


def nothing_is_asked(session: Session) -> bool:
    """Whether the next transfer is one of a whole file, as far as RANG has a say."""
    return _range not in session or session[_range].count is None


@module.post_err("RETR", "STOR", "APPE", "STOU")
def transfer_refused(cmd: Command) -> None:
    # refused before its own handler ran, by <Limit> or another module
    forget_part(cmd.session)


def number(text: str) -> int | None:
    """A byte count as RFC 3659 writes it; None for anything else, signs and other scripts' digits included."""
    if not _NUMBER.fullmatch(text):
        return None
    value = int(text)
    return value if value <= _LARGEST else None


def not_understood(cmd: Command, code: int = 500) -> Refuse:
    """ProFTPD's answer to a wrong number of words: the whole line, quoted."""
    return Refuse(code, f"'{cmd.shown}' not understood")


# -- TYPE, STRU, MODE --------------------------------------------------------------------------------


@module.on(SESSION_OPEN)
@module.on(SESSION_REINIT)
def first_type(session: Session) -> None:
    session.data_type = "I" if session.settings[default_mode] == "binary" else "A"


_TYPES = {"A": "A", "A N": "A", "I": "I", "L 7": "A", "L7": "A", "L 8": "I", "L8": "I"}
"""What TYPE takes, and whether that is text (A) or what it is (I); RFC 959 3.1.1."""


def _turns(cmd: Command, folder: str) -> ShortAnswer | None:
    return cmd.session.wire.turns(cmd.session.data_type, Reply(200, (f"Type set to {cmd.words[0]}",)))


@module.cmd(
    "TYPE", classes=Class.MISC, auth=False, usage="<sp> type-code (A, I, L 7, L 8)", leads=_turns,
    leads_by=Steady.LINE, alike=True,
)  # fmt: skip
def set_type(cmd: Command) -> Outcome:
    if not 1 <= len(cmd.words) <= 2:
        raise not_understood(cmd)
    # "L8" without the blank is what some embedded clients send
    found = _TYPES.get(" ".join(cmd.words).upper())
    if found is None:
        # the second word is at fault where the first is a type that takes none such
        known = cmd.words[0].upper() in _TYPES and len(cmd.words) > 1
        return cmd.fail(504, f"TYPE not implemented for '{cmd.words[known]}' parameter")
    cmd.session.data_type = found
    return cmd.ok(200, f"Type set to {cmd.words[0]}")


def translates(session: Session) -> bool:
    """Whether line ends are translated now."""
    return session.data_type == "A" and not option(session, "IgnoreASCII")


def _one_letter(cmd: Command) -> str:
    if len(cmd.words) != 1:
        raise not_understood(cmd, 501)
    return cmd.words[0][0].upper()


@module.cmd("STRU", classes=Class.MISC, usage="is not implemented (always F)")
def set_structure(cmd: Command) -> Outcome:
    letter = _one_letter(cmd)
    if letter == "F":
        return cmd.ok(200, "Structure set to F")
    if letter in "RP":
        return cmd.fail(504, f"'{cmd.shown}' unsupported structure type")
    return cmd.fail(501, f"'{cmd.shown}' unrecognized structure type")


@module.cmd("MODE", classes=Class.MISC, usage="is not implemented (always S)")
def set_mode(cmd: Command) -> Outcome:
    letter = _one_letter(cmd)
    if letter == "S":
        return cmd.ok(200, "Mode set to S")
    if letter in "BC":
        return cmd.fail(504, f"'{cmd.shown}' unsupported transfer mode")
    return cmd.fail(501, f"'{cmd.shown}' unrecognized transfer mode")


# -- REST, RANG ----------------------------------------------------------------------------------------


@module.cmd("REST", classes=Class.MISC, usage="<sp> byte-count")
def restart_at(cmd: Command) -> Outcome:
    if len(cmd.words) != 1:
        raise not_understood(cmd)
    offset = number(cmd.words[0])
    if offset is None:
        return cmd.fail(501, "REST requires a value greater than or equal to 0")
    if offset and translates(cmd.session):
        # an offset in bytes means nothing where line ends change their length on the way
        return cmd.fail(501, "REST: Resuming transfers not allowed in ASCII mode")
    forget_part(cmd.session)
    cmd.session.restart = offset
    return cmd.ok(350, f"Restarting at {offset}. Send STORE or RETRIEVE to initiate transfer")


@module.cmd("RANG", classes=Class.MISC, usage="<sp> start-point <sp> end-point")
def set_range(cmd: Command) -> Outcome:
    """draft-bryan-ftp-range: both ends are part of the range, and ``1 0`` takes it back."""
    if len(cmd.words) != 2:
        raise not_understood(cmd)
    if not cmd.allowed():
        return cmd.fail(552, "RANG: Operation not permitted")
    first, last = number(cmd.words[0]), number(cmd.words[1])
    if first is None or last is None:
        return cmd.fail(501, "RANG requires a value greater than or equal to 0")
    if (first, last) == (1, 0):
        forget_part(cmd.session)
        return cmd.ok(350, "Reset byte transfer range")
    if first > last:
        return cmd.fail(501, "RANG start must be less than end")
    if translates(cmd.session):
        return cmd.fail(551, "RANG: Transfer ranges not allowed in ASCII mode")
    count = last - first + 1
    cmd.session.restart = first
    cmd.session[_range].count = count
    return cmd.ok(350, f"Transferring byte range of {plural(count, 'byte')} starting from {first}")


module.feat("RANG STREAM")


@module.opts("REST")
def ask_for_restart(cmd: Command) -> Outcome:
    """Whether REST would be taken before RETR or STOR here (ProFTPD 1.3.9)."""
    if cmd.session.user is None:
        raise Refuse(501, "Please login with USER and PASS")
    verb = cmd.argument.upper()
    if verb not in ("RETR", "STOR"):
        raise Refuse(501, "'OPTS REST' not understood")
    if not cmd.config[allow_retrieve_restart if verb == "RETR" else allow_store_restart]:
        raise Refuse(451, f"REST {verb} not allowed")
    return cmd.ok(200, f"REST {verb} allowed")


# -- ALLO, ABOR, SMNT ----------------------------------------------------------------------------------


@module.cmd("ALLO", classes=Class.MISC, usage="<sp> size")
def allocate(cmd: Command) -> Outcome:
    """200, and not ProFTPD's 202 for a client in a chroot: there are cameras that send ALLO until they hear 200."""
    if len(cmd.words) not in (1, 3):
        raise not_understood(cmd, 504)
    wanted = number(cmd.words[0])
    if wanted is None:
        return cmd.fail(504, f"{cmd.argument}: Invalid ALLO argument")
    free = _free_bytes(cmd)
    if free is not None and wanted > free:
        return cmd.fail(552, f"{cmd.words[0]}: No space left on device")
    return cmd.ok(200, "ALLO command successful")


def _free_bytes(cmd: Command) -> int | None:
    """What the file system of the working directory has left; None where it does not say."""
    try:
        known = os.statvfs(cmd.files.real(Path(cmd.session.cwd)))
    except OSError:
        return None
    return known.f_bavail * known.f_frsize


@module.cmd("ABOR", classes=Class.MISC, usage="(abort current operation)")
def abort(cmd: Command) -> Outcome:
    """The transfer's own 426 goes out before our 226 (RFC 959 4.1.3)."""
    if cmd.words:
        raise not_understood(cmd)
    if not cmd.session.wire.abort_transfer():
        cmd.session.wire.forget_data()
    tell_of_end(cmd.session)
    return cmd.ok(226, "Abort successful")


@module.cmd("SMNT", group=Group.NONE, classes=Class.MISC, usage="is not implemented")
def mount(cmd: Command) -> Outcome:
    return cmd.fail(502, "SMNT command not implemented")
