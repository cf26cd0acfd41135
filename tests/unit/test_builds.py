# SPDX-License-Identifier: Apache-2.0
"""Tables are the same integers whatever compiles them: -O0, -O3, -O3 -march=native, gcc and clang.

On a processor with FMA the last one fuses a*b+c, unless the build forbids it, and then scales
differ in the last place. The golden fingerprints are for ever: streams name their table by them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastcoder

ROOT = Path(__file__).resolve().parents[2]

GOLDEN = {
    "scales": "687059f4fcdd3e02",
    "scales-64": "de4a1846c1f0ccc4",
    "scales-1024": "aa2fd488977fcac7",
    "gaussian": "ad42a326a0f3f86c",
    "gaussian-16": "ee41ca2e850293ef",
    "laplace": "d6351b66928b84b4",
    "logistic": "cda74b1fe555dd5b",
    "uneven-10": "17e88da27db2e1fb",
    "uneven-16": "e44558d9949044f3",
}


def tool(name: str) -> str:
    """Return cmake or ninja, from this environment first."""
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside_python, os.environ["PATH"]]))
    assert found is not None, f"{name} is in the dependency group `build`"
    return found


def test_installed_package_has_the_golden_default_table() -> None:
    table = fastcoder.CdfTable.gaussian(fastcoder.scale_table())
    assert table.fingerprint == GOLDEN["gaussian"]


@pytest.mark.parametrize("flags", ["-O0", "-O3", "-O3 -march=native"])
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_tables_do_not_depend_on_the_build(compiler: str, flags: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    configure = [
        *(tool("cmake"), "-S", str(ROOT), "-B", str(tmp_path), "-G", "Ninja"),
        f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        "-DCMAKE_BUILD_TYPE=None",
        f"-DCMAKE_CXX_FLAGS={flags}",
        "-DFASTCODER_BUILD_TESTS=ON",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    build = [tool("cmake"), "--build", str(tmp_path), "--target", "print_tables"]
    for command in (configure, build):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    printed = subprocess.run(
        [str(tmp_path / "tests" / "cpp" / "print_tables")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert dict(line.split() for line in printed.splitlines()) == GOLDEN
