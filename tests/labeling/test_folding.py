"""Text as people type it: what folds to one, what does not, where a word ends, and that compiling changes nothing."""

# ruff: noqa: RUF001  # look-alikes are what this is about

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from labeling.compiler.strategies import PIECES, TYPED, words

from beambell.errors import LabelingFunctionError
from beambell.labeling import (
    compile_lfs,
    count,
    fingerprint,
    keyword,
    length,
    lexicon,
    lookup,
    numeric,
    regex,
    source,
)
from beambell.labeling import folding as definition
from beambell.labeling.charsets import category, one_of
from beambell.labeling.compiler.folded import _folded
from beambell.labeling.folding import INVISIBLE, edges, fold, marks, replaced, unspaced

many = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
pieces = st.lists(st.sampled_from([*PIECES, *TYPED * 2]) | st.characters(exclude_categories=["Cs"]), max_size=10)
texts = pieces.map("".join)


def found(word, text, **options):
    """Whether all kinds find a word in a text; compiled and plain, by row and by table."""
    row = {"text": text}
    lfs = [
        keyword("k", any_of=[word, "never seen"], label=1, **options),
        lexicon("x", weights={word: 1, "never seen": 1}, threshold=1, label=1, **options),
    ]
    table = pa.table({"text": [text, None, "never", text]})
    votes = compile_lfs(lfs).votes(table)
    for lf, compiled in zip(lfs, votes.T, strict=True):
        assert compiled.tolist() == lf.votes(table).tolist() == [lf.vote(row), -1, -1, lf.vote(row)]
    assert votes[0, 0] == votes[0, 1]
    return bool(votes[0, 0] == 1)


def nfd(text):
    return unicodedata.normalize("NFD", text)


SAME = {
    "decomposed": ("café", nfd("au café")),
    "composed": (nfd("café"), "au café"),
    "Vietnamese, three marks": ("miễn phí", nfd("được miễn phí!")),
    "Vietnamese, marks in another order": ("bậc", "ba\u0302\u0323c"),
    "Hangul in jamo": ("환불", nfd("환불 요청")),
    "Hangul half in jamo": ("각", "가\u11a8"),
    "kana with its voicing apart": ("ガイド", nfd("ガイド")),
    "half-width kana": ("ガイド", "ｶﾞｲﾄﾞ"),
    "full-width Latin": ("free", "いまなら ｆｒｅｅ！"),
    "full-width digits": ("100%", "１００％"),
    "Kelvin and Ångström signs": ("Å", "5 \u212b"),
    "a letter of compatibility": ("\u6d77", "\ufa45"),
    "typographic apostrophe": ("don't", "I don\u2019t know"),
    "typographic apostrophe in the keyword": ("don\u2019t", "I don't know"),
    "apostrophe that is a letter": ("м'ята", "м\u02bcята"),
    "turned apostrophe": ("'tis", "\u2018tis"),
    "acute accent for an apostrophe": ("don't", "don\u00b4t"),
    "full-width apostrophe": ("don't", "don\uff07t"),
    "prime": ("5'", "5\u2032"),
    "quotes": ('"free"', "a \u201cfree\u201d gift"),
    "low quotes": ('"gratis"', "\u201egratis\u201c"),
    "guillemets": ('"gratuit"', "\u00abgratuit\u00bb"),
    "no-break hyphen": ("e-mail", "my e\u2011mail"),
    "hyphen": ("e-mail", "my e\u2010mail"),
    "en dash": ("follow-up", "follow\u2013up"),
    "minus sign": ("-5", "\u22125"),
    "no-break space": ("money back", "money\u00a0back"),
    "narrow no-break space": ("100 %", "100\u202f%"),
    "ideographic space": ("返金 希望", "返金\u3000希望"),
    "zero-width space": ("refund", "re\u200bfund"),
    "zero-width joiners": ("refund", "re\u200dfu\u200cnd"),
    "word joiner": ("refund", "re\u2060fund"),
    "byte order mark": ("refund", "\ufeffrefund"),
    "soft hyphen": ("refund", "re\u00adfund"),
    "combining grapheme joiner": ("refund", "re\u034ffund"),
    "marks of direction": ("refund", "\u202drefund\u202c now\u200f"),
    "isolates": ("refund", "\u2068re\u2069fund"),
    "Hangul filler": ("refund", "refund\u3164"),
    "Mongolian vowel separator": ("refund", "ref\u180eund"),
    "invisible tag": ("refund", "re\U000e0061fund"),
    "variation selector": ("❤", "❤\ufe0f"),
    "variation selector in the keyword": ("❤\ufe0f", "❤"),
    "ideographic variation": ("葛城", "葛\U000e0100城"),
    "Persian with and without its joiner": ("می‌خواهم", "میخواهم"),
    "marks around what is invisible": ("q\u0323\u0307", "q\u0307\u200d\u0323"),
    "a flag of tags": ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f!"),
}


