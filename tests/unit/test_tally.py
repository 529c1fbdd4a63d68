"""The tally: what one process counts, and what several count together."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from ftpd.core import tally as tallies
from ftpd.core.tally import COLUMNS, Crowded, OwnTally, SharedTally, Tally


@pytest.fixture
def shared() -> Iterator[SharedTally]:
    made = SharedTally(64)
    made.take(0)
    yield made
    made.close()


@pytest.fixture(params=["own, by Python", "own", "shared"])
def tally(request: pytest.FixtureRequest, shared: SharedTally, monkeypatch: pytest.MonkeyPatch) -> Tally:
    if request.param == "own, by Python":
        monkeypatch.setattr(tallies, "_add", tallies.add_by_python)
        monkeypatch.setattr(tallies, "_drop", tallies.drop_by_python)
    return shared if request.param == "shared" else OwnTally()


def elsewhere(work: Callable[[], None]) -> None:
    """Do it in another process, which ends well."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_who_comes_is_counted_and_who_goes_is_not(tally: Tally) -> None:
    assert tally.count("tom") == 0
    assert [tally.add("tom"), tally.add("tom"), tally.add("bob")] == [1, 2, 1]
    assert (tally.count("tom"), tally.count("bob"), len(tally)) == (2, 1, 2)
    tally.drop("tom")
    assert (tally.count("tom"), len(tally)) == (1, 2)
    tally.drop("tom")
    tally.drop("bob")
    assert (tally.count("tom"), len(tally)) == (0, 0)


