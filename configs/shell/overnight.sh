#!/bin/bash
# The journey overnight on a GPU box without a scheduler, from the repository's folder:
#   nohup bash configs/shell/overnight.sh > overnight.log 2>&1 &
# then log out; `tail -f overnight.log` shows a line for each notebook.

set -uo pipefail
PYTHON="${PYTHON:-.venv/bin/python}"
SCALE="${SCALE:-a100}"
# Not LANGUAGE: many systems set that one, for their own messages.
TARGET="${TARGET:-pt-BR}"
RECIPE="${RECIPE:-llava-pt}"
# How often a journey with a failed notebook is tried again; what is done is skipped, so this costs the failed ones alone.
TRIES="${TRIES:-2}"
# The step of 16 rows in two batches of 8: what an 80 GB card has room for.
export ACCUMULATE="${ACCUMULATE:-2}"

"$PYTHON" -m utils journey --scale "$SCALE" --language "$TARGET" --recipe "$RECIPE" --preflight || exit 2

for try in $(seq "$TRIES"); do
  "$PYTHON" -m utils journey --scale "$SCALE" --language "$TARGET" --recipe "$RECIPE" --cell-timeout 172800
  code=$?
  echo "try $try ended with $code (0 all green, 1 a notebook failed, 2 could not start, 130 stopped)"
  # Only a failed notebook is worth another try.
  [ "$code" -eq 1 ] || break
done
exit "$code"
