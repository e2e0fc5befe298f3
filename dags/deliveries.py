"""Waiting for the files of a stream: where they lie, ``params.yaml`` says."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.timezone import utcnow
from schedule import project_dir
from stages import stage_environment

if TYPE_CHECKING:
    from airflow.sdk import Context
    from cadence import Cadence
    from schedule import Stream

MOST_MINUTES = 2880


class DeliverySensor(BaseSensorOperator):  # type: ignore[misc]
    """Wait until files of a stream are there for the run's partition key; skip when patience ends.

    Between looks the task occupies no worker. How long it waits, the run's param ``wait_minutes`` says. A run that
    takes earlier partitions, too, goes on without files of its own key if there are some of those.

    Parameters
    ----------
    stream
        Whose files. A pattern without ``{dt}`` does not say what day a file is for, so nothing is waited for.
    cadence
        Which partitions a run takes; only its own if ``None``.
    **kwargs
        Whatever every sensor takes.
    """

    def __init__(self, *, stream: Stream, cadence: Cadence | None = None, **kwargs: Any) -> None:
        super().__init__(
            **{
                "mode": "reschedule",
                "poke_interval": timedelta(minutes=1),
                "timeout": timedelta(minutes=MOST_MINUTES + 60),
                "execution_timeout": timedelta(minutes=5),
                "doc_md": f"Looks for the files of `{stream.name}`: {', '.join(f'`{glob}`' for glob in stream.inputs)}."
                " Skipped if there are none in time; the run goes on with the other streams.",
                **kwargs,
            }
        )
        self.stream = stream.name
        self.inputs = list(stream.inputs)
        self.cadence = cadence

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        params = context["params"]
        if params["streams"] and self.stream not in params["streams"]:
            raise AirflowSkipException(f"This run is not about {self.stream}.")
        key = context["dag_run"].partition_key
        os.environ.update(stage_environment())  # this process is this task's alone
        undated = [glob for glob in self.inputs if "{dt}" not in glob]
        files = self._files(key)
        if files or undated:
            self.log.info("%s: %d files for %s (%s)", self.stream, len(files), key, ", ".join(files[:3]))
            return PokeReturnValue(is_done=True, xcom_value={"files": len(files)})
        since = context["ti"].get_first_reschedule_date(context) or utcnow()
        if utcnow() - since >= timedelta(minutes=params["wait_minutes"]):
            taken = self.cadence.taken(context["dag_run"]) if self.cadence else []
            if earlier := [file for other in taken[:-1] for file in self._files(other)]:
                self.log.info("%s: no file for %s, %d from %s on", self.stream, key, len(earlier), taken[0])
                return PokeReturnValue(is_done=True, xcom_value={"files": len(earlier)})
            raise AirflowSkipException(f"No file of {self.stream} for {key} after {params['wait_minutes']} minutes.")
        return PokeReturnValue(is_done=False)

    def _files(self, key: str) -> list[str]:
        dated = [glob.replace("{dt}", key) for glob in self.inputs if "{dt}" in glob]
        return [file for glob in dated for file in _find(glob)]


def _find(glob: str) -> list[str]:
    """Names of the files of a pattern, relative ones below the project."""
    import fsspec

    fs, path = fsspec.core.url_to_fs(glob if "://" in glob else str(Path(project_dir(), glob)))
    return sorted(fs.glob(path))
