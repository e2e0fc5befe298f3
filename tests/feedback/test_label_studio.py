"""Tasks for Label Studio: texts as people wrote them."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from beambell.feedback.answers import excerpt


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_an_excerpt_shows_texts_as_they_were_written(text):
    shown = excerpt({"t": text})
    assert shown == f'{{"t": {json.dumps(text, ensure_ascii=False)}}}'
    assert json.load(io.StringIO(shown)) == {"t": text}


def test_an_excerpt_of_whatever_json_cannot_say_is_one_all_the_same():
    assert "2026" in excerpt({"when": __import__("datetime").date(2026, 1, 3)})
