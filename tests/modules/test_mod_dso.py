"""ModulePath and LoadModule: what is loaded, from where, and what is refused."""

from __future__ import annotations

import asyncio
import ctypes.util
import os
from pathlib import Path

import pytest

from ftpd.conf.faults import ConfigFaults
from ftpd.testing import Bench

HELLO = """'''mod_hello -- answers XHLO.'''
from ftpd.api import SERVER, Module, types
module = Module("mod_hello", version="0.1")
greeting = module.directive("HelloText", types.string, default="hello", contexts=SERVER)
@module.cmd("XHLO", auth=False)
def greet(cmd):
    return cmd.ok(200, cmd.config[greeting])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ModulePath with one module in it."""
    path = tmp_path / "libexec"
    path.mkdir(mode=0o755)
    (path / "mod_hello.py").write_text(HELLO)
    (path / "mod_hello.py").chmod(0o644)
    return path


def say(conf: str, line: str = "XHLO") -> str:
    async def story() -> str:
        async with Bench(conf=conf, login=None) as ftp:
            return await ftp(line)

    return asyncio.run(story())


def faults(conf: str) -> str:
    with pytest.raises(ConfigFaults) as wrong:
        asyncio.run(Bench(conf=conf, login=None).open())
    return wrong.value.render()


@pytest.mark.parametrize("name", ["mod_hello.c", "mod_hello.py", "mod_hello"])
def test_a_module_is_there_from_the_next_line_on(folder: Path, name: str) -> None:
    assert say(f'ModulePath {folder}\nLoadModule {name}\nHelloText "good day"\n') == "200 good day"


def test_a_directive_above_its_loadmodule_is_unknown(folder: Path) -> None:
    assert "unknown configuration directive" in faults(f"ModulePath {folder}\nHelloText x\nLoadModule mod_hello.c\n")


def warnings(conf: str) -> str:
    async def story() -> str:
        async with Bench(conf=conf, login=None) as ftp:
            return "\n".join(warning.render() for warning in ftp.generation.config.warnings)

    return asyncio.run(story())


def test_a_folder_of_proftpds_own_modules_is_passed_over_for_that_of_the_build(tmp_path: Path) -> None:
    theirs = tmp_path / "proftpd"
    theirs.mkdir(mode=0o755)
    (theirs / "mod_sql.so").write_bytes(b"\x7fELF")
    conf = f"ModulePath {theirs}\nLoadModule mod_readme.c\n<IfModule mod_readme.c>\nDisplayReadme README\n</IfModule>"
    assert f"    ModulePath {theirs}" in warnings(conf)
    assert "holds ProFTPD's own modules (.so), no ftpd can load them: its own come from /" in warnings(conf)
    # one of ours among them makes it ours
    (theirs / "mod_hello.py").write_text(HELLO)
    assert say(f"ModulePath {theirs}\nLoadModule mod_hello.c\n") == "200 hello"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("<IfModule mod_tls.c>\nTLSRequired on\n</IfModule>", "passwords and files then go over the net in the clear"),
        ("<IfModule mod_ban.c>\n<IfDefine X>\nBanEngine on\n</IfDefine>\n</IfModule>", "those whom it keeps out then"),
        ("<IfModule mod_tls.c>\n\n# TLSEngine on\n  #TLSRequired on\n</IfModule>", ""),
        ("<IfModule mod_tls.c>\n  TLSEngine off\n</IfModule>", ""),
        ("<IfModule !mod_tls.c>\nUmask 022\n</IfModule>", ""),
        ("<IfModule mod_shaper.c>\nShaperEngine on\n</IfModule>", ""),
        ("<IfDefine TLS>\nTLSEngine on\n</IfDefine>", ""),
    ],
)
def test_lines_that_kept_somebody_out_are_not_passed_over_in_silence(lines: str, told: str) -> None:
    found = warnings(lines)
    assert bool(found) is bool(told)
    assert told in found


