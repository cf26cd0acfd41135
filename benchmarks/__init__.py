# SPDX-License-Identifier: Apache-2.0
"""Speed and size of the coder; `python -m benchmarks`. Nothing here is part of the package."""
