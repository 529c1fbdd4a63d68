"""LoadModule's way from a file to a module: who may own and write it, and what is said when it will not do."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftpd.conf.directive import ConfigError
from ftpd.module import loader, prepared, writers
from ftpd.module.table import API_VERSION, Module

PACKAGE = Path(loader.__file__).parents[1]
GOOD = "from ftpd.api import Module\nmodule = Module('mod_good', version='0.1')\n"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ModulePath with one module that is as it should be."""
    path = tmp_path / "libexec"
    path.mkdir(mode=0o755)
    write(path / "mod_good.py", GOOD)
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text))
    path.chmod(0o644)
    return path


def load(folder: Path, name: str = "mod_good.c") -> Module:
    module = loader.load(str(folder), name)
    loader.unload(module.namespace)
    return module


def refused(folder: Path, name: str = "mod_good.c") -> ConfigError:
    before = set(sys.modules)
    with pytest.raises(ConfigError) as wrong:
        loader.load(str(folder), name)
    assert not {one for one in set(sys.modules) - before if one.startswith("ftpd_shared")}, "it left something loaded"
    return wrong.value


# -- what is loaded ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mod_good.c", "mod_good.py", "mod_good"])
def test_a_module_has_one_name_in_three_spellings(folder: Path, name: str) -> None:
    assert load(folder, name).name == "mod_good"


def test_each_load_is_a_fresh_one(folder: Path) -> None:
    first = load(folder)
    write(folder / "mod_good.py", GOOD.replace("0.1", "0.2"))
    second = load(folder)
    assert (first.version, second.version) == ("0.1", "0.2")
    assert first.namespace != second.namespace


def test_its_dataclasses_and_annotations_find_their_module(folder: Path) -> None:
    write(
        folder / "mod_good.py",
        """\
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import ClassVar, get_type_hints
        from ftpd.api import Module

        @dataclass
        class State:
            count: int = 0
            limit: ClassVar[int] = 5

        assert get_type_hints(State)["count"] is int
        module = Module("mod_good", version="0.1")
        """,
    )
    assert load(folder).name == "mod_good"


def test_loading_writes_nothing(folder: Path) -> None:
    load(folder)
    assert [path.name for path in folder.rglob("*")] == ["mod_good.py"]


def test_what_python_itself_compiled_is_not_looked_at(folder: Path) -> None:
    """Stale or planted: what may be taken in the place of the source is in test_prepared.py."""
    cache = folder / "__pycache__"
    cache.mkdir()
    evil = write(folder / "evil.py", GOOD.replace("0.1", "6.66"))
    subprocess.run([sys.executable, "-m", "py_compile", evil], check=True)
    compiled = next(cache.glob("evil.*.pyc"))
    compiled.rename(cache / compiled.name.replace("evil", "mod_good"))
    evil.unlink()
    assert load(folder).version == "0.1"


def test_prepared_code_alone_is_no_module(folder: Path) -> None:
    path = folder / "mod_good.py"
    prepared.prepare(str(path), path.read_bytes())
    path.unlink()
    assert "what is there of it is compiled, which nobody loads" in refused(folder).message


@pytest.mark.parametrize("where", ["", "__pycache__"])
def test_bytecode_alone_is_no_module(folder: Path, where: str) -> None:
    (folder / where).mkdir(exist_ok=True)
    name = "mod_good.cpython-311.pyc" if where else "mod_good.pyc"
    source = folder / "mod_good.py"
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import py_compile, sys; py_compile.compile(*sys.argv[1:])",
            source,
            folder / where / name,
        ],
        check=True,
    )
    source.unlink()
    assert refused(folder).message == (
        f"there is no mod_good.py in {folder}, the ModulePath; what is there of it is compiled, which nobody loads"
    )


def test_nothing_is_taken_from_the_current_folder_or_the_search_path(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    write(planted / "mod_good.py", GOOD.replace("0.1", "6.66"))
    write(planted / "mod_planted.py", GOOD.replace("mod_good", "mod_planted"))
    monkeypatch.chdir(planted)
    monkeypatch.syspath_prepend(planted)
    monkeypatch.setenv("PYTHONPATH", str(planted))
    before = list(sys.path)
    assert load(folder).version == "0.1"
    assert "there is no mod_planted.py" in refused(folder, "mod_planted.c").message
    assert sys.path == before
    assert "mod_good" not in sys.modules


# -- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../mod_good", "/etc/mod_good.py", "sub/mod_good.c", "mod_good.so", "good.c", "mod_", "mod_a.b.c", "mod_ä.c", ""],
)
def test_a_name_is_a_name_and_no_path(folder: Path, name: str) -> None:
    assert "does not name a module" in refused(folder, name).message


