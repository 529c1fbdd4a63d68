"""Parts of files, line ends and sizes: what a client asks for in front of a transfer, and what comes through it."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import PATIENCE, Raw, everything, memory

pytestmark = pytest.mark.usefixtures("ends_alive")

LIBEXEC = Path(__file__).parents[2] / "libexec"
MOST = 1024 * 1024
DIGITS = b"0123456789"
CONF = f"""\
ModulePath {LIBEXEC}
LoadModule mod_copy.c
TimeoutStalled 60
<Directory ~/capped>
  MaxStoreFileSize {MOST} B
  AllowOverwrite on
  AllowStoreRestart on
</Directory>
<Directory ~/whole>
  AllowRetrieveRestart off
  AllowStoreRestart off
</Directory>
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), CONF)
    for name in ("capped", "whole"):
        daemon.give_folder(name)
    with daemon:
        yield daemon


@pytest.fixture
def client(server: Daemon) -> Iterator[Raw]:
    server.give("digits", DIGITS)
    with Raw(server) as client:
        yield client.login()


# -- S89: REST and RANG ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "line", "reply"),
    [
        ("REST 11", "RETR digits", "554 REST: invalid digits argument"),
        ("REST 11", "STOR digits", "554 REST: invalid digits argument"),
        ("REST 1", "STOR new", "554 REST: invalid new argument"),
        ("REST 11", "APPE digits", "554 REST: invalid digits argument"),
        ("REST 1", "STOU", "550 STOU incompatible with REST"),
        ("RANG 1 2", "STOU", "550 STOU incompatible with RANG"),
        ("RANG 1 2", "APPE digits", "550 APPE incompatible with RANG"),
        ("RANG 8 10", "RETR digits", "554 digits: invalid RANG argument"),
        ("RANG 11 12", "RETR digits", "554 RANG: invalid digits argument"),
        ("REST 3", "RETR nothing", "550 nothing: No such file or directory"),
        ("REST 3", "RETR capped", "550 capped: Not a regular file"),
        ("REST 3", "RETR whole/f", "451 whole/f: Restart not permitted, try again"),
        ("RANG 1 2", "STOR whole/f", "451 whole/f: Append/Restart not permitted, try again"),
    ],
)
def test_what_cannot_be_a_part_is_refused_and_no_later_transfer_begins_there(
    server: Daemon, client: Raw, before: str, line: str, reply: str
) -> None:
    server.give("whole/f", DIGITS)
    there = sorted(path.name for path in server.home.iterdir())
    assert client.ask(before).startswith("350")
    assert client.transfer(line, None if line.startswith("RETR") else b"x")[0] == reply
    assert client.transfer("RETR digits") == ("226 Transfer complete", DIGITS)
    assert (server.home / "whole" / "f").read_bytes() == DIGITS
    assert sorted(path.name for path in server.home.iterdir()) == there, "something was left behind"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RANG 5 2", "501 RANG start must be less than end"),
        ("RANG 3", "500 'RANG 3' not understood"),
        ("RANG -1 2", "501 RANG requires a value greater than or equal to 0"),
        ("REST -1", "501 REST requires a value greater than or equal to 0"),
        ("REST", "500 'REST' not understood"),
    ],
)
def test_a_part_that_is_none_changes_nothing(client: Raw, line: str, reply: str) -> None:
    assert client.ask(line) == reply
    assert client.transfer("RETR digits") == ("226 Transfer complete", DIGITS)


def test_in_ascii_there_are_no_parts(client: Raw) -> None:
    assert client.codes("TYPE A", "REST 3", "RANG 1 2") == [200, 501, 551]
    assert client.transfer("RETR digits") == ("226 Transfer complete", DIGITS)
    # what was asked for in binary is not carried into ASCII, nor back
    assert client.codes("TYPE I", "REST 3", "TYPE A") == [200, 350, 200]
    client.transfer("RETR digits")
    assert client.codes("TYPE I") == [200]
    assert client.transfer("RETR digits") == ("226 Transfer complete", DIGITS)


@pytest.mark.parametrize("between", ["LIST", "NLST", "MLSD", "STAT digits", "SIZE digits", "NOOP", "CWD /", "PWD"])
def test_an_offset_waits_for_its_transfer_and_cuts_no_listing(client: Raw, between: str) -> None:
    assert client.ask("REST 4").startswith("350")
    if between in ("LIST", "NLST", "MLSD"):
        answer, listing = client.transfer(between)
        assert answer.startswith("226") and b"digits\r\n" in listing and b"capped\r\n" in listing
    else:
        assert client.ask(between)[0] == "2"
    assert client.transfer("RETR digits") == ("226 Transfer complete", DIGITS[4:])
    assert client.transfer("RETR digits") == ("226 Transfer complete", DIGITS)


