# SPDX-License-Identifier: Apache-2.0
"""Integer networks give the same integers in every arithmetic that can hold their sums."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import fastcoder
from fastcoder.torch import integer
from fastcoder.torch.integer import IntegerLayer, IntegerTransform
from tests import reference_integer

LEVELS = 128


def make_layer(
    rng: np.random.Generator,
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    transposed: bool = False,
    bits: int = 8,
    high: int = 255,
    low: int = 0,
    largest: int = 255,
) -> IntegerLayer:
    """A layer whose results use their range: random weights, a shift that fits them."""
    most = 2 ** (bits - 1)
    shape = (inputs, outputs) if transposed else (outputs, inputs)
    weight = rng.integers(-most, most, (*shape, kernel, kernel)).astype(f"int{bits}")
    spread = most * largest * (inputs * kernel**2 / (4 if transposed else 1)) ** 0.5 / 3
    shift = int(np.log2(spread / (high - low))) + rng.integers(0, 3, outputs)
    return IntegerLayer(
        weight=weight,
        bias=rng.integers(-int(spread), int(spread) + 1, outputs).astype(np.int32),
        shift=np.clip(shift, 0, 40).astype(np.uint8),
        low=np.full(outputs, low, np.int32),
        high=np.full(outputs, high, np.int32),
        stride=2 if transposed else 1,
        transposed=transposed,
    )


def hyper_synthesis(
    rng: np.random.Generator, channels: int, latents: int, bits: int = 8, limit: int = 511
) -> IntegerTransform:
    """The layers of a scale hyperprior: two transposed convolutions and a convolution."""
    high = 2**bits - 1
    first = make_layer(
        rng, channels, channels, 5, transposed=True, bits=bits, high=high, largest=limit
    )
    second = make_layer(
        rng, channels, channels, 5, transposed=True, bits=bits, high=high, largest=high
    )
    last = make_layer(rng, channels, latents, 3, bits=bits, high=LEVELS - 1, largest=high)
    return IntegerTransform([first, second, last], input_shift=4, input_limit=limit)


@pytest.fixture
def network(rng: np.random.Generator) -> IntegerTransform:
    return hyper_synthesis(rng, 12, 16)


def as_tensor(z: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(z)[None]


def inputs_of(rng: np.random.Generator, count: int, channels: int) -> np.ndarray:
    """z in units of 2^-8 as int32 (channels, side, side), at least `count` in all: extremes too."""
    side = int(np.ceil((count / channels) ** 0.5))
    z = rng.integers(-6000, 6000, (channels, side, side)).astype(np.int32)
    extreme = rng.random(z.shape) < 0.1
    z[extreme] = rng.choice([-(2**31), 2**31 - 1, 0, 8, -8, 8191, -8192], extreme.sum())
    return z


def test_a_million_inputs_give_the_same_rows_in_int64_float64_and_float32(
    rng: np.random.Generator,
) -> None:
    network = hyper_synthesis(rng, 12, 16)
    assert network.largest_sum < 2**24
    z = inputs_of(rng, 1_000_000 // 16, 12)  # each gives 16 rows per channel: a million of them
    expected = reference_integer.evaluate(network, z.astype(np.int64))
    assert expected.size >= 1_000_000
    assert len(np.unique(expected)) == LEVELS  # every row occurs, the clips at both ends too
    for dtype in (torch.float64, torch.float32):
        result = network(as_tensor(z), dtype=dtype)[0]
        assert result.dtype == torch.int32
        assert np.array_equal(result.numpy(), expected), dtype


def test_a_million_inputs_of_one_pixel_layers(rng: np.random.Generator) -> None:
    """10^6 different z, extremes included, through every shift from 0 to 12."""
    layer = make_layer(rng, 1, 13, 1, low=-40000, high=40000)
    layer = dataclasses.replace(layer, shift=np.arange(13, dtype=np.uint8))
    network = IntegerTransform([layer], input_shift=8, input_limit=2**12)
    z = inputs_of(rng, 1_000_000, 1)
    assert z.size >= 1_000_000
    expected = reference_integer.evaluate(network, z.astype(np.int64))
    for dtype in (torch.float64, torch.float32):
        assert np.array_equal(network(as_tensor(z), dtype=dtype)[0].numpy(), expected)


def test_sixteen_bits_need_float64(rng: np.random.Generator) -> None:
    network = hyper_synthesis(rng, 6, 9, bits=16, limit=2**20)
    assert 2**24 <= network.largest_sum < 2**53
    z = inputs_of(rng, 600, 6)
    expected = reference_integer.evaluate(network, z.astype(np.int64))
    assert np.array_equal(network(as_tensor(z))[0].numpy(), expected)
    with pytest.raises(fastcoder.ArgumentError, match=r"dtype = torch.float32, expected one that"):
        network(as_tensor(z), dtype=torch.float32)


def float_layers(network: IntegerTransform) -> nn.Sequential:
    """The same convolutions as torch has them, in float32, without rounding in between."""
    layers: list[nn.Module] = []
    for layer in network.layers:
        kind = nn.ConvTranspose2d if layer.transposed else nn.Conv2d
        extra = {"output_padding": layer.stride - 1} if layer.transposed else {}
        conv = kind(
            layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.kernel // 2, **extra
        )
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(layer.weight))
            conv.weight.mul_(0.01)
            conv.bias.copy_(torch.from_numpy(layer.bias))
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def permuted(network: IntegerTransform, order: np.ndarray) -> IntegerTransform:
    """The network for z whose channels come in another order, and so the same sums as well."""
    first = network.layers[0]
    changed = dataclasses.replace(first, weight=np.ascontiguousarray(first.weight[order]))
    return IntegerTransform(
        [changed, *network.layers[1:]],
        input_shift=network.input_shift,
        input_limit=network.input_limit,
    )


def test_rows_do_not_depend_on_the_order_of_sums_but_floats_do(
    network: IntegerTransform, rng: np.random.Generator
) -> None:
    order = rng.permutation(12)
    z = as_tensor(rng.integers(-6000, 6000, (12, 20, 20)))
    assert torch.equal(network(z), permuted(network, order)(z[:, order]))
    # The positive control: floats in the same two orders differ, bit for bit.
    layers = float_layers(network)
    shuffled = float_layers(permuted(network, order))
    with torch.no_grad():
        one, other = layers(z / 256), shuffled(z[:, order] / 256)
    assert not torch.equal(one, other)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2 * float(one.abs().max()))


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch restores a switch that it lacks
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rows_do_not_depend_on_threads_libraries_or_layout(
    network: IntegerTransform, rng: np.random.Generator, dtype: torch.dtype
) -> None:
    z = as_tensor(rng.integers(-6000, 6000, (12, 24, 16)).astype(np.int32))
    expected = network(z, dtype=dtype)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for enabled in (True, False):
                with torch.backends.mkldnn.flags(enabled=enabled):
                    assert torch.equal(network(z, dtype=dtype), expected)
    finally:
        torch.set_num_threads(before)
    last = z.contiguous(memory_format=torch.channels_last)
    assert torch.equal(network(last, dtype=dtype), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(z, dtype=dtype), expected)
    assert torch.equal(network(z.double(), dtype=dtype), expected)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_float32_is_not_used_where_it_may_be_shortened(
    network: IntegerTransform,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
) -> None:
    """With TF32 or bfloat16 allowed, a processor may multiply 8 or 11 bits at a time."""
    z = as_tensor(rng.integers(-6000, 6000, (12, 40, 40)).astype(np.int32))
    expected = network(z)
    seen = set()

    def evaluate(layer: IntegerLayer, x: torch.Tensor) -> torch.Tensor:
        seen.add(x.dtype)
        return unchanged(layer, x)

    unchanged = integer._evaluate
    monkeypatch.setattr(integer, "_evaluate", evaluate)
    torch.set_float32_matmul_precision(precision)
    try:
        assert torch.equal(network(z, dtype=torch.float32), expected)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert seen == {torch.float32 if precision == "highest" else torch.float64}


def test_a_batch_is_its_images_one_by_one(
    network: IntegerTransform, rng: np.random.Generator
) -> None:
    z = torch.from_numpy(rng.integers(-6000, 6000, (3, 12, 5, 7)))
    assert torch.equal(network(z), torch.cat([network(z[k : k + 1]) for k in range(3)]))
    assert network.scale == 4
    assert network(z).shape == (3, 16, 20, 28)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rows_are_the_same_on_cuda(
    network: IntegerTransform, rng: np.random.Generator, dtype: torch.dtype
) -> None:
    z = as_tensor(inputs_of(rng, 60_000, 12))
    assert torch.equal(network(z.cuda(), dtype=dtype).cpu(), network(z))


def test_outputs_may_have_ranges_of_their_own(rng: np.random.Generator) -> None:
    """A scale index beside a signed mean in fixed point, as a mean-scale hyperprior wants them."""
    layer = make_layer(rng, 4, 6, 3)
    low = np.array([0, 0, 0, -4096, -4096, -4096], np.int32)
    high = np.array([63, 63, 63, 4095, 4095, 4095], np.int32)
    layer = dataclasses.replace(layer, low=low, high=high)
    network = IntegerTransform([layer], input_shift=0, input_limit=255)
    z = rng.integers(-300, 300, (4, 30, 30))
    result = network(as_tensor(z))[0].numpy()
    assert np.array_equal(result, reference_integer.evaluate(network, z))
    assert result[:3].min() == 0
    assert result[:3].max() == 63
    assert result[3:].min() < 0


def test_halves_are_rounded_up() -> None:
    layer = IntegerLayer(
        weight=np.ones((1, 1, 1, 1), np.int8),
        bias=np.zeros(1, np.int32),
        shift=np.array([1], np.uint8),
        low=np.array([-100], np.int32),
        high=np.array([100], np.int32),
    )
    network = IntegerTransform([layer], input_shift=0, input_limit=50)
    z = torch.arange(-4, 5)[None, None, None]
    assert network(z).flatten().tolist() == [-2, -1, -1, 0, 0, 1, 1, 2, 2]
    coarse = IntegerTransform([layer], input_shift=2, input_limit=50)  # (z + 2) >> 2 first
    assert coarse(z * 3).flatten().tolist() == [-1, -1, 0, 0, 0, 1, 1, 1, 2]


def test_largest_sum_is_reached_and_never_exceeded(rng: np.random.Generator) -> None:
    layer = make_layer(rng, 3, 5, 5, transposed=True, low=-(2**31), high=2**31 - 1)
    layer = dataclasses.replace(layer, shift=np.zeros(5, np.uint8))
    network = IntegerTransform([layer], input_shift=0, input_limit=255)
    reached = 0
    for output in range(5):
        for top in range(2):
            for left in range(2):
                sign = np.sign(layer.weight[:, output].astype(np.int64))
                z = np.zeros((3, 9, 9), np.int64)
                for c in range(3):  # the inputs that make every product at (8, 8) positive
                    for y in range(9):
                        for x in range(9):
                            dy, dx = 8 + top + 2 - 2 * y, 8 + left + 2 - 2 * x
                            if 0 <= dy < 5 and 0 <= dx < 5:
                                z[c, y, x] = 255 * sign[c, dy, dx]
                z *= 1 if layer.bias[output] >= 0 else -1
                out = network(as_tensor(z))[0, output, 8 + top, 8 + left]
                reached = max(reached, abs(int(out)))
    assert reached == network.largest_sum


def test_arrays_make_the_same_network(network: IntegerTransform, rng: np.random.Generator) -> None:
    again = IntegerTransform.from_arrays(network.to_arrays())
    z = as_tensor(rng.integers(-6000, 6000, (12, 6, 6)))
    assert torch.equal(again(z), network(z))
    assert again.largest_sum == network.largest_sum
    kinds = {name: array.dtype for name, array in network.to_arrays().items()}
    assert kinds["0.weight"] == np.int8
    assert kinds["2.bias"] == np.int32


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input", None, r"input = missing, expected int32\(2,\)"),
        ("input", np.array([9, 100], np.int32), r"input_shift = 9, expected 0 <= input_shift <= 8"),
        ("input", np.array([4, 0], np.int32), r"input_limit = 0, expected 1 <= input_limit"),
        ("1.bias", None, r"1.bias = missing, expected an array"),
        ("1.bias", np.zeros(3, np.int32), r"bias.shape = \(3,\), expected \(12,\)"),
        ("1.bias", np.zeros(12, np.int64), r"bias = int64, expected int32"),
        ("1.weight", np.zeros((12, 12, 5, 5), np.float32), r"weight = float32, expected int8"),
        ("1.weight", np.zeros((12, 12, 4, 4), np.int8), r"weight.shape = .*, expected \(n, m"),
        ("1.weight", np.zeros((7, 12, 5, 5), np.int8), r"layers\[1\].inputs = 7, expected 12"),
        ("0.shift", np.full(12, 41, np.uint8), r"shift = 41, expected <= 40"),
        ("0.range", np.zeros((3, 12), np.int32), r"0.range = \(3, 12\)"),
        ("0.range", np.array([[1] * 12, [0] * 12], np.int32), r"low\[0\] = 1, expected <= 0"),
        ("2.geometry", np.array([1, 7], np.int32), r"2.geometry = \[1, 7\]"),
        ("2.geometry", np.array([0, 0], np.int32), r"stride = 3, 0, expected"),
        ("3.bias", np.zeros(3, np.int32), r"arrays = 17 of them, expected those of 3 layers"),
        ("0.weight", None, r"arrays = 15 of them, expected those of 0 layers"),
    ],
)
def test_damaged_arrays_are_refused(
    network: IntegerTransform, name: str, value: np.ndarray | None, message: str
) -> None:
    arrays = network.to_arrays()
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    with pytest.raises(fastcoder.FastcoderError, match=message):
        IntegerTransform.from_arrays(arrays)


def test_sums_that_float64_could_round_are_refused() -> None:
    big = np.full(64, 2**31 - 1, np.int32)
    wide = IntegerLayer(
        weight=np.full((64, 64, 31, 31), -(2**15), np.int16),
        bias=big,
        shift=np.zeros(64, np.uint8),
        low=-big,
        high=big,
    )
    with pytest.raises(
        fastcoder.ArgumentError, match=r"layers\[1\] = sums up to \d+, expected < 2"
    ):
        IntegerTransform([wide, wide], input_shift=0, input_limit=1)


def test_sums_that_int64_could_not_hold_are_refused() -> None:
    def layer(inputs: int, outputs: int, kernel: int) -> IntegerLayer:
        return IntegerLayer(
            weight=np.full((outputs, inputs, kernel, kernel), -(2**15), np.int16),
            bias=np.zeros(outputs, np.int32),
            shift=np.zeros(outputs, np.uint8),
            low=np.full(outputs, -(2**31), np.int32),
            high=np.full(outputs, 2**31 - 1, np.int32),
        )

    wide = 2**64 // (2**15 * 31**2 * 2**31) + 1  # so that the sum wraps to a small number
    with pytest.raises(fastcoder.ArgumentError, match=r"layers\[1\] = sums up to 18\d{18}, "):
        IntegerTransform([layer(1, wide, 1), layer(wide, 1, 31)], input_shift=0, input_limit=1)


def test_z_of_another_shape_is_refused(network: IntegerTransform) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=r"z.shape = \(1, 5, 2, 2\), expected \(N, "):
        network(torch.zeros(1, 5, 2, 2, dtype=torch.int32))
    with pytest.raises(fastcoder.ArgumentError, match=r"dtype = torch.float16, expected one that"):
        network(torch.zeros(1, 12, 2, 2), dtype=torch.float16)
