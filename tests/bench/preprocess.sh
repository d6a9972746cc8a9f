#!/usr/bin/env bash
# Headers to network input, beside elastix: preprocess.sh [ARGUMENTS of bench_preprocess]. Run by ./run bench preprocess.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${GLIONODE_BUILD:-build/release}
command -v elastix >/dev/null || { echo "elastix is missing: apt-get install elastix" >&2; exit 3; }
[ "$build" != build/release ] || cmake --preset release -DGLIONODE_TESTS=ON >/dev/null
cmake --build "$build" --target bench_preprocess
exec "$build/bin/bench_preprocess" out/bench/preprocess.json "$@"
