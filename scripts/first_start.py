"""Make var/ for a checkout that is started for the first time: a user with a password, and an anonymous area.

scripts/run calls it at each start; it makes only what is missing, and says a password only when it made one.
"""

from __future__ import annotations

import os
import pwd
import secrets
import sys
from pathlib import Path

from ftpd.core import crypt
from ftpd.core.identity import Identity, acting_as

NAME = "demo"

WELCOME = """\
Welcome to ftpd.

This is pub, where anybody may read. To send a file, put it in /incoming.
"""

README = """\
The anonymous area of an ftpd that was started from its checkout.

  pub/        files for anybody to fetch
  incoming/   takes uploads, shows nothing

etc/proftpd.conf says what is allowed here, in its <Anonymous> section.
"""


def main() -> int:
    os.umask(0o022)
    var = Path(os.environ["FTPD_HOME"], "var")
    serve_as = pwd.getpwnam(os.environ["FTPD_USER"]) if os.geteuid() == 0 else None
    uid = serve_as.pw_uid if serve_as else os.geteuid()
    gid = serve_as.pw_gid if serve_as else os.getegid()

    # What the daemon writes as itself stays with who started it; what users write belongs to whom it serves as
    for name in ("run", "log", "home", "ftp"):
        (var / name).mkdir(parents=True, exist_ok=True)
    for users_own in (var / "home" / NAME, var / "ftp" / "incoming"):
        if not users_own.exists():
            users_own.mkdir()
            os.chown(users_own, uid, gid)
    for path, text in (("ftp/README", README), ("ftp/pub/welcome.txt", WELCOME)):
        if not (var / path).exists():
            (var / path).parent.mkdir(exist_ok=True)
            (var / path).write_text(text)

    if not (var / "group").exists():
        (var / "group").write_text(f"{os.environ['FTPD_GROUP']}:x:{gid}:\n")
    if not (var / "passwd").exists():
        password = secrets.token_urlsafe(9)
        lines = (
            f"{NAME}:{crypt.hash(password)}:{uid}:{gid}:First user:{var / 'home' / NAME}:/sbin/nologin\n"
            # the account of <Anonymous>; no password has the hash "!"
            f"ftp:!:{uid}:{gid}:Anonymous:{var / 'ftp'}:/sbin/nologin\n"
        )
        # never readable by others, not even for a moment, and there as a whole or not at all
        new = var / "passwd.new"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(lines)
        new.rename(var / "passwd")
        print(
            f"A user to log in as: {NAME}, password {password} (said only now; {var / 'passwd'} keeps its hash).\n"
            f"Files are in {var / 'home' / NAME}; anonymous visitors see {var / 'ftp'}.",
            flush=True,
        )
    if serve_as:
        closed = [closed_to(Identity(uid, gid), path) for path in (var / "ftp", var / "home" / NAME)]
        for folder in dict.fromkeys(filter(None, closed)):
            print(
                f"run: {folder} is closed to {serve_as.pw_name}, as whom a daemon of root serves here, so logins will"
                f" fail. Move the checkout to where all may enter, such as /opt, or: chmod o+x {folder}",
                file=sys.stderr,
            )
    return 0


def closed_to(identity: Identity, path: Path) -> Path | None:
    """The first folder down to ``path`` that this identity may not enter."""
    with acting_as(identity):
        for folder in (*reversed(path.parents), path):
            try:
                os.stat(f"{folder}/.")
            except PermissionError:
                return folder
    return None


if __name__ == "__main__":
    sys.exit(main())
