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
    "gaussian": "e1e49b40ad3586bb",
    "gaussian-16": "1a0be1fa5168dd67",
    "laplace": "0311a97d4e10aabd",
    "logistic": "0e99783b0aebc455",
    "uneven-10": "40f8c2d04c18d86c",
    "uneven-16": "96c75b661a6e685f",
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
