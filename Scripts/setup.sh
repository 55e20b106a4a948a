#!/usr/bin/env bash
# Installs the libraries that the build needs, with apt, where they are missing. Does nothing, and asks for nothing,
# where they are there.
#   Scripts/setup.sh [--tests]     with what the tests need besides: Python's packages for the independent reader
set -euo pipefail

if ! command -v "${SWIFT:-swift}" >/dev/null; then
  echo "Swift is missing. Install version 6.2 or later from https://www.swift.org/install/linux/ and try again." >&2
  exit 1
fi
# Elsewhere the libraries come with the system or its own package manager.
[ "$(uname -s)" = Linux ] || exit 0

has_library() {
  command -v pkg-config >/dev/null && pkg-config --exists "$1"
}

missing=()
command -v pkg-config >/dev/null || missing+=(pkg-config)
command -v git >/dev/null || missing+=(git ca-certificates)
has_library libcrypto || missing+=(libssl-dev)
has_library liblz4 || missing+=(liblz4-dev)
has_library zlib || missing+=(zlib1g-dev)
reads_stores() {
  "$1" -c 'import cryptography, lz4.block' 2>/dev/null
}
if [ "${1:-}" = --tests ] && ! reads_stores python3 && ! reads_stores /usr/bin/python3; then
  missing+=(python3 python3-cryptography python3-lz4)
fi
# Without pkg-config nothing can be said of the libraries; a package that is there already is left alone.
if command -v dpkg-query >/dev/null; then
  absent=()
  for package in ${missing[@]+"${missing[@]}"}; do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || absent+=("$package")
  done
  missing=(${absent[@]+"${absent[@]}"})
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "Missing: ${missing[*]} (Debian's names). There is no apt here: install them your system's way." >&2
  exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null; then
  as_root=(sudo)
else
  echo "Missing: ${missing[*]}. Installing them takes root or sudo; as root, run:" >&2
  echo "  apt-get update && apt-get install --yes ${missing[*]}" >&2
  exit 1
fi

echo "Installing ${missing[*]}" >&2
${as_root[@]+"${as_root[@]}"} apt-get update --quiet
${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
  apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
