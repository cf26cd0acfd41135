# SPDX-License-Identifier: Apache-2.0
"""Proof of the ISA wall: what do the objects of csrc/simd/target_*.cpp export?

An inline or template function compiled with AVX-512 flags becomes a weak symbol; the linker may
keep that copy for the whole program, which then dies on an older CPU. So a target object may
define no weak symbol at all, and one strong one: ``fastcoder::<isa>::kKernels``.

    python check_isa_objects.py --nm nm build/.../target_scalar.cpp.o ...
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

# Letters of nm: V, W, v, w are weak, u is a unique global (inline variables and static locals);
# U is undefined; other capitals are strong definitions, small letters are local to the object.
WEAK = frozenset("VWvwu")
KERNELS = re.compile(r"fastcoder::([a-z0-9_]+)::kKernels")


def violations(listing: str) -> list[str]:
    """Return what is wrong with one object.

    Args:
        listing: Output of ``nm --demangle`` for that object.

    Returns:
        One sentence per forbidden symbol; empty if the object keeps to the wall.
    """
    found = []
    exported = 0
    for line in listing.splitlines():
        match = re.fullmatch(r"(?:[0-9a-fA-F]+|\s*)\s*([A-Za-z])\s+(.+)", line)
        if match is None:
            continue
        kind, symbol = match.groups()
        if kind in WEAK:
            found.append(f"weak symbol: {symbol}")
        elif kind.isupper() and kind != "U":
            if KERNELS.fullmatch(symbol):
                exported += 1
            else:
                found.append(f"strong definition that is not kKernels: {symbol}")
    if exported != 1:
        found.append(f"kKernels is defined {exported} times, expected once")
    return found


def main() -> int:
    """Check every object named on the command line; 0 if all keep to the wall."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nm", default="nm")
    parser.add_argument("objects", nargs="+")
    arguments = parser.parse_args()
    failed = False
    for path in arguments.objects:
        listing = subprocess.run(
            [arguments.nm, "--demangle", path], check=True, capture_output=True, text=True
        ).stdout
        problems = violations(listing)
        failed = failed or bool(problems)
        print(f"{'FAILED' if problems else 'ok'} {path}")
        for problem in problems:
            print(f"  {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
