# SPDX-License-Identifier: Apache-2.0
"""What `import fastcoder` promises: the public names, the version, NumPy as the only need."""

from __future__ import annotations

import importlib.metadata
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastcoder
from fastcoder import errors

ROOT = Path(__file__).resolve().parents[2]

# The contract: other people's code calls exactly these.
CONTRACT = {
    "DEFAULT_SCALE_LEVELS",
    "AdaptiveTable",
    "CdfTable",
    "Decoder",
    "Encoder",
    "LargeTable",
    "Stack",
    "codes",
    "convert",
    "RateReport",
    "RangeDecoder",
    "RangeEncoder",
    "cost",
    "decode",
    "decode_many",
    "decode_range",
    "report",
    "encode",
    "encode_many",
    "get_threads",
    "isa",
    "parametric",
    "random",
    "scale_indexes",
    "scale_table",
    "set_threads",
}


def test_all_has_the_contract_and_every_error() -> None:
    assert set(fastcoder.__all__) - {"__version__"} == CONTRACT | set(errors.__all__)
    assert len(fastcoder.__all__) == len(set(fastcoder.__all__))


@pytest.mark.parametrize("name", sorted(CONTRACT - {"DEFAULT_SCALE_LEVELS"}))
def test_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(fastcoder, name).__doc__


@pytest.mark.parametrize("name", errors.__all__)
def test_error_is_exported_and_catchable_as_the_contract_says(name: str) -> None:
    error = getattr(fastcoder, name)
    assert issubclass(error, fastcoder.FastcoderError)
    if name != "FastcoderError":
        expected = TypeError if name == "ArgumentTypeError" else ValueError
        assert issubclass(error, expected)
    # Errors cross process boundaries (multiprocessing data loaders).
    copy = pickle.loads(pickle.dumps(error("indexes[17] = 64, expected 0 <= index < 64")))
    assert type(copy) is error
    assert str(copy) == "indexes[17] = 64, expected 0 <= index < 64"


def test_version_is_the_one_in_pyproject() -> None:
    written = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert written is not None
    assert fastcoder.__version__ == importlib.metadata.version("fastcoder") == written[1]


def test_package_is_typed_and_ships_its_stub() -> None:
    folder = Path(fastcoder.__file__).parent
    assert (folder / "py.typed").is_file()
    assert (folder / "_core.pyi").is_file()


def test_isa_lists_the_active_set() -> None:
    assert "scalar" in fastcoder.isa.available()
    assert fastcoder.isa.active() in fastcoder.isa.available()


def test_core_works_with_numpy_alone() -> None:
    # A finder that refuses everything outside the standard library, NumPy and the package itself.
    code = """
import sys
class OnlyNumpy:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in {"numpy", "fastcoder"}:
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, OnlyNumpy())
import fastcoder as fc
table = fc.CdfTable.from_pmf([[0.25, 0.5, 0.25]], [-1], precision=8)
stream = fc.encode([-1, 0, 0, 1], [0, 0, 0, 0], table)
print(fc.decode(stream, [0, 0, 0, 0], table).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[-1, 0, 0, 1]"
