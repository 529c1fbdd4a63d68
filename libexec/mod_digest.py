"""mod_digest -- checksums of files: HASH, MD5, XCRC, XSHA and their kin, computed off the loop and remembered."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from ftpd.api import (
    ANON,
    DECLINED,
    DIRECTORY,
    FTPACCESS,
    GLOBAL,
    SERVER,
    VHOST,
    Class,
    Command,
    ConfigError,
    Group,
    Module,
    Outcome,
    Refuse,
    Session,
    at_file,
    debug,
    digests,
    types,
)

module = Module("digest", version="1.0")

_BEFORE_REPLY = 10.0
"""Seconds that the end of a transfer may wait for its digest; the least patient of the usual clients waits twenty."""


# -- the algorithms, by their names in commands ---------------------------------------------------------

_BY_IANA = {row.iana.lower(): row for row in digests.ALGORITHMS.values()}
_VERBS = {"XCRC": "crc32", "XMD5": "md5", "XSHA": "sha1", "XSHA1": "sha1", "XSHA256": "sha256", "XSHA512": "sha512"}
# the draft wants SHA-1 when nothing else was chosen, else what is stronger
_PREFERENCE = ("sha1", "sha256", "sha512", "md5", "crc32")


# -- the directives ------------------------------------------------------------------------------------


def _algorithm(text: str, word: int) -> str:
    if text.lower() not in digests.ALGORITHMS:
        raise ConfigError(
            f"unknown/unsupported DigestAlgorithm: {text}", right=", ".join(digests.ALGORITHMS), word=word
        )
    return text.lower()


@types.takes(1)
def algorithm_names(words: list[str]) -> tuple[str, ...]:
    """``all``, or some of crc32, md5, sha1, sha256, sha512."""
    if words[0].lower() == "all":
        return tuple(digests.ALGORITHMS)
    chosen = {_algorithm(text, word) for word, text in enumerate(words)}
    return tuple(name for name in digests.ALGORITHMS if name in chosen)


@types.takes(1, 1)
def algorithm_name(words: list[str]) -> str:
    """One of crc32, md5, sha1, sha256, sha512."""
    return _algorithm(words[0], 0)


@types.takes(1, 2)
def max_size(words: list[str]) -> int:
    """``10 MB``; 0, which ``off`` means, is no limit."""
    if len(words) == 1 and words[0].lower() in ("off", "none", "no", "false", "0"):
        return 0
    limit = types.to_size(words[0], words[1] if len(words) > 1 else "")
    if not limit:
        raise ConfigError("requires a value greater than zero", right="a size as 1 GB, or off for no limit", word=0)
    return limit


@types.takes(1, 4)
def keeping(words: list[str]) -> digests.Keeping:
    """``on``, ``off``, or ``size 100 maxAge 60s`` in any order."""
    if len(words) == 1:
        return digests.Keeping() if types.to_boolean(words[0]) else digests.Keeping(size=0)
    usual = digests.Keeping()
    values = {"size": usual.size, "maxage": usual.max_age}
    for word in range(0, len(words), 2):
        name = words[word].lower()
        if name not in values:
            raise ConfigError(f"unknown DigestCache parameter: {words[word]}", right="size or maxAge", word=word)
        if word + 1 == len(words):
            raise ConfigError(f"'{words[word]}' has no value behind it", right="size 100 maxAge 60s", word=word)
        text = words[word + 1]
        values[name] = (
            types.to_integer(text, 1, word=word + 1) if name == "size" else types.to_seconds(text, word=word + 1)
        )
    if values["maxage"] < 1:
        raise ConfigError("maxAge must be at least one second", right="seconds, as 60s or 5min; off keeps nothing")
    return digests.Keeping(values["size"], values["maxage"])


_SERVERS = SERVER | GLOBAL | VHOST

algorithms = module.directive(
    "DigestAlgorithms", algorithm_names, default=tuple(digests.ALGORITHMS), contexts=_SERVERS | ANON,
    usage="all|crc32|md5|sha1|sha256|sha512 ...", doc="The algorithms that clients may ask for.",
)  # fmt: skip
cache = module.directive(
    "DigestCache", keeping, default=digests.Keeping(), contexts=_SERVERS | ANON,
    usage='on|off|"size" count ["maxAge" secs]',
    doc="How many digests are remembered, and for how long.",
)  # fmt: skip
default_algorithm = module.directive(
    "DigestDefaultAlgorithm", algorithm_name, default="sha1", contexts=_SERVERS, usage="algorithm",
    doc="The algorithm of HASH and of transfers until the client chooses another.",
)  # fmt: skip
enable = module.directive(
    "DigestEnable", types.boolean, default=True, contexts=DIRECTORY | FTPACCESS, usage="on|off",
    doc="Whether the files of this folder may be summed up.",
)  # fmt: skip
engine = module.directive(
    "DigestEngine", types.boolean, default=True, contexts=_SERVERS | ANON, usage="on|off",
    doc="Whether the commands for checksums are there.",
)  # fmt: skip
largest = module.directive(
    "DigestMaxSize", max_size, default=0, contexts=_SERVERS | ANON, usage="number [units]|off",
    doc="The most bytes that one command may have read; off is no limit.",
)  # fmt: skip
options = module.directive_list(
    "DigestOptions", types.flags("NoTransferCache"), contexts=_SERVERS, usage="NoTransferCache",
    doc="NoTransferCache: what was uploaded is not summed up by itself.",
)  # fmt: skip


_digests = digests.Digests()


async def _digest(cmd: Command, file: digests.OpenFile, algorithm: digests.Algorithm, start: int, end: int) -> str:
    """The digest in lower-case hex, which is noted on the command for the logs."""
    digest = await _digests.of(cmd, file, algorithm, start, end, cmd.config[cache])
    cmd.notes["mod_digest.algo"] = algorithm.note
    cmd.notes["mod_digest.digest"] = digest
    return digest


# -- the commands --------------------------------------------------------------------------------------


class Codes(NamedTuple):
    """Each family of these commands has a document of its own, and that its own codes."""

    denied: int
    not_a_file: int
    too_large: int


_HASH_CODES = Codes(denied=552, not_a_file=553, too_large=556)  # draft-bryan-ftpext-hash
_MD5_CODES = Codes(denied=550, not_a_file=504, too_large=550)  # draft-twine-ftpmd5
_X_CODES = Codes(denied=550, not_a_file=550, too_large=550)
_CLASSES = Class.READ | Class.INFO


def _open(cmd: Command, given: str, codes: Codes) -> digests.OpenFile:
    refusal = Refuse(codes.denied, f"{given}: Operation not permitted")
    path = cmd.path(given, refusal=(refusal.code, refusal.lines[0]))
    if not cmd.config[enable]:
        # before anything is opened: the line may be there because the file system below hangs
        raise refusal
    try:
        return digests.OpenFile(cmd.files.open_read(path))
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.EINVAL):
            raise Refuse(codes.not_a_file, f"{given}: Not a regular file") from None
        raise


def _check_size(cmd: Command, given: str, count: int, codes: Codes) -> None:
    limit = cmd.config[largest]
    if limit and count > limit:
        debug(5, "%s wants %d bytes read, DigestMaxSize allows %d", cmd.name, count, limit, peer=cmd.session.peer)
        raise Refuse(codes.too_large, f"{given}: Operation not permitted")


async def _whole(cmd: Command, algorithm: digests.Algorithm, codes: Codes) -> tuple[int, str]:
    """The size and the digest of the file that the whole argument names."""
    if not cmd.words:
        raise Refuse(501, "Invalid number of parameters")
    file = _open(cmd, cmd.argument, codes)
    size = at_file(file.descriptor, os.fstat).st_size
    _check_size(cmd, cmd.argument, size, codes)
    return size, await _digest(cmd, file, algorithm, 0, size)


@module.cmd("HASH", group=Group.READ, classes=_CLASSES, usage="<sp> pathname", when=engine)
async def hash_file(cmd: Command) -> Outcome:
    algorithm = current(cmd.session)
    size, digest = await _whole(cmd, algorithm, _HASH_CODES)
    return cmd.ok(213, f"{algorithm.iana} 0-{size} {digest} {cmd.argument}")


@module.cmd("MD5", group=Group.READ, classes=_CLASSES, usage="<sp> pathname", when=engine)
async def md5_of_file(cmd: Command) -> Outcome | None:
    if "md5" not in cmd.config[algorithms]:
        return DECLINED
    _, digest = await _whole(cmd, digests.ALGORITHMS["md5"], _MD5_CODES)
    return cmd.ok(251, f"{cmd.argument} {digest.upper()}")


@module.cmd(*_VERBS, group=Group.READ, classes=_CLASSES, usage="<sp> pathname [<sp> start <sp> end]", when=engine)
async def checksum(cmd: Command) -> Outcome | None:
    name = _VERBS[cmd.name]
    if name not in cmd.config[algorithms]:
        return DECLINED
    given, wanted = _split(cmd)
    file = _open(cmd, given, _X_CODES)
    start, end = _part(cmd.name, wanted, at_file(file.descriptor, os.fstat).st_size)
    _check_size(cmd, given, end - start, _X_CODES)
    digest = await _digest(cmd, file, digests.ALGORITHMS[name], start, end)
    return cmd.ok(213, digest.upper())


_QUOTED = re.compile(r'"([^"]+)"((?: +\S+)*) *')
_NUMBER = re.compile(r"-?\d+", re.ASCII)
_POSITION = re.compile(r"\d{1,18}", re.ASCII)


def _split(cmd: Command) -> tuple[str, list[str]]:
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


def _part(verb: str, wanted: list[str], size: int) -> tuple[int, int]:
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


# -- the choice of the algorithm -----------------------------------------------------------------------


class Choice:
    """What OPTS HASH said; empty before it."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = ""


