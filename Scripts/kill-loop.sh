#!/usr/bin/env bash
# Kills imports at random moments and looks each time whether all that was acknowledged is there; then the same under
# processes that follow. Prints how many kills there were.
#   Scripts/kill-loop.sh [kills, default 5000] [kills under followers, default 1000]
set -euo pipefail
cd "$(dirname "$0")/.."
export CLOSEROLL_KILLS="${1:-5000}" CLOSEROLL_FOLLOWED_KILLS="${2:-1000}"
"${SWIFT:-swift}" test --filter 'KillTests|FollowTests'
