#!/usr/bin/env bash
# Runs the crash and damage tests optimised; see RELIABILITY.md.
#   Scripts/torture.sh [filter]    in full
#   Scripts/torture.sh --short     those that do more than `swift test` does, for some minutes
# TIME: seconds for each test that has no end of its own (default 60). SEED: where random numbers start.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --short ]; then
  filter="TornTailTests|BitFlipTests|RandomLifeTests|SmallScopeTests|FlatMemoryTests"
  export CLOSEROLL_FLAT_EVENTS=1000000
else
  filter="${1:-TornTailTests|TornSectorTests|BitFlipTests|MisplacementTests|CrashPointTests|KeyringCrashTests|FingerprintTests|InterruptedOpenTests|FailingCallTests|RandomLifeTests|SmallScopeTests|NonceTests|CanaryTests|FullDiskTests}"
  export CLOSEROLL_TORTURE=1
  export CLOSEROLL_TORTURE_SECONDS="${TIME:-60}"
fi
if [ -n "${SEED:-}" ]; then export CLOSEROLL_SEED="$SEED"; fi
"${SWIFT:-swift}" test -c release -Xswiftc -enable-testing --scratch-path .build-torture --filter "$filter"
