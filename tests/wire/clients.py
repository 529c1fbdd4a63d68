"""Running other people's FTP clients: to their end, or killed in the middle of a transfer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from tests.wire.daemon import PATIENCE, until

# what FTP clients meet in the field, and where quoting and character sets go wrong
AWKWARD_NAMES = ["with blanks in it.bin", "grüße-日本.bin", "semi;colon #1 100%.bin"]


def need(command: str) -> None:
    """Skip the tests of a client that is not on this machine; scripts/test installs it, or says that it could not."""
    if shutil.which(command) is None:
        pytest.skip(f"the client {command} is not installed", allow_module_level=True)


def run(*argv: str | Path, script: str = "", stdin: bytes = b"", fails: bool = False) -> str:
    """What the client prints; it has to end with success, or with failure where that is what is right."""
    done = subprocess.run(
        [str(word) for word in argv],
        input=script.encode() or stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
    )
    printed = done.stdout.decode(errors="backslashreplace")
    # for pytest to show when the test fails later on
    print(f"$ {argv[0]}: {done.returncode}\n{printed}")
    assert (done.returncode != 0) == fails, f"{argv[0]} ended with {done.returncode}"
    return printed


def start(*argv: str | Path) -> subprocess.Popen[bytes]:
    """The client, left running, in a process group of its own as its helpers are to die with it."""
    return subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(client: subprocess.Popen[bytes]) -> None:
    """End the client and its helpers as a crash would, without a word to the server."""
    if client.poll() is None:
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()
    for stream in (client.stdin, client.stdout):
        # what was still to be written to it cannot be any more
        with suppress(BrokenPipeError):
            stream.close()  # type: ignore[union-attr]


def kill_while_downloading(*argv: str | Path, script: str = "") -> None:
    """Kill a client that writes a huge file to its standard output, when some of it has come."""
    client = start(*argv)
    assert client.stdin is not None and client.stdout is not None
    try:
        client.stdin.write(script.encode())
        client.stdin.flush()
        came = len(client.stdout.read(256 * 1024))
        assert came == 256 * 1024, f"{argv[0]} ended after {came} bytes, before it could be killed"
    finally:
        kill(client)


def kill_while_uploading(arrived: Path, *argv: str | Path, script: str = "", pipe: Path | None = None) -> None:
    """Kill a client when some of an upload without an end is in the file ``arrived``.

    The upload is what the client reads from its standard input, or from ``pipe`` where that has its commands.
    """
    client = start(*argv)
    assert client.stdin is not None
    try:
        client.stdin.write(script.encode())
        client.stdin.flush()
        with pipe.open("wb") if pipe else nullcontext(client.stdin) as upload:
            upload.write(bytes(1024 * 1024))
            upload.flush()
            until(f"{arrived.name} has some of the upload", lambda: arrived.stat().st_size > 0)
            os.killpg(client.pid, signal.SIGKILL)
    finally:
        kill(client)
