#!/usr/bin/env bash
# Runs the crash and damage tests in full, optimised; see RELIABILITY.md.
#   Scripts/torture.sh [filter]
# TIME: seconds for each test that has no end of its own (default 60). SEED: where random numbers start.
set -euo pipefail
cd "$(dirname "$0")/.."
filter="${1:-TornTailTests|TornSectorTests|BitFlipTests|MisplacementTests|CrashPointTests|KeyringCrashTests|FingerprintTests|FailingCallTests|RandomLifeTests|SmallScopeTests|NonceTests|CanaryTests|FullDiskTests}"
export CLOSEROLL_TORTURE=1
export CLOSEROLL_TORTURE_SECONDS="${TIME:-60}"
if [ -n "${SEED:-}" ]; then export CLOSEROLL_SEED="$SEED"; fi
"${SWIFT:-swift}" test -c release -Xswiftc -enable-testing --scratch-path .build-torture --filter "$filter"