_choice = module.session_state(Choice)


def current(session: Session) -> digests.Algorithm:
    """The algorithm of HASH: the client's choice, the administrator's, or the draft's, whichever is allowed first."""
    allowed = session.settings[algorithms]
    wishes = (session[_choice].name, session.settings[default_algorithm], *_PREFERENCE)
    return digests.ALGORITHMS[next(name for name in wishes if name in allowed)]


@module.opts("HASH", when=engine)
def choose(cmd: Command) -> Outcome:
    session = cmd.session
    if not cmd.words:
        return cmd.ok(200, current(session).iana)
    if len(cmd.words) > 1:
        return cmd.fail(501, "OPTS HASH: Wrong number of parameters")
    wanted = cmd.words[0]
    algorithm = _BY_IANA.get(wanted.lower())
    if algorithm is None or algorithm.name not in session.settings[algorithms]:
        return cmd.fail(501, f"{wanted}: Unsupported algorithm")
    session[_choice].name = algorithm.name
    return cmd.ok(200, wanted)


def features(session: Session) -> Iterator[str]:
    """HASH with all algorithms and a star at the current one (draft-bryan-ftpext-hash), and the verbs."""
    if not session.settings[engine]:
        return
    allowed = session.settings[algorithms]
    chosen = current(session).name
    yield "HASH " + "".join(f"{digests.ALGORITHMS[name].iana}{'*' if name == chosen else ''};" for name in allowed)
    yield from (verb for verb, name in {**_VERBS, "MD5": "md5"}.items() if name in allowed)


module.feat(features)


# -- transfers -----------------------------------------------------------------------------------------


@module.post("STOR", "APPE", "RETR")
async def sum_up_transfer(cmd: Command) -> None:
    """A client often asks for the digest of what it just sent, and a log may want it: it is computed at once."""
    transfer = cmd.transfer
    if transfer is None or transfer.ascii or not cmd.config[engine] or not cmd.config[cache].size:
        return
    if any("NoTransferCache" in chosen for chosen in cmd.session.settings[options]):
        return
    if cmd.name == "RETR" and cmd.setting("UseSendfile", True):
        return
    try:
        file = _open(cmd, transfer.path, _X_CODES)
        size = at_file(file.descriptor, os.fstat).st_size
        if size != transfer.moved:
            return  # resumed, appended, a part only: what was moved is not what lies there
        _check_size(cmd, transfer.path, size, _X_CODES)
        async with asyncio.timeout(_BEFORE_REPLY):
            await _digest(cmd, file, current(cmd.session), 0, size)
    except (OSError, Refuse) as reason:
        # an upload into a folder whose files the user may not read is as good as any other
        debug(5, "no digest of %s: %s", transfer.path, reason, peer=cmd.session.peer)
