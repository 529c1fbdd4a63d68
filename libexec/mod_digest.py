"""mod_digest -- checksums of files: HASH, MD5, XCRC, XSHA and their kin, computed off the loop and remembered."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import monotonic, time_ns
from typing import NamedTuple, Protocol

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
    debug,
    types,
)

module = Module("digest", version="1.0")

_BLOCK = 1 << 20
_SLICE = 16 << 20
"""Bytes read in one turn of a thread: what many ask at once goes forward side by side, and who left is noticed."""
_BEFORE_REPLY = 10.0
"""Seconds that the end of a transfer may wait for its digest; the least patient of the usual clients waits twenty."""
_COARSE = 2_000_000_000
"""Nanoseconds: the step of the coarsest clock of a file system, that of FAT."""


# -- the algorithms ------------------------------------------------------------------------------------


class Sum(Protocol):
    """What hashlib's objects are."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Crc32:
    """The checksum of zip and Ethernet, in the shape of hashlib's."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class Algorithm(NamedTuple):
    """One way to sum up a file; ``iana`` is its name in HASH and FEAT, ``note`` that in logs."""

    name: str
    note: str
    iana: str
    make: Callable[[], Sum]


# MD5 and SHA-1 find damage, not forgery: so they are asked of a library that forbids them for anything else, too
ALGORITHMS = {
    row.name: row
    for row in (
        Algorithm("crc32", "CRC32", "CRC32", Crc32),
        Algorithm("md5", "MD5", "MD5", lambda: hashlib.md5(usedforsecurity=False)),
        Algorithm("sha1", "SHA1", "SHA-1", lambda: hashlib.sha1(usedforsecurity=False)),
        Algorithm("sha256", "SHA256", "SHA-256", hashlib.sha256),
        Algorithm("sha512", "SHA512", "SHA-512", hashlib.sha512),
    )
}
_BY_IANA = {row.iana.lower(): row for row in ALGORITHMS.values()}
_VERBS = {"XCRC": "crc32", "XMD5": "md5", "XSHA": "sha1", "XSHA1": "sha1", "XSHA256": "sha256", "XSHA512": "sha512"}
# the draft wants SHA-1 when nothing else was chosen, else what is stronger
_PREFERENCE = ("sha1", "sha256", "sha512", "md5", "crc32")


# -- the directives ------------------------------------------------------------------------------------


def _algorithm(text: str, word: int) -> str:
    if text.lower() not in ALGORITHMS:
        raise ConfigError(f"unknown/unsupported DigestAlgorithm: {text}", right=", ".join(ALGORITHMS), word=word)
    return text.lower()


@types.takes(1)
def algorithm_names(words: list[str]) -> tuple[str, ...]:
    """``all``, or some of crc32, md5, sha1, sha256, sha512."""
    if words[0].lower() == "all":
        return tuple(ALGORITHMS)
    chosen = {_algorithm(text, word) for word, text in enumerate(words)}
    return tuple(name for name in ALGORITHMS if name in chosen)


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


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many digests are kept (0: none), and for how many seconds."""

    size: int = 10_000
    max_age: int = 30


@types.takes(1, 4)
def keeping(words: list[str]) -> Keeping:
    """``on``, ``off``, or ``size 100 maxAge 60s`` in any order."""
    if len(words) == 1:
        return Keeping() if types.to_boolean(words[0]) else Keeping(size=0)
    usual = Keeping()
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
    return Keeping(values["size"], values["maxage"])


_SERVERS = SERVER | GLOBAL | VHOST

