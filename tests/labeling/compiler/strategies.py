"""Labeling functions and texts made to find where a compiled one and the plain one part."""

from __future__ import annotations

import re
import warnings

from hypothesis import strategies as st

from beambell.labeling import count, keyword, length, lexicon, regex
from beambell.labeling.folding import fold

# The Kelvin sign is a k, the long s an s, dotted and dotless i are i to `re`; \x1c and \x85 are spaces, and so is the
# no-break space; there are digits of other scripts, marks that combine, and characters of one to four bytes.
CHARACTERS = [*"aAbkKsSiI zZ09_!?.-$\n\t", *"\x00\x1c\x85\xa0\u2028\u200d\u212a\u017f\u0130\u0131\xdf\u1e9e\xe9\u0301"]
CHARACTERS += [*"\u03a3\u03c2\u0434\u0663\u4e2d\u20ac\uffff\U0001f600\U00010400\U0010ffff"]
# What looks the same and is not: composed or not, with marks in another order, with what cannot be seen, in another
# width. Scripts without spaces, Korean, and others whose marks are no word characters.
TYPED = [
    "\u2019",
    "'",
    "caf\xe9",
    "cafe\u0301",
    "\u0323",
    "e\u0323",
    "\xad",
    "\u200b",
    "\ufe0f",
    "\uff4b",
    "\u034f",
    "-",
]
TYPED += ["\u2010", "\u9000\u6b3e", "\u304b\u3099", "\uff76\uff9e", "\u0e01\u0e35", "\u0e48", "\u0e01", "\ud658\ubd88"]
TYPED += [
    "\u1112\u116a\u11ab",
    "\uc744",
    "\u314b",
    "\u0939\u093f\u0928",
    "\u093f",
    "\u0928",
    "\u093c",
    "\xa0",
    "\u212b",
]
TYPED += ["\U0001f3f4\U000e0067\U000e007f", "\U000e0067", "\u0e51", "\u0f71\u0f74", "\u0345", "\u0958", "\u0344"]
PIECES = [*CHARACTERS, *TYPED, "kiss", "KISS", "aaaa", "money back", "ki\u017fs", "10%", "\U0001f469\u200d\U0001f680"]
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
columns = st.lists(st.none() | texts, max_size=24)

words = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join).filter(lambda word: fold(word).strip())
bounds = st.tuples(st.integers(-1, 6), st.none() | st.integers(0, 9)).filter(lambda b: b[1] is None or b[0] <= b[1])

ATOMS = [
    *(re.escape(c) for c in CHARACTERS),
    *(r"\w", r"\W", r"\s", r"\S", r"\d", r"\D", ".", "[a-c]", "[^a]", r"[^\W\d]", "[K-Z]", "[\u0100-\u0200k]"),
    *("[^k]", "[^\u0130-\u2200]", r"[\s!]", r"[\S\s]", "kiss", "money", r"\d\d%", r"[^\s\S]", r"[^K-\U00010410]"),
    *(r"\b", r"\B", "^", "$", r"\A", r"\Z", "(?=k)", r"(?!\w)", r"(?<!\S)", "(?<=s)", "(?<!a)", "(?!)", "(?=)"),
    *(
        "(?!ki)",
        "(?<=ki)",
        "(?=.*k)",
        "(?!ki?s)",
        r"(?=\w+\b)",
        "(?!.*!)",
        "(?<!ki)",
        "(?<![k-s]{2})",
        "(?i:k)",
        "(?-i:s)",
        "(?s:.)",
        r"(?a:\w\b)",
        "(?m:^a$)",
        r"(?P<x>a|k)(?P=x)",
    ),
    *("(?>a+)", "a++", "(?:(k)|s)(?(1)i|a)", r"(?a:(?i:k))", "(?s-i:k.)"),
]
QUANTIFIERS = ["*", "+", "?", "{2}", "{1,3}", "{2,}", "{0}", "*?", "+?", "??", "{,2}"]


