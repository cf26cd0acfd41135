# SPDX-License-Identifier: Apache-2.0
# Every command makes what it needs: the environment in .venv, the package, the C++ tests. Nothing
# but Python 3.10+, make and a C++20 compiler has to be installed; cmake, ninja, ruff and
# clang-format come from the package index into .venv.
#
# The package is installed as a wheel, not editable: tests, stubtest and the demo then see exactly
# the files that a user gets, and a file that the wheel lacks fails here. Any change under csrc/ or
# python/ reinstalls it; the build folder is kept, so that takes seconds.

PYTHON ?= python3
WERROR ?= OFF
JOBS ?= auto
PYTEST_ARGS ?=
BENCH_ARGS ?=
PHOTOGRAPHS ?=
CPP_TESTS ?=
FUZZ_SECONDS ?= 20
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard tests/fuzz/corpus/*.txt)))

VENV := .venv
BIN := $(VENV)/bin
# Twice quiet: errors, with the compiler output that belongs to them, and nothing else.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
STAMP := $(VENV)/.done
COMMA := ,
CMAKE := $(BIN)/cmake -S . -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja

SOURCES := $(shell find csrc python -type f ! -name '*.pyc')
CPP_FILES := $(shell find csrc tests benchmarks -name '*.h' -o -name '*.cpp')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv test test-py test-cpp test-slow sanitize asan tsan lint lint-py lint-cpp format demo bench bench-peers bench-kernels bench-pull clean distclean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

# ---- environment -----------------------------------------------------------------------------
# pip 25.1 is the first that installs dependency groups.
$(STAMP)/build: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install -c constraints.txt --group build
	@mkdir -p $(STAMP) && touch $@

# --no-build-isolation: a fresh isolated environment per build would change the path of cmake and
# recompile everything each time.
$(STAMP)/package: $(STAMP)/build CMakeLists.txt LICENSE README.md $(SOURCES)
	$(PIP) install --no-build-isolation -c constraints.txt \
	    -C cmake.define.FASTCODER_WERROR=$(WERROR) '.[torch,cli,plots]'
	@touch $@

# Order-only: two pips must not write into one environment at a time (make -j).
$(STAMP)/tools: $(STAMP)/build | $(STAMP)/package
	$(PIP) install -c constraints.txt --group test --group dev
	@touch $@

venv: $(STAMP)/package $(STAMP)/tools ## make .venv with the package, its extras and all tools

# ---- tests -----------------------------------------------------------------------------------
test: test-cpp test-py ## C++ tests, then unit, property, golden tests and doctests

# Whole files go to a worker: fixtures that train a model are made once. The given order puts the
# long files of tests/torch before the many short ones.
test-py: $(STAMP)/package $(STAMP)/tools
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses=4 --dist=loadfile --no-loadscope-reorder \
	    $(PYTEST_ARGS)

test-cpp: $(STAMP)/package $(STAMP)/tools
	$(CMAKE) -B build/cpp -DFASTCODER_BUILD_TESTS=ON -DFASTCODER_WERROR=$(WERROR) \
	    -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	$(BIN)/cmake --build build/cpp
	$(BIN)/ctest --test-dir build/cpp --output-on-failure --no-tests=error

test-slow: $(STAMP)/package $(STAMP)/tools ## the tests that take minutes, with more examples
	HYPOTHESIS_PROFILE=slow $(BIN)/python -m pytest -m slow --timeout=7200 $(PYTEST_ARGS)

sanitize: asan tsan ## C++ tests under AddressSanitizer, UBSan and, with threads, ThreadSanitizer

# $(call sanitize,folder under build/,value of -fsanitize=,cmake targets,ctest options)
# -g1, the lines for reports: GCC takes three times as long to say where each variable is.
define sanitize
	$(CMAKE) -B build/$(1) -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O2 -g1" -DFASTCODER_BUILD_TESTS=ON \
	    -DFASTCODER_SANITIZE=$(2) -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	$(BIN)/cmake --build build/$(1) --target $(3)
	$(BIN)/ctest --test-dir build/$(1) --output-on-failure --no-tests=error $(4)
endef

asan: $(STAMP)/build
	$(call sanitize,asan,address$(COMMA)undefined,all,)

# Only what has threads: the rest would take minutes and find nothing.
tsan: $(STAMP)/build
	$(call sanitize,tsan,thread,test_threads,-R threads)

# The C++ tests by another compiler or on another processor: $(call cpp-test,folder under build/,
# options of cmake,programs it needs,Debian packages that have them). Among them are the golden
# streams and tables, which are read and made again to the byte. CPP_TESTS='golden kernels' makes
# and runs only these two.
define cpp-test
	@for program in $(3); do command -v $$program > /dev/null || { \
	    echo "make $@ needs $$program; on Debian: apt-get install $(4)" >&2; exit 1; }; done
	$(CMAKE) -B build/$(1) $(2) -DFASTCODER_BUILD_TESTS=ON -DFASTCODER_WERROR=$(WERROR) \
	    -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	$(BIN)/cmake --build build/$(1) --target $(or $(addprefix test_,$(CPP_TESTS)),all)
	$(BIN)/ctest --test-dir build/$(1) --output-on-failure --no-tests=error \
	    $(if $(CPP_TESTS),--tests-regex "^(isa_objects|$$(echo $(CPP_TESTS) | tr ' ' '|'))$$")
endef

.PHONY: test-neon test-s390x test-builds test-cross
test-neon: $(STAMP)/build ## C++ tests for AArch64, cross-compiled and emulated
	$(call cpp-test,neon,-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake,\
	    aarch64-linux-gnu-g++ qemu-aarch64,g++-aarch64-linux-gnu qemu-user)

test-s390x: $(STAMP)/build ## the same for IBM Z, whose bytes stand in the other order
	$(call cpp-test,s390x,-DCMAKE_TOOLCHAIN_FILE=cmake/s390x-linux-gnu.cmake,\
	    s390x-linux-gnu-g++ qemu-s390x,g++-s390x-linux-gnu qemu-user)

test-builds: $(STAMP)/build ## C++ tests by GCC and Clang, with -O0 and -O3
	$(call cpp-test,gcc-o0,-DCMAKE_CXX_COMPILER=g++ -DCMAKE_BUILD_TYPE=None \
	    -DCMAKE_CXX_FLAGS=-O0,g++,g++)
	$(call cpp-test,gcc-o3,-DCMAKE_CXX_COMPILER=g++,g++,g++)
	$(call cpp-test,clang-o0,-DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=None \
	    -DCMAKE_CXX_FLAGS=-O0,clang++,clang)
	$(call cpp-test,clang-o3,-DCMAKE_CXX_COMPILER=clang++,clang++,clang)

# Under emulation those that read and write bytes and floats: the kernels alone take longer to
# compile and to emulate than all the others, and `make test-neon` runs them.
EMULATED_TESTS := golden decoder range binary tables
test-cross: test-builds ## golden bytes in every build we can make: compilers, levels, processors
	$(MAKE) test-neon test-s390x CPP_TESTS="$(or $(CPP_TESTS),$(EMULATED_TESTS))"

# ---- fuzzing ---------------------------------------------------------------------------------
# A crash, a broken requirement, a report of a sanitizer, ten seconds, a single allocation above
# 64 MiB: each ends it, and the input is in build/fuzz/found. (A table's view for coding takes 12 MiB.)
.PHONY: fuzz
fuzz: $(STAMP)/build ## every decoder by libFuzzer under ASan and UBSan, FUZZ_SECONDS (20) each
	@command -v clang++ > /dev/null || { \
	    echo "make fuzz needs clang++; on Debian: apt-get install clang" >&2; exit 1; }
	$(CMAKE) -B build/fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=clang++ \
	    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DFASTCODER_BUILD_FUZZERS=ON -DFASTCODER_SANITIZE=address$(COMMA)undefined
	$(BIN)/cmake --build build/fuzz --target $(addprefix fuzz_,$(FUZZ_TARGETS))
	@mkdir -p build/fuzz/found
	@set -e; for target in $(FUZZ_TARGETS); do \
	    $(BIN)/python tests/fuzz/corpus.py unpack tests/fuzz/corpus/$$target.txt \
	        build/fuzz/corpus/$$target; \
	    echo "==> fuzz_$$target, $(FUZZ_SECONDS) s"; \
	    build/fuzz/tests/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -max_len=512 -timeout=10 \
	        -rss_limit_mb=1024 -malloc_limit_mb=64 -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=build/fuzz/found/ build/fuzz/corpus/$$target; \
	done

# ---- inside other codecs ---------------------------------------------------------------------
# CompressAI, its own tests, torchac and this tree's wheel in an environment of their own. A wheel of
# CompressAI exists for Python 3.8 to 3.12; torchac builds a module with ninja at its first import.
COMPAT := build/compat
COMPAT_PIP := $(COMPAT)/venv/bin/python -m pip --disable-pip-version-check -qq
COMPAT_ARGS ?=

$(COMPAT)/.environment: tests/compat/requirements.txt tests/compat/originals.txt
	rm -rf $(COMPAT) && $(PYTHON) -m venv $(COMPAT)/venv
	$(COMPAT_PIP) install --upgrade 'pip>=25.1'
	$(COMPAT_PIP) install -r tests/compat/requirements.txt
	$(COMPAT_PIP) install --no-deps -r tests/compat/originals.txt
	$(COMPAT_PIP) download --no-deps --no-binary compressai -d $(COMPAT)/download \
	    $$(grep '^compressai==' tests/compat/originals.txt)
	mkdir $(COMPAT)/sdist
	tar -xzf $(COMPAT)/download/compressai-*.tar.gz -C $(COMPAT)/sdist --strip-components=1
	@touch $@

$(COMPAT)/.fastcoder: $(COMPAT)/.environment $(STAMP)/build CMakeLists.txt LICENSE README.md $(SOURCES)
	rm -rf $(COMPAT)/wheel
	$(PIP) wheel --no-build-isolation --no-deps -C cmake.define.FASTCODER_WERROR=$(WERROR) \
	    -w $(COMPAT)/wheel .
	$(COMPAT_PIP) install --no-deps --force-reinstall $(COMPAT)/wheel/*.whl
	@touch $@

.PHONY: test-compat
test-compat: $(COMPAT)/.fastcoder ## the same bytes as the real CompressAI and torchac, some minutes
	FASTCODER_COMPAT=$(CURDIR)/$(COMPAT) PATH="$(CURDIR)/$(COMPAT)/venv/bin:$$PATH" \
	    PYTHONPATH=$(CURDIR)/tests/compat/stubs OMP_NUM_THREADS=1 \
	    TORCH_EXTENSIONS_DIR=$(CURDIR)/$(COMPAT)/extensions \
	    $(COMPAT)/venv/bin/python -m pytest -c tests/compat/pytest.ini --rootdir tests/compat \
	    tests/compat $(COMPAT_ARGS)

# ---- style, types, warnings ------------------------------------------------------------------
lint: lint-py lint-cpp ## formatting, ruff, mypy, stubtest, C++ warnings

lint-py: $(STAMP)/package $(STAMP)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)
	$(BIN)/codespell .
	$(BIN)/mypy
	MYPYPATH=python $(BIN)/python -m mypy.stubtest fastcoder._core \
	    --mypy-config-file pyproject.toml --allowlist tests/typing/stubtest_allowlist.txt

# A build of its own, so that only `make lint` fails on a compiler newer than ours.
lint-cpp: $(STAMP)/build
	$(CMAKE) -B build/lint -DFASTCODER_BUILD_TESTS=ON -DFASTCODER_BUILD_PYTHON=ON \
	    -DFASTCODER_WERROR=ON -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python \
	    -Dpybind11_DIR="$$($(BIN)/python -m pybind11 --cmakedir)"
	$(BIN)/cmake --build build/lint

format: $(STAMP)/tools ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP_FILES)

# ---- use -------------------------------------------------------------------------------------
demo: $(STAMP)/package ## compress a photograph, decompress it, print and draw what happened
	$(BIN)/python examples/demo.py

# PHOTOGRAPHS is an image or a folder of images for the workloads of real latents.
bench: $(STAMP)/package $(STAMP)/tools ## time the coder and the peers that are installed
	$(BIN)/python -m benchmarks --seconds 0.2 --runs 3 \
	    $(if $(PHOTOGRAPHS),--photographs $(PHOTOGRAPHS)) $(BENCH_ARGS)

bench-peers: $(STAMP)/package $(STAMP)/tools ## the same, longer, after installing the peers
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks --seconds 1 \
	    $(if $(PHOTOGRAPHS),--photographs $(PHOTOGRAPHS)) $(BENCH_ARGS)

bench-kernels: $(STAMP)/build ## cycles per symbol of every kernel, without Python
	$(CMAKE) -B build/bench -DFASTCODER_BUILD_BENCHMARKS=ON
	$(BIN)/cmake --build build/bench --target bench_kernels
	build/bench/benchmarks/cpp/bench_kernels --json build/bench_kernels.json $(BENCH_ARGS)

bench-pull: $(STAMP)/build ## nanoseconds that a pull costs on top of its symbols, without Python
	$(CMAKE) -B build/bench -DFASTCODER_BUILD_BENCHMARKS=ON
	$(BIN)/cmake --build build/bench --target bench_pull
	build/bench/benchmarks/cpp/bench_pull $(BENCH_ARGS)

clean: ## remove builds and caches
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache

distclean: clean ## remove .venv as well
	rm -rf $(VENV)
