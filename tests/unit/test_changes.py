"""What insmod and rmmod make of a configuration: which modules there are, in which order, and which lines count."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import ConfigFaults
from ftpd.dispatch.assemble import Changes, assemble, static_modules
from ftpd.dispatch.registry import Generation
from ftpd.module.build import unconfigured

T = TypeVar("T")

FIRST = """\
from ftpd.api import SERVER, Module, types
module = Module("mod_first", version="1")
text = module.directive("FirstText", types.string, default="unset", contexts=SERVER)
section = module.directive("<IfFirst>", types.string, contexts=SERVER)
"""
SECOND = """\
from ftpd.api import Module
module = Module("mod_second", version="1", needs=["mod_first"])
"""


def _offload(work: Callable[[], T], kind: str) -> Awaitable[T]:
    return asyncio.to_thread(work)


class Place:
    """A folder with two modules and a configuration."""

    def __init__(self, folder: Path) -> None:
        self.libexec = folder / "libexec"
        self.libexec.mkdir(mode=0o755)
        self.conf = folder / "conf"
        for name, text in (("mod_first", FIRST), ("mod_second", SECOND)):
            (self.libexec / f"{name}.py").write_text(text)
            (self.libexec / f"{name}.py").chmod(0o644)

    @contextmanager
    def read(self, conf: str, changes: Changes | None = None) -> Iterator[Generation]:
        self.conf.write_text(f"ModulePath {self.libexec}\n{conf}")
        self.conf.chmod(0o600)
        generation = assemble(
            str(self.conf),
            unconfigured(),
            _offload,
            static=static_modules(unconfigured()),
            changes=changes or Changes(),
        )
        yield generation
        generation.forget()

    def after(self, conf: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> Changes:
        with self.read(conf) as running:
            return Changes().after(running, add, remove)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def shared(generation: Generation) -> list[str]:
    return [module.name for module in generation.modules if module.namespace]


BOTH = "LoadModule mod_first.c\nLoadModule mod_second.c\n"
LINES = 'LoadModule mod_first.c\nFirstText "from the file"\n<IfFirst x>\n<Limit ALL>\nDenyAll\n</Limit>\n</IfFirst>\n'


def test_what_is_added_comes_last(place: Place) -> None:
    changes = place.after("LoadModule mod_first.c\n", add=("mod_second",))
    with place.read("LoadModule mod_first.c\n", changes) as generation:
        assert shared(generation) == ["mod_first", "mod_second"]
        assert generation.modules[-1].name == "mod_second"


@pytest.mark.parametrize("added", [False, True], ids=["LoadModule", "insmod"])
def test_a_module_that_declares_a_directive_of_the_cores_is_refused_with_both_names(place: Place, added: bool) -> None:
    with place.read("") as running:
        conf, change = (
            ("", Changes().after(running, ("mod_first",), ())) if added else ("LoadModule mod_first.c\n", None)
        )
    with place.read(conf, change) as generation:
        assert shared(generation) == ["mod_first"]
    (place.libexec / "mod_first.py").write_text(FIRST.replace("FirstText", "serverName"))
    refused = "mod_first declares serverName of mod_core: no other module may have the core's directives"
    with pytest.raises((ConfigError, ConfigFaults), match=refused), place.read(conf, change):
        pass


def test_its_lines_count_wherever_they_stand(place: Place) -> None:
    conf = '<IfModule mod_first.c>\nFirstText "waiting"\n</IfModule>\n'
    with place.read(conf, place.after(conf, add=("mod_first",))) as generation:
        key = generation.directive("FirstText")
        assert key is not None
        assert generation.config.main.settings[key] == "waiting"


def test_lines_of_what_was_removed_are_passed_over(place: Place) -> None:
    with place.read(LINES, place.after(LINES, remove=("mod_first",))) as generation:
        assert shared(generation) == []
        assert generation.directive("FirstText") is None
        assert generation.config.main.conditional == []
        assert generation.config.main.children == []
        assert not [warning for warning in generation.config.warnings if "First" in warning.summary()]


def test_sections_that_decide_what_is_read_are_passed_over_with_their_module(place: Place) -> None:
    ours = Path(__file__).parents[2] / "libexec" / "mod_ifversion.py"
    (place.libexec / ours.name).write_bytes(ours.read_bytes())
    (place.libexec / ours.name).chmod(0o644)
    inner = "<IfVersion > 1>\nServerName inner\n</IfVersion>\n"
    host = f"<VirtualHost 127.0.0.9>\n{inner}</VirtualHost>\n"
    conf = f"LoadModule mod_ifversion.c\n<IfVersion > 1>\n{inner}</IfVersion>\n{host}"
    with place.read(conf) as running:
        assert [server.settings[running.directive("ServerName")] for server in running.config.servers] == ["inner"] * 2
        gone = Changes().after(running, (), ("mod_ifversion",))
    with place.read(conf, gone) as generation:
        key = generation.directive("ServerName")
        assert "inner" not in [server.settings[key] for server in generation.config.servers]
        assert not [warning for warning in generation.config.warnings if "IfVersion" in warning.summary()]


def test_other_unknown_lines_are_faults_all_the_same(place: Place) -> None:
    changes = place.after(LINES, remove=("mod_first",))
    with pytest.raises(ConfigFaults, match="FirstTxt: unknown"), place.read(f"{LINES}FirstTxt x\n", changes):
        pass


def test_without_having_been_removed_its_lines_are_faults(place: Place) -> None:
    with pytest.raises(ConfigFaults, match="FirstText: unknown"), place.read("FirstText x\n"):
        pass


def test_what_was_removed_may_come_back(place: Place) -> None:
    with place.read(LINES) as running:
        gone = Changes().after(running, (), ("mod_first",))
    with place.read(LINES, gone) as running:
        back = gone.after(running, ("mod_first",), ())
    assert back.removed == {}
    with place.read(LINES, back) as generation:
        assert shared(generation) == ["mod_first"]
        assert generation.directive("FirstText") is not None


def test_what_was_added_may_go(place: Place) -> None:
    with place.read("") as running:
        added = Changes().after(running, ("mod_first",), ())
    with place.read("", added) as running:
        gone = added.after(running, (), ("mod_first",))
    with place.read("", gone) as generation:
        assert shared(generation) == []


def test_what_has_no_file_any_more_goes_on_as_it_was_unless_it_is_to_be_renewed(place: Place) -> None:
    file = place.libexec / "mod_first.py"
    with place.read(LINES) as running:
        kept, renewed = Changes().after(running, (), ()), Changes().after(running, (), (), ("mod_first",))
    file.write_text("module = (")
    for _ in range(2):
        with place.read(LINES, kept) as generation:
            assert [module.version for module in generation.modules if module.name == "mod_first"] == ["1"]
            kept = kept.after(generation, (), ())
        file.unlink(missing_ok=True)
    with pytest.raises(ConfigFaults, match=r"there is no mod_first\.py"), place.read(LINES, renewed):
        pass
    with pytest.raises(ConfigFaults, match=r"there is no mod_first\.py"), place.read(LINES):
        pass


def test_what_is_in_service_takes_no_place_in_another_modulepath(place: Place, tmp_path: Path) -> None:
    with place.read(LINES) as running:
        kept = Changes().after(running, (), ())
    (tmp_path / "other").mkdir(mode=0o755)
    elsewhere = f"ModulePath {tmp_path}/other\n{LINES}"
    with pytest.raises(ConfigFaults, match=r"there is no mod_first\.py"), place.read(elsewhere, kept):
        pass


def test_what_was_added_needs_what_it_needs(place: Place) -> None:
    changes = place.after("", add=("mod_second",))
    said = "mod_second needs mod_first, which is not loaded"
    with pytest.raises(ConfigError, match=said), place.read("", changes):
        pass


def test_a_line_for_what_was_added_is_no_second_load(place: Place) -> None:
    changes = place.after("", add=("mod_first",))
    with place.read(BOTH, changes) as generation:
        assert sorted(shared(generation)) == ["mod_first", "mod_second"]
        assert not [warning for warning in generation.config.warnings if "loaded already" in warning.summary()]
