#!/usr/bin/env bash
# Installs this package beside dfa-tune, runs its tests and dfa-tune's conformance suite on it, and removes it.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -gt 0 ]; then uv=("$@"); else uv=(uv); fi # how uv is called

"${uv[@]}" pip install --quiet --no-deps ./examples/plugin
trap '"${uv[@]}" pip uninstall --quiet dfa-tune-example' EXIT
"${uv[@]}" run --no-sync pytest examples/plugin
"${uv[@]}" run --no-sync pytest --pyargs dfa_tune.testing
