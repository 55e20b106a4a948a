#!/usr/bin/env bash
# Reports the coverage that `swift test --enable-code-coverage` has left behind.
set -euo pipefail

swift=${SWIFT:-swift}
# The toolchain's own llvm-cov: an older one in the path cannot read the profile.
resources=$("$swift" -print-target-info | sed -n 's/.*"runtimeResourcePath": *"\(.*\)".*/\1/p')
tool="$resources/../../bin/llvm-cov"
[ -x "$tool" ] || tool=llvm-cov

products=$("$swift" build --show-bin-path)
"$tool" report "$products"/*PackageTests.xctest \
  -instr-profile "$products/codecov/default.profdata" \
  -ignore-filename-regex '/(\.build|checkouts|Tests)/'
