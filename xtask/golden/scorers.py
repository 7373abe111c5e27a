"""Scores of texts by the packages the field uses, which crates/cl-bench's scorers are tested against.

    python scorers.py --out crates/cl-bench/tests/fixtures [--models DIR]

Writes scorers.json. ROUGE-L comes from rouge, edit similarity from fuzzywuzzy over Levenshtein, 13a tokens
from sacrebleu. No package ships SARI: `sari` below is written from its definition over sacrebleu's tokens, and
must give the two numbers that Hugging Face documents for its metric before anything is written.
"""

import argparse
import json
import pathlib
import random
import re
import sys
from collections import Counter
from importlib.metadata import version

import fuzzywuzzy.fuzz
from rouge import Rouge
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

ENGLISH = [
    "The council met on Tuesday. It approved the budget 7-2, after a long debate.",
    "The council met Tuesday and approved the budget. The vote was 7-2.",
    "AN ORDINANCE relating to the Department of Parks; amending Section 3.12.020 of the Code.",
    "Mr. J. Smith Jr. paid $1,234.56 (incl. 7.5% tax) on 3.11.2021 at 5 p.m. in St. Louis.",
    "Inflation remains elevated, but the Committee expects it to return to 2 percent over time.",
    "About 95 species are currently accepted .",
    "About 95 you now get in .",
    "About 95 species are currently known .",
    "About 95 species are now accepted .",
    "95 species are now accepted .",
    "A\nBecause the plant makes its own food, it is a producer.",
    "B\nBecause the wolf eats other animals. It is a consumer.",
    " A) because of gravity", "A.", "a", "A", "B", "C", "N", "N/A", "N/A\n",
    "very positive", "very negative", "Very Positive review", "positive", "neutral", "Negative.",
    "entailment", "Entailment", "entailment because the first sentence says so", "Natural Place", "Office Holder",
    "2", "21", "6", "6.5", "13.5", "-3", "1,000", "1000", "0", "00", "2.", "2 apples", "\n2\n", "Friday", "friday",
    "He said: \"It's well-known, isn't it?\" -- and left...", "e.g. this, i.e. that, etc.", "a.b.c.d", "a. b. c. d",
    "x=1;y=2;z=x+y", "R&amp;D &lt;b&gt;bold&lt;/b&gt; &quot;q&quot; &amp;amp; &AMP; &nbsp;", "<skipped> text<skipped>",
    "hyphen-\nated word, dash - 3-4, 10-fold, -5", "I-95, COVID-19 and 1990-1995.", "3,5 3.5 3. 5 ,5 .5 5, a,5 5,b a.5 5.b",
    "the the the the", "the cat the dog the bird", "a b c d e f g h", "h g f e d c b a", "c c d a. e", "c c a d. d",
    "e c c", "e. d d c e. b d", "e e. a c", "c a e. c e. d e", "one two three. four five six. seven",
    "seven. four five six. one two three", "very very old", "very old", "w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8. w1 w3 w8 w9 w5",
]
GERMAN = [
    "Der Gemeinderat hat am Dienstag entschieden: Die Straße wird gesperrt. Anwohner müssen umfahren.",
    "Die Straße wird gesperrt. Das hat der Gemeinderat entschieden.",
    "Provide a simplified version of the following paragraph in German.\n\nParagraph:\nDie Kantonspolizei hat am frühen "
    "Morgen einen 24-jährigen Mann angehalten, der mit 2,5 Promille am Steuer sass. Er musste seinen Führerausweis "
    "abgeben.\nSimplified:",
    "Ein 24-Jähriger fuhr betrunken Auto. Die Polizei nahm ihm den Führerausweis weg.\n",
    "Die Polizei hat einen betrunkenen Mann angehalten. Der 24-Jährige hatte 2,5 Promille.",
    "STRASSE Straße straße STRAẞE", "Übergrößenträger ÄÖÜ äöü", "«Es ist nicht so», sagt er – «wirklich nicht …»",
    "Rund 3,2 Mio. Fr. kostet das Projekt, d.h. 12,5 % mehr als 2019.",
]
PYTHON = [
    "return build_response ( path , data , http_status_code or <NUM_LIT:200> )", "import os , sys <EOL>",
    "<s> from django . conf import settings <EOL> urlpatterns = patterns ( '<STR_LIT>' , <EOL> ( r'<STR_LIT:^admin/>' ) )",
    "self . assertEqual ( f ( <NUM_LIT> ) , '<STR_LIT:utf-8>' )", "self.assertEqual(f(1), 'utf-8')",
    "if x < <NUM_LIT:10> and y > <NUM_LIT:1> :", "if x < 10 and y > 1 :", "'<STR_LIT>'", "<STR_LIT>", "<CHAR_LIT>",
    "<NUM_LIT>", "<STR_LIT:>", "<NUM_LIT:>", "<STR_LIT:a\nb>", "<STR_LIT:<NUM_LIT:3>>", "<STR_LIT:<NUM_LIT:3>> <NUM_LIT:3>",
    "<NUM_LIT:3> <STR_LIT:<NUM_LIT:3>", "<STR_LIT<STR_LIT:>:>", "<STR_LIT:<STR_LIT>>", "<ST<NUM_LIT:R>_LIT:x> <STR_LIT:x>",
    "<NUM_LIT:3", "NUM_LIT:3>", "<STR_LIT:a><STR_LIT:b><CHAR_LIT:c>", "<FOO_LIT:1>", "<<NUM_LIT>>", "<num_lit:4>",
    "for i in range ( <NUM_LIT:0> , n ) : <EOL> <INDENT> total += values [ i ]", "for i in range(n):\n    total += values[i]",
    "def f ( self , * args , ** kwargs ) : <EOL>", ") ", ")",
]
CHINESE = [
    "判断以下文本对指定对象的态度，选择一项：A.支持，B.反对，C.中立。输出A，B或者C。", "B", "B.反对", "支持", "支持，因为文本很乐观。", "反对",
    "这支球队的未来让人期待。前景很好。", "这支球队的未来让人失望。前景不好。", "今天天气很好 我们去公园", "日本語のテキスト。カタカナ、ひらがな。",
    "한국어 문장입니다. 두 번째 문장.", "ＡＢＣ　ｄｅｆ　１２３",
]
HOSTILE = [
    "", " ", "   ", "\n", "\t", "\r\n", " \n \t ", ".", "..", "...", "....a", ". . .", " . ", ".\n", "\n.", "a.", ".a", "a..b", ",", ",,", ",.,.",
    "-", "1-", "-1", "--", "1--2", "\"", "'", "''", "&", "&&", "&amp", "&amp;", "&amp;lt;", "<", "<>", "<skipped>", "<skip<skipped>ped>",
    "\u00a0", "\u3000", "\u2003a\u2003", "a\u00a0b", "a\u200bb", "\ufeffA", "\u2028", "a\u2029b", "\x85", "a\x85b", "\x1c", "\x1d", "\x1e", "\x1f",
    "a\x1cb\x1dc\x1ed\x1fe", "\x1fA\x1f", " A\x00", "\x00", "a\x0bb\x0cc", "\u180e", "\u180eA", "\u1680x\u202f\u205f",
    "e\u0301", "\u00e9", "e", "caf\u00e9", "cafe\u0301", "o\u0308\u0323", "\u0301", "\u0301\u0301\u0301", "Z\u0351\u036b\u0343a\u0368l\u034eg\u0329o\u0489",
    "👍", "👍🏽", "👨‍👩‍👧‍👦", "👨‍👩‍👧", "🇨🇭🇩🇪", "🏳️‍🌈 flag", "😀😀😀", "text 😀 emoji. 😀 text", "\U0001d400\U0001d401 math", "𠮷野家",
    "ΟΔΟΣ", "οδος", "οδοσ", "ΟΔΟΣ.", "ΣΣ Σ Σ'", "Σ", "İstanbul", "ISTANBUL", "ıstanbul", "i̇stanbul", "ǅ ǆ Ǆ", "ﬁ ﬀ", "ẞ ß", "K Å Ω", "\u1e9e",
    "مرحبا بالعالم. كيف الحال", "שלום עולם", "\u202eabc\u202c", "नमस्ते दुनिया।", "ไทยไม่มีช่องว่าง", "\U000e0041", "\uffff", "\ufffd", "\U0010ffff",
    "{a}|[b]^(c)~`d`@e#f$g%h*i+j/k\\l_m:n;o=p?q!r", "!?!?!?", "((((((((((", "1.2.3.4", "1,2,3,4", "1.,.2", "a.,b", "9.a", "a.9", "٣.٤", "٣-٤", "²-³", "５．５",
]


