#!/usr/bin/env bash
# Fuzzes whatever reads bytes that nobody has checked, with libFuzzer and AddressSanitizer.
#   TIME=60 Scripts/fuzz.sh [target...]     seconds for each target; without a target, all of them
# SEED: where random numbers start; without, it is another each time.
# As many targets run at once as there are processors, or JOBS says. New inputs are kept in Fuzzing/corpus, what fails in
# Fuzzing/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
time=${TIME:-60}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(frames info run keyring json import state store)

compiler=$("$swift" -print-target-info | sed -n 's/.*"runtimeResourcePath": *"\(.*\)".*/\1/p')
library=$(find -L "$compiler/clang/lib" "$compiler/../clang" -name 'libclang_rt.fuzzer_no_main-'"$(uname -m)"'.a' 2>/dev/null | head -1 || true)
[ -n "$library" ] || { echo "This Swift toolchain comes without libFuzzer." >&2; exit 1; }

# The engine itself is instrumented, and opened up to the fuzzer: in this build only.
"$swift" build --package-path Fuzzing -c release -Xswiftc -enable-testing -Xswiftc -sanitize=address \
  -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp -Xswiftc -use-ld=lld \
  -Xlinker "$library" -Xlinker -lstdc++
fuzzer=$("$swift" build --package-path Fuzzing -c release --show-bin-path)/CloserollFuzz

# The backtrace of a crash would start a process that holds on to the output.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# One target; what it prints comes in one piece.
fuzz() {
  local target=$1 status=0
  mkdir -p "Fuzzing/corpus/$target" Fuzzing/findings
  FUZZ_TARGET="$target" "$fuzzer" "Fuzzing/corpus/$target" "Fixtures/fuzz/$target" -max_total_time="$time" \
    -seed="${SEED:-0}" -artifact_prefix="Fuzzing/findings/$target-" -rss_limit_mb=2048 -timeout=25 -max_len=65536 \
    -print_final_stats=1 -verbosity="${VERBOSITY:-0}" > "$logs/$target" 2>&1 || status=1
  printf '== %s, %s seconds\n%s\n' "$target" "$time" "$(cat "$logs/$target")"
  return "$status"
}
export -f fuzz
export time fuzzer logs
status=0
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'fuzz {}' || status=1
[ "$status" -eq 0 ] || echo "Something was found: see Fuzzing/findings." >&2
exit "$status"
