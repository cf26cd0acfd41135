# SPDX-License-Identifier: Apache-2.0
"""The `.fc` container: exact inverse, every damage noticed, nothing allocated by a claim."""

import contextlib
import math
import os
import stat
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastcoder import container
from fastcoder.container import ImageFile, pack, read_at_most, unpack, write_atomically
from fastcoder.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptStreamError,
    FormatVersionError,
    StreamError,
    TruncatedStreamError,
)

FILE = ImageFile("scale-hyperprior", "0123456789abcdef", 512, 768, bytes(range(100)))


def sealed(body: bytes) -> bytes:
    """The body with a right checksum: what somebody writes who wants to be believed."""
    return body + zlib.crc32(body).to_bytes(4, "little")


def altered(old: bytes, new: bytes) -> bytes:
    body = pack(FILE)[:-4]
    assert body.count(old) == 1
    return sealed(body.replace(old, new))


# The two varints of FILE's sides as they stand in its header.
HEIGHT_AND_WIDTH = b"\x80\x04\x80\x06"


@given(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=64),
    st.binary(min_size=8, max_size=8),
    st.integers(1, 2**24),
    st.integers(1, 2**24),
    st.binary(max_size=400),
)
def test_unpack_inverts_pack(
    name: str, fingerprint: bytes, height: int, width: int, stream: bytes
) -> None:
    file = ImageFile(name, fingerprint.hex(), height, width, stream)
    data = pack(file)
    assert unpack(data, max_pixels=2**48) == file
    assert len(data) == file.header_size + len(stream) + 4


def test_pack_writes_the_documented_bytes() -> None:
    data = pack(ImageFile("m", "0123456789abcdef", 1, 300, b"xyz"))
    body = bytes.fromhex("fa46430a 00 01 6d efcdab8967452301 01 ac02 03 78797a")
    assert data == sealed(body)


def test_unpack_takes_any_bytes_type() -> None:
    data = pack(FILE)
    assert unpack(bytearray(data)) == unpack(memoryview(data)) == FILE
    assert type(unpack(memoryview(data)).stream) is bytes


def test_every_truncation_raises() -> None:
    data = pack(FILE)
    for size in range(len(data)):
        with pytest.raises(TruncatedStreamError):
            unpack(data[:size])


def test_other_files_raise() -> None:
    with pytest.raises(StreamError, match="magic = 89 50 4e 47, expected fa 46 43 0a"):
        unpack(b"\x89PNG\r\n\x1a\n")


def test_every_bit_flip_raises() -> None:
    data = pack(FILE)
    for position in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            with pytest.raises(StreamError):
                unpack(damaged)


def test_every_appended_byte_raises() -> None:
    data = pack(FILE)
    for byte in range(256):
        with pytest.raises(CorruptStreamError, match="1 bytes after its checksum"):
            unpack(data + bytes((byte,)))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise(noise: bytes) -> None:
    for data in (noise, pack(FILE)[:20] + noise):
        with pytest.raises(StreamError):
            unpack(data)


@given(st.binary(max_size=300))
@example(b"\x01\x07" + bytes(7))  # a legal file: 512 x 1 pixels and 7 bytes of stream
def test_arbitrary_bytes_with_a_right_checksum_raise_or_are_legal(noise: bytes) -> None:
    data = sealed(pack(FILE)[:32] + noise)
    with contextlib.suppress(StreamError):
        assert pack(unpack(data)) == data


def test_other_version_raises() -> None:
    body = bytearray(pack(FILE)[:-4])
    body[4] = 1
    with pytest.raises(FormatVersionError, match="version = 1, expected 0"):
        unpack(sealed(bytes(body)))


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (b"\x00\x80\x06", "height = 0, expected 1 <= height <= 16777216"),
        (b"\x80\x04\x00", "width = 0, expected"),
        (b"\x80\x80\x80\x80\x10\x80\x06", "height = 4294967296, expected"),
        (b"\x80\x80\x80\x04\x80\x80\x80\x04", "= 70368744177664 pixels, expected at most"),
        (b"\x80\x84\x00\x80\x06", "height = a padded number"),
        (b"\x80\x84\x80\x80\x80\x80\x01\x80\x06", "height = a number of more than 5 bytes"),
    ],
)
def test_illegal_size_raises_with_a_right_checksum(new: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=message):
        unpack(altered(HEIGHT_AND_WIDTH, new))