def long_texts(rng):
    words = "the a budget council vote of to in and report on 2021 plan road bridge water park. tax. is was".split()
    text = lambda count, of: " ".join(rng.choice(of) for _ in range(count))
    return [
        text(900, words),
        text(700, words),
        text(600, [w.strip(".") for w in words]),
        "a" * 5000,
        "ab" * 2000,
        "." * 2000,
        " " * 2000,
        "a. " * 300,
        text(500, "ja nein der die das und. oder über für".split()),
        "<NUM_LIT:1> " * 150,
        "今天天气很好" * 300,
        "👨‍👩‍👧‍👦" * 200,
    ]


def sari(source, prediction, references):
    """SARI in [0, 1] as Hugging Face's metric defines it, in our own words."""
    tokenize = Tokenizer13a()

    def grams(text, n):
        tokens = tokenize(text.lower()).split(" ")
        return Counter(tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1))

    def times(counts):
        return Counter({gram: count * len(references) for gram, count in counts.items()})

    def share(part, whole):
        return part / whole if whole else 1.0

    def f1(p, r):
        return 2 * p * r / (p + r) if p or r else 0.0

    total = 0.0
    for n in range(1, 5):
        given, written = times(grams(source, n)), times(grams(prediction, n))
        wanted = sum((grams(reference, n) for reference in references), Counter())
        kept, to_keep = given & written, given & wanted
        kept_well = kept & wanted
        keep = f1(
            share(sum(kept_well[gram] / kept[gram] for gram in kept_well), len(kept)),
            share(sum(kept_well.values()), sum(to_keep.values())),
        )
        deleted = given - written
        deleted_well = deleted - wanted
        delete = share(sum(deleted_well[gram] / deleted[gram] for gram in deleted_well), len(deleted))
        added, to_add = written.keys() - given.keys(), wanted.keys() - given.keys()
        add = f1(share(len(added & to_add), len(added)), share(len(added & to_add), len(to_add)))
        total += keep + delete + add
    return total / 12