@pytest.mark.parametrize("case", SAME)
def test_what_looks_the_same_is_found(case):
    word, text = SAME[case]
    assert found(word, text)
    assert found(word, text, ignore_case=False)
    assert keyword("k", any_of=[word], label=1, whole_words=False).vote({"text": text}) == 1


DIFFERENT = {
    "another accent": ("café", "cafè"),
    "no accent": ("café", "cafe"),
    "a mark left over": ("q", "q\u0307"),
    "a mark left over, whatever is between": ("q", "q\u200d\u0307"),
    "a look-alike of another script": ("paypal", "p\u0430yp\u0430l"),
    "a ligature": ("office", "o\ufb03ce"),
    "an ellipsis": ("so...", "so\u2026"),
    "a line break for a space": ("money back", "money\nback"),
    "two spaces for one": ("money back", "money\u00a0 back"),
    "an em dash": ("e-mail", "e\u2014mail"),
    "a backtick": ("don't", "don`t"),
    "superscripts": ("m2", "m\u00b2"),
    "another flag of tags": ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0075\U000e0073\U000e007f"),
    "a part of a word that something invisible cuts": ("fun", "re\u200bfun\u200bd"),
    "the end of a word that something invisible cuts": ("fund", "re\u200bfund"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_looks_different_is_not_found(case):
    assert not found(*DIFFERENT[case])


WHOLE = {
    ("退款", "我要退款谢谢"): True,
    ("退款", "iPhone退款"): True,
    ("退款", "退货款"): False,
    ("refund", "请refund吧"): True,
    ("fun", "请refund吧"): False,
    ("返金", "すぐに返金してください"): True,
    ("カード", "ギフトカードです"): True,
    ("2026", "令和2026年"): True,
    ("202", "令和2026年"): False,
    ("คืนเงิน", "ขอคืนเงินด้วย"): True,
    ("ขอค", "ขอคืนเงินด้วย"): False,  # a vowel sign above the last letter
    ("line", "แอดlineมา"): True,
    ("in", "แอดlineมา"): False,
    ("sale", "ดีsaleดี"): True,  # after a vowel sign
    ("๕๐", "ลด๕๐บาท"): True,
    ("๕", "ลด๕๐บาท"): False,
    ("ເງິນ", "ຄືນເງິນແດ່"): True,
    ("ប្រាក់", "សងប្រាក់វិញ"): True,
    ("ငွေ", "ငွေပြန်အမ်း"): True,
    ("환불", "환불을 원해요"): True,
    ("환불", "환불해주세요"): True,
    ("불", "환불"): False,
    ("환불", "전액환불"): False,
    ("환불", "ㅋㅋ환불ㅠㅠ"): True,
    ("ㅋㅋ", "ㅋㅋㅋㅋ"): True,
    ("refund", "refund를 원해요"): True,
    ("refund", "신규refund"): True,
    ("환불", "VIP환불"): True,
    ("हिन्दी", "यह हिन्दी है"): True,
    ("हिन", "हिन्दी"): False,
    ("न", "हिन्दी"): False,
    ("دعم", "الدعم"): False,
    ("free", "free\u20e3"): False,
    ("art", "start"): False,
    ("art", "art_"): False,
    ("art", "art2"): False,
    ("art", "d'art!"): True,
    ("C++", "C++ 20"): True,
    ("C++", "C++20"): False,
    ("!", "wow!"): False,
    ("👩", "👩\u200d🚀"): True,
}


@pytest.mark.parametrize(("word", "text"), WHOLE)
def test_whole_words_of_any_script(word, text):
    assert found(word, text) is WHOLE[word, text]
    assert found(nfd(word), nfd(text)) is WHOLE[word, text]


@pytest.mark.parametrize(("word", "text"), WHOLE)
def test_part_of_a_word_will_do(word, text):
    lf = keyword("k", any_of=[word], label=1, whole_words=False)
    assert (lf.vote({"text": text}) == 1) is (fold(word) in fold(text))


@pytest.mark.parametrize("case", SAME)
def test_the_exact_text_alone(case):
    word, text = SAME[case]
    pattern = rf"(?<!\w)(?:{re.escape(word)})(?!\w)"
    assert found(word, text, fold=False) is (re.search(pattern, text, re.IGNORECASE) is not None)
    assert lookup("v", field="text", values=[word], label=1, fold=False).vote({"text": text}) == (
        1 if word == text else -1
    )


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("case", [*SAME, *DIFFERENT])
def test_values_are_looked_up_as_people_type_them(case, ignore_case):
    word, text = (SAME | DIFFERENT)[case]
    lf = lookup("v", field="f", values=[f"a {word} b", 7], label=1, ignore_case=ignore_case)
    values = [f"a {word} b", f"a {text} b", "７", f"A\u00a0{word}\u200b b", "7", text, None, "plain"]
    for array in (pa.array(values), pa.array(values).dictionary_encode(), pa.array(values, pa.string_view())):
        table = pa.table({"f": array})
        expected = [
            1 if v is not None and form(v, ignore_case) in {form(f"a {word} b", ignore_case), "7"} else -1
            for v in values
        ]
        assert compile_lfs([lf]).votes(table)[:, 0].tolist() == lf.votes(table).tolist() == expected


def form(text, ignore_case):
    return fold(text).casefold() if ignore_case else fold(text)


def test_all_of_unicode_folds_once():
    for code in range(0x110000):
        once = fold(chr(code))
        assert fold(once) == once, hex(code)
        assert chr(code) not in once or chr(code) == once
        assert (once == "") is (code in INVISIBLE)
    assert all(fold(chr(code)) == chr(code) for code in range(128))


@many
@given(texts)
@example("\u1ffd\u0374\u2000")
@example("\uff76\uff9e\u3099")
@example("a\u0f73\u0f71")
def test_folding_is_a_normal_form(text):
    folded = fold(text)
    assert fold(folded) == folded
    for normal_form in ("NFC", "NFD"):
        assert fold(unicodedata.normalize(normal_form, text)) == folded
    assert unicodedata.is_normalized("NFC", folded)


@many
@given(texts, texts, st.sampled_from("\u200b\u200d\xad\ufeff\u2060\u034f\ufe0f\u180e\U000e0100\u3164"))
def test_what_cannot_be_seen_changes_nothing(before, after, invisible):
    if "\U0001f3f4" not in before:  # the flag may end there
        assert fold(before + invisible + after) == fold(before + after)


@many
@given(words, texts, st.booleans())
@example("\u0e01", "\u0e01\u0399", True)  # to IGNORECASE, a capital iota is a mark
def test_a_word_is_found_where_its_edges_are(word, text, ignore_case):
    folded = fold(word)
    before, after = (one_of(members).pattern for members in edges(folded, folded=True))
    before = f"(?<!{before})" if before != "(?!)" else ""
    pattern = f"{before}(?{'i' * ignore_case}:{re.escape(folded)})(?!{after})"
    expected = re.search(pattern, fold(text)) is not None
    assert found(word, text, ignore_case=ignore_case) is expected


@many
@given(st.lists(st.none() | texts, max_size=12), st.lists(words, min_size=1, max_size=4), st.booleans())
def test_compiled_look_ups_fold_as_the_plain_ones(column, values, others):
    table = pa.table({"f": pa.array(column, pa.string())})
    lfs = [
        lookup("folded", field="f", values=[*values, *column[:2]] if None not in column[:2] else values, label=1)
        if all(fold(v) for v in column[:2] if v is not None)
        else lookup("folded", field="f", values=values, label=1),
        lookup("exact", field="f", values=values, label=0, fold=False),
        lookup("caseless", field="f", values=values, label=2, ignore_case=True),
    ][: 2 + others]
    expected = np.stack([lf.votes(table) for lf in lfs], axis=1)
    assert (compile_lfs(lfs).votes(table) == expected).all()


@many
@given(st.lists(texts, min_size=1, max_size=12), st.integers(0, 3))
def test_only_texts_that_may_change_are_folded(column, start):
    array = pa.array([*"abc"[:start], *column]).slice(start)
    changed = {}
    for rows, folded in _folded(array, np.arange(len(column))):
        changed |= dict(zip(rows.tolist(), folded.to_pylist(), strict=True))
    for row, text in enumerate(column):
        assert changed.get(row, text) == fold(text)


QUIET = [
    "plain ASCII, with 'quotes'",
    "naïve café, déjà vu, Größe, Łódź, İstanbul",
    "được miễn phí",
    "бесплатно и ещё раз",
    "δωρεάν, άλλα",
    "我要退款。谢谢",
    "すぐに返金してください。ガイド",
    "환불을 원해요",
    "ขอคืนเงินด้วยครับ",
    "हिन्दी में",
    "العربيّة",
    "שָׁלוֹם",
    "😀🚀👩👍🏽🇩🇪",
    "€ 5, 20 £, ½ no: 20 °C",
]


@pytest.mark.parametrize("text", QUIET)
def test_texts_as_most_people_type_them_are_read_once(text):
    assert fold(text) == unicodedata.normalize("NFC", text)
    if text != "हिन्दी में":
        assert list(_folded(pa.array([text]), np.array([0]))) == []


BROKEN = [b"\x80abc", b"a\xe2\x80", b"\xff\xff", b"\xf4\x90\x80\x80\xbf", b"ok \xe2\x80\x99", b"\xe2", b""]


def test_what_is_no_utf8_disturbs_nobody_else():
    offsets = np.cumsum([0, *map(len, BROKEN)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(BROKEN))]
    column = pa.Array.from_buffers(pa.string(), len(BROKEN), buffers)
    votes = compile_lfs([keyword("k", any_of=["ok '"], label=1)]).votes(pa.table({"text": column}))
    assert votes[:, 0].tolist() == [-1, -1, -1, -1, 1, -1, -1]


def test_other_kinds_see_the_text_as_it_is():
    text = "don\u2019t re\u00adfund"
    assert regex("r", pattern="don't|refund", label=1).vote({"text": text}) == -1
    assert count("c", of="\u00ad", min=1, label=1).vote({"text": text}) == 1
    assert length("l", max=len(text) - 1, label=1).vote({"text": text}) == -1
    lfs = [
        regex("r", pattern="don't|refund", label=1),
        keyword("k", any_of=["refund"], label=1),
        keyword("e", any_of=["refund"], label=1, fold=False),
        count("c", of="\u00ad", min=1, label=1),
        length("l", min=len(text), label=1),
    ]
    assert compile_lfs(lfs).votes(pa.table({"text": [text]})).tolist() == [[-1, 1, -1, 1, 1]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keyword("k", any_of=["free", "\u200b"], label=0), r"any_of: '\u200b' is made of characters that"),
        (lambda: keyword("k", any_of=["\u00a0\u00ad"], label=0), "none of them empty"),
        (lambda: lookup("k", field="f", values=["\ufeff"], label=0), r"values: '\ufeff' is made of characters that"),
        (lambda: lexicon("k", weights={"\u00ad": 1}, threshold=1, label=0), r"weights: '\xad' is made of characters"),
        (
            lambda: lexicon("k", weights={"don't": 1, "don\u2019t": 2}, threshold=1, label=0),
            r"""two weights for one word: don't""",
        ),
        (
            lambda: lexicon("k", weights={"don't": 1, "don\u2019t": 2}, threshold=1, label=0),
            r"""keep one of "don't" and 'don\u2019t', which fold to one, or tell them apart with fold=False""",
        ),
        (lambda: lexicon("k", weights={"caf\xe9": 1, "CAFE\u0301": 1}, threshold=1, label=0), "for one word: caf\xe9"),
        (lambda: keyword("k", any_of=["a"], label=0, fold="no"), "fold must be True or False, not 'no'"),
        (lambda: keyword("k", any_of=["a"], label=0, whole_words=[]), "whole_words must be True or False, not []"),
        (lambda: lookup("k", field="f", values=["a"], label=0, ignore_case=None), "ignore_case must be True or False"),
    ],
)
def test_words_of_which_nothing_is_left_or_that_fold_to_one_are_said(make, message):
    with pytest.raises(LabelingFunctionError, match=re.escape(message)):
        make()


