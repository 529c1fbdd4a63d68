"""A login from its first line on, and a backend with one account made to measure."""

from __future__ import annotations

import asyncio
import os

from ftpd.api import Account, AuthAnswer, AuthBackend, Module, Session
from ftpd.testing import Bench

INCORRECT = "530 Login incorrect."
GRANTED = ["230 User ann logged in"]


def talk(bench: Bench, *lines: str) -> list[str]:
    """Send the lines in turn; gives each line's reply."""

    async def run() -> list[str]:
        async with bench:
            return [await bench(line) for line in lines]

    return asyncio.run(run())


def login(bench: Bench, user: str = "tom", password: str = "secret", *then: str) -> list[str]:
    """Log in and send what follows; gives the replies from that to PASS on."""
    return talk(bench, f"USER {user}", f"PASS {password}", *then)[1:]


def fresh(conf: str = "", *modules: Module, **kind: object) -> Bench:
    return Bench(*modules, conf=conf, login=None, **kind)  # type: ignore[arg-type]


class OneAccount(AuthBackend):
    """A backend with one account made to measure."""

    def __init__(self, home: str = "/", **fields: object) -> None:
        known = {"uid": os.geteuid() or 4711, "gid": os.getegid() or 4711, "shell": "/bin/sh", **fields}
        self.account = Account("ann", home=home, **known)  # type: ignore[arg-type]

    def getpwnam(self, session: Session, user: str) -> Account | None:
        return self.account if user == "ann" else None

    def getgroups(self, session: Session, account: Account) -> tuple[tuple[int, str], ...] | None:
        return ((account.gid, "ann"), (7001, "staff")) if account.name == "ann" else None

    def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        if account.name != "ann":
            return None
        if password == "break":
            raise RuntimeError("the database is gone")
        return AuthAnswer.OK if password == "secret" else AuthAnswer.BAD_PASSWORD


def ann(home: str = "/", **fields: object) -> Module:
    module = Module("ann", version="1.0")
    module.auth(OneAccount(home, **fields))
    return module
