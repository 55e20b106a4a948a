#!/usr/bin/env bash
# Runs the concurrent tests under ThreadSanitizer, in a build of its own.
#   Scripts/tsan.sh [filter]
set -euo pipefail
cd "$(dirname "$0")/.."
export TSAN_OPTIONS="suppressions=$PWD/Scripts/tsan-suppressions.txt:halt_on_error=0:exitcode=66:${TSAN_OPTIONS:-}"
"${SWIFT:-swift}" test --scratch-path .build-tsan --sanitize=thread -Xswiftc -DTHREAD_SANITIZER \
  --filter "${1:-ConcurrencyTests|GroupCommitTests|FollowerTests|FilePoolTests|RunTests}"
