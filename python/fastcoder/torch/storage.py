# SPDX-License-Identifier: Apache-2.0
"""Models as files: weights in half precision and the integer tables, in one safetensors file.

The tables travel with the weights because they are data: rebuilding them on another machine could
give other integers. Metadata are strings; "fingerprint" is compared after loading.
"""

from __future__ import annotations

import copy
import importlib.resources
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import safe_open as _safe_open
from safetensors.torch import save as _save

from fastcoder.container import write_atomically
from fastcoder.errors import ArgumentError
from fastcoder.torch.codecs import CODECS, ImageCodec
from fastcoder.torch.codecs.latents import CodecTables

FORMAT = "fastcoder-model-0"
_TABLES = "tables."

# Names of the models inside the package, and their files in fastcoder/models.
EMBEDDED = {"default": "scale-hyperprior-default.safetensors"}


def save_model(
    model: ImageCodec,
    path: str | os.PathLike[str],
    *,
    half: bool | None = None,
    metadata: Mapping[str, str] | None = None,
) -> ImageCodec:
    """Writes a model and its tables to a safetensors file, completely or not at all.

    Args:
        model: any codec; it is not changed.
        path: the file; an existing one is replaced.
        half: round the weights to float16, which halves the file. The rounded model is another
            model, with its own tables and fingerprint; an integer network stays with it. By
            default True, but False for a codec that came with the tables of CompressAI: its
            strings need the very same weights.
        metadata: more entries, for example lmbda and steps.

    Returns:
        The model that was stored, in float32, on the CPU, in evaluation mode.

    Raises:
        ArgumentError: a weight does not fit float16, or metadata use a reserved name.
    """
    stored = copy.deepcopy(model).cpu().float().eval()
    if half is None:
        half = not stored.tables.of_compressai
    dtype = torch.float16 if half else torch.float32
    tensors: dict[str, torch.Tensor] = {}
    network = stored.integer_network
    with torch.no_grad():
        for name, tensor in stored.state_dict().items():
            narrow = tensor.to(dtype).contiguous()
            if not bool(torch.isfinite(narrow).all()):
                raise ArgumentError(f"{name} = not finite in {dtype}, expected finite weights")
            tensor.copy_(narrow)
            tensors[name] = narrow
    if network is not None:  # it goes with the latents, which rounding hardly changes
        stored.attach_tables(replace(stored.tables, hyper=network))
    own = {
        "format": FORMAT,
        "model": stored.name,
        "channels": str(stored.channels),
        "latent_channels": str(stored.latent_channels),
        "fingerprint": stored.fingerprint,
        "options": json.dumps(stored.options, sort_keys=True),
    }
    if not stored.options:
        del own["options"]
    for name in metadata or {}:
        if name in own or name == "options":
            raise ArgumentError(f"metadata = {name!r}, expected a name outside {', '.join(own)}")
    for name, array in stored.tables.to_arrays().items():
        tensors[name] = torch.from_numpy(np.array(array))
    data = _save(tensors, metadata={**(metadata or {}), **own})
    write_atomically(path, data, overwrite=True)
    return stored


def load_model(path: str | os.PathLike[str]) -> ImageCodec:
    """Reads what `save_model` wrote.

    Args:
        path: the file. It is only data: nothing in it is executed.

    Returns:
        The model in float32, on the CPU, in evaluation mode, with the tables of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ArgumentError: it is not such a file, was altered, or its parts do not fit together.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"model = {name!r}, expected an existing file")
    try:
        with _safe_open(name, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ArgumentError(f"{name} = {error}, expected a safetensors file") from None
    if metadata.get("format") != FORMAT or metadata.get("model") not in CODECS:
        found = f"{metadata.get('format')}, {metadata.get('model')}"
        known = f"{FORMAT}, one of {', '.join(CODECS)}"
        raise ArgumentError(f"{name} = ({found}), expected ({known})")
    model = _empty_model(name, metadata, tensors)
    weights = {key: value.float() for key, value in tensors.items() if not key.startswith(_TABLES)}
    try:
        arrays: dict[str, NDArray[Any]] = {
            key: value.numpy() for key, value in tensors.items() if key.startswith(_TABLES)
        }
        model.load_state_dict(weights)
        model.attach_tables(CodecTables.from_arrays(arrays))
    except (RuntimeError, TypeError, ArgumentError) as error:  # NumPy has no bfloat16, say
        raise ArgumentError(f"{name} = a damaged model: {error}") from None
    if model.fingerprint != metadata.get("fingerprint"):
        raise ArgumentError(
            f"{name}: fingerprint = {model.fingerprint}, expected {metadata.get('fingerprint')}: "
            "the file was altered"
        )
    return model.eval()


def load(name: str = "default") -> ImageCodec:
    """Loads a model that comes with the package.

    Args:
        name: "default", a small scale hyperprior for photographs.

    Example:
        >>> codec = load()
        >>> codec.name, codec.channels, codec.latent_channels
        ('scale-hyperprior', 64, 96)

    Raises:
        ArgumentError: no such model.
    """
    if name not in EMBEDDED:
        raise ArgumentError(f"name = {name!r}, expected one of {', '.join(EMBEDDED)}")
    resource = importlib.resources.files("fastcoder") / "models" / EMBEDDED[name]
    with importlib.resources.as_file(resource) as path:
        return load_model(path)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The strings stored in a model's file, or in that of an embedded model.

    Raises:
        ArgumentError: it is no safetensors file.
    """
    name = os.fspath(path)
    if name in EMBEDDED and not Path(name).exists():
        resource = importlib.resources.files("fastcoder") / "models" / EMBEDDED[name]
        with importlib.resources.as_file(resource) as file:
            return read_metadata(file)
    try:
        with _safe_open(name, framework="pt", device="cpu") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise ArgumentError(f"{name} = {error}, expected a safetensors file") from None


def _empty_model(
    name: str, metadata: Mapping[str, str], tensors: Mapping[str, torch.Tensor]
) -> ImageCodec:
    """A model of the stored shape; the numbers are believed only as far as the tensors go."""
    weights = sum(tensor.numel() for tensor in tensors.values())
    sizes = []
    for field in ("channels", "latent_channels"):
        text = metadata.get(field, "")
        # A codec of N and M channels has more than 25 * N * N and 25 * N * M weights.
        if len(text) > 9 or not text.isdecimal() or not 1 <= int(text) <= weights:
            raise ArgumentError(f"{name}: {field} = {text!r}, expected 1 <= {field} <= {weights}")
        sizes.append(int(text))
    try:
        options = json.loads(metadata.get("options", "{}"))
        codec: Any = CODECS[metadata["model"]]
        with torch.device("meta"):  # shapes without memory
            shapes: ImageCodec = codec(*sizes, **options)
            needed = sum(tensor.numel() for tensor in shapes.parameters())
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{name}: options = {error}, expected those of a codec") from None
    if needed > weights:
        raise ArgumentError(
            f"{name}: channels, latent_channels = {sizes[0]}, {sizes[1]}, "
            f"expected a codec of {weights} weights"
        )
    model: ImageCodec = codec(*sizes, **options)
    return model
