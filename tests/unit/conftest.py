"""What the tests of units share: both ways, Python's and the compiled one, to call the kernel and to answer; a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from walk_ground import WAYS, take_way

from ftpd import native
from ftpd.core import mounts
from ftpd.transfer import kernel

_near = mounts.Mounts({}, mounts.mounts().near)


@pytest.fixture(autouse=True)
def no_mount_comes_or_goes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests mount meanwhile has nothing to do with these; those of mounts have tables of their own."""
    if request.module.__name__.rpartition(".")[2] != "test_mounts":
        monkeypatch.setattr(mounts, "_now", _near)
        monkeypatch.setattr(mounts, "_read", lambda: _near)


@pytest.fixture(params=["python", "compiled"])
def way_to_call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of a data connection made by Python, and by what is compiled."""
    if request.param == "compiled" and native.data is None:
        pytest.skip("not compiled here")
    for name in ("listen", "accept", "give", "deliver", "receive", "end"):
        by_python, compiled = getattr(kernel, f"{name}_by_python"), getattr(native.data, name, None)
        monkeypatch.setattr(kernel, name, by_python if request.param == "python" else compiled)
    if request.param == "python":
        monkeypatch.setattr(kernel, "pump", None)


@pytest.fixture(params=["python", "compiled"])
def way_to_answer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers given by Python, and by what is compiled."""
    if request.param == "python":
        monkeypatch.setattr(native, "front", None)
    elif native.front is None:
        pytest.skip("not compiled here")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that a file takes which goes as the one before did."""
    return take_way(request.param, monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> int:
    """Eight megabytes, opened for both directions; whoever asks for it closes it."""
    (tmp_path / "file").write_bytes(bytes(8 << 20))
    return os.open(tmp_path / "file", os.O_RDWR)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory of the test's own, for commands whose files lie where they are called."""
    monkeypatch.chdir(tmp_path)