def test_what_a_login_counts_as_takes_the_lock_once_and_all_of_it_or_nothing_counts(
    shared: SharedTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    take, row_for = shared._take_lock, shared._row_for
    monkeypatch.setattr(shared, "_take_lock", lambda: (taken.append(1), take()))
    shared.add_all([("tom", None), ("host", "tom's"), ("class", None)])
    assert (len(taken), shared.count("tom"), shared.count("host"), shared.distinct("tom's")) == (1, 1, 1, 1)
    shared.add_all([("tom", None), ("class", None)])
    assert (len(taken), shared.count("tom"), shared.count("class")) == (1, 2, 2)

    def full(number: int, above: int) -> int:
        if number == hash("third") & 0xFFFFFFFFFFFFFFFF:
            raise Crowded("the table is full")
        return row_for(number, above)

    monkeypatch.setattr(shared, "_row_for", full)
    with pytest.raises(Crowded):
        shared.add_all([("tom", None), ("second", None), ("third", None)])
    assert (shared.count("tom"), shared.count("second"), shared.count("third")) == (2, 0, 0)
    # and the lock is free for others
    elsewhere(lambda: shared.take(1) or shared.add_all([("tom", None)]))
    assert shared.count("tom") == 3


def test_hosts_of_a_user_count_once_however_many_clients_are_there(tally: Tally) -> None:
    for host in ("a", "a", "b"):
        tally.add(("at", "tom", host), under="tom's")
    tally.add(("at", "bob", "c"), under="bob's")
    assert (tally.distinct("tom's"), tally.distinct("bob's"), tally.distinct("nobody's")) == (2, 1, 0)
    tally.drop(("at", "tom", "a"))
    assert tally.distinct("tom's") == 2
    tally.drop(("at", "tom", "a"))
    assert tally.distinct("tom's") == 1


def test_who_goes_takes_all_its_counts_along(tally: Tally) -> None:
    for name in ("a", "b"):
        tally.add("all")
        tally.add(("at", "tom", name), under="tom's")
    tally.drop_all(["all", ("at", "tom", "a")])
    assert (tally.count("all"), tally.distinct("tom's"), len(tally)) == (1, 1, 2)
    tally.drop_all(("all", ("at", "tom", "b")))
    assert (tally.count("all"), tally.distinct("tom's"), len(tally)) == (0, 0, 0)
    tally.drop_all(())
    with pytest.raises(KeyError):
        tally.drop_all(["all"])


def test_what_is_counted_exclusively_may_be_counted_within(tally: Tally) -> None:
    with tally.exclusively(), tally.exclusively():
        assert tally.add("tom") == 1
    assert tally.count("tom") == 1


def test_who_counts_as_several_counts_as_all_of_them(tally: Tally) -> None:
    tally.add_all((("all", None), ("tom", None)))
    tally.add_all([("all", None), ("bob", None)])
    assert (tally.count("all"), tally.count("tom"), tally.count("bob"), len(tally)) == (2, 1, 1, 3)
    tally.drop_all(("all", "tom"))
    tally.add_all(())
    assert (tally.count("all"), tally.count("tom"), len(tally)) == (1, 0, 2)


def test_processes_count_together_and_a_dead_one_takes_its_counts_with_it(shared: SharedTally) -> None:
    shared.add("tom")

    def other() -> None:
        shared.take(1)
        assert shared.count("tom") == 1
        assert shared.add("tom") == 2
        shared.add(("at", "tom", "a"), under="tom's")

    elsewhere(other)
    shared.add(("at", "tom", "a"), under="tom's")
    assert (shared.count("tom"), shared.count(("at", "tom", "a")), shared.distinct("tom's")) == (2, 2, 1)
    shared.release(1)
    assert (shared.count("tom"), shared.count(("at", "tom", "a")), shared.distinct("tom's")) == (1, 1, 1)
    shared.drop(("at", "tom", "a"))
    assert shared.distinct("tom's") == 0


def test_rows_of_those_who_left_are_used_again_and_a_full_table_lets_nobody_in(shared: SharedTally) -> None:
    for number in range(1000):
        shared.add(("host", number))
        shared.drop(("host", number))
    for number in range(64):
        shared.add(("host", number))
    with pytest.raises(Crowded):
        shared.add("one more")
    assert shared.count(("host", 63)) == 1
    # where there is no room for all, none is counted
    with pytest.raises(Crowded):
        shared.add_all(((("host", 1), None), ("one more", None)))
    assert shared.count(("host", 1)) == 1
    shared.drop(("host", 0))
    assert shared.add("one more") == 1


def test_what_happens_in_a_window_is_seen_by_all(shared: SharedTally) -> None:
    shared.arrivals.began, shared.arrivals.count = 17.5, 3

    def other() -> None:
        assert (shared.arrivals.began, shared.arrivals.count) == (17.5, 3)
        shared.arrivals.count += 1

    elsewhere(other)
    assert shared.arrivals.count == 4


def test_as_many_processes_as_there_are_columns_have_their_own(shared: SharedTally) -> None:
    for column in range(COLUMNS):
        shared.take(column)
        shared.add("tom")
    assert shared.count("tom") == COLUMNS
    for column in range(COLUMNS):
        shared.release(column)
    assert shared.count("tom") == 0


def test_a_process_that_shares_counts_in_the_table_of_all(shared: SharedTally) -> None:
    def other() -> None:
        tallies.share(shared, 5)
        assert tallies.tally().add("tom") == 1

    elsewhere(other)
    assert shared.count("tom") == 1
    assert tallies.tally() is not shared


def test_who_stands_still_with_the_lock_is_ended_and_the_others_go_on(
    shared: SharedTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "_PATIENCE", 0.1)
    holds, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        shared.take(1)
        with shared.exclusively():
            shared.add("tom")
            os.write(told, b"+")
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.read(holds, 1)
    os.close(holds)
    os.close(told)
    assert shared.add("tom") == 2
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    shared.release(1)
    assert shared.count("tom") == 1


def test_who_is_only_slow_with_the_lock_is_waited_for(shared: SharedTally) -> None:
    holds, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        shared.take(1)
        with shared.exclusively():
            os.write(told, b"+")
            time.sleep(0.1)
        os._exit(0)
    os.read(holds, 1)
    os.close(holds)
    os.close(told)
    assert shared.add("tom") == 1
    assert os.waitpid(pid, 0)[1] == 0
