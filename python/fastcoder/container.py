# SPDX-License-Identifier: Apache-2.0
"""The `.fc` image file: which model wrote it, how large the image is, the stream, a checksum.

It knows nothing of models or pixels. The format is described in docs/container.md. Files come from
strangers: no number in one is believed before the checksum is right, and none is ever used to
allocate.
"""

import contextlib
import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastcoder._arrays import as_integer
from fastcoder.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptStreamError,
    FormatVersionError,
    StreamError,
    TruncatedStreamError,
)

__all__ = [
    "FILE_BYTES_PER_PIXEL",
    "MAX_PIXELS",
    "ImageFile",
    "check_writable",
    "pack",
    "read_at_most",
    "unpack",
    "write_atomically",
]

# The newline shows a transfer in text mode; the first byte is no ASCII, so no text file starts so.
MAGIC = b"\xfaFC\n"
VERSION = 0
NAME_LIMIT = 64  # bytes of a model's name
SIDE_LIMIT = 2**24  # pixels of one side
VARINT_LIMIT = 5  # bytes
CHECKSUM_SIZE = 4

# 8192 x 8192. A network with 64 channels takes 270 bytes per pixel (measured on 1 to 9 megapixels),
# so this is already 18 GB; a larger image is a decision that the caller has to spell out.
MAX_PIXELS = 2**26

# More than any file needs, ours or an uncompressed photograph; a longer one is refused unread.
FILE_BYTES_PER_PIXEL = 16

_CHUNK = 2**20  # bytes

_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """The content of one `.fc` file.

    Attributes:
        model: Name of the model, 1 to 64 of the characters a-z, 0-9, `-`, `_` and `.`. It is for
            people and error messages; the fingerprint decides.
        fingerprint: Of the model's weights and tables: 16 lower-case hexadecimal digits.
        height: Of the image, in pixels, 1 to 2**24.
        width: The same.
        stream: What the coder wrote, with the symbol hash inside.
    """

    model: str
    fingerprint: str
    height: int
    width: int
    stream: bytes

    @property
    def pixels(self) -> int:
        """Number of pixels of the image."""
        return self.height * self.width

    @property
    def header_size(self) -> int:
        """Bytes of the file in front of the stream."""
        return len(_header(self))


def pack(file: ImageFile) -> bytes:
    """Write an `.fc` file into memory.

    Args:
        file: Its content.

    Returns:
        The bytes. Equal content gives equal bytes.

    Raises:
        ArgumentTypeError: If a field has the wrong type.
        ArgumentError: If a field is outside its interval.

    Example:
        >>> data = pack(ImageFile("demo", "0123456789abcdef", 512, 768, b"stream"))
        >>> len(data), unpack(data).width
        (33, 768)
    """
    _check_fields(file)
    body = _header(file) + file.stream
    return body + zlib.crc32(body).to_bytes(CHECKSUM_SIZE, "little")


