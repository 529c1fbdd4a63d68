"""prxs: a module is written, checked, installed and deleted, and what would make trouble is said before."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ftpd.cli import prxs, prxs_check
from ftpd.conf.directive import ConfigError
from ftpd.module import loader, prepared
from ftpd.module.build import BuildRecord, unconfigured

ROOT = Path(__file__).parents[2]
GOOD = """from ftpd.api import SERVER, Module, types
module = Module("mod_good", version="0.4")
engine = module.directive("GoodEngine", types.boolean, default=False, contexts=SERVER)
"""

Said = tuple[int, str, str]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildRecord:
    """A build whose shared modules lie in the test's own folder; the current folder is another."""
    (tmp_path / "libexec").mkdir(mode=0o755)
    (tmp_path / "work").mkdir(mode=0o755)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("DESTDIR", raising=False)
    made = replace(unconfigured(), libexec=str(tmp_path / "libexec"), options=("--enable-dso",))
    monkeypatch.setattr(prxs, "build_record", lambda: made)
    return made


@pytest.fixture
def good(record: BuildRecord) -> Path:
    Path("mod_good.py").write_text(GOOD)
    return Path(record.libexec) / "mod_good.py"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    status = prxs.main(["--no-types", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


# -- what is asked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("mod_good.py",), ("-D", "X", "-I.", "-l", "z")])
def test_without_an_action_it_says_what_proftpds_prxs_says(
    record: BuildRecord, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(capsys, *words) == (1, "", "No compile, install, or clean mode requested, exiting\n")


def test_help_and_what_it_does_not_know(record: BuildRecord, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "-h")
    assert status == 0
    assert "-c, --check" in out
    assert "unknown option '--frob'" in run(capsys, "--frob")[2]
    assert "no module is named" in run(capsys, "-c")[2]
    assert "there is no file mod_none.py" in run(capsys, "-c", "mod_none.py")[2]


@pytest.mark.parametrize("name", ["mod_good.c", "mod_good.la"])
def test_a_module_in_c_is_answered_with_the_language_of_modules(
    good: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    status, _, err = run(capsys, "-c", "-i", name)
    assert status == 1
    assert f"Cannot compile {name}: modules of this ftpd are written in Python, as mod_good.py" in err


def test_asked_how_it_was_built(record: BuildRecord, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "-q", "libexecdir") == (0, f"{record.libexec}\n", "")
    out = run(capsys, "-q")[1].splitlines()
    assert "dso=yes" in out
    assert "configure=--enable-dso" in out
    assert any(line.startswith("static=mod_core:mod_xfer:") for line in out)
    assert "no setting is called nonsense; there are version, api" in run(capsys, "-q", "nonsense")[2]


# -- -c --------------------------------------------------------------------------------------------------


def test_a_good_module_passes_the_check(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "-c", "mod_good.py")
    assert (status, err) == (0, "")
    assert out == "prxs: mod_good.py is mod_good/0.4, directives: 1; types not checked\n"
    assert not good.exists(), "a check installs nothing"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("module = (", "mod_good.py:1: "),
        ("import nowhere_to_be_found", "needs the Python package 'nowhere_to_be_found', which is not installed"),
        ("x = 1", "defines no module"),
        (GOOD.replace("mod_good", "mod_other"), "calls itself mod_other"),
        (GOOD.replace('version="0.4"', 'version="0.4", api=99'), "written for version 99 of the module API"),
        ("import os\nos._exit(3)", "ended the process that loaded it (status 3)"),
        (GOOD + "from ftpd.core import log\n", "mod_good.py:4: imports ftpd.core; only ftpd.api is promised"),
        (GOOD + "import ftpd.daemon.logs\n", "mod_good.py:4: imports ftpd.daemon.logs; only ftpd.api"),
        (GOOD + "from ftpd.sql.pool import Pool\n", "mod_good.py:4: imports ftpd.sql.pool; only ftpd.api"),
        (GOOD + "from ftpd import dispatch\n", "mod_good.py:4: imports ftpd.dispatch; only ftpd.api"),
        (GOOD.replace("GoodEngine", "umask"), "the directive umask is mod_core's already"),
        (GOOD.replace("GoodEngine", "BanEngine"), "ProFTPD knows BanEngine as a directive of mod_ban"),
        (GOOD.replace("GoodEngine", "NearEngine"), "the directive NearEngine is mod_near's already"),
        (GOOD + GOOD.splitlines()[2], "the directive GoodEngine is declared more than once"),
        (GOOD + GOOD.splitlines()[2].replace("GoodE", "goode"), "the directive GoodEngine is declared more than once"),
    ],
)
def test_what_would_make_trouble_is_said_and_nothing_installed(
    good: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    near = good.with_name("mod_near.py")
    near.write_text(GOOD.replace("mod_good", "mod_near").replace("GoodEngine", "NearEngine"))
    near.chmod(0o644)
    Path("mod_good.py").write_text(text)
    status, _, err = run(capsys, "-c", "-i", "mod_good.py")
    assert status == 1
    assert complaint in err
    assert not good.exists()


def test_the_whole_door_is_open_to_modules(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mod_good.py").write_text(
        GOOD + "from ftpd.api import sql\nfrom ftpd.api.sql import Pool\nimport ftpd.api.sql\n"
    )
    assert run(capsys, "-c", "--no-types", "mod_good.py")[0] == 0


def test_what_a_module_prints_while_it_loads_is_not_taken_for_the_answer(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mod_good.py").write_text(GOOD + "print('{}')\n")
    assert run(capsys, "-c", "mod_good.py")[0] == 0


def test_a_module_of_that_name_that_is_installed_is_no_clash(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert run(capsys, "-ci", "mod_good.py")[0] == 0


def test_files_of_the_current_folder_take_no_part(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    Path("json.py").write_text("raise SystemExit('taken for a module of Python')\n")
    assert run(capsys, "-c", "mod_good.py")[0] == 0


def test_types_are_checked_where_mypy_is(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not prxs_check.has_mypy():
        pytest.skip("mypy is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert prxs_check.type_faults(Path("mod_good.py")) == []
    Path("mod_good.py").write_text(GOOD + "\ndef twice(number):\n    return number * 2\n")
    (fault,) = prxs_check.type_faults(Path("mod_good.py"))
    assert fault.startswith("mod_good.py:5: error: Function is missing a type annotation")


def test_every_shared_module_of_the_project_passes_the_check() -> None:
    record = unconfigured()
    for path in sorted((ROOT / "libexec").glob("mod_*.py")):
        assert prxs_check.faults(path, prxs_check.look(path), record) == []


# -- -i and -d -------------------------------------------------------------------------------------------


def test_an_installed_module_is_what_loadmodule_asks_for(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0o002)
    try:
        status, out, _ = run(capsys, "-i", "mod_good.py")
    finally:
        os.umask(before)
    assert status == 0
    assert out == f"prxs: installed {good}; to load it, add to the configuration: LoadModule mod_good.c\n"
    assert good.stat().st_mode & 0o777 == 0o644
    assert good.stat().st_uid == os.geteuid()
    assert sorted(os.listdir(good.parent)) == ["__pycache__", "mod_good.py"]
    monkeypatch.setattr("builtins.compile", lambda *_, **__: pytest.fail("it is compiled by who installs it"))
    module = loader.load(str(good.parent), "mod_good.c")
    loader.unload(module.namespace)


def test_a_module_that_does_not_load_is_not_installed(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mod_good.py").write_text("module = None\n")
    assert run(capsys, "-i", "mod_good.py")[0] == 1
    assert not good.exists()


def test_a_folder_that_others_can_write_is_not_installed_into(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.parent.chmod(0o777)
    status, _, err = run(capsys, "-i", "mod_good.py")
    assert status == 1
    assert f"{good.parent} can be written by everybody" in err
    assert f"right: chmod go-w {good.parent}" in err
    assert not good.exists()


def test_a_link_in_the_place_of_a_module_is_replaced_and_not_followed(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").write_text("precious")
    good.symlink_to(tmp_path / "precious")
    good.with_name(".mod_good.py.new").symlink_to(tmp_path / "precious")
    assert run(capsys, "-i", "mod_good.py")[0] == 0
    assert not good.is_symlink()
    assert (tmp_path / "precious").read_text() == "precious"


def test_the_folder_is_made_where_it_is_missing_below_destdir_too(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DESTDIR", str(tmp_path / "stage"))
    assert run(capsys, "-i", "mod_good.py")[0] == 0
    assert not good.exists()
    staged = Path(f"{tmp_path}/stage{good}")
    assert staged.read_text() == GOOD
    (compiled,) = map(Path, prepared.kept_of(str(staged)))
    assert str(good).encode() in compiled.read_bytes()
    assert b"stage" not in compiled.read_bytes()


def test_without_dso_there_is_nothing_to_install_for(
    good: Path, record: BuildRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prxs, "build_record", lambda: replace(record, dso=False))
    status, _, err = run(capsys, "-i", "mod_good.py")
    assert status == 1
    assert "Your installed proftpd does not support shared modules/DSOs." in err
    assert run(capsys, "-c", "mod_good.py")[0] == 0


@pytest.mark.parametrize("name", ["mod_good", "mod_good.c", "mod_good.py"])
def test_an_installed_module_is_deleted_by_any_of_its_names(
    good: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run(capsys, "-i", "mod_good.py")
    assert run(capsys, "-d", name) == (0, f"prxs: deleted {good}\n", "")
    assert os.listdir(good.parent) == [], "what was compiled of it goes too"
    assert Path("mod_good.py").exists(), "the author's file is not the installed one"
    status, _, err = run(capsys, "-d", name)
    assert status == 1
    assert f"there is no mod_good.py in {good.parent}; there is no module" in err


def test_only_modules_are_deleted(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.with_name("notes.py").write_text("")
    assert "'notes.py' does not name a module" in run(capsys, "-d", "notes.py")[2]
    assert "'../work/mod_good.py' does not name a module" in run(capsys, "-d", "../work/mod_good.py")[2]
    assert Path("mod_good.py").exists()


@pytest.mark.parametrize("words", [("-c", "-i", "-d"), ("-d", "-i", "-c"), ("-cid",)])
def test_all_three_as_proftpds_pages_teach_it_leave_the_module_installed(
    good: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    status, out, _ = run(capsys, *words, "mod_good.py")
    assert status == 0
    assert [line.split()[1] for line in out.splitlines()] == ["mod_good.py", "installed", "nothing"]
    assert good.exists()


def test_one_faulty_module_does_not_keep_the_others_out(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mod_bad.py").write_text("module = None\n")
    status, _, err = run(capsys, "-c", "-i", "mod_bad.py", "mod_good.py")
    assert status == 1
    assert "mod_bad.py defines no module" in err
    assert good.exists()


def test_a_package_that_brings_modules_becomes_loadable(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = tmp_path / "packages"
    info = packages / "ftpd_good-0.4.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ftpd-good\nVersion: 0.4\n")
    (info / "entry_points.txt").write_text("[ftpd.modules]\nmod_good = good_for_ftpd:module\n")
    (packages / "good_for_ftpd.py").write_text(GOOD)
    monkeypatch.syspath_prepend(packages)
    assert run(capsys, "-i", "ftpd-good")[0] == 0
    module = loader.load(str(good.parent), "mod_good.c")
    assert (module.name, module.version) == ("mod_good", "0.4")
    loader.unload(module.namespace)
    assert "-c checks the file of a module" in run(capsys, "-c", "ftpd-good")[2]
    monkeypatch.delitem(sys.modules, "good_for_ftpd")


def test_a_package_that_brings_none_and_one_that_is_not_there(
    record: BuildRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the package pytest brings no modules" in run(capsys, "-i", "pytest")[2]
    assert "names neither a module file nor an installed package" in run(capsys, "-i", "ftpd-of-nobody")[2]


# -- -n --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("-n", "hello_world"), ("--name=mod_hello_world",), ("-n", "pwd")])
def test_a_new_module_passes_its_test_and_the_check_at_once(
    record: BuildRecord, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Also where X and its name are a verb that there is already, as XPWD."""
    status, out, _ = run(capsys, *words)
    assert status == 0
    module = "mod_pwd" if "pwd" in words else "mod_hello_world"
    assert f"wrote {module}.py and test_{module}.py" in out
    done = subprocess.run([sys.executable, f"test_{module}.py"], capture_output=True, text=True)
    assert "Ran 2 tests" in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    assert run(capsys, "-c", "-i", f"{module}.py")[0] == 0
    for name in (f"{module}.py", f"test_{module}.py"):
        assert max(len(line) for line in Path(name).read_text().splitlines()) <= 120


def test_a_new_module_writes_over_nothing(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "-n", "good")
    assert status == 1
    assert "mod_good.py is there already" in err
    assert Path("mod_good.py").read_text() == GOOD
    assert not Path("test_mod_good.py").exists()


def test_what_cannot_name_a_new_module(record: BuildRecord, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("", "../x", "with blank", "mod_"):
        assert f"'{name}' does not name a module" in run(capsys, "-n", name)[2]
    assert "stands alone" in run(capsys, "-c", "-n", "hello", "mod_hello.py")[2]
    assert "mod_ls is built into this ftpd, and so no other is ever loaded" in run(capsys, "-n", "ls")[2]
    assert os.listdir() == []


def test_a_module_that_never_ends_to_load_is_given_up(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prxs_check, "_PATIENCE", 0.5)
    Path("mod_good.py").write_text("while True:\n    pass\n")
    with pytest.raises(ConfigError, match=r"was not loaded within 0\.5 seconds"):
        prxs_check.look(Path("mod_good.py"))
