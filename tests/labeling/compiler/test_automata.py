"""The parts of the compiler: sets of characters, trees, factors and automata, each against `re` itself."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from labeling.compiler.strategies import CHARACTERS, columns, expressions, looking, texts

from beambell.labeling import compile_lfs, count
from beambell.labeling.charsets import ANY, LAST, category, charset, single
from beambell.labeling.compiler.alphabet import FILL, Alphabet, TooManySymbols, encode
from beambell.labeling.compiler.dfa import Machine
from beambell.labeling.compiler.factors import factors
from beambell.labeling.compiler.store import build
from beambell.labeling.compiler.syntax import Chars, Choice, concat, essence, one_character, parse
from beambell.labeling.compiler.texts import Texts

many = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
EVERY = "".join(map(chr, range(0x110000)))


def found(trees, column):
    """Which of the trees an automaton of all of them finds in each text, or None if there is none."""
    dfa = build(tuple((tree, 60 + number) for number, tree in enumerate(trees)), 3000)
    if dfa is None:
        return None
    hits = scanned(dfa, pa.array(column, pa.string()), 2)
    bits = np.unpackbits(hits.view(np.uint8), axis=1, bitorder="little").astype(bool)
    return bits[:, 60 : 60 + len(trees)]


def scanned(dfa, column, width):
    [spelling] = encode([dfa.alphabet])
    hits = np.zeros((len(column), width), dtype=np.uint64)
    Texts(column, spelling.script).scan(Machine.of(dfa, spelling, width), hits)
    return hits


def searched(expression, column):
    pattern = re.compile(*expression)
    return [text is not None and pattern.search(text) is not None for text in column]


@many
@given(st.lists(expressions, min_size=1, max_size=2), columns)
@example([(r"\B", 0)], ["", "a", "ab", "a!", " "])
@example([("$", 0), ("$", re.MULTILINE)], ["", "\n", "a\n", "\n\n", "a\nb"])
@example([(r"a$\n", 0), (r"(?:a$\n?)+$", 0)], ["a", "a\n", "a\n\n", "a\na"])
@example(
    [("[^k]$", re.IGNORECASE), ("(?:k)(?!s)", re.IGNORECASE | re.ASCII)], ["\u212a", "K", "ks\u017f", "k\u017f", "k"]
)
@example([(r"(\w)\1{2}", 0)], ["aab", "aaa", "\u4e2d" * 3, "bb\u4e2d\u4e2d"])
def test_automata_find_what_re_finds(expressions, column):
    syntaxes = [parse(*expression) for expression in expressions]
    for trees in ([s.tree for s in syntaxes], [essence(s.tree) for s in syntaxes]):
        hits = found(trees, column)
        if hits is None:
            continue
        for number, (expression, syntax) in enumerate(zip(expressions, syntaxes, strict=True)):
            expected = np.array(searched(expression, column), dtype=bool)
            wrong = np.flatnonzero(hits[:, number] != expected if syntax.exact else hits[:, number] < expected)
            assert not len(wrong), (expression, column[wrong[0]], trees[number])


LINK = r"(?:https?://|www\.|\b)(?!(?:wiki|docs)\.)[\w-]+\.example\b"
LINKS = [
    *("wiki.example", "www.wiki.example", "xwiki.example", "wikis.example", "wiki-docs.example", "x wiki.examples"),
    *("http://docs.example", "docs.docs.example", "-wiki.example", "\u017fwiki.example", "WIKI.example", "wiki.exampl"),
]
AHEAD = [
    (LINK, 0, LINKS),
    (LINK, re.IGNORECASE, LINKS),
    (LINK, re.IGNORECASE | re.ASCII, LINKS),
    (r"(?:(?!ki).)+s$", re.IGNORECASE | re.DOTALL, ["KIs", "kis", "\u212ais", "aks", "k\ns", "s\n", "iks", "", "i"]),
    (r"a(?=.*k)(?!.*ki)", 0, ["ak", "aki", "a\nk", "akiak", "aka", "a", "ka"]),
    (r"a(?!b$)", 0, ["ab", "ab\n", "abc", "ab\nc", "a", "cab"]),
    (r"a(?!b$)", re.MULTILINE, ["ab", "ab\n", "abc", "ab\nc", "a", "cab"]),
    (r"a(?=b\b)(?:bc|b!)?", 0, ["ab", "abc", "ab!", "ab\u0301", "ab\xe9", "a"]),
    (r"(?=\w+\d)(?=\w+[A-Z])\w{3}", 0, ["a1", "aB1", "a1b", "abc1B", "ab 1B", "\u0663aB1", "1B", "b1B"]),
    (r"(?:(?=a)..|(?!ab)b.)*!", 0, ["abba!", "b!", "!", "abab", "ba!", "aab!"]),
    (r"(?!k)|(?=ki)", 0, ["", "k", "ki"]),
    (r"^(?!.*(?:ab|ba))[ab]{2}", 0, ["aab", "aa", "aaaa", "bbb", "bba", "aa\nab", "\naa"]),
    (r"x(?=(?:ab)+c)", 0, ["xabab", "xababc", "xabc", "xc", "xabxabc"]),
    (r"(?<!not )good", re.IGNORECASE, ["good", "not good", "NOT GOOD", "not  good", "ot good", "xnot good", "t good"]),
    (r"(?<![a-k]{2}s)!", 0, ["!", "s!", "as!", "aas!", "aks!", "xas!", "ass!", "aas! !"]),
    (r"(?<=ki)ss|(?<=a\b)!", 0, ["kiss", "ss", "iss", "a!", "!", "b!"]),
]


@pytest.mark.parametrize(("pattern", "flags", "column"), AHEAD)
def test_looks_at_more_than_one_character(pattern, flags, column):
    syntax = parse(pattern, flags)
    assert syntax.exact
    for tree in (syntax.tree, essence(syntax.tree)):
        assert found([tree], column)[:, 0].tolist() == searched((pattern, flags), column)


few_characters = st.lists(st.sampled_from("aabkkisS! \n\u212a\u017f"), max_size=9).map("".join)


@many
@given(looking, st.lists(few_characters, max_size=24))
def test_automata_look_as_re_does(expression, column):
    syntax = parse(*expression)
    for tree in (syntax.tree, essence(syntax.tree)):
        hits, expected = found([tree], column), np.array(searched(expression, column), dtype=bool)
        if hits is not None:
            wrong = np.flatnonzero(hits[:, 0] != expected if syntax.exact else hits[:, 0] < expected)
            assert not len(wrong), (expression, column[wrong[0]], tree)


@pytest.mark.parametrize("pattern", ["(?=a(?!bc))a", "a(?<!ba)", "(?!a(?<=ba))a", r"(?<!\bnot )x", r"(a)(?=b\1)"])
def test_looks_that_are_left_to_re(pattern):
    assert not parse(pattern, 0).exact


@many
@given(expressions, columns)
@example((r"(?:ab|cd+)e|\d{3}-x", 0), ["abe", "cdde", "123-x", "ae"])
def test_a_match_contains_a_factor(expression, column):
    tree = parse(*expression).tree
    for required in (factors(tree), factors(essence(tree))):
        if required is not None:
            windows = Choice(tuple(concat(map(Chars, window)) for window in required.alternatives))
            hits = found([windows], column)
            expected = np.array(searched(expression, column), dtype=bool)
            assert hits is None or (hits[:, 0] >= expected).all(), (expression, required)


@many
@given(expressions, texts)
@example((r"(\w)\1{3}", 0), "\u4e2d\u4e2d\u4e2d\u4e2d")
def test_a_match_contains_a_run_of_equal_characters(expression, text):
    match = re.search(*expression[:1], text, expression[1])
    runs = max((len(run.group()) for run in re.finditer(r"(?s)(.)\1*", match.group() if match else "")), default=0)
    assert match is None or runs >= parse(*expression).equal or parse(*expression).equal == 1


@pytest.mark.parametrize(("pattern", "equal"), [(r"(\w)\1{2,}", 3), (r"x(.)\1", 2), (r"(ab)\1\1", 1), (r"(a)b\1", 1)])
def test_equal_characters_are_noticed(pattern, equal):
    assert parse(pattern, 0).equal == equal
    assert parse(pattern, re.IGNORECASE).equal == 1


EQUAL_TEXTS = [
    "aaab",
    "aab",
    "aaabbcc",
    "",
    "\xe9\xe9\xe9",
    "\xe9\xe9",
    "\U0001f600" * 3 + "x",
    "\u20ac" * 2 + "a" * 2,
    None,
    "xyz" * 50 + "!!!",
]


@pytest.mark.parametrize("length", [3, 4])
def test_runs_of_equal_characters(length):
    texts = Texts(pa.array(EQUAL_TEXTS, pa.string()), encode([Alphabet.of(())])[0].script)
    hits = np.zeros((len(EQUAL_TEXTS), 1), dtype=np.uint64)
    texts.find_equal(length, np.ones(256, dtype=np.uint8), 3, hits)
    run = re.compile(rf"(?s)(.)\1{{{length - 1}}}")
    assert (hits[:, 0] == 8).tolist() == [text is not None and run.search(text) is not None for text in EQUAL_TEXTS]


@many
@given(expressions, texts)
@example(("(?:k)+", re.IGNORECASE), "kK\u212a k")
@example(("k+?", 0), "kkk")
@example((r"(?a:\w)++", 0), "aa \xe9a")
def test_counting_characters_is_counting_matches(expression, text):
    what = one_character(*expression)
    if what is not None:
        members, run = what
        inside = "".join("x" if ord(c) in members else " " for c in text)
        n = len(inside.split()) if run else inside.count("x")
        assert n == len(list(re.finditer(expression[0], text, expression[1])))


ONE = [
    r"\w",
    r"\S",
    "[^\\W_]",
    "k",
    "\u017f",
    "[i-k]",
    "[^\u0130s]",
    "[\u0391-\u03c9]",
    ".",
    "\xdf",
    "[^\\w\\s]",
    "\u01c5",
]


@pytest.mark.parametrize("flags", [0, re.IGNORECASE, re.ASCII, re.IGNORECASE | re.ASCII, re.DOTALL])
@pytest.mark.parametrize("pattern", ONE)
def test_sets_of_characters_over_all_of_unicode(pattern, flags):
    members = parse(pattern, flags).tree.members
    expected = charset((m.start(), m.end() - 1) for m in re.finditer(f"(?:{pattern})+", EVERY, flags))
    assert members is expected


sets = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9)).map(lambda r: (r[0], r[0] + r[1])), max_size=6)


@many
@given(sets, sets)
def test_sets_are_sets(first, second):
    one, two = charset(first), charset(second)
    python = [{code for low, high in ranges for code in range(low, high + 1)} for ranges in (first, second)]
    for code in range(320):
        assert (code in (one | two)) == (code in python[0] | python[1])
        assert (code in (one - two)) == (code in python[0] - python[1])
    assert ~~one is one
    assert one | ~one is ANY


EDGES = [page * 256 + offset for page in (2, 3, 4, 273, 274, 275, 4351) for offset in (-1, 0, 1, 112, 113)]


@many
@given(
    st.lists(
        st.sampled_from(
            [
                *(single(*map(ord, "ak")), category(r"\w"), category(r"\s"), ANY, charset([(200, 70000)])),
                *(charset([(512, 767), (1024, 1024)]), charset([(511, 768), (4351 * 256, LAST)]), single(LAST)),
            ]
        )
    )
)
def test_an_alphabet_tells_apart_what_the_sets_do_and_nothing_else(sets):
    alphabet = Alphabet.of(sets)
    membership, symbols = {}, [alphabet.symbols(members) for members in sets]
    for code in [*map(ord, CHARACTERS), *range(300), *EDGES, LAST]:
        inside = tuple(code in members for members in sets)
        assert inside == tuple(alphabet.symbol(code) in some for some in symbols)
        assert membership.setdefault(inside, alphabet.symbol(code)) == alphabet.symbol(code)


some_sets = st.lists(
    st.sampled_from([single(*map(ord, "ak\u0434")), category(r"\w"), category(r"\s"), ANY, charset([(200, 70000)])]),
    max_size=3,
)


def written_as(script, code):
    return int(script.pages[script.page_of[code // 256], code % 256])


@many
@given(st.lists(some_sets, min_size=1, max_size=4))
def test_texts_written_once_are_read_in_every_alphabet(sets):
    alphabets = [Alphabet.of(some) for some in sets]
    spellings = encode(alphabets)
    assert len({spelling.script for spelling in spellings}) == 1
    for alphabet, spelling in zip(alphabets, spellings, strict=True):
        for code in [*map(ord, CHARACTERS), *range(300)]:
            symbol = written_as(spelling.script, code)
            assert spelling.columns[symbol] == alphabet.symbol(code)
            assert symbol == code if code < 128 else 128 <= symbol < FILL


def test_alphabets_too_different_are_written_apart():
    first, second, third = (
        Alphabet.of(single(code) for code in range(start, start + 100)) for start in (300, 900, 300)
    )
    spellings = encode([first, second, third])
    assert spellings[0].script is spellings[2].script is not spellings[1].script
    assert spellings[1].columns[written_as(spellings[1].script, 950)] == second.symbol(950)


BROKEN = [b"\x80abc", b"a\xe2\x82", b"\xff\xff", b"\xf4\x90\x80\x80\xbf\xbf", b"ok \xc3\xa9"]


def test_what_is_no_utf8_disturbs_nobody_else():
    offsets = np.cumsum([0, *map(len, BROKEN)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(BROKEN))]
    dfa = build(((parse("ok \xe9$", 0).tree, 0),), 100)
    hits = scanned(dfa, pa.Array.from_buffers(pa.string(), len(BROKEN), buffers), 1)
    assert hits[:, 0].tolist() == [0, 0, 0, 0, 1]


def test_an_alphabet_tells_apart_126_classes_beyond_ascii():
    assert Alphabet.of(single(code) for code in range(253)).size == 254
    with pytest.raises(TooManySymbols):
        Alphabet.of(single(code) for code in range(254))


LENGTHS = [0, 1, 7, 8, 9, 15, 16, 63, 64, 65, 300, 2039, 2040, 2041, 5000]
OF_ALL_LENGTHS = [letter * n for n in LENGTHS for letter in ("k", "\xe9", "\u4e2d", "\U0001f600")]


@pytest.mark.parametrize("start", [0, 1, 9])
@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
def test_texts_of_all_lengths_in_any_buffer(start, type_):
    column = [text + end for text in OF_ALL_LENGTHS for end in ("", "!", "\xe9!")][::-1]
    pattern = re.compile("(?:^|k)!?$|\xe9{3}|\xe9!$|\u4e2d\xe9")
    dfa = build(((parse(pattern.pattern, 0).tree, 5),), 500)
    offsets, data = pa.array(column, type_).buffers()[1:]
    tight = pa.py_buffer(data.to_pybytes()[: len("".join(column).encode())])  # Arrow's own go on after the last text
    array = pa.Array.from_buffers(type_, len(column), [None, offsets, tight]).slice(start)
    expected = [pattern.search(text) is not None for text in column[start:]]
    assert (scanned(dfa, array, 1)[:, 0] == 32).tolist() == expected


def test_one_text_is_longer_than_all_others():
    column = ["", "a", "x" * 70_000 + "a", "", None, "aaa", "b"]
    dfa = build(((parse("a$", 0).tree, 0), (parse("^$", 0).tree, 1)), 500)
    for turn in range(len(column)):
        turned = column[turn:] + column[:turn]
        expected = [0 if text is None else 2 if text == "" else text.endswith("a") for text in turned]
        assert scanned(dfa, pa.array(turned), 1)[:, 0].tolist() == expected


COUNTED = {
    "!": ["!", "!" * 300, "a!" * 3000, "\xe9!\u4e2d!"],
    "[A-C0-3x-z]": ["ABCD01234wxyz" * 30, "\xe9A", "A"],
    r"\s": [" \t\x1c\x85\xa0\u2028" * 7, "", "a b"],
    r"\S+": ["a b", " a  b\u2028c", "\xe9 \u4e2d", "a" * 2050 + " b" * 2050, "", " ", "word " * 500],
    "[^\u0130-\u4e2d]+": ["a\u4e2db", "\u4e2d\u4e2d", "\u0130a" * 300, "ab"],
    r"\w+": ["a-b", "\xe9 \u4e2d", "don't", "_" * 4000],
    "[aeiou13579]": ["aeiou" * 99, "13579", "\xe9a"],
    "[^!]": ["!a" * 99],
    r"[\s\S]": ["\xe9!"],
    "[k\xe9]+": ["k\xe9k", "\u212ak"],
    "[\x00\x7f]": ["\x00\x7f\x80"],
}


@pytest.mark.parametrize("at_once", [1, 3, len(COUNTED)])
def test_counting_finds_as_many_as_re(at_once):
    column = [*(text for texts in COUNTED.values() for text in texts), None]
    for start in range(0, len(COUNTED), at_once):
        lfs, expected = [], []
        for pattern in list(COUNTED)[start : start + at_once]:
            found = [len(re.findall(pattern, text)) for text in column[:-1]]
            for low in sorted({n + more for n in found for more in (0, 1)}):
                lfs.append(count(f"lf_{len(lfs)}", of=pattern, min=low, label=1))
                expected.append([*(n >= low for n in found), False])
        compiled = compile_lfs(lfs)
        assert {plan.how for plan in compiled.explain()} == {"count"}
        votes = compiled.votes(pa.table({"text": column}))
        for lf, vote, expectation in zip(lfs, votes.T, expected, strict=True):
            assert (vote == 1).tolist() == expectation, lf


def test_automata_do_not_explode():
    assert build(((parse("a.{60}b", 0).tree, 0),), 5000) is None
    assert build(((parse("(?:a{99}){99}", 0).tree, 0),), 500) is None
    assert build(((parse("a(?=.{20}b)", 0).tree, 0),), 2000) is None
    assert build(((parse("x(?:" + "|".join(f"(?!.*{c}d)" for c in "abcefghijkmno") + ")*y", 0).tree, 0),), 99) is None


def test_the_same_patterns_give_the_same_tables():
    patterns = tuple((parse(p, re.IGNORECASE).tree, n) for n, p in enumerate(["kiss", r"\bk\w+s\b", "[$€]\\d"]))
    one, two = build.__wrapped__(patterns, 999), build.__wrapped__(patterns, 999)
    assert one.table.tobytes() == two.table.tobytes()
    assert one.emits.tobytes() == two.emits.tobytes()
