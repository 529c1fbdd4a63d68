"""The names in folders that were read before and have not changed since."""

from __future__ import annotations

import os
from collections import OrderedDict
from threading import Lock
from time import time

from ftpd.core.nearness import tells_changes

_MOST = 20_000
"""Names that are kept altogether."""
_OLD = 1.0
"""Seconds that a folder has to have been as it is: what is changed later is then changed at another time."""

_Key = tuple[int, int, int, int]
_lock = Lock()
_kept: OrderedDict[_Key, list[str]] = OrderedDict()


def _key(folder: os.stat_result) -> _Key:
    # the time of the last change is nobody's to set
    return folder.st_dev, folder.st_ino, folder.st_ctime_ns, folder.st_mtime_ns


def of(folder: os.stat_result) -> list[str] | None:
    """The names in a folder that was opened for reading and then had these attributes, if they are known."""
    names = _kept.get(_key(folder))
    if names is None:
        return None
    return names.copy()


def keep(descriptor: int, folder: os.stat_result, names: list[str]) -> None:
    """The folder had these attributes before the names were read."""
    if len(names) > _MOST or not 0 < folder.st_ctime < time() - _OLD or not tells_changes(descriptor):
        return
    with _lock:
        _kept[_key(folder)] = names.copy()
        left = _MOST - sum(map(len, _kept.values()))
        while left < 0:
            left += len(_kept.popitem(last=False)[1])
