"""mod_digest: checksums that agree with every other tool, of files that the client may read, and no work done twice."""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from typing import Any

import pytest
from xfer_ground import run, talk

from ftpd.api import Command, Module
from ftpd.conf.faults import ConfigFaults
from ftpd.module import digests
from ftpd.testing import Bench

LOAD = "LoadModule mod_digest.c\n"
HELLO = b"hello"
FILES = {"a.txt": HELLO, "a b.txt": b"x y", "empty": b"", "sub/f": b"z\n", "big": bytes(3000)}
SHA1 = hashlib.sha1(HELLO).hexdigest()


def ask(*lines: str, conf: str = "", **bench: Any) -> list[str]:
    return talk(*lines, conf=LOAD + conf, **({"files": FILES} | bench))


# -- what the commands say -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "digest"),
    [
        ("XCRC", f"{zlib.crc32(HELLO):08x}"),
        ("XMD5", hashlib.md5(HELLO).hexdigest()),
        ("XSHA", SHA1),
        ("XSHA1", SHA1),
        ("XSHA256", hashlib.sha256(HELLO).hexdigest()),
        ("XSHA512", hashlib.sha512(HELLO).hexdigest()),
    ],
)
def test_the_verb_names_the_algorithm(verb: str, digest: str) -> None:
    assert ask(f"{verb} a.txt") == [f"213 {digest.upper()}"]


def test_md5_has_a_reply_of_its_own() -> None:
    assert ask("MD5 a b.txt") == [f"251 a b.txt {hashlib.md5(b'x y').hexdigest().upper()}"]


def test_hash_says_algorithm_range_digest_and_name() -> None:
    assert ask("HASH a.txt", "HASH empty", "HASH a b.txt", "HASH /sub/f") == [
        f"213 SHA-1 0-5 {SHA1} a.txt",
        f"213 SHA-1 0-0 {hashlib.sha1().hexdigest()} empty",
        f"213 SHA-1 0-3 {hashlib.sha1(b'x y').hexdigest()} a b.txt",
        f"213 SHA-1 0-2 {hashlib.sha1(b'z' + bytes([10])).hexdigest()} /sub/f",
    ]


def test_a_large_file_is_summed_up_in_slices() -> None:
    size = 40 << 20

    async def tale(ftp: Bench) -> list[str]:
        ftp.write("large")
        os.truncate(os.path.join(ftp.root, "large"), size)
        return [await ftp("XCRC large"), await ftp(f"XCRC large {size - 3} {size}")]

    assert run(tale, conf=LOAD) == [f"213 {zlib.crc32(bytes(size)):08X}", f"213 {zlib.crc32(bytes(3)):08X}"]


def test_the_client_chooses_the_algorithm_of_hash() -> None:
    assert ask("OPTS HASH", "OPTS HASH sha-256", "OPTS HASH", "HASH a.txt") == [
        "200 SHA-1",
        "200 sha-256",
        "200 SHA-256",
        f"213 SHA-256 0-5 {hashlib.sha256(HELLO).hexdigest()} a.txt",
    ]
    assert ask("OPTS HASH CRC32", "HASH a.txt")[1] == "213 CRC32 0-5 3610a686 a.txt"


def test_a_choice_that_cannot_be_leaves_the_last_one() -> None:
    assert ask("OPTS HASH MD5", "OPTS HASH whirlpool", "OPTS HASH MD5 SHA-1", "OPTS HASH") == [
        "200 MD5",
        "501 whirlpool: Unsupported algorithm",
        "501 OPTS HASH: Wrong number of parameters",
        "200 MD5",
    ]


def feat(*lines: str, conf: str = "") -> list[str]:
    return [line.strip() for line in ask(*lines, "FEAT", conf=conf)[-1].split("\n")]


