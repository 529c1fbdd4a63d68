"""The code of a module, compiled ahead and kept beside its file: for this very source alone, and from no other hand.

Compiling is most of what loading costs.  It is done where modules are installed, never by the daemon, and what is not
as it should be only costs the time: the source is compiled then.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import marshal
import os
import stat
import sys
from contextlib import suppress
from importlib.util import MAGIC_NUMBER
from types import CodeType

from ftpd.conf.directive import ConfigError
from ftpd.core.log import Level, log
from ftpd.module.writers import check_writers, content, write

_FORMAT = b"code of a module of ftpd, 1\0"
_FOLDER = "__pycache__"
_SEAL = hashlib.sha256().digest_size


def compiled(path: str, source: bytes) -> CodeType:
    """What the compiler makes of the source; SyntaxError and ValueError as it has them."""
    return compile(source, path, "exec", dont_inherit=True)


def read(path: str, source: bytes) -> CodeType | None:
    """The code that was prepared of this source, which was read from ``path``; None where it has to be compiled.

    The log says what is passed over.
    """
    for other in bytecode_of(path):
        log(Level.NOTICE, "%s: run from its source; %s is Python's own bytecode, which nobody looks at", path, other)
    try:
        return _trusted(path, source)
    except FileNotFoundError:
        return None
    except _Stale:
        what = "is damaged, or was made of another source or by another release"
        log(Level.NOTICE, "%s: compiled anew, for %s %s; prxs -i makes it anew", path, _place(path), what)
    except (ConfigError, OSError) as error:
        log(Level.WARN, "%s: compiled anew, for what was prepared of it cannot be trusted: %s", path, error)
    return None


class _Stale(Exception):
    """What is prepared is not whole, or not of this source."""


def _trusted(path: str, source: bytes) -> CodeType:
    """The same; FileNotFoundError where nothing is prepared, ConfigError and _Stale where it is of no use.

    It is not looked into before it is known to be whole, made of these bytes, for this interpreter, and written by
    nobody who could not have written the source.
    """
    place = _place(path)
    folder = os.lstat(os.path.dirname(place))
    if not stat.S_ISDIR(folder.st_mode):
        raise ConfigError(f"{os.path.dirname(place)} is not a folder")
    check_writers(os.path.dirname(place), folder)
    kept = content(place)
    seal, code = kept[:_SEAL], kept[_SEAL:]
    if seal != _seal(source, code):
        raise _Stale
    made: CodeType = marshal.loads(code)  # noqa: S302
    return _moved(made, path)


def prepare(path: str, source: bytes, final: str = "") -> None:
    """Write the code of a module's file beside it; ``final`` is where the file will lie in the end.

    SyntaxError and ValueError when it does not compile, OSError when it cannot be written.
    """
    place = _place(path)
    folder = os.path.dirname(place)
    with suppress(FileExistsError):
        os.mkdir(folder)
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
    with suppress(PermissionError):
        # somebody else's is as it is
        os.chmod(folder, 0o755)  # noqa: S103
    code = marshal.dumps(compiled(final or path, source))
    write(place, _seal(source, code) + code)


def prepare_all(folder: str, final: str) -> None:
    """Prepare what is not prepared of a folder's modules, and take away what was of those that are gone.

    A module that nobody would load, or that does not compile, is left for LoadModule to tell of.
    """
    for name in glob.glob("mod_*.py", root_dir=folder):
        path = os.path.join(folder, name)
        with suppress(ConfigError, SyntaxError, ValueError):
            source = content(path)
            try:
                _trusted(path, source)
            except (OSError, ConfigError, _Stale):
                prepare(path, source, os.path.join(final, name))
    for kept in glob.glob(f"{_FOLDER}/mod_*.code", root_dir=folder):
        module, _, _ = os.path.basename(kept).partition(".")
        if not os.path.exists(os.path.join(folder, f"{module}.py")):
            os.unlink(os.path.join(folder, kept))


def delete(path: str) -> None:
    """Take away what was prepared of a module's file, by any release of Python, and the folder when it is empty."""
    for kept in kept_of(path):
        os.unlink(kept)
    with suppress(OSError):
        os.rmdir(os.path.dirname(_place(path)))


def kept_of(path: str) -> list[str]:
    """What is prepared of a module's file."""
    folder, name = os.path.split(path)
    return glob.glob(f"{glob.escape(os.path.join(folder, _FOLDER))}/{name.removesuffix('.py')}.*.code")


def bytecode_of(path: str) -> list[str]:
    """What Python itself has compiled of a module's file, or somebody made look so."""
    folder, name = os.path.split(path.removesuffix(".py"))
    kept, beside = os.path.join(folder, _FOLDER), os.path.join(folder, f"{name}.pyc")
    found = [beside] if os.path.lexists(beside) else []
    # not by glob, which compiles a pattern of each name before it looks: a third of a millisecond
    with suppress(OSError):
        found += [
            os.path.join(kept, other)
            for other in os.listdir(kept)
            if other.startswith(f"{name}.") and other.endswith(".pyc")
        ]
    return found


def _place(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, _FOLDER, f"{name.removesuffix('.py')}.{sys.implementation.cache_tag}.code")


def _seal(source: bytes, code: bytes) -> bytes:
    """What stands for all that the code depends on, and for the code itself."""
    seal = hashlib.sha256(_FORMAT + MAGIC_NUMBER + bytes([sys.flags.optimize]))
    seal.update(len(source).to_bytes(8, "big") + source + code)
    return seal.digest()


def _moved(code: CodeType, path: str) -> CodeType:
    """The code with the name of the file that it is now in, as tracebacks tell it."""
    if code.co_filename == path:
        return code
    inner = tuple(_moved(one, path) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=path, co_consts=inner)


if __name__ == "__main__":
    # a folder, and where it will lie in the end when that is elsewhere
    prepare_all(sys.argv[1], sys.argv[-1])
