# SPDX-License-Identifier: Apache-2.0
"""The choice of an instruction set: names, errors, environment, and no effect on bytes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import fastcoder as fc
from tests import generators
from tests.generators import native_table, parse_error


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_scalar_is_always_available():
    assert "scalar" in fc.isa.available()
    assert len(set(fc.isa.available())) == len(fc.isa.available())


def test_use_selects(isa):
    for name in fc.isa.available():
        fc.isa.use(name)
        assert fc.isa.active() == name


@pytest.mark.parametrize("name", ["", "Scalar", "avx1024", "scalar ", "none"])
def test_an_unknown_name_is_an_error_that_lists_the_legal_ones(name):
    former = fc.isa.active()
    with pytest.raises(fc.IsaError) as caught:
        fc.isa.use(name)
    assert isinstance(caught.value, ValueError)
    argument, _, value = parse_error(caught.value)
    assert argument == "isa"
    assert name in value
    for legal in fc.isa.available():
        assert legal in str(caught.value)
    assert fc.isa.active() == former


@pytest.mark.parametrize("value", [None, 1, b"scalar"])
def test_a_name_of_a_wrong_type_is_a_type_error(value):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.isa.use(value)
    assert "isa" in parse_error(caught.value)[0]


@pytest.mark.parametrize("name", fc.isa.available())
def test_the_environment_selects(name):
    code = "import fastcoder; print(fastcoder.isa.active())"
    result = run_python(code, FASTCODER_ISA=name)
    assert (result.returncode, result.stdout.strip()) == (0, name), result.stderr
    assert result.stderr == ""


def test_an_empty_environment_variable_selects_the_first():
    code = "import fastcoder; print(fastcoder.isa.active())"
    result = run_python(code, FASTCODER_ISA="")
    assert result.stdout.strip() == fc.isa.available()[0]


def test_an_unknown_name_in_the_environment_is_an_error_at_import():
    result = run_python("import fastcoder", FASTCODER_ISA="sse9")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert "IsaError" in last
    assert "FASTCODER_ISA" in last
    assert "sse9" in last
    for legal in fc.isa.available():
        assert legal in last


def test_every_pair_of_isas_reads_what_the_other_writes(rng):
    table = native_table(generators.table_of(13, True, [1, 7, 300], offset=-4))
    symbols = rng.integers(-30, 300, size=5000).astype(np.int16)
    indexes = rng.integers(3, size=5000).astype(np.uint8)
    former, streams = fc.isa.active(), {}
    try:
        for name in fc.isa.available():
            fc.isa.use(name)
            streams[name] = fc.encode(symbols, indexes, table)
        for name in fc.isa.available():
            fc.isa.use(name)
            for stream in streams.values():
                np.testing.assert_array_equal(fc.decode(stream, indexes, table), symbols)
    finally:
        fc.isa.use(former)
    assert len(set(streams.values())) == 1
