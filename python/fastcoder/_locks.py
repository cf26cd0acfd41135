# SPDX-License-Identifier: Apache-2.0
"""The lock of an object that one caller uses at a time.

A signal handler may run in the middle of a long call, in the thread that made the call. If it used
the very object that the call has locked, it would wait for itself for ever; it gets an error.

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

from ._core import OwnedLock

__all__ = ["OwnedLock"]
