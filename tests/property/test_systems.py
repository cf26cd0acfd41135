# SPDX-License-Identifier: Apache-2.0
"""What published systems ask of the coder, each with the number that theory gives.

Context models that decode in steps (raster, checkerboard, slices, wavefront), indexes of
communicated samples, dithered symbols of a whole number of bits, and the bound on codes that are
too good to be true.
"""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest

import fastcoder as fc
from benchmarks import chunked, context_models

POISON = np.iinfo(np.int32).min


# --- context models ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", context_models.MODELS)
@pytest.mark.parametrize("shape", [(8, 12, 40), (5, 7, 10)])
def test_a_context_model_decodes_step_by_step(isa, kind, shape):
    model, table = kind(*shape), context_models.table()
    symbols = context_models.draw(model, seed=1)
    steps = list(context_models.pushes(model, symbols))
    stream = context_models.encode(model, symbols, table)

    # The steps leave no trace: one push of everything gives the same bytes.
    flat = [np.concatenate([part[i].ravel() for part in steps]) for i in (0, 1)]
    encoder = fc.Encoder(check=True)
    encoder.push(*flat, table)
    assert encoder.finish() == stream
    cost = fc.cost(*flat, table)
    assert cost / 8 - 2 <= len(stream) <= cost / 8 * 1.002 + 8 + 4

    used = []

    def watch(step: int, decoder: fc.Decoder) -> None:
        used.append(decoder.tell())

    decoded = context_models.decode(model, stream, table, watch)
    assert len(used) == model.steps
    for step, (values, rows) in enumerate(steps):
        np.testing.assert_array_equal(model.place(decoded, step), values)
        np.testing.assert_array_equal(model.rows(decoded, step), rows)
    assert used == sorted(used)
    assert used[-1] < 8 * len(stream)


@pytest.mark.parametrize("kind", context_models.MODELS)
def test_no_context_reads_a_symbol_of_a_later_step(kind):
    model = kind(6, 6, 20)
    symbols, unknown = context_models.draw(model, seed=2), model.empty()
    other = np.where(unknown == POISON, 999, unknown)
    for step in range(model.steps):
        np.testing.assert_array_equal(model.rows(unknown, step), model.rows(other, step))
        for known in (unknown, other):
            model.place(known, step)[...] = model.place(symbols, step)


def test_context_models_pull_as_often_as_they_say():
    raster, checkerboard, slices = (kind(*chunked.SHAPE) for kind in context_models.MODELS)
    assert (raster.steps, raster.place(raster.empty(), 700).size) == (1536, 192)
    assert checkerboard.steps == 2
    assert slices.steps == 10


@pytest.mark.parametrize("kind", context_models.MODELS)
def test_the_benchmark_of_steps_measures_and_prints(kind):
    row = chunked.measure(kind, seed=1, shape=(4, 6, 20), runs=1)
    assert 8 * row["bytes"] > row["table_bits"]
    assert f"| {kind.name} | {row['pulls']} x " in chunked.markdown([row])


# --- wavefront: an integer autoregressive model --------------------------------------------------

SIZE, FRACTION = 64, 64


def laplace_cdf(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, 0.5 * np.exp(np.minimum(x, 0)), 1 - 0.5 * np.exp(-np.maximum(x, 0)))


def laplace_bits(symbols: np.ndarray, mean: np.ndarray) -> float:
    p = laplace_cdf(symbols + 0.5 - mean) - laplace_cdf(symbols - 0.5 - mean)
    return float(-np.log2(p).sum())


def laplace_table() -> fc.CdfTable:
    """Row f: x - floor(mean), where the mean is f / 64 above its floor; Laplace with b = 1."""
    k = np.arange(-24, 26)
    centers = (np.arange(FRACTION) / FRACTION)[:, None]
    rows = laplace_cdf(k + 0.5 - centers) - laplace_cdf(k - 0.5 - centers)
    return fc.CdfTable.from_pmf(rows, [-24] * FRACTION, precision=16)


