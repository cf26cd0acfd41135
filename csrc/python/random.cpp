// SPDX-License-Identifier: Apache-2.0
// Shared randomness, for Python.
#include <algorithm>
#include <span>
#include <string>

#include "base/error.h"
#include "coder/philox.h"
#include "python/bindings.h"

namespace fastcoder {
namespace {

void check_blocks(const Array<uint32_t>& blocks) {
  if (blocks.size() % 4 == 0) return;
  throw Error(ErrorKind::kValue,
              "counter.size = " + std::to_string(blocks.size()) + ", expected a multiple of 4");
}

// Blocks in place of their counters, four words each.
void philox_blocks(Array<uint32_t>& blocks, uint64_t key) {
  check_blocks(blocks);
  uint32_t* words = blocks.mutable_data();
  const uint64_t count = element_count(blocks) / 4;
  const GilRelease release;
  for (uint64_t i = 0; i < count; ++i, words += 4) {
    const PhiloxBlock block = philox({words[0], words[1], words[2], words[3]}, key);
    std::copy(block.begin(), block.end(), words);
  }
}

template <class Out>
using Generator = void (*)(const RandomPlace&, std::span<Out>);

// Row i of `out` is candidate candidates[i].
template <class Out>
void generate_rows(Generator<Out> generate, uint64_t seed, uint64_t element,
                   const Array<uint64_t>& candidates, Array<Out>& out) {
  const auto rows = array_span(candidates);
  const uint64_t size = rows.empty() ? 0 : element_count(out) / rows.size();
  if (size * rows.size() != element_count(out)) throw_type("out", "another size", "rows");
  Out* const values = out.mutable_data();
  const GilRelease release;
  for (size_t i = 0; i < rows.size(); ++i) {
    generate({seed, rows[i], element}, {values + i * size, size});
  }
}

template <class Out>
void bind_generator(py::module_& m, const char* name, Generator<Out> generate) {
  m.def(
      name,
      [generate](uint64_t seed, uint64_t element, const Array<uint64_t>& candidates,
                 Array<Out>& out) { generate_rows<Out>(generate, seed, element, candidates, out); },
      py::arg("seed"), py::arg("element"), py::arg("candidates").noconvert(),
      py::arg("out").noconvert());
}

Array<int64_t> normal_cell_array() {
  const auto& cells = normal_cells();
  return Array<int64_t>({py::ssize_t{kNormalCells}, py::ssize_t{4}}, cells[0].data());
}

}  // namespace

void bind_random(py::module_& m) {
  m.def("philox", &philox_blocks, py::arg("blocks").noconvert(), py::arg("key"));
  bind_generator<uint32_t>(m, "random_words", &random_words);
  bind_generator<double>(m, "random_uniforms", &random_uniforms);
  bind_generator<float>(m, "random_uniforms", &random_uniforms);
  bind_generator<double>(m, "random_normals", &random_normals);
  bind_generator<float>(m, "random_normals", &random_normals);
  m.def("normal_cells", &normal_cell_array);
}

}  // namespace fastcoder
