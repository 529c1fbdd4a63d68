"""The lines of mod_digest: which algorithms there are, how much one command may have read, and what is remembered."""

from __future__ import annotations

from ftpd.conf import types
from ftpd.conf.directive import ConfigError
from ftpd.module.digests import ALGORITHMS, Keeping


def _algorithm(text: str, word: int) -> str:
    if text.lower() not in ALGORITHMS:
        raise ConfigError(f"unknown/unsupported DigestAlgorithm: {text}", right=", ".join(ALGORITHMS), word=word)
    return text.lower()


@types.takes(1)
def algorithm_names(words: list[str]) -> tuple[str, ...]:
    """``all``, or some of crc32, md5, sha1, sha256, sha512."""
    if words[0].lower() == "all":
        return tuple(ALGORITHMS)
    chosen = {_algorithm(text, word) for word, text in enumerate(words)}
    return tuple(name for name in ALGORITHMS if name in chosen)


@types.takes(1, 1)
def algorithm_name(words: list[str]) -> str:
    """One of crc32, md5, sha1, sha256, sha512."""
    return _algorithm(words[0], 0)


@types.takes(1, 2)
def max_size(words: list[str]) -> int:
    """``10 MB``; 0, which ``off`` means, is no limit."""
    if len(words) == 1 and words[0].lower() in ("off", "none", "no", "false", "0"):
        return 0
    limit = types.to_size(words[0], words[1] if len(words) > 1 else "")
    if not limit:
        raise ConfigError("requires a value greater than zero", right="a size as 1 GB, or off for no limit", word=0)
    return limit


@types.takes(1, 4)
def keeping(words: list[str]) -> Keeping:
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
