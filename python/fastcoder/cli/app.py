# SPDX-License-Identifier: Apache-2.0
"""The commands. Each is thin: paths, options and messages here, the work in the floors below.

torch is imported inside the commands: it takes seconds, and `fastcoder --help` needs none of it.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fastcoder.cli import explain_missing, missing_extra
from fastcoder.cli.batch import Batch, find_compressed, find_unreadable, list_files, plan
from fastcoder.cli.batch import run as run_batch
from fastcoder.cli.messages import EXPECTED, complain, note, one_line, shown
from fastcoder.cli.work import (
    Options,
    check_output,
    compress_file,
    decompress_file,
    load_model,
    read_file,
)
from fastcoder.container import MAX_PIXELS
from fastcoder.errors import ArgumentError


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
    Path | None,
    typer.Option("--output", "-o", help="The file or folder to write.", show_default=False),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="A model file, or the name of an embedded model."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work on a folder.")]
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
        complain(explain_missing(missing))
    except EXPECTED as error:
        if settings.debug:
            raise
        complain(f"fastcoder: error: {one_line(error)}")
    return 1


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


@app.command()
def compress(
    image: Annotated[
        Path,
        typer.Argument(help="A photograph in any format that Pillow reads, or a folder of them."),
    ],
    output: Output = None,
    model: ModelName = None,
    force: Force = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    jobs: Jobs = 1,
    context: typer.Context = None,  # type: ignore[assignment]  # typer fills it in
) -> None:
    """Compress photographs into .fc files (by default beside them, with that suffix).

    A folder is searched recursively, and --output names a folder. Files that are there, whole and
    newer than their photographs are kept: run an interrupted command again to finish it.
    """
    options = Options(model, force, max_pixels)
    if not image.is_dir():
        print(compress_file(image, output or image.with_suffix(".fc"), options))
        return
    from fastcoder.torch.images import find_images

    tasks = plan([*find_images(image), *find_unreadable(image)], image, output or image, ".fc")
    raise typer.Exit(run_batch(Batch("compress", options, context.obj.debug), tasks, jobs))


@app.command()
def decompress(
    file: Annotated[Path, typer.Argument(help="An .fc file, or a folder of them.")],
    output: Output = None,
    model: ModelName = None,
    force: Force = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    jobs: Jobs = 1,
    context: typer.Context = None,  # type: ignore[assignment]
) -> None:
    """Decompress .fc files into lossless image files (by default PNGs beside them).

    A folder is searched recursively, and --output names a folder, as for compress. No image is
    replaced without --force: it may be the photograph itself.
    """
    options = Options(model, force, max_pixels)
    if not file.is_dir():
        print(decompress_file(file, output or file.with_suffix(".png"), options))
        return
    tasks = plan([*find_compressed(file), *find_unreadable(file)], file, output or file, ".png")
    raise typer.Exit(run_batch(Batch("decompress", options, context.obj.debug), tasks, jobs))


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An .fc file, or a folder of them.")],
    model: ModelName = None,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Show what an .fc file consists of, to the bit; of a folder, one line for each file."""
    from fastcoder.cli.report import describe_file, describe_stream

    if file.is_dir():
        raise typer.Exit(list_files([*find_compressed(file), *find_unreadable(file)], max_pixels))
    data, content = read_file(file, max_pixels)
    print(describe_file(shown(file), content))
    codec = load_model(model)
    if codec.fingerprint != content.fingerprint:
        note(
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

    codec = load_model(model)
    print(evaluation_title())
    result = evaluate_folder(
        codec, folder, on_row=lambda row: print(shown(evaluation_row(row)), flush=True)
    )
    for name, reason in result.failures:
        note(f"{name} was left out: {reason}")
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
        note(f"interrupted; {rest}")
        raise typer.Exit(130) from None
    print(f"{shown(out)}: done")


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
    check_output(out, Path(model), force)
    from fastcoder.cli.report import describe_quantization
    from fastcoder.torch.storage import read_metadata
    from fastcoder.torch.training import QuantizeConfig
    from fastcoder.torch.training import quantize as quantize_codec

    config = QuantizeConfig(**options)
    codec = load_model(model)
    try:
        result = quantize_codec(codec, config, metadata=read_metadata(model))
    except KeyboardInterrupt:
        saved = config.checkpoint_path.exists()
        note(f"interrupted; {'--resume goes on' if saved else 'nothing saved'}")
        raise typer.Exit(130) from None
    print(f"{shown(out)}: {describe_quantization(result)}")
