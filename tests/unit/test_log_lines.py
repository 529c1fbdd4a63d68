"""The daemon's log without records of logging in between: the same lines, wherever they go."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from ftpd.core.log import Level, LineFormatter, LineHandler, Peer, Route, escape, log, logger, message_of


class Kept(LineHandler):
    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []

    def put(self, line: bytes) -> None:
        assert line.endswith(b"\n")
        self.taken.append(line[:-1].decode())


class Records(logging.Handler):
    """Goes by records, as what other people listen with does."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self.taken: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.taken.append(self.format(record))


@pytest.fixture
def alone() -> Iterator[Kept]:
    handlers, propagates, kept = list(logger.handlers), logger.propagate, Kept()
    logger.handlers[:], logger.propagate = [kept], False
    yield kept
    logger.handlers[:], logger.propagate = handlers, propagates


HOSTILE = "a\r\nb\x1b[31m\udcff\u202e"
NONE: dict[str, str] = {}


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("plain, 100 %", ()),
        ("%s and %d", (HOSTILE, 3)),
        ("%(name)s", ({"name": HOSTILE},)),
        ("%s", (NONE,)),
        ("%d", ("no number",)),
        ("%s %s", ("one too few",)),
    ],
)
@pytest.mark.parametrize(
    "hidden", [(), ("timestamp",), ("hostname", "virtualhost"), ("timestamp", "hostname", "virtualhost")]
)
def test_a_line_is_that_of_its_record(
    alone: Kept, message: str, args: tuple[object, ...], hidden: tuple[str, ...]
) -> None:
    peer = Peer(
        "server", "name[192.0.2.1]", Route(level=Level.DEBUG, handler=alone, hidden=frozenset({"timestamp", *hidden}))
    )
    log(Level.INFO, message, *args, peer=peer)
    record = logger.makeRecord("ftpd", Level.INFO, "", 0, message, args, None, extra={"peer": peer})
    assert alone.taken == [LineFormatter().format(record)]
    assert len(alone.taken[0].splitlines()) == 1


@pytest.mark.parametrize("client", ["name[192.0.2.1]", f"{HOSTILE}[192.0.2.1]", "näme[192.0.2.1]"])
def test_a_whole_line_shows_whose_it_is_however_he_is_called(alone: Kept, client: str) -> None:
    log(Level.INFO, "here", peer=Peer("server", client, Route(level=Level.DEBUG, handler=alone)))
    (line,) = alone.taken
    assert line.endswith(f" server ({escape(client)}): here")
    assert line == escape(line)


@pytest.mark.parametrize("labels", [False, True])
def test_what_is_told_again_and_again_is_told_as_at_first(alone: Kept, labels: bool) -> None:
    route = Route(level=Level.DEBUG, handler=alone, labels=labels)
    one, other = Peer("server", "one[192.0.2.1]", route), Peer("server", "other[192.0.2.2]", route)
    texts = ["here", HOSTILE, "100 %", "näme", *map(str, range(20))]
    for _ in range(2):
        for text in texts:
            log(Level.INFO, text, peer=one)
            log(Level.INFO, text, peer=other)
    label = "session" if labels else "proftpd"
    found = [line.partition(f" {label}[")[2].partition("] ")[2] for line in alone.taken]
    assert found == 2 * [f"{peer}: {escape(text)}" for text in texts for peer in (one, other)]


def test_what_follows_the_time_is_remembered_of_a_few_texts_only(alone: Kept) -> None:
    peer = Peer("server", "one[192.0.2.1]", Route(level=Level.DEBUG, handler=alone))
    for number in range(1000):
        log(Level.INFO, f"text {number}", peer=peer)
    assert len(alone.taken) == 1000 and len(peer.lines) < 20


def test_who_listens_besides_is_told_as_well(alone: Kept) -> None:
    records = Records()
    logger.handlers.append(records)
    log(Level.ERROR, "told")
    assert [len(alone.taken), len(records.taken)] == [1, 1]


def test_a_filter_is_asked(alone: Kept) -> None:
    alone.addFilter(lambda record: "secret" not in record.getMessage())
    log(Level.ERROR, "secret")
    log(Level.ERROR, "told")
    assert [line.rpartition(": ")[2] for line in alone.taken] == ["told"]


def test_an_exception_is_told_with_its_traceback(alone: Kept) -> None:
    log(Level.ERROR, "it failed", exc_info=ValueError("why"))
    assert "it failed" in alone.taken[0] and "ValueError: why" in alone.taken[0]


def test_what_is_not_urgent_enough_is_left_out(alone: Kept) -> None:
    log(Level.DEBUG, "no", peer=Peer("server", "name", Route(level=Level.NOTICE)))
    assert alone.taken == []


def test_a_record_has_its_message_whatever_it_holds(alone: Kept) -> None:
    record = logger.makeRecord("ftpd", Level.INFO, "", 0, "%d", ("text",), None)
    assert message_of(record) == "%d (of str): TypeError"
