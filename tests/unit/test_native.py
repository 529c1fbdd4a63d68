"""What was compiled of sources that have changed since does not serve."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ftpd import native


def compiled_serves(folder: Path) -> bool:
    program = "from ftpd import native; print(native.calls is not None)"
    environ = {name: value for name, value in os.environ.items() if name != "FTPD_NATIVE"}
    command = [sys.executable, "-S", "-c", program]
    said = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout
    return said == "True\n"


def test_after_a_pull_and_before_it_is_compiled_again(tmp_path: Path) -> None:
    package = tmp_path / "ftpd" / "native"
    package.mkdir(parents=True)
    shutil.copy(native.__file__, package)
    # a module of any kind: which one it is decides its time alone
    (package / "_calls.py").write_text("")
    assert compiled_serves(tmp_path)
    source, header = package / "calls.c", package / "listing.h"
    source.touch()
    os.utime(source, (1, 1))
    assert compiled_serves(tmp_path)
    header.touch()
    os.utime(header, (4e9, 4e9))
    assert not compiled_serves(tmp_path)