def test_what_is_not_in_the_folder_is_said_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    def right(name: str, path: Path = folder) -> str:
        return faults(f"ModulePath {path}\nLoadModule {name}\n").partition("right: ")[2].strip()

    assert right("mod_helo.c") == "did you mean mod_hello.c?"
    for name in "mod_something.c", "mod_holla.c":
        assert right(name) == "one of mod_hello.c"
    assert right("mod_readme.c").startswith("no ModulePath line, for /")
    (tmp_path / "none").mkdir(mode=0o755)
    assert right("mod_something.c", tmp_path / "none") == "an empty ModulePath holds no modules"
    assert "no ModulePath line for that of the build" in right("mod_else.c", tmp_path / "gone")


# mod_quotatab_sql has no directives of its own
@pytest.mark.parametrize("name", ["mod_ctrls_admin.c", "mod_tls.c", "mod_ban", "mod_quotatab_sql.c"])
def test_a_module_of_proftpds_that_is_not_here_and_for_which_no_line_is_may_be_loaded(folder: Path, name: str) -> None:
    """As in the modules.conf of a distribution, which loads whatever there is, and no more is said of most."""
    bare = name.removesuffix(".c")
    conf = f"ModulePath {folder}\nLoadModule {name}\n<IfModule {bare}.c>\n# all off\nSomeEngine off\n</IfModule>\n"
    told = warnings(conf)
    assert f"LoadModule: this ftpd has no {bare}: the line is passed over, as no other is for that module" in told
    assert len(told.splitlines()) == 3, "the line itself, and no other"
    assert say(f"{conf}LoadModule mod_hello.c\n") == "200 hello"


@pytest.mark.parametrize(
    ("name", "line", "lost"),
    [
        ("mod_tls.c", "TLSEngine on", "; passwords and files then go over the net in the clear"),
        ("mod_ban.c", "BanOnEvent MaxLoginAttempts 2/00:10:00 01:00:00", "; those whom it keeps out then come in"),
        ("mod_quotatab.c", "QuotaLimitTable file:/etc/ftpquota.limittab", ""),
    ],
)
def test_where_lines_are_for_it_nothing_starts_without_it(folder: Path, name: str, line: str, lost: str) -> None:
    load, bare = f"ModulePath {folder}\nLoadModule {name}\n", name.removesuffix(".c")
    shown = faults(f"{load}<IfModule {name}>\n{line}\n</IfModule>\n")
    assert f"LoadModule asks for {bare}, which this ftpd does not have, and these lines are for it" in shown
    assert f"right: without that LoadModule line they are passed over{lost}" in shown
    assert f"{line.split()[0]}: belongs to {bare}, which this ftpd does not have" in faults(f"{load}{line}\n")
    # what the message advises
    assert say(f"ModulePath {folder}\nLoadModule mod_hello.c\n<IfModule {name}>\n{line}\n</IfModule>") == "200 hello"


def test_one_that_keeps_people_out_without_a_line_has_to_be_there(folder: Path) -> None:
    assert "mod_wrap.py" in faults(f"ModulePath {folder}\nLoadModule mod_wrap.c\n")


@pytest.mark.parametrize("name", ["foo.c", "../mod_hello.c", "/tmp/mod_hello.so", "mod_hello.so", "mod_.c.c"])
def test_what_names_no_module_is_not_looked_for(folder: Path, name: str) -> None:
    assert f"error loading module '{name}'" in faults(f"ModulePath {folder}\nLoadModule {name}\n")


def test_a_module_that_is_not_there_is_named_with_its_folder(folder: Path) -> None:
    shown = faults(f"ModulePath {folder}\nLoadModule mod_nothing.c\n")
    assert f"there is no mod_nothing.py in {folder}" in shown
    assert "mod_hello.c" in shown


def test_modulepath_must_be_safe(folder: Path, tmp_path: Path) -> None:
    assert "must be an absolute path" in faults("ModulePath libexec\n")
    assert "error checking '/nowhere'" in faults("ModulePath /nowhere\n")
    assert "is not a directory" in faults(f"ModulePath {folder}/mod_hello.py\n")
    folder.chmod(0o777)
    assert "can be written by everybody" in faults(f"ModulePath {folder}\n")
    if os.geteuid() == 0:
        folder.chmod(0o755)
        os.chown(folder, 12345, -1)
        assert "belongs to uid 12345" in faults(f"ModulePath {folder}\n")


