"""What is used of pyftpdlib, loaded without what only its own users of the system would need."""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules
# crypt, which Python 3.13 has no more, hashes a password in each way that it knows as it is imported
_left_out = [name for name in ("crypt", "curses") if name not in _modules]
_modules.update(dict.fromkeys(_left_out))
try:
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.handlers.ftp.data import DTPHandler
    from pyftpdlib.ioloop import Acceptor, Connector, Epoll
finally:
    for _name in _left_out:
        del _modules[_name]

__all__ = ["Acceptor", "Connector", "DTPHandler", "Epoll", "FTPHandler"]
