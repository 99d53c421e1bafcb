#!/usr/bin/env bash
# Writes constraints-hashed.txt: what constraints.txt names, with the SHA-256 of every file that its package has, for
# pip install --require-hashes. Torch is left out: it comes from an index of its own, by machine. Setuptools builds mien.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
grep -E '^[a-zA-Z0-9].*==' constraints.txt | grep -v '^torch==' >"$scratch/in.txt"
echo 'setuptools==84.2.1' >>"$scratch/in.txt"
uv pip compile "$scratch/in.txt" --no-deps --generate-hashes --python-version 3.11.9 --python-platform linux \
  --no-annotate --no-header --no-config --system-certs -q -o "$scratch/out.txt" >/dev/null
{
  echo "# constraints.txt with check sums, made by .ci/hashes.sh: pip install --require-hashes --no-deps -r constraints-hashed.txt"
  cat "$scratch/out.txt"
} >constraints-hashed.txt
