"""The PidFile: written when the daemon listens, locked while it lives, removed when it ends, never through a link."""

from __future__ import annotations

import fcntl
import os
import stat

from ftpd.conf.directive import ConfigError
from ftpd.conf.faults import Fault, of_check
from ftpd.conf.tree import Config
from ftpd.core.identity import acting_as_daemon
from ftpd.core.log import Level, log
from ftpd.daemon.errors import StartError
from ftpd.daemon.values import DaemonSettings


class PidFile:
    """Ours from :meth:`write` to :meth:`remove`; the lock tells a daemon that lives from what one that died left."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def write(cls, path: str) -> PidFile:
        """Put our process id there, mode 0644; StartError when that cannot be, or when a living daemon's is there."""
        with acting_as_daemon():
            before = -1
            try:
                before = _claim(path)
                return cls(path, _write(path))
            except OSError as error:
                reason = "it is a symbolic link" if os.path.islink(path) else error.strerror
                raise StartError(f"unable to write PidFile {path}: {reason}") from None
            finally:
                if before >= 0:
                    os.close(before)

    def forget(self) -> None:
        """In a process that is not the daemon's first: should that one die, its lock ends with it."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Remove the file, if it is still the one that we wrote."""
        with acting_as_daemon():
            try:
                if os.path.samestat(os.lstat(self.path), os.fstat(self._descriptor)):
                    os.unlink(self.path)
            except OSError:
                pass
            finally:
                os.close(self._descriptor)


def of(settings: DaemonSettings, *, foreground: bool) -> PidFile | None:
    """The one that is wanted; None where it cannot be and nobody needs it, StartError where it has to be."""
    if _is_device(settings.pid_file):
        # /dev/null: nobody is to be told, and the device is not ours to replace
        return None
    try:
        return PidFile.write(settings.pid_file)
    except StartError as error:
        # nobody asked for it, and who started us in the foreground has other means to find us
        if settings.pid_file_wanted or not foreground:
            raise
        log(Level.INFO, "%s; a PidFile line names another", error)
        return None


def unwritable(config: Config) -> list[Fault]:
    """What would keep a start from writing the file that the configuration names; nothing is made.

    Who checks need not be who starts the daemon, so rights that are missing are no fault, nor is a daemon that runs.
    """
    key = next((key for key in config.main.values if key.name == "PidFile"), None)
    if key is None:
        return []
    path = config.main.values[key]
    reason, right = _obstacle(path)
    if not reason:
        return []
    at = config.main.where[key][-1]
    wrong = ConfigError(
        f"unable to write PidFile {path}: {reason}", right=right, word=0, directive=key.name, at=at
    )  # fmt: skip
    return [of_check(wrong, at[0])]


def unwritable_default(settings: DaemonSettings, config: str) -> list[Fault]:
    """The same of the file that is meant where no line names one: a start in the foreground does without it."""
    if settings.inetd or settings.pid_file_wanted:
        return []
    path = settings.pid_file
    reason, right = _obstacle(path)
    told = f"no PidFile line, and {path} cannot be written: {reason}; a start without -n would end with that"
    return [Fault(config, 0, "", told, f"{right}, or a PidFile line")] if reason else []


def _obstacle(path: str) -> tuple[str, str]:
    """Why no PidFile can be there, and what would be right; both empty where nothing is in the way."""
    folder = os.path.dirname(path)
    elsewhere = "the path of a file that nobody else has"
    with acting_as_daemon():
        try:
            os.stat(folder)
            mode = os.lstat(path).st_mode
        except OSError as error:
            if isinstance(error, (FileNotFoundError, NotADirectoryError)) and not os.path.isdir(folder):
                return os.strerror(error.errno or 0), f"mkdir {folder}"
            harmless = isinstance(error, (FileNotFoundError, PermissionError))
            return ("", "") if harmless else (os.strerror(error.errno or 0), elsewhere)
    if stat.S_ISLNK(mode):
        return "it is a symbolic link", "the path of the file itself"
    if stat.S_ISDIR(mode):
        return "Is a directory", f"{path.rstrip('/')}/proftpd.pid"
    return ("", "") if stat.S_ISREG(mode) or stat.S_ISCHR(mode) else (_NO_FILE, elsewhere)


_NO_FILE = "it is no regular file"


def _is_device(path: str) -> bool:
    with acting_as_daemon():
        try:
            return stat.S_ISCHR(os.lstat(path).st_mode)
        except OSError:
            return False


def _claim(path: str) -> int:
    """A lock on the file that is there (-1: none is), so that of two daemons that start at once one is refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return -1
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        # a folder could not be replaced, and a FIFO or a device is somebody else's
        os.close(descriptor)
        raise StartError(f"unable to write PidFile {path}: {'Is a directory' if os.path.isdir(path) else _NO_FILE}")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        whose = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StartError(f"PidFile {path} belongs to a daemon that is running, process {whose}") from None
    return descriptor


def _write(path: str) -> int:
    # made aside and renamed: who reads it never finds it empty
    aside = f"{path}.{os.getpid()}"
    try:
        os.unlink(aside)
    except FileNotFoundError:
        pass
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, 0o644)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        os.rename(aside, path)
    except BaseException:
        os.close(descriptor)
        os.unlink(aside)
        raise
    return descriptor
