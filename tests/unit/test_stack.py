# SPDX-License-Identifier: Apache-2.0
"""Stack: bits-back, net bits, its bytes, errors."""

from __future__ import annotations

import numpy as np
import pytest

import fastcoder as fc
from tests import generators
from tests.generators import native_table, parse_error

TABLE = native_table(generators.table_of(12, True, [4, 30], "geometric", offset=-2))
PLAIN = native_table(generators.table_of(16, False, [40], "geometric"))


def bits_back_model(rng: np.random.Generator, states: int, values: int):
    """Tables of p(z), p(x | z) and p(z | x), and the float distributions."""
    prior = rng.dirichlet(np.ones(states))
    given_z = rng.dirichlet(np.ones(values), size=states)
    joint = prior[:, None] * given_z
    given_x = (joint / joint.sum(axis=0)).T
    make = fc.CdfTable.from_pmf
    tables = (
        make([prior], [0], precision=16, escape=False),
        make(list(given_z), [0] * states, precision=16, escape=False),
        make(list(given_x), [0] * values, precision=16, escape=False),
    )
    return tables, joint


@pytest.mark.parametrize(("states", "values"), [(2, 3), (2, 8), (5, 4)])
def test_bits_back_costs_the_marginal_entropy(rng, states, values):
    """A latent variable costs nothing, and without bits-back it costs H(z | x)."""
    (prior, given_z, given_x), joint = bits_back_model(rng, states, values)
    count, blocks = 2000, 20
    cells = rng.choice(joint.size, size=(blocks, count), p=joint.ravel())
    z, x = np.divmod(cells, values)
    stack = fc.Stack(rng.bytes(2000))
    for block in x:
        latent = stack.pop(block, given_x)
        stack.push(block, latent, given_z)
        stack.push(latent, None, prior)
    found = stack.net_bits / x.size
    marginal = joint.sum(axis=0)
    ideal = -np.log2(marginal[x]).mean()
    assert found == pytest.approx(ideal, rel=0.005)
    assert ideal == pytest.approx(-(marginal * np.log2(marginal)).sum(), rel=0.02)

    plain = fc.Stack()
    for latent, block in zip(z, x, strict=True):
        plain.push(block, latent, given_z)
        plain.push(latent, None, prior)
    conditional = -np.log2((joint / marginal)[z, x]).mean()
    assert plain.net_bits / x.size == pytest.approx(ideal + conditional, rel=0.005)

    receiver = fc.Stack.from_bytes(stack.to_bytes())
    for block in x[::-1]:
        latent = receiver.pop(None, prior, shape=count)
        np.testing.assert_array_equal(receiver.pop(latent, given_z), block)
        receiver.push(latent, block, given_x)
    assert receiver.initial() == fc.Stack.from_bytes(receiver.to_bytes()).initial()
    assert receiver.net_bits == pytest.approx(-stack.net_bits, abs=1e-3)


def test_a_stack_without_pops_is_one_lane_of_a_stream(rng):
    symbols = rng.integers(0, 40, 500)
    stack = fc.Stack()
    stack.push(symbols, None, PLAIN)
    encoder = fc.Encoder(lanes=1)
    encoder.push(symbols, None, PLAIN)
    assert encoder.finish()[1:] == stack.to_bytes()


def test_net_bits_are_the_cost_of_the_symbols(rng):
    indexes = rng.integers(0, 2, 3000)
    symbols = np.rint(rng.normal(0, 2, 3000)).astype(np.int32)
    stack = fc.Stack(b"something")
    assert stack.net_bits == 0.0
    stack.push(symbols, indexes, TABLE)
    assert stack.net_bits == pytest.approx(fc.cost(symbols, indexes, TABLE), rel=1e-3)
    assert stack.bits == pytest.approx(8 * len(stack.to_bytes()) - 40, abs=10)
    stack.pop(indexes, TABLE)
    assert stack.net_bits == 0.0
    assert stack.initial() == b"something"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, 100, 101])
