# SPDX-License-Identifier: Apache-2.0
# From any Linux machine to AArch64, with the packages that Debian calls g++-aarch64-linux-gnu and
# qemu-user. Programs are static, so that the emulator needs no system of the target.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
