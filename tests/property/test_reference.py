# SPDX-License-Identifier: Apache-2.0
"""The reference alone: an oracle that nothing checks proves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import generators, reference


def test_siphash_gives_the_published_vectors():
    # The first and the sixteenth vector of the algorithm's own reference implementation.
    key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    assert reference.siphash24(b"", key) == 0x726FDB47DD0E0E31
    assert reference.siphash24(bytes(range(15)), key) == 0xA129CA6149BE45E5


@given(st.lists(generators.messages(), max_size=3), generators.lanes, generators.segments)
def test_reference_gives_the_symbols_back(messages, lanes, segment):
    pulls = [(message.indexes, message.table) for message in messages]
    symbols = [symbol for message in messages for symbol in message.symbols]
    for check in (False, True):
        stream = reference.encode_stream(messages, check=check, lanes=lanes, segment=segment)
        assert reference.decode_stream(stream, pulls) == symbols
    for message in messages:
        stream = reference.encode(*message, lanes=lanes, segment=segment)
        assert reference.decode(stream, *message[1:]) == message.symbols


@given(generators.tables())
def test_reference_gives_the_table_back(table):
    again = reference.Table.from_bytes(table.to_bytes())
    assert again.to_bytes() == table.to_bytes()
    assert (again.offsets, again.frequencies) == (table.offsets, table.frequencies)
    assert (again.precision, again.escape) == (table.precision, table.escape)


def test_reference_writes_a_stream_that_was_computed_by_hand():
    # Precision 1, two slots, one lane, narrow: frequency is 2^13, so every symbol is one bit. The
    # state starts at 2^16 and takes symbols last to first: x -> (x div 2^13) * 2^14 + x mod 2^13
    # + 2^13 * symbol. Symbols 1, 0, 1: 0x10000 -> 0x22000 -> 0x44000 -> 0x8A000.
    table = reference.Table(1, False, [0], [[1, 1]])
    stream = reference.encode_stream([([1, 0, 1], [0, 0, 0], table)])
    assert stream == bytes([0]) + (0x8A000).to_bytes(4, "little")


def test_reference_codes_the_farthest_symbol_of_an_escape_only_row():
    table = reference.Table(1, True, [generators.INT32_MIN], [[2]])
    symbols = [generators.INT32_MAX, generators.INT32_MIN]
    stream = reference.encode(symbols, [0, 0], table)
    assert reference.decode(stream, [0, 0], table) == symbols


def test_reference_refuses_a_symbol_that_its_row_lacks():
    table = reference.Table(1, False, [0], [[1, 1]])
    with pytest.raises(reference.FormatError, match="no escape"):
        reference.encode([2], [0], table)