def test_a_package_that_is_missing_is_to_be_had_for_the_python_of_the_daemon(folder: Path) -> None:
    for name in "mod_good", "mod_sql_mysql":
        (folder / f"{name}.py").write_text("import no_such_package\n")
        (folder / f"{name}.py").chmod(0o644)
    right = f"{sys.executable} -m pip install no_such_package, or the package that it is part of"
    assert refused(folder, "mod_good.c").right == right
    assert refused(folder, "mod_sql_mysql.c").right.startswith("pip install 'ftpd[sql-mysql]'")


def test_what_is_not_there_is_said_with_what_is(folder: Path) -> None:
    wrong = refused(folder, "mod_godo.c")
    assert wrong.message == f"there is no mod_godo.py in {folder}, the ModulePath"
    assert wrong.right == "did you mean mod_good.c?"
    assert refused(folder, "mod_something_else.c").right == "one of mod_good.c"
    (folder / "mod_good.py").unlink()
    assert "holds no modules" in refused(folder, "mod_godo.c").right


# -- who could have written it -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o646, 0o664, 0o666])
def test_a_file_that_others_can_write_is_refused(folder: Path, mode: int) -> None:
    (folder / "mod_good.py").chmod(mode)
    if mode == 0o664 and os.geteuid() != 0:
        os.chown(folder / "mod_good.py", -1, os.getgid())
        pytest.skip("the group may be the tester's own")
    wrong = refused(folder)
    assert "can be written by" in wrong.message
    assert wrong.right == f"chmod go-w {folder}/mod_good.py"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644, 0o755])
def test_a_file_that_only_its_owner_can_write_is_loaded(folder: Path, mode: int) -> None:
    (folder / "mod_good.py").chmod(mode)
    assert load(folder).name == "mod_good"


@pytest.mark.parametrize(("mode", "who"), [(0o777, "everybody"), (0o1777, "everybody"), (0o775, "group")])
def test_a_folder_that_others_can_write_is_refused(folder: Path, mode: int, who: str) -> None:
    folder.chmod(mode)
    if who == "group" and os.geteuid() != 0:
        pytest.skip("the group may be the tester's own")
    assert f"{folder} can be written by {who}" in refused(folder).message


def test_a_folder_below_one_that_others_can_write_is_refused(folder: Path, tmp_path: Path) -> None:
    """They could put another folder in its place."""
    tmp_path.chmod(0o777)
    assert f"{tmp_path} can be written by everybody" in refused(folder).message
    tmp_path.chmod(0o1777)
    assert load(folder).name == "mod_good", "in a sticky folder, as /tmp is, they could not"


@root_only
def test_a_foreign_owner_of_file_folder_or_parent_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "mod_good.py", folder, tmp_path):
        os.chown(path, 12345, -1)
        wrong = refused(folder)
        assert f"{path} belongs to uid 12345" in wrong.message
        assert wrong.right == f"chown root {path}"
        os.chown(path, 0, -1)
    assert load(folder).name == "mod_good"


