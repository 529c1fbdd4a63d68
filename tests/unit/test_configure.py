"""./configure: what each option decides, and what is said of those that cannot be meant."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import buildplan  # noqa: E402
import configure  # noqa: E402
import install  # noqa: E402

from ftpd.module.build import CORE_MODULES  # noqa: E402

WITHOUT_DSO = tuple(name for name in CORE_MODULES if name != "mod_dso")


@pytest.fixture(autouse=True)
def nothing_is_written_into_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """And there are two modules in libexec/, whatever the checkout has."""
    libexec = tmp_path / "libexec"
    libexec.mkdir()
    for name in ("mod_readme", "mod_unique_id", "mod_ifsession"):
        (libexec / f"{name}.py").touch()
    monkeypatch.setattr(configure, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\noptional-dependencies = {unique-id = ["x"], dev = []}\n')
    monkeypatch.setattr(buildplan, "BUILD", tmp_path / "build")
    for module in (buildplan, configure):
        monkeypatch.setattr(module, "LIBEXEC", libexec)
        monkeypatch.setattr(module, "PLAN", tmp_path / "build" / "plan.json")
    return libexec


def plan(*words: str) -> buildplan.Plan:
    assert configure.main(list(words)) == 0
    return buildplan.load()


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert configure.main(list(words)) == 1
    assert not buildplan.PLAN.exists(), "a faulty command line leaves no plan"
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_without_options_it_is_proftpds_layout_below_usr_local() -> None:
    made = plan()
    assert (made.prefix, made.sbindir, made.libexecdir) == ("/usr/local", "/usr/local/sbin", "/usr/local/libexec")
    assert made.record.configuration == "/usr/local/etc/proftpd.conf"
    assert made.record.pid_file == "/usr/local/var/proftpd.pid"
    assert made.home == "/usr/local/lib/ftpd"
    assert made.static == WITHOUT_DSO
    assert not made.record.dso


def test_folders_follow_the_prefix_unless_they_are_named() -> None:
    made = plan("--prefix=/opt/ftpd/", "--sysconfdir", "/etc", "--localstatedir=/run", "--libexecdir=/usr/lib/proftpd")
    assert made.sbindir == "/opt/ftpd/sbin"
    assert made.record.configuration == "/etc/proftpd.conf"
    assert made.record.scoreboard == "/run/proftpd.scoreboard"
    assert made.record.libexec == "/usr/lib/proftpd"


def test_enable_dso_puts_mod_dso_where_proftpd_has_it() -> None:
    assert plan("--enable-dso").static == CORE_MODULES
    assert plan("--enable-dso=no").static == WITHOUT_DSO
    assert plan("--enable-dso", "--disable-dso").static == WITHOUT_DSO


@pytest.mark.parametrize(
    "spelling", ["mod_unique_id:mod_readme", "mod_unique_id.c::mod_readme.py:", ":mod_unique_id mod_readme"]
)
def test_static_modules_stand_behind_the_core_in_the_order_that_was_asked_for(spelling: str) -> None:
    made = plan("--enable-dso", f"--with-modules={spelling}")
    at = made.static.index("mod_dso")
    assert made.static[at + 1 : at + 3] == ("mod_unique_id", "mod_readme")
    assert [path.name for path in made.static_files] == ["mod_unique_id.py", "mod_readme.py"]


def test_mod_ifsession_is_always_the_last() -> None:
    assert plan("--with-modules=mod_ifsession:mod_readme").static[-1] == "mod_ifsession"


def test_a_module_brings_the_extra_that_is_called_like_it() -> None:
    assert plan("--with-modules=mod_unique_id").wanted == "ftpd[unique-id]"
    assert plan("--with-modules=mod_readme").wanted == "ftpd"


def test_shared_modules() -> None:
    made = plan("--enable-dso", "--with-shared=mod_readme:mod_unique_id")
    assert made.shared == ("mod_readme", "mod_unique_id")
    assert "mod_readme" not in made.static


def test_shared_modules_need_dso(capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "--with-shared=mod_readme")
    assert said == (
        "configure: error: cannot build shared modules without DSO support: "
        "add --enable-dso, or use --with-modules instead\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--with-shaerd=mod_readme", "unknown option '--with-shaerd=mod_readme'; did you mean --with-shared?"),
        ("--frobnicate-the-whole-thing", "./configure --help names the options"),
        ("-x", "'-x' is not an option"),
        ("mod_readme", "'mod_readme' is not an option"),
        ("--with-modules=mod_dso", "mod_dso is not for --with-modules; say --enable-dso"),
        ("--with-modules=mod_readmee", "no installed package brings it; did you mean mod_readme?"),
        ("--with-modules=readme", "'readme' does not name a module; a name looks like mod_sql.c"),
        ("--with-modules=../mod_readme", "does not name a module"),
        ("--with-modules=", "--with-modules parameter missing required colon-separated list of modules"),
        ("--with-modules", "parameter missing required"),
        ("--enable-dso --with-shared=yes", "--with-shared parameter missing required"),
        ("--enable-dso --with-shared=mod_zzz", "those that there are: mod_ifsession, mod_readme, mod_unique_id"),
        ("--enable-dso --with-shared=mod_core", "cannot build mod_core as a shared module: it is a core module"),
        (
            "--enable-dso --with-shared=mod_readme --with-modules=mod_readme.c",
            "duplicate build request for mod_readme: name it in --with-modules or in --with-shared, not in both",
        ),
        ("--enable-dso=maybe", "--enable-dso takes no value but yes or no, not 'maybe'"),
        ("--prefix=opt", "--prefix needs an absolute path, not 'opt'"),
        ("--libexecdir=", "left out, it would be /usr/local/libexec"),
        ('--sysconfdir=/a"b', "could not be written into proftpd.conf"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    assert said in complaint(capsys, *words.split())


def test_a_module_that_needs_another_is_built_in_behind_it(
    nothing_is_written_into_the_checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    libexec = nothing_is_written_into_the_checkout
    (libexec / "mod_sql.py").write_text('module = Module("sql", version="1")\n')
    (libexec / "mod_sql_x.py").write_text('module = Module("sql_x", version="1", needs=("sql", "mod_auth"))\n')
    for words, right in (
        ("--with-modules=mod_sql_x", "mod_sql:mod_sql_x"),
        ("--with-modules=mod_readme:mod_sql_x:mod_sql", "mod_sql:mod_readme:mod_sql_x"),
        ("--enable-dso --with-modules=mod_sql_x --with-shared=mod_sql", "mod_sql:mod_sql_x"),
    ):
        said = complaint(capsys, *words.split())
        assert f"mod_sql_x needs mod_sql before it: --with-modules={right}" in said
    assert " mod_sql mod_sql_x " in " ".join(plan("--with-modules=mod_sql:mod_sql_x").static)
    capsys.readouterr()
    plan("--enable-dso", "--with-modules=mod_sql", "--with-shared=mod_sql_x")
    assert "needs" not in capsys.readouterr().out
    # a shared one may get it later; but it is told
    plan("--enable-dso", "--with-shared=mod_sql_x")
    said = "mod_sql_x needs mod_sql, and cannot be loaded without it: --with-shared=mod_sql:mod_sql_x brings both"
    assert said in "".join(capsys.readouterr())


def test_a_configure_line_of_proftpd_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--enable-ctrls",
        "--disable-ident",
        "--with-includes=/usr/include",
        "install_user=ftp",
        "--with-modules=mod_facts:no",
    )
    assert plan(*words[:-1], "--with-modules=mod_facts").static == WITHOUT_DSO
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("configure: note: ")]
    assert len(notes) == 5
    assert "mod_facts is a core module" in notes[-1]


def test_a_package_brings_a_static_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tmp_path / "lib" / "ftpd_greet-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ftpd-greet\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[ftpd.modules]\nmod_greet = greet:module\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    refused = complaint(capsys, "--enable-dso", "--with-shared=mod_greet")
    assert "mod_greet comes from the package ftpd-greet==0.3: name it in --with-modules" in refused
    made = plan("--with-modules=mod_greet")
    assert made.requirements == ("ftpd-greet==0.3",)
    assert made.static.index("mod_greet") > made.static.index("mod_facts")


def test_help_names_every_option_and_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert configure.main(["--help"]) == 0
    said = capsys.readouterr().out
    for word in (
        "--prefix",
        "--enable-dso",
        "--with-shared",
        "--with-modules",
        "--libexecdir",
        "--sysconfdir",
        "mod_readme",
    ):
        assert word in said
    assert not buildplan.PLAN.exists()


def test_the_python_of_the_build_may_lie_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configure.sys, "executable", "/opt/it's $HOME/python")
    plan()
    assert (tmp_path / "build/config.mk").read_text() == "PYTHON = '/opt/it'\\''s $$HOME/python'\n"


def test_the_unit_and_the_configuration_have_the_paths_even_odd_ones() -> None:
    made = plan("--prefix=/opt/my 100% ftpd", "--enable-dso", "--with-shared=mod_readme")
    unit = install.service_unit(made)
    assert '\nExecStart="/opt/my 100%% ftpd/sbin/ftpd" -n -c "/opt/my 100%% ftpd/etc/proftpd.conf"\n' in unit
    assert unit.count('"-/opt/my 100%% ftpd/var"\n') == 1
    conf = install.configuration(made)
    assert '  ModulePath            "/opt/my 100% ftpd/libexec"\n' in conf
    assert "  #LoadModule           mod_readme.c\n" in conf
    assert not re.search("@[A-Z]+@", conf)


def test_plain_paths_stand_in_the_unit_as_they_are() -> None:
    unit = install.service_unit(plan())
    assert "\nExecStart=/usr/local/sbin/ftpd -n -c /usr/local/etc/proftpd.conf\n" in unit
