"""ScoreboardFile and its kin: where the daemon keeps who is on, for ftpwho."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ftpd.api import SERVER, Config, ConfigError, ConfigWarning, Multi, Reading, acting_as_daemon, check_board, types
from ftpd.modules._core import SERVERS, module


@types.takes(1, 1)
def _place(words: list[str]) -> str:
    """A path, or a word for none."""
    if words[0].lower() in ("off", "no", "false", "0"):
        return "none"
    return types.path_or_none(words)


def _scrub(words: list[str]) -> bool:
    """Every so many seconds is as good as on: it is done as each client of inetd comes."""
    if words[0] == "1" or not re.match(r"\s*\+?0*[1-9]", words[0]):
        return types.boolean(words)
    types.to_leading_integer(words[0])
    return True


def _lock(reading: Reading, path: str) -> None:
    if not path.startswith("/"):
        reading.warn("is no absolute path: the lock is <ScoreboardFile>.lck", word=0)


board = module.directive(
    "ScoreboardFile", _place, contexts=SERVER, multi=Multi.LAST,
    usage="path|none|off", doc="Where the daemon keeps who is on, for ftpwho and its kin.",
)  # fmt: skip
mutex = module.directive(
    "ScoreboardMutex", types.string, contexts=SERVER, multi=Multi.LAST, act=_lock,
    usage="path", doc="The lock beside the ScoreboardFile; `<ScoreboardFile>.lck` without this line.",
)  # fmt: skip
module.directive_list(
    "ScoreboardOptions", types.flags("AllowMissingEntry", exact=True), contexts=SERVERS,
    usage="AllowMissingEntry",
    doc="A session that cannot be put on the scoreboard is served; so it is without the line.",
)  # fmt: skip
module.directive(
    "ScoreboardScrub", types.takes(1, 1)(_scrub), default=True, contexts=SERVER,
    usage="on|off|seconds",
    doc="Whether entries of processes that inetd started, and that were killed, are removed.",
)  # fmt: skip


@module.check
def it_can_be_kept(config: Config) -> Iterator[ConfigError]:
    """Where it cannot, clients are served all the same, and ftpwho shows nobody."""
    main = config.main
    for key in (board, mutex):
        path = main.values.get(key)
        if not path or path in ("none", "/dev/null") or not path.startswith("/"):
            continue
        try:
            with acting_as_daemon():
                check_board(path)
        except OSError as error:
            yield ConfigWarning(
                f"no scoreboard is kept, and ftpwho sees nobody: {error.strerror}",
                right="a folder that only its owner may write to", word=0, directive=key.name, at=main.where[key][-1],
            )  # fmt: skip
