# SPDX-License-Identifier: Apache-2.0
"""The commands. Each is thin: paths, options and messages here, the work in the floors below.

torch is imported inside the commands: it takes seconds, and `fastcoder --help` needs none of it.
"""

from __future__ import annotations

import importlib.metadata
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastcoder.cli import explain_missing, missing_extra
from fastcoder.container import (
    FILE_BYTES_PER_PIXEL,
    MAX_PIXELS,
    ImageFile,
    check_writable,
    read_at_most,
    unpack,
    write_atomically,
)
from fastcoder.errors import ArgumentError, FastcoderError, StreamError

if TYPE_CHECKING:
    from fastcoder.torch import ImageCodec

# Of an .fc file, beside those of its pixels: an image of one pixel has a header, too.
_FILE_BYTES_ANYWAY = 2**20

# What a user can cause. Everything else is a defect of ours and shows its traceback.
_EXPECTED = (FastcoderError, OSError, ValueError, MemoryError)


@dataclass
class _Settings:
    debug: bool = False


app = typer.Typer(
    name="fastcoder",
    help="Learned image compression with a fast entropy coder.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file to write.", show_default=False)
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="A model file, or the name of an embedded model."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
MaxPixels = Annotated[
    int, typer.Option("--max-pixels", min=1, help="Refuse images with more pixels than this.")
]


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: What stands behind `fastcoder` on the command line.

    Returns:
        1 after an error, which was printed as one line. (Success and wrong usage end in a
        SystemExit with 0 and 2.)
    """
    settings = _Settings()
    try:
        app(args=list(arguments), prog_name="fastcoder", obj=settings)
    except ImportError as error:
        missing = missing_extra(error)
        if settings.debug or missing is None:
            raise
        _complain(explain_missing(missing))
    except _EXPECTED as error:
        if settings.debug:
            raise
        _complain(f"fastcoder: error: {_one_line(error)}")
    return 1


def _complain(text: str) -> None:
    # With stderr closed it is None, which print would take for stdout.
    if sys.stderr is not None:
        print(_shown(text), file=sys.stderr)


def _shown(text: object) -> str:
    """Text of ours around names of files: what a terminal would obey or not take is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in str(text)
    )


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror is not None:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}"
    return " ".join(str(error).split())


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"fastcoder {importlib.metadata.version('fastcoder')}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    context.obj.debug = debug


def _note(text: str) -> None:
    _complain(f"fastcoder: note: {text}")


def _load_model(name: str | None) -> ImageCodec:
    """The model in the file `name`, or the embedded one of that name or by default."""
    from fastcoder.torch.storage import EMBEDDED, load, load_model

    if name is None:
        return load()
    if Path(name).exists():
        return load_model(name)
    if name in EMBEDDED:
        return load(name)
    known = ", ".join(EMBEDDED)
    raise ArgumentError(f"model = {name!r}, expected a model file or one of: {known}")


def _allow_pixels(limit: int) -> None:
    """Lift Pillow's own guard (a warning, twice as far an error) above the user's limit."""
    from PIL import Image

    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = max(limit, Image.MAX_IMAGE_PIXELS or 0)


def _read_file(path: Path, max_pixels: int) -> bytes:
    limit = FILE_BYTES_PER_PIXEL * max_pixels + _FILE_BYTES_ANYWAY
    data = read_at_most(path, limit)
    if data is None:
        raise StreamError(
            f"{path} = more than {limit} bytes, expected an image of at most {max_pixels} pixels"
        )
    return data


def _unpack(path: Path, data: bytes, max_pixels: int) -> ImageFile:
    """Check the container, with the file's name in the message; needs no model."""
    try:
        return unpack(data, max_pixels=max_pixels)
    except StreamError as error:
        raise type(error)(f"{path}: {error}") from error


def _beside(source: Path, suffix: str) -> Path:
    if not source.name:
        raise ArgumentError(f"input = {source}, expected a file")
    return source.with_suffix(suffix)


def _check_output(target: Path, source: Path, force: bool) -> None:
    """Find out before the work whether its result can be written."""
    if target.exists() and source.exists() and target.samefile(source):
        raise ArgumentError(f"output = {target}, expected another file than the input")
    if target.is_file() and not force:
        raise ArgumentError(f"{target} exists; --force replaces it")
    check_writable(target, overwrite=force)


