# SPDX-License-Identifier: Apache-2.0
"""`python -m fastcoder.cli`: the command without the script."""

from fastcoder.cli import main

if __name__ == "__main__":
    main()
