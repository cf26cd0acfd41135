# SPDX-License-Identifier: Apache-2.0
"""Measurements to Markdown: no number in a table is typed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]

SMALL = 10_000  # symbols; below it a call is what counts, in microseconds
README_WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "W6", "W7")
DIRECTIONS = ("encode", "decode")
BYTES_PER_SYMBOL = 4  # of the int32 arrays that every row starts from

WORKLOADS = {
    "W1": "latents of a hyperprior, continuous Gaussian scales, median 0.4",
    "W2": "the same with a median scale of 4",
    "W3": "192 channels of hyper-latents, one static logistic row each",
    "W4": "a small message: 2,000 symbols of W1; microseconds per call",
    "W5": "W1 with 0.1 % outliers of magnitude 200 to 100,000",
    "W6": "bytes, one static row",
    "W7": "y of one photograph through the embedded model",
    "Y": "y of all photographs, one message",
    "Z": "z of all photographs, one message",
}


def measured(results: Row) -> list[Row]:
    """Return the rows with numbers."""
    return [row for row in results["measurements"] if row["status"] == "measured"]


def one_core(results: Row) -> list[Row]:
    """Return what README.md shows: one core; other precisions with the best instruction set."""
    best = _best(results) + ":"
    rows = [row for row in measured(results) if len(row["cores"]) < 2]
    return [row for row in rows if "precision=" not in row["adapter"] or best in row["adapter"]]


def _best(results: Row) -> str:
    return f"fastcoder:isa={results['machine']['isas'][0]}"


def speed(row: Row, direction: str) -> float:
    """Million symbols per second."""
    return float(row["symbols"] / row[direction]["median"] / 1e6)


def ratio(row: Row, rows: Iterable[Row], adapter: str, direction: str) -> float | None:
    """How many times faster a row is than an adapter on the same workload, or None."""
    for other in rows:
        if other["adapter"] == adapter and other["workload"] == row["workload"]:
            return speed(row, direction) / speed(other, direction)
    return None


def page(results: Row) -> str:
    """Everything, for docs/benchmarks.md."""
    rows = measured(results)
    lines = [machine_line(results), "", *_workload_table(results), ""]
    for workload in dict.fromkeys(row["workload"] for row in rows):
        own = [row for row in rows if row["workload"] == workload]
        lines += [f"### {workload}: {WORKLOADS[workload]}", "", *_full_table(own, workload), ""]
    lines += [*_two_core_table(rows), *_operation_table(results["operations"])]
    lines += [*_absent(results), *_version_list(rows)]
    return "\n".join(lines).rstrip() + "\n"


def summary(results: Row) -> str:
    """The tables of README.md: one core, speeds, ratios, sizes."""
    rows = [row for row in one_core(results) if row["workload"] in README_WORKLOADS]
    lines = [
        machine_line(results),
        "",
        "Speed in million symbols per second, encode / decode, from NumPy int32 array to bytes and "
        "back, Python, checks and symbol hash included, on one core; for W4 microseconds per call.",
        "",
        *_grid(rows, _speeds),
        "",
        _legend(results),
        "",
    ]
    if any(row["adapter"] == "compressai" for row in rows):
        lines += ["Times as fast as CompressAI in the same run, encode / decode.", ""]
        own = [row for row in rows if row["adapter"].startswith("fastcoder")]
        lines += [*_grid(own, lambda row: _ratios(row, rows, "compressai")), ""]
    lines += [
        "Bytes, and what they are over the exact model (header, hash and states included).",
        "",
    ]
    lines += _grid(rows, _size)
    return "\n".join(lines) + "\n"


def against(results: Row, adapter: str) -> str:
    """The best instruction set of fastcoder beside one library, for docs/coming-from.md."""
    rows = one_core(results)
    ours = {r["workload"]: r for r in rows if r["adapter"] == _best(results)}
    theirs = [r for r in rows if r["adapter"] == adapter and r["symbols"] >= SMALL]
    lines = [
        "Million symbols per second, encode / decode, on one core; fastcoder with its defaults.",
        "",
        f"| | {theirs[0]['label']} {theirs[0]['version']} | fastcoder | times as fast | bytes |",
        "|---|---:|---:|---:|---:|",
    ]
    for other in theirs:
        row = ours[other["workload"]]
        cells = [_speeds(other), _speeds(row), f"**{_ratios(row, rows, adapter)}**"]
        cells.append(f"{100 * (row['bytes'] / other['bytes'] - 1):+.2f} %")
        lines.append(f"| {row['workload']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def photographs(result: Row) -> str:
    """The means of `benchmarks.photographs` as a table."""
    rows = result["photographs"]

    def mean(kind: str, column: str) -> float:
        return float(sum(row[kind][column] for row in rows) / len(rows))

    lines = [
        f"Embedded model ({result['model']['name']}, {result['model']['fingerprint']}) on the "
        f"{len(rows)} images of `{result['folder']}`; means over images, real file sizes; JPEG "
        "(4:2:0, optimized) and WebP at the highest quality that is not larger.",
        "",
        "| | bits per pixel | PSNR, dB | MS-SSIM |",
        "|---|---|---|---|",
    ]
    for kind, label in (("fastcoder", "fastcoder"), ("JPEG", "JPEG"), ("WEBP", "WebP")):
        similarity = f"{mean(kind, 'ms_ssim'):.4f}" if "ms_ssim" in rows[0][kind] else ""
        lines.append(
            f"| {label} | {mean(kind, 'bpp'):.4f} | {mean(kind, 'psnr'):.2f} | {similarity} |"
        )
    lines += [
        "",
        f"Files are {100 * result['real_over_estimated']:+.2f} % of the size that the model "
        f"estimates; an image takes {result['encode_seconds']:.2f} s to encode and "
        f"{result['decode_seconds']:.2f} s to decode on {result['machine']['cpu']} with "
        f"{result['threads']} thread{'s' if result['threads'] > 1 else ''}, networks included.",
    ]
    return "\n".join(lines) + "\n"


def machine_line(results: Row) -> str:
    """Where and with what it was measured."""
    machine = results["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores; {machine['system']}; "
        f"Python {machine['python']}, NumPy {machine['numpy']}; "
        f"fastcoder {machine['fastcoder']} ({machine['compiler']}), "
        f"commit {machine['commit'] or 'unknown'}."
    )


def _legend(results: Row) -> str:
    names = [row["name"] for row in results["workloads"] if row["name"] in README_WORKLOADS]
    return "; ".join(f"{name}: {WORKLOADS[name]}" for name in names) + "."


def _workload_table(results: Row) -> list[str]:
    lines = ["| | what | symbols | range | bits/symbol, exact model |", "|---|---|---:|---:|---:|"]
    for row in results["workloads"]:
        what = WORKLOADS[row["name"]] + (f" ({row['source']})" if row["source"] else "")
        bounds = f"{row['least']}..{row['greatest']}"
        bits = f"{row['bits_per_symbol']:.4f}"
        lines.append(f"| {row['name']} | {what} | {row['symbols']:,} | {bounds} | {bits} |")
    return lines


def _full_table(rows: list[Row], workload: str) -> list[str]:
    base = "htscodecs" if workload == "W6" else None
    columns = ["encode Msym/s", "decode Msym/s", "encode MB/s", "decode MB/s", "x CompressAI"]
    columns += ["x htscodecs"] * bool(base) + ["bytes", "over exact", "peak MiB"]
    lines = ["| | " + " | ".join(columns) + " |", "|---" + "|---:" * len(columns) + "|"]
    for row in rows:
        cells = [_speed(row, direction) for direction in DIRECTIONS]
        cells += [f"{BYTES_PER_SYMBOL * speed(row, d):.0f}" for d in DIRECTIONS]
        cells.append(_ratios(row, rows, "compressai"))
        if base:
            cells.append(_ratios(row, rows, base))
        peaks = [row[direction].get("peak_mib") for direction in DIRECTIONS]
        memory = " / ".join("" if peak is None else f"{peak:.0f}" for peak in peaks)
        cells += [f"{row['bytes']:,}", _over(row), memory.strip(" /")]
        count = row.get("lanes")
        lanes = f" ({count} {'lane' if count == 1 else 'lanes'})" if count else ""
        lines.append(f"| {row['label']}{lanes} | " + " | ".join(cells) + " |")
    return lines


def _two_core_table(rows: list[Row]) -> list[str]:
    """Two threads on one message against two processes with a message each."""
    lines = []
    for row in rows:
        if len(row["cores"]) < 2 or row["together"]:
            continue
        alone = row["adapter"].rpartition(":threads=")[0]
        same = [other for other in rows if other["workload"] == row["workload"]]
        found = [r for r in same if r["adapter"] == alone and r["together"]]
        single = [r for r in same if r["adapter"] == alone and len(r["cores"]) < 2]
        if found and single:
            cells = [_speeds(r) for r in (single[0], row, found[0])]
            share = [speed(row, d) / speed(found[0], d) for d in DIRECTIONS]
            cells.append(" / ".join(f"{value:.2f}" for value in share))
            lines.append(f"| {row['workload']} | " + " | ".join(cells) + " |")
    if not lines:
        return []
    title = ["### Two cores", "", "Million symbols per second, encode / decode.", ""]
    head = "| | one thread | two threads | two processes together | threads / processes |"
    return [*title, head, "|---" * 5 + "|", *lines, ""]


def _operation_table(rows: list[Row]) -> list[str]:
    if not rows:
        return []
    lines = ["### Beside coding", "", "| | time | speed |", "|---|---:|---:|"]
    for row in rows:
        time = f"{1e3 * row['median']:.2f} ms"
        if "first_use" in row:
            rest = f"and {1e3 * row['first_use']:.2f} ms in its first use"
            lines.append(f"| {row['name']} | {time} | {rest} |")
        else:
            lines.append(
                f"| {row['name']} | {time} | {row['items'] / row['median'] / 1e6:.0f} M/s |"
            )
    return [*lines, ""]


def _absent(results: Row) -> list[str]:
    """Each adapter without numbers, once per reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in results["measurements"]:
        if row["status"] != "measured":
            key = row["adapter"], f"{row['status']}: {row['reason']}"
            reasons.setdefault(key, []).append(row["workload"])
    if not reasons:
        return []
    lines = ["### Not measured", ""]
    for (adapter, reason), names in reasons.items():
        lines.append(f"* {adapter} ({', '.join(names)}) {reason.replace('|', '/')}")
    return [*lines, ""]