def predict(left: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Floor and row of the mean 0.6 left + 0.3 up, in integers: weights in 1/1024, mean in 1/64."""
    mean = (614 * left.astype(np.int64) + 307 * up.astype(np.int64) + 8) >> 4
    return mean >> 6, (mean & 63).astype(np.uint8)


def autoregressive_field(seed: int) -> np.ndarray:
    """x = round(0.6 left + 0.3 up + Laplace(1)), with a border of zeros."""
    noise = np.random.default_rng(seed).laplace(size=(SIZE + 1, SIZE + 1))
    x = np.zeros((SIZE + 1, SIZE + 1), np.int32)
    for r, c in itertools.product(range(1, SIZE + 1), repeat=2):
        x[r, c] = np.rint(0.6 * x[r, c - 1] + 0.3 * x[r - 1, c] + noise[r, c])
    return x


def wavefront() -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions of every step: row + column. Both neighbors belong to the step before."""
    steps = []
    for d in range(2 * SIZE - 1):
        r = np.arange(max(0, d - SIZE + 1), min(d, SIZE - 1) + 1)
        steps.append((r + 1, d - r + 1))
    return steps


def raster() -> list[tuple[np.ndarray, np.ndarray]]:
    order = itertools.product(range(1, SIZE + 1), repeat=2)
    return [(np.array([r]), np.array([c])) for r, c in order]


@pytest.mark.parametrize("order", [wavefront, raster])
def test_an_integer_model_decodes_in_any_causal_order(order):
    x, table, steps = autoregressive_field(seed=4), laplace_table(), order()
    low, rows = predict(x[1:, :-1], x[:-1, 1:])  # by the encoder, at once
    symbols = x[1:, 1:] - low
    encoder = fc.Encoder()
    for r, c in steps:
        encoder.push(symbols[r - 1, c - 1], rows[r - 1, c - 1], table)
    stream = encoder.finish()

    decoded = np.full_like(x, POISON)
    decoded[0], decoded[:, 0] = 0, 0
    decoder = fc.Decoder(stream)
    for r, c in steps:
        left, up = decoded[r, c - 1], decoded[r - 1, c]
        assert (left != POISON).all()
        assert (up != POISON).all()
        step_low, step_rows = predict(left, up)
        np.testing.assert_array_equal(step_rows, rows[r - 1, c - 1])
        decoded[r, c] = step_low + decoder.pull(step_rows, table)
    decoder.finish()
    np.testing.assert_array_equal(decoded, x)

    count = SIZE * SIZE
    cost = fc.cost(symbols, rows, table)
    assert 8 * len(stream) <= 1.002 * cost + 64
    exact = laplace_bits(x[1:, 1:], 0.6 * x[1:, :-1] + 0.3 * x[:-1, 1:])
    assert abs(cost - exact) / count < 0.003
    # The entropy where the mean lies anywhere between integers; a symbol's bits spread by 1.4.
    assert exact / count == pytest.approx(2.4921, abs=3 * 1.4 / SIZE)


# --- indexes of communicated samples -------------------------------------------------------------


def zeta(s: float) -> float:
    """Sum of n^-s, by Euler and Maclaurin from 1000 on."""
    n = 1000.0
    head = (np.arange(1, 1000) ** -s).sum()
    return float(head + n ** (1 - s) / (s - 1) + n**-s / 2 + s * n ** (-s - 1) / 12)


def ordered_indexes(rng: np.random.Generator, information: int, candidates: int, trials: int):
    """Ordered random coding: the index, from 1, of the sample of N(mu, 4^-I) among N(0, 1)."""
    variance = 4.0**-information
    mu = rng.normal(0, np.sqrt(1 - variance), (trials, 1))
    z = rng.normal(size=(trials, candidates))
    log_weight = z**2 / 2 - (z - mu) ** 2 / (2 * variance)
    left = candidates - np.arange(candidates)
    times = np.cumsum(rng.exponential(size=(trials, candidates)) * candidates / left, axis=1)
    return np.argmin(np.log(times) - log_weight, axis=1) + 1


@pytest.mark.parametrize(
    ("information", "bits", "bound"), [(2, 4.22, 7.58), (4, 6.66, 10.32), (6, 8.91, 12.81)]
)
def test_the_index_of_a_sample_costs_what_theory_says(information, bits, bound):
    """A Zipf code; what lies beyond the candidates is the escape's, so that nothing is cut off."""
    candidates, trials = 2 ** (information + 6), 2000
    rng = np.random.default_rng(information)
    indexes = np.concatenate(
        [ordered_indexes(rng, information, candidates, 250) for _ in range(trials // 250)]
    )
    exponent = 1 + 1 / (information + np.log2(np.e) / np.e + 1)
    pmf = np.arange(1, candidates + 1) ** -exponent / zeta(exponent)
    table = fc.CdfTable.from_pmf([pmf], [1], precision=16)
    cost = fc.cost(indexes, None, table)
    assert cost / trials == pytest.approx(bits, abs=0.15)
    assert cost / trials < bound
    encoder = fc.Encoder()
    encoder.push(indexes, None, table)
    stream = encoder.finish()
    assert 8 * len(stream) <= 1.002 * cost + 64
    decoded = fc.Decoder(stream).pull(None, table, shape=trials)
    np.testing.assert_array_equal(decoded, indexes)


# --- dithered symbols of a whole number of bits --------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "dithered", "deterministic"),
    [(1, 0.7268, 1.1894), (2, 0.1994, 0.3789), (3, 0.0510, 0.1007)],
)
def test_a_dithered_circle_costs_exactly_its_bits(bits, dithered, deterministic):
    """Points of a circle, `bits` bits each; decoded they are as uniform as they were."""
    count, arcs = 100_000, 2**bits
    rng = np.random.default_rng(bits)
    width = 2 * np.pi / arcs
    theta, shared = rng.uniform(0, 2 * np.pi, count), rng.uniform(-0.5, 0.5, count)
    k = (np.rint(theta / width - shared) % arcs).astype(np.uint8)
    table = fc.CdfTable.from_pmf([[1.0] * arcs], [0], escape=False)
    assert fc.cost(k, None, table) == count * bits
    encoder = fc.Encoder(lanes=1, segment=2**30)
    encoder.push(k, None, table)
    stream = encoder.finish()
    assert 0 <= len(stream) - -(-count * bits // 8) <= 8
    received = fc.Decoder(stream).pull(None, table, np.uint8, shape=count)
    np.testing.assert_array_equal(received, k)
    angle = (received + shared) * width
    distortion = np.mean(2 - 2 * np.cos(theta - angle))
    assert distortion == pytest.approx(2 - 2 * np.sinc(1 / arcs), rel=5e-3)
    assert distortion == pytest.approx(dithered, rel=5e-3)
    assert distortion < deterministic
    turns = np.sort(angle / (2 * np.pi) % 1)
    distance = np.abs(turns - (np.arange(count) + 0.5) / count).max() + 0.5 / count
    assert distance < 1.63 / np.sqrt(count)  # Kolmogorov and Smirnov, p > 0.01


# --- no code beats the truth often ---------------------------------------------------------------

LENGTH, MESSAGES = 64, 4000


def model_table(sigma: float) -> fc.CdfTable:
    return fc.CdfTable.gaussian([sigma])


def draw_messages(rng: np.random.Generator, table: fc.CdfTable) -> np.ndarray:
    """Messages that follow the only row of a table exactly; nothing escapes."""
    cdf = table.cdf(0)
    values = rng.integers(0, cdf[-2], size=(MESSAGES, LENGTH))
    return np.searchsorted(cdf, values, side="right") - 1 + table.offsets[0]


def test_other_codes_are_rarely_shorter_than_the_truth():
    """P(-log2 P(x) - L(x) >= c) <= 2^-c for x from P and any uniquely decodable L."""
    rng, truth = np.random.default_rng(5), model_table(2.0)
    messages = draw_messages(rng, truth)
    ideal = np.array([fc.cost(x, None, truth) for x in messages])
    other = {
        "another scale": [fc.cost(x, None, model_table(2.1)) for x in messages],
        "itself": [8 * len(s) for s in fc.encode_many(list(messages), None, truth)],
        "zlib": [8 * len(zlib.compress(x.astype(np.int8).tobytes())) for x in messages],
    }
    for name, lengths in other.items():
        gain = ideal - np.array(lengths)
        for c in range(1, 11):
            share, most = np.mean(gain >= c), 2.0**-c
            assert share <= most + 3 * np.sqrt(most / MESSAGES), (name, c)
    # The first is close enough to the truth for the bound to mean something.
    assert np.mean(ideal - np.array(other["another scale"]) >= 1) > 0.02


def test_no_stream_is_shorter_than_its_symbols_cost():
    """A coder that lost information would be: the same for every message, not on average."""
    rng, table = np.random.default_rng(6), model_table(2.0)
    for x in draw_messages(rng, table)[:500]:
        encoder = fc.Encoder()
        encoder.push(x, None, table)
        assert 8 * len(encoder.finish()) >= fc.cost(x, None, table) - 1


def test_a_message_of_the_likeliest_symbol_is_too_good_to_be_true():
    table = model_table(2.0)
    mode = np.zeros(LENGTH, np.int32)
    peaked = fc.CdfTable.from_pmf([[0.005, 0.98, 0.005]], [-1])
    encoder = fc.Encoder()
    encoder.push(mode, None, peaked)
    gain = fc.cost(mode, None, table) - 8 * len(encoder.finish())
    assert gain > 60  # by chance once in 2^60