def test_feat_shows_the_algorithms_with_a_star_at_the_current_one() -> None:
    assert "HASH CRC32;MD5;SHA-1*;SHA-256;SHA-512;" in feat()
    assert "HASH CRC32;MD5*;SHA-1;SHA-256;SHA-512;" in feat("OPTS HASH MD5")
    assert {"MD5", "XCRC", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512"} <= set(feat())


def test_help_knows_the_verbs() -> None:
    assert ask("HELP XCRC", "HELP HASH") == [
        "214 Syntax: XCRC <sp> pathname [<sp> start <sp> end]",
        "214 Syntax: HASH <sp> pathname",
    ]


# -- ranges and names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("a.txt 0 5", "213 3610A686"),
        ("a.txt 1 3", f"213 {zlib.crc32(b'el'):08X}"),
        ("a.txt 3", "501 Invalid number of parameters"),
        ("", "501 Invalid number of parameters"),
        ("a.txt 3 1", "501 XCRC requires end (1) greater than start (3)"),
        ("a.txt 2 2", "501 XCRC requires end (2) greater than start (2)"),
        ("a.txt 0 9", "501 XCRC: end exceeds file size"),
        ("a.txt x 5", "501 XCRC requires a start greater than or equal to 0"),
        ("a.txt -1 5", "501 XCRC requires a start greater than or equal to 0"),
        ("a.txt 0 x", "501 XCRC requires an end greater than 0"),
        (f"a.txt 0 {'9' * 4000}", "501 XCRC requires an end greater than 0"),
        ("empty", "213 00000000"),
        ("empty 0 0", "501 XCRC requires end (0) greater than start (0)"),
        ("a b.txt", f"213 {zlib.crc32(b'x y'):08X}"),
        ("a b.txt 0 2", f"213 {zlib.crc32(b'x '):08X}"),
        ('"a b.txt"', f"213 {zlib.crc32(b'x y'):08X}"),
        ('"a b.txt" 0 2', f"213 {zlib.crc32(b'x '):08X}"),
        ('"a b.txt" 2', "501 Invalid number of parameters"),
        ("missing", "550 missing: No such file or directory"),
        ("missing 0 5", "550 missing 0 5: No such file or directory"),
    ],
)
def test_ranges(argument: str, reply: str) -> None:
    assert ask(f"XCRC {argument}".rstrip()) == [reply]


def test_hash_and_md5_take_one_name_and_no_range() -> None:
    assert ask("HASH", "MD5", "MD5 a.txt 0 3", 'HASH "a.txt"') == [
        "501 Invalid number of parameters",
        "501 Invalid number of parameters",
        "550 a.txt 0 3: No such file or directory",
        '550 "a.txt": No such file or directory',
    ]


# -- what is not for the client --------------------------------------------------------------------------


def test_only_regular_files_are_summed_up_and_nothing_waits_for_a_fifo() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.mkfifo(os.path.join(ftp.root, "pipe"))
        return [await ftp(f"{verb} {name}") for verb in ("HASH", "MD5", "XCRC") for name in ("sub", "pipe")]

    assert run(tale, conf=LOAD, files=FILES) == [
        "553 sub: Not a regular file",
        "553 pipe: Not a regular file",
        "504 sub: Not a regular file",
        "504 pipe: Not a regular file",
        "550 sub: Not a regular file",
        "550 pipe: Not a regular file",
    ]


@pytest.mark.parametrize("limit", ["READ", "HASH MD5 XCRC", "ALL"])
def test_limit_holds(limit: str) -> None:
    conf = f"<Directory {{root}}/sub>\n<Limit {limit}>\nDenyAll\n</Limit>\n</Directory>\n"
    denied = ask("HASH sub/f", "MD5 sub/f", "XCRC sub/f", "CWD sub", "XCRC ../sub/f", "XCRC ../a.txt", conf=conf)
    assert denied[:3] == [
        "552 sub/f: Operation not permitted",
        "550 sub/f: Operation not permitted",
        "550 sub/f: Operation not permitted",
    ]
    assert ask("XCRC a.txt", conf=conf) == ["213 3610A686"]


def test_no_link_leads_out_of_the_root() -> None:
    async def tale(ftp: Bench) -> list[str]:
        os.symlink("/etc/passwd", os.path.join(ftp.root, "out"))
        os.symlink("a.txt", os.path.join(ftp.root, "in"))
        return [await ftp("HASH out"), await ftp("HASH ../../../etc/passwd"), await ftp("XCRC in")]

    out, up, inside = run(tale, conf=LOAD, files=FILES)
    assert (out, up) == (
        "550 out: No such file or directory",
        "550 ../../../etc/passwd: No such file or directory",
    )
    assert inside == "213 3610A686"


def test_before_the_login_nothing_is_read() -> None:
    assert ask("HASH a.txt", "XCRC a.txt", login=None) == ["530 Please login with USER and PASS"] * 2


# -- the directives ----------------------------------------------------------------------------------------


def test_digestmaxsize_bounds_what_is_read() -> None:
    assert ask("HASH big", "MD5 big", "XCRC big", "XCRC big 0 2001", conf="DigestMaxSize 2000\n") == [
        "556 big: Operation not permitted",
        *["550 big: Operation not permitted"] * 3,
    ]
    allowed = ask("HASH a.txt", "XCRC big 500 2500", conf="DigestMaxSize 2000\n")
    assert [reply[:4] for reply in allowed] == ["213 ", "213 "]
    assert ask("XCRC big", conf="DigestMaxSize 3 KB\n")[0].startswith("213 ")
    assert ask("XCRC big", conf="DigestMaxSize off\n")[0].startswith("213 ")


