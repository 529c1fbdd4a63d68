"""The lines of mod_digest: which algorithms there are, how much one command may have read, and what is remembered."""

from __future__ import annotations

from ftpd.conf import types
from ftpd.conf.directive import ANON, DIRECTORY, FTPACCESS, GLOBAL, SERVER, VHOST, ConfigError, Settings
from ftpd.module.digests import ALGORITHMS, Algorithm, Keeping
from ftpd.module.table import Module

_SERVERS = SERVER | GLOBAL | VHOST
# the draft wants SHA-1 when nothing else was chosen, else what is stronger
_PREFERENCE = ("sha1", "sha256", "sha512", "md5", "crc32")


def _algorithm(text: str, word: int) -> str:
    if text.lower() not in ALGORITHMS:
        raise ConfigError(f"unknown/unsupported DigestAlgorithm: {text}", right=", ".join(ALGORITHMS), word=word)
    return text.lower()


@types.takes(1)
def _algorithm_names(words: list[str]) -> tuple[str, ...]:
    """``all``, or some of crc32, md5, sha1, sha256, sha512."""
    if words[0].lower() == "all":
        return tuple(ALGORITHMS)
    chosen = {_algorithm(text, word) for word, text in enumerate(words)}
    return tuple(name for name in ALGORITHMS if name in chosen)


@types.takes(1, 1)
def _algorithm_name(words: list[str]) -> str:
    """One of crc32, md5, sha1, sha256, sha512."""
    return _algorithm(words[0], 0)


@types.takes(1, 2)
def _max_size(words: list[str]) -> int:
    """``10 MB``; 0, which ``off`` means, is no limit."""
    if len(words) == 1 and words[0].lower() in ("off", "none", "no", "false", "0"):
        return 0
    limit = types.to_size(words[0], words[1] if len(words) > 1 else "")
    if not limit:
        raise ConfigError("requires a value greater than zero", right="a size as 1 GB, or off for no limit", word=0)
    return limit


@types.takes(1, 4)
def _keeping(words: list[str]) -> Keeping:
    """``on``, ``off``, or ``size 100 maxAge 60s`` in any order."""
    if len(words) == 1:
        return Keeping() if types.to_boolean(words[0]) else Keeping(size=0)
    usual = Keeping()
    values = {"size": usual.size, "maxage": usual.max_age}
    for word in range(0, len(words), 2):
        name = words[word].lower()
        if name not in values:
            raise ConfigError(f"unknown DigestCache parameter: {words[word]}", right="size or maxAge", word=word)
        if word + 1 == len(words):
            raise ConfigError(f"'{words[word]}' has no value behind it", right="size 100 maxAge 60s", word=word)
        text = words[word + 1]
        values[name] = (
            types.to_integer(text, 1, word=word + 1) if name == "size" else types.to_seconds(text, word=word + 1)
        )
    if values["maxage"] < 1:
        raise ConfigError("maxAge must be at least one second", right="seconds, as 60s or 5min; off keeps nothing")
    return Keeping(values["size"], values["maxage"])


class DigestLines:
    """The directives, which the module declares as its own."""

    def __init__(self, module: Module) -> None:
        self.algorithms = module.directive(
            "DigestAlgorithms", _algorithm_names, default=tuple(ALGORITHMS), contexts=_SERVERS | ANON,
            usage="all|crc32|md5|sha1|sha256|sha512 ...", doc="The algorithms that clients may ask for.",
        )  # fmt: skip
        self.cache = module.directive(
            "DigestCache", _keeping, default=Keeping(), contexts=_SERVERS | ANON,
            usage='on|off|"size" count ["maxAge" secs]',
            doc="How many digests are remembered, and for how long.",
        )  # fmt: skip
        self.default_algorithm = module.directive(
            "DigestDefaultAlgorithm", _algorithm_name, default="sha1", contexts=_SERVERS, usage="algorithm",
            doc="The algorithm of HASH and of transfers until the client chooses another.",
        )  # fmt: skip
        self.enable = module.directive(
            "DigestEnable", types.boolean, default=True, contexts=DIRECTORY | FTPACCESS, usage="on|off",
            doc="Whether the files of this folder may be summed up.",
        )  # fmt: skip
        self.engine = module.directive(
            "DigestEngine", types.boolean, default=True, contexts=_SERVERS | ANON, usage="on|off",
            doc="Whether the commands for checksums are there.",
        )  # fmt: skip
        self.largest = module.directive(
            "DigestMaxSize", _max_size, default=0, contexts=_SERVERS | ANON, usage="number [units]|off",
            doc="The most bytes that one command may have read; off is no limit.",
        )  # fmt: skip
        self.options = module.directive_list(
            "DigestOptions", types.flags("NoTransferCache", exact=True), contexts=_SERVERS, usage="NoTransferCache",
            doc="NoTransferCache: what was uploaded is not summed up by itself.",
        )  # fmt: skip

    def preferred(self, settings: Settings, wish: str) -> Algorithm:
        """The client's choice, if any, the administrator's, or the draft's, whichever is allowed first."""
        allowed = settings[self.algorithms]
        wishes = (wish, settings[self.default_algorithm], *_PREFERENCE)
        return ALGORITHMS[next(name for name in wishes if name in allowed)]
