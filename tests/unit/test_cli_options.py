"""The words of the command line: long, short, bundled and abbreviated, and what is said of those that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftpd.cli.options import OPTIONS, UsageError, parse, usage


def refused(*words: str) -> str:
    with pytest.raises(UsageError) as wrong:
        parse(list(words))
    return str(wrong.value)


def test_nothing_said_means_to_serve_as_a_daemon() -> None:
    line = parse([])
    assert (line.act, line.foreground, line.config, line.debug, line.ipv6) == ("", False, None, None, None)
    assert line.check_collisions


@pytest.mark.parametrize(
    "words",
    [
        ["-n", "-c", "/etc/f.conf", "-d", "5"],
        ["-nc/etc/f.conf", "-d5"],
        ["--nodaemon", "--config", "/etc/f.conf", "--debug", "5"],
        ["--nodaemon", "--config=/etc/f.conf", "--debug=5"],
        ["--noda", "--deb=5", "--config=/etc/f.conf"],
    ],
)
def test_an_option_may_be_written_in_several_ways(words: list[str]) -> None:
    line = parse(words)
    assert (line.foreground, line.config, line.debug) == (True, "/etc/f.conf", 5)


def test_labels_add_up_and_of_the_rest_the_last_counts() -> None:
    line = parse(["-D", "A", "-D", "B", "-4", "-6", "-c", "/a", "-c", "/b"])
    assert (line.defines, line.ipv6, line.config) == (["A", "B"], True, "/b")


def test_the_other_switches() -> None:
    line = parse(["-q", "-X", "-N", "-4", "-S", "127.0.0.1", "-p", "1"])
    assert (line.quiet, line.one_session, line.check_collisions, line.ipv6) == (True, True, False, False)
    assert line.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("words", "verbose"),
    [(["-v"], 1), (["-vv"], 2), (["-vvv"], 3), (["-v", "-v"], 2), (["--version"], 1), (["--version-status"], 2)],
)
def test_each_v_tells_more(words: list[str], verbose: int) -> None:
    line = parse(words)
    assert (line.act, line.verbose) == ("version", verbose)


@pytest.mark.parametrize(("option", "act"), [("-h", "help"), ("-l", "list"), ("-V", "settings")])
def test_some_act_where_they_stand_whatever_comes_behind(option: str, act: str) -> None:
    assert parse(["-n", option, "-Z", "nonsense"]).act == act


def test_but_what_stands_before_them_has_to_be_right() -> None:
    assert refused("-Z", "-h") == "unknown option: Z"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("-Z", "unknown option: Z"),
        ("-nZ", "unknown option: Z"),
        ("--nonsense", "unknown option: nonsense"),
        ("--conf", "ambiguous option: --conf (--config, --configtest)"),
        ("--nodaemon=yes", "option --nodaemon takes no argument, but is given 'yes'"),
    ],
)
def test_what_is_no_option_is_followed_by_the_usage(word: str, said: str) -> None:
    with pytest.raises(UsageError) as wrong:
        parse([word])
    assert str(wrong.value) == said
    assert wrong.value.usage


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-d"], "fatal: -d requires debug level parameter"),
        (["-D"], "fatal: -D requires definition parameter"),
        (["-c"], "fatal: -c requires configuration path parameter"),
        (["--config"], "fatal: -c requires configuration path parameter"),
        (["-S"], "fatal: -S requires server address parameter"),
        (["-p"], "fatal: -p requires Boolean (0|1) parameter"),
        (["--explain"], "fatal: --explain requires question parameter"),
        (["-p", "3"], "fatal: -p requires Boolean (0|1) parameter, not '3'"),
        (["-d", "many"], "fatal: -d requires debug level parameter: a number from 0 to 10, not 'many'"),
        (["-c", "f.conf"], "fatal: -c requires an absolute path, not 'f.conf'"),
        (["start"], "fatal: unknown parameter: 'start'"),
        (["-n", "start", "-q"], "fatal: unknown parameter: 'start'"),
        (["--", "-n"], "fatal: unknown parameter: '-n'"),
        (["-"], "fatal: unknown parameter: '-'"),
    ],
)
def test_what_is_said_of_an_argument_that_will_not_do(words: list[str], said: str) -> None:
    assert refused(*words) == said


def test_more_debugging_than_there_is_is_all_there_is() -> None:
    assert parse(["-d", "99"]).debug == parse(["-d", "10"]).debug == 10


def test_the_usage_names_every_option() -> None:
    lines = usage("proftpd").splitlines()
    assert lines[0] == "usage: proftpd [options]"
    for option in OPTIONS:
        name = f"-{option.letter}" if option.letter else f"--{option.long}"
        assert any(line.startswith(f" {name}") for line in lines), name
    assert " -c, --config file" in lines
    assert all(line.startswith("     ") for line in lines[3::2]), "each is followed by its line of help"


def test_the_commands_page_tells_of_every_option() -> None:
    page = (Path(__file__).parents[2] / "doc" / "utils" / "ftpd.md").read_text()
    for option in OPTIONS:
        name = f"`-{option.letter}`" if option.letter else f"`--{option.long}`"
        assert name in page, name
        assert not option.long or f"--{option.long}`" in page, option.long
