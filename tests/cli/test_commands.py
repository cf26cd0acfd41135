# SPDX-License-Identifier: Apache-2.0
"""The command line end to end, in temporary folders: what it writes, says, and leaves alone."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastcoder import container
from fastcoder.cli import work
from fastcoder.cli.app import run
from fastcoder.container import pack, unpack
from fastcoder.torch import load_model
from fastcoder.torch.images import read_rgb
from tests.cli.conftest import Fastcoder, assert_fails, restored


def damaged(path: Path, data: bytes) -> Path:
    other = path.with_name("damaged.fc")
    other.write_bytes(data)
    return other


def test_decompress_gives_what_the_model_gives(
    fastcoder: Fastcoder, photo: Path, model: Path, compressed: Path
) -> None:
    back = photo.with_name("back.png")
    result = fastcoder("decompress", compressed, "-o", back, "--model", model)
    assert (result.code, result.err) == (0, "")
    assert "back.png: 100 x 75" in result.out
    pixels = read_rgb(back).rgb
    assert pixels.shape == (75, 100, 3)
    assert np.array_equal(pixels, restored(load_model(model), compressed.read_bytes()))


def test_compress_reports_the_size_of_the_file(
    fastcoder: Fastcoder, photo: Path, model: Path
) -> None:
    result = fastcoder("compress", photo, "-o", photo.with_name("a.fc"), "--model", model)
    size = photo.with_name("a.fc").stat().st_size
    assert result.out.endswith(
        f"a.fc: 100 x 75, {size:,} bytes, {8 * size / 7500:.3f} bit per pixel\n"
    )


def test_compress_is_deterministic(
    fastcoder: Fastcoder, photo: Path, model: Path, compressed: Path
) -> None:
    again = photo.with_name("again.fc")
    fastcoder("compress", photo, "-o", again, "--model", model)
    assert again.read_bytes() == compressed.read_bytes()


def test_a_gray_photograph_works(fastcoder: Fastcoder, tmp_path: Path, model: Path) -> None:
    from PIL import Image

    Image.linear_gradient("L").save(tmp_path / "gray.png")
    assert fastcoder("compress", tmp_path / "gray.png", "--model", model).code == 0
    result = fastcoder(
        "decompress", tmp_path / "gray.fc", "-o", tmp_path / "b.ppm", "--model", model
    )
    assert result.code == 0
    assert read_rgb(tmp_path / "b.ppm").rgb.shape == (256, 256, 3)


def test_info_accounts_for_every_bit(fastcoder: Fastcoder, model: Path, compressed: Path) -> None:
    result = fastcoder("info", compressed, "--model", model)
    assert result.code == 0
    printed = [line.split() for line in result.out.splitlines()]
    file, header, stream, checksum = (int(line[1].replace(",", "")) for line in printed[3:7])
    assert file == compressed.stat().st_size == header + stream + checksum
    content = unpack(compressed.read_bytes())
    codec = load_model(model)
    assert content.fingerprint == codec.fingerprint
    assert content.fingerprint in result.out
    latents = codec.unpack_latents(compressed.read_bytes())
    rows = printed[-3:]
    bits = [float(row[1].replace(",", "")) for row in rows]
    assert [row[0] for row in rows] == ["z", "y", "rest"]
    assert bits[:2] == pytest.approx([part.bits() for part in latents.parts], abs=0.06)
    assert sum(bits) == pytest.approx(8 * len(content.stream), abs=0.2)
    # Flags, hash and the last states: at most 5 + 1 bytes and the 8 bytes and 0.2 % of the format.
    assert 0 < bits[2] <= 8 * 14 + 0.002 * sum(bits)
    assert rows[0][-1] == codec.tables.bottleneck.fingerprint
    assert rows[1][-1] == codec.tables.gaussian.fingerprint


def test_info_of_another_models_file_shows_the_container(
    fastcoder: Fastcoder, compressed: Path, other_model: Path
) -> None:
    result = fastcoder("info", compressed, "--model", other_model)
    assert result.code == 0
    assert "100 x 75" in result.out
    assert unpack(compressed.read_bytes()).fingerprint in result.err


def test_existing_output_is_kept_without_force(
    fastcoder: Fastcoder, photo: Path, model: Path, compressed: Path
) -> None:
    before = compressed.read_bytes()
    compressed.write_bytes(b"precious")
    assert_fails(
        fastcoder("compress", photo, "--model", model), "photo.fc exists; --force replaces it"
    )
    assert compressed.read_bytes() == b"precious"
    assert fastcoder("compress", photo, "--model", model, "--force").code == 0
    assert compressed.read_bytes() == before

    assert_fails(
        fastcoder("decompress", compressed, "--model", model), "photo.png exists; --force replaces"
    )
    assert fastcoder("decompress", compressed, "--model", model, "--force").code == 0


def test_input_is_never_the_output(
    fastcoder: Fastcoder, photo: Path, model: Path, compressed: Path
) -> None:
    result = fastcoder("compress", photo, "-o", photo, "--model", model, "--force")
    assert_fails(result, "photo.png, expected another file than the input")


@pytest.mark.parametrize("command", ["compress", "decompress", "info"])
def test_missing_input_is_named(fastcoder: Fastcoder, tmp_path: Path, command: str) -> None:
    result = fastcoder(command, tmp_path / "missing.x")
    assert_fails(result, "missing.x: No such file or directory")
    assert list(tmp_path.iterdir()) == []


def test_input_that_is_no_image(fastcoder: Fastcoder, tmp_path: Path, model: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image at all")
    result = fastcoder("compress", tmp_path / "notes.txt", "--model", model)
    assert_fails(result, "notes.txt = not an image that Pillow can read")
    assert not (tmp_path / "notes.fc").exists()


def test_input_that_is_no_fc_file(fastcoder: Fastcoder, photo: Path, model: Path) -> None:
    result = fastcoder("decompress", photo, "-o", photo.with_name("b.png"), "--model", model)
    assert_fails(result, "photo.png: magic = 89 50 4e 47, expected fa 46 43 0a")


def test_cut_files_raise_and_leave_nothing(
    fastcoder: Fastcoder, model: Path, compressed: Path
) -> None:
    data = compressed.read_bytes()
    back = compressed.with_name("back.png")
    for size in (0, 3, 20, len(data) // 2, len(data) - 1):
        cut = damaged(compressed, data[:size])
        assert_fails(fastcoder("decompress", cut, "-o", back, "--model", model), "damaged.fc: file")
    assert not back.exists()


def test_altered_file_raises(fastcoder: Fastcoder, model: Path, compressed: Path) -> None:
    data = bytearray(compressed.read_bytes())
    data[len(data) // 2] ^= 16
    back = compressed.with_name("back.png")
    result = fastcoder("decompress", damaged(compressed, data), "-o", back, "--model", model)
    assert_fails(result, "damaged.fc: checksum = ", "the file was altered")
    assert not back.exists()


def test_altered_stream_with_a_right_checksum_raises(
    fastcoder: Fastcoder, model: Path, compressed: Path
) -> None:
    content = unpack(compressed.read_bytes())
    back = compressed.with_name("back.png")
    for position in np.linspace(0, len(content.stream) - 1, 6).astype(int):
        stream = bytearray(content.stream)
        stream[position] ^= 1
        forged = damaged(compressed, pack(replace(content, stream=bytes(stream))))
        assert_fails(fastcoder("decompress", forged, "-o", back, "--model", model))
    assert not back.exists()


def test_file_of_another_model_names_both(
    fastcoder: Fastcoder, model: Path, other_model: Path, compressed: Path
) -> None:
    back = compressed.with_name("back.png")
    result = fastcoder("decompress", compressed, "-o", back, "--model", other_model)
    assert_fails(result, load_model(model).fingerprint, load_model(other_model).fingerprint)
    assert not back.exists()


def test_absurd_size_raises_before_the_network_runs(
    fastcoder: Fastcoder, model: Path, compressed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = unpack(compressed.read_bytes())
    forged = damaged(compressed, pack(replace(content, height=2**20, width=2**20)))
    monkeypatch.setattr(work, "load_model", lambda name: pytest.fail("model was loaded"))
    back = compressed.with_name("back.png")
    assert_fails(
        fastcoder("decompress", forged, "-o", back, "--model", model),
        "1048576 x 1048576 = 1099511627776 pixels, expected at most 67108864",
    )
    assert_fails(
        fastcoder("decompress", compressed, "-o", back, "--max-pixels", 7499), "7500 pixels"
    )


def test_a_larger_claim_than_the_stream_holds_raises(
    fastcoder: Fastcoder, model: Path, compressed: Path
) -> None:
    content = unpack(compressed.read_bytes())
    forged = damaged(compressed, pack(replace(content, height=1000, width=1000)))
    back = compressed.with_name("back.png")
    assert_fails(fastcoder("decompress", forged, "-o", back, "--model", model))
    assert not back.exists()


def test_large_photograph_needs_the_option(fastcoder: Fastcoder, photo: Path, model: Path) -> None:
    result = fastcoder("compress", photo, "--model", model, "--max-pixels", 7499)
    assert_fails(result, "100 x 75 = 7500 pixels, expected at most 7499 (max_pixels)")


@pytest.mark.parametrize("limit", [10**12, 2**59, 2**80])
def test_any_limit_costs_nothing(
    fastcoder: Fastcoder, model: Path, compressed: Path, limit: int
) -> None:
    assert fastcoder("info", compressed, "--model", model, "--max-pixels", limit).code == 0
    back = compressed.with_name("back.png")
    result = fastcoder(
        "decompress", compressed, "-o", back, "--model", model, "--max-pixels", limit
    )
    assert (result.code, result.err) == (0, "")


def test_endless_input_is_not_read(fastcoder: Fastcoder, tmp_path: Path, model: Path) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no endless file here")
    back = tmp_path / "back.png"
    result = fastcoder(
        "decompress", "/dev/zero", "-o", back, "--model", model, "--max-pixels", 1000
    )
    assert_fails(result, "more than 1064576 bytes")


def test_lossy_output_is_refused(fastcoder: Fastcoder, model: Path, compressed: Path) -> None:
    back = compressed.with_name("back.jpg")
    result = fastcoder("decompress", compressed, "-o", back, "--model", model)
    assert_fails(result, "'.jpg', expected one of .bmp, .png")


def test_missing_folder_of_the_output(fastcoder: Fastcoder, photo: Path, model: Path) -> None:
    result = fastcoder("compress", photo, "-o", photo.parent / "no" / "a.fc", "--model", model)
    assert_fails(result, "no: no such folder")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(fastcoder: Fastcoder, photo: Path, model: Path) -> None:
    folder = photo.parent / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    result = fastcoder("compress", photo, "-o", folder / "a.fc", "--model", model)
    assert_fails(result, "the folder is read-only")


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("open", PermissionError(13, "Permission denied"), "photo.fc: Permission denied"),
        ("fsync", OSError(28, "No space left on device"), "photo.fc: No space left on device"),
    ],
)
def test_failing_write_leaves_nothing(
    fastcoder: Fastcoder,
    photo: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    error: OSError,
    message: str,
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(container.os, function, fail)
    result = fastcoder("compress", photo, "--model", model)
    monkeypatch.undo()
    assert_fails(result, message)
    assert list(photo.parent.iterdir()) == [photo]


def test_unknown_model(fastcoder: Fastcoder, photo: Path) -> None:
    result = fastcoder("compress", photo, "--model", "nonesuch")
    assert_fails(result, "model = 'nonesuch', expected a model file or one of: default")
    result = fastcoder("compress", photo, "--model", photo)
    assert_fails(result, "photo.png")


def test_wrong_usage_ends_with_2(fastcoder: Fastcoder) -> None:
    for arguments in (["compress"], ["nonesuch"], ["info", "a", "--nonesuch"]):
        assert fastcoder(*arguments).code == 2


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(["--debug", "info", str(tmp_path / "missing.fc")])
