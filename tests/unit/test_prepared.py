"""Code that was compiled ahead stands for its source when nobody else can have made it, and is not looked into else."""

from __future__ import annotations

import logging
import marshal
import os
import py_compile
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpd.core.log import Level
from ftpd.module import loader, prepared
from ftpd.module.table import Module

GOOD = "from ftpd.api import Module\nmodule = Module('mod_good', version='0.1')\ndef fault():\n    return 1 / 0\n"
PLANTED = GOOD.replace("0.1", "6.66")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The file of a module in a ModulePath; nothing is prepared of it yet."""
    folder = tmp_path / "libexec"
    folder.mkdir(mode=0o755)
    path = folder / "mod_good.py"
    path.write_text(GOOD)
    path.chmod(0o644)
    return path


@pytest.fixture
def planted(source: Path) -> Path:
    """Prepared code that is right in all but one thing, that it does what the source does not: so it tells itself."""
    prepared.prepare(str(source), PLANTED.encode())
    path = kept(source)
    code = marshal.dumps(prepared.compiled(str(source), PLANTED.encode()))
    path.write_bytes(prepared._seal(source.read_bytes(), code) + code)
    return path


def kept(source: Path) -> Path:
    (path,) = prepared.kept_of(str(source))
    return Path(path)


def load(source: Path) -> Module:
    module = loader.load(str(source.parent), source.stem)
    loader.unload(module.namespace)
    return module


def never(*arguments: object, **named: object) -> None:
    raise AssertionError("this was not to be asked")


# -- what is taken -------------------------------------------------------------------------------------


def test_what_is_prepared_is_not_compiled_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared.prepare_all(str(source.parent), str(source.parent))
    monkeypatch.setattr("builtins.compile", never)
    assert load(source).version == "0.1"


def test_it_stands_for_the_source_and_who_may_write_the_one_may_write_the_other(planted: Path, source: Path) -> None:
    """What the refusals below are measured by: without them this is what would be run."""
    assert load(source).version == "6.66"


def test_a_fault_is_told_by_the_file_that_it_is_in_now(source: Path, tmp_path: Path) -> None:
    """Where a package is built below another folder, and where a checkout was moved."""
    prepared.prepare(str(source), source.read_bytes(), "/where/it/is/not/mod_good.py")
    module = loader.load(str(source.parent), "mod_good")
    try:
        fault = sys.modules[module.namespace].fault
        assert fault.__code__.co_filename == str(source)
    finally:
        loader.unload(module.namespace)


def test_what_is_prepared_is_everybody_s_to_read_and_its_writer_s_to_write(source: Path) -> None:
    for mask in (0o000, 0o077):
        before = os.umask(mask)
        try:
            prepared.prepare(str(source), source.read_bytes())
        finally:
            os.umask(before)
        path = kept(source)
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o644, 0o755)
        prepared.delete(str(source))
        assert [one.name for one in source.parent.iterdir()] == ["mod_good.py"], "it goes without a trace"


def test_of_a_folder_all_is_prepared_once_and_what_is_of_no_module_goes(source: Path) -> None:
    (source.parent / "mod_faulty.py").write_text("module = (")
    (source.parent / "mod_open.py").write_text(GOOD)
    (source.parent / "mod_open.py").chmod(0o666)
    os.mkfifo(source.parent / "mod_fifo.py", 0o600)
    prepared.prepare(str(source.with_name("mod_gone.py")), b"")
    prepared.prepare_all(str(source.parent), str(source.parent))
    (path,) = (source.parent / "__pycache__").iterdir()
    assert path.name.startswith("mod_good.")
    first = path.stat()
    prepared.prepare_all(str(source.parent), str(source.parent))
    assert path.stat().st_ino == first.st_ino
    source.write_text(PLANTED)
    prepared.prepare_all(str(source.parent), str(source.parent))
    assert path.stat().st_ino != first.st_ino


# -- what is not ---------------------------------------------------------------------------------------


def edited(path: Path, source: Path) -> None:
    source.write_text(GOOD + "# a change\n")


def of_another_source(path: Path, source: Path) -> None:
    code = path.read_bytes()[32:]
    path.write_bytes(prepared._seal(PLANTED.encode(), code) + code)


def cut_off(path: Path, source: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def cut_off_early(path: Path, source: Path) -> None:
    path.write_bytes(path.read_bytes()[:16])


def empty(path: Path, source: Path) -> None:
    path.write_bytes(b"")


def one_bit_is_another(path: Path, source: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def of_python_s_own_form(path: Path, source: Path) -> None:
    path.write_bytes(path.read_bytes()[32:])


@pytest.mark.parametrize(
    "done", [edited, of_another_source, cut_off, cut_off_early, empty, one_bit_is_another, of_python_s_own_form]
)
def test_what_does_not_belong_to_this_very_source_is_not_looked_into_and_said(
    planted: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    done: Callable[[Path, Path], None],
) -> None:
    monkeypatch.setattr("marshal.loads", never)
    done(planted, source)
    with caplog.at_level(Level.NOTICE, "ftpd"):
        assert load(source).version == "0.1"
    assert f"{source}: compiled anew, for {planted} is damaged, or was made of another source" in caplog.text


def test_where_nothing_is_amiss_nothing_is_said(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "ftpd"):
        load(source)
        prepared.prepare(str(source), GOOD.encode())
        loader._code.clear()
        load(source)
        source.write_text(PLANTED)
        prepared.prepare_all(str(source.parent), str(source.parent))
        load(source)
    assert not caplog.text


@pytest.mark.parametrize("name", ["mod_good.pyc", f"__pycache__/mod_good.{sys.implementation.cache_tag}.pyc"])
def test_python_s_own_bytecode_is_not_looked_at_and_said(
    source: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Whoever plants it has the date and the length of the source in it, which is all that Python itself asks."""
    planted = source.parent / name
    planted.parent.mkdir(exist_ok=True)
    evil = source.with_name("mod_evil.py")
    evil.write_text(PLANTED.replace("6.66", "6.6"))
    found = source.stat()
    os.utime(evil, ns=(found.st_atime_ns, found.st_mtime_ns))
    py_compile.compile(str(evil), str(planted), dfile=str(source), doraise=True)
    evil.unlink()
    with caplog.at_level(Level.NOTICE, "ftpd"):
        assert load(source).version == "0.1"
    assert f"{source}: run from its source; {planted} is Python's own bytecode" in caplog.text


