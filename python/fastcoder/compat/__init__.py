# SPDX-License-Identifier: Apache-2.0
"""Drop-in replacements for the coders of other libraries: their calls, their bytes.

Nothing of another library is imported by importing a module of this package.
"""
