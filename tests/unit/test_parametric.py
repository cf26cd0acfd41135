# SPDX-License-Identifier: Apache-2.0
"""fastcoder.parametric: fixed point, the integer cdf, errors, streams, what it loses.

A little over 400 lines: one test for each sentence of docs/parametric.md.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastcoder import (
    ArgumentError,
    ArgumentTypeError,
    CdfTable,
    Decoder,
    Encoder,
    FastcoderError,
    ShapeError,
    StreamError,
    SymbolRangeError,
    _core,
    parametric,
    random,
)
from fastcoder.parametric import Gaussian, Laplace, Logistic, Mixture
from tests import reference_parametric as reference
from tests.golden import make_parametric

FAMILIES = {"gaussian": Gaussian, "laplace": Laplace, "logistic": Logistic}
KNOTS_SHA256 = {
    "gaussian": "7b8bfbf24c526f358afce593e095d3f5bca3d0dc6c54f24b2879ea3946901ce5",
    "laplace": "6da5379420f268b8573704a4ef69172c8f947efade3b71a028608dd8193b6cde",
    "logistic": "41d336ff71a049635156f088602313f5432e808523aeb4783367708f94e7089c",
}
# docs/parametric.md 4: |T / 2^30 - F| at fixed-point means and scales.
ERROR_BOUND = {"gaussian": 6e-7, "laplace": 4e-6, "logistic": 9e-7}


def exact_cdf(family: str, x: np.ndarray) -> np.ndarray:
    return np.array([reference.CDFS[family][0](v) for v in np.clip(x, -600, 600)])


def exact_bits(symbols: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> float:
    """Of rounded Gaussian symbols under the float model, without cancellation in the tails."""
    a = np.abs(symbols - mean)
    upper = np.array([math.erfc(v) for v in (a - 0.5) / scale / math.sqrt(2)])
    lower = np.array([math.erfc(v) for v in (a + 0.5) / scale / math.sqrt(2)])
    return float(-np.log2((upper - lower) / 2).sum())


def latents(median: float, spread: float, cap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """As the workloads W1 and W2: log-normal scales, rounded Gaussian symbols."""
    field, noise = random.normal((2, 20000), seed=seed)
    scale = np.clip(median * np.exp(spread * field), 0.01, cap)
    return np.rint(scale * noise).astype(np.int32), scale


@pytest.mark.parametrize("family", FAMILIES)
def test_knots_are_the_correctly_rounded_ones(family: str) -> None:
    found = _core.parametric_knots(family)
    assert found.tolist() == reference.knots(family)
    assert hashlib.sha256(found.astype("<u4").tobytes()).hexdigest() == KNOTS_SHA256[family]
    assert (np.diff(found) >= 0).all()
    page = Path(__file__).resolve().parents[2] / "docs" / "parametric.md"
    assert KNOTS_SHA256[family] in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reals_become_fixed_point_by_the_rule(dtype: type) -> None:
    mean = np.concatenate([
        random.normal(300, 1) * 10, random.normal(100, 2) * 2e5, np.arange(-40, 40) / 2048,
        [2.0**20, -(2.0**20), 0.0, -0.0, 5e-324],
    ]).astype(dtype)  # fmt: skip
    scale = np.concatenate([
        np.exp(random.normal(400, 3) * 4), 1 + np.arange(60) / 512, 2 - np.arange(1, 9) / 1024,
        2.0**-10 * (1 - np.arange(8) / 1024), [2.0**20, 0.0, -0.0, 5e-324, 2.0**-10],
    ]).astype(dtype)  # fmt: skip
    means = Gaussian(mean, 1.0, support=(0, 1)).mean_fixed
    scales = Gaussian(0.0, scale, support=(0, 1)).scale_fixed
    assert means.tolist() == [reference.fix_mean(float(m)) for m in mean]
    assert scales.tolist() == [reference.fix_scale(float(s)) for s in scale]
    ratio = 2.0 ** (scales // 256 - 10.0) * (1 + scales % 256 / 256) / np.maximum(scale, 2.0**-10)
    assert np.abs(ratio - 1).max() <= 2.0**-9


def test_weights_become_fixed_point_by_the_rule() -> None:
    weights = random.uniform((5, 200), seed=4) ** 4
    weights[0, :5] = 0
    mixture = Mixture([Gaussian(float(k), 1.0, support=(-9, 9)) for k in range(5)], weights)
    found = mixture.weights_fixed
    assert (found.sum(axis=0) == 65536).all()
    assert found.T.tolist() == [reference.fix_weights(list(w)) for w in weights.T]
    assert np.abs(found / 65536 - weights / weights.sum(axis=0)).max() < 2.0**-15


@pytest.mark.parametrize("family", FAMILIES)
def test_cdf_is_close_to_the_float_model(family: str, isa: str) -> None:
    # A support of one symbol more than two has next to no floor to disturb the comparison.
    count = 4000
    means = (random.normal(count, 5) * 3000).astype(np.int32)
    scales = random.uint32(count, 6) % 2300 + 1200
    model = FAMILIES[family].from_fixed(means, scales, support=(-1, 1))
    start, _ = model.intervals(np.zeros(count, np.int8))
    scale = 2.0 ** (scales // 256 - 10.0) * (1 + scales % 256 / 256)
    exact = exact_cdf(family, (-0.5 - means / 1024) / scale)
    assert np.abs((start - 1.0) / (2**24 - 3) - exact).max() < ERROR_BOUND[family] + 2.0**-24


@pytest.mark.parametrize("family", FAMILIES)
def test_every_symbol_has_a_frequency_and_they_fill_everything(family: str, isa: str) -> None:
    for mean in (-(2**20), -77.3, 0.0, 0.5, 1e3, 2**20):
        for scale in (0.0, 0.1, 3.0, 700.0, 2**20):
            for low, high in ((-300, 211), (5, 5), (-1, 0)):
                model = FAMILIES[family](mean, scale, support=(low, high))
                starts, frequencies = model.intervals(np.arange(low, high + 1))
                assert frequencies.min() >= 1
                assert (np.cumsum(frequencies)[:-1] == starts[1:]).all()
                assert starts[0] == 0
                assert frequencies.sum() == 2**24


def test_widest_support_has_all_its_symbols(isa: str) -> None:
    symbols = np.arange(-(2**15), 2**15)
    model = Logistic(12.5, 900.0, support=(-(2**15), 2**15 - 1))
    starts, frequencies = model.intervals(symbols)
    assert frequencies.min() >= 1
    assert frequencies.sum() == 2**24
    assert (model.find(starts) == symbols).all()
    assert (model.find(starts + frequencies - 1) == symbols).all()


@pytest.mark.parametrize(
    ("workload", "most"), [((0.4, 1.15, 30.0), 0.02), ((4.0, 0.7, 60.0), 0.02)], ids=["W1", "W2"]
)
def test_loss_to_the_float_model_is_within_its_bound(
    workload: tuple[float, float, float], most: float
) -> None:
    symbols, scale = latents(*workload, seed=31)
    ideal = exact_bits(symbols, np.zeros(symbols.size), scale)
    cost = Gaussian(0.0, scale, support=(-256, 255)).cost(symbols)
    assert abs(cost / ideal - 1) * 100 < most
    mean = random.normal(symbols.size, seed=32) * 5
    moved = np.rint(mean + scale * random.normal(symbols.size, seed=33)).astype(np.int32)
    ideal = exact_bits(moved, mean, scale)
    assert abs(Gaussian(mean, scale, support=(-256, 255)).cost(moved) / ideal - 1) * 100 < most


def test_stream_costs_what_the_model_says() -> None:
    symbols, scale = latents(4.0, 0.7, 60.0, seed=35)
    model = Gaussian(0.0, scale, support=(-256, 255))
    encoder = Encoder()
    encoder.push_parametric(symbols, model)
    assert len(encoder.finish()) <= model.cost(symbols) / 8 * 1.002 + 8


def mixed_model(count: int, seed: int) -> Mixture:
    means = random.normal((3, count), seed=seed) * 20
    scales = np.exp(random.normal((3, count), seed=seed + 1) * 1.5)
    support = (-128, 127)
    components = [
        Gaussian(means[0], scales[0], support=support),
        Laplace(means[1], scales[1], support=support),
        Logistic(means[2], 2.0, support=support),
    ]
    return Mixture(components, random.uniform((3, count), seed=seed + 2))


@pytest.mark.parametrize("lanes", [None, 1, 4, 32])
@pytest.mark.parametrize("count", [0, 1, 31, 33, 700, 5000])
def test_streams_round_trip_on_every_isa(count: int, lanes: int | None, isa: str) -> None:
    symbols = (random.uint32(count, seed=8) % 256).astype(np.int16) - 128
    plain = Gaussian(random.normal(count, 9), np.exp(random.normal(count, 10)), support=(-128, 127))
    mixture = mixed_model(count, 40)
    one = Laplace(1.0, 9.0, support=(-128, 127))
    encoder = Encoder(check=True, lanes=lanes)
    for model in (plain, mixture, one):
        encoder.push_parametric(symbols, model)
    decoder = Decoder(encoder.finish())
    assert (decoder.pull_parametric(plain) == symbols).all()
    assert (decoder.pull_parametric(mixture, dtype=np.int16) == symbols).all()
    for size in (count // 3, count - count // 3):
        first = 0 if size == count // 3 else count // 3
        found = decoder.pull_parametric(one, np.int8, shape=size)
        assert (found == symbols[first : first + size]).all()
    decoder.finish()


def test_segments_and_other_pushes_mix(isa: str) -> None:
    table = CdfTable.gaussian([3.0])
    rows = np.zeros(100, np.uint8)
    symbols = (random.uint32(100, seed=8) % 9).astype(np.int8)
    model = Gaussian(4.0, 3.0, support=(0, 8))
    encoder = Encoder(segment=16, check=True)
    encoder.push(symbols, rows, table)
    encoder.push_parametric(symbols, model)
    encoder.push_bits(symbols.astype(np.uint8), 4)
    encoder.push_parametric(symbols.reshape(4, 25), model)
    encoder.push(symbols, rows, table)
    decoder = Decoder(encoder.finish())
    out = np.empty((4, 25), np.int64)
    assert (decoder.pull(rows, table) == symbols).all()
    assert (decoder.pull_parametric(model, shape=100) == symbols).all()
    assert (decoder.pull_bits(100, 4) == symbols).all()
    assert decoder.pull_parametric(model, out=out) is out
    assert (out.ravel() == symbols).all()
    assert (decoder.pull(rows, table) == symbols).all()
    decoder.finish()


def test_shapes_broadcast() -> None:
    mean, scale = random.normal((2, 1), seed=1), np.exp(random.normal(3, seed=2))
    model = Gaussian(mean, scale, support=(-5, 5))
    assert model.shape == (2, 3)
    assert (model.mean_fixed[:, 0] == np.rint(mean[:, 0] * 1024)).all()
    symbols = np.array([[0, 1, -1], [2, 0, -2]])
    full = Gaussian(np.repeat(mean, 3, 1), np.stack([scale] * 2), support=(-5, 5))
    assert (model.intervals(symbols)[0] == full.intervals(symbols)[0]).all()
    single = Gaussian([[0.0]], 1.0, support=(-5, 5))
    assert single.shape == single.mean_fixed.shape == single.scale_fixed.shape == (1, 1)
    mixture = Mixture([model, Laplace(0.0, 1.0, support=(-5, 5))], [0.25, 0.75])
    assert mixture.shape == (2, 3)
    assert mixture.weights_fixed.ravel().tolist() == [16384, 49152]
    assert (mixture.find(mixture.intervals(symbols)[0]) == symbols).all()
    across = Mixture([Gaussian(mean, 1.0, support=(-5, 5)), Laplace(0.0, scale, support=(-5, 5))],
                     np.ones((2, 1, 1)))  # fmt: skip
    assert across.shape == (2, 3)
    assert (across.find(across.intervals(symbols)[0]) == symbols).all()
    assert [c.shape for c in across.components] == [(2, 1), (3,)]


GOOD: dict[str, Any] = {"mean": [0.0, 1.0], "scale": [1.0, 2.0], "support": (-4, 4)}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mean": [0.0, math.nan]}, ArgumentError, "mean[1] = nan, expected -2**20 <= mean <= "),
        ({"mean": [math.inf, 0.0]}, ArgumentError, "mean[0] = inf, expected -2**20 <= mean <= "),
        ({"mean": np.float32([0, 2e6])}, ArgumentError, "mean[1] = 2e+06, expected -2**20 <= "),
        ({"scale": [-1.0, 1.0]}, ArgumentError, "scale[0] = -1, expected 0 <= scale <= 2**20"),
        ({"scale": [1.0, math.nan]}, ArgumentError, "scale[1] = nan, expected 0 <= scale <= 2**20"),
        ({"scale": [1.0, 2e6]}, ArgumentError, "scale[1] = 2e+06, expected 0 <= scale <= 2**20"),
        ({"scale": [1.0, -5e-324]}, ArgumentError, "scale[1] = -4.94066e-324, expected 0 <= "),
        ({"scale": ["a", "b"]}, ArgumentTypeError, "scale.dtype = <U1, expected float32, float64"),
        ({"mean": True}, ArgumentTypeError, "type(mean) = bool, expected real numbers"),
        ({"scale": [1.0] * 3}, ShapeError, "scale.shape = (3,), expected one that broadcasts"),
        ({"support": (1, 0)}, ArgumentError, "support[1] = 0, expected 1 <= support[1] <= 65536"),
        ({"support": (0, 2**16)}, ArgumentError, "support[1] = 65536, expected 0 <= support[1]"),
        ({"support": (2**19, 2**19)}, ArgumentError, "support[0] = 524288, expected -2**19 <= "),
        ({"support": (-(2**70), 0)}, ArgumentError, "support[0] = -1099511627776, expected"),
        ({"support": (0.5, 1)}, ArgumentTypeError, "type(support[0]) = float, expected int"),
        ({"support": (0, 1, 2)}, ShapeError, "len(support) = 3, expected 2"),
    ],
)
def test_bad_parameter_is_an_error(
    arguments: dict[str, Any], error: type[FastcoderError], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Gaussian(**{**GOOD, **arguments})


@pytest.mark.parametrize(
    ("mean", "scale", "error", "message"),
    [
        ([0, 2**30 + 1], 0, ArgumentError, "mean[1] = 1073741825, expected -2**30 <= mean"),
        ([0, 2**31], 0, ArgumentError, "mean[1] = 2147483648, expected a int32"),
        ([0, 0], [7680, 7681], ArgumentError, "scale[1] = 7681, expected 0 <= scale <= 7680"),
        (0, -1, ArgumentError, "scale[0] = -1, expected a uint16"),
        ([0.5], 0, ArgumentTypeError, "mean.dtype = float64, expected integers"),
    ],
)
def test_bad_fixed_point_is_an_error(
    mean: Any, scale: Any, error: type[FastcoderError], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Laplace.from_fixed(np.array(mean), np.array(scale), support=(0, 1))


def test_bad_mixture_is_an_error() -> None:
    one, two = Gaussian(0.0, 1.0, support=(0, 1)), Gaussian(0.0, 1.0, support=(0, 2))
    pair = [one, one]
    cases: list[tuple[Any, Any, type[FastcoderError], str]] = [
        ([one, two], [1, 1], ArgumentError, "components[1].support = (0, 2), expected (0, 1)"),
        ([one, None], [1, 1], ArgumentTypeError, "type(components[1]) = NoneType, expected Gauss"),
        (one, [1], ArgumentTypeError, "type(components) = Gaussian, expected a list"),
        (pair, [1], ShapeError, "weights.shape = (1,), expected 2 components first"),
        (pair, [[1.0, 1.0], [1.0, -0.5]], ArgumentError, "weights[1][1] = -0.5, expected 0 <= "),
        (pair, [[1.0], [math.nan]], ArgumentError, "weights[1][0] = nan, expected 0 <= weight"),
        (pair, [[1.0, 0.0], [1.0, 0.0]], ArgumentError, "sum(weights[:][1]) = 0, expected at le"),
        ([one] * 65, np.ones(65), ArgumentError, "len(components) = 65, expected 1 <= len(compo"),
        ([], [], ShapeError, "weights.shape = (0,), expected 0 components first"),
    ]
    for components, weights, error, message in cases:
        with pytest.raises(error, match=re.escape(message)):
            Mixture(components, weights)


def test_symbol_outside_the_support_is_an_error_and_changes_nothing() -> None:
    model = Gaussian([0.0] * 3, 1.0, support=(-4, 4))
    encoder = Encoder()
    for symbols in ([0, 5, -9], np.array([0, 5, 0], np.uint32), np.array([4, 2**40, 0])):
        value = int(symbols[1])
        with pytest.raises(
            SymbolRangeError, match=re.escape(f"symbols[1] = {value}, expected -4 <= symbol <= 4")
        ):
            encoder.push_parametric(symbols, model)
    with pytest.raises(SymbolRangeError, match=re.escape("symbols[2] = -5")):
        model.cost([0, 0, -5])
    assert encoder.finish() == b"\0"


def test_wrong_arguments_of_push_and_pull_are_errors() -> None:
    model, free = Gaussian([0.0] * 3, 1.0, support=(-4, 4)), Gaussian(0.0, 1.0, support=(-4, 4))
    encoder = Encoder()
    encoder.push_parametric([1, 2, 3], model)
    with pytest.raises(ShapeError, match=re.escape("symbols.shape = (2,), expected (3,)")):
        encoder.push_parametric([1, 2], model)
    with pytest.raises(ArgumentTypeError, match=re.escape("symbols.dtype = float64")):
        encoder.push_parametric([0.5] * 3, model)
    with pytest.raises(ArgumentTypeError, match=re.escape("type(model) = str, expected")):
        encoder.push_parametric([1], "gaussian")  # type: ignore[arg-type]
    decoder = Decoder(encoder.finish())
    with pytest.raises(ArgumentError, match="shape = None, expected a shape where model has none"):
        decoder.pull_parametric(free)
    with pytest.raises(ShapeError, match=re.escape("shape = (4,), expected (3,), the shape of mo")):
        decoder.pull_parametric(model, shape=4)
    with pytest.raises(ShapeError, match=re.escape("out.shape = (4,), expected (3,)")):
        decoder.pull_parametric(model, out=np.empty(4, np.int32))
    with pytest.raises(StreamError, match=re.escape("symbols[3] = nothing, expected")):
        decoder.pull_parametric(free, shape=4)
    assert decoder.pull_parametric(model).tolist() == [1, 2, 3]
    decoder.finish()
    for values, message in (
        ([1, 2**24, 0], "values[1] = 16777216"),
        ([1, 0, -1], "values[2] = -1"),
    ):
        with pytest.raises(
            ArgumentError, match=re.escape(message + ", expected 0 <= value < 2**24")
        ):
            model.find(values)


def test_decoded_symbol_that_does_not_fit_is_an_error_and_the_decoder_stays() -> None:
    model = Gaussian(0.0, 100.0, support=(-1000, 1000))
    encoder = Encoder()
    encoder.push_parametric([5, 300], model)
    decoder = Decoder(encoder.finish())
    with pytest.raises(SymbolRangeError, match=re.escape("symbols[1] = 300")):
        decoder.pull_parametric(model, dtype=np.int8, shape=2)
    assert decoder.pull_parametric(model, shape=2).tolist() == [5, 300]


def test_narrow_stream_is_an_error() -> None:
    encoder = Encoder()
    encoder.push([0, 1], None, CdfTable.from_pmf([[0.5, 0.5]], [0]))
    with pytest.raises(StreamError, match=re.escape("flags bit 4 = 0, expected 1")):
        Decoder(encoder.finish()).pull_parametric(Gaussian(0.0, 1.0, support=(0, 1)), shape=2)


def test_damaged_stream_raises_or_gives_symbols_of_the_support(isa: str) -> None:
    model = mixed_model(120, 60)
    symbols = (random.uint32(120, seed=61) % 40).astype(np.int32) - 20
    encoder = Encoder(check=True, lanes=32)
    encoder.push_parametric(symbols, model)
    stream = encoder.finish()
    noticed = 0
    changed = [stream[:cut] for cut in range(len(stream))]
    for position in range(len(stream)):
        damaged = bytearray(stream)
        damaged[position] ^= 1 << position % 8
        changed.append(bytes(damaged))
    for damaged_stream in changed:
        try:
            decoder = Decoder(damaged_stream)
            found = decoder.pull_parametric(model)
            assert -128 <= found.min() <= found.max() <= 127
            decoder.finish()
        except StreamError:
            noticed += 1
    assert noticed == len(changed)


def test_intervals_of_pushes_are_those_that_intervals_gives(isa: str) -> None:
    model = mixed_model(300, 70)
    symbols = (random.uint32(300, seed=71) % 256).astype(np.int32) - 128
    one, two = Encoder(check=True), Encoder(check=True)
    one.push_parametric(symbols, model)
    two.push_intervals(*model.intervals(symbols), parametric.PRECISION)
    assert one.finish() == two.finish()


@pytest.mark.parametrize("case", make_parametric.load(), ids=lambda case: case["name"])
def test_golden_streams_are_read_and_written(case: dict[str, Any], isa: str) -> None:
    model = make_parametric.native_model(case)
    stream = bytes.fromhex(case["stream"])
    decoder = Decoder(stream)
    assert decoder.pull_parametric(model).tolist() == case["symbols"]
    decoder.finish()
    encoder = Encoder(check=True, lanes=case["lanes"])
    encoder.push_parametric(case["symbols"], model)
    assert encoder.finish() == stream
    assert make_parametric.reference_stream(case) == stream
    make_parametric.check_decoding(case, stream)


def test_golden_streams_are_all_there() -> None:
    names = {case["name"] for case in make_parametric.load()}
    assert names == set(make_parametric.cases())
    assert (Path(make_parametric.__file__).parent / "v1" / "parametric.json").is_file()


@pytest.mark.parametrize(
    ("sigma", "entropy"), [(0.11, 0.2867), (0.3, 0.7797), (1.0, 2.1048), (4.0, 4.0508)]
)
def test_dithered_symbols_cost_the_entropy_of_the_noisy_latent(
    sigma: float, entropy: float
) -> None:
    # Universal quantization (Agustsson and Theis, 2020): k = round(y - u), P(k | u) is the mass of
    # k + u under y + uniform noise, and the rate is h(y + u). Both sides make u from a seed.
    count = 1 << 14
    dither = random.uniform(count, seed=81) - 0.5
    latent = sigma * random.normal(count, seed=82)
    symbols = np.rint(latent - dither).astype(np.int32)
    model = Gaussian(-dither, sigma, support=(-64, 63))
    encoder = Encoder(lanes=1)
    encoder.push_parametric(symbols, model)
    bits = 8 * len(encoder.finish())
    ideal = exact_bits(symbols, -dither, np.full(count, sigma))
    assert abs(bits - ideal) < 0.001 * ideal + 64
    each = [exact_bits(symbols[i::64], -dither[i::64], np.full(count // 64, sigma))
            for i in range(64)]  # fmt: skip
    spread = np.std(each) * 8 / count
    assert abs(ideal / count - entropy) < 4 * spread + 1e-4
    # What the decoder restores is the latent plus noise that is uniform and independent of it.
    noise = symbols + random.uniform(count, seed=81) - 0.5 - latent
    assert np.abs(noise).max() <= 0.5
    assert abs(noise.var() * 12 - 1) < 4 * math.sqrt(0.8 / count)
    assert abs((noise * latent).mean()) < 4 * math.sqrt(1 / 12 / count) * sigma