@pytest.mark.parametrize("what", ["MAGIC_NUMBER", "_FORMAT"])
def test_what_another_interpreter_or_another_ftpd_prepared_is_not_looked_into(
    planted: Path, source: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("marshal.loads", never)
    monkeypatch.setattr(prepared, what, b"\xee\x0c\r\n")
    assert load(source).version == "0.1"


def others_may_write_it(path: Path, source: Path) -> None:
    path.chmod(0o646)


def a_group_may_write_it(path: Path, source: Path) -> None:
    os.chown(path, -1, 54321)
    path.chmod(0o664)


def others_may_write_beside_it(path: Path, source: Path) -> None:
    path.parent.chmod(0o777)


def others_may_add_beside_it(path: Path, source: Path) -> None:
    path.parent.chmod(0o1777)


def it_is_a_link(path: Path, source: Path) -> None:
    path.symlink_to(path.rename(source.parent.parent / "elsewhere.code"))


def its_folder_is_a_link(path: Path, source: Path) -> None:
    path.parent.symlink_to(path.parent.rename(source.parent.parent / "elsewhere"))


def it_is_a_fifo(path: Path, source: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def it_is_another_s(path: Path, source: Path) -> None:
    os.chown(path, 12345, -1)


def its_folder_is_another_s(path: Path, source: Path) -> None:
    os.chown(path.parent, 12345, -1)


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (others_may_write_it, "can be written by everybody"),
        pytest.param(a_group_may_write_it, "can be written by group 54321", marks=root_only),
        (others_may_write_beside_it, "can be written by everybody"),
        (others_may_add_beside_it, "can be written by everybody"),
        (it_is_a_link, "it is a symbolic link"),
        (its_folder_is_a_link, "is not a folder"),
        (it_is_a_fifo, "is not a regular file"),
        pytest.param(it_is_another_s, "belongs to uid 12345", marks=root_only),
        pytest.param(its_folder_is_another_s, "belongs to uid 12345", marks=root_only),
    ],
)
def test_what_others_could_have_written_is_not_looked_into_and_said(
    planted: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    done: Callable[[Path, Path], None],
    said: str,
) -> None:
    monkeypatch.setattr("marshal.loads", never)
    done(planted, source)
    with caplog.at_level(logging.WARNING, "ftpd"):
        assert load(source).version == "0.1"
    assert f"{source}: compiled anew, for what was prepared of it cannot be trusted: {source.parent}/" in caplog.text
    assert said in caplog.text


def test_a_check_of_a_file_by_its_author_runs_the_file(source: Path, planted: Path) -> None:
    """prxs -c, which does not ask who may write it."""
    module = loader.execute(str(source), "mod_good", source.read_bytes())
    loader.unload(module.namespace)
    assert module.version == "0.1"
