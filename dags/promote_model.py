"""A version becomes the one that is served because a person says so; or an earlier one does again.

**Promote**: the version is compared with the champion on the same gold rows, and a person is asked (*Required actions*
in the menu), who sees the figures. No answer within `schedule.approval_hours` leaves everything as it is.

**Roll back**: choose `rollback`. It is done at once, for whoever rolls back is in a hurry; leave the version empty to
go back to the champion before this one. The policy does not promote the version again that was rolled back.

Who decided, when, why and on what evidence is on record in `data/decisions`.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from schedule import read_schedule
from stages import START, StageOperator, defaults

if TYPE_CHECKING:
    from airflow.sdk import Context

schedule = read_schedule()
APPROVE, REJECT = "Approve", "Reject"
LOOK_AGAIN = timedelta(seconds=10)
FIRST = {"priority_weight": 100, "weight_rule": "absolute"}
"""A person waits: ahead of every task that labels in Airflow's queue, and so for the pool of whoever writes."""

BODY = """
| | |
|---|---|
{% for name, value in ti.xcom_pull(task_ids='evidence')['figures'].items() -%}
| {{ name }} | {{ value }} |
{% endfor %}

Reason given: {{ params.reason }}
"""


class ApprovalOperator(HITLOperator):  # type: ignore[misc]
    """Ask a person, unless the run is a rollback or asks nobody.

    Notes
    -----
    Two accidents of Airflow befall a question that is answered at once, within moments of the task's going to sleep:

    - It may fail the task: it takes the late end of the process that asked for the end of the one that goes on
      (https://github.com/apache/airflow/issues/72716). The answer is kept with the task's next try, but asking once
      more would remove it. So that try does not ask: it waits for the question that is there already.
    - It may let the task sleep on. So the task looks after its question, after ten seconds for the first time, and then
      whenever the question has been there for twice as long: Airflow gives it an answer that is there already.
    """

    def execute(self, context: Context) -> Any:
        """Ask, wait for an earlier try's question, or skip."""
        run = context["dag_run"].conf or {}  # an approval has its own params, and does not see those of the run
        figures = context["ti"].xcom_pull(task_ids="evidence")["figures"]
        if run.get("action") == "rollback" or run.get("approval") == "none" or _is_served(figures):
            raise AirflowSkipException("Nobody is to be asked.")
        store = context["task_state_store"]
        asking = context["ti"].max_tries  # a retry leaves it as it is; clearing the task raises it, and asks anew
        if store.get("asked") != asking:
            with suppress(TaskAwaitingInput):
                super().execute(context)
            store.set("since", datetime.now(UTC).timestamp())
            store.set("asked", asking)
        raise self._waiting(*self._times(context))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the answer; wait on if there is none; return that nobody answered when the time is up."""
        if event.get("error_type") != "timeout":
            return super().execute_complete(context, event)
        passed, left = self._times(context)
        if left > timedelta():
            raise self._waiting(passed, left)
        now = datetime.now(UTC).isoformat()
        return {"chosen_options": [REJECT], "params_input": {}, "responded_at": now, "responded_by_user": None}

    def _times(self, context: Context) -> tuple[timedelta, timedelta]:
        """How long the question has been there, and how long it is to stay."""
        passed = timedelta(seconds=datetime.now(UTC).timestamp() - context["task_state_store"].get("since"))
        return passed, self.response_timeout - passed

    def _waiting(self, passed: timedelta, left: timedelta) -> TaskAwaitingInput:
        pause = min(max(passed, LOOK_AGAIN), left)
        return TaskAwaitingInput(method_name="execute_complete", timeout=max(pause, timedelta(seconds=1)))


@dag(  # type: ignore[untyped-decorator]
    dag_display_name="Promote a model, or roll back",
    description="Make a version the champion, with a person's approval; or an earlier one again.",
    schedule=None,
    start_date=START,
    catchup=False,
    is_paused_upon_creation=False,  # it has no schedule; and a proposal would wait, unseen, until it is switched on
    max_active_runs=4,  # one may wait for a person while another rolls back
    default_args={**defaults(schedule), **FIRST},
    params={
        "action": Param(
            "promote",
            title="What to do",
            description_md="`promote` a version, or `rollback` to an earlier one.",
            type="string",
            enum=["promote", "rollback"],
        ),
        "version": Param(
            None,
            title="Version",
            description_md="Such as `spam@v3`. Empty: the newest to promote, the previous champion to roll back to.",
            type=["null", "string"],
            pattern=r"^([a-z0-9][a-z0-9_-]{0,63}@)?v?\d{1,9}$",
        ),
        "reason": Param(
            "by hand",
            title="Why",
            description_md="For whoever reads the record later.",
            type="string",
            minLength=3,
            maxLength=500,
        ),
        "approval": Param(
            "ask",
            title="Approval",
            description_md="`ask` a person, or `none`: that you start this run is the decision.",
            type="string",
            enum=["ask", "none"],
        ),
        "override": Param(
            default=False,
            title="Even if the policy says no",
            description_md="Promotes what the bounds in `promotion` of `params.yaml` refuse; that is on record, too.",
            type="boolean",
        ),
    },
    tags=["beambell", "model"],
    doc_md=__doc__,
)
def promote_model() -> None:
    """Gather evidence, ask, and carry out the answer."""
    evidence = StageOperator(
        task_id="evidence",
        pool="default_pool",
        command=[
            *("beambell", "models", "{{ params.action }}", "--dry-run", "--by", "airflow", "--reason", "look"),
            "{{ '--to' if params.action == 'rollback' and params.version }}",
            "{{ params.version or '' }}",
        ],
        doc_md="Names the version and compares it with the champion on the same gold rows. Changes nothing.",
    )
    approve = ApprovalOperator(
        task_id="approve",
        subject="Shall {{ ti.xcom_pull(task_ids='evidence')['figures']['version'] }} be served?",
        body=BODY,
        options=[APPROVE, REJECT],
        response_timeout=timedelta(hours=schedule.approval_hours),
        retries=20,  # of a try that fails because it is answered at once, the next may meet the same
        retry_delay=timedelta(seconds=3),
        retry_exponential_backoff=False,
        on_failure_callback=None,
        doc_md="Waits for a person; occupies no worker meanwhile. Skipped for a rollback.",
    )

    @task(  # type: ignore[untyped-decorator]
        trigger_rule="none_failed",
        execution_timeout=timedelta(minutes=1),
        doc_md="Writes down what was decided, by whom and when, and the command that follows from it.",
    )
    def answer(**context: Any) -> dict[str, Any]:
        return decide(context["ti"].xcom_pull(task_ids="approve"), **_asked(context))

    answered = answer()
    carry_out = StageOperator(
        task_id="carry_out",
        command=answered["command"],
        doc_md="Promotes, declines or rolls back, and records it. Skipped if nobody answered.",
    )
    evidence >> approve >> answered >> carry_out


def _asked(context: Any) -> dict[str, Any]:
    """What the run was asked to do, from its context."""
    figures = context["ti"].xcom_pull(task_ids="evidence")["figures"]
    user = getattr(context["dag_run"], "triggering_user_name", None)
    asked = {"params": dict(context["params"]), "version": figures["version"], "user": user or "airflow"}
    return {**asked, "served": _is_served(figures)}


def _is_served(figures: dict[str, Any]) -> bool:
    return bool(figures["version"] == figures["champion"])


def decide(
    given: dict[str, Any] | None, *, params: dict[str, Any], version: str, user: str, served: bool = False
) -> dict[str, Any]:
    """Turn an answer into a record that is plain JSON, with the command to run; no command if nobody answered.

    Parameters
    ----------
    given
        What the approval task returned; ``None`` if nobody was asked.
    params, version, user
        Of the run: its params, the version it is about, and who started it.
    served
        Whether that version is the champion already.
    """
    if served:
        return {"decision": "served already", "version": version, "by": user, "at": None, "command": []}
    choice = APPROVE
    by: str | None = user
    at: Any = None
    if given is not None:
        choice, answerer = given["chosen_options"][0], given["responded_by_user"]
        by = answerer["name"] if answerer else None
        at = given["responded_at"]
        at = at if isinstance(at, str) else at.isoformat()
    verb = "rollback" if params["action"] == "rollback" else {APPROVE: "promote", REJECT: "decline"}[choice]
    record: dict[str, Any] = {"decision": verb if by else "no answer", "version": version, "by": by, "at": at}
    if by is None:
        return {**record, "command": []}
    command = ["beambell", "models", verb, *(["--to"] if verb == "rollback" else []), version]
    command += ["--by", by, "--reason", params["reason"], *(["--at", at] if at else [])]
    command += ["--override"] if verb == "promote" and params["override"] else []
    return {**record, "command": command}


promote_model()
