"""What has a known answer is answered so, however its lines come; and whoever wants to be asked is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from recall_ground import serving, settled, tell

from ftpd import native
from ftpd.core import trace
from ftpd.core.vocab import Outcome
from ftpd.module.command import Command
from ftpd.module.table import Module

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("way_to_answer")]


def counting(*verbs: str, steady: bool | Callable[[Command], bool] = True) -> tuple[Module, list[str]]:
    """Steady verbs, and the lines for which they were asked."""
    module, asked = Module("counting", version="1"), []

    @module.cmd(*verbs, auth=False, steady=steady)
    def answer(cmd: Command) -> Outcome:
        asked.append(cmd.shown)
        return cmd.ok(200, f"{cmd.shown} in {cmd.session.cwd}")

    return module, asked


# -- what is known ---------------------------------------------------------------------------------------


def test_who_says_the_same_again_is_answered_without_anybody_being_asked() -> None:
    async def story() -> None:
        module, asked = counting("TICK", "TOCK")
        async with serving(module) as place, place.client() as client:
            for _ in range(5):
                assert await client.ask("TICK") == "200 TICK in /"
                assert await client.ask("TOCK a b") == "200 TOCK a b in /"
                assert await client.ask("NOOP") == "200 NOOP command successful"
        assert asked == ["TICK", "TOCK a b"]

    tell(story)


@pytest.mark.parametrize("line", ["CWD sub", "TYPE I", "USER tom", "NONSENSE", "\r", "CLNT me", "STAT"])
def test_any_other_line_lets_all_be_asked_again(line: str) -> None:
    async def story() -> None:
        module, asked = counting("TICK")
        async with serving(module) as place:
            place.bench.write("sub/")
            async with place.client(login=line != "USER tom") as client:
                await client.ask("TICK")
                await client.ask("TICK")
                assert len(asked) == 1
                answer = await client.ask(line)
                while answer[3] == "-":
                    # a reply of several lines ends with its code and a blank
                    answer = await client.line()
                    answer = answer if answer[:3].isdigit() else "   -"
                await client.ask("TICK")
        assert len(asked) == 2

    tell(story)


def test_where_somebody_is_follows_each_change_of_folder() -> None:
    async def story() -> None:
        async with serving() as place:
            place.bench.write("a/b/")
            async with place.client() as client:
                for line, folder in (("CWD a", "/a"), ("CWD b", "/a/b"), ("CDUP", "/a"), ("CWD nowhere", "/a")):
                    await client.ask(line)
                    for verb in ("PWD", "XPWD", "pwd"):
                        assert await client.ask(verb) == f'257 "{folder}" is the current directory'

    tell(story)


def test_what_is_refused_is_refused_each_time_and_what_a_login_brings_is_there_with_it() -> None:
    async def story() -> None:
        async with serving() as place, place.client(login=False) as client:
            for _ in range(3):
                assert await client.ask("NOOP") == "200 NOOP command successful"
                assert await client.ask("PWD") == "530 Please login with USER and PASS"
            await client.ask("USER tom")
            for _ in range(3):
                assert await client.ask("PWD") == "530 Please login with USER and PASS"
            assert (await client.ask("PASS wrong")).startswith("530")
            assert await client.ask("PWD") == "530 Please login with USER and PASS"
            await client.ask("USER tom")
            assert (await client.ask(f"PASS {place.bench._users['tom']}")).startswith("230")
            assert await client.ask("PWD") == '257 "/" is the current directory'

    tell(story)


def test_between_rnfr_and_rnto_only_what_may_stand_there_is_answered() -> None:
    async def story() -> None:
        async with serving() as place:
            place.bench.write("old")
            async with place.client() as client:
                for _ in range(2):
                    assert (await client.ask("PWD")).startswith("257")
                    assert (await client.ask("NOOP")).startswith("200")
                assert (await client.ask("RNFR old")).startswith("350")
                for _ in range(2):
                    assert (await client.ask("NOOP")).startswith("200")
                    assert await client.ask("PWD") == "501 Bad sequence of commands"
                assert (await client.ask("RNTO new")).startswith("250")
                assert (await client.ask("PWD")).startswith("257")

    tell(story)


def test_limit_holds_in_the_folder_it_is_written_for() -> None:
    async def story() -> None:
        conf = "<Directory {root}/closed>\n<Limit NOOP>\nDenyAll\n</Limit>\n</Directory>"
        async with serving(conf=conf) as place:
            place.bench.write("closed/")
            async with place.client() as client:
                for _ in range(3):
                    assert (await client.ask("NOOP")).startswith("200")
                await client.ask("CWD closed")
                for _ in range(3):
                    assert await client.ask("NOOP") == "550 Operation not permitted"
                await client.ask("CDUP")
                assert (await client.ask("NOOP")).startswith("200")

    tell(story)


# -- how lines come --------------------------------------------------------------------------------------


def test_pieces_of_lines_are_no_lines_that_are_known() -> None:
    async def story() -> None:
        module, asked = counting("TICK")
        async with serving(module) as place, place.client() as client:
            await client.ask("TICK")
            # what is known as a line of its own is here the end of another one
            await client.send(b"NOOP for ")
            await settled(place)
            await client.send(b"TICK\r\n")
            assert await client.line() == "200 NOOP command successful"
            assert asked == ["TICK"]
            # and the end of a line is not known for a line, though its answer was given
            await client.send(b"TI")
            await settled(place)
            await client.send(b"CK\r\n")
            assert await client.line() == "200 TICK in /"
            assert (await client.ask("CK")).startswith("500")

    tell(story)


def test_lines_that_come_together_are_answered_in_their_order() -> None:
    async def story() -> None:
        async with serving() as place:
            place.bench.write("sub/")
            async with place.client() as client:
                for _ in range(2):
                    await client.ask("PWD")
                await client.send(b"PWD\r\nCWD sub\r\nPWD\r\nNOOP\r\nPWD\r\n")
                assert [(await client.line())[:10] for _ in range(5)] == [
                    '257 "/" is', "250 CWD co", '257 "/sub"', "200 NOOP c", '257 "/sub"'
                ]  # fmt: skip
                assert (await client.ask("PWD")).startswith('257 "/sub"')

    tell(story)


def test_what_comes_while_a_command_waits_waits_behind_it() -> None:
    async def story() -> None:
        module, _asked = counting("TICK")
        goes_on = asyncio.Event()

        @module.cmd("WAIT", auth=False)
        async def wait(cmd: Command) -> Outcome:
            await goes_on.wait()
            return cmd.ok(200, "waited")

        async with serving(module) as place, place.client() as client:
            await client.ask("TICK")
            await client.send(b"WAIT\r\n")
            await settled(place)
            await client.send(b"TICK\r\n")
            await settled(place)
            assert not client.reader._buffer  # type: ignore[attr-defined]
            goes_on.set()
            assert [await client.line(), await client.line()] == ["200 waited", "200 TICK in /"]

    tell(story)


def test_telnet_between_known_lines_is_answered() -> None:
    async def story() -> None:
        async with serving() as place, place.client() as client:
            for _ in range(2):
                await client.send(b"\xff\xfd\x01NOOP\r\n")
                assert await client.reader.readexactly(3) == b"\xff\xfc\x01"
                assert await client.line() == "200 NOOP command successful"
                assert (await client.ask("NOOP")).startswith("200")

    tell(story)


def test_lines_that_a_client_makes_up_take_no_memory() -> None:
    async def story() -> None:
        module, asked = counting("TICK")
        async with serving(module) as place, place.client() as client:
            for n in range(200):
                assert await client.ask(f"TICK {n}") == f"200 TICK {n} in /"
                answers = place.channel._answers
                assert answers is not None and len(answers) <= 16
            await client.ask("TICK " + "x" * 3000)
            assert max(map(len, answers)) < 100
        assert len(asked) == 201

    tell(story)


# -- who is asked ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["pre", "post", "log"])
@pytest.mark.parametrize("verbs", [("NOOP",), ()])
def test_a_module_that_looks_at_a_verb_sees_it_each_time(phase: str, verbs: tuple[str, ...]) -> None:
    async def story() -> None:
        module, seen = Module("looking", version="1"), []

        def look(cmd: Command) -> None:
            if cmd.name == "NOOP":
                seen.append(cmd.name)

        getattr(module, phase)(*verbs)(look)
        async with serving(module) as place, place.client() as client:
            for _ in range(4):
                assert (await client.ask("NOOP")).startswith("200")
        assert len(seen) == 4

    tell(story)


def test_a_module_that_answers_in_another_ones_place_does_so_each_time() -> None:
    async def story() -> None:
        module, asked = counting("NOOP", steady=False)
        async with serving(module) as place, place.client() as client:
            for _ in range(3):
                assert await client.ask("NOOP") == "200 NOOP in /"
        assert len(asked) == 3

    tell(story)


def test_a_module_may_say_of_which_commands_it_is_steady() -> None:
    async def story() -> None:
        module, asked = counting("TICK", steady=lambda cmd: cmd.argument != "now")
        async with serving(module) as place, place.client() as client:
            for line in ("TICK", "TICK", "TICK now", "TICK now", "TICK"):
                await client.ask(line)
        assert asked == ["TICK", "TICK now", "TICK now", "TICK"]

    tell(story)


@pytest.mark.parametrize(("kinds", "lines"), [("MISC", 4), ("ALL", 4), ("AUTH", 0)])
def test_an_extendedlog_has_each_line_of_its_classes(tmp_path: Path, kinds: str, lines: int) -> None:
    async def story() -> None:
        log = tmp_path / "log"
        conf = f'LogFormat short "%r"\nExtendedLog {log} {kinds} short'
        async with serving(conf=conf) as place, place.client() as client:
            for _ in range(4):
                await client.ask("NOOP")
            assert bool(place.channel._answers) is (kinds == "AUTH")
        await asyncio.sleep(0.1)
        assert log.read_text().splitlines().count("NOOP") == lines

    tell(story)


def test_who_begins_to_look_for_a_fault_sees_each_command_go_its_way() -> None:
    async def story() -> None:
        module, asked = counting("TICK")
        async with serving(module) as place, place.client() as client:
            await client.ask("TICK")
            await client.ask("TICK")
            assert len(asked) == 1
            trace.configure(None, commands=True)
            try:
                await client.ask("TICK")
                await client.ask("TICK")
            finally:
                trace.configure(None)
            assert len(asked) == 3

    tell(story)


# -- what is compiled --------------------------------------------------------------------------------------


def test_what_is_compiled_takes_nothing_else_for_a_table() -> None:
    if native.front is None:
        pytest.skip("not compiled here")
    front = native.front.Front()
    for wrong in ((1, [], 0.0), ("1", {}, 0.0), (1, {})):
        with pytest.raises(TypeError):
            front.recall(*wrong)
    with pytest.raises(ValueError, match="descriptor"):
        front.recall(-1, {}, 0.0)
    front.forget(100_000)
    with pytest.raises(OSError, match="Bad file descriptor"):
        front.serve(100_000, 0.0, 0.0, 16)