def unpack(data: bytes | bytearray | memoryview, *, max_pixels: int = MAX_PIXELS) -> ImageFile:
    """Read an `.fc` file from memory.

    Args:
        data: The whole file. It may come from anybody.
        max_pixels: An image with more pixels is an error, so that a caller can allocate by the
            height and width that this function returns.

    Returns:
        The content. Whether the stream belongs to the model is the decoder's question.

    Raises:
        ArgumentTypeError: If `data` is not bytes or `max_pixels` no integer.
        TruncatedStreamError: If the file ends early.
        FormatVersionError: If another version of the format wrote it.
        StreamError: If it is no `.fc` file, was altered, or its image is too large. The three above
            are, but for the first, special cases of this class.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ArgumentTypeError(f"data = {type(data).__name__}, expected bytes")
    limit = as_integer(max_pixels, "max_pixels")
    reader = _Reader(bytes(data))
    magic = reader.data[: len(MAGIC)]
    if magic != MAGIC:
        if MAGIC.startswith(magic):
            raise TruncatedStreamError(f"file = {len(magic)} bytes, expected a whole .fc file")
        raise StreamError(f"magic = {magic.hex(' ')}, expected {MAGIC.hex(' ')}")
    reader.take(len(MAGIC), "magic")
    (version,) = reader.take(1, "version")
    if version != VERSION:
        raise FormatVersionError(f"version = {version}, expected {VERSION}")
    (name_size,) = reader.take(1, "model name length")
    if not 1 <= name_size <= NAME_LIMIT:
        raise CorruptStreamError(
            f"model name length = {name_size}, expected 1 <= length <= {NAME_LIMIT}"
        )
    name = reader.take(name_size, "model name")
    fingerprint = reader.take(8, "fingerprint")[::-1].hex()
    height = reader.varint("height")
    width = reader.varint("width")
    stream_size = reader.varint("stream length")
    remaining = len(reader.data) - reader.position
    if remaining < stream_size + CHECKSUM_SIZE:
        raise TruncatedStreamError(
            f"file = {len(reader.data)} bytes, "
            f"expected {reader.position + stream_size + CHECKSUM_SIZE}"
        )
    if remaining > stream_size + CHECKSUM_SIZE:
        extra = remaining - stream_size - CHECKSUM_SIZE
        raise CorruptStreamError(f"file = {extra} bytes after its checksum, expected 0")
    stream = reader.take(stream_size, "stream")
    computed = zlib.crc32(memoryview(reader.data)[:-CHECKSUM_SIZE])
    stored = int.from_bytes(reader.take(CHECKSUM_SIZE, "checksum"), "little")
    if stored != computed:
        raise CorruptStreamError(
            f"checksum = {computed:08x}, expected {stored:08x}: the file was altered"
        )
    return _checked_content(name, fingerprint, height, width, stream, limit)


def read_at_most(path: str | os.PathLike[str], limit: int) -> bytes | None:
    """Read a file (or a pipe, or a device) whose length is not to be trusted.

    Args:
        path: The file.
        limit: In bytes. Memory is taken as the bytes come, so it may be of any size.

    Returns:
        Its content, or None if that is longer than `limit`.

    Raises:
        OSError: If the system cannot read it.
    """
    chunks: list[bytes] = []
    left = limit
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                return None
            chunks.append(chunk)
    return b"".join(chunks)


def write_atomically(path: str | os.PathLike[str], data: bytes, *, overwrite: bool = False) -> None:
    """Write a file completely or not at all.

    The bytes go to a temporary file in the same folder, reach the disk, and take the name in one
    step. Whatever happens before (a full disk, Ctrl-C), the temporary file is removed and a file
    that was there stays as it was; a process that is killed may leave the temporary file, a hidden
    one that ends in ``.tmp``. Of several writers at once one wins, with a whole file. A file that
    is replaced hands its permissions on.

    Args:
        path: The file. A symbolic link is followed.
        data: Its content.
        overwrite: Replace an existing file instead of raising.

    Raises:
        FileExistsError: If the file exists and `overwrite` is false, or it is not a regular file.
        PermissionError: If the file is read-only, or its folder.
        OSError: If the system cannot write it.
    """
    target = Path(os.path.realpath(path))
    check_writable(target, overwrite=overwrite)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    with _temporary_sibling(target, mode) as (descriptor, temporary):
        with os.fdopen(descriptor, "wb") as output:
            output.write(data)
            output.flush()
            os.fsync(output.fileno())
        check_writable(target, overwrite=overwrite)  # it may have appeared meanwhile
        if overwrite or not _linked(temporary, target):
            temporary.replace(target)
    _sync_folder(target.parent)


def _linked(temporary: Path, target: Path) -> bool:
    """Give a file its name if nobody has it; False where names cannot be given so.

    Unlike a check and a replacement, this cannot replace what appears between the two.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise FileExistsError(f"{target} exists") from None
    except (OSError, NotImplementedError, AttributeError):  # no hard links on this file system
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Let the new name reach the disk, too; not every system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def check_writable(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise now what `write_atomically` would raise after the work is done.

    Raises:
        FileExistsError: If the file exists and `overwrite` is false, or it is not a regular file.
        FileNotFoundError: If its folder does not exist.
        PermissionError: If the file is read-only, or its folder cannot be written to.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent}: no such folder")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        raise FileExistsError(f"{path} exists and is not a regular file")
    if mode is not None and not overwrite:
        raise FileExistsError(f"{path} exists")
    # A rename would not ask. For the superuser every file is writable, hence the bits.
    if mode is not None and not mode & 0o222:
        raise PermissionError(f"{path} is read-only")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{target.parent}: the folder is read-only")