def test_digestenable_off_closes_a_folder() -> None:
    conf = "<Directory {root}/sub>\nDigestEnable off\n</Directory>\n"
    assert ask("HASH sub/f", "MD5 sub/f", "XCRC sub/f", "XCRC a.txt", conf=conf) == [
        "552 sub/f: Operation not permitted",
        "550 sub/f: Operation not permitted",
        "550 sub/f: Operation not permitted",
        "213 3610A686",
    ]


def test_digestengine_off_leaves_no_trace() -> None:
    conf = "DigestEngine off\n"
    assert ask("HASH a.txt", "MD5 a.txt", "XCRC a.txt", "OPTS HASH", conf=conf) == [
        "500 HASH not understood",
        "500 MD5 not understood",
        "500 XCRC not understood",
        "500 OPTS HASH not understood",
    ]
    assert not [line for line in feat(conf=conf) if line.startswith(("HASH", "XCRC", "MD5"))]


def test_digestalgorithms_leaves_out_the_rest() -> None:
    conf = "DigestAlgorithms sha256 md5\n"
    assert ask("XCRC a.txt", "XSHA a.txt", "OPTS HASH SHA-1", "OPTS HASH", conf=conf) == [
        "500 XCRC not understood",
        "500 XSHA not understood",
        "501 SHA-1: Unsupported algorithm",
        "200 SHA-256",
    ]
    assert ask("XMD5 a.txt", conf=conf)[0].startswith("213 ")
    assert {"HASH MD5;SHA-256*;", "XMD5", "XSHA256"} <= set(feat(conf=conf))
    assert not {"XCRC", "XSHA", "XSHA1", "XSHA512"} & set(feat(conf=conf))


