"""Whoever comes as another came, says the same name and has its password is let in as that one was, and as of now."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house_ground import HASH, WELCOME, WRONG, House, Told, replace, stories

from ftpd.api import LOGGED_IN, REWRITE_HOME, Rehousing
from ftpd.core import crypt, logfile, trace
from ftpd.core.mounts import Mounts
from ftpd.core.reply import Refuse, Reply
from ftpd.core.vocab import Phase, Steady
from ftpd.engine import entrance
from ftpd.module.command import Command
from ftpd.module.session import Session
from ftpd.module.table import Module
from ftpd.modules import _auth_file_tables, _auth_lastlog, _auth_lists, mod_auth
from ftpd.modules._auth_events import MAX_CLIENTS

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]


@pytest.fixture
def story(tmp_path: Path) -> Callable[..., Callable[[Told], None]]:
    return stories(tmp_path)


def test_who_comes_again_is_let_in_by_the_password_alone(story: Any) -> None:
    seen: list[object] = []
    watcher = Module("watcher", version="1.0")

    @watcher.on(LOGGED_IN)
    def look(session: Session) -> None:
        files = session.files
        assert files is not None
        seen.append((
            session.user, session.account, session.groups, session.identity, session.home, session.cwd,
            session.settings, session.login, files.root, files.umask, dict(session.notes), session.anonymous,
        ))  # fmt: skip

    @story("", watcher)
    async def told(house: House) -> None:
        await house.met()
        for _ in range(3):
            assert (await house.come("PASS secret", "PWD", "NOOP"), house.roads) == (
                [WELCOME, '257 "/" is the current directory', "200 NOOP command successful"],
                0,
            )
        assert (await house.come("PASS secret", "PASS secret"))[1] == "503 You are already logged in"
        assert (await house.come("PASS secret", "USER ann"))[1] == WELCOME
        assert len(seen) == 8
        assert all(one == seen[0] for one in seen)


def test_an_account_that_is_gone_or_locked_is_out(story: Any) -> None:
    @story()
    async def told(house: House) -> None:
        await house.met()
        house.write("bob")
        assert await house.come() == [WRONG]
        house.write()
        await house.met()
        house.write(hashed=f"!{HASH}")
        assert await house.come() == [WRONG]
        house.write(hashed=crypt.hash("other", "$1$"))
        assert await house.come("PASS other") == [WELCOME]
        assert await house.come() == [WRONG]
        house.users.unlink()
        assert await house.come("PASS other") == [WRONG]


def test_files_that_have_to_be_waited_for_leave_what_is_known_from_before(
    story: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[str] = []

    async def counted(command: Command, target: Any, account: Any, groups: tuple[str, ...]) -> Any:
        planned.append(account.name)
        return await plan_for(command, target, account, groups)

    plan_for = mod_auth.plan_for
    monkeypatch.setattr(mod_auth, "plan_for", counted)
    monkeypatch.setattr(_auth_file_tables, "near", lambda descriptor: False)

    @story()
    async def told(house: House) -> None:
        for _ in range(3):
            assert (await house.come(), house.roads) == ([WELCOME], 1)
        assert planned == ["ann"]
        house.write(hashed=crypt.hash("other", "$1$"))
        assert await house.come() == [WRONG]
        assert await house.come("PASS other") == [WELCOME]


def test_a_file_that_all_may_write_counts_no_more(story: Any) -> None:
    @story()
    async def told(house: House) -> None:
        await house.met()
        house.users.chmod(0o666)
        assert await house.come() == [WRONG]


def test_a_shell_and_a_name_that_are_not_wanted_any_more(
    story: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shells, denied = tmp_path / "shells", tmp_path / "ftpusers"
    monkeypatch.setattr(_auth_lists, "SHELLS", str(shells))
    monkeypatch.setattr(_auth_lists, "FTPUSERS", str(denied))
    shells.write_text("/bin/sh\n")

    @story("RequireValidShell on\nUseFtpUsers on")
    async def told(house: House) -> None:
        await house.met()
        assert (await house.come(), house.roads) == ([WELCOME], 0)
        shells.write_text("/bin/other\n")
        assert await house.come() == [WRONG]
        house.write(shell="/bin/other")
        assert await house.come() == [WELCOME]
        denied.write_text("ann\n")
        assert await house.come() == [WRONG]
        denied.unlink()
        denied.mkdir()
        # what cannot be read denies
        assert await house.come() == [WRONG]


def test_other_groups_lead_elsewhere(story: Any, tmp_path: Path) -> None:
    groups = tmp_path / "groups"
    replace(groups, "team::4711:bob\n")

    @story(f"AuthGroupFile {groups}\nDefaultChdir mine team")
    async def told(house: House) -> None:
        (house.home / "mine").mkdir()
        for names, place in ("bob", "/"), ("bob,ann", "/mine"), ("bob", "/"):
            replace(groups, f"team::4711:{names}\n")
            # the first time somebody has to read the file
            for whole in (1, 1, 0):
                async with house.place.client(login=False) as client:
                    await client.ask("USER ann")
                    house.counted.verbs.clear()
                    assert await client.ask("PASS secret") == WELCOME
                    assert house.roads == whole
                    session = house.place.channel.session
                    assert session.cwd == place
                    assert ((4711, "team") in session.groups) is ("ann" in names)
                    await client.ask("QUIT")


def test_a_home_that_is_gone_or_elsewhere(story: Any) -> None:
    @story()
    async def told(house: House) -> None:
        await house.met()
        house.home.rename(house.folder / "away")
        assert (await house.come())[0][:3] == "530"
        (house.folder / "away").rename(house.home)
        assert await house.come() == [WELCOME]
        (house.folder / "new").mkdir()
        house.write(home=house.folder / "new")
        assert await house.come() == [WELCOME]
        house.home.rmdir()
        assert await house.come() == [WELCOME]


# -- who else has a say ----------------------------------------------------------------------------------


def test_one_too_many_is_refused_and_told_of_once(story: Any) -> None:
    full: list[str] = []
    watcher = Module("watcher", version="1.0")
    watcher.on(MAX_CLIENTS)(lambda session: full.append(session.login))

    @story('MaxClients 1 "full of %m"', watcher)
    async def told(house: House) -> None:
        await house.met()
        async with house.place.client(login=False) as client:
            await client.ask("USER ann")
            house.counted.verbs.clear()
            assert (await client.ask("PASS secret"), house.roads) == (WELCOME, 0)
            assert await house.come() == ["530 full of 1"]
            assert full == ["ann"]
            await client.ask("QUIT")
        assert (await house.come(), house.roads) == ([WELCOME], 0)


@pytest.mark.parametrize(
    "conf",
    [
        "<Limit LOGIN>\nDenyUser bob\n</Limit>", f"UserPassword ann {HASH}", "CreateHome on", "Protocols ftp",
        "DenyFilter x", "DelayEngine on", "MaxCommandRate 100 1", "AuthOrder mod_auth_file.c mod_auth_unix.c",
    ],
)  # fmt: skip
def test_where_somebody_else_has_a_say_the_whole_road_is_taken(story: Any, conf: str) -> None:
    @story(conf)
    async def told(house: House) -> None:
        for _ in range(3):
            assert (await house.come(), house.roads) == ([WELCOME], 1)


def test_each_login_stands_in_the_lastlog(story: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lastlog = tmp_path / "lastlog"
    monkeypatch.setattr(_auth_lastlog, "LASTLOG", str(lastlog))

    @story("UseLastlog on")
    async def told(house: House) -> None:
        for _ in range(3):
            lastlog.write_bytes(b"")
            assert (await house.come(), house.roads) == ([WELCOME], 1)
            assert b"127.0.0.1" in lastlog.read_bytes()


def test_each_home_is_rewritten_anew(story: Any) -> None:
    rewriter, seen = Module("rewriter", version="1.0"), []

    @rewriter.on(REWRITE_HOME)
    def rewrite(rehousing: Rehousing) -> None:
        seen.append(rehousing.command.argument)
        rehousing.command.argument += f"/{len(seen)}"

    @story("RewriteHome on", rewriter)
    async def told(house: House) -> None:
        for number in ("1", "2", "3"):
            (house.home / number / f"in {number}").mkdir(parents=True)
            assert await house.come("PASS secret", f"CWD in {number}") == [WELCOME, "250 CWD command successful"]
            assert house.roads == 1
        assert seen == [str(house.home)] * 3


def test_with_other_backends_behind_it_the_file_names_the_groups_itself(story: Any, tmp_path: Path) -> None:
    replace(tmp_path / "groups", "team::4711:ann\n")

    @story(f"AuthGroupFile {tmp_path}/groups\nAuthOrder mod_auth_file.c mod_auth_unix.c")
    async def told(house: House) -> None:
        await house.met()


@pytest.mark.parametrize("phase", [Phase.PRE_CMD, Phase.CMD, Phase.POST_CMD, Phase.LOG_CMD])
@pytest.mark.parametrize("steady", [False, Steady.NOTHING])
def test_who_looks_at_pass_sees_each(story: Any, phase: Phase, steady: Steady | bool) -> None:
    watcher, seen = Module("watcher", version="1.0"), []
    look_at = {
        Phase.PRE_CMD: watcher.pre, Phase.CMD: watcher.cmd, Phase.POST_CMD: watcher.post, Phase.LOG_CMD: watcher.log,
    }[phase]  # fmt: skip

    @look_at("PASS", steady=steady, **({"auth": False} if phase is Phase.CMD else {}))
    def watch(cmd: Command) -> None:
        seen.append(cmd.argument)

    @story("", watcher)
    async def told(house: House) -> None:
        for _ in range(3):
            assert await house.come() == [WELCOME]
        assert seen == ["secret"] * 3


def test_what_is_recorded_is_recorded_of_each(story: Any, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    lines = f'LogFormat said "%m %s"\nExtendedLog {tmp_path}/logs/all AUTH said'

    @story(lines)
    async def told(house: House) -> None:
        for _ in range(3):
            assert (await house.come(), house.roads) == ([WELCOME], 1)
        logfile.flush()
        assert (tmp_path / "logs" / "all").read_text() == "USER 331\nPASS 230\n" * 3


def test_a_log_of_other_commands_is_no_reason_to_walk(story: Any, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()

    @story(f"ExtendedLog {tmp_path}/logs/all READ")
    async def told(house: House) -> None:
        await house.met()


def test_a_listener_may_refuse_fail_speak_or_end_it(story: Any) -> None:
    watcher, does = Module("watcher", version="1.0"), [""]

    @watcher.on(LOGGED_IN)
    def listen(session: Session) -> None:
        if does[0] == "refuse":
            raise Refuse(530, "Not you.")
        if does[0] == "fail":
            raise ValueError("nothing is as it should be")
        if does[0] == "speak":
            session.send(Reply(150, ("Just so you know",)))
        if does[0] == "end":
            session.end("Enough")

    @story("", watcher)
    async def told(house: House) -> None:
        await house.met()
        for what, said in (
            ("refuse", ["530 Not you."]), ("fail", [WRONG]), ("speak", ["150 Just so you know"]), ("", [WELCOME]),
        ):  # fmt: skip
            does[0] = what
            assert await house.come() == said
        does[0] = "end"
        async with house.place.client(login=False) as client:
            await client.ask("USER ann")
            assert await client.ask("PASS secret") == WELCOME
            assert await client.rest() == ""
        does[0] = ""
        assert (await house.come(), house.roads) == ([WELCOME], 0)


def test_what_stands_in_the_folder_by_now_counts(story: Any) -> None:
    @story("AllowOverride on")
    async def told(house: House) -> None:
        async def umask() -> int:
            async with house.place.client(login=False) as client:
                await client.ask("USER ann")
                house.counted.verbs.clear()
                assert await client.ask("PASS secret") == WELCOME
                umask = house.place.channel.session.setting("Umask", (0, 0))
                await client.ask("QUIT")
                return umask[0]

        await house.met()
        assert (await umask(), house.roads) == (0o022, 0)
        (house.home / ".ftpaccess").write_text("Umask 077\n")
        house.place.worker.generation.gate.forget()
        for _ in range(2):
            assert (await umask(), house.roads) == (0o077, 1)


def test_a_greeting_is_read_each_time(story: Any) -> None:
    @story("DisplayLogin hello")
    async def told(house: House) -> None:
        for words in ("good day", "good night", "good day"):
            (house.home / "hello").write_text(f"{words}\n")
            assert await house.come() == [f"230-{words}", WELCOME]


def test_the_words_of_the_configuration(story: Any) -> None:
    @story('AccessGrantMsg "Hi %u, again"\nUserAlias anna ann')
    async def told(house: House) -> None:
        for whole in (1, 1, 0, 0):
            assert (await house.come(), house.roads) == (["230 Hi ann, again"], whole)
        for whole in (1, 0, 0):
            assert (await house.come(name="anna"), house.roads) == (["230 Hi anna, again"], whole)


@pytest.mark.parametrize("between", ["NOOP", "FEAT", "USER ann", "CLNT me", "OPTS UTF8 ON", "PASS wrong"])
def test_what_is_said_between_leaves_the_login_what_it_is(story: Any, between: str) -> None:
    @story()
    async def told(house: House) -> None:
        await house.met()
        for _ in range(2):
            said = await house.come(between, "USER ann", "PASS secret")
            assert said[-2:] == ["331 Password required for ann", WELCOME]
        assert (await house.come(), house.roads) == ([WELCOME], 0)


def test_commands_that_are_traced_and_far_places_take_the_whole_road(
    story: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @story()
    async def told(house: House) -> None:
        await house.met()
        async with house.place.client(login=False) as client:
            await client.ask("USER ann")
            monkeypatch.setattr(trace, "loud", True)
            house.counted.verbs.clear()
            assert (await client.ask("PASS secret"), house.roads) == (WELCOME, 1)
            monkeypatch.setattr(trace, "loud", False)
        async with house.place.client(login=False) as client:
            await client.ask("USER ann")
            house.counted.verbs.clear()
            monkeypatch.setattr(entrance, "mounts", lambda: Mounts({"/nowhere": None}))  # type: ignore[dict-item]
            assert (await client.ask("PASS secret"), house.roads) == (WELCOME, 1)


def test_it_is_believed_for_as_long_as_the_name(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @story()
    async def told(house: House) -> None:
        await house.met()
        async with house.place.client(login=False) as client:
            await client.ask("USER ann")
            (answers,) = [house.place.channel._answers]
            assert answers is not None and time.monotonic() < answers.until < time.monotonic() + 31
            answers.until = 0.0
            house.place.worker.ioloop.recall(house.place.channel._fileno, answers)
            house.counted.verbs.clear()
            assert (await client.ask("PASS secret"), house.roads) == (WELCOME, 1)
