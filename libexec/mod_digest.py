"""mod_digest -- checksums of files: HASH, MD5, XCRC, XSHA and their kin, computed off the loop and remembered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

from ftpd.api import (
    DECLINED,
    Class,
    Command,
    Group,
    Module,
    Outcome,
    Refuse,
    Session,
    at_file,
    debug,
    digestlines,
    digestrequest,
    digests,
)

module = Module("digest", version="1.0")

_BEFORE_REPLY = 10.0
"""Seconds that the end of a transfer may wait for its digest; the least patient of the usual clients waits twenty."""
_VERBS = {"XCRC": "crc32", "XMD5": "md5", "XSHA": "sha1", "XSHA1": "sha1", "XSHA256": "sha256", "XSHA512": "sha512"}

_lines = digestlines.DigestLines(module)
engine = _lines.engine
_digests = digests.Digests()


async def _digest(cmd: Command, file: digests.OpenFile, algorithm: digests.Algorithm, start: int, end: int) -> str:
    """The digest in lower-case hex, which is noted on the command for the logs."""
    digest = await _digests.of(cmd, file, algorithm, start, end, cmd.config[_lines.cache])
    cmd.notes["mod_digest.algo"] = algorithm.note
    cmd.notes["mod_digest.digest"] = digest
    return digest


# -- the commands --------------------------------------------------------------------------------------

_CLASSES = Class.READ | Class.INFO


async def _whole(cmd: Command, algorithm: digests.Algorithm, codes: digestrequest.Codes) -> tuple[int, str]:
    """The size and the digest of the file that the whole argument names."""
    if not cmd.words:
        raise Refuse(501, "Invalid number of parameters")
    file = digestrequest.opened(_lines, cmd, cmd.argument, codes)
    size = at_file(file.descriptor, os.fstat).st_size
    digestrequest.check_size(_lines, cmd, cmd.argument, size, codes)
    return size, await _digest(cmd, file, algorithm, 0, size)


@module.cmd("HASH", group=Group.READ, classes=_CLASSES, usage="<sp> pathname", when=engine)
async def hash_file(cmd: Command) -> Outcome:
    algorithm = current(cmd.session)
    size, digest = await _whole(cmd, algorithm, digestrequest.HASH_CODES)
    return cmd.ok(213, f"{algorithm.iana} 0-{size} {digest} {cmd.argument}")


@module.cmd("MD5", group=Group.READ, classes=_CLASSES, usage="<sp> pathname", when=engine)
async def md5_of_file(cmd: Command) -> Outcome | None:
    if "md5" not in cmd.config[_lines.algorithms]:
        return DECLINED
    _, digest = await _whole(cmd, digests.ALGORITHMS["md5"], digestrequest.MD5_CODES)
    return cmd.ok(251, f"{cmd.argument} {digest.upper()}")


@module.cmd(*_VERBS, group=Group.READ, classes=_CLASSES, usage="<sp> pathname [<sp> start <sp> end]", when=engine)
async def checksum(cmd: Command) -> Outcome | None:
    name = _VERBS[cmd.name]
    if name not in cmd.config[_lines.algorithms]:
        return DECLINED
    given, wanted = digestrequest.path_and_range(cmd)
    file = digestrequest.opened(_lines, cmd, given, digestrequest.X_CODES)
    start, end = digestrequest.part_of(cmd.name, wanted, at_file(file.descriptor, os.fstat).st_size)
    digestrequest.check_size(_lines, cmd, given, end - start, digestrequest.X_CODES)
    digest = await _digest(cmd, file, digests.ALGORITHMS[name], start, end)
    return cmd.ok(213, digest.upper())


# -- the choice of the algorithm -----------------------------------------------------------------------


class Choice:
    """What OPTS HASH said; empty before it."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = ""


_choice = module.session_state(Choice)


def current(session: Session) -> digests.Algorithm:
    """The algorithm of HASH: the client's choice, the administrator's, or the draft's, whichever is allowed first."""
    return _lines.preferred(session.settings, session[_choice].name)


@module.opts("HASH", when=engine)
def choose(cmd: Command) -> Outcome:
    session = cmd.session
    if not cmd.words:
        return cmd.ok(200, current(session).iana)
    if len(cmd.words) > 1:
        return cmd.fail(501, "OPTS HASH: Wrong number of parameters")
    wanted = cmd.words[0]
    algorithm = digests.BY_IANA.get(wanted.lower())
    if algorithm is None or algorithm.name not in session.settings[_lines.algorithms]:
        return cmd.fail(501, f"{wanted}: Unsupported algorithm")
    session[_choice].name = algorithm.name
    return cmd.ok(200, wanted)


def features(session: Session) -> Iterator[str]:
    """HASH with all algorithms and a star at the current one (draft-bryan-ftpext-hash), and the verbs."""
    if not session.settings[engine]:
        return
    allowed = session.settings[_lines.algorithms]
    chosen = current(session).name
    yield "HASH " + "".join(f"{digests.ALGORITHMS[name].iana}{'*' if name == chosen else ''};" for name in allowed)
    yield from (verb for verb, name in {**_VERBS, "MD5": "md5"}.items() if name in allowed)


module.feat(features)


# -- transfers -----------------------------------------------------------------------------------------


@module.post("STOR", "APPE", "RETR")
async def sum_up_transfer(cmd: Command) -> None:
    """A client often asks for the digest of what it just sent, and a log may want it: it is computed at once."""
    transfer = cmd.transfer
    if transfer is None or transfer.ascii or not cmd.config[engine] or not cmd.config[_lines.cache].size:
        return
    if any("NoTransferCache" in chosen for chosen in cmd.session.settings[_lines.options]):
        return
    if cmd.name == "RETR" and cmd.setting("UseSendfile", True):
        return
    try:
        file = digestrequest.opened(_lines, cmd, transfer.path, digestrequest.X_CODES)
        size = at_file(file.descriptor, os.fstat).st_size
        if size != transfer.moved:
            return  # resumed, appended, a part only: what was moved is not what lies there
        digestrequest.check_size(_lines, cmd, transfer.path, size, digestrequest.X_CODES)
        async with asyncio.timeout(_BEFORE_REPLY):
            await _digest(cmd, file, current(cmd.session), 0, size)
    except (OSError, Refuse) as reason:
        # an upload into a folder whose files the user may not read is as good as any other
        debug(5, "no digest of %s: %s", transfer.path, reason, peer=cmd.session.peer)
