# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.peers`: see the package."""

import argparse

from benchmarks import peers


def main() -> None:
    """Make the environments."""
    parser = argparse.ArgumentParser(description=(peers.__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(peers.PEERS))
    names = parser.parse_args().names or list(peers.PEERS)
    if unknown := set(names) - set(peers.PEERS):
        parser.error(f"NAME = {', '.join(unknown)}, expected some of {', '.join(peers.PEERS)}")
    for name in names:
        print(f"{name}: {peers.install(name)}", flush=True)


if __name__ == "__main__":
    main()
