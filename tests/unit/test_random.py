# SPDX-License-Identifier: Apache-2.0
"""fastcoder.random: published vectors, a second implementation, random access, moments, tails."""

from __future__ import annotations

import hashlib
import math
import re
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcoder import ArgumentError, ArgumentTypeError, FastcoderError, ShapeError, _core, random
from tests import reference_random as reference

# kat_vectors of Random123 1.14.0, "philox4x32 10": counter, key, result.
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip
WORD64 = st.integers(0, 2**64 - 1)


def hex_words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), VECTORS)
def test_philox_gives_the_published_vectors(counter: str, key: str, result: str) -> None:
    low, high = hex_words(key)
    found = random.philox(hex_words(counter), low + 2**32 * high)
    assert found.tolist() == hex_words(result)
    again = reference.philox(np.array(hex_words(counter), np.uint64), low + 2**32 * high)
    assert again.tolist() == hex_words(result)


def test_philox_takes_many_counters() -> None:
    counters = np.array([hex_words(counter) for counter, key, _ in VECTORS[:1]] * 6, np.int64)
    assert random.philox(counters.reshape(2, 3, 4), 0).shape == (2, 3, 4)
    assert (random.philox(counters, 0) == hex_words(VECTORS[0][2])).all()


def test_word_of_an_element_is_at_its_place_in_its_block() -> None:
    element, candidate, seed = 2**34 + 3, 2**40 + 9, 2**63 + 5
    counter = [2**32 % 2**32, 1, candidate % 2**32, candidate >> 32]
    block = random.philox(counter, seed)
    assert random.uint32(1, seed, offset=element, candidate=candidate)[0] == block[3]


@given(st.integers(0, 200), WORD64, st.integers(0, 2**64 - 300), WORD64)
def test_words_are_those_of_the_reference(n: int, seed: int, offset: int, candidate: int) -> None:
    found = random.uint32(n, seed, offset=offset, candidate=candidate)
    assert found.tolist() == reference.words(n, seed, offset, candidate).tolist()


@given(st.integers(1, 100), st.integers(0, 100), st.integers(1, 90))
def test_random_access_is_sequential_access(n: int, first: int, size: int) -> None:
    whole = random.uint32(n + first + size, seed=5)
    assert (random.uint32(size, seed=5, offset=first) == whole[first : first + size]).all()
    assert (random.normal(size, 5, offset=first) == random.normal(first + size, 5)[first:]).all()
    assert (random.uniform(size, 5, offset=first) == random.uniform(first + size, 5)[first:]).all()


def test_candidates_are_rows() -> None:
    rows = random.normal((3, 5), seed=1, offset=2, candidate=np.array([7, 0, 7], np.uint16))
    assert rows.shape == (3, 3, 5)
    assert (rows[0] == rows[2]).all()
    assert (rows[1] == random.normal((3, 5), seed=1, offset=2)).all()
    assert (rows[0] == random.normal((3, 5), seed=1, offset=2, candidate=7)).all()
    assert random.uint32(4, 0, candidate=[]).shape == (0, 4)
    assert random.uint32(0, 0, candidate=np.array([2**64 - 1], np.uint64)).shape == (1, 0)


def test_seeds_and_candidates_and_elements_differ() -> None:
    rows = [random.uint32(64, seed, offset=64 * o, candidate=c) for seed in range(3)
            for o in range(3) for c in range(3)]  # fmt: skip
    assert len(np.unique(np.concatenate(rows))) > 27 * 64 - 3


def test_elements_end_at_the_last_one() -> None:
    assert random.uint32(3, 1, offset=2**64 - 3).tolist() == [
        int(w) for w in reference.words(3, 1, 2**64 - 3)
    ]
    with pytest.raises(ArgumentError, match=re.escape("offset = 18446744073709551613, expected")):
        random.uint32(4, 1, offset=2**64 - 3)


def test_normal_cells_are_the_correctly_rounded_ones() -> None:
    cells = _core.normal_cells()
    assert (cells == reference.normal_cells()).all()
    digest = hashlib.sha256(cells.astype("<i8").tobytes()).hexdigest()
    assert digest == "a45da9bd2d2f988c1faf9a6acddec6c83bf6b583afc5652a660a3968659210cd"


def test_uniforms_and_normals_are_those_of_the_reference() -> None:
    words = random.uint32(20000, seed=3)
    for dtype in (np.float64, np.float32):
        uniform = random.uniform(20000, seed=3, dtype=dtype)
        assert uniform.dtype == dtype
        assert (uniform == reference.uniforms(words, dtype)).all()
        normal = random.normal(20000, seed=3, dtype=dtype)
        assert normal.dtype == dtype
        assert (normal == (reference.normals_fixed(words) * 2.0**-32).astype(dtype)).all()


