#!/usr/bin/env bash
# The network on a GPU beside plain PyTorch and torch.compile: gpu.sh [CALLS]. Run by ./run bench gpu where a GPU is at
# hand, or by itself on a machine that has nothing but PyTorch (its LibTorch), CMake, Ninja and nlohmann-json: it builds
# GLIONODE_PARTS=networks. GLIONODE_PYTHON names the Python that has PyTorch (python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
calls=${1:-50}
python=${GLIONODE_PYTHON:-python3}
if ! "$python" -c 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)' 2>/dev/null; then
  echo "no CUDA device that $python's PyTorch can use: nothing is measured here" >&2
  exit 3
fi
prefix=$("$python" -c 'import torch; print(torch.utils.cmake_prefix_path)')
cmake -S . -B build/gpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" -DGLIONODE_PARTS=networks \
  -DGLIONODE_TESTS=OFF -DGLIONODE_BENCH=ON
cmake --build build/gpu --target bench_inference
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build/gpu/bin/bench_inference make "$work"
exec "$python" tests/bench/inference/gpu.py build/gpu/bin/bench_inference "$work" "$calls"
