# SPDX-License-Identifier: Apache-2.0
"""Every exception of the package, in one picture.

::

    FastcoderError
    |-- ArgumentTypeError   (TypeError)    an argument of the wrong type or dtype
    |-- ArgumentError       (ValueError)   a value outside its legal interval
    |   |-- TableError                     a row that is not a distribution, a bad precision
    |   |-- ShapeError                     shapes that do not fit together
    |   |-- IndexRangeError                an index that names no row
    |   `-- SymbolRangeError               a symbol that its row or dtype cannot hold
    |-- StreamError         (ValueError)   bytes that are not what they should be
    |   |-- TruncatedStreamError           they end too early
    |   |   `-- NeedMoreBytesError         so far; the rest may still arrive
    |   |-- CorruptStreamError             they contradict themselves, the table or the indexes
    |   `-- FormatVersionError             they were written by another version of the format
    `-- IsaError            (ValueError)   an instruction set that this machine or build lacks

A message reads ``<argument>[<position>] = <value>, expected <interval>``. Positions count elements
in C order.
"""

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "CorruptStreamError",
    "FastcoderError",
    "FormatVersionError",
    "IndexRangeError",
    "IsaError",
    "NeedMoreBytesError",
    "ShapeError",
    "StreamError",
    "SymbolRangeError",
    "TableError",
    "TruncatedStreamError",
]


class FastcoderError(Exception):
    """Base of every error that this package raises on purpose."""


class ArgumentTypeError(FastcoderError, TypeError):
    """An argument has the wrong type or dtype."""


class ArgumentError(FastcoderError, ValueError):
    """An argument has a value outside its legal interval."""


class TableError(ArgumentError):
    """A row is not a distribution, a precision is illegal, or table bytes are damaged."""


class ShapeError(ArgumentError):
    """Shapes do not fit together."""


class IndexRangeError(ArgumentError):
    """An index names no row of the table."""


class SymbolRangeError(ArgumentError):
    """A symbol lies outside its row (no escape), outside int32, or outside the requested dtype."""


class StreamError(FastcoderError, ValueError):
    """Bytes are not the stream that they should be."""


class TruncatedStreamError(StreamError):
    """The bytes end before their content does."""


class NeedMoreBytesError(TruncatedStreamError):
    """The bytes that a decoder was fed so far end before the symbols asked for do."""


class CorruptStreamError(StreamError):
    """The bytes contradict themselves, the table, or the indexes."""


class FormatVersionError(StreamError):
    """The bytes were written by another version of the format."""


class IsaError(FastcoderError, ValueError):
    """An instruction set is unknown, or this machine or build does not have it."""
