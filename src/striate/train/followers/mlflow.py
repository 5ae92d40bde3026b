"""MLflow: parameters, metrics by step and the finished files, where `mlflow` is configured to keep them.

`MLFLOW_TRACKING_URI`, `MLFLOW_EXPERIMENT_NAME` and `MLFLOW_EXPERIMENT_ID` are MLflow's own. The Run's `mlflow.json`
says which of its runs goes on after a stop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from striate.core.artifacts import read_json, write_json
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.train.followers import FOLLOWERS, Follower

_LOCAL = ("file:", "sqlite:", "/", ".")
_PARAMETERS, _LONGEST = 100, 6000  # that MLflow takes at once, and of a value


@FOLLOWERS.register("mlflow")
class MLflow(Follower):
    """One run of MLflow for the Run, however often it is stopped; a step that comes again is not logged again."""

    package = "mlflow"

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        super().__init__(run, plan)
        self.state = run.path / "mlflow.json"
        self._client: Any = None
        self._id = ""
        self._last: dict[str, int] = {}

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Log those that no step as late as this one has."""
        from mlflow.entities import Metric

        if self._client is None:
            self._open()
        fresh = {name: value for name, value in values.items() if step > self._last.get(name, -1)}
        if fresh:
            now = int(1000 * time.time())
            self._client.log_batch(self._id, metrics=[Metric(name, one, now, step) for name, one in fresh.items()])
        self._last.update(dict.fromkeys(fresh, step))

    def finished(self) -> None:
        """Log the test figures, the report, the metrics, the plan and the Model, once."""
        if self._kept().get("finished"):
            return
        if self._client is None:
            self._open()
        metrics = read_json(self.run.metrics)
        for name, value in metrics.get("test", {}).items():
            if isinstance(value, float):
                self._client.log_metric(self._id, f"test/{name}", value, step=metrics["training"]["steps"])
        for path in (self.run.report, self.run.metrics, self.run.plan):
            self._client.log_artifact(self._id, str(path))
        self._client.log_artifacts(self._id, str(self.run.model), "model")
        self._client.set_terminated(self._id, "FINISHED")
        write_json(self.state, {**self._kept(), "finished": True})

    def _kept(self) -> dict[str, Any]:
        found = read_json(self.state) if self.state.exists() else {}
        return found if isinstance(found, dict) else {}

    def _open(self) -> None:
        import mlflow

        kept = self._kept()
        uri = kept.get("uri") or mlflow.get_tracking_uri()
        client = mlflow.MlflowClient(tracking_uri=uri)
        if kept:
            self._id = kept["run"]
            self._last = {
                name: max(one.step for one in client.get_metric_history(self._id, name))
                for name in client.get_run(self._id).data.metrics
            }
            client.update_run(self._id, status="RUNNING")
        else:
            self._id = self._begin(client)
        # Of a store on this machine the place is kept, as a resume may be called from another folder; of a server
        # nothing is, as its address may hold a password.
        place = uri if uri.startswith(_LOCAL) else None
        write_json(self.state, {"run": self._id, "uri": place, "finished": False})
        self._client = client

    def _begin(self, client: Any) -> str:
        from mlflow.entities import Param

        tags = {"mlflow.source.name": "striate train", "striate.run": str(self.run.path.resolve())}
        found = client.create_run(_experiment(client), tags=tags, run_name=self.run.path.resolve().name)
        parameters = [Param(key, str(value)[:_LONGEST]) for key, value in self.plan.items()]
        for first in range(0, len(parameters), _PARAMETERS):
            client.log_batch(found.info.run_id, params=parameters[first : first + _PARAMETERS])
        return str(found.info.run_id)


def _experiment(client: Any) -> str:
    """The experiment that the environment names, made where it does not exist; MLflow's default without."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if name is None:
        return os.environ.get("MLFLOW_EXPERIMENT_ID", "0")
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found is not None else client.create_experiment(name))
