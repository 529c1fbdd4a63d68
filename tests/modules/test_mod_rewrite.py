"""mod_rewrite: what a client asks for becomes what the rules make of it, before anybody else sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from xfer_ground import names, run, talk

from ftpd.conf.faults import ConfigFaults
from ftpd.module import lookup
from ftpd.testing import Bench

ON = "LoadModule mod_rewrite.c\nRewriteEngine on\n"
UPPER = 'RewriteMap up int:toupper\nRewriteCondition %m ^STOR$\nRewriteRule ^(.*)$ "${up:$1}"\n'
FOLDERS = {"a/": b"", "b/": b"", "pub/x/": b""}


def _where(*lines: str, conf: str) -> str:
    """The folder a client is in after these lines."""
    return talk(*lines, "PWD", files=FOLDERS, conf=ON + conf)[-1].split('"')[1]


def _cwd_rule(condition: str, flags: str = "") -> str:
    return f"RewriteCondition {condition}\nRewriteRule ^a$ b {flags}\n"


def _stored(conf: str, *uploads: str) -> list[str]:
    async def tale(ftp: Bench) -> list[str]:
        for name in uploads:
            await ftp.upload(f"STOR {name}", b"")
        return names(ftp)

    return run(tale, conf=ON + conf)


# -- rules --------------------------------------------------------------------------------------------------


def test_uploads_get_names_in_capitals_and_nothing_else_does() -> None:
    assert _stored(UPPER, "readme.txt") == ["README.TXT"]
    assert _where("CWD a", conf=UPPER) == "/a"


def test_blanks_become_underscores() -> None:
    conf = 'RewriteMap replace int:replaceall\nRewriteCondition %m STOR\nRewriteRule ^(.*) "${replace:/$1/ /_}"\n'
    assert _stored(conf, "a b c", "plain") == ["a_b_c", "plain"]


def test_without_the_engine_nothing_is_rewritten() -> None:
    assert _stored(UPPER.replace("RewriteMap", "RewriteEngine off\nRewriteMap"), "a") == ["A"]
    conf = (ON + UPPER).replace("Engine on", "Engine off")
    assert talk("STOR a", "CWD b", files=FOLDERS, conf=conf)[1].startswith("250")


def test_rules_follow_one_another_until_one_is_the_last() -> None:
    both = "RewriteCondition %m CWD\nRewriteRule ^one$ two {}\nRewriteCondition %m CWD\nRewriteRule ^two$ a\n"
    assert _where("CWD one", conf=both.format("")) == "/a"
    assert _where("CWD one", conf=both.format("[L]")) == "/"


def test_a_rule_may_ask_for_what_does_not_match() -> None:
    conf = "RewriteCondition %m CWD\nRewriteRule !^a$ b\n"
    assert _where("CWD zzz", conf=conf) == "/b"
    assert _where("CWD a", conf=conf) == "/a"


def test_case_counts_unless_told_otherwise() -> None:
    assert _where("CWD A", conf="RewriteCondition %m CWD\nRewriteRule ^a$ b\n") == "/"
    assert _where("CWD A", conf="RewriteCondition %m CWD\nRewriteRule ^a$ b [NC]\n") == "/b"


def test_groups_of_rule_and_condition() -> None:
    conf = "RewriteCondition %u ^(t)om$\nRewriteRule ^([a-z])([0-9])$ $2$1%1\n"
    assert _stored(conf, "x7") == ["7xt"]


def test_doubled_signs_stand_for_themselves() -> None:
    conf = "RewriteCondition %m STOR\nRewriteRule ^(x)$ $$1%%1$1\n"
    assert _stored(conf, "x") == ["$1%1x"]


def test_an_empty_result_leaves_the_argument() -> None:
    assert _where("CWD a", conf="RewriteCondition %m CWD\nRewriteRule ^(a) $2\n") == "/a"


def test_a_command_without_an_argument_is_left_alone() -> None:
    conf = "RewriteCondition %m PWD\nRewriteRule .* x\n"
    assert talk("PWD", conf=ON + conf)[0].startswith("257")


def test_what_a_client_sends_is_never_expanded_itself() -> None:
    os.environ["MOD_REWRITE_SECRET"] = "hidden"
    conf = "RewriteMap up int:toupper\nRewriteCondition %m STOR\nRewriteRule ^(.*)$ $1\n"
    assert _stored(conf, "%{ENV:MOD_REWRITE_SECRET}${up:a}%u") == ["%{ENV:MOD_REWRITE_SECRET}${up:a}%u"]


def test_the_environment_and_the_time_can_be_named_by_the_rule() -> None:
    os.environ["MOD_REWRITE_WORD"] = "word"
    conf = "RewriteCondition %m STOR\nRewriteRule ^x$ %{ENV:MOD_REWRITE_WORD}-%{ENV:NO_SUCH}-%{TIME_YEAR}\n"
    found = _stored(conf, "x")[0]
    assert found.startswith("word--2")


def test_the_rewritten_name_is_what_filters_see() -> None:
    conf = ON + "PathDenyFilter \\.exe$\nRewriteCondition %m STOR\nRewriteRule ^(.*)\\.bin$ $1.exe\n"
    assert talk("STOR a.bin", conf=conf) == ["550 a.exe: Forbidden filename"]


def test_a_rule_cannot_bring_a_line_end_into_a_reply(tmp_path: Path) -> None:
    os.environ["MOD_REWRITE_LINES"] = "b\r\n200 forged"
    conf = f"RewriteLog {tmp_path}/log\nRewriteCondition %m CWD\nRewriteRule ^a$ %{{ENV:MOD_REWRITE_LINES}}\n"
    assert _where("CWD a", conf=conf) == "/a"
    assert "cannot hold a line end" in (tmp_path / "log").read_text()


def test_a_subject_that_is_too_long_is_refused_where_rules_look_at_it() -> None:
    conf = ON + "RewriteCondition %m .\nRewriteRule ^x$ y\n"
    longest, longer = "/".join(["a"] * 2048) + "b", "/".join(["a"] * 2048) + "bc"
    assert talk(f"MKD {longer}", conf=conf) == ["501 MKD: the argument is too long"]
    assert talk(f"MKD {longest}", conf=conf)[0].startswith("550 ")
    assert talk(f"MKD {longer}", conf=conf.replace("Engine on", "Engine off"))[0].startswith("550 ")


def test_rewriting_does_not_lead_out_of_the_root() -> None:
    conf = "RewriteCondition %m CWD\nRewriteRule ^a$ ../../../pub\n"
    assert _where("CWD a", conf=conf) == "/pub"


def test_rules_of_a_folder_count_there() -> None:
    conf = "<Directory {root}/pub>\n RewriteCondition %m CWD\n RewriteRule ^a$ x\n</Directory>\n"
    assert _where("CWD pub", "CWD a", conf=conf) == "/pub/x"
    assert _where("CWD a", conf=conf) == "/a"


def test_site_chmod_is_rewritten_behind_its_name() -> None:
    conf = ON + 'RewriteCondition %m "^SITE CHMOD$"\nRewriteRule "^777 (.*)$" "700 $1"\n'

    async def tale(ftp: Bench) -> int:
        assert (await ftp("SITE CHMOD 777 f")).startswith("200")
        return os.stat(os.path.join(ftp.root, "f")).st_mode & 0o777

    assert run(tale, files={"f": b""}, conf=conf) == 0o700


def test_other_site_commands_are_seen_whole_and_stay_what_they_are() -> None:
    conf = ON + 'RewriteCondition %m ^SITE$\nRewriteRule "^UTIME (.*)$" "{} x"\n'
    same, other = (
        talk("SITE UTIME 20200101000000 f", files={"f": b""}, conf=conf.replace("{}", word))[0]
        for word in ("UTIME", "CHMOD")
    )
    assert same != other


def test_a_password_can_be_rewritten_and_is_not_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    conf = f"RewriteLog {log}\nRewriteCondition %m PASS\nRewriteRule ^x(.*)$ $1\n"

    async def tale(ftp: Bench) -> str:
        await ftp("USER tom")
        return await ftp("PASS xsecret")

    assert run(tale, login=None, conf=ON + conf).startswith("230")
    assert "secret" not in log.read_text()
    assert "PASS: argument now (hidden)" in log.read_text()


def test_the_log_tells_the_new_argument_on_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert _stored(f"RewriteLog {log}\n{UPPER}", "a\x1b") == ["A\x1b"]
    assert log.read_text().endswith("STOR: argument now 'A\\x1b'\n")
    assert log.stat().st_mode & 0o777 == 0o640


HOME = "RewriteCondition %m ^REWRITE_HOME$\nRewriteRule ^(.*)$ {}\n"


def _home(conf: str) -> tuple[str, str]:
    async def tale(ftp: Bench) -> tuple[str, str]:
        await ftp("USER tom")
        reply = await ftp("PASS secret")
        return reply[:3], os.path.relpath(ftp.session.home, ftp.root) if ftp.session else ""

    return run(tale, login=None, files=FOLDERS, conf=ON + conf)


def test_a_home_is_rewritten_when_rewritehome_says_so() -> None:
    assert _home("RewriteHome on\n" + HOME.format("$1/pub")) == ("230", "pub")
    assert _home("RewriteHome off\n" + HOME.format("$1/pub")) == ("230", ".")


def test_the_rules_know_whose_home_it_is() -> None:
    named = "RewriteCondition %m ^REWRITE_HOME$\nRewriteCondition %u =tom\nRewriteRule ^(.*)/ $1/ftp%u\n"
    assert _home("RewriteHome on\nCreateHome on\n" + named) == ("230", "../ftptom")


def test_nobody_gets_in_with_a_home_that_is_no_path() -> None:
    async def tale(ftp: Bench) -> list[str]:
        return [await ftp("USER tom"), await ftp("PASS secret"), str(ftp.wire.gone)]

    conf = ON + "RewriteHome on\n" + HOME.format("pub")
    assert run(tale, login=None, files=FOLDERS, conf=conf)[1:] == ["530 Login incorrect.", "True"]


# -- conditions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("%m =CWD", True),
        ("%m !=CWD", False),
        ("%m =cwd", False),
        ("%m =cwd [NC]", True),
        ("%m ^cw [NC]", True),
        ("%m !^CW", False),
        ("%m <CWE", True),
        ("%m <CWC", False),
        ("%m >CWC", True),
        ("%m !>CWC", False),
        ("%u =tom", True),
        ("%U ^tom$", True),
        ("%a =127.0.0.1", True),
        ("%f =a", True),
        ("%F =/a", False),  # CWD is none of the verbs that it is for
        ("%F =", True),
        ('%c =""', True),
        ("%p =2121", True),
        ("%{TIME_WDAY} ^[0-6]$", True),
        ("%{TIME} ^[0-9]{14}$", True),
        ("%f -d", True),
        ("%f !-d", False),
        ("%f -f", False),
        ("/file -f", True),
        ("/file -s", True),
        ("/empty -s", False),
        ("/empty -f", True),
        ("/link -l", True),
        ("/link -d", False),
        ("/missing -f", False),
        ("/missing !-f", True),
    ],
)
def test_conditions(condition: str, met: bool) -> None:
    conf = ON + _cwd_rule(condition)

    async def tale(ftp: Bench) -> str:
        os.symlink("a", os.path.join(ftp.root, "link"))
        await ftp("CWD a")
        return await ftp("PWD")

    where = run(tale, files={**FOLDERS, "file": b"x", "empty": b""}, conf=conf)
    assert where.split('"')[1] == ("/b" if met else "/a")


def test_conditions_are_joined_by_and_unless_or_is_said() -> None:
    yes, no = "RewriteCondition %m =CWD", "RewriteCondition %m =STOR"
    for joined, met in [
        (f"{yes}\n{no}", False),
        (f"{no} [OR]\n{yes}", True),
        (f"{yes} [OR]\n{no}", True),
        (f"{yes} [OR]\n{no}\n{no}", False),
        (f"{yes} [OR]\n{no}\n{yes}", True),
        (f"{no} [OR]\n{no}", False),
    ]:
        assert _where("CWD a", conf=f"{joined}\nRewriteRule ^a$ b\n") == ("/b" if met else "/a"), joined


def test_a_closed_folder_tells_nothing_about_its_files() -> None:
    conf = ON + "<Directory {root}/pub>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n" + _cwd_rule("/pub/x -d")
    assert talk("CWD a", "PWD", files=FOLDERS, conf=conf)[-1].split('"')[1] == "/a"


# -- maps ---------------------------------------------------------------------------------------------------


def _map_rule(kind: str, rule: str = '"${m:$1}"') -> str:
    return f"RewriteMap m {kind}\nRewriteCondition %m CWD\nRewriteRule ^(.*)$ {rule}\n"


def test_a_table_is_read_again_when_it_changed(tmp_path: Path) -> None:
    table = tmp_path / "map.txt"
    table.write_text("# names\n\n one  a   # the first\n alone\n")
    conf = ON + _map_rule(f"txt:{table}", '"${m:$1|b}"')

    async def tale(ftp: Bench) -> list[str]:
        said = []
        for name in ("one", "alone", "one"):
            await ftp(f"CWD {name}")
            said.append((await ftp("PWD")).split('"')[1])
            await ftp("CDUP")
            if name == "alone":
                table.write_text("one pub/x\n")
        return said

    assert run(tale, files=FOLDERS, conf=conf) == ["/a", "/b", "/pub/x"]


def test_a_table_that_is_missing_means_the_default(tmp_path: Path) -> None:
    assert _where("CWD zz", conf=_map_rule(f"txt:{tmp_path}/none", '"${m:$1|b}"')) == "/b"


@pytest.mark.parametrize(
    ("function", "key", "value"),
    [
        ("tolower", "A", "a"),
        ("tolower", "\u00c4A", "\u00c4a"),
        ("toupper", "a", "A"),
        ("unescape", "%61", "a"),
        ("unescape", "a%2e%20x", "a. x"),
        ("unescape", "..%2Fa", "b"),
        ("unescape", "a%0D%0A200 ok", "b"),
        ("unescape", "%zz", "b"),
        ("unescape", "%00", "b"),
        ("idnatrans", "b\u00fccher", "xn--bcher-kva"),
        ("utf8trans", "\u20ac", "b"),
    ],
)
def test_built_in_functions(function: str, key: str, value: str) -> None:
    conf = ON + f'RewriteMap m int:{function}\nRewriteCondition %m MKD\nRewriteRule ^(.*)$ "${{m:$1|b}}"\n'

    async def tale(ftp: Bench) -> list[str]:
        await ftp(f"MKD {key}")
        return names(ftp)

    assert run(tale, conf=conf) == [value]


def test_what_a_function_needs_is_there_before_the_daemon_has_less_rights() -> None:
    """Python may lie where only root comes to, and codecs are files that are read as they are used."""
    ask = (
        "conversions.is_known('idnatrans'); before = set(sys.modules); conversions.BY_NAME['idnatrans']('b\u00fccher')"
    )
    code = f"import sys; from ftpd.module import conversions; {ask}; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_utf8_becomes_latin1_bytes() -> None:
    conf = ON + 'RewriteMap m int:utf8trans\nRewriteCondition %m MKD\nRewriteRule ^(.*)$ "${m:$1}"\n'

    async def tale(ftp: Bench) -> list[bytes]:
        await ftp("MKD \u00fc")
        return os.listdir(ftp.root.encode())

    assert run(tale, conf=conf) == [b"\xfc"]


def test_replaceall_stops_at_its_limit_and_knows_the_divider_in_a_name() -> None:
    rule = 'RewriteMap m int:replaceall\nRewriteCondition %m STOR\nRewriteRule ^(.*) "${m:/$1/-/_}"\n'
    many = "-".join("abcdefghij")
    assert _stored(rule, many) == [many]
    assert _stored("RewriteMaxReplace 9\n" + rule, many) == [many.replace("-", "_")]

    async def tale(ftp: Bench) -> list[str]:
        await ftp.upload("STOR a/x-y", b"")
        return names(ftp, "a")

    assert run(tale, files=FOLDERS, conf=ON + rule) == ["x_y"]


def _answering(fifo: Path, answers: dict[str, str]) -> threading.Thread:
    """The program behind a FIFO: takes one key and writes one line."""
    end = os.open(fifo, os.O_RDWR)

    def serve() -> None:
        try:
            key = b""
            while not key.endswith(b"\n"):
                key += os.read(end, 4096)
            os.write(end, f"{answers.get(key.decode().strip(), '')}\n".encode())
        finally:
            # the FIFO lives as long as somebody holds it: until the answer has been fetched that is the asker
            thread.done.wait(5)  # type: ignore[attr-defined]
            os.close(end)

    thread = threading.Thread(target=serve, daemon=True)
    thread.done = threading.Event()  # type: ignore[attr-defined]
    thread.start()
    return thread


@pytest.mark.parametrize(("name", "place"), [("one", "/a"), ("a", "/a"), ("unknown", "/b")])
def test_a_program_behind_a_fifo_is_asked(tmp_path: Path, name: str, place: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = _answering(fifo, {"one": "a", "a": "a"})
    conf = f"RewriteLock {tmp_path}/lock\n" + _map_rule(f"fifo:{fifo}", '"${m:$1|b}"')
    assert _where(f"CWD {name}", conf=conf) == place
    program.done.set()  # type: ignore[attr-defined]
    program.join()
    assert (tmp_path / "lock").exists()


def test_a_fifo_that_nobody_reads_means_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    conf = ON + f"RewriteLog {tmp_path}/log\n" + _map_rule(f"fifo:{fifo}", '"${m:$1|b}"')

    async def tale(ftp: Bench) -> str:
        monkeypatch.setattr(lookup, "_PATIENCE", 0.02)
        await ftp("CWD one")
        return await ftp("PWD")

    assert run(tale, files=FOLDERS, conf=conf).split('"')[1] == "/b"
    assert "no program reads from" in (tmp_path / "log").read_text()


def test_an_unknown_map_is_told_and_means_the_default(tmp_path: Path) -> None:
    conf = f'RewriteLog {tmp_path}/log\nRewriteCondition %m CWD\nRewriteRule ^(.*)$ "${{no:$1|b}}"\n'
    assert _where("CWD zz", conf=conf) == "/b"
    assert "there is no RewriteMap 'no'" in (tmp_path / "log").read_text()


# -- the configuration --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("RewriteRule ( x", "unable to compile the pattern"),
        ("RewriteRule a b NC", "badly formatted flags parameter"),
        ("RewriteCondition %m CWD [ZZ]", "unknown RewriteCondition flags"),
        ("RewriteCondition %m", "missing"),
        ("RewriteMap m toupper", "invalid RewriteMap parameter"),
        ("RewriteMap m dbm:/x", "invalid RewriteMap map type"),
        ("RewriteMap m int:nothing", "unknown internal map function"),
        ("RewriteMap m txt:relative", "absolute path required"),
        ("RewriteMap m fifo:/dev/null", "is not a FIFO"),
        ("RewriteMap m fifo:/no/such", "No such file"),
        ("RewriteMaxReplace 0", "at least 1"),
        ("RewriteLog relative", "absolute pathname required"),
        ("RewriteLock relative", "absolute pathname required"),
        ("RewriteEngine maybe", "Boolean"),
    ],
)
def test_faulty_lines_are_refused(line: str, fault: str) -> None:
    with pytest.raises(ConfigFaults, match=fault):
        talk("NOOP", conf=f"{ON}{line}\n")


def test_a_rule_for_every_command_and_a_strange_flag_are_warned_of() -> None:
    async def tale(ftp: Bench) -> str:
        assert ftp.generation is not None
        return "\n".join(str(warning) for warning in ftp.generation.config.warnings)

    said = run(tale, conf=ON + "RewriteRule ^nothing$ b [L,ZZ]\n")
    assert "rewrites every command" in said
    assert "the flags zz mean nothing" in said
