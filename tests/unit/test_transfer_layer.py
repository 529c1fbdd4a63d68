"""What TLS needs of a data connection: a layer of its own sees every byte, and its faults close it."""

from __future__ import annotations

import asyncio
import os

import pytest
from transfer_ground import awaiting, drain, loops, pair, run

from ftpd.transfer.channel import Ground
from ftpd.transfer.data import DataChannel

pytestmark = pytest.mark.usefixtures("way_to_call")


class Record(DataChannel):
    """A connection with a layer of its own: bits are flipped, and the first write waits for the peer."""

    greeted = False

    def use_sendfile(self) -> bool:
        return False

    def put(self, data: memoryview) -> int:
        if not self.greeted:
            self.needs = self.ioloop.READ
            self.greeted = bool(self.socket.recv(1))  # BlockingIOError: nothing there
            self.needs = 0
        return super().put(memoryview(bytes(byte ^ 255 for byte in data)))

    def get(self, buffer: memoryview) -> int:
        count = super().get(buffer)
        buffer[:count] = bytes(byte ^ 255 for byte in buffer[:count])
        return count


@loops
def test_a_layer_of_its_own_sees_every_byte(loop: str, file: int) -> None:
    async def story(ground: Ground) -> None:
        plain, client = pair(ground)
        data = Record(plain._fileno, ground)
        async with awaiting(data.send_file(file, count=1000)) as download:
            await asyncio.sleep(0)
            assert data.moved == 0
            client.send(b"!")
            assert await download == 1000
        # what fills no segment may wait a moment for our end, which does not come here
        assert await asyncio.get_running_loop().sock_recv(client, 2000) == b"\xff" * 1000
        client.send(b"\xff\xfe")
        client.shutdown(1)
        assert await data.receive_file(file, offset=0) == 2
        assert os.pread(file, 2, 0) == b"\x00\x01"
        await data.finish()
        client.close()

    run(loop, story)
    os.close(file)


@loops
def test_a_fault_of_ours_is_raised_and_closes_the_connection(loop: str) -> None:
    class Broken(DataChannel):
        def use_sendfile(self) -> bool:
            return False

        def get(self, buffer: memoryview) -> int:
            if self._step is None:
                raise BlockingIOError
            raise ZeroDivisionError

    async def story(ground: Ground) -> None:
        plain, client = pair(ground)
        data = Broken(plain._fileno, ground)
        async with awaiting(data.receive_file(-1)) as upload:
            client.send(b"x")
            with pytest.raises(ZeroDivisionError):
                await upload
        with pytest.raises(ConnectionResetError):  # there was a byte unread
            await drain(client)

    run(loop, story)
