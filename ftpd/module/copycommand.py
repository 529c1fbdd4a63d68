"""One command of mod_copy: what may be copied and where to, as a file, a link or a folder, and what is noted of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter

from ftpd.core.listing import shown
from ftpd.core.paths import normalise
from ftpd.core.reply import Refuse
from ftpd.core.vocab import Group
from ftpd.module.command import Command, Transfer
from ftpd.module.copying import POOL, in_slices
from ftpd.module.filecopy import FileCopy, copy_link
from ftpd.module.files import Path
from ftpd.module.foldercopy import FolderCopy
from ftpd.module.wire import Work

# notes on a command, which the handlers of other modules may read
SOURCE, TARGET = "mod_copy.source", "mod_copy.target"
"""Virtual paths; set before PRE_CMD on the commands that copy one entry of a folder, else when the copy begins."""
REPLACED = "mod_copy.replaced"
"""The size of what the copy took the place of; None when there was nothing."""
UNDONE = "mod_copy.undone"
"""On a copy of a folder that failed: how many files, and bytes, were copied and have been removed again."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def refusal(label: str, error: OSError) -> Refuse:
    return Refuse(552 if error.errno in _FULL else 550, f"{label}: {os.strerror(error.errno or errno.EIO)}")


class CopyCommand:
    """A copy for SITE CPTO or SITE COPY; what is left of one that fails is kept where ``keeps`` says so.

    ``limits`` give the most bytes that a file of the command may have, None for any number.
    """

    def __init__(self, cmd: Command, limits: Iterable[Callable[[Command], int | None]], *, keeps: bool) -> None:
        self._cmd = cmd
        self._limits = limits
        self._keeps = keeps
        self._label = cmd.name.removeprefix("SITE ")

    async def run(self, source_given: str, target_given: str) -> None:
        cmd, label = self._cmd, self._label
        source = self._readable(source_given)
        told = normalise(cmd.session.cwd, target_given) if label == "CPTO" else target_given
        target = cmd.path(target_given, refusal=(550, f"{shown(told)}: {os.strerror(errno.EPERM)}"))
        # an entry of a folder is judged as if the client stood in that folder and named it
        given = target.name if SOURCE in cmd.notes else target_given
        if not cmd.name_fits(given, target):
            raise Refuse(550, f"{label}: {os.strerror(errno.EPERM)}")
        cmd.notes[SOURCE], cmd.notes[TARGET] = source.virtual, target.virtual
        try:
            kind = cmd.files.lstat(source).st_mode
            if stat.S_ISDIR(kind):
                with cmd.busy() as work:
                    await self._folder(work, source, target)
            elif stat.S_ISREG(kind):
                with cmd.busy() as work:
                    await self._file(work, source, target)
            elif stat.S_ISLNK(kind):
                link = partial(copy_link, cmd.files, source, target, overwrite=self._overwrites())
                cmd.notes[REPLACED] = await cmd.offload(link, POOL)
            else:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        except OSError as error:
            raise refusal(label, error) from None

    def _readable(self, given: str) -> Path:
        """The path of a source: copying is in the group WRITE, but what is copied must be allowed as READ."""
        asking = self._cmd.sibling("SITE COPY" if self._cmd.name == "SITE COPY" else "SITE CPFR", given)
        asking.group = Group.READ
        return asking.path(refusal=(550, f"{shown(given)}: {os.strerror(errno.EPERM)}"))

    def _overwrites(self) -> bool:
        return self._cmd.setting("AllowOverwrite", False)

    async def _file(self, work: Work, source: Path, target: Path) -> None:
        cmd, began = self._cmd, perf_counter()
        most = min((count for limit in self._limits if (count := limit(cmd)) is not None), default=None)
        one = FileCopy(cmd.files, source, target, overwrite=self._overwrites(), keep=self._keeps, most=most)
        await in_slices(cmd, work, one, self._label)
        done = Transfer(target.virtual, cmd.files.real(target), "d", ascii=cmd.session.data_type == "A")
        done.moved = done.file_size = one.size
        done.seconds, done.status = perf_counter() - began, "success"
        cmd.transfer = done
        cmd.notes[REPLACED] = one.replaced

    async def _folder(self, work: Work, source: Path, target: Path) -> None:
        """Every file is a command of its own, so <Limit>, filters, quotas and logs see it; so is every folder: MKD."""
        if f"{target.virtual}/".startswith(f"{source.virtual.rstrip('/')}/"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        whole = FolderCopy(self._cmd, work, self._label, readable=self._readable, copy_entry=self._entry)
        try:
            await whole.run(source, target)
        except BaseException as error:
            if not self._keeps:
                self._cmd.notes[UNDONE] = whole.copied
                await whole.undo()
            if whole.left and isinstance(error, (Refuse, OSError)):
                refused = error if isinstance(error, Refuse) else refusal(self._label, error)
                raise Refuse(refused.code, *refused.lines, whole.left) from None
            raise

    async def _entry(self, source: str, target: str) -> int | None:
        """The size of the file or link that is copied, None when it took the place of something."""
        name = self._cmd.name
        argument = f"{source} {target}" if name == "SITE COPY" else target
        inner = await self._cmd.also(name, argument, notes={SOURCE: source, TARGET: target})
        if inner.notes[REPLACED] is not None:
            return None
        return inner.transfer.moved if inner.transfer else 0
