# SPDX-License-Identifier: Apache-2.0
"""The drawing of the floors cannot rot: imports and #includes may only point downwards.

A new module has to be given a floor here. Two modules of one floor may not know each other.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "python"
CSRC = ROOT / "csrc"

# From the ground up. A name stands for the module and everything below it in the dotted tree; the
# longest name that fits a module decides. Inside one name arrows are free.
PYTHON_FLOORS: list[tuple[str, ...]] = [
    ("fastcoder.errors",),
    ("fastcoder._core",),
    ("fastcoder._arrays", "fastcoder._locks", "fastcoder.isa"),
    ("fastcoder.scales", "fastcoder.tables", "fastcoder.threads"),
    ("fastcoder.coding",),
    ("fastcoder.codes", "fastcoder.large_tables"),
    ("fastcoder.intervals", "fastcoder.parametric", "fastcoder.random"),
    (
        "fastcoder.compat",
        "fastcoder.container",
        "fastcoder.range_coding",
        "fastcoder.rate_report",
        "fastcoder.stack",
        "fastcoder.streaming",
    ),
    ("fastcoder.convert",),
    ("fastcoder",),
    (
        "fastcoder.torch.arrays",
        "fastcoder.torch.exact",
        "fastcoder.torch.images",
        "fastcoder.torch.integer",
        "fastcoder.torch.ops",
        "fastcoder.torch.random",
        "fastcoder.torch.scales",
    ),
    ("fastcoder.torch.entropy_models", "fastcoder.torch.layers"),
    ("fastcoder.torch.codecs",),
    ("fastcoder.torch.calibration", "fastcoder.torch.evaluation", "fastcoder.torch.storage"),
    ("fastcoder.torch",),
    ("fastcoder.torch.training",),
    ("fastcoder.cli",),
]
CPP_FLOORS = ["base", "format", "simd", "coder", "compat", "python"]

# What may cross the ISA wall: nothing of the standard library that is a template or inline.
ISA_HEADERS = {"stdint.h", "stddef.h", "string.h", "immintrin.h", "arm_neon.h", "intrin.h"}


def python_place(module: str) -> tuple[int, str]:
    """Return the floor of `module` and the name in PYTHON_FLOORS that covers it."""
    best = (-1, "")
    for floor, names in enumerate(PYTHON_FLOORS):
        for name in names:
            inside = module == name or (name != "fastcoder" and module.startswith(name + "."))
            if inside and len(name) > len(best[1]):
                best = (floor, name)
    return best


def python_imports(source: str, module: str, is_package: bool, known: Iterable[str]) -> set[str]:
    """Return the modules of fastcoder that `source` imports, at any depth of nesting."""
    modules = set(known)
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                kept = len(parents) - node.level + (1 if is_package else 0)
                base = ".".join([*parents[:kept], *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in modules else base)
    return {name for name in found if name.split(".")[0] == "fastcoder"}


def python_violations(edges: Mapping[str, set[str]]) -> list[str]:
    """Return one sentence for each import that does not point downwards."""
    wrong = []
    for module, targets in edges.items():
        floor, name = python_place(module)
        if floor < 0:
            wrong.append(f"{module} has no floor")
            continue
        for target in sorted(targets):
            target_floor, target_name = python_place(target)
            if target_name != name and not 0 <= target_floor < floor:
                wrong.append(f"{module} (floor {floor}) imports {target} (floor {target_floor})")
    return wrong


def python_edges() -> dict[str, set[str]]:
    files = sorted((PYTHON / "fastcoder").rglob("*.py"))
    modules = {}
    for file in files:
        parts = file.relative_to(PYTHON).with_suffix("").parts
        modules[file] = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    known = {*modules.values(), "fastcoder._core"}
    return {
        module: python_imports(file.read_text(), module, file.name == "__init__.py", known)
        for file, module in modules.items()
    }


def cpp_includes(source: str) -> tuple[set[str], set[str]]:
    """Return the ("quoted", <system>) includes of `source`."""
    found = re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', source, flags=re.MULTILINE)
    quoted = {name for mark, name in found if mark == '"'}
    return quoted, {name for mark, name in found if mark == "<"}


def cpp_violations(path: str, source: str) -> list[str]:
    """Return one sentence for each include of `path` (relative to csrc) that points upwards."""
    folder = path.split("/")[0]
    if folder not in CPP_FLOORS:
        return [f"{path} is in no known folder"]
    quoted, system = cpp_includes(source)
    wrong = []
    for name in sorted(quoted):
        target = name.split("/")[0]
        if target not in CPP_FLOORS or CPP_FLOORS.index(target) > CPP_FLOORS.index(folder):
            wrong.append(f"{path} includes {name}")
    if folder != "python":
        wrong += [
            f"{path} includes <{n}>" for n in sorted(system) if "pybind" in n or n == "Python.h"
        ]
    return wrong


def cpp_sources() -> dict[str, str]:
    files = [file for file in CSRC.rglob("*") if file.suffix in {".h", ".cpp"}]
    return {file.relative_to(CSRC).as_posix(): file.read_text() for file in sorted(files)}


def headers_behind_wall(target: str, sources: Mapping[str, str]) -> set[str]:
    """Return every system header that `target` reaches, through our own headers too."""
    seen: set[str] = set()
    reached: set[str] = set()
    waiting = [target]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        quoted, system = cpp_includes(sources[path])
        reached |= system
        waiting += sorted(quoted)
    return reached


def test_python_imports_point_downwards() -> None:
    edges = python_edges()
    assert len(edges) > 5  # the package was found
    assert python_violations(edges) == []


def test_cpp_includes_point_downwards() -> None:
    sources = cpp_sources()
    assert {path.split("/")[0] for path in sources} == set(CPP_FLOORS)
    assert [wrong for path, text in sources.items() for wrong in cpp_violations(path, text)] == []


def test_isa_targets_reach_only_headers_without_inline_code() -> None:
    sources = cpp_sources()
    targets = [
        path for path in sources if re.fullmatch(r"(simd/|compat/binary_)target_\w+\.cpp", path)
    ]
    assert "simd/target_scalar.cpp" in targets
    for target in targets:
        assert headers_behind_wall(target, sources) <= ISA_HEADERS, target


def test_nothing_in_the_package_imports_tests_examples_or_benchmarks() -> None:
    for file in (PYTHON / "fastcoder").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            outside = {name.split(".")[0] for name in names} & {"tests", "examples", "benchmarks"}
            assert not outside, file


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fastcoder.tables", "from fastcoder.coding import encode"),
        ("fastcoder.tables", "from fastcoder import scales"),
        ("fastcoder.coding", "def f():\n    import fastcoder.torch.ops"),
        ("fastcoder.errors", "from . import _core"),
        ("fastcoder.torch.ops", "from .codecs.base import ImageCodec"),
        ("fastcoder.coding", "import fastcoder"),
        ("fastcoder.helpers", "import math"),
    ],
)
def test_python_check_sees_an_arrow_that_points_up(module: str, source: str) -> None:
    known = [name for names in PYTHON_FLOORS for name in names]
    edges = {module: python_imports(source, module, False, known)}
    assert len(python_violations(edges)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("base/error.h", '#include "format/params.h"'),
        ("simd/decode-inl.h", '# include "coder/cdf_table.h"'),
        ("coder/encoder.cpp", "#include <pybind11/pybind11.h>"),
        ("common/all.h", "#include <vector>"),
    ],
)
def test_cpp_check_sees_an_arrow_that_points_up(path: str, source: str) -> None:
    assert len(cpp_violations(path, source)) == 1


def test_wall_check_sees_a_header_of_a_header() -> None:
    sources = {"simd/target_x.cpp": '#include "base/a.h"', "base/a.h": "#include <vector>"}
    assert headers_behind_wall("simd/target_x.cpp", sources) == {"vector"}


def test_import_fastcoder_loads_no_extra() -> None:
    extras = ["torch", "PIL", "tqdm", "typer", "matplotlib", "safetensors", "pytorch_msssim"]
    code = f"import sys, fastcoder; print([m for m in {extras} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
