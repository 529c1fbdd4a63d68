"""The addresses of a network device, which stand for its name where the configuration wants an address."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import os
import socket
import struct

_GET_ALL = 0x8912
"""SIOCGIFCONF of netdevice(7)."""
_ENTRY = struct.Struct("16s4x4s16x" if struct.calcsize("P") == 8 else "16s4x4s8x")
"""struct ifreq with an IPv4 address: the device's name, and the address behind family and port."""
_MANY = 4096
_LINK_LOCAL = "20"
_IPV6 = "/proc/net/if_inet6"


def addresses_of_device(name: str) -> list[str]:
    """The IPv4 addresses, then the IPv6 ones, that the device of this name has now; empty when there is no such device.

    Link-local IPv6 addresses are left out: without their scope nobody can listen on them.

    >>> addresses_of_device("lo")[0]
    '127.0.0.1'
    """
    return [*_ipv4(os.fsencode(name)), *_ipv6(name)] if name else []


def _ipv4(name: bytes) -> list[str]:
    room = array.array("B", bytes(_MANY * _ENTRY.size))
    address, length = room.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, _GET_ALL, struct.pack("iL", length, address))
        except OSError:
            return []
    entries = _ENTRY.iter_unpack(room.tobytes()[: struct.unpack("iL", answer)[0]])
    return [socket.inet_ntoa(packed) for label, packed in entries if label.rstrip(b"\0") == name]


def _ipv6(name: str) -> list[str]:
    try:
        with open(_IPV6, encoding="ascii", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        # the kernel has no IPv6
        return []
    return [
        str(ipaddress.IPv6Address(int(packed, 16)))
        for packed, _, _, scope, _, device in lines
        if device == name and scope != _LINK_LOCAL
    ]