def _version_list(rows: list[Row]) -> list[str]:
    found = {row["adapter"].partition(":")[0]: row for row in rows}
    versions = [f"{name} {row['version']}" for name, row in found.items()]
    return [f"Versions: {', '.join(versions)}.", ""]


def _grid(rows: list[Row], cell: Callable[[Row], str]) -> list[str]:
    workloads = list(dict.fromkeys(row["workload"] for row in rows))
    found = {(row["label"], row["workload"]): row for row in rows}
    labels: dict[tuple[str, ...], str] = {}  # adapters with equal cells share a line
    for label in dict.fromkeys(row["label"] for row in rows):
        cells = tuple(cell(found[label, w]) if (label, w) in found else "" for w in workloads)
        labels[cells] = f"{labels[cells]}, {label.split()[-1]}" if cells in labels else label
    lines = ["| | " + " | ".join(workloads) + " |", "|---" * (len(workloads) + 1) + "|"]
    lines += [f"| {label} | " + " | ".join(cells) + " |" for cells, label in labels.items()]
    return lines


def _speed(row: Row, direction: str, *, spread: bool = True) -> str:
    time = row[direction]
    if row["symbols"] < SMALL:
        value = 1e6 * time["median"]
        text = f"{value:.1f} us" if value < 100 else f"{value:.0f} us"
    else:
        value = speed(row, direction)
        text = f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    half = 50 * (time["quartile_3"] - time["quartile_1"]) / time["median"]
    return f"{text} ± {half:.0f} %" if spread else text


def _speeds(row: Row) -> str:
    return " / ".join(_speed(row, direction, spread=False) for direction in DIRECTIONS)


def _ratios(row: Row, rows: list[Row], adapter: str) -> str:
    values = [ratio(row, rows, adapter, direction) for direction in DIRECTIONS]
    return " / ".join(f"{v:.3g}" if v < 1000 else f"{v:.0f}" for v in values if v is not None)


def _over(row: Row) -> str:
    return f"{100 * (8 * row['bytes'] / row['exact_bits'] - 1):+.3f} %"


def _size(row: Row) -> str:
    return f"{row['bytes']} ({_over(row)})"