def test_loading_belongs_to_the_main_server(folder: Path) -> None:
    conf = f"<VirtualHost 127.0.0.2>\nModulePath {folder}\nLoadModule mod_hello.c\n</VirtualHost>\n"
    assert faults(conf).count("directive not allowed in <VirtualHost> context") == 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("LoadFile lib.so", "absolute pathname required"),
        ("ModuleOrder mod_core.c mod_core.c", "duplicate module name 'mod_core.c' as parameters 1 and 2"),
        ("ModuleOrder mod_nothing.c", "no such module 'mod_nothing.c' loaded"),
        ("ModuleOrder", "missing parameters"),
        ("ModuleControlsACLs foo allow user root", "unknown action: 'foo'"),
        ("ModuleControlsACLs all maybe user root", "second parameter must be 'allow' or 'deny'"),
        ("ModuleControlsACLs all allow class root", "third parameter must be 'user' or 'group'"),
        ("ModuleControlsACLs all allow user", "missing parameters"),
    ],
)
def test_lines_that_are_refused(line: str, complaint: str) -> None:
    assert complaint in faults(line)


def loaded(conf: str) -> list[str]:
    async def story() -> list[str]:
        async with Bench(conf=conf, login=None) as ftp:
            return [module.name for module in ftp.generation.modules]

    return asyncio.run(story())


def test_module_order_is_the_order_of_loading(folder: Path) -> None:
    lines = f"ModulePath {folder}\nLoadModule mod_hello.c\n"
    first, *others = loaded(lines)
    turned = [first, *reversed(others)]
    assert loaded(lines + f"ModuleOrder {' '.join(f'{name}.c' for name in turned)}\n") == turned


def test_directives_are_known_under_another_order_too(folder: Path) -> None:
    lines = f"ModulePath {folder}\nLoadModule mod_hello.c\n"
    first, *others = loaded(lines)
    order = f"ModuleOrder {' '.join(f'{name}.c' for name in (first, *reversed(others)))}\n"
    assert say(lines + order + 'HelloText "still here"\n') == "200 still here"


def test_module_order_takes_no_module_away() -> None:
    assert "does not name" in faults("ModuleOrder mod_core.c mod_log.c\n")


def test_mod_core_stays_in_front() -> None:
    first, *others = loaded("")
    assert "has to stay in front" in faults(f"ModuleOrder {' '.join(f'{name}.c' for name in (*others, first))}\n")


def test_a_library_is_loaded_and_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    library = ctypes.util.find_library("z") or ctypes.util.find_library("c")
    folders = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
    path = next(f"{place}/{library}" for place in folders if os.path.exists(f"{place}/{library}"))
    assert say(f"LoadFile {path}\n", "NOOP") == "200 NOOP command successful"
    assert f"error loading '{tmp_path}/none.so': file not found" in faults(f"LoadFile {tmp_path}/none.so\n")


def test_a_library_that_others_could_write_is_not_loaded(tmp_path: Path) -> None:
    library = tmp_path / "libx.so"
    library.write_bytes(b"")
    library.chmod(0o666)
    assert f"{library} can be written by everybody" in faults(f"LoadFile {library}\n")
    library.chmod(0o644)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    inside = library.rename(tmp_path / "open" / "libx.so")
    assert f"{tmp_path}/open can be written by everybody" in faults(f"LoadFile {inside}\n")
    (tmp_path / "link.so").symlink_to(inside)
    assert f"{tmp_path}/open can be written by everybody" in faults(f"LoadFile {tmp_path}/link.so\n")


def test_lines_that_are_taken() -> None:
    assert say("ModuleControlsACLs insmod,rmmod allow user root\n", "NOOP") == "200 NOOP command successful"
