"""mod_ident: who the client's machine says it is becomes a note, and a machine that does not answer holds nobody."""

from __future__ import annotations

import asyncio
import time

import pytest

from ftpd.modules import mod_ident
from ftpd.testing import Bench


def noted(answer: bytes | None, conf: str, patch: pytest.MonkeyPatch) -> tuple[str | None, str]:
    """The note after a lookup, and what was asked; without an answer the server says nothing at all."""
    asked = []

    async def story() -> str | None:
        done, gone = asyncio.Event(), asyncio.Event()

        async def identd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readline()).decode())
            if answer is not None:
                writer.write(answer)
                writer.close()
            done.set()
            await reader.read()
            writer.close()
            gone.set()

        server = await asyncio.start_server(identd, "127.0.0.1", 0)
        async with server:
            patch.setattr(mod_ident, "_PORT", server.sockets[0].getsockname()[1])
            began = time.perf_counter()
            async with Bench(conf=conf, login=None) as ftp:
                assert time.perf_counter() - began < 5, "the greeting has waited"
                assert ftp.session is not None
                if "on" in conf:
                    await asyncio.wait_for(done.wait(), 5)
                for _ in range(100):
                    if ftp.session.notes.get(mod_ident.NOTE) != "UNKNOWN":
                        break
                    await asyncio.sleep(0.005 if answer else 0)
                found = ftp.session.notes.get(mod_ident.NOTE)
            if "on" in conf:
                await asyncio.wait_for(gone.wait(), 5)
            await asyncio.sleep(0)
            return found

    found = asyncio.run(story())
    return found, "".join(asked)


def test_the_answer_becomes_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = noted(b"40000, 2121 : USERID : UNIX : tom\r\n", "IdentLookups on\n", monkeypatch)
    assert (found, asked) == ("tom", "40000, 2121\r\n")


def test_why_no_user_is_told_is_noted_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = noted(b"40000,2121:ERROR:HIDDEN-USER\r\n", "IdentLookups on\n", monkeypatch)
    assert found == "HIDDEN-USER"


def test_a_long_user_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = noted(b"40000, 2121 : USERID : UNIX : " + b"x" * 600 + b"\r\n", "IdentLookups on\n", monkeypatch)
    assert found == "x" * 512


@pytest.mark.parametrize(
    "answer", [b"40000, 2121 : ERROR : \r\n", b"1, 2 : USERID : UNIX : tom\r\n", b"x" * 5000, b"\r\n", None]
)
def test_after_what_is_no_answer_nobody_is_known(answer: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert noted(answer, "IdentLookups on\n", monkeypatch)[0] == "UNKNOWN"


def test_nobody_is_asked_unless_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert noted(b"40000, 2121 : USERID : UNIX : tom\r\n", "", monkeypatch) == (None, "")