@contextlib.contextmanager
def _temporary_sibling(target: Path, mode: int | None) -> Iterator[tuple[int, Path]]:
    """Open a new hidden file beside `target`; it is gone afterwards unless it was renamed.

    A failure names `target`: the caller knows nothing of the temporary name.
    """
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.tmp")
    # Not tempfile: its files are private (mode 600) and would stay so under their final name.
    try:
        descriptor = os.open(
            temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if mode is None else mode
        )
        try:
            if mode is not None:
                temporary.chmod(mode)  # the umask took bits away
            yield descriptor, temporary
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno is None:  # one of ours, with a message of its own
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error


def _check_fields(file: ImageFile) -> None:
    for field, kind in (
        ("model", str),
        ("fingerprint", str),
        ("height", int),
        ("width", int),
        ("stream", bytes),
    ):
        value = getattr(file, field)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ArgumentTypeError(f"{field} = {type(value).__name__}, expected {kind.__name__}")
    name = file.model.encode("utf-8", "surrogatepass")
    if not 1 <= len(name) <= NAME_LIMIT or not _NAME_BYTES.issuperset(name):
        raise ArgumentError(
            f"model = {file.model!r}, expected 1 to {NAME_LIMIT} of a-z, 0-9, '-', '_', '.'"
        )
    if len(file.fingerprint) != 16 or not set(file.fingerprint) <= set("0123456789abcdef"):
        raise ArgumentError(
            f"fingerprint = {file.fingerprint!r}, expected 16 lower-case hexadecimal digits"
        )
    for field, side in (("height", file.height), ("width", file.width)):
        if not 1 <= side <= SIDE_LIMIT:
            raise ArgumentError(f"{field} = {side}, expected 1 <= {field} <= {SIDE_LIMIT}")
    if len(file.stream) >= 2 ** (7 * VARINT_LIMIT):
        raise ArgumentError(f"stream = {len(file.stream)} bytes, expected less than 2**35")


def _checked_content(
    name: bytes, fingerprint: str, height: int, width: int, stream: bytes, max_pixels: int
) -> ImageFile:
    """Judge the fields of a file whose checksum is right: whoever wrote it meant them so."""
    if not _NAME_BYTES.issuperset(name):
        raise CorruptStreamError(f"model name = {name!r}, expected a-z, 0-9, '-', '_', '.'")
    for field, side in (("height", height), ("width", width)):
        if not 1 <= side <= SIDE_LIMIT:
            raise StreamError(f"{field} = {side}, expected 1 <= {field} <= {SIDE_LIMIT}")
    if height * width > max_pixels:
        raise StreamError(
            f"image = {width} x {height} = {height * width} pixels, expected at most {max_pixels}"
        )
    return ImageFile(name.decode("ascii"), fingerprint, height, width, stream)


def _header(file: ImageFile) -> bytes:
    name = file.model.encode("ascii")
    return b"".join(
        (
            MAGIC,
            bytes((VERSION, len(name))),
            name,
            bytes.fromhex(file.fingerprint)[::-1],
            _varint(file.height),
            _varint(file.width),
            _varint(len(file.stream)),
        )
    )


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    """A cursor that never passes the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int, field: str) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise TruncatedStreamError(f"file = ends inside its {field}, expected {count} bytes")
        part = self.data[self.position : end]
        self.position = end
        return part

    def varint(self, field: str) -> int:
        value = 0
        for group in range(VARINT_LIMIT):
            (byte,) = self.take(1, field)
            value |= (byte & 127) << (7 * group)
            if byte < 128:
                if byte == 0 and group > 0:
                    raise CorruptStreamError(f"{field} = a padded number, expected its short form")
                return value
        raise CorruptStreamError(
            f"{field} = a number of more than {VARINT_LIMIT} bytes, "
            f"expected at most {VARINT_LIMIT} bytes"
        )
