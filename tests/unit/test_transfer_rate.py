"""TransferRate: transfers and buckets keep to it, are asked seldom, and can be ended meanwhile."""

from __future__ import annotations

import os
from time import monotonic

import pytest
from transfer_ground import awaiting, both, drain, feed, loops, pair, run, until

from ftpd.module.wire import TransferError
from ftpd.transfer.channel import Ground
from ftpd.transfer.data import DataChannel
from ftpd.transfer.throttle import Bucket

pytestmark = pytest.mark.usefixtures("way_to_call")


@loops
@pytest.mark.parametrize("free", [0, 100_000])
def test_a_throttled_download_takes_its_time(loop: str, free: int, file: int) -> None:
    async def story(ground: Ground) -> None:
        for ascii in (False, True):
            data, client = pair(ground)
            # where the bytes are free, a rate of one a second must not be felt
            data.throttle(1 if free else 200_000, free)
            began = monotonic()

            async def download(data: DataChannel = data, ascii: bool = ascii) -> None:
                await data.send_file(file, count=100_000, ascii=ascii)
                await data.finish()

            _, got = await both(download(), drain(client))
            assert got == bytes(100_000)
            if not free:
                # the bucket is full at first (40 kB), the other 60 kB take 0.3 s
                assert 0.25 < monotonic() - began < 5

    run(loop, story)
    os.close(file)


@loops
def test_a_throttled_upload_takes_its_time(loop: str, file: int) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        data.throttle(200_000)
        began = monotonic()
        stored, _ = await both(data.receive_file(file), feed(client, b"x" * 100_000))
        await data.finish()
        assert stored == 100_000
        assert 0.25 < monotonic() - began < 5

    run(loop, story)
    os.close(file)


@loops
def test_a_pause_can_be_aborted_and_a_throttle_taken_off(loop: str, file: int) -> None:
    async def story(ground: Ground) -> None:
        data, client = pair(ground)
        data.throttle(10)
        async with awaiting(data.send_file(file)) as download:
            await until(lambda: data._pause is not None)
            data.abort()
            with pytest.raises(TransferError):
                await download
        client.close()

        data, client = pair(ground)
        data.throttle(1000)
        data.throttle(0)
        assert await data.send_file(file, count=100_000) == 100_000
        await data.finish()
        client.close()

    run(loop, story)
    os.close(file)


@pytest.mark.parametrize("rate", [0.5, 3.0, 1000.0, 1e9])
def test_a_bucket_keeps_its_rate_and_is_asked_seldom(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("ftpd.transfer.throttle.monotonic", lambda: now)
    bucket = Bucket(rate, free=500)
    assert bucket.grant(400) == 400
    bucket.took(400)
    moved = -100
    asked = 0
    end = now + 100
    while now < end:
        count = bucket.grant(1 << 40)
        bucket.took(count)
        moved += count
        asked += 1
        assert bucket.delay() > 0
        now += bucket.delay() + 1e-6
    assert rate * 95 - 1 <= moved <= rate * 105 + 1
    assert asked < 1100


def test_a_bucket_does_not_make_up_for_an_hour_of_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("ftpd.transfer.throttle.monotonic", lambda: now)
    bucket = Bucket(1000)
    now += 3600
    assert bucket.grant(1 << 30) == 200


def test_who_goes_on_as_long_as_something_may_move_has_to_wait_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It moved the few bytes that came together meanwhile, again and again, and nobody else had a turn."""
    now = 1000.0
    monkeypatch.setattr("ftpd.transfer.throttle.monotonic", lambda: now)
    bucket = Bucket(2_000_000)
    for _ in range(10):
        now += 0.1 + 1e-6
        times = 0
        while count := bucket.grant(1 << 20):
            # now and then the kernel takes a part
            bucket.took(count if times else count // 2)
            now += 5e-6
            times += 1
            assert times < 3
        assert bucket.delay() > 0


def test_what_is_less_than_a_slice_goes_when_it_has_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("ftpd.transfer.throttle.monotonic", lambda: now)
    bucket = Bucket(1000)
    now += 0.05 + 1e-6
    assert (bucket.grant(60), bucket.grant(1000), bucket.grant(40)) == (0, 0, 40)
