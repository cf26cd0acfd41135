# SPDX-License-Identifier: Apache-2.0
"""One way to call one coder, in a process of its own: the original, or what replaces it.

Started by `benchmarks/compat.py` with the Python of the library's environment; prints one JSON
object as its last line. Imports NumPy, and what a case itself imports.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks import runner

Arrays = dict[str, NDArray[Any]]
Made: TypeAlias = Any  # bytes, or a list of them
Symbols: TypeAlias = Any  # an array, a tensor, or lists
PIXEL = 192  # symbols that a context model decodes at once: the channels of one position


class Case(NamedTuple):
    """What is timed, both ways."""

    encode: Callable[[], Made]
    decode: Callable[[Made], Symbols]
    expected: Symbols  # what decode gives for what encode gave


# ---- CompressAI ------------------------------------------------------------------------------


def _coder(original: bool) -> ModuleType:
    if original:
        from benchmarks.adapters import compressai

        return compressai._ANS
    from fastcoder.compat import compressai as ours

    return ours


def _rows(data: Arrays) -> tuple[NDArray[Any], ...]:
    return data["cdfs"], data["sizes"], data["offsets"]


def lists(data: Arrays, original: bool) -> Case:
    """A call with lists that are there already: what a caller of the coder itself sees."""
    coder = _coder(original)
    symbols, indexes = data["symbols"].tolist(), data["indexes"].tolist()
    rows = [array.tolist() for array in _rows(data)]
    return Case(
        lambda: coder.RansEncoder().encode_with_indexes(symbols, indexes, *rows),
        lambda string: coder.RansDecoder().decode_with_indexes(string, indexes, *rows),
        data["symbols"],
    )


def through_lists(data: Arrays, original: bool) -> Case:
    """Arrays to lists on every call, tables included, and back: what its entropy models do."""
    coder = _coder(original)

    def encode() -> Made:
        rows = [array.tolist() for array in _rows(data)]
        symbols, indexes = data["symbols"].tolist(), data["indexes"].tolist()
        return coder.RansEncoder().encode_with_indexes(symbols, indexes, *rows)

    def decode(string: Made) -> Symbols:
        rows = [array.tolist() for array in _rows(data)]
        values = coder.RansDecoder().decode_with_indexes(string, data["indexes"].tolist(), *rows)
        return np.array(values, np.int32)

    return Case(encode, decode, data["symbols"])


def _prepared(data: Arrays, table: bool) -> tuple[Any, ...]:
    if not table:
        return _rows(data)
    from fastcoder import convert

    return (convert.table_from_compressai(*_rows(data)),)


def arrays(data: Arrays, table: bool = False) -> Case:
    """Arrays as they are; with ``table`` the rows are a CdfTable."""
    coder, rows = _coder(original=False), _prepared(data, table)
    symbols, indexes = data["symbols"], data["indexes"]
    return Case(
        lambda: coder.RansEncoder().encode_with_indexes(symbols, indexes, *rows),
        lambda string: coder.RansDecoder().decode_with_indexes(string, indexes, *rows),
        symbols,
    )


def batch_through_lists(data: Arrays) -> Case:
    """A string for each item of a batch, as the original's entropy models make them."""
    parts = [
        through_lists({**data, "symbols": s, "indexes": i}, original=True)
        for s, i in zip(data["symbols"], data["indexes"], strict=True)
    ]
    return Case(
        lambda: [part.encode() for part in parts],
        lambda strings: [p.decode(s) for p, s in zip(parts, strings, strict=True)],
        data["symbols"],
    )


def batch(data: Arrays, table: bool = False) -> Case:
    """The strings of a batch by one call."""
    coder, rows = _coder(original=False), _prepared(data, table)
    symbols, indexes = list(data["symbols"]), list(data["indexes"])
    return Case(
        lambda: coder.encode_many(symbols, indexes, *rows),
        lambda strings: coder.decode_many(strings, indexes, *rows),
        data["symbols"],
    )


def pixels(data: Arrays, original: bool = False, rows: str = "lists") -> Case:
    """A decode_stream call per position of a context model, whose encoder needs one call only."""
    coder = _coder(original)
    tables: Any = [array.tolist() for array in _rows(data)]
    if rows != "lists":
        tables = _prepared(data, table=rows == "table")
    symbols, indexes = data["symbols"], data["indexes"].reshape(-1, PIXEL)
    steps = list(indexes) if rows != "lists" else indexes.tolist()

    def encode() -> Made:
        encoder = coder.BufferedRansEncoder()
        encoder.encode_with_indexes(symbols.tolist(), data["indexes"].tolist(), *tables)
        return encoder.flush()

    def decode(string: Made) -> Symbols:
        decoder = coder.RansDecoder()
        decoder.set_stream(string)
        return [decoder.decode_stream(step, *tables) for step in steps]

    return Case(encode, decode, symbols.reshape(-1, PIXEL))