def test_words_that_fold_to_one_are_one_word():
    lf = keyword("k", any_of=["don\u2019t", "don't", "cafe\u0301"], label=1)
    assert lf.any_of == ("don't", "caf\xe9")
    assert lexicon("x", weights={"don't": 1, "don\u2019t": 2}, threshold=3, label=1, fold=False).fold is False
    assert fingerprint(lf) == fingerprint(keyword("k", any_of=["don't", "caf\xe9"], label=1))
    assert (
        source(keyword("k", any_of=["a"], label=1, fold=False)) == "keyword('k', label=1, fold=False, any_of=['a'])\n"
    )


# As they were before anything was folded.
EARLIER = {
    "regex": (
        lambda: regex("a", pattern="refund|don't", label=1),
        "35c68a4c59da6183be2b7f9bef12c724dd7ff39fcb96f39e7a9173eef5a80e6d",
    ),
    "count": (
        lambda: count("a", of="!", min=2, label=1),
        "661b16024d9d44381171a850222ffd0b180ee20d00999811a4ae9e7bde8835b1",
    ),
    "length": (
        lambda: length("a", max=40, label=0),
        "990c5b10e41478a2a730fb488103f386f64d9ce764cbb62b95fcb8f0c74366e9",
    ),
    "numeric": (
        lambda: numeric("a", field="likes", min=4, label=1),
        "159eb5318183f8ae779751fc13e6621a7f1dcffe547b96e732ac4957b92daa18",
    ),
    "combination": (
        lambda: (regex("a", pattern="x", label=1) & ~length("b", max=3, label=0)).named("c", label=1),
        "61aede2740b94194f822bc08c93ca2ceb8aeec2ef179dfeeb4af603198315f61",
    ),
    "keyword": (
        lambda: keyword("a", any_of=["refund", "don\u2019t"], label=1, fold=False),
        "7d2ca83528012270f53c5c0c688dddf948499312afcda27888a1e7b704b426a0",
    ),
    "lookup": (
        lambda: lookup("a", field="author", values=["ann", "b\u00e9a"], label=1, fold=False),
        "c4079023a87e3f61cb4cdf67ade5cadd7e0351976db0143c16cc7aaac5579796",
    ),
    "lexicon": (
        lambda: lexicon("a", weights={"hurry": 2, "thanks": -1}, threshold=2, label=1, fold=False),
        "28ee3891c8c6bfcba77dd82b80f3aae6c0d16132f918a907b6a6068f71c9ae7e",
    ),
    "combination of exact ones": (
        lambda: (
            keyword("a", any_of=["x"], label=1, fold=False) | lookup("b", field="f", values=[1], label=1, fold=False)
        ).named("c", label=1),
        "1122e475ae7e0381477378877e253c8e0765ef19c6394bea9bdbea6d478cd3a4",
    ),
}


