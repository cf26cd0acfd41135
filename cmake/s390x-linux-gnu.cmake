# SPDX-License-Identifier: Apache-2.0
# From any Linux machine to IBM Z, whose bytes stand in the other order, with the packages that
# Debian calls g++-s390x-linux-gnu and qemu-user. Programs are static, so that the emulator needs no
# system of the target.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(CMAKE_CXX_COMPILER s390x-linux-gnu-g++)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-s390x)
