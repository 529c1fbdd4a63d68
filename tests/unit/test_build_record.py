"""The build record: what it says is static is there from the start, and what it leaves out is not."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.dispatch.assemble import static_modules
from ftpd.module import build
from ftpd.module.build import CORE_MODULES, BuildError, BuildRecord, build_record, unconfigured
from ftpd.testing import Bench

HELLO = """from ftpd.api import Module
module = Module("mod_{name}", version="0.1", needs={needs})
@module.cmd("X{verb}", auth=False)
def greet(cmd):
    return cmd.ok(200, "Hello from {name}.")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The static folder of a build, with mod_hello in it and mod_after, which needs it."""
    path = tmp_path / "static"
    path.mkdir(mode=0o755)
    for name, needs in (("hello", []), ("after", ["mod_hello"])):
        (path / f"mod_{name}.py").write_text(HELLO.format(name=name, needs=needs, verb=name.upper()))
        (path / f"mod_{name}.py").chmod(0o644)
    return path


def built(folder: Path, *names: str) -> BuildRecord:
    return replace(unconfigured(), static=(*CORE_MODULES, *names), static_folder=str(folder))


def say(record: BuildRecord, line: str, conf: str = "") -> tuple[str, list[str]]:
    """The reply to a line, and what the configuration is warned of."""

    async def story() -> tuple[str, list[str]]:
        async with Bench(record=record, conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            return await ftp(line), [warning.render() for warning in ftp.generation.config.warnings]

    return asyncio.run(story())


def faults(record: BuildRecord, conf: str) -> str:
    with pytest.raises(ConfigFaults) as wrong:
        asyncio.run(Bench(conf=conf, record=record, login=None).open())
    return wrong.value.render()


# -- static modules that are files -----------------------------------------------------------------------


def test_a_file_of_the_static_folder_is_there_without_loadmodule(folder: Path) -> None:
    reply, warnings = say(built(folder, "mod_hello"), "XHELLO")
    assert reply == "200 Hello from hello."
    assert warnings == []


def test_what_the_record_does_not_name_is_not_loaded(folder: Path) -> None:
    assert say(built(folder), "XHELLO")[0] == "500 XHELLO not understood"


def test_loadmodule_of_a_static_module_is_warned_of_and_does_no_harm(folder: Path) -> None:
    conf = f"ModulePath {folder}\nLoadModule mod_hello.c\n<IfModule mod_hello.c>\nServerName there\n</IfModule>\n"
    reply, warnings = say(built(folder, "mod_hello"), "XHELLO", conf)
    assert reply == "200 Hello from hello."
    assert "mod_hello.c is loaded already" in warnings[0]


def test_the_records_order_is_the_order_of_loading(folder: Path) -> None:
    assert say(built(folder, "mod_hello", "mod_after"), "XAFTER")[0] == "200 Hello from after."
    with pytest.raises(ConfigError, match="mod_after needs mod_hello, which is not built in before it") as wrong:
        say(built(folder, "mod_after", "mod_hello"), "NOOP")
    assert wrong.value.right == "configure --with-modules=mod_hello:mod_after"


def test_a_static_file_that_others_can_write_is_refused(folder: Path) -> None:
    (folder / "mod_hello.py").chmod(0o666)
    with pytest.raises(ConfigError, match="can be written by everybody"):
        say(built(folder, "mod_hello"), "XHELLO")


def test_no_other_package_takes_the_place_of_a_core_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("a_before_ftpd", "z_behind_ftpd")):
        info = tmp_path / str(number) / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[ftpd.modules]\nmod_ls = no_such_package:module\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "0"), *sys.path, str(tmp_path / "1")])
    assert [module.name for module in static_modules(unconfigured())] == list(CORE_MODULES)


def test_a_static_module_that_nobody_brings_ends_the_start(folder: Path) -> None:
    with pytest.raises(ConfigError, match="names mod_nowhere as static, but no installed package brings it"):
        say(built(folder, "mod_nowhere"), "NOOP")


# -- without DSO -----------------------------------------------------------------------------------------


def without_dso() -> BuildRecord:
    return replace(unconfigured(), dso=False, static=tuple(name for name in CORE_MODULES if name != "mod_dso"))


def test_without_dso_loadmodule_is_unknown_and_the_message_says_how_to_get_it() -> None:
    shown = faults(without_dso(), "LoadModule mod_readme.c\n")
    assert "belongs to mod_dso, which this ftpd was built without" in shown
    assert "./configure --enable-dso" in shown


def test_without_dso_nobody_is_told_to_load_a_module() -> None:
    assert "LoadModule" not in faults(without_dso(), "DisplayReadme README\n")
    assert "LoadModule mod_readme.c" in faults(unconfigured(), "DisplayReadme README\n")


def test_without_dso_the_rest_serves() -> None:
    conf = "<IfModule mod_dso.c>\nLoadModule mod_readme.c\n</IfModule>\n"
    assert say(without_dso(), "NOOP", conf)[0] == "200 NOOP command successful"


def test_with_dso_the_same_lines_load_it() -> None:
    conf = "<IfModule mod_dso.c>\nLoadModule mod_readme.c\n</IfModule>\nDisplayReadme README\n"
    assert say(unconfigured(), "NOOP", conf)[0] == "200 NOOP command successful"


# -- the file --------------------------------------------------------------------------------------------


@pytest.fixture
def record_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "build.json"
    monkeypatch.setattr(build, "RECORD", path)
    return path


def test_what_was_written_is_what_is_read(record_file: Path, folder: Path) -> None:
    record = replace(built(folder, "mod_hello"), options=("--prefix=/opt/ftpd", "--with-modules=mod_hello"))
    record_file.write_text(record.to_json())
    assert build_record() == record


def test_without_a_file_the_build_is_the_unconfigured_one(record_file: Path) -> None:
    assert build_record() == unconfigured()
    assert build_record().dso


@pytest.mark.parametrize("text", ["", "{}", '{"dso": true, "static": []}', "[]"])
def test_a_damaged_file_is_named(record_file: Path, text: str) -> None:
    record_file.write_text(text)
    with pytest.raises(BuildError, match=r"is damaged .*; run configure again"):
        build_record()
