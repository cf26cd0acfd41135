# SPDX-License-Identifier: Apache-2.0
"""`python -m fastcoder.torch.training`: every field of TrainConfig as an option."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from pathlib import Path

from fastcoder.torch.training import TrainConfig, train


def main() -> None:
    """Parses the options and trains."""
    parser = argparse.ArgumentParser(prog="python -m fastcoder.torch.training")
    hints = typing.get_type_hints(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        option = "--" + field.name.replace("_", "-")
        choices = [kind for kind in typing.get_args(hints[field.name]) if kind is not type(None)]
        kind = choices[0] if choices else hints[field.name]
        required = field.default is dataclasses.MISSING
        default = None if required else field.default
        if kind is bool:
            action = argparse.BooleanOptionalAction
            parser.add_argument(option, action=action, default=default, required=required)
        elif isinstance(kind, str):
            parser.add_argument(option, choices=choices, default=default)
        else:
            convert = Path if kind is Path else kind
            parser.add_argument(option, type=convert, default=default, required=required)
    train(TrainConfig(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
