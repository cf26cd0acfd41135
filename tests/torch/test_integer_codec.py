# SPDX-License-Identifier: Apache-2.0
"""A scale hyperprior whose rows come from an integer network: same files and rows everywhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import fastcoder
from fastcoder.torch import (
    CodecTables,
    FactorizedPrior,
    LatentPart,
    ScaleHyperprior,
    load_model,
    save_model,
)
from fastcoder.torch.exact import ExactTransform
from fastcoder.torch.integer import INPUT_UNIT, IntegerTransform
from tests import reference_integer
from tests.torch.test_integer import hyper_synthesis


def with_network(network: IntegerTransform) -> ScaleHyperprior:
    torch.manual_seed(3)
    codec = ScaleHyperprior(6, 9).eval()
    with torch.no_grad():
        codec.analysis[-1].weight.mul_(30.0)
        codec.hyper_analysis[-1].weight.mul_(30.0)
    codec.attach_tables(dataclasses.replace(codec.build_tables(), hyper=network))
    return codec


@pytest.fixture
def network(rng: np.random.Generator) -> IntegerTransform:
    return hyper_synthesis(rng, 6, 9)


@pytest.fixture
def codec(network: IntegerTransform) -> ScaleHyperprior:
    return with_network(network)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(3, 100, 150, generator=torch.Generator().manual_seed(1))


def test_rows_are_those_of_the_integer_reference(
    codec: ScaleHyperprior, network: IntegerTransform, image: torch.Tensor
) -> None:
    latents = codec.latents(image)
    z = latents.part("z").symbols.astype(np.int64) * round(1 / INPUT_UNIT)
    z += codec.tables.medians.astype(np.int64)[:, None, None]
    rows = reference_integer.evaluate(network, z)
    y = latents.part("y")
    assert np.array_equal(y.indexes, rows)
    assert y.indexes.dtype == np.uint8
    assert len(np.unique(rows)) > 40
    assert latents.sigma is not None
    assert np.array_equal(latents.sigma.numpy(), codec.tables.scales[rows])


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_a_file_decodes_alike_with_any_threads_and_libraries(
    codec: ScaleHyperprior, image: torch.Tensor
) -> None:
    data = codec.compress(image)
    expected = codec.unpack_latents(data)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for enabled in (True, False):
                with torch.backends.mkldnn.flags(enabled=enabled):
                    latents = codec.unpack_latents(data)
                assert codec.pack_latents(latents) == data
                for part in latents.parts:
                    assert np.array_equal(part.symbols, expected.part(part.name).symbols)
                    assert np.array_equal(part.indexes, expected.part(part.name).indexes)
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_file_decodes_alike_on_cuda(codec: ScaleHyperprior, image: torch.Tensor) -> None:
    data = codec.compress(image)
    other = with_network(codec.tables.hyper).cuda()
    other.attach_tables(codec.tables)
    latents = other.unpack_latents(data)
    assert other.pack_latents(latents) == data
    there = other.compress(image)
    assert codec.pack_latents(codec.unpack_latents(there)) == there


@pytest.mark.parametrize("half", [True, False])
def test_the_network_travels_with_the_model(
    codec: ScaleHyperprior, image: torch.Tensor, tmp_path: Path, half: bool
) -> None:
    stored = save_model(codec, tmp_path / "model", half=half)
    loaded = load_model(tmp_path / "model")
    assert loaded.fingerprint == stored.fingerprint
    assert (stored.fingerprint == codec.fingerprint) == (not half)
    assert isinstance(loaded.tables.hyper, IntegerTransform)
    data = stored.compress(image)
    assert loaded.compress(image) == data
    assert torch.equal(loaded.decompress(data), stored.decompress(data))
    without = dataclasses.replace(stored.tables, hyper=None)
    assert without.digest() != stored.tables.digest()


def test_every_damaged_integer_is_noticed(codec: ScaleHyperprior, tmp_path: Path) -> None:
    arrays = codec.tables.to_arrays()
    name = "tables.hyper.1.weight"
    arrays[name] = arrays[name].copy()
    arrays[name][0, 0, 0, 0] ^= 1
    assert CodecTables.from_arrays(arrays).digest() != codec.tables.digest()
    del arrays["tables.hyper.1.bias"]
    with pytest.raises(fastcoder.TableError, match=r"tables.hyper: 1.bias = missing"):
        CodecTables.from_arrays(arrays)


def test_training_goes_on_with_the_float_network(codec: ScaleHyperprior) -> None:
    """The integers belong to weights that are no more, so they are not used any longer."""
    assert codec.integer_network is codec.tables.hyper
    with torch.no_grad():
        codec.hyper_synthesis[0].bias.add_(0.1)
    assert codec.integer_network is None
    assert codec.tables.hyper is None
    assert isinstance(codec._freeze().exact, ExactTransform)


def test_networks_of_other_codecs_are_refused(
    codec: ScaleHyperprior, network: IntegerTransform, rng: np.random.Generator
) -> None:
    tables = codec.tables
    foreign = dataclasses.replace(tables, hyper=hyper_synthesis(rng, 6, 10))
    with pytest.raises(fastcoder.ArgumentError, match=r"tables.hyper: inputs, outputs, scale = "):
        codec.attach_tables(foreign)
    last = dataclasses.replace(network.layers[-1], high=np.full(9, 128, np.int32))
    wide = IntegerTransform([*network.layers[:-1], last], input_shift=4, input_limit=511)
    with pytest.raises(fastcoder.ArgumentError, match=r"rows 0 to 128, expected 0 to 127"):
        codec.attach_tables(dataclasses.replace(tables, hyper=wide))
    with pytest.raises(fastcoder.TableError, match=r"hyper = a network, expected None"):
        dataclasses.replace(FactorizedPrior(6, 9).build_tables(), hyper=network)


def intervals(part: LatentPart) -> list[np.ndarray]:
    """For every row: the cumulative frequencies around each symbol, escapes all alike."""
    table = part.table
    reach = int(np.abs(part.symbols).max()) + 1
    result = []
    for row in range(table.rows):
        cdf = table.cdf(row)
        slots = np.arange(-reach, reach + 1) - table.offsets[row]
        slots = np.where((slots >= 0) & (slots < len(cdf) - 2), slots, len(cdf) - 2)
        result.append(np.stack([cdf[slots], cdf[slots + 1]], 1))
    return result


def faults(
    codec: ScaleHyperprior, image: torch.Tensor, count: int, check: bool, rng: np.random.Generator
) -> tuple[int, int]:
    """Decodes `count` times with one row changed to a neighbor: how many (raised, were wrong).

    A neighbor that gives the symbol the very same interval is no fault and is not drawn.
    """
    z, y = codec.latents(image).parts
    encoder = fastcoder.Encoder(check=check)
    encoder.push(z.symbols, z.indexes, z.table)
    encoder.push(y.symbols, y.indexes, y.table)
    stream = encoder.finish()
    known = intervals(y)
    indexes, symbols = y.indexes.flatten(), y.symbols.flatten()
    middle = len(known[0]) // 2
    raised = wrong = drawn = 0
    while drawn < count:
        place = int(rng.integers(indexes.size))
        true = int(indexes[place])
        other = true + int(rng.choice([-1, 1]))
        if not 0 <= other < y.table.rows:
            continue
        slot = middle + int(symbols[place])
        if np.array_equal(known[true][slot], known[other][slot]):
            continue
        drawn += 1
        indexes[place] = other
        decoder = fastcoder.Decoder(stream)
        decoder.pull(z.indexes, z.table, dtype=np.int16)
        try:
            decoded = decoder.pull(indexes, y.table, dtype=np.int16)
            decoder.finish()
        except (fastcoder.StreamError, fastcoder.SymbolRangeError):
            raised += 1
        else:
            wrong += not np.array_equal(decoded, symbols)
        indexes[place] = true
    return raised, wrong


def test_one_wrong_row_never_passes_in_silence(
    codec: ScaleHyperprior, image: torch.Tensor, rng: np.random.Generator
) -> None:
    count = 10_000
    assert faults(codec, image, count, True, rng) == (count, 0)
    # Without the hash the final states are left. They miss the fault where both intervals lead
    # to the same state, which in flat rows like these happens more often than by chance.
    raised, wrong = faults(codec, image, count, False, rng)
    assert raised + wrong == count
    assert wrong < 0.02 * count