def test_normal_is_the_quantile_of_its_word() -> None:
    words = random.uint32(30000, seed=9)
    found = random.normal(30000, seed=9)
    quantile = NormalDist().inv_cdf
    exact = [quantile((int(word) + 0.5) / 2**32) for word in words]
    assert np.abs(found - exact).max() < 1e-9


def test_normal_is_the_quantile_in_the_far_tails() -> None:
    words = np.concatenate([np.arange(5000), 2 ** np.arange(32), 2**32 - 1 - np.arange(5000)])
    found = reference.normals_fixed(words.astype(np.uint32)) * 2.0**-32
    exact = [NormalDist().inv_cdf((int(word) + 0.5) / 2**32) for word in words]
    # The quantile function has lost digits above one half, where p is close to 1.
    below = words < 2**31
    assert np.abs(found - exact)[below].max() < 1e-9
    assert (np.diff(found[:5000]) > 0).all()
    assert (found[:5000] == -found[-5000:]).all()


def test_moments_and_tails() -> None:
    n = 1 << 20
    uniform, normal = random.uniform(n, seed=11), random.normal(n, seed=12)
    root = math.sqrt(n)
    assert abs(uniform.mean() - 0.5) < 4 * math.sqrt(1 / 12) / root
    assert abs(uniform.var() - 1 / 12) < 4 * math.sqrt(1 / 180) / root
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((normal**power).mean() - moment) < 4 * math.sqrt(spread) / root
    for limit in (1.0, 2.0, 3.0, 4.0):
        expected = n * 2 * NormalDist().cdf(-limit)
        assert abs((np.abs(normal) > limit).sum() - expected) < 4 * math.sqrt(expected)
    # Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed once in a thousand.
    steps = np.arange(1, n + 1) / n
    assert np.abs(np.sort(uniform) - steps).max() < 1.95 / root
    cdf = [NormalDist().cdf(z) for z in np.sort(normal)[::64]]
    assert np.abs(np.array(cdf) - steps[::64]).max() < 1.95 / root


def test_neighbors_and_candidates_are_uncorrelated() -> None:
    a, b = random.normal((2, 1 << 18), seed=21), random.normal((2, 1 << 18), seed=21, candidate=1)
    for x, y in ((a[0], a[1]), (a[0, :-1], a[0, 1:]), (a[0], b[0])):
        assert abs((x * y).mean()) < 4 / math.sqrt(x.size)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": -1}, ShapeError, "shape[0] = -1, expected size >= 0"),
        ({"shape": 1.5}, ArgumentTypeError, "type(shape[0]) = float, expected int"),
        ({"shape": 2**62}, ShapeError, "shape = (4611686018427387904,), expected one that fits"),
        ({"seed": -1}, ArgumentError, "seed = -1, expected 0 <= seed < 2**64"),
        ({"seed": 2**64}, ArgumentError, "seed = 18446744073709551616, expected"),
        ({"seed": True}, ArgumentTypeError, "type(seed) = bool, expected int"),
        ({"offset": -1}, ArgumentError, "offset = -1, expected"),
        ({"candidate": -1}, ArgumentError, "candidate = -1, expected"),
        ({"candidate": [1, -1]}, ArgumentError, "candidate[1] = -1, expected"),
        ({"candidate": [1.0]}, ArgumentTypeError, "candidate.dtype = float64, expected integers"),
        ({"candidate": [[1]]}, ShapeError, "candidate.ndim = 2, expected 0 or 1"),
    ],
)
def test_bad_argument_is_an_error(
    arguments: dict[str, Any], error: type[FastcoderError], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        random.uint32(**{"shape": 1, "seed": 0, **arguments})


def test_bad_dtype_or_counter_is_an_error() -> None:
    for dtype in (np.float16, np.int32, "no", ">f8"):
        with pytest.raises(ArgumentTypeError, match="expected float32 or float64"):
            random.normal(1, 0, dtype=dtype)
    with pytest.raises(ArgumentTypeError, match=re.escape("counter.dtype = float64")):
        random.philox([0.0] * 4, 0)
    with pytest.raises(ShapeError, match=re.escape("counter.shape = (3,), expected 4 words last")):
        random.philox([0] * 3, 0)
    with pytest.raises(ArgumentError, match=re.escape("counter[2] = 4294967296, expected 0 <=")):
        random.philox([0, 0, 2**32, 0], 0)
    with pytest.raises(ArgumentError, match=re.escape("key = -1, expected 0 <= key < 2**64")):
        random.philox([0] * 4, -1)
