# SPDX-License-Identifier: Apache-2.0
"""The lock of an object that one caller uses at a time.

A signal handler may run in the middle of a long call, in the thread that made the call. If it used
the very object that the call has locked, it would wait for itself for ever; it gets an error.
"""

import threading
from types import TracebackType

from fastcoder.errors import ArgumentError

__all__ = ["OwnedLock"]


class OwnedLock:
    """A `threading.Lock` for `with`, which a thread that has it cannot take again.

    Example:
        >>> lock = OwnedLock()
        >>> with lock:
        ...     with lock:
        ...         pass
        Traceback (most recent call last):
          ...
        fastcoder.errors.ArgumentError: object = in use by the call that a signal interrupted, \
expected another one
    """

    __slots__ = ("_busy", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._busy = False

    def __enter__(self) -> None:
        # A handler may run between any two of these lines; it then has the lock to itself and is
        # done before the rest.
        self._lock.acquire()
        if self._busy:
            self._lock.release()
            raise ArgumentError(
                "object = in use by the call that a signal interrupted, expected another one"
            )
        self._busy = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._busy = False
        self._lock.release()