def _per_pixel(size: int, pixels: int) -> str:
    return f"{size:,} bytes, {8 * size / pixels:.3f} bit per pixel"


@app.command()
def compress(
    image: Annotated[Path, typer.Argument(help="A photograph, in any format that Pillow reads.")],
    output: Output = None,
    model: ModelName = None,
    force: Force = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Compress a photograph into an .fc file (by default beside it, with that suffix)."""
    target = output or _beside(image, ".fc")
    _check_output(target, image, force)
    from fastcoder.torch.images import read_rgb, to_tensor

    _allow_pixels(max_pixels)
    photograph = read_rgb(image, max_pixels=max_pixels)
    for notice in photograph.notices:
        _note(notice)
    codec = _load_model(model)
    data = codec.compress(to_tensor(photograph.rgb[None])[0])
    write_atomically(target, data, overwrite=force)
    height, width, _ = photograph.rgb.shape
    print(f"{_shown(target)}: {width} x {height}, {_per_pixel(len(data), height * width)}")


@app.command()
def decompress(
    file: Annotated[Path, typer.Argument(help="An .fc file.")],
    output: Output = None,
    model: ModelName = None,
    force: Force = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Decompress an .fc file into a lossless image file (by default a PNG beside it)."""
    target = output or _beside(file, ".png")
    from fastcoder.cli.images import check_suffix, write_rgb

    check_suffix(target)
    _check_output(target, file, force)
    data = _read_file(file, max_pixels)
    _unpack(file, data, max_pixels)
    image = _load_model(model).decompress(data, max_pixels=max_pixels)
    rgb = (image * 255).round().byte().permute(1, 2, 0).numpy()
    write_rgb(target, rgb, overwrite=force)
    print(f"{_shown(target)}: {rgb.shape[1]} x {rgb.shape[0]}")


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An .fc file.")],
    model: ModelName = None,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Show what an .fc file consists of, to the bit."""
    from fastcoder.cli.report import describe_file, describe_stream

    data = _read_file(file, max_pixels)
    content = _unpack(file, data, max_pixels)
    print(describe_file(_shown(file), content))
    codec = _load_model(model)
    if codec.fingerprint != content.fingerprint:
        _note(
            "what is inside the stream is known to its model only: "
            f"give the {content.model} with fingerprint {content.fingerprint} as --model"
        )
        return
    print(describe_stream(content, codec.unpack_latents(data, max_pixels=max_pixels)))


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A folder of photographs, searched recursively.")],
    model: ModelName = None,
) -> None:
    """Compress and restore every photograph of a folder: real bytes, PSNR, MS-SSIM."""
    from fastcoder.cli.report import evaluation_row, evaluation_summary, evaluation_title
    from fastcoder.torch.evaluation import evaluate as evaluate_folder

    codec = _load_model(model)
    print(evaluation_title())
    result = evaluate_folder(
        codec, folder, on_row=lambda row: print(_shown(evaluation_row(row)), flush=True)
    )
    for name, reason in result.failures:
        _note(f"{name} was left out: {reason}")
    if not result.rows:
        raise ArgumentError(f"folder = {str(folder)!r}, expected at least one readable photograph")
    print(evaluation_summary(result))


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder of photographs, searched recursively.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, log, model.")],
    model: Annotated[
        str,
        typer.Option(help="factorized-prior, scale-hyperprior or mean-scale-hyperprior."),
    ] = "scale-hyperprior",
    channels: Annotated[int, typer.Option(help="N, channels of the hidden layers.")] = 128,
    latent_channels: Annotated[int, typer.Option(help="M, channels of the latents.")] = 192,
    lmbda: Annotated[
        float, typer.Option(help="Weight of the distortion; larger is better and bigger.")
    ] = 0.013,
    steps: Annotated[int, typer.Option(help="Optimizer steps.")] = 500_000,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many, if earlier.")] = None,
    batch: Annotated[int, typer.Option(help="Crops per step.")] = 8,
    crop: Annotated[int, typer.Option(help="Side of a crop, a multiple of 64.")] = 256,
    optimizer: Annotated[str, typer.Option(help="adam or soap.")] = "adam",
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-4,
    final_lr: Annotated[float, typer.Option(help="Learning rate at the end, part of lr.")] = 0.01,
    warmup: Annotated[int, typer.Option(help="Steps of linear increase.")] = 500,
    schedule: Annotated[str, typer.Option(help="cosine, step or constant.")] = "cosine",
    decay_from: Annotated[float, typer.Option(help="Part of the run before the decay.")] = 0.0,
    clip: Annotated[float, typer.Option(help="Largest norm of the gradient; 0: any.")] = 1.0,
    ema: Annotated[float, typer.Option(help="Decay of the average that is exported.")] = 0.999,
    ste_from: Annotated[
        float, typer.Option(help="Part of the run before the image is made of rounded latents.")
    ] = 1.0,
    bf16: Annotated[
        bool | None,
        typer.Option("--bf16/--no-bf16", help="bfloat16; by default where the processor has it."),
    ] = None,
    holdout: Annotated[int, typer.Option(help="Photographs set aside for validation.")] = 0,
    validate_every: Annotated[int, typer.Option(help="Steps between validations.")] = 2000,
    checkpoint_minutes: Annotated[float, typer.Option(help="Between checkpoints.")] = 5.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    init: Annotated[
        Path | None, typer.Option(help="Checkpoint whose average a new run starts from.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    seed: Annotated[int, typer.Option(help="Of weights, crops and noise.")] = 0,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show a progress bar.")
    ] = True,
) -> None:
    """Train a codec. Ctrl-C saves a checkpoint; --resume goes on from it."""
    options = dict(locals())  # first of all, so that it holds the options and nothing else
    from fastcoder.torch.training import TrainConfig
    from fastcoder.torch.training import train as train_codec

    try:
        train_codec(TrainConfig(**options))
    except KeyboardInterrupt:
        saved = (out / "checkpoint.pt").exists()
        rest = f"the checkpoint is in {out}, --resume goes on from it" if saved else "nothing saved"
        _note(f"interrupted; {rest}")
        raise typer.Exit(130) from None
    print(f"{_shown(out)}: done")


@app.command()
def quantize(
    model: Annotated[str, typer.Argument(help="A model file, or the name of an embedded model.")],
    data: Annotated[Path, typer.Argument(help="Folder of photographs, searched recursively.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    weight_bits: Annotated[int, typer.Option(help="Of an integer weight: 8 or 16.")] = 8,
    activation_bits: Annotated[int, typer.Option(help="Of an activation: 8 or 16.")] = 8,
    crops: Annotated[int, typer.Option(help="Crops to train on.")] = 800,
    crop: Annotated[int, typer.Option(help="Side of a crop, a multiple of 64.")] = 512,
    steps: Annotated[int, typer.Option(help="Optimizer steps; 0 only converts.")] = 4000,
    batch: Annotated[int, typer.Option(help="Crops per step.")] = 4,
    lr: Annotated[
        float, typer.Option(help="Peak learning rate, part of the range of the integers.")
    ] = 5e-4,
    holdout: Annotated[int, typer.Option(help="Photographs to measure the cost on.")] = 16,
    checkpoint_minutes: Annotated[float, typer.Option(help="Between checkpoints.")] = 2.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    seed: Annotated[int, typer.Option(help="Of crops and batches.")] = 0,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show progress bars.")
    ] = True,
    force: Force = False,
) -> None:
    """Let integers choose the rows of a trained model: the same rows on every machine.

    Only the network from z to the rows is trained; latents and images stay as they are. Ctrl-C
    saves a checkpoint beside the output; --resume goes on from it.
    """
    options = dict(locals())  # first of all, so that it holds the options and nothing else
    for name in ("model", "force"):
        del options[name]
    _check_output(out, Path(model), force)
    from fastcoder.cli.report import describe_quantization
    from fastcoder.torch.storage import read_metadata
    from fastcoder.torch.training import QuantizeConfig
    from fastcoder.torch.training import quantize as quantize_codec

    config = QuantizeConfig(**options)
    codec = _load_model(model)
    try:
        result = quantize_codec(codec, config, metadata=read_metadata(model))
    except KeyboardInterrupt:
        saved = config.checkpoint_path.exists()
        _note(f"interrupted; {'--resume goes on' if saved else 'nothing saved'}")
        raise typer.Exit(130) from None
    print(f"{_shown(out)}: {describe_quantization(result)}")
