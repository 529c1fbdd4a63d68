"""Drive modules without a socket: a configuration, a line sent, the reply expected."""

from ftpd.testing.bench import Bench

__all__ = ["Bench"]
