"""Which files answer at once: those of file systems that this machine keeps itself, in memory or on its own disks."""

from __future__ import annotations

import ctypes

_NEAR = frozenset(
    {
        0x01021994,  # tmpfs
        0x858458F6,  # ramfs
        0x0000EF53,  # ext2, ext3, ext4
        0x58465342,  # xfs
        0x9123683E,  # btrfs
        0xF2F52010,  # f2fs
        0x2FC12FC1,  # zfs
        0x794C7630,  # overlayfs, what containers have
        0x3153464A,  # jfs
        0x73717368,  # squashfs
    }
)
"""``f_type`` of statfs(2); NFS, FUSE and whatever else may wait for somebody is not among them."""

NEAR_TYPES = frozenset(
    {
        "tmpfs", "ramfs", "rootfs", "hugetlbfs", "devtmpfs", "overlay", "squashfs", "erofs",
        "ext2", "ext3", "ext4", "xfs", "btrfs", "bcachefs", "f2fs", "zfs", "jfs", "vfat", "exfat",
        "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "selinuxfs",
        "pstore", "bpf", "configfs", "efivarfs", "fusectl", "binfmt_misc", "rpc_pipefs", "nfsd", "nsfs",
    }
)  # fmt: skip
"""The same by the names of mount(8), and what the kernel itself makes up."""

_libc = ctypes.CDLL(None, use_errno=True)
_fstatfs = _libc["fstatfs"]
_fstatfs.argtypes = [ctypes.c_int, ctypes.c_void_p]
_fstatfs.restype = ctypes.c_int
_SIZE = 256
"""More than ``sizeof(struct statfs)`` anywhere; its first field is ``f_type``, a word of the machine."""


_TELLS = frozenset({0x01021994, 0x0000EF53, 0x58465342, 0x9123683E})
"""tmpfs, ext2 to ext4, xfs and btrfs."""


def tells_changes(descriptor: int) -> bool:
    """Whether whatever changes in the open folder gives it another time of change, and nothing else is put over it."""
    return _type(descriptor) in _TELLS


def near(descriptor: int) -> bool:
    """Whether what the open file lies on answers without waiting for another machine or program."""
    return _type(descriptor) in _NEAR


def _type(descriptor: int) -> int:
    found = ctypes.create_string_buffer(_SIZE)
    return 0 if _fstatfs(descriptor, found) != 0 else ctypes.c_ulong.from_buffer(found).value & 0xFFFFFFFF
