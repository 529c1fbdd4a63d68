"""Which reply tells the truth about a transfer that failed: the cause in words, and whose fault it was."""

from __future__ import annotations

import errno
import os

from ftpd.module.wire import TransferError

CLOSED = "Transfer aborted. Data connection closed"

# RFC 959 4.2: 552 is the client's allotment, 452 the system's storage, 451 any other local trouble
_LOCAL = {errno.ENOSPC: 452, errno.EDQUOT: 552, errno.EFBIG: 552}


def connection_lost(moved: int) -> TransferError:
    """The client's end of the data connection is gone."""
    return TransferError(426, CLOSED, moved=moved)


def local_failure(error: OSError, moved: int) -> TransferError:
    """Our file could not be read or written."""
    code = error.errno or errno.EIO
    return TransferError(_LOCAL.get(code, 451), f"Transfer aborted. {os.strerror(code)}", moved=moved)


def too_large(moved: int) -> TransferError:
    """The upload is longer than the configuration allows."""
    return TransferError(552, f"Transfer aborted. {os.strerror(errno.EFBIG)}", moved=moved)


def cannot_connect(code: int) -> TransferError:
    """No data connection came about."""
    return TransferError(425, f"Unable to build data connection: {os.strerror(code)}")


def file_shrank(moved: int) -> TransferError:
    """The file ended before the size that was announced: a 226 would call a torn copy whole."""
    return TransferError(451, "Transfer aborted. The file became shorter while it was sent", moved=moved)


def stalled(seconds: float, moved: int) -> TransferError:
    """TimeoutStalled has run out; the session ends."""
    return TransferError(
        421, f"Data transfer stall timeout ({seconds:g} seconds): closing data connection", moved=moved
    )
