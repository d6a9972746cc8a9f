#!/usr/bin/env bash
# The network on a GPU beside plain PyTorch and torch.compile: gpu.sh [CALLS]. Run by ./run bench gpu where a GPU is at
# hand, or by itself on a machine without the rest. It builds the library of the networks and its bench
# (GLIONODE_PARTS=networks, no tests) against PyTorch's own LibTorch, and needs:
# - a Python with PyTorch for CUDA and NumPy (GLIONODE_PYTHON names it, else python3);
# - CMake 3.25, Ninja, a C++20 compiler, and nvcc: without one CMake does not find a LibTorch with CUDA;
# - the headers of nlohmann-json 3.11 and Boost.Math 1.74 (Debian: nlohmann-json3-dev, libboost-dev). Where they are not
#   installed, GLIONODE_HEADERS names a folder that holds nlohmann/ and boost/.
# Exit 3 where something of this is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
calls=${1:-50}
python=${GLIONODE_PYTHON:-python3}
cxx=${CXX:-c++}

missing() {
  echo "gpu.sh: $1: nothing is measured here" >&2
  exit 3
}

"$python" -c 'import numpy, torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)' 2>/dev/null ||
  missing "no CUDA device that $python can use (it needs PyTorch for CUDA and NumPy; GLIONODE_PYTHON names another one)"
for tool in cmake ninja "$cxx"; do
  command -v "$tool" >/dev/null || missing "$tool is not there"
done
if [[ -z ${CUDACXX:-} ]] && ! command -v nvcc >/dev/null; then
  export CUDACXX=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
  [[ -x $CUDACXX ]] || missing "nvcc is not there, neither on the PATH nor as $CUDACXX (CUDACXX or CUDA_HOME name it)"
fi
prefix=$("$python" -c 'import torch; print(torch.utils.cmake_prefix_path)')
options=()
if [[ -n ${GLIONODE_HEADERS:-} ]]; then
  headers=$(cd "$GLIONODE_HEADERS" 2>/dev/null && pwd) || missing "GLIONODE_HEADERS=$GLIONODE_HEADERS is no folder"
  # Like CPATH, but for headers of others: their warnings are not ours.
  export CPLUS_INCLUDE_PATH="$headers${CPLUS_INCLUDE_PATH:+:$CPLUS_INCLUDE_PATH}"
  prefix="$prefix;$headers"
  if [[ -z $(find "$headers" -name nlohmann_jsonConfig.cmake -print -quit) ]]; then  # headers and nothing else
    mkdir -p build/gpu-headers
    printf '%s\n' 'if(NOT TARGET nlohmann_json::nlohmann_json)' \
      '  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)' 'endif()' > build/gpu-headers/nlohmann_jsonConfig.cmake
    options+=("-Dnlohmann_json_DIR=$PWD/build/gpu-headers")
  fi
fi
for header in nlohmann/json.hpp boost/math/distributions/beta.hpp; do
  echo "#include <$header>" | "$cxx" -std=c++20 -x c++ -fsyntax-only - 2>/dev/null ||
    missing "the header $header is not there (GLIONODE_HEADERS names a folder with nlohmann/ and boost/)"
done

cmake -S . -B build/gpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" -DGLIONODE_PARTS=networks \
  -DGLIONODE_TESTS=OFF -DGLIONODE_BENCH=ON "${options[@]}"
cmake --build build/gpu --target bench_inference
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build/gpu/bin/bench_inference make "$work"
"$python" tests/bench/inference/gpu.py build/gpu/bin/bench_inference "$work" "$calls"
