"""Address lists of Allow, Deny and From: networks, address patterns and host names, each with an optional ``!``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from fnmatch import translate

from ftpd.conf.directive import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Test = Callable[[Address | None, str | None], bool]

_BITS = "the part behind '/' is the length of a prefix in bits"
_NUMERIC = re.compile(r"[0-9.*?\[\]-]+", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_HOST_PATTERN = re.compile(r"[A-Za-z0-9_.*?\[\]-]+", re.ASCII)


class AddressList:
    """One line of addresses: it matches when all its negated parts hold, and one of the others if there are any.

    ProFTPD 1.3 never matches a line with a negated part; its documents promise what is done here.
    """

    __slots__ = ("_negated", "_positive", "text")

    def __init__(self, words: list[str]) -> None:
        self.text = " ".join(words)
        self._positive: list[_Test] = []
        self._negated: list[_Test] = []
        for index, word in enumerate(words):
            for token in filter(None, word.split(",")):
                bare = token.removeprefix("!")
                if bare != token and bare.lower() in ("all", "none"):
                    raise ConfigError("the ! negation operator cannot be used with ALL/NONE", word=index)
                (self._positive if bare == token else self._negated).append(_test(bare, token, index))

    def __repr__(self) -> str:
        return f"<AddressList {self.text}>"

    def matches(self, address: Address | None, hostname: str | None) -> bool:
        """Whether a client from there is meant; ``hostname`` None where names are not looked up."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(test(address, hostname) for test in self._negated):
            return False
        return not self._positive or any(test(address, hostname) for test in self._positive)

    def __bool__(self) -> bool:
        return bool(self._positive or self._negated)


def _test(text: str, token: str, word: int) -> _Test:
    folded = text.lower()
    if folded in ("all", "none"):
        always = folded == "all"
        return lambda address, hostname: always
    if "/" in text or ":" in text:
        return _network(text, token, word)
    if _NUMERIC.fullmatch(text) and any(char.isdigit() for char in text):
        if text.endswith(".") or any(char in "*?[" for char in text):
            matches = re.compile(translate(f"{text}*" if text.endswith(".") else text)).fullmatch
            return lambda address, hostname: address is not None and matches(str(address)) is not None
        return _network(text, token, word)
    if folded.startswith(".") or any(char in "*?[" for char in folded):
        if not _HOST_PATTERN.fullmatch(folded):
            raise _bad(token, "it is neither an address nor the pattern of a host name", word)
        match = re.compile(translate(f"*{folded}" if folded.startswith(".") else folded)).fullmatch
        return lambda address, hostname: hostname is not None and match(hostname.lower().rstrip(".")) is not None
    if not _HOST.fullmatch(folded):
        raise _bad(token, "it is neither an address nor a host name", word)
    return lambda address, hostname: hostname is not None and hostname.lower().rstrip(".") == folded.rstrip(".")


def _network(text: str, token: str, word: int) -> _Test:
    try:
        if "/" in text and not text.rpartition("/")[2].isdigit():
            raise ValueError(_BITS)
        # host bits may be set: 10.1.2.3/8 means 10.0.0.0/8
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as wrong:
        reason = str(wrong) if wrong.args == (_BITS,) else "it is neither an address nor a network"
        raise _bad(token, reason, word) from None
    mapped = network.network_address
    if isinstance(mapped, ipaddress.IPv6Address) and mapped.ipv4_mapped is not None and network.prefixlen >= 96:
        network = ipaddress.ip_network(f"{mapped.ipv4_mapped}/{network.prefixlen - 96}", strict=False)
    return lambda address, hostname: address is not None and address in network


def _bad(token: str, reason: str, word: int) -> ConfigError:
    return ConfigError(
        f"bad ACL definition '{token}': {reason}",
        right="all, none, an address, address/bits, 10.1., a host name or .example.com", word=word,
    )  # fmt: skip
