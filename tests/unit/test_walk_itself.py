"""The walk itself, called by hand: files are opened and made by the user, and all else is done by the daemon."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ftpd import native
from ftpd.core.identity import Identity

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way")]


ANNA = Identity(4711, 4711, (4711,))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_are_opened_by_the_user_and_everything_else_is_done_by_the_daemon(tmp_path: Path, way: str) -> None:
    if way == "whole road":
        return
    (tmp_path / "hers").write_text("1234")
    (tmp_path / "roots").write_text("1234")
    os.chown(tmp_path / "hers", ANNA.uid, ANNA.gid)
    for name in ("hers", "roots"):
        (tmp_path / name).chmod(0o600)
    tmp_path.chmod(0o711)
    here, there = socket.socketpair()
    neutral = Identity(0, 0, (0,)).raw
    root = os.open(tmp_path, os.O_PATH)
    with here, there:
        walk = native.data.Walk(
            lambda *_: None, here.fileno(), b"\x7f\0\0\1", 0, b"\x7f\0\0\1", True, 8, 5
        )  # fmt: skip
        try:
            device = os.stat(tmp_path).st_dev
            for name, sent, kernels in ((b"hers", True, 0), (b"roots", False, 0), (b"hers", False, device)):
                native.calls.linger()
                reply = walk.listen(40000, 20000, b"(", b")", False, b"")
                data = socket.create_connection(("127.0.0.1", int(reply[1:-1])))
                arguments = (ANNA.raw, neutral, root, None, frozenset({kernels}), b"/", b"150 ", b"226 \r\n", None)
                assert (walk.send(*arguments, name) == b"226 \r\n") == sent
                with open("/proc/thread-self/status") as status:
                    assert "Uid:\t0\t0\t0\t0" in status.read()
                native.calls.settle()
                data.close()
            assert there.recv(99) == b"150 hers (4 bytes)\r\n"
            assert walk.tell() == (1, 4, 0, 0, 20)
            assert walk.tell() == (0, 0, 0, 0, 0)
        finally:
            native.calls.settle()
            walk.close()
            os.close(root)
        assert walk.listen(40000, 20000, b"(", b")", False, b"") is None


def test_what_a_walk_cannot_be_made_of_is_told(way: str) -> None:
    if way == "whole road":
        return
    for wrong in ((b"\x7f\0\0", b"\x7f\0\0\1"), (b"\x7f\0\0\1", b"")):
        with pytest.raises(ValueError, match="four bytes or sixteen"):
            native.data.Walk(print, 1, wrong[0], 0, wrong[1], True, 8, 5)
    walk = native.data.Walk(print, 1, bytes(15) + b"\1", 0, bytes(15) + b"\1", True, 8, 5)
    with pytest.raises(TypeError):
        walk.listen(1, 2)
    with pytest.raises(TypeError):
        walk.send(1, 2)
    for first, many in ((0, 5), (1, 0), (65535, 2), (1, 70000)):
        assert walk.listen(first, many, b"", b"", False, b"") is None
    assert walk.listen(40000, 1000, b"", b"", False, b"argument") is None
    walk.held = True
    assert walk.listen(40000, 1000, b"", b"", False, b"") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_are_made_by_the_user_and_others_stay(tmp_path: Path, way: str) -> None:
    if way == "whole road":
        return
    folder = tmp_path / "hers"
    folder.mkdir()
    os.chown(folder, ANNA.uid, ANNA.gid)
    for place in (tmp_path, folder):
        place.chmod(0o755)
    (folder / "roots").write_text("1234")
    (folder / "roots").chmod(0o644)
    here, there = socket.socketpair()
    here.setblocking(False)
    neutral = Identity(0, 0, (0,)).raw
    root = os.open(folder, os.O_PATH)
    with here, there:
        walk = native.data.Walk(print, here.fileno(), b"\x7f\0\0\1", 0, b"\x7f\0\0\1", True, 8, 5)
        begun: list[tuple[int, bytes]] = []
        try:
            for name, done in ((b"new", True), (b"roots", False)):
                native.calls.linger()
                reply = walk.listen(40000, 20000, b"(", b")", False, b"")
                with socket.create_connection(("127.0.0.1", int(reply[1:-1]))) as data:
                    told = walk.take(
                        ANNA.raw, neutral, root, None, frozenset(), b"/", b"150 ", b"226 \r\n", 0o644, True, (), None,
                        lambda *arguments: begun.append(arguments), None, None, name,
                    )  # fmt: skip
                    assert told == (b"" if done else None)
                    with open("/proc/thread-self/status") as status:
                        assert "Uid:\t0\t0\t0\t0" in status.read()
                    native.calls.settle()
                    if done:
                        assert walk.more() == 0
                        data.sendall(b"her own")
                        data.shutdown(socket.SHUT_WR)
                        while (how := walk.more()) == 0:
                            pass
                        assert how == 1
                        assert walk.taken()[0] == 7
            with pytest.raises(TypeError, match="front"):
                walk.take(
                    ANNA.raw,
                    neutral,
                    root,
                    None,
                    frozenset(),
                    b"/",
                    b"",
                    b"",
                    0o644,
                    True,
                    (),
                    None,
                    print,
                    1,
                    None,
                    b"x",
                )
            assert begun[0][1:] == (b"new",)
            assert (folder / "new").read_bytes() == b"her own"
            assert ((folder / "new").stat().st_uid, (folder / "new").stat().st_gid) == (ANNA.uid, ANNA.gid)
            assert (folder / "roots").read_text() == "1234"
        finally:
            native.calls.settle()
            walk.close()
            os.close(root)
