#!/usr/bin/env bash
# Kills imports at random moments, over one store, and looks each time whether all that was acknowledged is there.
#   Scripts/kill-loop.sh [rounds, default 50]
set -euo pipefail
cd "$(dirname "$0")/.."
CLOSEROLL_KILLS="${1:-50}" "${SWIFT:-swift}" test --filter KillTests