def entropy_model(data: Arrays, installed: bool) -> Case:
    """`compress` and `decompress` of CompressAI's GaussianConditional, with tensors."""
    import torch
    from compressai.entropy_models import GaussianConditional

    torch.set_num_threads(1)
    if installed:
        import fastcoder.compat.compressai

        fastcoder.compat.compressai.install()
    model = GaussianConditional(None)
    cdfs, sizes, offsets = map(torch.from_numpy, _rows(data))
    model._quantized_cdf, model._cdf_length, model._offset = cdfs, sizes, offsets
    values, indexes = (
        torch.from_numpy(data[name]).reshape(len(data[name]), -1, 8, 8)
        for name in ("symbols", "indexes")
    )
    values = values.float()
    return Case(
        lambda: model.compress(values, indexes),
        lambda strings: model.decompress(strings, indexes),
        values.numpy(),
    )


def converted(data: Arrays) -> Case:
    """`encode`: a string to a stream of fastcoder; `decode`: the way back."""
    from fastcoder import convert

    (table,) = _prepared(data, table=True)
    indexes, coder = data["indexes"], _coder(original=False)
    string = coder.RansEncoder().encode_with_indexes(data["symbols"], indexes, table)
    return Case(
        lambda: convert.from_compressai(string, indexes, table),
        lambda stream: convert.to_compressai(stream, indexes, table),
        string,
    )


# ---- torchac ---------------------------------------------------------------------------------


def _torchac(original: bool) -> ModuleType:
    import torch

    torch.set_num_threads(1)
    if not original:
        from fastcoder.compat import torchac as ours

        return ours
    # A build of its own: the one that it makes by itself has no -O option at all.
    os.environ["TORCH_EXTENSIONS_DIR"] += "-O3"
    from torch.utils import cpp_extension

    load = cpp_extension.load
    cpp_extension.load = lambda *given, **options: load(
        *given, **{**options, "extra_cflags": ["-O3"]}
    )
    import torchac

    return torchac


def torchac_rows(data: Arrays, kind: str, original: bool = False, numpy: bool = False) -> Case:
    """A row for every symbol, in tensors as its callers have them, or in arrays."""
    import torch

    coder = _torchac(original)
    convert = np.asarray if numpy else torch.from_numpy
    rows, symbols = convert(data[kind]), convert(data["symbols"])
    if kind == "float32":
        encode, decode = coder.encode_float_cdf, coder.decode_float_cdf
    else:
        encode, decode = coder.encode_int16_normalized_cdf, coder.decode_int16_normalized_cdf
    return Case(lambda: encode(rows, symbols), lambda made: decode(rows, made), data["symbols"])


CASES: dict[str, Callable[[Arrays], Case]] = {
    "original lists": lambda data: lists(data, original=True),
    "original arrays": lambda data: through_lists(data, original=True),
    "lists": lambda data: lists(data, original=False),
    "arrays": arrays,
    "table": lambda data: arrays(data, table=True),
    "original batch": batch_through_lists,
    "batch": batch,
    "batch table": lambda data: batch(data, table=True),
    "original pixels": lambda data: pixels(data, original=True),
    "pixels": pixels,
    "pixels arrays": lambda data: pixels(data, rows="arrays"),
    "pixels table": lambda data: pixels(data, rows="table"),
    "original model": lambda data: entropy_model(data, installed=False),
    "model": lambda data: entropy_model(data, installed=True),
    "convert": converted,
    "original float32": lambda data: torchac_rows(data, "float32", original=True),
    "original int16": lambda data: torchac_rows(data, "int16", original=True),
    "float32": lambda data: torchac_rows(data, "float32"),
    "int16": lambda data: torchac_rows(data, "int16"),
    "float32 numpy": lambda data: torchac_rows(data, "float32", numpy=True),
    "int16 numpy": lambda data: torchac_rows(data, "int16", numpy=True),
}


def measure(name: str, data: Arrays, effort: runner.Effort) -> dict[str, Any]:
    """Time one case.

    Raises:
        AssertionError: If it does not restore what it encoded.
    """
    case = CASES[name](data)
    made = case.encode()
    found = case.decode(made)
    if isinstance(case.expected, bytes):
        same = found == case.expected
    else:
        same = np.array_equal(np.asarray(found), case.expected)
    if not same:
        raise AssertionError(f"{name} does not restore what it encoded")
    del found
    joined = made if isinstance(made, bytes) else b"".join(made)
    return {
        "case": name,
        "symbols": int(data["symbols"].size),
        "bytes": len(joined),
        "sha256": hashlib.sha256(joined).hexdigest(),
        "encode": runner.summary(runner.durations(case.encode, effort)),
        "decode": runner.summary(runner.durations(lambda: case.decode(made), effort)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--runs", type=int, required=True)
    options = parser.parse_args()
    runner.pin(1)
    with np.load(options.data) as file:
        data = {name: file[name] for name in file.files}
    effort = runner.Effort(options.seconds, options.runs)
    print("\n" + json.dumps(measure(options.case, data, effort)))


if __name__ == "__main__":
    main()
