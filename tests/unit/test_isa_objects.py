# SPDX-License-Identifier: Apache-2.0
"""The check of the ISA wall must see what it is there for; ctest runs it on the real objects."""

from __future__ import annotations

import pytest

from tests.cpp.check_isa_objects import violations

CLEAN = """
0000000000000000 t fastcoder::scalar::(anonymous namespace)::decode(unsigned char const*)
                 U memcpy
0000000000000000 D fastcoder::scalar::kKernels
"""


def test_one_kernel_table_and_local_functions_are_fine() -> None:
    assert violations(CLEAN) == []


@pytest.mark.parametrize(
    "line",
    [
        "0000000000000000 W unsigned int const& std::min<unsigned int>(unsigned int const&)",
        "0000000000000000 V DW.ref.__gxx_personality_v0",
        "0000000000000000 u guard variable for fastcoder::cases()::all",
        "                 w __gmon_start__",
        "0000000000000010 T fastcoder::scalar::decode(unsigned char const*)",
        "0000000000000010 B fastcoder::counter",
        "0000000000000010 R fastcoder::scalar::kKernels",
    ],
)
def test_anything_else_that_leaves_the_object_is_reported(line: str) -> None:
    assert len(violations(CLEAN + line)) == 1


def test_an_object_without_kernels_is_reported() -> None:
    assert violations("                 U memcpy") == ["kKernels is defined 0 times, expected once"]
