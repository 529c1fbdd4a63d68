"""Where an upload is written: opened without changing a byte there, under its name, a hidden one or one of its own."""

from __future__ import annotations

import errno
import os
import secrets
import string
from contextlib import suppress
from dataclasses import InitVar, dataclass, field

from ftpd.api import Command, Files, Level, Path, Refuse, at_file, close_file
from ftpd.modules._xfer_config import allow_overwrite, allow_store_restart, hidden, store_unique_prefix
from ftpd.modules._xfer_params import Part
from ftpd.modules._xfer_send import for_transfers

_TRIES = 20
_LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True)
class Spot:
    """Where an upload is written, and what was there before."""

    files: Files
    label: str
    """What the client calls the file; replies quote it."""
    target: Path
    work: Path
    """The same as ``target``, or with HiddenStores the name it has until it is whole."""
    descriptor: int
    made: bool
    """We made the file; otherwise it was there."""
    part: Part = field(default_factory=Part)
    appends: bool = False
    known: InitVar[os.stat_result | None] = None
    """What is known of the file since it was opened."""
    _inode: os.stat_result = field(init=False)

    def __post_init__(self, known: os.stat_result | None) -> None:
        self._inode = at_file(self.descriptor, os.fstat) if known is None else known

    @property
    def replaces(self) -> bool:
        """What was there gives way to what comes."""
        return not self.made and not self.appends and self.part.whole

    @property
    def size(self) -> int:
        """How large the file was when it was opened."""
        return self._inode.st_size

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            close_file(descriptor, wait=True)

    def remove(self) -> None:
        """Remove the file, if the name still means the one that was written."""
        with suppress(OSError):
            if os.path.samestat(self.files.lstat(self.work), self._inode):
                self.files.unlink(self.work)


def no_overwrite(label: str) -> Refuse:
    return Refuse(550, f"{label}: Overwrite permission denied")


def open_spot(
    cmd: Command, path: Path, there: os.stat_result | None, part: Part, *, appends: bool = False
) -> Spot:  # fmt: skip
    """Open the file without changing a byte of it; who is faster than we are is not overwritten unasked."""
    naming = None if cmd.name == "APPE" else cmd.config[hidden]
    if naming is not None:
        return _open_hidden(cmd, path, naming.name(cmd.session, path.name))
    label = cmd.argument
    try:
        if there is None:
            try:
                descriptor = cmd.files.open_write(path, append=appends, exclusive=True)
            except FileExistsError:
                if not cmd.config[allow_store_restart if appends or not part.whole else allow_overwrite]:
                    raise no_overwrite(label) from None
            else:
                return _checked(Spot(cmd.files, label, path, path, descriptor, True, part, appends))
        descriptor = cmd.files.open_write(path, append=appends)
    except OSError as error:
        raise for_transfers(error, label) from None
    known = None if path.opened is None else path.seen
    return _checked(Spot(cmd.files, label, path, path, descriptor, False, part, appends, known))


def _checked(spot: Spot) -> Spot:
    if spot.part.offset > spot.size:
        # a hole is not what anybody wants to resume
        if spot.made:
            spot.remove()
        spot.close()
        raise Refuse(554, f"{spot.part.verb}: invalid {spot.label} argument")
    return spot


def _open_hidden(cmd: Command, path: Path, name: str) -> Spot:
    folder = path.virtual.rpartition("/")[0]
    work = Path(f"{folder}/{name}", name, path.settings)
    try:
        descriptor = cmd.files.open_write(work, exclusive=True)
    except FileExistsError:
        raise Refuse(550, f"{path.given}: Temporary hidden file {work.virtual} already exists") from None
    return Spot(cmd.files, path.given, path, work, descriptor, True)


def open_unique(cmd: Command) -> Spot:
    """A file under a name that nobody can guess, and that nobody had."""
    prefix = cmd.config[store_unique_prefix]
    for _ in range(_TRIES):
        name = prefix + "".join(secrets.choice(_LETTERS) for _ in range(6))
        path = cmd.path(name)
        naming = cmd.config[hidden]
        try:
            if naming is not None:
                with suppress(FileNotFoundError):
                    cmd.files.lstat(path)
                    continue
                return _open_hidden(cmd, path, naming.name(cmd.session, name))
            return Spot(cmd.files, name, path, path, cmd.files.open_write(path, exclusive=True), True)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            cmd.session.log(Level.NOTICE, "STOU: '%s' cannot be made: %s", path.virtual, error.strerror)
            break
    raise Refuse(450, "STOU: unable to generate unique filename")
