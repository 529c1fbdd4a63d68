"""One PAM transaction from authentication to the end of its session, through python-pam, in whatever thread."""

from __future__ import annotations

import enum
import threading
from typing import Any

from ftpd.api import AuthAnswer, acting_as_daemon

try:
    import pam as _pam
except ImportError:  # the extra auth_pam is not installed
    _pam = None

_loading = threading.Lock()


def available() -> bool:
    return _pam is not None


class Stage(enum.Enum):
    """How far a transaction has come."""

    PASSWORD = enum.auto()
    ACCOUNT = enum.auto()
    CREDENTIALS = enum.auto()
    SESSION = enum.auto()


def _answer(stage: Stage, code: int) -> AuthAnswer:
    """What ProFTPD makes of PAM's word, which is not the same at each stage."""
    if code == _pam.PAM_SUCCESS:
        return AuthAnswer.OK
    if code == _pam.PAM_USER_UNKNOWN and stage is not Stage.SESSION:
        return AuthAnswer.NO_SUCH_USER
    match stage:
        case Stage.PASSWORD:
            return {
                _pam.PAM_MAXTRIES: AuthAnswer.TOO_MANY_TRIES,
                _pam.PAM_AUTHINFO_UNAVAIL: AuthAnswer.UNAVAILABLE,
                _pam.PAM_CRED_INSUFFICIENT: AuthAnswer.CREDENTIALS_INSUFFICIENT,
            }.get(code, AuthAnswer.BAD_PASSWORD)
        case Stage.ACCOUNT:
            return {
                _pam.PAM_ACCT_EXPIRED: AuthAnswer.DISABLED,
                _pam.PAM_PERM_DENIED: AuthAnswer.DISABLED,
                _pam.PAM_NEW_AUTHTOK_REQD: AuthAnswer.EXPIRED,
                _pam.PAM_AUTHTOK_EXPIRED: AuthAnswer.EXPIRED,
            }.get(code, AuthAnswer.BAD_PASSWORD)
        case Stage.CREDENTIALS:
            return {
                _pam.PAM_CRED_UNAVAIL: AuthAnswer.CREDENTIALS_UNAVAILABLE,
                _pam.PAM_CRED_ERR: AuthAnswer.CREDENTIALS_NOT_SET,
                _pam.PAM_CRED_EXPIRED: AuthAnswer.EXPIRED,
            }.get(code, AuthAnswer.BAD_PASSWORD)
        case Stage.SESSION:
            return AuthAnswer.NOT_INITIALIZED if code == _pam.PAM_SESSION_ERR else AuthAnswer.DISABLED


class Conversation:
    """Not for two threads at once. After :meth:`log_in` gave OK, :meth:`log_out` has to follow some day."""

    def __init__(self, service: str, *, host: str, tty: str | None) -> None:
        self._service = service
        self._host = host
        self._tty = tty
        self._pam: Any = None
        self._open = False
        self._kept: Any = None
        self.stage = Stage.PASSWORD
        """What has refused, if anything has."""
        self.bars = False
        """PAM has said that this user may not come in, and not merely that it does not know this password."""

    def log_in(self, user: str, password: str) -> tuple[AuthAnswer, str]:
        """Authentication, account and session of PAM; the answer, and PAM's own word for the log."""
        with acting_as_daemon():
            with _loading:
                # the first one loads libpam, which python-pam does without a lock
                handle = self._pam = _pam.PamAuthenticator()
            self._prepare(handle, user)
            try:
                handle.authenticate(
                    user, password, self._service, call_end=False, resetcreds=True, encoding="utf-8"
                )  # fmt: skip
            except ValueError as error:
                return AuthAnswer.BAD_PASSWORD, str(error)
            code, reason = handle.code, str(handle.reason)
            if code == _pam.PAM_SUCCESS and handle.handle is not None:
                self.stage = Stage.SESSION
                code = handle.open_session()
                self._open = code == _pam.PAM_SUCCESS
                if not self._open:
                    reason = str(handle.reason)
            if code != _pam.PAM_SUCCESS:
                self._end()
            barring = _pam.PAM_ACCT_EXPIRED, _pam.PAM_PERM_DENIED, _pam.PAM_NEW_AUTHTOK_REQD, _pam.PAM_AUTHTOK_EXPIRED
            self.bars = code in barring
            return _answer(self.stage, code), reason

    def _prepare(self, handle: Any, user: str) -> None:
        start, check = handle.pam_start, handle.pam_authenticate
        look_at_account, set_credentials = handle.pam_acct_mgmt, handle.pam_setcred

        def begin(service: bytes, name: bytes, conversation: Any, to: Any) -> int:
            # PAM may ask as long as the transaction lasts; python-pam lets go of its callback when authenticate() ends
            self._kept = conversation
            code: int = start(service, name, conversation, to)
            return code

        def authenticate(transaction: Any, flags: int) -> int:
            handle.pam_set_item(transaction, _pam.PAM_RHOST, self._host.encode())
            handle.pam_set_item(transaction, _pam.PAM_RUSER, user.encode())
            if self._tty is not None:
                handle.pam_set_item(transaction, _pam.PAM_TTY, self._tty.encode())
            # what modules have to say is for a terminal, which there is none of
            code: int = check(transaction, flags | _SILENT)
            return code

        def manage(transaction: Any, flags: int) -> int:
            self.stage = Stage.ACCOUNT
            code: int = look_at_account(transaction, flags)
            return code

        def set_them(transaction: Any, flags: int) -> int:
            self.stage = Stage.CREDENTIALS
            code: int = set_credentials(transaction, flags)
            return code

        handle.pam_start, handle.pam_authenticate = begin, authenticate
        handle.pam_acct_mgmt, handle.pam_setcred = manage, set_them

    def log_out(self) -> None:
        """Close the session, and with it what PAM holds."""
        with acting_as_daemon():
            if self._open:
                self._open = False
                self._pam.close_session()
            self._end()

    def _end(self) -> None:
        if self._pam is not None and self._pam.handle is not None:
            self._pam.end()
        self._pam = self._kept = None


_SILENT = 0x8000
"""PAM_SILENT of <security/_pam_types.h>."""
