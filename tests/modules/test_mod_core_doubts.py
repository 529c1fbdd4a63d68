"""Lines that are right by themselves and lead to nothing that is there are warned of when the configuration is read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench


def warnings(conf: str) -> list[str]:
    async def story() -> list[str]:
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            return [fault.render() for fault in ftp.generation.config.warnings]

    return asyncio.run(story())


@pytest.mark.parametrize("line", ["AllowClass inn", "DenyClass inn,in", "AllowClass AND in inn", "DenyClass !inn"])
def test_a_class_that_nobody_defines_is_warned_of(line: str) -> None:
    (told,) = warnings(
        f"<Class in>\nFrom 127.0.0.1\n</Class>\n<Directory />\n<Limit ALL>\n{line}\n</Limit>\n</Directory>"
    )
    assert "no <Class> is called 'inn', so no client is in it" in told
    assert f"    {line}\n" in told
    assert told.endswith("right: <Class inn> and its From lines, or one of in")


def test_classes_that_are_there_and_patterns_are_not() -> None:
    rules = "<Limit ALL>\nAllowClass in,out\nDenyClass !in\nDenyClass regex ^x\n</Limit>\n"
    # the class may stand below the line
    assert not warnings(f"{rules}<Class in>\nFrom 127.0.0.1\n</Class>\n<Class out>\nFrom all\n</Class>")


def test_a_class_of_all_hosts_is_said_once() -> None:
    every = "<Global>\n<Limit LOGIN>\nAllowClass gone\n</Limit>\n</Global>\n"
    (told,) = warnings(f"{every}<VirtualHost 127.0.0.9>\nPort 2121\n</VirtualHost>")
    assert told.endswith("right: <Class gone> and its From lines")


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("TransferLog {gone}/xferlog", "nothing is logged there"),
        ("ExtendedLog {gone}/access.log READ", "nothing is logged there"),
        ("ControlsLog {gone}/controls.log", "nothing is logged there"),
        ("ServerLog {gone}/server.log", "nothing is logged there"),
    ],
)
def test_a_file_whose_folder_is_not_there_is_warned_of(tmp_path: Path, line: str, lost: str) -> None:
    gone = tmp_path / "gone"
    (told,) = warnings(line.format(gone=gone))
    assert f"there is no folder {gone}: {lost}" in told
    assert told.endswith(f"right: mkdir {gone}")
    gone.mkdir()
    assert not warnings(line.format(gone=gone))


def test_only_the_line_that_counts_is_told_of(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    # the last ControlsLog, and each ExtendedLog
    told = warnings(
        f"ControlsLog {gone}/a\nControlsLog {tmp_path}/b\n"
        f"ExtendedLog {gone}/a\nExtendedLog {tmp_path}/b\nExtendedLog {gone}/c\n"
        "ExtendedLog syslog:info\nTransferLog none"
    )
    assert [line.partition(": there is no")[0].rpartition(":")[2].strip() for line in told] == ["ExtendedLog"] * 2
    (one,) = warnings(f"ControlsLog {tmp_path}/a\nControlsLog {gone}/b\n")
    assert f"ControlsLog {gone}/b" in one


@pytest.mark.parametrize("directive", ["TransferLog", "ExtendedLog", "ServerLog"])
def test_a_log_that_is_not_safe_is_warned_of(tmp_path: Path, directive: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "link").symlink_to(shared / "target")
    assert not warnings(f"{directive} {shared}/log")
    shared.chmod(0o777)
    (told,) = warnings(f"{directive} {shared}/log")
    assert f"{directive}: {shared} is a world-writable directory: nothing is logged there" in told
    (told,) = warnings(f"{directive} {tmp_path}/link")
    assert f"{tmp_path}/link is a symbolic link: nothing is logged there" in told
    assert not warnings(f"AllowLogSymlinks on\n{directive} {tmp_path}/link")


def test_a_log_that_is_a_fifo_is_let_be(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert not warnings(f"TransferLog {tmp_path}/fifo")
    finally:
        os.close(reader)


@pytest.mark.parametrize("directive", ["ScoreboardFile", "DelayTable", "ControlsSocket"])
def test_a_file_of_the_daemon_that_cannot_be_is_warned_of(tmp_path: Path, directive: str) -> None:
    place = tmp_path / "run" / "file"
    (told,) = warnings(f"{directive} {place}")
    assert f"{directive}: " in told
    place.parent.mkdir()
    assert not warnings(f"{directive} {place}")
    place.mkdir()
    (told,) = warnings(f"{directive} {place}")
    assert "it is not a regular file" in told or "what lies there is no socket" in told


def test_a_path_that_is_too_long_for_a_socket_is_warned_of(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    (told,) = warnings(f"ControlsSocket {long}")
    assert "no socket's path may be longer than 107 bytes" in told
    assert not warnings(f"ControlsEngine off\nControlsSocket {long}")


@pytest.mark.parametrize("value", ["on", "ten", "-1", "3601"])
def test_how_long_a_password_is_known_is_said_where_it_is_misspelt(value: str) -> None:
    with pytest.raises(ConfigFaults) as wrong:
        warnings(f"AuthPasswordCache {value}")
    assert wrong.value.faults[0].right == "off, or at most 3600 seconds"


def test_a_section_whose_path_has_a_link_on_its_way_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    rules = "\n<Limit ALL>\nAllowAll\n</Limit>\n</Directory>\n"
    real = (tmp_path / "real").resolve()
    for path, leads in (("link", f"{real}"), ("link/", f"{real}"), ("link/*/x", f"{real}/*/x")):
        (told,) = warnings(f"<Directory {tmp_path}/{path}>{rules}")
        assert f"what this section allows is not allowed in {leads}" in told
        assert told.endswith(f"right: <Directory {leads}>")
    for path in ("real", "real/", "*/x", "~/link"):
        assert not warnings(
            f"<Directory {real.parent if path[0] != '~' else ''}{'/' if path[0] != '~' else ''}{path}>{rules}"
        )


def test_a_link_to_the_root_of_an_anonymous_is_none_on_the_way_to_what_is_relative(tmp_path: Path) -> None:
    (tmp_path / "real" / "pub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    inside = "<Directory {}>\nUmask 022\n</Directory>\n"
    conf = f"<Anonymous {tmp_path}/link>\nUser ftp\n{inside}</Anonymous>\n"
    assert not warnings(conf.format("pub"))
    (told,) = warnings(conf.format(f"{tmp_path}/link/pub"))
    assert f"{tmp_path.resolve()}/real/pub" in told
