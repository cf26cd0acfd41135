# SPDX-License-Identifier: Apache-2.0
"""The texts that `fastcoder info`, `fastcoder evaluate` and `fastcoder quantize` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastcoder.container import CHECKSUM_SIZE, ImageFile

if TYPE_CHECKING:
    from fastcoder.torch.codecs import Latents
    from fastcoder.torch.evaluation import Evaluation, EvaluationRow
    from fastcoder.torch.training import QuantizeResult


def describe_file(name: str, content: ImageFile) -> str:
    """What the container alone tells."""
    size = content.header_size + len(content.stream) + CHECKSUM_SIZE
    return "\n".join(
        (
            name,
            f"  image        {content.width} x {content.height}, {content.pixels:,} pixels",
            f"  model        {content.model}, fingerprint {content.fingerprint}",
            f"  file         {size:9,} bytes {_per_pixel(8 * size, content)} bit per pixel",
            f"    header     {content.header_size:9,}",
            f"    stream     {len(content.stream):9,}",
            f"    checksum   {CHECKSUM_SIZE:9,}",
        )
    )


def describe_stream(content: ImageFile, latents: Latents) -> str:
    """What only the model can tell: how many bits each part of the latents takes."""
    total = 8 * len(content.stream)
    lines = [
        "  stream              bits      share   per pixel     symbols   per symbol  "
        "table fingerprint"
    ]
    rest = float(total)
    for part in latents.parts:
        bits = part.bits()
        rest -= bits
        count = part.symbols.size
        lines.append(
            f"    {part.name:8} {bits:13,.1f} {100 * bits / total:8.2f} % "
            f"{_per_pixel(bits, content):>11} {count:11,} {bits / count:12.4f}  "
            f"{part.table.fingerprint}"
        )
    lines.append(
        f"    {'rest':8} {rest:13,.1f} {100 * rest / total:8.2f} % "
        f"{_per_pixel(rest, content):>11}  (states, flags, symbol hash, loss of the states)"
    )
    return "\n".join(lines)


def _per_pixel(bits: float, content: ImageFile) -> str:
    return f"{bits / content.pixels:.5f}"


def evaluation_title() -> str:
    """The header line of the table."""
    return (
        f"{'image':32} {'size':>11} {'bytes':>9} {'bpp':>7} {'PSNR':>7} {'MS-SSIM':>8} "
        f"{'real/est.':>9} {'enc. s':>7} {'dec. s':>7}"
    )


def evaluation_row(row: EvaluationRow) -> str:
    """One image."""
    name = row.name if len(row.name) <= 32 else "..." + row.name[-29:]
    return (
        f"{name:32} {f'{row.width} x {row.height}':>11} {row.file_bytes:9,} {row.bpp:7.4f} "
        f"{row.psnr:7.3f} {row.ms_ssim:8.5f} {100 * row.difference:+8.3f}% "
        f"{row.encode_seconds:7.2f} {row.decode_seconds:7.2f}"
    )


def evaluation_summary(result: Evaluation) -> str:
    """The mean of all images. Sizes are those of whole files; the difference is of their sum."""
    name = f"mean of {len(result.rows)}"
    return (
        f"{name:32} {'':>11} {result.mean('file_bytes'):9,.0f} {result.mean('bpp'):7.4f} "
        f"{result.mean('psnr'):7.3f} {result.mean('ms_ssim'):8.5f} "
        f"{100 * result.difference:+8.3f}% "
        f"{result.mean('encode_seconds'):7.2f} {result.mean('decode_seconds'):7.2f}"
    )


def describe_quantization(result: QuantizeResult) -> str:
    """What integers in the place of floats cost."""
    return (
        f"{result.model.name}, fingerprint {result.model.fingerprint}; y of what was held out "
        f"takes {result.bits_before:,.0f} bits with floats, {result.bits_after:,.0f} with integers "
        f"({100 * result.cost:+.2f} %)"
    )
