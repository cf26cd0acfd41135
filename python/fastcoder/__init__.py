# SPDX-License-Identifier: Apache-2.0
"""The entropy coder for learned compression. Needs NumPy only; PyTorch is in fastcoder.torch."""

from __future__ import annotations

from importlib.metadata import version as _version

__version__ = _version("fastcoder")

try:
    from . import _core
except ImportError as _error:
    raise ImportError(
        "fastcoder._core is missing: the extension was not compiled. "
        "Install the package (pip install .) instead of importing the source folder."
    ) from _error
if __version__ != _core.VERSION:
    raise ImportError(
        f"fastcoder is {__version__} but fastcoder._core was built from {_core.VERSION}: reinstall"
    )

from . import codes as codes
from . import convert as convert
from . import isa as isa
from . import parametric as parametric
from . import random as random
from .coding import cost as cost
from .coding import decode as decode
from .coding import decode_many as decode_many
from .coding import decode_range as decode_range
from .coding import encode as encode
from .coding import encode_many as encode_many
from .errors import ArgumentError as ArgumentError
from .errors import ArgumentTypeError as ArgumentTypeError
from .errors import CorruptStreamError as CorruptStreamError
from .errors import FastcoderError as FastcoderError
from .errors import FormatVersionError as FormatVersionError
from .errors import IndexRangeError as IndexRangeError
from .errors import IsaError as IsaError
from .errors import NeedMoreBytesError as NeedMoreBytesError
from .errors import ShapeError as ShapeError
from .errors import StreamError as StreamError
from .errors import SymbolRangeError as SymbolRangeError
from .errors import TableError as TableError
from .errors import TruncatedStreamError as TruncatedStreamError
from .large_tables import LargeTable as LargeTable
from .range_coding import AdaptiveTable as AdaptiveTable
from .range_coding import RangeDecoder as RangeDecoder
from .range_coding import RangeEncoder as RangeEncoder
from .rate_report import RateReport as RateReport
from .rate_report import report as report
from .scales import DEFAULT_SCALE_LEVELS as DEFAULT_SCALE_LEVELS
from .scales import scale_indexes as scale_indexes
from .scales import scale_table as scale_table
from .stack import Stack as Stack
from .streaming import Decoder as Decoder
from .streaming import Encoder as Encoder
from .tables import CdfTable as CdfTable
from .threads import get_threads as get_threads
from .threads import set_threads as set_threads

# A wrong FASTCODER_ISA or FASTCODER_THREADS is an error now, not at the first coded symbol.
isa.active()
get_threads()

__all__ = [
    "DEFAULT_SCALE_LEVELS",
    "AdaptiveTable",
    "ArgumentError",
    "ArgumentTypeError",
    "CdfTable",
    "CorruptStreamError",
    "Decoder",
    "Encoder",
    "FastcoderError",
    "FormatVersionError",
    "IndexRangeError",
    "IsaError",
    "LargeTable",
    "NeedMoreBytesError",
    "RangeDecoder",
    "RangeEncoder",
    "RateReport",
    "ShapeError",
    "Stack",
    "StreamError",
    "SymbolRangeError",
    "TableError",
    "TruncatedStreamError",
    "codes",
    "convert",
    "cost",
    "decode",
    "decode_many",
    "decode_range",
    "encode",
    "encode_many",
    "get_threads",
    "isa",
    "parametric",
    "random",
    "report",
    "scale_indexes",
    "scale_table",
    "set_threads",
]