@pytest.mark.parametrize("kind", EARLIER)
def test_fingerprints_of_what_folding_cannot_change_are_those_of_before(kind):
    make, before = EARLIER[kind]
    assert fingerprint(make()) == before


FOLDING = {
    "keyword": lambda **more: keyword("a", any_of=["x"], label=1, **more),
    "lookup": lambda **more: lookup("a", field="v", values=["x"], label=1, **more),
    "lexicon": lambda **more: lexicon("a", weights={"x": 1}, threshold=1, label=1, **more),
}


@pytest.mark.parametrize("kind", FOLDING)
def test_another_definition_of_folding_is_another_function(kind, monkeypatch):
    folded, exact = FOLDING[kind](), FOLDING[kind](fold=False)
    before = fingerprint(folded), fingerprint(exact)
    assert before[0] != before[1]
    monkeypatch.setattr(definition, "DEFINITION", "another")
    assert fingerprint(folded) != before[0]
    assert fingerprint(exact) == before[1]


def test_sets_of_characters_are_what_unicode_says():
    held = {code for first, last in marks().ranges for code in range(first, last + 1)}
    assert held == {code for code in range(0x110000) if unicodedata.category(chr(code))[0] == "M"}
    assert not any(chr(code).isdecimal() for first, last in unspaced().ranges for code in range(first, last + 1))
    for name in ("THAI CHARACTER", "LAO", "KHMER", "MYANMAR", "TIBETAN", "HIRAGANA", "KATAKANA LETTER", "CJK UNIFIED"):
        every = (c for c in map(chr, range(0x20000)) if unicodedata.name(c, "").startswith(name))
        word = category(r"\w") | marks()
        assert all(ord(c) in unspaced() or c.isdecimal() for c in every if ord(c) in word and ord(c) not in replaced())