def rouge_l(hypothesis, reference):
    """f, or the message of the package's error."""
    try:
        return Rouge(metrics=["rouge-l"]).get_scores(hypothesis, reference, avg=True)["rouge-l"]["f"]
    except ValueError as error:
        return str(error)


def rouge_l_if_any(hypothesis, reference):
    """f, or None where a text is empty or the package raises."""
    f = None if "" in (hypothesis, reference) else rouge_l(hypothesis, reference)
    return f if isinstance(f, float) else None


def mean(scores):
    """Divided by all, though some are passed over."""
    return sum(score for score in scores if score is not None) / len(scores)


def resolved(code):
    """TRACE's rule for Py150."""
    for placeholder, literal in (("<NUM_LIT>", "0"), ("<STR_LIT>", ""), ("<CHAR_LIT>", "")):
        code = code.replace(placeholder, literal)
    for kind, value in re.findall(r"<(STR|NUM|CHAR)_LIT:(.*?)>", code, re.S):
        code = code.replace(f"<{kind}_LIT:{value}>", value)
    return code


def similarity(prediction, answer):
    prediction, answer = resolved(prediction), resolved(answer)
    return None if "" in (prediction, answer) else fuzzywuzzy.fuzz.ratio(prediction, answer)


def strict(prompt, prediction, answer):
    """In the order of TaskMetric::ALL; None where a sample is passed over."""
    empty = "" in (prediction, answer)
    exact = None if empty else float(prediction == answer)
    return [
        exact,
        None if empty else float(prediction[0] == answer[0]),
        exact,
        rouge_l_if_any(answer, prediction),
        similarity(prediction, answer),
        100 * sari(prompt, prediction, [answer]),
    ]


