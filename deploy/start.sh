#!/bin/sh
# Put the settings into a home that has none, then run the command of the container.
set -eu
here=$(dirname "$0")
if [ -n "${XMAS_HOME:-}" ]; then
  mkdir -p "$XMAS_HOME/dagster" "$XMAS_HOME/mlflow"
  put() { [ -e "$2" ] || { cp "$1" "$2.$$" && mv "$2.$$" "$2"; }; }
  put "$here/dagster.yaml" "$XMAS_HOME/dagster/dagster.yaml"
  put "$here/tracking.yaml" "$XMAS_HOME/mlflow/tracking.yaml"
  put "$here/ui.json" "$XMAS_HOME/ui.json"
fi
exec "$@"
