"""Include: which files are read, in which order, and what is only warned of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conf_host import SERVER_NAME, UMASK, Host, configured

from ftpd.conf import build
from ftpd.conf.faults import ConfigFaults
from ftpd.conf.tree import Config


def names(config: Config) -> list[str]:
    return [Path(file).name for file in config.files[1:]]


@pytest.fixture
def conf_d(tmp_path: Path) -> Path:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    for name in ("b.conf", "a.conf", ".hidden.conf", "Z.conf"):
        (folder / name).write_text(f"ServerName {name}\n")
    return folder


def test_a_folder_is_read_in_byte_order(tmp_path: Path, conf_d: Path) -> None:
    config = configured(tmp_path, f"Include {conf_d}/\n")
    assert names(config) == [".hidden.conf", "Z.conf", "a.conf", "b.conf"]
    assert config.main.settings[SERVER_NAME] == "b.conf"


def test_a_pattern_does_not_find_dot_files_unless_it_begins_with_a_dot(tmp_path: Path, conf_d: Path) -> None:
    assert names(configured(tmp_path, f"Include {conf_d}/*.conf\n")) == ["Z.conf", "a.conf", "b.conf"]
    assert names(configured(tmp_path, f"Include {conf_d}/.*.conf\n")) == [".hidden.conf"]


def test_a_pattern_may_stand_for_folders_too(tmp_path: Path, conf_d: Path) -> None:
    assert names(configured(tmp_path, f"Include {tmp_path}/conf.?/[ab].conf\n")) == ["a.conf", "b.conf"]


def test_a_pattern_that_finds_nothing_is_no_matter(tmp_path: Path, conf_d: Path) -> None:
    config = configured(tmp_path, f"Include {conf_d}/*.none\n")
    assert (names(config), config.warnings) == ([], ())


def test_lines_behind_an_include_come_after_its_lines(tmp_path: Path, conf_d: Path) -> None:
    config = configured(tmp_path, f"ServerName first\nInclude {conf_d}/a.conf\nServerName last\n")
    assert config.main.settings[SERVER_NAME] == "last"


def test_a_folder_in_a_folder_is_left_out_and_told(tmp_path: Path, conf_d: Path) -> None:
    (conf_d / "sub").mkdir()
    (warning,) = configured(tmp_path, f"Include {conf_d}\n").warnings
    assert "sub' is left out: it is a folder" in warning.message


def test_a_fifo_is_left_out_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (warning,) = configured(tmp_path, f"Include {tmp_path}/pipe\n").warnings
    assert "it is not a regular file" in warning.message


def test_editors_left_overs_are_read_with_a_warning_or_left_out_on_request(tmp_path: Path, conf_d: Path) -> None:
    (conf_d / "a.conf~").write_text("Umask 077\n")
    (conf_d / ".a.conf.swp").write_text("# nothing\n")
    config = configured(tmp_path, f"Include {conf_d}\n")
    assert config.main.settings[UMASK] == (0o77, 0o77)
    assert sum("left-over" in warning.message for warning in config.warnings) == 2
    config = configured(tmp_path, f"IncludeOptions IgnoreTempFiles\nInclude {conf_d}\n")
    assert UMASK not in config.main.settings and not config.warnings


def test_a_linked_folder_in_a_pattern_is_refused_unless_allowed(tmp_path: Path, conf_d: Path) -> None:
    (tmp_path / "link").symlink_to(conf_d)
    config = configured(tmp_path, f"Include {tmp_path}/link/*.conf\n")
    assert names(config) == [] and "symbolic link" in config.warnings[0].message
    assert names(configured(tmp_path, f"IncludeOptions AllowSymlinks\nInclude {tmp_path}/link/a*\n")) == ["a.conf"]


def test_wildcards_may_be_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a[1].conf").write_text("Umask 077\n")
    config = configured(tmp_path, f"IncludeOptions IgnoreWildcards\nInclude {tmp_path}/a[1].conf\n")
    assert config.main.settings[UMASK] == (0o77, 0o77)


def test_a_section_may_begin_in_one_file_and_end_in_another(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("<Global>\n")
    (tmp_path / "close").write_text("</Global>\n")
    config = configured(
        tmp_path, f"Include {tmp_path}/open\nUmask 077\nInclude {tmp_path}/close\n<VirtualHost b>\n</VirtualHost>\n"
    )
    assert config.servers[1].settings[UMASK] == (0o77, 0o77)


def test_a_file_that_includes_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        configured(tmp_path, f"Include {tmp_path}/proftpd.conf\n")
    assert "it would include itself without end" in wrong.value.faults[0].message


def test_two_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(f"Umask 022\nInclude {tmp_path}/proftpd.conf\n")
    with pytest.raises(ConfigFaults) as wrong:
        configured(tmp_path, f"Include {tmp_path}/other\n")
    (fault,) = wrong.value.faults
    assert (Path(fault.file).name, fault.line) == ("other", 2)


def test_one_file_may_be_included_twice_side_by_side(tmp_path: Path, conf_d: Path) -> None:
    assert names(configured(tmp_path, f"Include {conf_d}/a.conf\nInclude {conf_d}/a.conf\n")) == ["a.conf", "a.conf"]


def test_a_fault_in_an_included_file_names_that_file(tmp_path: Path, conf_d: Path) -> None:
    (conf_d / "a.conf").write_text("Umask 9x\n")
    with pytest.raises(ConfigFaults) as wrong:
        configured(tmp_path, f"Include {conf_d}/a.conf\nPort 70000\n")
    assert [(Path(fault.file).name, fault.name) for fault in wrong.value.faults] == [
        ("a.conf", "Umask"),
        ("proftpd.conf", "Port"),
    ]


def test_a_world_writable_file_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("Umask 022\n")
    (tmp_path / "open").chmod(0o666)
    (warning,) = configured(tmp_path, f"Include {tmp_path}/open\n").warnings
    assert "is world-writable" in warning.message


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file or directory"), ("", "Is a directory")])
def test_a_configuration_that_cannot_be_read_is_one_fault(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        build.read(str(tmp_path / name), Host())
    (fault,) = wrong.value.faults
    assert fault.render() == f"{tmp_path / name}: unable to read configuration file '{tmp_path / name}': {reason}"


def test_a_label_comes_from_the_command_line_or_from_define(tmp_path: Path) -> None:
    text = "<IfDefine TEST>\nServerName test\n</IfDefine>\n"
    assert configured(tmp_path, text, defines=["TEST"]).main.settings[SERVER_NAME] == "test"
    assert configured(tmp_path, f"Define TEST\n{text}").main.settings[SERVER_NAME] == "test"
    assert SERVER_NAME not in configured(tmp_path, text).main.settings
