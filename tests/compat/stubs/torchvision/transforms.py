# SPDX-License-Identifier: Apache-2.0
"""No transforms: the registry that reads this module's classes finds none."""
