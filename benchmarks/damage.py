# SPDX-License-Identifier: Apache-2.0
"""What notices damage: random changes of streams and files, counted by kind and by the check.

Writes benchmarks/results/damage.json and, with --write, the tables of SECURITY.md. A trial changes
the bytes, the table, the indexes or the model, and decodes. It ends in one of three ways: an error;
the original symbols, which some changes leave alone (an index whose row is equal, say); or other
symbols, which is a silent wrong answer.

    python -m benchmarks.damage [--trials TRIALS] [--seed SEED] [--write]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcoder as fc
from benchmarks import pages
from benchmarks.machine import machine
from benchmarks.pages import RESULTS, ROOT

RESULT = RESULTS / "damage.json"
PAGE = ROOT / "SECURITY.md"
POOL = 60  # messages, or images, that the trials take turns with
IMAGE_SIDE = 48

Rng = np.random.Generator
Change = Callable[[Rng, bytes, bytes], bytes]


def flipped(rng: Rng, data: bytes, _: bytes, most: int = 1) -> bytes:
    """One bit, or up to ``most``."""
    out = bytearray(data)
    for _ in range(rng.integers(1, most + 1)):
        out[rng.integers(len(out))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def swapped(rng: Rng, data: bytes, _: bytes) -> bytes:
    """Two bytes change places."""
    out = bytearray(data)
    i, j = rng.integers(len(out), size=2)
    out[i], out[j] = out[j], out[i]
    return bytes(out)


def replaced(rng: Rng, data: bytes, _: bytes) -> bytes:
    """Up to 16 bytes in a row become others."""
    first = int(rng.integers(len(data)))
    size = int(rng.integers(1, 17))
    return data[:first] + rng.bytes(len(data[first : first + size])) + data[first + size :]


def cut(rng: Rng, data: bytes, _: bytes) -> bytes:
    """The end is missing."""
    return data[: rng.integers(len(data))]


def removed(rng: Rng, data: bytes, _: bytes) -> bytes:
    """Up to 8 bytes in the middle are missing."""
    first = int(rng.integers(len(data)))
    return data[:first] + data[first + int(rng.integers(1, 9)) :]


def appended(rng: Rng, data: bytes, _: bytes) -> bytes:
    """Up to 8 bytes follow."""
    return data + rng.bytes(int(rng.integers(1, 9)))


def spliced(rng: Rng, data: bytes, other: bytes) -> bytes:
    """From some place on it is another valid stream, made with the same table."""
    first = int(rng.integers(1, len(data)))
    return data[:first] + other[first:]


CHANGES: dict[str, Change] = {
    "one bit flipped": flipped,
    "up to 8 bits flipped": lambda rng, data, other: flipped(rng, data, other, 8),
    "two bytes swapped": swapped,
    "up to 16 bytes replaced": replaced,
    "cut": cut,
    "up to 8 bytes removed": removed,
    "up to 8 bytes appended": appended,
    "spliced with another": spliced,
}


@dataclass
class Tally:
    """How the trials of one kind ended."""

    trials: int = 0
    error: int = 0
    original: int = 0
    silent: int = 0
    by_hash: int = 0  # of the errors, those that nothing but the symbol hash (or checksum) saw

    def count(self, expected: bytes, decode: Callable[[], bytes], hash_says: str) -> None:
        """Decode once."""
        self.trials += 1
        try:
            decoded = decode()
        except fc.StreamError as error:
            self.error += 1
            self.by_hash += hash_says in str(error)
        else:
            if decoded == expected:
                self.original += 1
            else:
                self.silent += 1


@dataclass
class Message:
    """Symbols, and what they became."""

    symbols: NDArray[Any]
    indexes: NDArray[Any]
    stream: bytes
    bare: bytes  # without header and hash
    hashed: bytes  # without header, with the hash
    expected: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.expected = self.symbols.tobytes()


def streams_of(rng: Rng, table: fc.CdfTable, scales: NDArray[Any]) -> list[Message]:
    """Messages of 1 to 600 symbols with lanes and segments of every kind; pairs share indexes."""
    made = []
    for number in range(POOL):
        if number % 2 == 0:
            size = int(rng.integers(1, 600))
            indexes = rng.integers(len(scales), size=size).astype(np.uint8)
        symbols = np.rint(rng.normal(0.0, scales[indexes])).astype(np.int32)
        lanes = [None, 1, 4, 32][int(rng.integers(4))]
        segment = [None, None, 64, 256][int(rng.integers(4))]
        stream = fc.encode(symbols, indexes, table, lanes=lanes, segment=segment)
        bare, hashed = (
            headless(symbols, indexes, table, check, lanes, segment) for check in (False, True)
        )
        made.append(Message(symbols, indexes, stream, bare, hashed))
    return made


def headless(
    symbols: NDArray[Any],
    indexes: NDArray[Any],
    table: fc.CdfTable,
    check: bool,
    lanes: int | None,
    segment: int | None,
) -> bytes:
    """What an Encoder writes."""
    encoder = fc.Encoder(check=check, lanes=lanes, segment=segment)
    encoder.push(symbols, indexes, table)
    return encoder.finish()


def decode_headless(stream: bytes, indexes: NDArray[Any], table: fc.CdfTable) -> bytes:
    """All symbols, and the end."""
    decoder = fc.Decoder(stream)
    symbols = decoder.pull(indexes, table)
    decoder.finish()
    return symbols.tobytes()


def changed_indexes(rng: Rng, indexes: NDArray[Any], rows: int, all_of_them: bool) -> NDArray[Any]:
    """Another array: one index by one row, or all of them drawn anew."""
    out = indexes.copy()
    if all_of_them:
        out = rng.integers(rows, size=out.size).astype(out.dtype)
    else:
        place = rng.integers(out.size)
        out[place] = (int(out[place]) + 1) % rows
    return out


def of_streams(rng: Rng, trials: int) -> dict[str, dict[str, Tally]]:
    """One-shot streams, and those of an Encoder with and without the symbol hash."""
    scales = np.geomspace(0.2, 30.0, 12)
    table = fc.CdfTable.gaussian(scales)
    other_table = fc.CdfTable.gaussian(scales * 1.02)
    messages = streams_of(rng, table, scales)
    tallies = {name: {kind: Tally() for kind in CHANGES} for name in ("one-shot", "hash", "bare")}
    for name in tallies:
        for kind in ("one index off by one", "other indexes", "another table"):
            tallies[name][kind] = Tally()

    def judge(kind: str, changed: dict[str, bytes], use: fc.CdfTable, at: NDArray[Any]) -> None:
        one_shot = changed["one-shot"]
        tallies["one-shot"][kind].count(
            message.expected, lambda: fc.decode(one_shot, at, use).tobytes(), "hash"
        )
        for name in ("hash", "bare"):
            stream = changed[name]
            tallies[name][kind].count(
                message.expected, lambda s=stream: decode_headless(s, at, use), "hash"
            )

    for trial in range(trials):
        message, other = messages[trial % POOL], messages[trial % POOL ^ 1]
        whole = {"one-shot": message.stream, "hash": message.hashed, "bare": message.bare}
        others = {"one-shot": other.stream, "hash": other.hashed, "bare": other.bare}
        for kind, change in CHANGES.items():
            changed = {name: change(rng, whole[name], others[name]) for name in whole}
            if any(changed[name] in (whole[name], others[name]) for name in whole):
                continue  # nothing happened, or it is the other valid stream
            judge(kind, changed, table, message.indexes)
        one_off = changed_indexes(rng, message.indexes, len(scales), all_of_them=False)
        judge("one index off by one", whole, table, one_off)
        judge("other indexes", whole, table, changed_indexes(rng, one_off, len(scales), True))
        judge("another table", whole, other_table, message.indexes)
    return tallies


def of_extremes(rng: Rng, trials: int) -> dict[str, dict[str, Tally]]:
    """Where the symbol hash is weakest: a fifth of the symbols anywhere in int32, one lane.

    Two errors in their highest bits can cancel (docs/format.md 5); two flipped escape bits make
    such errors.
    """
    table = fc.CdfTable.gaussian([0.5, 2.0])
    tally = Tally()
    for trial in range(trials):
        if trial % 500 == 0:
            size = int(rng.integers(20, 100))
            indexes = rng.integers(2, size=size).astype(np.uint8)
            far = rng.random(size) < 0.2
            symbols = np.where(
                far, rng.integers(-(2**31), 2**31, size=size), rng.integers(-1, 2, size=size)
            ).astype(np.int32)
            stream = fc.encode(symbols, indexes, table, lanes=1)
        changed = bytearray(stream)
        first, second = 96 + rng.choice(8 * (len(stream) - 12), size=2, replace=False)
        changed[first >> 3] ^= 1 << (first & 7)
        changed[second >> 3] ^= 1 << (second & 7)
        tally.count(
            symbols.tobytes(),
            lambda c=bytes(changed), at=indexes: fc.decode(c, at, table).tobytes(),
            "hash",
        )
    return {"extremes": {"two bits flipped": tally}}


def of_files(rng: Rng, trials: int) -> dict[str, dict[str, Tally]]:
    """`.fc` files of a small hyperprior: as they are, and with the checksum computed anew."""
    import torch

    from fastcoder import container
    from fastcoder.torch import ScaleHyperprior

    torch.manual_seed(int(rng.integers(2**31)))
    torch.set_num_threads(1)
    codec, stranger = ScaleHyperprior(8, 8).eval(), ScaleHyperprior(8, 8).eval()
    images = torch.rand(8, 3, IMAGE_SIDE, IMAGE_SIDE)
    # Untrained networks give zeros only; larger weights give latents of every size.
    with torch.no_grad():
        for model in (codec, stranger):
            for weights in model.parameters():
                if weights.ndim == 4:
                    weights.mul_(1.7)

    def latents_of(data: bytes) -> bytes:
        latents = codec.unpack_latents(data)
        return b"".join(np.asarray(part.symbols).tobytes() for part in latents.parts)

    files = [codec.compress(image) for image in images]
    foreign = [stranger.compress(image) for image in images]
    expected = [latents_of(data) for data in files]
    kinds = {**CHANGES, "another model": lambda rng, data, other: data}
    tallies = {name: {kind: Tally() for kind in kinds} for name in ("file", "sealed file")}
    for trial in range(trials):
        number = trial % len(files)
        data, other = files[number], files[number - 1]
        content, content_of_other = container.unpack(data), container.unpack(other)
        for kind, change in CHANGES.items():
            changed = change(rng, data, other)
            if changed not in (data, other):
                tallies["file"][kind].count(
                    expected[number], lambda d=changed: latents_of(d), "checksum"
                )
            if trial % 10:
                continue  # the network behind the checksum takes its time
            stream = change(rng, content.stream, content_of_other.stream)
            if stream not in (content.stream, content_of_other.stream):
                sealed = container.pack(
                    container.ImageFile(
                        content.model, content.fingerprint, IMAGE_SIDE, IMAGE_SIDE, stream
                    )
                )
                tallies["sealed file"][kind].count(
                    expected[number], lambda d=sealed: latents_of(d), "hash"
                )
        tallies["file"]["another model"].count(
            expected[number], lambda d=foreign[number]: latents_of(d), "checksum"
        )
        if trial % 10 == 0:
            theirs = container.unpack(foreign[number])
            forged = container.pack(
                container.ImageFile(
                    content.model, content.fingerprint, IMAGE_SIDE, IMAGE_SIDE, theirs.stream
                )
            )
            tallies["sealed file"]["another model"].count(
                expected[number], lambda d=forged: latents_of(d), "hash"
            )
    return tallies


def measure(trials: int, seed: int) -> dict[str, Any]:
    """All counts. ``trials`` of each kind of change.

    A tenth of them for sealed files, ten times as many for extreme symbols.
    """
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    tallies = of_streams(rng, trials) | of_extremes(rng, 10 * trials) | of_files(rng, trials)
    return {
        "machine": machine(),
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "counts": {
            name: {kind: vars(tally) for kind, tally in kinds.items()}
            for name, kinds in tallies.items()
        },
    }


TITLES = {
    "one-shot": "one-shot stream (`encode`)",
    "hash": "`Encoder(check=True)`",
    "bare": "`Encoder()`, neither header nor hash",
    "extremes": "one-shot stream, a fifth of the symbols anywhere in int32, two bits flipped",
    "file": "`.fc` file",
    "sealed file": "`.fc` file, checksum computed anew",
}


def table_of(result: dict[str, Any]) -> str:
    """What was damaged, how often that was noticed, and by what."""
    lines = [
        "| | trials | error | of them, only by the hash or checksum | original | silent |",
        "|---|---|---|---|---|---|",
    ]
    for name, kinds in result["counts"].items():
        sums = {key: sum(t[key] for t in kinds.values()) for key in vars(Tally())}
        lines.append(
            f"| {TITLES[name]} | {sums['trials']:,} | {sums['error']:,} | {sums['by_hash']:,} "
            f"| {sums['original']:,} | {sums['silent']:,} |"
        )
    lines += ["", "| kind of damage, without header and hash | trials | silent | one in |"]
    lines += ["|---|---|---|---|"]
    for kind, tally in result["counts"]["bare"].items():
        trials, silent = tally["trials"], tally["silent"]
        rate = f"{trials / silent:,.0f}" if silent else "-"
        lines.append(f"| {kind} | {trials:,} | {silent:,} | {rate} |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the tables of SECURITY.md")
    arguments = parser.parse_args()
    result = measure(arguments.trials, arguments.seed)
    pages.keep(RESULT, result)
    if arguments.write:
        pages.write(PAGE, "damage", table_of(result))
    print(table_of(result))


if __name__ == "__main__":
    main()
