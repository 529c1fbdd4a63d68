"""Plain code that waits for a slow file system: it is left in the middle and come back to, and the loop goes on."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ftpd.core import aside
from ftpd.core.aside import Journey, Trip, Trips, at_file, close_file, far_file, hop, open_aside
from ftpd.core.reply import Refuse
from ftpd.engine.pool import Pools


def run(story: Callable[[Trips, Pools], Awaitable[None]]) -> None:
    async def whole() -> None:
        pools = Pools()
        aside.use_threads(pools)
        try:
            await asyncio.wait_for(story(Trips(pools), pools), 10)
        finally:
            aside.use_threads(None)
            pools.close()

    asyncio.run(whole())


def test_code_that_need_not_wait_is_just_run() -> None:
    async def story(trips: Trips, pools: Pools) -> None:
        assert trips.go(lambda: 7, Journey()) == 7
        with pytest.raises(ZeroDivisionError):
            trips.go(lambda: 1 // 0, Journey())

    run(story)


def test_only_the_work_itself_is_done_by_another_thread() -> None:
    async def story(trips: Trips, pools: Pools) -> None:
        where: list[int] = []

        def command() -> str:
            where.append(threading.get_ident())
            where.append(hop(threading.get_ident, "files:0:1"))
            where.append(threading.get_ident())
            return "done"

        trip = trips.go(command, Journey())
        assert isinstance(trip, Trip)
        assert await trip == "done"
        here = threading.get_ident()
        assert where[0] == where[2] == here != where[1]

    run(story)


def test_others_go_on_while_one_waits_and_failures_come_back() -> None:
    async def story(trips: Trips, pools: Pools) -> None:
        go_on = threading.Event()
        told: list[str] = []

        def command() -> None:
            hop(go_on.wait, "files:0:1")
            try:
                hop(lambda: 1 // 0, "files:0:1")
            except ZeroDivisionError:
                told.append("failed")
            raise FileNotFoundError("and that is how it ended")

        trip = trips.go(command, Journey())
        assert isinstance(trip, Trip)
        waiting = asyncio.ensure_future(trip)
        for number in range(20):
            assert trips.go(lambda number=number: number, Journey()) == number  # type: ignore[misc]
            await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()
        with pytest.raises(FileNotFoundError):
            await waiting
        assert told == ["failed"]

    run(story)


def test_a_coroutine_waits_in_the_middle_of_plain_code_as_well_as_at_its_awaits() -> None:
    async def story(trips: Trips, pools: Pools) -> None:
        steps: list[object] = []

        async def rest(first: object) -> None:
            steps.append(first)
            steps.append(hop(lambda: "from a thread", "files:0:1"))
            await asyncio.sleep(0)
            steps.append(asyncio.current_task() is not None)
            async with asyncio.timeout(5):
                steps.append(hop(lambda: "again", "files:0:1"))

        journey = Journey()
        begun = trips.go(lambda: hop(lambda: "begun", "files:0:1"), journey)
        await asyncio.create_task(trips.along(begun, rest, journey))
        assert steps == ["begun", "from a thread", True, "again"]

    run(story)


def test_who_is_cancelled_hears_that_nobody_waits_and_waits_for_nothing_more() -> None:
    async def story(trips: Trips, pools: Pools) -> None:
        go_on = threading.Event()
        told: list[int] = []

        def command() -> None:
            for _ in range(3):
                try:
                    hop(go_on.wait, "files:0:1")
                except Refuse as refused:
                    told.append(refused.code)

        async def rest(first: object) -> None:
            command()

        journey = Journey()
        task = asyncio.create_task(trips.along(None, rest, journey))
        while not journey.waiting:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert told == [426] * 3
        assert journey.given_up
        go_on.set()

    run(story)


def test_what_a_command_worked_on_does_not_live_on_in_what_it_ran_in() -> None:
    class Held:
        pass

    async def story(trips: Trips, pools: Pools) -> None:
        held = Held()
        gone = weakref.ref(held)

        def fails(held: Held) -> None:
            hop(lambda: None, "files:0:1")
            raise OSError("with its traceback")

        trip = trips.go(lambda held=held: fails(held), Journey())  # type: ignore[misc]
        del held
        assert isinstance(trip, Trip)
        with pytest.raises(OSError):
            await trip
        del trip
        gc.collect()
        assert gone() is None

    run(story)


def test_a_file_is_closed_only_when_no_thread_uses_it_any_more(tmp_path: Path) -> None:
    async def story(trips: Trips, pools: Pools) -> None:
        go_on, begun = threading.Event(), threading.Event()
        descriptor = open_aside(lambda: os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT), "files:0:1")
        file = far_file(descriptor)
        assert file is not None
        assert at_file(descriptor, os.fstat).st_size == 0

        def long(fd: int) -> int:
            begun.set()
            go_on.wait()
            return os.write(fd, b"late")

        writing = asyncio.ensure_future(pools(lambda: file.use(long), "files:0:1"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        close_file(descriptor)
        assert far_file(descriptor) is None
        await pools(lambda: None, "files:0:1")
        os.fstat(descriptor)
        go_on.set()
        assert await writing == 4
        with pytest.raises(OSError):
            os.fstat(descriptor)

    run(story)


def test_what_is_opened_when_nobody_waits_any_more_is_closed_again(tmp_path: Path) -> None:
    async def story(trips: Trips, pools: Pools) -> None:
        go_on = threading.Event()
        opened: list[int] = []

        def open_late() -> int:
            go_on.wait()
            opened.append(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
            return opened[0]

        async def rest(first: object) -> None:
            open_aside(open_late, "files:0:1")

        journey = Journey()
        task = asyncio.create_task(trips.along(None, rest, journey))
        while not journey.waiting:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(Refuse):
            await task
        go_on.set()
        while not opened:
            await asyncio.sleep(0.001)
        await pools(lambda: None, "files:0:1")
        await asyncio.sleep(0.01)
        with pytest.raises(OSError):
            os.fstat(opened[0])

    run(story)


def test_elsewhere_than_in_a_command_the_work_is_done_at_once() -> None:
    assert hop(threading.get_ident, "files:0:1") == threading.get_ident()


def test_when_all_threads_of_a_device_are_stuck_more_work_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftpd.engine.pool.PATIENCE", 0.05)

    async def story(trips: Trips, pools: Pools) -> None:
        go_on = threading.Event()
        stuck = [asyncio.ensure_future(pools(go_on.wait, "files:0:1")) for _ in range(8)]
        late = asyncio.ensure_future(pools(lambda: "late", "files:0:1"))
        with pytest.raises(Refuse) as refused:
            await late
        assert refused.value.code == 450
        with pytest.raises(Refuse):
            await pools(lambda: "later still", "files:0:1")
        assert await pools(lambda: "another device", "files:0:2") == "another device"
        go_on.set()
        assert all(await asyncio.gather(*stuck))
        assert await pools(lambda: "again", "files:0:1") == "again"

    run(story)