def treelora(prompt, prediction, answer):
    stripped = prediction.strip()
    cut = stripped[: min(len(answer), len(stripped))]
    words, wanted = prediction.split(), answer.split()
    ended = prediction if "\n" in prediction else prediction + "\n"
    return [
        None if "" in (cut, answer) else float(cut == answer),
        None if "" in (stripped, answer.strip()) else float(stripped[0] == answer.strip()[0]),
        None if not (words and wanted) else float(words[0].lower() == wanted[0].lower()),
        None if prediction == "" else rouge_l_if_any(answer, ended),
        similarity(prediction, answer),
        100 * sari(prompt, prediction, [answer]),
    ]


def pairs(rng, texts):
    """Indices of prompt, prediction and answer: equal ones, neighbours, and any two."""
    every = range(len(texts))
    for at in every:
        yield rng.choice(every), at, at
        yield rng.choice(every), at, (at + 1) % len(texts)
    for _ in range(250):
        yield tuple(rng.choice(every) for _ in range(3))


def check_sari():
    source, prediction = "About 95 species are currently accepted .", "About 95 you now get in ."
    known = "About 95 species are currently known ."
    others = ["About 95 species are now accepted .", "95 species are now accepted ."]
    assert abs(100 * sari(source, prediction, [known, *others]) - 26.953601953601954) < 1e-12
    assert abs(100 * sari(source, prediction, [known]) - 21.805555555555557) < 1e-12


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, help="not used")
    out = parser.parse_args().out

    assert "Levenshtein" in sys.modules, "without Levenshtein fuzzywuzzy uses difflib, another ratio"
    # rouge walks back through its table by recursion, one call a word.
    sys.setrecursionlimit(100_000)
    check_sari()
    rng = random.Random(20)
    texts = list(dict.fromkeys(ENGLISH + GERMAN + PYTHON + CHINESE + HOSTILE))
    # A few words of real texts replaced, dropped or swapped: near misses.
    for text in ENGLISH + GERMAN + PYTHON + CHINESE:
        words = text.split(" ")
        if len(words) > 3:
            words[rng.randrange(len(words))] = rng.choice(["", "new", "Neue.", "<NUM_LIT:7>", "态度", "."])
            at = rng.randrange(len(words) - 1)
            words[at], words[at + 1] = words[at + 1], words[at]
            texts.append(" ".join(words))
    texts = list(dict.fromkeys(texts + long_texts(rng)))

    tokenize = Tokenizer13a()
    cases = list(pairs(rng, texts))
    named = [[texts[at] for at in case] for case in cases]
    several = [[rng.randrange(len(texts)) for _ in range(rng.randint(4, 5))] for _ in range(80)]
    packages = ("rouge", "fuzzywuzzy", "Levenshtein", "rapidfuzz", "sacrebleu")
    scores = {flavour.__name__: [flavour(*case) for case in named] for flavour in (strict, treelora)}
    fixture = {
        "written_by": {package: version(package) for package in packages},
        "sari": "no package: our own from the definition, checked against the documented 26.9536 and 21.8056",
        "texts": texts,
        "blanks": [code for code in range(sys.maxunicode + 1) if chr(code).isspace()],
        "resolved": [resolved(text) for text in texts],
        "tokens_13a": [tokenize(text) for text in texts],
        # Prompt, prediction and answer of each case.
        "cases": cases,
        **scores,
        "means": {flavour: [mean(column) for column in zip(*rows)] for flavour, rows in scores.items()},
        # As TRACE calls it, and with the prediction as hypothesis; a text where the package raises.
        "rouge_l": [rouge_l(answer, prediction) for _, prediction, answer in named],
        "rouge_l_swapped": [rouge_l(prediction, answer) for _, prediction, answer in named],
        # Source, prediction and two or three references.
        "sari_cases": several,
        "sari_scores": [sari(texts[s], texts[p], [texts[r] for r in rest]) for s, p, *rest in several],
    }
    with open(out / "scorers.json", "w", encoding="utf-8") as file:
        json.dump(fixture, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