def test_an_offset_ends_with_an_abort(client: Raw) -> None:
    assert client.ask("REST 4").startswith("350")
    client.port_for_data()
    client.send("RETR digits")
    client.send("ABOR")
    assert client.reply()[:3] in ("425", "426")
    assert client.reply().startswith("226")
    assert client.transfer("RETR digits") == ("226 Transfer complete", DIGITS)


def test_the_parts_that_are_right_are_exact(server: Daemon, client: Raw) -> None:
    for before, content in (("REST 10", b""), ("REST 4", DIGITS[4:]), ("RANG 2 5", DIGITS[2:6]), ("RANG 0 9", DIGITS)):
        assert client.ask(before).startswith("350")
        assert client.transfer("RETR digits") == ("226 Transfer complete", content)
    assert client.ask("REST 4").startswith("350")
    assert client.transfer("STOR digits", b"xyz")[0].startswith("226")
    assert client.ask("RANG 8 9").startswith("350")
    assert client.transfer("STOR digits", b"89")[0].startswith("226")
    assert (server.home / "digits").read_bytes() == b"0123xyz789"


# -- S90: TYPE A -------------------------------------------------------------------------------------------------------

EDGES = (1448, 4096, 16384, 32768, 65536, 131072, 262144, 524288, 1048576)


def lines_over_the_edges() -> bytes:
    """LF text whose CRLF on the wire lie across whatever size a buffer may have, with lone CR among them."""
    text = bytearray()
    for edge in EDGES:
        for around in (-2, -1, 0, 1):
            text += b"x" * max(0, edge + around - len(text) % edge) + b"\n"
        text += b"\n\ra\r\rb\n\n"
    return bytes(text)


def test_lines_come_through_whole_wherever_they_are_cut(server: Daemon, client: Raw) -> None:
    text = lines_over_the_edges()
    wire = text.replace(b"\n", b"\r\n")
    client.ask("TYPE A")
    assert client.transfer("STOR text", wire)[0] == "226 Transfer complete"
    assert (server.home / "text").read_bytes() == text
    assert client.transfer("RETR text") == ("226 Transfer complete", wire)


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_line_end_may_come_in_two_packets(server: Daemon, client: Raw, cut: int) -> None:
    wire = b"a\r\nb\rc\r\r\nd\n\r"
    client.ask("TYPE A")
    with client.passive() as data:
        data.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send("STOR cut")
        assert client.reply().startswith("150")
        for at in range(0, len(wire), cut):
            data.sendall(wire[at : at + cut])
            sleep(0.01)
    assert client.reply() == "226 Transfer complete"
    assert (server.home / "cut").read_bytes() == b"a\nb\rc\r\nd\n\r"


def test_in_binary_every_byte_comes_through(server: Daemon, client: Raw) -> None:
    content = bytes(range(256)) * 300 + b"\r\n\n\r\r\n" * 20000 + random.Random(90).randbytes(300_000)
    assert client.transfer("STOR bytes", content)[0] == "226 Transfer complete"
    assert (server.home / "bytes").read_bytes() == content
    assert client.transfer("RETR bytes") == ("226 Transfer complete", content)


class Highest:
    """The most memory that the daemon has while something goes on, beyond what it had before."""

    def __init__(self, server: Daemon) -> None:
        self._server, self._over = server, Event()
        self.before = self.most = memory(server)
        self._thread = Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, memory(self._server))

    def __enter__(self) -> Highest:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def grown(self) -> int:
        return self.most - self.before


GIGABYTE = 1 << 30


def test_a_gigabyte_without_a_line_end_takes_no_memory(server: Daemon, client: Raw) -> None:
    os.truncate(server.give("endless", b""), GIGABYTE)
    client.ask("TYPE A")
    # the first transfer of its kind makes the buffers that all later ones use
    client.transfer("RETR digits")
    received, chunk = 0, bytearray(1 << 20)
    with Highest(server) as there, client.passive() as data:
        client.send("RETR endless")
        assert client.reply().startswith("150")
        while count := data.recv_into(chunk):
            received += count
    assert client.reply() == "226 Transfer complete"
    assert received == GIGABYTE
    assert there.grown < 16 * MOST, f"a line without an end took {there.grown / MOST:.0f} MiB"
    (server.home / "endless").unlink()


