"""mod_exec: the administrator's programs run at their moments, with what they are given and nothing else."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from xfer_ground import run, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.module.events import MAX_INSTANCES, RESTART
from ftpd.testing import Bench

ON = "LoadModule mod_exec.c\nExecEngine on\n"


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Make a shell script; ``$OUT`` in it is the file that :func:`told` reads."""

    def make(body: str, name: str = "script") -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nOUT={tmp_path}/out\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], str]:
    """What the scripts wrote."""

    def read() -> str:
        out = tmp_path / "out"
        return out.read_text() if out.exists() else ""

    return read


ARGUMENTS = 'for word in "$@"; do echo "<$word>" >> $OUT; done'


# -- moments ------------------------------------------------------------------------------------------------


def test_a_program_runs_after_success_and_only_then(script: Callable[..., str], told: Callable[[], str]) -> None:
    conf = ON + f"ExecOnCommand MKD,RMD {script(ARGUMENTS)} %m %J\n"
    talk("MKD a", "MKD no/a", "PWD", "RMD a", conf=conf)
    assert told() == "<MKD>\n<a>\n<RMD>\n<a>\n"


def test_another_runs_after_failure(script: Callable[..., str], told: Callable[[], str]) -> None:
    conf = ON + f"ExecOnError ALL {script(ARGUMENTS)} %m %s\n"
    talk("MKD a", "MKD no/a", "RETR none", conf=conf)
    assert told() == "<MKD>\n<550>\n<RETR>\n<550>\n"


def test_another_runs_before_and_is_waited_for(script: Callable[..., str]) -> None:
    conf = ON + f"ExecBeforeCommand RETR {script('echo made > $2')} x %f\n"

    async def tale(ftp: Bench) -> bytes:
        await ftp("TYPE I")
        return await ftp.download("RETR made.txt")

    assert run(tale, conf=conf) == b"made\n"


@pytest.mark.parametrize(
    ("verbs", "line", "runs"),
    [
        ("WRITE", "MKD a", True),
        ("write", "MKD a", True),
        ("READ", "MKD a", False),
        ("STOR,MKD", "MKD a", True),
        ("STOR", "MKD a", False),
        ("SITE", "SITE CHMOD 700 f", True),
        ("SITE_CHMOD", "SITE CHMOD 700 f", True),
        ("SITE_UTIME", "SITE CHMOD 700 f", False),
    ],
)
def test_commands_and_groups(
    verbs: str, line: str, runs: bool, script: Callable[..., str], told: Callable[[], str]
) -> None:
    talk(line, files={"f": b""}, conf=ON + f"ExecOnCommand {verbs} {script(ARGUMENTS)} yes\n")
    assert (told() == "<yes>\n") == runs


def test_programs_run_at_the_beginning_and_the_end(script: Callable[..., str], told: Callable[[], str]) -> None:
    one = script(ARGUMENTS)
    talk("NOOP", conf=ON + f"ExecOnConnect {one} hello %a %u\nExecOnExit {one} bye %u\n")
    assert told() == "<hello>\n<127.0.0.1>\n<>\n<bye>\n<tom>\n"


def test_programs_run_at_restart_and_at_events(script: Callable[..., str], told: Callable[[], str]) -> None:
    one = script(ARGUMENTS)
    conf = (
        f"ExecOnRestart {one} again\nExecOnEvent MaxInstances* {one} full %P\n"
        f"ExecOnEvent mod_auth.max-login-attempts~ {one} guessing %U\nMaxLoginAttempts 1\n"
    )

    async def tale(ftp: Bench) -> None:
        assert ftp.generation is not None
        ftp.generation.emit(RESTART, None)
        ftp.generation.emit(MAX_INSTANCES, None)
        await ftp("USER tom")
        await ftp("PASS wrong")

    run(tale, login=None, conf=ON + conf)
    words = sorted(told().split())
    assert words == sorted(["<again>", "<full>", f"<{os.getpid()}>", "<guessing>", "<tom>"])


