"""A running ``xmas ui`` for the tests: started as a user starts it, and asked over its own GraphQL."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "xmas_assets.definitions"}
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Served:
    """One home with its two UIs."""

    home: Path
    dagster: str
    mlflow: str
    process: "subprocess.Popen[str]"
    token: str = ""

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One GraphQL request, as the UI sends it."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.dagster}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch(self, assets: list[str], dataset: str, selection: str | None = None) -> str:
        """Launch one run of one partition, as the Materialize dialog does; returns the run id."""
        tags = {"dagster/partition": dataset}
        if selection is not None:
            tags = {
                "dagster/partition": f"{dataset}|{selection}",
                "dagster/partition/dataset": dataset,
                "dagster/partition/selection": selection,
            }
        selector = LOCATION | {"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": [a]} for a in assets]}
        answer = self.ask(
            "mutation($e: ExecutionParams!) {launchPipelineExecution(executionParams: $e) {"
            "__typename ... on LaunchRunSuccess {run {runId}}}}",
            e={
                "selector": selector,
                "mode": "default",
                "runConfigData": "{}",
                "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
            },
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def rerun_from_failure(self, run_id: str) -> str:
        """Re-execute a failed run from its failure, as the run page's button does; returns the new run's id."""
        answer = self.ask(
            "mutation($p: ReexecutionParams!) {launchRunReexecution(reexecutionParams: $p) {"
            "__typename ... on LaunchRunSuccess {run {runId}}}}",
            p={"parentRunId": run_id, "strategy": "FROM_FAILURE"},
        )["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def backfill(self, assets: list[str], partitions: list[str]) -> None:
        """Launch a backfill, as the Materialize dialog does for several partitions."""
        answer = self.ask(
            "mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p) {__typename}}",
            p={"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": partitions},
        )["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer

    def statuses(self, run_id: str) -> tuple[str, dict[str, str]]:
        """Status of a run, and of each of its steps."""
        run = self.ask(
            "query($i: ID!) {runOrError(runId: $i) {... on Run {status stepStats {stepKey status}}}}", i=run_id
        )["runOrError"]
        return run["status"], {step["stepKey"]: step["status"] for step in run["stepStats"]}

    def finish(self, run_id: str, *, seconds: float = 120) -> tuple[str, dict[str, str]]:
        """Wait for a run to end; its status, and that of each of its steps."""
        wait_for(lambda: self.statuses(run_id)[0] in _ENDED, f"run {run_id} to end", seconds=seconds)
        return self.statuses(run_id)

    def stale(self, asset: str, partition: str) -> str:
        """What the UI's badge says about a partition: FRESH, STALE or MISSING."""
        return self.ask(
            "query($k: AssetKeyInput!, $p: String) {"
            "assetNodeOrError(assetKey: $k) {... on AssetNode {staleStatus(partition: $p)}}}",
            k={"path": [asset]},
            p=partition,
        )["assetNodeOrError"]["staleStatus"]


@contextmanager
def serve(home: Path, *options: str) -> Iterator[Served]:
    """Start ``xmas ui`` on free ports, wait until it says that it is ready, and end it afterwards."""
    port, mlflow_port = free_port(), free_port()
    command = [sys.executable, "-c", "from xmas_assets.cli.app import main; main()", "ui"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--mlflow-port", str(mlflow_port), *options],
        env=os.environ | {"XMAS_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready"):
                break
        assert said, "xmas ui said nothing"
        assert said[-1].startswith("ready"), "".join(said)
        token = "".join(re.findall(r"\?token=(\S+)", "".join(said)))
        yield Served(home, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{mlflow_port}", process, token)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], object], what: str, *, seconds: float) -> float:
    """Seconds until the condition holds; fails with its name if it never does."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.25)
    return time.monotonic() - started