def test_digestdefaultalgorithm_counts_where_it_is_allowed() -> None:
    assert ask("OPTS HASH", conf="DigestDefaultAlgorithm crc32\n") == ["200 CRC32"]
    assert ask("OPTS HASH", conf="DigestDefaultAlgorithm crc32\nDigestAlgorithms md5 sha512\n") == ["200 SHA-512"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("DigestAlgorithms md6", "unknown/unsupported DigestAlgorithm: md6"),
        ("DigestAlgorithms md5 all", "unknown/unsupported DigestAlgorithm: all"),
        ("DigestDefaultAlgorithm all", "unknown/unsupported DigestAlgorithm: all"),
        ("DigestCache perhaps", "expected Boolean parameter, not 'perhaps'"),
        ("DigestCache size 0", "value must be"),
        ("DigestCache size many", "'many' is not a number"),
        ("DigestCache maxAge 0", "maxAge must be at least one second"),
        ("DigestCache size 10 maxAge", "'maxAge' has no value behind it"),
        ("DigestCache width 10", "unknown DigestCache parameter: width"),
        ("DigestMaxSize 0 KB", "requires a value greater than zero"),
        ("DigestMaxSize huge", "unable to parse"),
        ("DigestOptions Fast", "unknown option 'Fast'"),
        ("DigestEngine maybe", "expected Boolean parameter"),
        ("DigestEnable off", "DigestEnable"),
    ],
)
def test_a_faulty_line_ends_the_start(line: str, message: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        ask("NOOP", conf=line + "\n")
    assert message in wrong.value.render()


# -- what is remembered --------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The places that files are read at, one for each block."""
    places: list[int] = []
    pread = os.pread

    def counted(descriptor: int, count: int, offset: int) -> bytes:
        places.append(offset)
        return pread(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counted)
    return places


def test_a_file_is_read_once_for_each_algorithm_and_range(reads: list[int]) -> None:
    replies = ask("XSHA a.txt", "HASH a.txt", "XSHA1 /a.txt", "XSHA a.txt 0 5")
    assert replies[0] == replies[2] == replies[3] == f"213 {SHA1.upper()}"
    assert len(reads) == 1
    assert ask("XSHA a.txt", "XMD5 a.txt", "XSHA a.txt 0 4", "XSHA a.txt 1 5")
    assert len(reads) == 5


def test_a_change_is_seen_though_size_and_time_stay() -> None:
    async def tale(ftp: Bench) -> list[str]:
        path = os.path.join(ftp.root, "a.txt")
        before, first = os.stat(path), await ftp("XCRC a.txt")
        while os.stat(path).st_ctime_ns == before.st_ctime_ns:
            # the kernel's clock for files goes in steps
            ftp.write("a.txt", b"jelly")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return [first, await ftp("XCRC a.txt")]

    assert run(tale, conf=LOAD, files=FILES) == ["213 3610A686", f"213 {zlib.crc32(b'jelly'):08X}"]


@pytest.mark.parametrize(
    ("conf", "times"), [("DigestCache off\n", 2), ("DigestCache on\n", 1), ("DigestCache size 1 maxAge 60s\n", 1)]
)
def test_digestcache_can_be_turned_off(reads: list[int], conf: str, times: int) -> None:
    assert ask("XCRC a.txt", "XCRC a.txt", conf=conf) == ["213 3610A686"] * 2
    assert len(reads) == times


def test_the_oldest_makes_room_and_nobody_is_refused(reads: list[int]) -> None:
    verbs = ["XCRC a.txt", "XMD5 a.txt", "XMD5 a.txt", "XCRC a.txt"]
    assert all(reply.startswith("213 ") for reply in ask(*verbs, conf="DigestCache size 1\n"))
    assert len(reads) == 3


def test_what_is_remembered_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(digests, "monotonic", lambda: now)
    cache = digests.Cache(digests.Keeping(size=10, max_age=30))
    key = (1, 2, 3, 4, 5, "md5", 0, 3)
    cache.put(key, "abc")
    now += 30
    assert cache.get(key) == "abc"
    now += 0.1
    assert cache.get(key) is None


def test_a_file_that_shrinks_under_the_reader_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pread", lambda descriptor, count, offset: b"")
    assert ask("XCRC a.txt") == ["550 a.txt: Input/output error"]


def test_the_work_stops_when_the_client_is_gone(reads: list[int]) -> None:
    async def tale(ftp: Bench) -> str:
        ftp.write("large")
        os.truncate(os.path.join(ftp.root, "large"), 100 << 20)
        ftp.wire.end("Read EOF from client")
        return await ftp("HASH large")

    assert run(tale, conf=LOAD) == "426 HASH: the client has gone away"
    assert len(reads) == 16


# -- transfers -------------------------------------------------------------------------------------------


def moved(*lines: str, content: bytes = HELLO, conf: str = "", **bench: Any) -> list[tuple[str, str, str]]:
    """What logs could show of each transfer of these lines: the verb, the algorithm, the digest."""
    logger = Module("logger", version="1.0")
    seen: list[tuple[str, str, str]] = []

    @logger.log("STOR", "APPE", "RETR")
    def note(cmd: Command) -> None:
        seen.append((cmd.name, cmd.notes.get("mod_digest.algo", "-"), cmd.notes.get("mod_digest.digest", "-")))

    async def tale() -> None:
        whole = f"DefaultRoot ~\n{LOAD}AllowOverwrite on\nAllowStoreRestart on\n{conf}"
        async with Bench(logger, conf=whole, **bench) as ftp:
            for line in lines:
                reply = await ftp.upload(line, content)
                assert reply[:1] in "123", reply

    asyncio.run(tale())
    return seen


def test_an_upload_is_summed_up_for_the_log() -> None:
    assert moved("TYPE I", "STOR new") == [("STOR", "SHA1", SHA1)]
    assert moved("TYPE I", "OPTS HASH CRC32", "STOR new") == [("STOR", "CRC32", "3610a686")]
    assert moved("TYPE I", "APPE new") == [("APPE", "SHA1", SHA1)]


def test_the_digest_of_an_upload_is_there_when_it_is_asked_for(reads: list[int]) -> None:
    async def tale(ftp: Bench) -> str:
        await ftp("TYPE I")
        await ftp.upload("STOR new", HELLO)
        reads.clear()
        return await ftp("HASH new")

    assert run(tale, conf=LOAD) == f"213 SHA-1 0-5 {SHA1} new"
    assert reads == []


@pytest.mark.parametrize(
    ("lines", "conf"),
    [
        (("STOR new",), ""),  # TYPE A: what was sent is not what lies there
        (("TYPE I", "STOR new"), "DigestOptions NoTransferCache\n"),
        (("TYPE I", "STOR new"), "DigestCache off\n"),
        (("TYPE I", "STOR new"), "DigestEngine off\n"),
        (("TYPE I", "STOR new"), "DigestMaxSize 4\n"),
        (("TYPE I", "STOR new"), "<Directory {root}>\nDigestEnable off\n</Directory>\n"),
        (("TYPE I", "APPE a.txt"), ""),
        (("TYPE I", "REST 2", "STOR a.txt"), ""),
        (("TYPE I", "RETR a.txt"), ""),
    ],
)
def test_what_is_not_summed_up_by_itself(lines: tuple[str, ...], conf: str) -> None:
    assert moved(*lines, conf=conf, files=FILES) == [(lines[-1].partition(" ")[0], "-", "-")]


def test_a_download_is_summed_up_where_it_goes_through_memory() -> None:
    conf = "UseSendfile off\n"
    assert moved("TYPE I", "RETR a.txt", conf=conf, files=FILES) == [("RETR", "SHA1", SHA1)]
    assert moved("TYPE I", "REST 1", "RETR a.txt", conf=conf, files=FILES) == [("RETR", "-", "-")]