@root_only
def test_who_owns_the_daemon_s_code_may_own_modules_too(tmp_path: Path) -> None:
    """A checkout that belongs to somebody and is started by root, as in a container: all of its code is theirs."""
    checkout = tmp_path / "checkout"
    shutil.copytree(PACKAGE, checkout / "ftpd", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    (checkout / "libexec").mkdir(mode=0o755)
    module = write(checkout / "libexec" / "mod_good.py", GOOD)
    conf = write(checkout / "proftpd.conf", f"Port 2121\nModulePath {module.parent}\nLoadModule mod_good.c\n")

    def check() -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", "from ftpd.cli.ftpd import main; main()", "-t", "-c", str(conf)]
        return subprocess.run(program, cwd=checkout, capture_output=True, text=True)

    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 12345, 12345)
    assert check().stdout.endswith("Syntax check complete.\n"), check().stderr
    module.chmod(0o666)
    assert f"{module} can be written by everybody" in check().stderr
    module.chmod(0o644)
    os.chown(module, 23456, -1)
    assert f"{module} belongs to uid 23456" in check().stderr


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("members", "group", "private"),
    [([], "ann", True), (["ann"], "ann", True), (["ann", "bob"], "ann", False), ([], "staff", False)],
)
def test_a_users_own_group_is_nobody_else(
    monkeypatch: pytest.MonkeyPatch, members: list[str], group: str, private: bool
) -> None:
    """A checkout under umask 002, as some distributions have it, is group-writable; that group is one's own."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: type("", (), {"pw_name": "ann", "pw_gid": 1000}))
    monkeypatch.setattr("grp.getgrgid", lambda gid: type("", (), {"gr_name": group, "gr_gid": gid, "gr_mem": members}))
    if private:
        writers.check_writers("mod_good.py", status(0o664, 1000, 1000))
        with pytest.raises(ConfigError, match="everybody"):
            writers.check_writers("mod_good.py", status(0o666, 1000, 1000))
    else:
        with pytest.raises(ConfigError, match="group 1000"):
            writers.check_writers("mod_good.py", status(0o664, 1000, 1000))


def test_a_file_that_is_a_symbolic_link_is_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = (folder / "mod_good.py").rename(tmp_path / "mod_good.py")
    (folder / "mod_good.py").symlink_to(elsewhere)
    assert "it is a symbolic link" in refused(folder).message


def test_a_folder_may_be_reached_through_a_link_when_its_target_is_safe(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert load(tmp_path / "link").name == "mod_good"
    folder.chmod(0o777)
    assert f"{folder} can be written by everybody" in refused(tmp_path / "link").message


def test_a_link_that_others_can_lead_elsewhere_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("open", "safe"):
        (tmp_path / name).mkdir()
    (tmp_path / "safe" / "link").symlink_to("../open/link")
    (tmp_path / "open" / "link").symlink_to(folder)
    assert load(tmp_path / "open" / "link").name == load(tmp_path / "safe" / "link").name == "mod_good"
    # whoever can write where a link is, on the way as well, may put another in its place
    (tmp_path / "open").chmod(0o777)
    for name in ("open", "safe"):
        assert f"{tmp_path}/open can be written by everybody" in refused(tmp_path / name / "link").message
    # not with the sticky bit, unless the link is theirs already
    (tmp_path / "open").chmod(0o1777)
    assert load(tmp_path / "safe" / "link").name == "mod_good"
    if os.geteuid() == 0:
        os.chown(tmp_path / "open" / "link", 65534, 65534, follow_symlinks=False)
        assert f"{tmp_path}/open/link belongs to uid 65534" in refused(tmp_path / "safe" / "link").message


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert "cannot be used: Too many levels of symbolic links" in refused(tmp_path / "one").message


def test_a_fifo_does_not_stop_the_start(folder: Path) -> None:
    (folder / "mod_good.py").unlink()
    os.mkfifo(folder / "mod_good.py", 0o600)
    assert "is not a regular file" in refused(folder).message


def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "mod_good.py").unlink()
    (folder / "mod_good.py").mkdir()
    assert "is not a regular file" in refused(folder).message


def test_a_modulepath_that_is_not_there_or_no_folder_is_named(folder: Path) -> None:
    assert f"the ModulePath {folder}/none cannot be used: No such file" in refused(folder / "none").message
    assert "cannot be used: Not a directory" in refused(folder / "mod_good.py").message


# -- what is in it -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("module = (\n", "mod_good.py:1: '(' was never closed"),
        ("x = 1\n\nx / 0\n", "mod_good.py:3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", "mod_good.py:2: SystemExit: 3"),
        ("class Odd(BaseException):\n    pass\nraise Odd\n", "mod_good.py:3: Odd: "),
        ("x = '\0'\n", "mod_good.py:1: source code string cannot contain null bytes"),
        (GOOD + "module.on('core.exit')(print)\n", "TypeError: 'core.exit' is no Event"),
        ("import no_such_package\n", "mod_good.py:1 needs the Python package 'no_such_package'"),
        ("x = 1\n", "mod_good.py defines no module"),
        ("module = 'mod_good'\n", "mod_good.py defines no module"),
        (GOOD.replace("mod_good", "mod_other"), "mod_good.py:2 calls itself mod_other"),
        (
            GOOD.replace("'0.1'", "'0.1', api=99"),
            f"mod_good.py:2 was written for version 99 of the module API; this ftpd has version {API_VERSION}",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(folder: Path, text: str, said: str) -> None:
    write(folder / "mod_good.py", text)
    wrong = refused(folder)
    assert said in wrong.message
    assert wrong.word == 0, "the caret stands below the module's name"


def test_a_fault_in_a_function_that_the_file_calls_is_told_by_the_files_own_line(folder: Path) -> None:
    write(folder / "mod_good.py", "import json\n\njson.loads('{')\n")
    assert "mod_good.py:3: JSONDecodeError" in refused(folder).message


def test_an_interruption_is_the_users_at_the_start_and_the_modules_own_while_the_daemon_serves(folder: Path) -> None:
    write(folder / "mod_good.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load(folder)
    with ThreadPoolExecutor() as pool, pytest.raises(ConfigError, match=r"mod_good\.py:1: KeyboardInterrupt"):
        pool.submit(load, folder).result()


# -- our own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "libexec").glob("mod_*.py")), ids=lambda p: p.stem)
def test_a_shared_module_is_short_enough_to_be_compiled_by_a_daemon_that_serves(path: Path) -> None:
    """As it is after an edit; scripts/bench_loading says what that takes."""
    assert len(path.read_text().splitlines()) <= 200, "what of it could others use? That belongs into ftpd"