@pytest.mark.parametrize("name", [b"Scale-hyperprior", b"scale/hyperprior", b"scale\xffhyperprior"])
def test_illegal_name_raises_with_a_right_checksum(name: bytes) -> None:
    with pytest.raises(CorruptStreamError, match="model name = "):
        unpack(altered(b"scale-hyperprior", name))


def test_max_pixels_is_inclusive() -> None:
    assert unpack(pack(FILE), max_pixels=512 * 768) == FILE
    with pytest.raises(StreamError, match="image = 768 x 512 = 393216 pixels, expected at most"):
        unpack(pack(FILE), max_pixels=512 * 768 - 1)


def test_claims_allocate_nothing() -> None:
    huge = altered(HEIGHT_AND_WIDTH, b"\x80\x80\x80\x08" * 2)
    long = sealed(pack(FILE)[:34] + b"\xff\xff\xff\xff\x7f" + bytes(100))
    tracemalloc.start()
    for data in (huge, long):
        with pytest.raises(StreamError):
            unpack(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": ""}, ArgumentError, "model = '', expected"),
        ({"model": "a" * 65}, ArgumentError, "expected 1 to 64"),
        ({"model": "A"}, ArgumentError, "model = 'A', expected"),
        ({"model": "\udcff"}, ArgumentError, "model = "),
        ({"model": b"a"}, ArgumentTypeError, "model = bytes, expected str"),
        ({"fingerprint": "0123"}, ArgumentError, "fingerprint = '0123', expected 16"),
        ({"fingerprint": "0123456789ABCDEF"}, ArgumentError, "fingerprint = "),
        ({"height": 0}, ArgumentError, "height = 0, expected 1 <= height <= 16777216"),
        ({"width": 2**24 + 1}, ArgumentError, "width = 16777217, expected"),
        ({"width": True}, ArgumentTypeError, "width = bool, expected int"),
        ({"height": 1.0}, ArgumentTypeError, "height = float, expected int"),
        ({"stream": bytearray()}, ArgumentTypeError, "stream = bytearray, expected bytes"),
    ],
)
def test_pack_refuses_illegal_fields(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pack(replace(FILE, **changes))  # type: ignore[arg-type]


def test_unpack_refuses_other_types() -> None:
    with pytest.raises(ArgumentTypeError, match="data = str, expected bytes"):
        unpack("fa")  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [math.nan, 1e6, None, "9", True])
def test_max_pixels_is_an_integer(limit: object) -> None:
    with pytest.raises(ArgumentTypeError, match=r"type\(max_pixels\) = "):
        unpack(pack(FILE), max_pixels=limit)  # type: ignore[arg-type]


def test_read_at_most_takes_memory_only_for_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 8192)  # two chunks
    assert read_at_most(path, 2**80) == path.read_bytes()
    assert read_at_most(path, 2**21) == path.read_bytes()
    assert read_at_most(path, 2**21 - 1) is None
    path.write_bytes(b"")
    assert read_at_most(path, 0) == b""


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_write_keeps_the_permissions_of_a_file_that_it_replaces(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.fc"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new", overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_write_creates_a_file_with_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.fc"
    write_atomically(path, b"abc")
    reference = tmp_path / "reference"
    reference.write_bytes(b"")
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode == reference.stat().st_mode


def test_write_keeps_an_existing_file_without_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "a.fc"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match=r"a\.fc exists"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    write_atomically(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_write_follows_a_symbolic_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new", overwrite=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_write_never_replaces_what_is_no_regular_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "pipe"):
        if not path.exists():
            os.mkfifo(path)
        with pytest.raises(FileExistsError, match="not a regular file"):
            write_atomically(path, b"new", overwrite=True)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("overwrite", [False, True])
def test_write_leaves_nothing_behind_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, overwrite: bool
) -> None:
    path = tmp_path / "a.fc"
    if overwrite:
        path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        assert len(list(tmp_path.iterdir())) == 1 + overwrite  # the temporary file is there
        raise failure

    monkeypatch.setattr(container.os, "fsync", fail)
    with pytest.raises(type(failure)):
        write_atomically(path, b"new", overwrite=overwrite)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"] * overwrite


def test_write_leaves_nothing_behind_when_the_disk_is_full(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_atomically(tmp_path / "a.fc", bytes(20_000))
        assert caught.value.filename == str(tmp_path / "a.fc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_write_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing: no such folder"):
        write_atomically(tmp_path / "missing" / "a.fc", b"abc")
