# SPDX-License-Identifier: Apache-2.0
"""fastcoder.torch.random: the numbers of fastcoder.random to the bit, on every device."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import fastcoder
import fastcoder.random
from fastcoder.torch import random

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
PLACES: list[dict[str, Any]] = [
    {"shape": 0, "seed": 0},
    {"shape": (3, 5), "seed": 1, "offset": 3},
    {"shape": 1001, "seed": 2**64 - 1, "offset": 2**40 + 1, "candidate": 2**63 + 7},
    {"shape": (2, 33), "seed": 7, "offset": 2, "candidate": [0, 5, 2**64 - 1]},
    {"shape": (), "seed": 7, "candidate": []},
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("place", PLACES)
def test_numbers_are_those_of_the_core(place: dict[str, Any], device: str) -> None:
    arguments = dict(place)
    if isinstance(arguments.get("candidate"), list):
        arguments["candidate"] = np.array(arguments["candidate"], np.uint64)
    words = random.uint32(**place, device=device)
    assert words.dtype == torch.int64
    assert words.device.type == device
    expected = fastcoder.random.uint32(**arguments)
    assert words.shape == expected.shape
    assert (words.cpu().numpy() == expected).all()
    for dtype, kind in ((torch.float32, np.float32), (torch.float64, np.float64)):
        for name in ("uniform", "normal"):
            found = getattr(random, name)(**place, dtype=dtype, device=device).cpu().numpy()
            wanted = getattr(fastcoder.random, name)(**arguments, dtype=kind)
            assert found.dtype == kind
            assert (found == wanted).all()


@pytest.mark.parametrize("device", DEVICES)
def test_normals_agree_in_every_octave(device: str) -> None:
    found = random.normal(1 << 18, seed=5, dtype=torch.float64, device=device)
    assert (found.cpu().numpy() == fastcoder.random.normal(1 << 18, seed=5)).all()
    assert found.abs().max() > 4.5  # the tails were seen


def test_philox_gives_a_published_vector() -> None:
    counter = torch.tensor([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344])
    found = random.philox(counter, 0x299F31D0A4093822)
    assert found.tolist() == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": -1}, fastcoder.ShapeError, "shape[0] = -1, expected size >= 0"),
        ({"seed": 1.0}, fastcoder.ArgumentTypeError, "type(seed) = float, expected int"),
        ({"seed": -1}, fastcoder.ArgumentError, "seed = -1, expected 0 <= seed < 2**64"),
        ({"offset": 2**63}, fastcoder.ArgumentError, "expected all elements below 2**63"),
        ({"candidate": [0, -1]}, fastcoder.ArgumentError, "candidate[1] = -1, expected"),
    ],
)
def test_bad_argument_is_an_error(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        random.uint32(**{"shape": 1, "seed": 0, **arguments})


def test_bad_dtype_or_counter_is_an_error() -> None:
    with pytest.raises(fastcoder.ArgumentTypeError, match=re.escape("dtype = torch.float16")):
        random.normal(1, 0, dtype=torch.float16)
    with pytest.raises(fastcoder.ArgumentTypeError, match=re.escape("counter.dtype = torch.int32")):
        random.philox(torch.zeros(4, dtype=torch.int32), 0)
    with pytest.raises(fastcoder.ShapeError, match=re.escape("counter.shape = (3,)")):
        random.philox(torch.zeros(3, dtype=torch.int64), 0)