algorithms = module.directive(
    "DigestAlgorithms", algorithm_names, default=tuple(ALGORITHMS), contexts=_SERVERS | ANON,
    usage="all|crc32|md5|sha1|sha256|sha512 ...", doc="The algorithms that clients may ask for.",
)  # fmt: skip
cache = module.directive(
    "DigestCache", keeping, default=Keeping(), contexts=_SERVERS | ANON, usage='on|off|"size" count ["maxAge" secs]',
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


# -- what is remembered --------------------------------------------------------------------------------

Key = tuple[int, int, int, int, int, str, int, int]


class Cache:
    """Digests by the very file they are of, the oldest first; the clock is that of the computation."""

    def __init__(self, rule: Keeping) -> None:
        self._rule = rule
        self._kept: OrderedDict[Key, tuple[float, str]] = OrderedDict()

    def get(self, key: Key) -> str | None:
        self._expire(monotonic())
        found = self._kept.get(key)
        return None if found is None else found[1]

    def put(self, key: Key, digest: str) -> None:
        now = monotonic()
        self._kept.setdefault(key, (now, digest))
        self._expire(now)

    def _expire(self, now: float) -> None:
        too_old = now - self._rule.max_age
        while self._kept and (len(self._kept) > self._rule.size or next(iter(self._kept.values()))[0] < too_old):
            self._kept.popitem(last=False)


_caches: dict[Keeping, Cache] = {}
"""Sessions share what they found: who asks has opened the file, and it has one digest for all."""


# -- the work ------------------------------------------------------------------------------------------


class OpenFile:
    """A file open for reading, closed when its last user lets go of it.

    A session may end while a thread still reads for it: closed by hand, the number could by then be another file's.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def add_slice(self, total: Sum, at: int, end: int) -> int:
        """Read one slice of what is to be read, and give where the next one begins."""
        stop = min(at + _SLICE, end)
        while at < stop:
            data = os.pread(self.descriptor, min(_BLOCK, stop - at), at)
            if not data:
                raise OSError(errno.EIO, "The file became shorter while it was read")
            total.update(data)
            at += len(data)
        return at


def _key(known: os.stat_result, algorithm: Algorithm, start: int, end: int) -> Key:
    """The inode's change time is in it, which no client can set back as it can the modification time."""
    return (
        known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns, algorithm.name, start, end,
    )  # fmt: skip


def _may_change_unseen(known: os.stat_result, began: int) -> bool:
    """Whether the file's clock is so coarse that a change during this very step would leave no trace."""
    return known.st_ctime_ns % 1_000_000_000 == 0 and began - known.st_ctime_ns < _COARSE


async def _digest(cmd: Command, file: OpenFile, algorithm: Algorithm, start: int, end: int) -> str:
    """The digest in lower-case hex, remembered or computed, and noted on the command for the logs."""
    rule = cmd.config[cache]
    before = os.fstat(file.descriptor)
    key = _key(before, algorithm, start, end)
    kept = _caches.setdefault(rule, Cache(rule))
    digest = kept.get(key)
    if digest is None:
        began = time_ns()
        digest = await _compute(cmd, file, algorithm.make(), start, end)
        if _key(os.fstat(file.descriptor), algorithm, start, end) == key and not _may_change_unseen(before, began):
            kept.put(key, digest)
    cmd.notes["mod_digest.algo"] = algorithm.note
    cmd.notes["mod_digest.digest"] = digest
    return digest


async def _compute(cmd: Command, file: OpenFile, total: Sum, start: int, end: int) -> str:
    at = start
    with cmd.busy() as work:
        while at < end:
            at = await cmd.offload(partial(file.add_slice, total, at, end), "digest")
            if at < end:
                work.check(cmd.name)
    return total.hexdigest()


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


def _open(cmd: Command, given: str, codes: Codes) -> OpenFile:
    refusal = Refuse(codes.denied, f"{given}: Operation not permitted")
    path = cmd.path(given, refusal=(refusal.code, refusal.lines[0]))
    if not cmd.config[enable]:
        # before anything is opened: the line may be there because the file system below hangs
        raise refusal
    try:
        return OpenFile(cmd.files.open_read(path))
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.EINVAL):
            raise Refuse(codes.not_a_file, f"{given}: Not a regular file") from None
        raise


def _check_size(cmd: Command, given: str, count: int, codes: Codes) -> None:
    limit = cmd.config[largest]
    if limit and count > limit:
        debug(5, "%s wants %d bytes read, DigestMaxSize allows %d", cmd.name, count, limit, peer=cmd.session.peer)
        raise Refuse(codes.too_large, f"{given}: Operation not permitted")


async def _whole(cmd: Command, algorithm: Algorithm, codes: Codes) -> tuple[int, str]:
    """The size and the digest of the file that the whole argument names."""
    if not cmd.words:
        raise Refuse(501, "Invalid number of parameters")
    file = _open(cmd, cmd.argument, codes)
    size = os.fstat(file.descriptor).st_size
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
    _, digest = await _whole(cmd, ALGORITHMS["md5"], _MD5_CODES)
    return cmd.ok(251, f"{cmd.argument} {digest.upper()}")


@module.cmd(*_VERBS, group=Group.READ, classes=_CLASSES, usage="<sp> pathname [<sp> start <sp> end]", when=engine)
async def checksum(cmd: Command) -> Outcome | None:
    name = _VERBS[cmd.name]
    if name not in cmd.config[algorithms]:
        return DECLINED
    given, wanted = _split(cmd)
    file = _open(cmd, given, _X_CODES)
    start, end = _part(cmd.name, wanted, os.fstat(file.descriptor).st_size)
    _check_size(cmd, given, end - start, _X_CODES)
    digest = await _digest(cmd, file, ALGORITHMS[name], start, end)
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


@dataclass(slots=True)
class Choice:
    """What OPTS HASH said; empty before it."""

    name: str = ""


_choice = module.session_state(Choice)


def current(session: Session) -> Algorithm:
    """The algorithm of HASH: the client's choice, the administrator's, or the draft's, whichever is allowed first."""
    allowed = session.settings[algorithms]
    wishes = (session[_choice].name, session.settings[default_algorithm], *_PREFERENCE)
    return ALGORITHMS[next(name for name in wishes if name in allowed)]


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
    yield "HASH " + "".join(f"{ALGORITHMS[name].iana}{'*' if name == chosen else ''};" for name in allowed)
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
        size = os.fstat(file.descriptor).st_size
        if size != transfer.moved:
            return  # resumed, appended, a part only: what was moved is not what lies there
        _check_size(cmd, transfer.path, size, _X_CODES)
        async with asyncio.timeout(_BEFORE_REPLY):
            await _digest(cmd, file, current(cmd.session), 0, size)
    except (OSError, Refuse) as reason:
        # an upload into a folder whose files the user may not read is as good as any other
        debug(5, "no digest of %s: %s", transfer.path, reason, peer=cmd.session.peer)
