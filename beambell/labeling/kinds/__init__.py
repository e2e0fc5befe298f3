r"""The declarative kinds: a few inspectable parameters each, and a meaning stated as plain Python.

Every kind is a predicate on one field: it votes its label where the predicate holds, and abstains elsewhere and
on null. The predicates, which a compiler has to reproduce exactly:

========  ====================================================================================================
keyword   for one of the words, ``re.search(p, text)`` with ``p = (?<!B)(?:word)(?!A)`` (the word escaped, A and B its
          `edges`), or ``word`` for ``whole_words=False``; ``re.IGNORECASE`` unless ``ignore_case=False``
regex     ``re.search(pattern, text, flags)``
count     ``min <= n <= max``, n the non-overlapping matches of a pattern; "words" means ``\S+``, "chars" code points
length    ``min <= n <= max``, n the code points, or the words ``\S+``
numeric   ``min <= value <= max``, compared exactly; NaN abstains
lookup    ``str(value) in values``; both casefolded for ``ignore_case=True``
lexicon   ``fsum(weight of every word present) >= threshold``, a word being present where a keyword would vote
========  ====================================================================================================

Those of keyword, lookup and lexicon are about what `beambell.labeling.folding.fold` makes of texts, words and values;
for ``fold=False``, about these as they are, and then A and B are ``\w``.
"""

from __future__ import annotations

from beambell.labeling.kinds.numbers import Length, Numeric, length, numeric
from beambell.labeling.kinds.patterns import Count, Regex, count, regex
from beambell.labeling.kinds.words import Keyword, Lexicon, Lookup, keyword, lexicon, lookup

__all__ = [
    "Count",
    "Keyword",
    "Length",
    "Lexicon",
    "Lookup",
    "Numeric",
    "Regex",
    "count",
    "keyword",
    "length",
    "lexicon",
    "lookup",
    "numeric",
    "regex",
]
