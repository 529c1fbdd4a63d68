"""The classic build, for real: ./configure, make, make install; what it leaves serves without the checkout."""

from __future__ import annotations

import ftplib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wire import daemon
from tests.wire.clients import need
from tests.wire.daemon import Running, free_port

need("make")

CHECKOUT = Path(__file__).parents[2]
PARTS = ("configure", "Makefile", "pyproject.toml", "README.md", "LICENSE", "ftpd", "libexec", "scripts", "etc", "doc")
_TAKEN = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "DESTDIR")
# the environment of a user: nothing of the one that the tests run in
ENVIRON = {name: value for name, value in os.environ.items() if name not in _TAKEN}
GREET = """from ftpd.api import Module
module = Module("mod_greet", version="0.3")
@module.cmd("XGREET", auth=False)
def greet(cmd):
    return cmd.ok(200, "Greetings from a package.")
"""


@dataclass
class Build:
    """A checkout that is configured and made, and where it was installed to."""

    checkout: Path
    prefix: Path
    environ: dict[str, str]

    def run(self, *words: str | Path, fails: bool = False) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.checkout,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        print(f"$ {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}")
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def ask(self, command: str, *words: str) -> str:
        return self.run(self.prefix / command, *words)


def package(folder: Path) -> None:
    """A wheel that brings a module, and the same unpacked, as if it were installed for the Python of the build."""
    info = "ftpd_greet-0.3.dist-info"
    files = {
        "greet_for_ftpd.py": GREET,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: ftpd-greet\nVersion: 0.3\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[ftpd.modules]\nmod_greet = greet_for_ftpd:module\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    folder.mkdir()
    with zipfile.ZipFile(folder / "ftpd_greet-0.3-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
            path = folder / "unpacked" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """One build for all the tests: it takes most of their time."""
    base = tmp_path_factory.mktemp("build")
    for folder in (base, *base.parents):
        # pytest's own folders alone: where they lie, /tmp perhaps, is the machine's
        if folder.name.startswith("pytest-") or folder == base:
            folder.chmod(0o755)
    checkout = base / "checkout"
    checkout.mkdir()
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            shutil.copytree(CHECKOUT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / part, checkout)
    package(base / "package")
    # without optimization: what is tested is that it is compiled and installed, not how quick it is
    quick = {"CFLAGS": f"{ENVIRON.get('CFLAGS', '')} -O0".strip()}
    links = f"{ENVIRON.get('PIP_FIND_LINKS', '')} {base / 'package'}".strip()
    made = Build(checkout, base / "opt/ftpd", {**ENVIRON, **quick, "PIP_FIND_LINKS": links})
    assert "run ./configure first" in made.run("make", fails=True)
    assert "make install" in made.run("make", "help")
    configured = Build(checkout, made.prefix, {**made.environ, "PYTHONPATH": str(base / "package/unpacked")})
    configured.run(
        "./configure", f"--prefix={made.prefix}", "--enable-dso",
        "--with-modules=mod_unique_id.c:mod_greet", "--with-shared=mod_readme",
    )  # fmt: skip
    # whoever installs may have a mask that keeps others out; what is installed is for everybody all the same
    before = os.umask(0o077)
    try:
        made.run("make", "install")
    finally:
        os.umask(before)
    return made


@pytest.fixture(scope="module")
def stage(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DESTDIR of another installation: what is done to it leaves the first one to the other tests."""
    stage = tmp_path_factory.mktemp("stage")
    build.run("make", "install", f"DESTDIR={stage}")
    return stage


@pytest.fixture
def without_checkout(build: Build) -> Iterator[Build]:
    """The installation, and nothing of what it was made from."""
    away = build.checkout.with_name("away")
    build.checkout.rename(away)
    build.checkout.mkdir()
    try:
        yield build
    finally:
        build.checkout.rmdir()
        away.rename(build.checkout)


class Installed(Running):
    """The installed daemon with the installed configuration, on a port that anybody may have."""

    def __init__(self, prefix: Path, folder: Path, more: str = "") -> None:
        super().__init__(folder / "proftpd.conf", free_port(), {"PYTHONPATH": "/nowhere"})
        conf = (prefix / "etc/proftpd.conf").read_text()
        assert len(re.findall(r"(?m)^Port +21$", conf)) == 1
        local = f"Port {self.port}\nDefaultAddress 127.0.0.1\nWtmpLog off\n"
        self._conf.write_text(re.sub(r"(?m)^Port +21\n", local, conf) + more)


def test_it_says_how_it_was_built(without_checkout: Build) -> None:
    build = without_checkout
    settings = build.ask("sbin/ftpd", "-V")
    assert f"configure  --prefix={build.prefix} --enable-dso --with-modules=mod_unique_id.c:mod_greet" in settings
    assert f"Configuration File:\n      {build.prefix}/etc/proftpd.conf\n" in settings
    assert f"Pid File:\n      {build.prefix}/var/proftpd.pid\n" in settings
    assert "+ DSO support" in settings
    assert build.ask("bin/prxs", "-q", "libexecdir") == f"{build.prefix}/libexec\n"


def test_static_modules_are_listed_in_their_order(without_checkout: Build) -> None:
    listed = without_checkout.ask("sbin/proftpd", "-l").split()
    at = listed.index("mod_dso.c")
    assert listed[at + 1 : at + 3] == ["mod_unique_id.c", "mod_greet.c"]
    assert "mod_readme.c" not in listed


def test_the_installed_configuration_starts_and_serves(
    without_checkout: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = without_checkout
    monkeypatch.setattr(daemon, "BINARY", str(build.prefix / "sbin/ftpd"))
    conf = "LoadModule mod_readme.c\nLoadModule mod_unique_id.c\nDisplayReadme README\nUniqueIDEngine on\n"
    running = Installed(build.prefix, tmp_path, conf)
    running.start()
    try:
        with ftplib.FTP(timeout=5) as ftp:
            assert ftp.connect(running.host, running.port) == "220 FTP server ready"
            assert ftp.sendcmd("XGREET") == "200 Greetings from a package."
        assert (build.prefix / "var/proftpd.pid").exists()
    finally:
        running.stop()
    assert "mod_unique_id.c is loaded already" in running.log()


def test_it_is_everybodys_to_read_and_nobodys_to_write(build: Build) -> None:
    for path in (build.prefix, *build.prefix.rglob("*")):
        found = path.lstat()
        assert found.st_uid == os.geteuid()
        if not path.is_symlink():
            assert not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
            wanted = 0o755 if path.is_dir() else 0o644
            assert found.st_mode & wanted == wanted, f"{path} is not for everybody to read"
    assert (build.prefix / "libexec").stat().st_mode & 0o777 == 0o755
    assert (build.prefix / "libexec/mod_readme.py").stat().st_mode & 0o777 == 0o644


def test_nothing_of_it_leads_back_to_the_checkout(build: Build) -> None:
    for path in (build.prefix, *build.prefix.rglob("*")):
        if path.is_symlink():
            assert str(build.checkout) not in str(path.readlink())
        elif path.is_file():
            assert os.fsencode(build.checkout) not in path.read_bytes(), path


def test_modules_are_compiled_as_they_are_installed(build: Build) -> None:
    """So that no start has to, in which nothing is written."""
    program = """if True:
        import sys
        from ftpd.module import prepared
        code = prepared.read(sys.argv[1], open(sys.argv[1], "rb").read())
        sys.exit(code is None or code.co_filename != sys.argv[1])
    """
    for path in ("libexec/mod_readme.py", "lib/ftpd/static/mod_unique_id.py"):
        build.ask("lib/ftpd/bin/python", "-I", "-c", program, str(build.prefix / path))


def test_a_package_is_staged_below_destdir_with_the_final_paths(build: Build, stage: Path) -> None:
    staged = Path(f"{stage}{build.prefix}")
    for path in (staged, *staged.rglob("*")):
        if path.is_symlink():
            assert str(stage) not in str(path.readlink()), path
        elif path.is_file():
            assert os.fsencode(stage) not in path.read_bytes(), path
    script = (staged / "lib/ftpd/bin/ftpd").read_text()
    assert f"{build.prefix}/lib/ftpd/bin/python" in script.splitlines()[0] + script.splitlines()[1]
    assert (staged / "sbin/ftpd").resolve() == staged / "lib/ftpd/bin/ftpd"
    assert (
        f"ExecStart={build.prefix}/sbin/ftpd -n -c {build.prefix}/etc/proftpd.conf\n"
        in (staged / "lib/systemd/system/ftpd.service").read_text()
    )


def test_an_installation_over_another_keeps_its_configuration(build: Build) -> None:
    conf = build.prefix / "etc/proftpd.conf"
    before = conf.read_text()
    try:
        conf.write_text(before + "# the administrator's own line\n")
        said = build.run("make", "install")
        assert f"kept: {conf}" in said
        assert conf.read_text().endswith("# the administrator's own line\n")
        assert "ProFTPD Version" in build.ask("sbin/ftpd", "-v")
    finally:
        conf.write_text(before)


def test_systemd_takes_the_installed_unit(build: Build) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    # it reads the machine's other units too, and their faults are not ours
    assert "ftpd.service" not in build.run(
        "systemd-analyze", "verify", build.prefix / "lib/systemd/system/ftpd.service"
    )


def test_manual_pages_are_installed(build: Build) -> None:
    for page in (CHECKOUT / "doc/man").glob("*.[1-8]"):
        installed = build.prefix / f"share/man/man{page.suffix[1:]}/{page.name}"
        assert installed.read_text() == page.read_text()
    assert (build.prefix / "share/man/man8/ftpd.8").exists()


def test_commands_of_another_product_are_not_written_over(build: Build, tmp_path: Path) -> None:
    foreign = Path(f"{tmp_path}{build.prefix}/sbin/proftpd")
    foreign.parent.mkdir(parents=True)
    foreign.write_text("another daemon")
    said = build.run("make", "install", f"DESTDIR={tmp_path}", fails=True)
    assert f"{foreign} is there and is not this ftpd's; move it away" in said
    assert foreign.read_text() == "another daemon"
    assert not Path(f"{tmp_path}{build.prefix}/lib").exists(), "it refuses before it begins"


def test_prxs_of_the_installation_brings_a_module_to_loadmodule(without_checkout: Build, tmp_path: Path) -> None:
    build = without_checkout
    subprocess.run([build.prefix / "bin/prxs", "-n", "hello"], cwd=tmp_path, env=ENVIRON, check=True)
    python = build.prefix / "lib/ftpd/bin/python"
    subprocess.run([python, "test_mod_hello.py"], cwd=tmp_path, env=ENVIRON, check=True)
    build.ask("bin/prxs", "-c", "-i", str(tmp_path / "mod_hello.py"))
    installed = build.prefix / "libexec/mod_hello.py"
    try:
        conf = tmp_path / "proftpd.conf"
        conf.write_text(f"ModulePath {build.prefix}/libexec\nLoadModule mod_hello.c\nHelloEngine on\n")
        assert "mod_hello/0.1" in build.ask("sbin/ftpd", "-vv", "-c", str(conf))
    finally:
        build.ask("bin/prxs", "-d", "mod_hello")
    assert not installed.exists()


def test_uninstall_removes_what_was_put_and_keeps_what_is_the_administrators(build: Build, stage: Path) -> None:
    root = Path(f"{stage}{build.prefix}")
    (root / "libexec/mod_own.py").write_text("")
    (root / "var/xferlog").write_text("a transfer\n")
    (root / "sbin/proftpd").unlink()
    (root / "sbin/proftpd").symlink_to("/bin/true")
    put = json.loads((root / "lib/ftpd/installed.json").read_text())
    assert f"{build.prefix}/libexec/mod_readme.py" in put
    build.run("make", "uninstall", f"DESTDIR={stage}")
    left = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    assert left == {"etc/proftpd.conf", "libexec/mod_own.py", "var/xferlog", "sbin/proftpd"}
    assert [path.name for path in (root / "libexec").iterdir()] == ["mod_own.py"]
    said = build.run("make", "uninstall", f"DESTDIR={stage}", fails=True)
    assert f"nothing to remove: no ftpd was installed in {root}/lib/ftpd" in said


def test_configure_ends_with_a_complaint_and_without_a_plan(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "libexec").mkdir()
    (tmp_path / "ftpd").symlink_to(CHECKOUT / "ftpd")
    shutil.copy(CHECKOUT / "configure", tmp_path)
    done = subprocess.run(
        [tmp_path / "configure", "--with-shared=mod_readme"], env=ENVIRON, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("configure: error: cannot build shared modules without DSO support")
    assert not (tmp_path / "build").exists()


def test_a_transfer_through_the_installed_daemon(
    without_checkout: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users of a file, for which users of the system the tests may log in as is not known."""
    build = without_checkout
    monkeypatch.setattr(daemon, "BINARY", str(build.prefix / "sbin/proftpd"))
    wired = daemon.Daemon(tmp_path)
    wired.start()
    try:
        with ftplib.FTP(timeout=5) as ftp:
            ftp.connect(wired.host, wired.port)
            ftp.login(wired.user, wired.password)
            ftp.storbinary("STOR a.txt", io.BytesIO(b"from afar"))
        assert (wired.home / "a.txt").read_bytes() == b"from afar"
    finally:
        wired.stop()


def test_a_static_module_that_does_not_load_ends_make(build: Build) -> None:
    # the last test: what make would build again for the next one takes its time
    module = build.checkout / "libexec/mod_unique_id.py"
    before = module.read_text()
    try:
        module.write_text("import a_library_that_nobody_has\n")
        said = build.run("make", fails=True)
        assert "needs the Python package 'a_library_that_nobody_has', which is not installed" in said
    finally:
        module.write_text(before)