def larger(smaller):
    return st.one_of(
        st.lists(smaller, min_size=1, max_size=4).map("".join),
        st.lists(smaller, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(smaller, st.sampled_from(QUANTIFIERS)).map(lambda p: f"(?:{p[0]}){p[1]}"),
        st.tuples(st.sampled_from(ATOMS), st.sampled_from(QUANTIFIERS)).map("".join),
        st.tuples(smaller, st.sampled_from(["$", r"\b", r"\Z", r"\s*$", "|", "(?=k)", ".*"])).map("".join),
        st.tuples(st.sampled_from(["(?=", "(?!"]), smaller, st.none() | smaller).map(
            lambda p: f"{p[0]}{p[1]}){p[2] or ''}"
        ),
        st.tuples(st.sampled_from(["(?<=", "(?<!"]), smaller, smaller).map(lambda p: f"{p[0]}{p[1]}){p[2]}"),
        smaller.map(lambda part: rf"(?P<g{abs(hash(part)) % 10**6}>{part})"),
    )


def compiles(pattern, flags=0):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            re.compile(pattern, flags)
        except (re.error, Warning):
            return False
        return True


FLAGS = [re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII, re.VERBOSE]
flags = st.sets(st.sampled_from(FLAGS), max_size=3).map(lambda f: int(sum(f)))
patterns = st.recursive(st.sampled_from(ATOMS), larger, max_leaves=7)
expressions = st.tuples(patterns, flags).filter(lambda e: compiles(*e))
AROUND = ["a", "k", "ki", "s", "!", r"\w", ".", "[^a]", r"\b", "$", "(?<=s)", r"(?!\w)", "(?:a|ki)", "a*", "(?:k|s)+?"]
around = st.lists(st.sampled_from(AROUND), min_size=1, max_size=3).map("".join)
looks = st.tuples(st.sampled_from(["(?=", "(?!", "(?=.*", "(?!.*"]), around).map(lambda p: f"{p[0]}{p[1]})")
looking = st.tuples(st.recursive(looks | around, larger, max_leaves=6), flags).filter(lambda e: compiles(*e))
EQUAL = [
    r"(\w)\1{2,}",
    r"(.)\1\1",
    r"(?:\w)(\S)\1{3}",
    r"([a-z!])\1{2,4}$",
    r"(?i:(\w)\1{2})",
    r"(\w)\1",
    r"(a|k)\1{2}",
]

LABELS = st.integers(0, 3)


def told_apart(weights):
    """Of words that fold to one, only the last."""
    return {word: weights[word] for word in {fold(word).lower(): word for word in weights}.values()}


functions = st.one_of(
    st.builds(
        lambda any_of, label, whole, ignore, folded: keyword(
            "lf", any_of=any_of, label=label, whole_words=whole, ignore_case=ignore, fold=folded
        ),
        st.lists(words, min_size=1, max_size=4),
        LABELS,
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(lambda e, label: regex("lf", pattern=e[0], flags=e[1], label=label), expressions, LABELS),
    st.builds(lambda e, label: regex("lf", pattern=e[0], flags=e[1], label=label), expressions, LABELS),
    st.builds(lambda p, label: regex("lf", pattern=p, label=label), st.sampled_from(EQUAL), LABELS),
    st.builds(
        lambda e, b, label: count("lf", of=e[0], flags=e[1], min=b[0], max=b[1], label=label),
        expressions | st.tuples(st.sampled_from(["words", "chars", "!", r"\S+", "[A-Z]+", "k+?", "(?i:(k))"]), flags),
        bounds,
        LABELS,
    ),
    st.builds(
        lambda unit, b, label: length("lf", unit=unit, min=b[0], max=b[1], label=label),
        st.sampled_from(["words", "chars"]),
        bounds,
        LABELS,
    ),
    st.builds(
        lambda weights, threshold, label, ignore, folded: lexicon(
            "lf", weights=told_apart(weights), threshold=threshold, label=label, ignore_case=ignore, fold=folded
        ),
        st.dictionaries(
            words.map(str.lower), st.sampled_from([1, -1, 0.5, 0.1, 0.2, 0.3, 1e17]), min_size=1, max_size=5
        ),
        st.sampled_from([0, 0.3, 0.5, 0.6, 1, -1]),
        LABELS,
        st.booleans(),
        st.booleans(),
    ),
)
