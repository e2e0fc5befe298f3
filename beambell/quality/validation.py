"""Running Great Expectations: ephemeral, silent, and with results that are the same for the same figures."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from beambell.errors import BeamBellError
from beambell.quality.expectations import Check, expectation_suite

if TYPE_CHECKING:
    from pandas import DataFrame

Result = dict[str, Any]


def validate(name: str, frame: DataFrame, key: Sequence[str], checks: Sequence[Check]) -> Result:
    """Validate a summary frame.

    Parameters
    ----------
    name
        Name of the suite.
    frame
        Frame with one row per thing to judge.
    key
        Columns that identify a row in the result.
    checks
        Expectations of the figures.

    Returns
    -------
    dict
        Great Expectations' own validation result as JSON values, its expectations in the order of `checks`,
        without run ids and times.

    Raises
    ------
    BeamBellError
        If an expectation could not be evaluated. A gate that cannot judge must not let anything pass.
    """
    with _quiet():
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("summaries").add_dataframe_asset(name)
        definition = gx.ValidationDefinition(
            name=name,
            data=asset.add_batch_definition_whole_dataframe("all"),
            suite=context.suites.add(expectation_suite(name, checks)),
        )
        result = definition.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": list(key)},
        ).to_json_dict()
    return _reproducible(result, checks)


def render_html(result: Mapping[str, Any]) -> str:
    """Render one validation result as Great Expectations' own page.

    The page carries random element ids and the time of rendering, and loads its style from the web: it is a
    view to look at, not an artefact.

    Parameters
    ----------
    result
        Result of `validate`, also after a trip through JSON.
    """
    with _quiet():
        from great_expectations.core.expectation_validation_result import (
            expectationSuiteValidationResultSchema,
        )
        from great_expectations.render.renderer import ValidationResultsPageRenderer
        from great_expectations.render.view import DefaultJinjaPageView

        loaded = expectationSuiteValidationResultSchema.load(json.loads(json.dumps(result)))
        return str(DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(loaded)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Great Expectations from phoning home, and its logs and warnings from ours."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logger, nowhere = logging.getLogger("great_expectations"), logging.NullHandler()
    propagate, showwarning = logger.propagate, warnings.showwarning
    # Not by level: some of its loggers set their own.
    logger.propagate = False
    logger.addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            finally:
                if warnings.showwarning is not showwarning:
                    # Importing Great Expectations redirects the whole process's warnings to logging.
                    logging.captureWarnings(False)
    finally:
        logger.removeHandler(nowhere)
        logger.propagate = propagate


def _reproducible(result: Result, checks: Sequence[Check]) -> Result:
    """Keep what the figures and the checks determine, in the checks' order."""
    place = {(check.name, check.column): position for position, check in enumerate(checks)}
    results = sorted(map(_stripped, result["results"]), key=lambda each: (place[check_of(each)], _type(each)))
    for each in results:
        if "unexpected_index_list" not in each["result"]:
            raise BeamBellError(
                f"Great Expectations could not evaluate {_type(each)}: {each['exception_info']}",
                where="/".join(check_of(each)),
                fix="nothing was published; report this with the text above",
            )
    kept = {name: result[name] for name in ("suite_name", "success", "statistics", "suite_parameters")}
    meta = {"great_expectations_version": result["meta"]["great_expectations_version"]}
    # Through JSON, so that a fresh result equals one read back, and NaN cannot slip into a file.
    plain: Result = json.loads(json.dumps({**kept, "results": results, "meta": meta}, allow_nan=False))
    return plain


def check_of(result: Mapping[str, Any]) -> tuple[str, str]:
    """Tell which check one expectation's result belongs to: its name and its column."""
    config = result["expectation_config"]
    return config["meta"]["check"], config["kwargs"]["column"]


def _type(result: Mapping[str, Any]) -> str:
    return str(result["expectation_config"]["type"])


def _stripped(result: Mapping[str, Any]) -> Result:
    config = {name: value for name, value in result["expectation_config"].items() if name != "id"}
    # The query names positions in the frame, which mean nothing once the frame is gone.
    outcome = {name: value for name, value in result["result"].items() if name != "unexpected_index_query"}
    return {**result, "expectation_config": config, "result": outcome}