def test_an_event_that_nothing_tells_of_is_warned_of(script: Callable[..., str]) -> None:
    async def tale(ftp: Bench) -> str:
        assert ftp.generation is not None
        return " ".join(str(warning) for warning in ftp.generation.config.warnings)

    assert "'no.such'" in run(tale, conf=ON + f"ExecOnEvent no.such {script('')}\n")


def test_the_engine_and_the_folder_may_say_no(script: Callable[..., str], told: Callable[[], str]) -> None:
    line = f"ExecOnCommand MKD {script(ARGUMENTS)} %J\nExecOnConnect {script(ARGUMENTS)} hello\n"
    talk("MKD a", conf=ON.replace(" on", " off") + line)
    assert told() == ""
    off = "<Directory {root}/quiet>\nExecEnable off\n</Directory>\n"
    talk("MKD quiet", "CWD quiet", "MKD b", conf=ON + line + off)
    assert told() == "<hello>\n<quiet>\n"


def test_what_a_folder_wants_is_added_to_what_the_server_wants(
    script: Callable[..., str], told: Callable[[], str]
) -> None:
    one = script(ARGUMENTS)
    conf = f"ExecOnCommand MKD {one} server\n<Directory {{root}}/in>\nExecOnCommand MKD {one} folder\n</Directory>\n"
    talk("CWD in", "MKD a", files={"in/": b""}, conf=ON + conf)
    assert told() == "<folder>\n<server>\n"


# -- what a program is given --------------------------------------------------------------------------------

HOSTILE = "a; $(id) `id` 'x' \"y\" | & -oX"


def test_a_hostile_name_is_one_argument_and_no_shell_sees_it(
    script: Callable[..., str], told: Callable[[], str]
) -> None:
    talk(f"MKD {HOSTILE}", conf=ON + f"ExecOnCommand MKD {script(ARGUMENTS)} --file %J\n")
    assert told() == f"<--file>\n<{HOSTILE}>\n"


def test_the_path_is_that_of_the_machine_and_of_the_client(script: Callable[..., str], told: Callable[[], str]) -> None:
    async def tale(ftp: Bench) -> str:
        await ftp.upload("STOR in/x", b"four")
        return ftp.root

    conf = ON + f'ExecOnCommand STOR {script(ARGUMENTS)} "%f" "%F %b"\n'
    root = run(tale, files={"in/": b""}, conf=conf)
    assert told() == f"<{root}/in/x>\n</in/x 4>\n"


def test_a_password_is_not_handed_out(script: Callable[..., str], told: Callable[[], str]) -> None:
    async def tale(ftp: Bench) -> None:
        await ftp("USER tom")
        await ftp("PASS secret")

    run(tale, login=None, conf=ON + f'ExecOnCommand PASS {script(ARGUMENTS)} "%r" %J\n')
    assert told() == "<PASS (hidden)>\n<(hidden)>\n"


