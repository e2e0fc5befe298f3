from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.model import holdout
from beambell.records.split import uniform

IDS = [f"row-{i}" for i in range(20_000)]
HELD_OUT_OF_40 = [1, 19, 22, 23, 24]
ids = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), max_size=30)
fractions = st.floats(0, 1)


@settings(deadline=None)
@given(ids, ids, fractions)
def test_adding_rows_moves_no_row(old: list[str], new: list[str], fraction: float) -> None:
    both = holdout(new + old, fraction)
    assert both[: len(new)].tolist() == holdout(new, fraction).tolist()
    assert both[len(new) :].tolist() == holdout(old, fraction).tolist()


@settings(deadline=None)
@given(ids, fractions, fractions)
def test_a_larger_fraction_keeps_the_smaller(names: list[str], a: float, b: float) -> None:
    small, large = holdout(names, min(a, b)), holdout(names, max(a, b))
    assert (small <= large).all()
    assert not holdout(names, 0).any()
    assert holdout(names, 1).all()


@settings(deadline=None)
@given(ids)
def test_arrow_and_python_agree(names: list[str]) -> None:
    expected = holdout(names, 0.5).tolist()
    array = pa.array(names, pa.string())
    assert holdout(array, 0.5).tolist() == expected
    assert holdout(array.cast(pa.large_string()), 0.5).tolist() == expected
    assert holdout(array.dictionary_encode(), 0.5).tolist() == expected
    assert holdout(pa.chunked_array([array[:3], array[3:]], pa.string()), 0.5).tolist() == expected


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.9])
def test_the_share_is_about_the_fraction(fraction: float) -> None:
    error = 4 * np.sqrt(fraction * (1 - fraction) / len(IDS))
    assert abs(holdout(IDS, fraction).mean() - fraction) < error


def test_salts_are_independent() -> None:
    a, b = holdout(IDS, 0.5, salt="holdout"), holdout(IDS, 0.5, salt="feedback")
    assert abs((a & b).mean() - 0.25) < 0.02
    assert abs(np.corrcoef(uniform(IDS, salt="x"), uniform(IDS, salt="y"))[0, 1]) < 0.03


def test_the_split_never_changes() -> None:
    # Written down, so that no later version silently moves rows between training and evaluation.
    assert np.flatnonzero(holdout(IDS[:40], 0.2)).tolist() == HELD_OUT_OF_40
    script = (
        "from beambell.model import holdout; print(holdout([f'row-{i}' for i in range(40)], 0.2).nonzero()[0].tolist())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(HELD_OUT_OF_40)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_is_a_fraction(fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holdout(["a"], fraction)


def test_null_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 ids are null"):
        holdout(pa.array(["a", None]), 0.5)