def test_an_upload_without_a_line_end_takes_no_memory(server: Daemon, client: Raw) -> None:
    count = 192
    client.ask("TYPE A")
    client.transfer("STOR text", b"warm\r\n")
    with Highest(server) as there, client.passive() as data:
        client.send("STOR endless")
        assert client.reply().startswith("150")
        for _ in range(count):
            data.sendall(b"\r" * MOST)
    assert client.reply() == "226 Transfer complete"
    assert (server.home / "endless").stat().st_size == count * MOST
    assert there.grown < 16 * MOST, f"a line without an end took {there.grown / MOST:.0f} MiB"
    (server.home / "endless").unlink()


# -- S91: MaxStoreFileSize ---------------------------------------------------------------------------------------------


def pour(client: Raw, line: str) -> tuple[str, int]:
    """Send without end until the server has had enough: its answer, and how much went into the connection."""
    sent = 0
    with client.passive() as data:
        client.send(line)
        first = client.reply()
        if not first.startswith("1"):
            return first, 0
        end = monotonic() + PATIENCE
        try:
            while monotonic() < end:
                sent += data.send(b"x" * 65536)
        except OSError:
            pass
        assert monotonic() < end, "the server took more and more"
    return client.reply(), sent


@pytest.mark.parametrize("line", ["STOR capped/new", "STOR capped/there", "STOU", "APPE capped/new"])
def test_an_upload_ends_at_the_limit_and_leaves_nothing(server: Daemon, client: Raw, line: str) -> None:
    server.give("capped/there", b"before")
    if line == "STOU":
        client.ask("CWD capped")
    answer, sent = pour(client, line)
    assert answer == "552 Transfer aborted. File too large"
    # the limit, and what lies in the sockets of both sides
    assert sent < MOST + 16 * MOST
    assert not [path.name for path in (server.home / "capped").iterdir() if path.name != "there"]


@pytest.mark.parametrize("line", ["APPE capped/kept", "REST 500000", "REST 1048575", "REST 10"])
def test_a_file_grows_no_further_than_to_the_limit_by_parts(server: Daemon, client: Raw, line: str) -> None:
    content = random.Random(91).randbytes(MOST - 1)
    file = server.give("capped/kept", content)
    if line.startswith("REST"):
        assert client.ask(line).startswith("350")
        answer, _ = pour(client, "STOR capped/kept")
    else:
        answer, _ = pour(client, line)
    assert answer == "552 Transfer aborted. File too large"
    assert file.stat().st_size <= MOST
    offset = int(line.split()[1]) if line.startswith("REST") else MOST - 1
    assert file.read_bytes()[:offset] == content[:offset], "what was there before the part is not the upload's"


@pytest.mark.parametrize("line", ["APPE capped/full", "REST 1048576"])
def test_a_full_file_takes_no_more(server: Daemon, client: Raw, line: str) -> None:
    content = b"f" * MOST
    file = server.give("capped/full", content)
    if line.startswith("REST"):
        client.ask(line)
        line = "STOR capped/full"
    assert pour(client, line) == ("552 capped/full: File too large", 0)
    assert file.read_bytes() == content


def test_no_copy_is_larger_than_an_upload_may_be(server: Daemon, client: Raw) -> None:
    server.give("large", b"l" * (MOST + 1))
    assert client.codes("SITE CPFR large", "SITE CPTO capped/copy") == [350, 552]
    assert not (server.home / "capped" / "copy").exists()
    assert client.codes("SITE CPFR digits", "SITE CPTO capped/copy") == [350, 250]
    assert (server.home / "capped" / "copy").read_bytes() == DIGITS
    (server.home / "capped" / "copy").unlink()


def test_what_is_as_large_as_the_limit_is_taken(server: Daemon, client: Raw) -> None:
    content = random.Random(92).randbytes(MOST)
    assert client.transfer("STOR capped/fits", content)[0] == "226 Transfer complete"
    assert (server.home / "capped" / "fits").read_bytes() == content
    assert client.transfer("RETR capped/fits") == ("226 Transfer complete", content)
    with client.passive() as data:
        client.send("RETR capped/fits")
        assert client.reply().startswith("150")
        assert everything(data) == content
    assert client.reply().startswith("226")
    until("the upload is there alone", lambda: (server.home / "capped" / "fits").exists())
