"""Pattern counts as a ``CombineFn``: any grouping, on any number of workers, gives the sum."""

from __future__ import annotations

import apache_beam as beam
import numpy as np
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from beam_jobs.apply_lfs import GatherVotes, Voted
from beambell.state import PatternCounts

K, M = 3, 4
LFS = tuple(f"lf_{j}" for j in range(M))
batches = st.lists(
    st.integers(0, 6).flatmap(lambda n: arrays(np.int8, (n, M), elements=st.integers(-1, K - 1))),
    min_size=1,
    max_size=6,
)


def count(L):
    return PatternCounts.from_votes(L, K, LFS)


def voted(L):
    return Voted((count(L),))


@given(batches, st.integers(1, 4))
def test_any_split_gives_the_sum(parts, workers):
    combine = GatherVotes()
    accumulators = []
    for worker in range(workers):
        accumulator = combine.create_accumulator()
        for L in parts[worker::workers]:
            accumulator = combine.add_input(accumulator, voted(L))
        accumulators.append(accumulator)
    assert combine.extract_output(combine.merge_accumulators(accumulators)) == voted(np.concatenate(parts))


def test_in_a_pipeline():
    parts = [np.random.default_rng(seed).integers(-1, K, (50, M)).astype(np.int8) for seed in range(8)]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        total = pipeline | beam.Create([("a", voted(L)) for L in parts]) | beam.CombinePerKey(GatherVotes())
        assert_that(total, equal_to([("a", voted(np.concatenate(parts)))]))
