"""Address lists of Allow, Deny and From: networks, address patterns and host names, each with an optional ``!``."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from fnmatch import translate

from ftpd.conf.directive import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Test = Callable[[Address | None, str | None], bool]

_DIGITS = re.compile(r"[0-9.]+", re.ASCII)
_ADDRESS_PATTERN = re.compile(r"[0-9.*?\[\]-]*[0-9][0-9.*?\[\]-]*", re.ASCII)
_HOST = re.compile(r"(?=.*[a-z])[a-z0-9_.-]+", re.ASCII)
_WILD = re.compile(r"[*?\[]")
_RIGHT = "all, none, an address, address/bits, 10.1., a host name or .example.com"


class AddressList:
    """One line of addresses: it matches when all its negated parts hold, and one of the others if there are any.

    ProFTPD 1.3 never matches a line with a negated part; its documents promise what is done here. ``doubts`` are
    parts that ProFTPD takes and that will hardly do what was meant, with the index of the word.
    """

    __slots__ = ("_negated", "_positive", "doubts", "text")

    def __init__(self, words: list[str]) -> None:
        self.text = " ".join(words)
        self._positive: list[_Test] = []
        self._negated: list[_Test] = []
        self.doubts: list[tuple[str, int]] = []
        for index, word in enumerate(words):
            for token in filter(None, word.split(",")):
                bare = token.removeprefix("!")
                if bare != token and bare.lower() in ("all", "none"):
                    raise ConfigError("the ! negation operator cannot be used with ALL/NONE", word=index)
                (self._positive if bare == token else self._negated).append(self._test(bare, token, index))

    def __repr__(self) -> str:
        return f"<AddressList {self.text}>"

    def __bool__(self) -> bool:
        return bool(self._positive or self._negated)

    def matches(self, address: Address | None, hostname: str | None) -> bool:
        """Whether a client from there is meant; ``hostname`` None where names are not looked up."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(test(address, hostname) for test in self._negated):
            return False
        return not self._positive or any(test(address, hostname) for test in self._positive)

    def _test(self, text: str, token: str, word: int) -> _Test:
        folded = text.lower()
        if folded in ("all", "none"):
            always = folded == "all"
            return lambda address, hostname: always
        if "/" in text:
            return _network(text, token, word)
        if _ADDRESS_PATTERN.fullmatch(text) and (text.endswith(".") or _WILD.search(text)):
            matches = re.compile(translate(f"{text}*" if text.endswith(".") else text)).fullmatch
            return lambda address, hostname: address is not None and matches(str(address)) is not None
        if _DIGITS.fullmatch(text):
            return self._plain_address(text, token, word)
        if ":" in text and _is_ipv6(text.strip("[]")):
            return _network(text.strip("[]"), token, word)
        if folded.startswith(".") or _WILD.search(folded):
            match = re.compile(translate(f"*{folded}" if folded.startswith(".") else folded)).fullmatch
            return lambda address, hostname: hostname is not None and match(hostname.lower().rstrip(".")) is not None
        if not folded:
            raise _bad(token, "nothing stands behind the !", word)
        if not _HOST.fullmatch(folded):
            self.doubts.append((f"'{token}' is taken for a host name, and no host has such a name", word))
        return lambda address, hostname: hostname is not None and hostname.lower().rstrip(".") == folded.rstrip(".")

    def _plain_address(self, text: str, token: str, word: int) -> _Test:
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


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _network(text: str, token: str, word: int) -> _Test:
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
    return lambda address, hostname: address is not None and address in network


def _bad(token: str, reason: str, word: int) -> ConfigError:
    return ConfigError(f"bad ACL definition '{token}': {reason}", right=_RIGHT, word=word)
