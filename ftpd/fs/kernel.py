"""The Linux calls that Python has no name for: openat2, renameat2, faccessat2 and statx."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from functools import lru_cache

from ftpd import native
from ftpd.core.identity import Identity, acting_as, neutral, privileged

_libc = ctypes.CDLL(None, use_errno=True)

# Calls newer than 5.0 have one number on all architectures.
_OPENAT2 = 437
_FACCESSAT2 = 439

_RESOLVE_NO_XDEV = 0x01
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_RESOLVE_IN_ROOT = 0x10
_RENAME_NOREPLACE = 1
_AT_EACCESS = 0x200
_AT_EMPTY_PATH = 0x1000


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_openat2 = _libc["syscall"]
_openat2.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_OpenHow), ctypes.c_size_t]
_openat2.restype = ctypes.c_long
_faccessat2 = _libc["syscall"]
_faccessat2.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
_faccessat2.restype = ctypes.c_long


_statx = getattr(_libc, "statx", None)
if _statx is not None:
    _statx.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p]
    _statx.restype = ctypes.c_int
_STATX_INO = 0x100
_STATX_MNT_ID = 0x1000


def _failure(path: bytes) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), path.decode("utf-8", "surrogateescape"))


_IN_ROOT = _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS
NO_LINKS = _IN_ROOT | _RESOLVE_NO_SYMLINKS
"""Not even symbolic links that stay in the root."""
ONE_MOUNT = _IN_ROOT | _RESOLVE_NO_XDEV
"""Over no mount point: EXDEV where one is on the way."""
BENEATH_ONE_MOUNT = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_XDEV
"""The same, and EXDEV as well where a link or ``..`` leads above the folder."""


@lru_cache(maxsize=256)
def _how(flags: int, mode: int, resolve: int) -> _OpenHow:
    return _OpenHow(flags, mode, resolve)


def openat2_by_ctypes(
    identity: Identity | None, root: int, path: bytes, flags: int, mode: int, resolve: int = _IN_ROOT
) -> int:
    """Open ``path`` as if ``root`` were ``/``: ``..`` and symbolic links cannot lead out of it.

    None is who the thread is anyhow.
    """
    if identity is not None:
        with acting_as(identity):
            return openat2_by_ctypes(None, root, path, flags, mode, resolve)
    how = _how(flags, mode if flags & os.O_CREAT else 0, resolve)
    descriptor: int = _openat2(_OPENAT2, root, path, how, ctypes.sizeof(how))
    if descriptor < 0:
        raise _failure(path)
    return descriptor


def openat2_compiled(
    identity: Identity | None, root: int, path: bytes, flags: int, mode: int, resolve: int = _IN_ROOT
) -> int:
    """The same in one step with the change of identity: ``ftpd/native/calls.c``."""
    who = identity.raw if identity is not None and privileged() else None
    mode = mode if flags & os.O_CREAT else 0
    descriptor: int = native.calls.openat2(who, neutral().raw, root, path, flags, mode, resolve)
    if descriptor < 0:
        raise OSError(-descriptor, os.strerror(-descriptor), path.decode("utf-8", "surrogateescape"))
    return descriptor


openat2 = openat2_by_ctypes if native.calls is None else openat2_compiled
"""The quicker way that this installation has."""


def has_openat2() -> bool:
    """False before Linux 5.6 (ENOSYS) and where a container's filter forbids the call (EPERM)."""
    probe = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(openat2(None, probe, b"/", os.O_PATH | os.O_CLOEXEC, 0))
    except OSError:
        return False
    finally:
        os.close(probe)
    return True


def place_of(descriptor: int) -> tuple[int, int, int, int] | None:
    """Inode, device (two numbers) and mount of what is open; None before Linux 5.8, which tells no mount (statx(2)).

    One inode may be mounted in two ways, of which one can only be read.
    """
    found = ctypes.create_string_buffer(256)
    if _statx is None or _statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_INO | _STATX_MNT_ID, found) != 0:
        return None
    mask, inode, major, minor, mount = struct.unpack_from("=I28xQ96xIIQ", found)
    return (inode, major, minor, mount) if mask & _STATX_MNT_ID else None


Place = bytes | tuple[int, int, int, int]
"""By what an open folder is known: the same for the same folder through the same mount."""


def enter_by_calls(identity: Identity, path: bytes, flags: int) -> tuple[int, Place | None, bool | None]:
    """Open a folder of the machine as that user: its descriptor, what it is known by, and whether it may be searched.

    None is what cannot be told here; OSError says why it cannot be opened.
    """
    with acting_as(identity):
        descriptor = os.open(path, flags)
        try:
            searchable = accessible(descriptor, os.X_OK) if has_faccessat2() else None
        except OSError:
            searchable = False
    return descriptor, place_of(descriptor), searchable


def enter_compiled(identity: Identity, path: bytes, flags: int) -> tuple[int, Place | None, bool | None]:
    """The same in one step."""
    found = native.calls.enter(identity.raw if privileged() else None, neutral().raw, path, flags)
    if isinstance(found, int):
        raise OSError(-found, os.strerror(-found), path.decode("utf-8", "surrogateescape"))
    descriptor, place, searchable = found
    return descriptor, place, searchable if has_faccessat2() else None


enter = enter_by_calls if native.calls is None else enter_compiled
"""The quicker way that this installation has."""


def rename_exclusively(source_folder: int, source: bytes, target_folder: int, target: bytes) -> None:
    """Rename, FileExistsError where the target is there; OSError ENOSYS or EINVAL where that cannot be asked."""
    try:
        call = _libc.renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, "The C library has no renameat2") from None
    if call(source_folder, source, target_folder, target, _RENAME_NOREPLACE) != 0:
        raise _failure(target)


_NOT_TO_BE_HAD = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY})


def accessible(descriptor: int, mode: int) -> bool:
    """access(2) for the calling thread's identity, read-only mounts and ACLs included.

    Without AT_EACCESS the kernel would ask for the process's real user, and the answer would be root's.
    """
    if _faccessat2(_FACCESSAT2, descriptor, b"", mode, _AT_EACCESS | _AT_EMPTY_PATH) == 0:
        return True
    error = _failure(b"")
    if error.errno in _NOT_TO_BE_HAD:
        return False
    raise error


@lru_cache(maxsize=1)
def has_faccessat2() -> bool:
    """False before Linux 5.8 (ENOSYS) and where a container's filter forbids the call (EPERM)."""
    probe = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return accessible(probe, os.F_OK)
    except OSError:
        return False
    finally:
        os.close(probe)


@lru_cache(maxsize=1)
def kernel_devices() -> frozenset[int]:
    """The devices of procfs and sysfs: their "regular files" are the kernel's, /proc/self/mem among them."""
    return frozenset(os.stat(path).st_dev for path in ("/proc", "/sys") if os.path.ismount(path))


def process_umask() -> int:
    """The process's own mask, read without changing it (umask(2) cannot do that, and other threads would see it)."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o777
