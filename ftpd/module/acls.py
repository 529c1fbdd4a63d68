"""What ACLs (acl(5)) let a session do with files that are not opened: the kernel is asked, which knows them."""

from __future__ import annotations

import os
import stat

from ftpd.module.files import Files, Path
from ftpd.module.session import Session

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def count(session: Session) -> bool:
    """Whether listings go by them: FACLEngine is there and on."""
    engine = session.modules.directive("FACLEngine")
    return engine is not None and bool(session.server.settings[engine])


def may(files: Files, path: Path, found: os.stat_result, mode: int) -> bool:
    """Whether the session may ``mode`` (os.R_OK, W_OK, X_OK) what ``path`` leads to, which looks like ``found``."""
    if found.st_mode & (mode << 3 | mode) & _OTHERS:
        return files.access(path, mode)
    # the group's bits are the most that any entry gives (acl(5)): here nobody has it but by being the owner, or root
    return files.may(found, mode)


def may_remove(files: Files, folder: Path, above: os.stat_result, entry: os.stat_result) -> bool:
    """Whether it may delete or rename that entry of that folder, which looks like ``above``."""
    if not may(files, folder, above, os.W_OK) or not may(files, folder, above, os.X_OK):
        return False
    # what is left to be asked is whose they are, where the folder is sticky
    return files.may_remove(os.stat_result((above.st_mode | 0o777, *above[1:10])), entry)
