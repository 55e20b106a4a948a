#!/usr/bin/env bash
# Reports the coverage that `swift test --enable-code-coverage` has left behind, and what it is of the engine.
#   Scripts/coverage.sh [options of `swift build`, such as --scratch-path]
set -euo pipefail
cd "$(dirname "$0")/.."

swift=${SWIFT:-swift}
# The toolchain's own llvm-cov: an older one in the path cannot read the profile.
resources=$("$swift" -print-target-info | sed -n 's/.*"runtimeResourcePath": *"\(.*\)".*/\1/p')
tool="$resources/../../bin/llvm-cov"
[ -x "$tool" ] || tool=llvm-cov

products=$("$swift" build --show-bin-path "$@")
report() {
  "$tool" report "$products"/*PackageTests.xctest -instr-profile "$products/codecov/default.profdata" \
    -ignore-filename-regex '/(\.build[^/]*|checkouts|Tests)/' "$@"
}
report
for module in Sealing SegmentStorage; do
  # The columns are regions, functions, lines: each with its number, what was missed, and the share.
  report "Sources/$module" | awk -v module="$module" '$1 == "TOTAL" { printf "%s: %s of lines reached (%d of %d)\n", module, $10, $8 - $9, $8 }'
done
