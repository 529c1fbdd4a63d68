"""A file that is as it was is known by its sign, and nothing of it can be otherwise without that telling."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpd import native
from ftpd.core.signs import Sign, sign_by_stat, sign_compiled

_COMPILED = pytest.mark.skipif(native.signs is None, reason="not compiled here")
pytestmark = pytest.mark.parametrize("sign", [sign_by_stat, pytest.param(sign_compiled, marks=_COMPILED)])
Way = Callable[[bytes | int], Sign]


def test_whatever_is_changed_changes_it(sign: Way, tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ann")
    file.chmod(0o600)
    path, before = os.fsencode(file), sign(os.fsencode(file))
    assert sign(path) == before
    os.utime(file, ns=(1, 1))
    signs = [before, sign(path)]
    file.chmod(0o602)
    signs.append(sign(path))
    with file.open("a") as out:
        out.write("b")
    signs.append(sign(path))
    other = tmp_path / "other"
    other.write_text("annb")
    os.utime(other, ns=(1, 1))
    other.rename(file)
    signs.append(sign(path))
    assert len(set(signs)) == len(signs)


def test_it_is_that_of_what_is_open_and_of_what_a_link_leads_to(sign: Way, tmp_path: Path) -> None:
    file, link = tmp_path / "users", tmp_path / "link"
    file.write_text("ann")
    link.symlink_to(file)
    with file.open() as opened:
        assert sign(opened.fileno()) == sign(os.fsencode(file)) == sign(os.fsencode(link))


def test_what_is_not_there_or_may_not_be_seen_is_told_as_by_the_system(sign: Way, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sign(os.fsencode(tmp_path / "nothing"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sign(os.fsencode(tmp_path / "file" / "in"))
    with pytest.raises(ValueError, match="null"):
        sign(os.fsencode(tmp_path) + b"/a\0b")
    with pytest.raises(OSError, match="Bad file descriptor"):
        sign(-2)
