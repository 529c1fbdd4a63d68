"""What a command wants the digest of: which file, which of its bytes, and in which codes it is refused."""

from __future__ import annotations

import errno
import re
from typing import NamedTuple

from ftpd.core.log import debug
from ftpd.core.reply import Refuse
from ftpd.module.command import Command
from ftpd.module.digestlines import DigestLines
from ftpd.module.digests import OpenFile

_QUOTED = re.compile(r'"([^"]+)"((?: +\S+)*) *')
_NUMBER = re.compile(r"-?\d+", re.ASCII)
_POSITION = re.compile(r"\d{1,18}", re.ASCII)


class Codes(NamedTuple):
    """Each family of these commands has a document of its own, and that its own codes."""

    denied: int
    not_a_file: int
    too_large: int


HASH_CODES = Codes(denied=552, not_a_file=553, too_large=556)  # draft-bryan-ftpext-hash
MD5_CODES = Codes(denied=550, not_a_file=504, too_large=550)  # draft-twine-ftpmd5
X_CODES = Codes(denied=550, not_a_file=550, too_large=550)


def path_and_range(cmd: Command) -> tuple[str, list[str]]:
    """The path, and the words of the range behind it: none, or start and end.

    A path with blanks may stand in quotes, and may go without where nothing behind it looks like a range.
    """
    text, words = cmd.argument, cmd.words
    if not words:
        raise Refuse(501, "Invalid number of parameters")
    if found := _QUOTED.fullmatch(text):
        path, wanted = found[1], found[2].split()
    else:
        behind = words[1:][-2:]
        path, *wanted = text.rsplit(None, len(behind) if any(map(_NUMBER.fullmatch, behind)) else 0)
    if len(wanted) == 1:
        # other servers mean different things by a single number, so it means nothing here
        raise Refuse(501, "Invalid number of parameters")
    return path, wanted


def part_of(verb: str, wanted: list[str], size: int) -> tuple[int, int]:
    """Where the bytes begin and end that these words mean of a file of that size: all of them if there are none."""
    if not wanted:
        return 0, size
    for word, wish in zip(wanted, ("a start greater than or equal to 0", "an end greater than 0"), strict=False):
        if not _POSITION.fullmatch(word):
            raise Refuse(501, f"{verb} requires {wish}")
    start, end = int(wanted[0]), int(wanted[1])
    if end > size:
        raise Refuse(501, f"{verb}: end exceeds file size")
    if start >= end:
        raise Refuse(501, f"{verb} requires end ({end}) greater than start ({start})")
    return start, end


def opened(lines: DigestLines, cmd: Command, given: str, codes: Codes) -> OpenFile:
    """The file that is given, open; Refuse where it may not be read, is no file, or must not be summed up."""
    refusal = Refuse(codes.denied, f"{given}: Operation not permitted")
    path = cmd.path(given, refusal=(refusal.code, refusal.lines[0]))
    if not cmd.config[lines.enable]:
        # before anything is opened: the line may be there because the file system below hangs
        raise refusal
    try:
        return OpenFile(cmd.files.open_read(path))
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.EINVAL):
            raise Refuse(codes.not_a_file, f"{given}: Not a regular file") from None
        raise


def check_size(lines: DigestLines, cmd: Command, given: str, count: int, codes: Codes) -> None:
    """Refuse to read more bytes than DigestMaxSize allows."""
    limit = cmd.config[lines.largest]
    if limit and count > limit:
        debug(5, "%s wants %d bytes read, DigestMaxSize allows %d", cmd.name, count, limit, peer=cmd.session.peer)
        raise Refuse(codes.too_large, f"{given}: Operation not permitted")