def test_initial_bytes_come_back(size, rng):
    data = rng.bytes(size)
    for initial in (data, bytes(size), b"\1" * size, b"\xff" * size, data + b"\0\1\0"):
        stack = fc.Stack(initial)
        assert stack.initial() == initial
        stack.push_bits([5], 3)
        with pytest.raises(fc.CorruptStreamError) as caught:
            stack.initial()
        parse_error(caught.value)
        stack.pop_bits(1, 3)
        assert fc.Stack.from_bytes(stack.to_bytes()).initial() == initial


def test_an_empty_stack_has_nothing_to_pop():
    stack = fc.Stack()
    for call in (
        lambda: stack.pop([0], TABLE),
        lambda: stack.pop_bits(1, 1),
        lambda: stack.pop_integers(1, fc.codes.EliasGamma()),
    ):
        with pytest.raises(fc.TruncatedStreamError) as caught:
            call()
        parse_error(caught.value)
    assert stack.initial() == b""
    assert stack.pop([], TABLE).size == 0


def test_a_failing_push_or_pop_changes_nothing(rng):
    stack = fc.Stack(rng.bytes(60))
    before = stack.to_bytes()
    for call, error in [
        (lambda: stack.push([99], [0], PLAIN), fc.SymbolRangeError),
        (lambda: stack.push([0, 0], [0, 2], TABLE), fc.IndexRangeError),
        (lambda: stack.push([0, 0], [0], TABLE), fc.ShapeError),
        (lambda: stack.push_bits([1, 8], 3), fc.ArgumentError),
        (lambda: stack.push_integers([1, 0], fc.codes.EliasGamma()), fc.ArgumentError),
        (lambda: stack.pop_bits(1000, 16), fc.TruncatedStreamError),
        (lambda: stack.pop([0] * 20 + [9], TABLE), fc.IndexRangeError),
        (lambda: stack.pop(None, PLAIN, shape=10_000), fc.TruncatedStreamError),
        (lambda: stack.push([0], [0], None), fc.ArgumentTypeError),
        (lambda: stack.pop([0], None), fc.ArgumentTypeError),
        (lambda: stack.pop_integers(1, None), fc.ArgumentTypeError),
        (lambda: stack.peek(25), fc.ArgumentError),
        (lambda: stack.advance(0, 1), fc.ArgumentError),
    ]:
        with pytest.raises(error) as caught:
            call()
        parse_error(caught.value)
        assert stack.to_bytes() == before
    far = fc.Stack()
    far.push([100_000], [0], TABLE)
    before = far.to_bytes()
    with pytest.raises(fc.SymbolRangeError):
        far.pop([0], TABLE, dtype=np.int8)
    assert far.to_bytes() == before
    assert far.pop([0], TABLE).tolist() == [100_000]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", fc.TruncatedStreamError),
        (bytes(5), fc.TruncatedStreamError),
        (bytes(6), fc.CorruptStreamError),
        (b"\xff" * 4 + bytes(2), fc.CorruptStreamError),
        (bytes(4) + b"\1\0\7", fc.CorruptStreamError),
    ],
)
def test_bytes_that_are_no_stack_raise(data, error):
    with pytest.raises(error) as caught:
        fc.Stack.from_bytes(data)
    parse_error(caught.value)


def test_any_other_bytes_are_a_stack_and_pops_end(rng):
    for _ in range(300):
        data = rng.bytes(2 * int(rng.integers(3, 20)))
        try:
            stack = fc.Stack.from_bytes(data)
            assert stack.to_bytes() == data
            for _ in range(200):
                stack.pop(rng.integers(0, 2, 5), TABLE)
                stack.pop_integers(2, fc.codes.Zipf(1.0))
        except fc.StreamError as error:
            parse_error(error)


def test_a_copy_is_independent(rng):
    stack = fc.Stack(rng.bytes(20))
    twin = stack.copy()
    twin.push_bits([1], 5)
    assert twin.net_bits > 4
    assert stack.net_bits == 0
    assert stack.to_bytes() != twin.to_bytes()
