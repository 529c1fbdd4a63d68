"""What ftpd prints and ends: -h, -l, -v, -vv, -vvv, -V, and what scripts look for in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftpd.cli.ftpd import main
from ftpd.module import build
from ftpd.module.build import CORE_MODULES

CONF = "Port 2121\nUser nobody\nDefaultAddress 127.0.0.1\n"
Said = pytest.CaptureFixture[str]


def ftpd(option: str, path: Path, conf: str = CONF) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a configuration's log settings are the process's."""
    path.write_text(conf)
    return subprocess.run(
        [sys.executable, "-m", "ftpd", option, "-c", path], capture_output=True, text=True, check=False
    )


def test_the_version_begins_as_scripts_expect_it(capsys: Said) -> None:
    assert main(["-v"]) == 0
    assert capsys.readouterr().out.startswith("ProFTPD Version 1.3.8 (ftpd ")


def test_the_static_modules_are_listed_in_their_order(capsys: Said) -> None:
    assert main(["-l"]) == 0
    assert capsys.readouterr().out.splitlines() == ["Compiled-in modules:", *(f"  {name}.c" for name in CORE_MODULES)]


def test_two_v_tell_what_a_configuration_loads_the_last_one_first(tmp_path: Path) -> None:
    ended = ftpd("-vv", tmp_path / "f.conf")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("ProFTPD Version: 1.3.8")
    modules = lines[lines.index("Loaded modules:") + 1 :]
    assert [line.strip().partition("/")[0] for line in modules] == list(reversed(CORE_MODULES))


def test_three_v_tell_every_directive(tmp_path: Path) -> None:
    lines = ftpd("-vvv", tmp_path / "f.conf").stdout.splitlines()
    directives = lines[lines.index("Configuration Directives:") + 1 :]
    assert "  ServerName (from mod_core)" in directives
    assert directives == sorted(directives)


def test_two_v_of_a_faulty_configuration_are_a_failure(tmp_path: Path) -> None:
    ended = ftpd("-vv", tmp_path / "f.conf", "Prot 2121\n")
    assert ended.returncode == 1
    assert f"{tmp_path}/f.conf:1: Prot: unknown configuration directive" in ended.stderr


def test_the_settings_have_what_test_suites_look_for(capsys: Said) -> None:
    assert main(["-V"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Compile-time Settings:"
    assert lines[1].startswith("  Version: 1.3.8")
    assert "    + DSO support" in lines
    assert "    + IPv6 support" in lines or "    - IPv6 support" in lines
    assert lines[lines.index("    Shared Module Directory:") + 1].endswith("/libexec")
    assert "    mod_core.c" in lines


def test_what_configure_decided_is_what_is_told(capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "build.json"
    monkeypatch.setattr(build, "RECORD", record)
    decided = build.BuildRecord(
        False, ("mod_core", "mod_auth"), "/opt/libexec", "/opt/f.conf", "/opt/run", ("--disable-dso",)
    )
    record.write_text(decided.to_json())
    assert main(["-l"]) == 0
    assert capsys.readouterr().out.splitlines() == ["Compiled-in modules:", "  mod_core.c", "  mod_auth.c"]
    assert main(["-V"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "    - DSO support" in lines
    assert "    configure  --disable-dso" in lines
    assert lines[lines.index("    Pid File:") + 1] == "      /opt/run/proftpd.pid"


@pytest.mark.parametrize("damaged", ["{", "[]", "{}", json.dumps({"static": 5})])
def test_a_damaged_build_record_is_named(
    damaged: str, capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "build.json"
    record.write_text(damaged)
    monkeypatch.setattr(build, "RECORD", record)
    assert main(["-l"]) == 1
    assert f"fatal: the build record {record} is damaged" in capsys.readouterr().err


def test_an_unknown_option_shows_the_usage_and_fails(capsys: Said) -> None:
    assert main(["-Z"]) == 1
    said = capsys.readouterr()
    assert said.err.endswith(": unknown option: Z\n")
    assert " -n, --nodaemon\n" in said.out


def test_a_reader_that_has_seen_enough_is_no_traceback() -> None:
    command = f"{sys.executable} -m ftpd -V | true"
    ended = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, check=False)
    assert ended.stderr == b""


@pytest.mark.parametrize("option", ["-h", "-l", "-v"])
def test_what_is_only_printed_does_not_wait_for_the_daemons_parts(option: str) -> None:
    """These are run again and again by scripts; the loop and the engine are most of the time of a start."""
    code = (
        "import sys; from ftpd.cli.ftpd import main; status = main([sys.argv[1]]); "
        "sys.exit(status or ' '.join({'asyncio', 'pyftpdlib', 'uvloop', 'ftpd.engine'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.returncode == 0
