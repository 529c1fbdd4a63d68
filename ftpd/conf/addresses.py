"""Address lists of Allow, Deny and From: networks, address patterns and host names, each with an optional ``!``."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from typing import NamedTuple

from ftpd.conf.directive import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Test = Callable[[Address | None, str | None], bool]

_DIGITS = re.compile(r"[0-9.]+", re.ASCII)
_ADDRESS_PATTERN = re.compile(r"[0-9.*?\[\]-]*[0-9][0-9.*?\[\]-]*", re.ASCII)
_HOST = re.compile(r"(?=.*[a-z])[a-z0-9_.-]+", re.ASCII)
_WILD = re.compile(r"[*?\[]")
_DOT = re.compile(r"\.")
_RIGHT = "all, none, an address, address/bits, 10.1., a host name or .example.com"


_Key = tuple[object, ...]


class _Part(NamedTuple):
    """One address, network, pattern or name of a line."""

    test: _Test
    key: _Key | None = None
    """What an index finds it by; None where it has to be tried."""


class AddressList:
    """One line of addresses: it matches when all its negated parts hold, and one of the others if there are any.

    ProFTPD 1.3 never matches a line with a negated part; its documents promise what is done here. ``doubts`` are
    parts that ProFTPD takes and that will hardly do what was meant, with the index of the word; ``names`` are the
    parts that are about names of hosts.
    """

    __slots__ = ("_negated", "_positive", "doubts", "names", "text")

    def __init__(self, words: list[str]) -> None:
        self.text = " ".join(words)
        self._positive: list[_Part] = []
        self._negated: list[_Part] = []
        self.doubts: list[tuple[str, int]] = []
        self.names: list[str] = []
        for index, word in enumerate(words):
            for token in filter(None, word.split(",")):
                bare = token.removeprefix("!")
                if bare != token and bare.lower() in ("all", "none"):
                    raise ConfigError("the ! negation operator cannot be used with ALL/NONE", word=index)
                (self._positive if bare == token else self._negated).append(self._part(bare, token, index))

    def __repr__(self) -> str:
        return f"<AddressList {self.text}>"

    def matches(self, address: Address | None, hostname: str | None) -> bool:
        """Whether a client from there is meant; ``hostname`` None where names are not looked up."""
        address = _unmapped(address)
        if any(part.test(address, hostname) for part in self._negated):
            return False
        return not self._positive or any(part.test(address, hostname) for part in self._positive)

    def rules(self, address: Address | None, hostname: str | None) -> Iterator[bool]:
        """Whether each part by itself holds for a client from there, as the lines of a <Class> are asked."""
        address = _unmapped(address)
        yield from (part.test(address, hostname) for part in self._positive)
        yield from (not part.test(address, hostname) for part in self._negated)

    @property
    def excludes(self) -> bool:
        """Whether one of its parts has a ``!``."""
        return bool(self._negated)

    def __len__(self) -> int:
        return len(self._positive) + len(self._negated)

    @property
    def keys(self) -> list[_Key] | None:
        """What an index finds the line by, any of them being enough; None where the line has to be tried."""
        if self._negated:
            return None
        keys = [part.key for part in self._positive if part.key is not None]
        return keys if len(keys) == len(self._positive) else None

    def _part(self, text: str, token: str, word: int) -> _Part:
        folded = text.lower()
        if folded in ("all", "none"):
            always = folded == "all"
            return _Part(lambda address, hostname: always, (folded,))
        if "/" in text:
            return _network(text, token, word)
        if _ADDRESS_PATTERN.fullmatch(text) and _WILD.search(text):
            matches = re.compile(translate(f"{text}*" if text.endswith(".") else text)).fullmatch
            return _Part(lambda address, hostname: address is not None and matches(str(address)) is not None)
        if text.endswith(".") and _ADDRESS_PATTERN.fullmatch(text):
            return _Part(
                lambda address, hostname: address is not None and str(address).startswith(text), ("start", text)
            )
        if _DIGITS.fullmatch(text):
            return self._plain_address(text, token, word)
        if ":" in text and _is_ipv6(text.strip("[]")):
            return _network(text.strip("[]"), token, word)
        if ":" in text and not _WILD.search(text):
            # no name has a colon, and a Deny that fits nobody would let everybody in
            raise _bad(token, "it is not an address", word)
        self.names.append(token)
        if _WILD.search(folded):
            match = re.compile(translate(f"*{folded}" if folded.startswith(".") else folded)).fullmatch
            return _Part(lambda address, hostname: hostname is not None and match(_folded(hostname)) is not None)
        if folded.startswith("."):
            return _Part(
                lambda address, hostname: hostname is not None and _folded(hostname).endswith(folded),
                ("domain", folded),
            )
        if not folded:
            raise _bad(token, "nothing stands behind the !", word)
        if not _HOST.fullmatch(folded):
            self.doubts.append((f"'{token}' is taken for a host name, and no host has such a name", word))
        name = folded.rstrip(".")
        return _Part(lambda address, hostname: hostname is not None and _folded(hostname) == name, ("name", name))

    def _plain_address(self, text: str, token: str, word: int) -> _Part:
        try:
            # inet_aton knows short forms, as ProFTPD does: 10.1.2 is the one address 10.1.0.2
            whole = socket.inet_ntoa(socket.inet_aton(text))
        except OSError:
            raise _bad(token, "it is not an address", word) from None
        if text.count(".") < 3:
            self.doubts.append((f"'{token}' is the one address {whole}; a network is written '{text}.'", word))
        # leading zeros mean octal to inet_aton, and an address without them to everybody else
        elif whole != text:
            self.doubts.append((f"'{token}' is the address {whole}", word))
        return _network(whole, token, word)


class AddressIndex:
    """Many lines of addresses asked at once: a thousand of them cost what one costs.

    ``tried`` are the lines that have a pattern or a ``!`` in them, with their number; those cost what they always did.
    """

    __slots__ = ("_found", "_prefixes", "_starts", "tried")

    def __init__(self, lines: Iterable[AddressList]) -> None:
        self._found: dict[_Key, int] = {}
        self.tried: list[tuple[int, AddressList]] = []
        for at, line in enumerate(lines):
            keys = line.keys
            if keys is None:
                self.tried.append((at, line))
            else:
                for key in keys:
                    self._found.setdefault(key, at)
        self._prefixes = sorted({key[:3] for key in self._found if key[0] == "net"})
        self._starts = any(key[0] == "start" for key in self._found)

    def first(self, address: Address | None, hostname: str | None) -> int | None:
        """Which line is the first to match a client from there, 0 being the first; None where none does."""
        found = self._found
        best = min((found[key] for key in self._keys_of(_unmapped(address), hostname) if key in found), default=None)
        for at, line in self.tried:
            if best is not None and at > best:
                break
            if line.matches(address, hostname):
                return at
        return best

    def _keys_of(self, address: Address | None, hostname: str | None) -> Iterator[_Key]:
        yield ("all",)
        if address is not None:
            number, version = int(address), address.version
            for kind, of_version, shift in self._prefixes:
                if of_version == version:
                    yield kind, version, shift, number >> shift  # type: ignore[operator]
            if self._starts:
                text = str(address)
                yield from (("start", text[: dot.end()]) for dot in _DOT.finditer(text))
        if hostname is not None:
            name = _folded(hostname)
            yield ("name", name)
            yield from (("domain", name[dot.start() :]) for dot in _DOT.finditer(name))


def _folded(hostname: str) -> str:
    return hostname.lower().rstrip(".")


def _unmapped(address: Address | None) -> Address | None:
    """An IPv4 address as itself, also where a socket of IPv6 has met it."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _network(text: str, token: str, word: int) -> _Part:
    if "/" in text and not text.rpartition("/")[2].isdigit():
        raise _bad(token, "the part behind '/' is the length of a prefix in bits", word)
    try:
        # host bits may be set: 10.1.2.3/8 means 10.0.0.0/8
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _bad(token, "it is neither an address nor a network", word) from None
    base = network.network_address
    if isinstance(base, ipaddress.IPv6Address) and base.ipv4_mapped is not None and network.prefixlen >= 96:
        network = ipaddress.ip_network(f"{base.ipv4_mapped}/{network.prefixlen - 96}", strict=False)
    shift = network.max_prefixlen - network.prefixlen
    return _Part(
        lambda address, hostname: address is not None and address in network,
        ("net", network.version, shift, int(network.network_address) >> shift),
    )


def _bad(token: str, reason: str, word: int) -> ConfigError:
    return ConfigError(f"bad ACL definition '{token}': {reason}", right=_RIGHT, word=word)