def test_the_environment_holds_what_is_listed(
    script: Callable[..., str], told: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOD_EXEC_SECRET", "hidden")
    monkeypatch.setenv("MOD_EXEC_SHOWN", "shown")
    env = "ExecEnviron mod_exec_shown -\nExecEnviron user %u\nExecEnviron NO_SUCH -\n"
    talk("MKD a", conf=ON + env + f"ExecOnCommand MKD {script('/usr/bin/env | sort >> $OUT')}\n")
    ours = [line for line in told().splitlines() if not line.startswith(("PWD=", "_=", "SHLVL=", "OLDPWD="))]
    assert ours == ["MOD_EXEC_SHOWN=shown", "NO_SUCH=", "USER=tom"]


def test_the_arguments_can_come_by_stdin(script: Callable[..., str], told: Callable[[], str]) -> None:
    body = 'echo "$#" >> $OUT; while read -r line; do echo "<$line>" >> $OUT; done'
    talk("MKD a b", conf=ON + f"ExecOptions useStdin\nExecOnCommand MKD {script(body)} --name %J\n")
    assert told() == "0\n<-->\n".replace("<-->", "<--name>") + "<a b>\n<.>\n"


def test_a_program_has_no_descriptor_of_ours_and_starts_in_the_root(
    script: Callable[..., str], told: Callable[[], str]
) -> None:
    held = os.open("/dev/null", os.O_RDONLY)
    try:
        os.set_inheritable(held, True)
        talk("MKD a", conf=ON + f"ExecOnCommand MKD {script('pwd >> $OUT; ls /proc/$$/fd >> $OUT')}\n")
    finally:
        os.close(held)
    assert told().split()[0] == "/"
    assert str(held) not in told().split()[1:]


# -- what becomes of its output -----------------------------------------------------------------------------


def test_output_is_sent_behind_the_reply(script: Callable[..., str]) -> None:
    conf = ON + f"ExecOptions sendStdout\nExecOnCommand MKD {script('echo one; echo; printf two')}\n"
    assert talk("MKD a", conf=conf) == ['257-"/a" - Directory successfully created\n one\n \n257 two']


def test_output_is_not_sent_to_who_does_not_speak_ftp(script: Callable[..., str]) -> None:
    async def tale(ftp: Bench) -> str:
        assert ftp.session is not None
        ftp.session.protocol = "sftp"
        return await ftp("MKD a")

    conf = ON + f"ExecOptions sendStdout\nExecOnCommand MKD {script('echo one')}\n"
    assert run(tale, conf=conf) == '257 "/a" - Directory successfully created'


def test_output_cannot_forge_a_reply(script: Callable[..., str]) -> None:
    conf = ON + "ExecOptions sendStdout\nExecOnCommand MKD " + script("printf '530 Out\\r530 Out\\033[1m'") + "\n"
    reply = talk("MKD a", conf=conf)[0]
    assert reply == '257-"/a" - Directory successfully created\n 530 Out\n257 530 Out\\x1b[1m'


def test_output_after_failure_is_not_sent(script: Callable[..., str]) -> None:
    conf = ON + f"ExecOptions sendStdout\nExecOnError MKD {script('echo one')}\n"
    assert talk("MKD a/b", conf=conf) == ["550 a/b: No such file or directory"]


def test_output_at_connect_stands_before_the_banner(script: Callable[..., str]) -> None:
    async def story() -> str:
        conf = ON + f"ExecOptions sendStdout\nExecOnConnect {script('echo Good morning')}\n"
        ftp = Bench(conf=conf, login=None)
        try:
            return await ftp.open()
        finally:
            await ftp.close()

    first, last = asyncio.run(story()).split("\n")
    assert first == "220-Good morning"
    assert last.startswith("220 ProFTPD Server")


def test_output_goes_nowhere_unless_wanted_and_never_blocks(script: Callable[..., str], tmp_path: Path) -> None:
    loud = script("head -c 1000000 /dev/zero; echo complaint >&2")
    for options in ("", "ExecOptions logStdout sendStdout\n"):
        reply = talk("MKD a", conf=ON + f"{options}ExecLog {tmp_path}/log\nExecOnCommand MKD {loud}\n")[0]
        assert reply.startswith("257")
    assert "complaint" not in (tmp_path / "log").read_text()


def test_the_log_tells_what_was_run_and_how_it_ended(script: Callable[..., str], tmp_path: Path) -> None:
    one = script("echo out; echo err >&2; exit 3")
    conf = ON + f"ExecOptions logStdout\nExecOptions logStderr\nExecLog {tmp_path}/log\nExecOnCommand MKD {one} %J\n"
    talk("MKD a", conf=conf)
    lines = [line.split(": ", 1)[1] for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[0].startswith(f"preparing to execute '{one}' with uid {os.geteuid()}")
    assert lines[1:] == [
        f" + '{one}': argv[1] = a",
        f"stdout from '{one}': 'out'",
        f"stderr from '{one}': 'err'",
        f"'{one}' terminated normally, with exit status 3",
        f"MKD ExecOnCommand '{one}' failed",
    ]


def test_a_program_that_is_not_there_harms_no_command(tmp_path: Path) -> None:
    conf = ON + f"ExecLog {tmp_path}/log\nExecBeforeCommand ALL {tmp_path}/none\n"
    assert talk("NOOP", conf=conf) == ["200 NOOP command successful"]
    assert "NOOP ExecBeforeCommand" in (tmp_path / "log").read_text()
    assert "No such file or directory" in (tmp_path / "log").read_text()


# -- time ---------------------------------------------------------------------------------------------------


def test_a_program_that_takes_too_long_is_ended_with_its_children(
    script: Callable[..., str], told: Callable[[], str], tmp_path: Path
) -> None:
    slow = script("echo $$ >> $OUT; sleep 60 & echo $! >> $OUT; wait")
    conf = ON + f"ExecTimeout 1\nExecLog {tmp_path}/log\nExecOnCommand MKD {slow}\n"
    began = time.monotonic()
    assert talk("MKD a", conf=conf)[0].startswith("257")
    assert time.monotonic() - began < 10
    log = (tmp_path / "log").read_text()
    assert "has exceeded ExecTimeout (1 seconds), sending SIGTERM (signal 15)" in log
    assert "died from signal 15" in log
    end = time.monotonic() + 5
    while any(map(_lives, told().split())):
        assert time.monotonic() < end, "a child of the program lives on"


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_program_that_does_not_listen_is_killed(
    script: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = script("trap '' TERM; while :; do sleep 1; done")
    conf = ON + f"ExecTimeout 1\nExecLog {tmp_path}/log\nExecOnCommand MKD {deaf}\n"

    async def tale(ftp: Bench) -> str:
        assert ftp.generation is not None
        loaded = next(module for module in ftp.generation.modules if module.name == "mod_exec")
        monkeypatch.setitem(loaded.handlers[0].run.__globals__, "_MANNERS", 0.1)
        return await ftp("MKD a")

    assert run(tale, conf=conf).startswith("257")
    assert "sending SIGKILL (signal 9)" in (tmp_path / "log").read_text()
    assert "died from signal 9" in (tmp_path / "log").read_text()


def test_others_are_served_meanwhile(script: Callable[..., str], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    conf = ON + f"ExecOnCommand MKD {script(f'read line < {gate}')}\n"

    async def story() -> bool:
        async with Bench(conf=conf) as slow, Bench(conf=conf) as other:
            waiting = asyncio.create_task(slow("MKD a"))
            for _ in range(5):
                await other("NOOP")
            still = not waiting.done()
            gate_end = os.open(gate, os.O_RDWR)
            os.write(gate_end, b"go\n")
            await waiting
            os.close(gate_end)
            return still

    assert asyncio.run(story())


def test_what_still_runs_when_the_module_goes_is_ended(
    script: Callable[..., str], told: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tale(ftp: Bench) -> None:
        assert ftp.generation is not None
        loaded = next(module for module in ftp.generation.modules if module.name == "mod_exec")
        monkeypatch.setitem(loaded.handlers[0].run.__globals__, "_GRACE", 0.3)

    run(tale, conf=ON + f"ExecOnExit {script('echo $$ >> $OUT; exec sleep 60')}\n")
    # a slow machine may not have come to the first line of the script before it was ended
    assert not any(map(_lives, told().split()))


# -- the configuration --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ExecOnConnect relative", "must be a full path"),
        ("ExecOnCommand STOR relative", "must be a full path"),
        ('ExecOnCommand " " /bin/true', "no command is named"),
        ("ExecOnCommand STOR", "missing"),
        ("ExecOptions loud", "unknown option"),
        ("ExecTimeout soon", "timeout"),
        ("ExecEnviron A=B x", "cannot name an environment variable"),
        ("ExecEngine maybe", "Boolean"),
        ("ExecEnable on", "context"),
    ],
)
def test_faulty_lines_are_refused(line: str, fault: str) -> None:
    with pytest.raises(ConfigFaults, match=fault):
        talk("NOOP", conf=f"{ON}{line}\n")
