"""Vocabularies, token ids and chat templates of tokenizers and transformers, for crates/cl-bench.

    python text.py --out crates/cl-bench/tests/fixtures

Writes text.json: merges that BpeTrainer learns from TEXTS, what transformers makes of PROBES with
them, and prompts in chat templates by apply_chat_template; folders.json: what transformers makes of
PROBES with the first of these vocabularies and other files beside it. Texts and templates are ours.
"""

import argparse
import datetime
import json
import pathlib
import tempfile

import tokenizers
import transformers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors, trainers

SPECIAL = ["<|pad|>", "<|bos|>", "<|eos|>"]
TEXTS = [
    "Solve the following math problem. Question: Axel has 3 frogs. How many eyes? Answer: 6",
    "Solve the following math problem. Question: Mia has 12 frogs and 7 cats. How many? Answer: 19",
    "def solve(self, frogs):\n    return 2 * len(frogs)\n",
    "Die Fr\u00f6sche sa\u00dfen am Teich, und die Katzen sa\u00dfen am Haus.",
    "\u5224\u65ad\u4ee5\u4e0b\u6587\u672c\u5bf9\u6307\u5b9a\u5bf9\u8c61\u7684\u6001\u5ea6\u3002\u6587\u672c\uff1a\u6001\u5ea6",
]
PROBES = TEXTS + ["", " ", "  two  spaces\n\n", "\U0001f438 99 frogs<|eos|>and more", "<s> don't <EOL>"]
TEMPLATES = [
    # ChatML with methods, negative indices and whitespace control.
    "{{ bos_token }}{% for message in messages %}\n"
    "    {% if loop.first and message['role'] != 'system' %}\n"
    "        {{- '<|im_start|>system\\nYou answer.<|im_end|>\\n' }}\n"
    "    {% endif %}\n"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content.strip() + '<|im_end|>\\n' -}}\n"
    "{% endfor %}\n"
    "{%- if add_generation_prompt and messages[-1].role == 'user' -%}<|im_start|>assistant\n{% endif %}",
    # In the manner of LLaMA: variables, tests, conditional expressions, string methods.
    "{% set ns = namespace(found=false) %}{% if not tools is defined %}{% set tools = none %}{% endif %}"
    "{% for message in messages if message['role'] in ['user', 'assistant'] %}"
    "{% set content = message['content'].split('</think>')[-1] | trim %}"
    "[{{ 'INST' if message['role'] == 'user' else 'OUT' }}] {{ content }}{{ eos_token if not loop.last }}"
    "{% set ns.found = true %}{% endfor %}{{ ' [/INST]' if ns.found and add_generation_prompt }}"
    "{% if tools is not none %}{{ raise_exception('no tools') }}{% endif %}",
    # A macro, a filter, breaking out of a loop.
    "{%- macro shout(text) -%}{{ text | upper }}!{%- endmacro -%}"
    "{% for message in messages %}{{ shout(message.role) }} {{ message.content | length }}"
    "{% if loop.index0 == 0 %}{% break %}{% endif %}{% endfor %}",
    # What there is, and how Python prints what is not a text.
    "{{ tools is defined }} {{ tools }} {{ documents is defined }} {{ documents is none }} {{ add_generation_prompt }}"
    " {{ strftime_now is defined }} {{ raise_exception is defined }} {{ unk_token is defined }} {{ pad_token }}"
    " {{ bos_token is defined }}{{ cls_token }}{% if not tools %} no tools{% endif %}"
    " {{ [none, true, 1, 2.0, 1e-7, 1e22, 'a', 'it\\'s', (1, 2) | list] }} {{ messages[0] }}"
    " {{ none | string + (1.5 | string) }}",
    # JSON as Python writes it.
    "{{ messages | tojson }} {{ messages[0] | tojson(indent=2) }} {{ '\u00e9\U0001f438' | tojson(ensure_ascii=True) }}"
    " {{ {'z': 1, 'a': [true, none, 2.5, 1e-7, {}], 'm': [], 'n': {'k': '<b> & \\'x\\' \u00e9\u4e2d\U0001f438 \t'}} | tojson }}"
    " {{ {'z': [1, {'y': 2}], 'a': []} | tojson(indent=4, sort_keys=true) }} {{ [1, 2] | tojson(separators=(',', ':')) }}"
    " {{ [1] | tojson(false, 1) }}",
    # The blocks around what an assistant says, blanks and newlines of other systems.
    "{% for message in messages %}\r\n  {% generation %}\r\n[{{ message.content }}]{% set seen = true %}\r\n"
    "  {%- endgeneration %}\r\n{{ seen is defined }}{% endfor %}{{ '{% generation %}' }}"
    "{# {% generation %} #}{% raw %}{% generation %}{% endraw %}",
    # Continuing a loop, methods of texts and dictionaries, filters.
    "{% for key, value in messages[0].items() %}{% if key == 'role' %}{% continue %}{% endif %}{{ key }}={{ value.strip().title() }};"
    "{% endfor %}{{ messages[0].get('name', 'nobody') }} {{ messages[0].content.split()[0].lower() }}"
    " {{ messages | map(attribute='role') | join(',') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}"
    " {{ messages[0].content.startswith('the') }} {{ messages[0].content.replace('a', 'b') }} {{ 'x' in messages[0].content }}"
    " {{ 7 // 2 }} {{ 'ab' * 2 }} {{ dict(a=1, b='c') }} {{ messages[0].content | wordcount }}",
]
# What templates of published models do besides, on what they can see.
TEMPLATES += [
    "{{ messages[::-1] | length }} {{ messages[1:] }} {{ messages[0].content[-2:] }} {{ messages is iterable }}"
    " {{ messages[0] is mapping }} {{ messages[0].content is string }} {{ 'a' ~ none ~ true ~ [1] }} {{ [none, true] | join(',') }}"
    " {{ 'x' if false }}|{{ nothing }}|{{ 1 < 2 < 3 }} {{ 7 / 2 }} {{ -7 // 2 }}"
    "{% set ns = namespace(a=1) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %} {{ ns.a }}",
    "{{ \"they're <a>b</a>\".title() }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a,b,c'.split(',', 1) }} {{ 'abc'.removeprefix('a') }}"
    " {{ 'abc'.removesuffix('c') }} {{ 'a b c'.partition(' ') | last }} {{ 'xxaxx'.strip('x') }} {{ 'a\\nb'.splitlines() }}"
    " {{ messages[0].content.rstrip('\\n') }} {{ 'ab'.capitalize() }}",
    "{% macro show(message, deep=2) %}<{{ message.role }}{{ deep }}{{ caller() if caller }}>{% endmacro %}"
    "{{ show(messages[0]) }}{% call show(messages[0], deep=3) %}in{% endcall %}{% filter upper %}abc{% endfilter %}"
    "{% set text %}hi {{ 1 }}{% endset %}{{ text }}{% for x in [1, 2, 3, 4] if x is even %}{{ x }}{{ loop.index }}{{ loop.last }}{% endfor %}"
    "{% set messages = [{'role': 'system', 'content': 's'}] + messages %}{{ messages | length }}{{ messages[0].content }}"
    "{{ messages | map(attribute='content') | map('upper') | list }}{{ [1, 2, 3] | reject('equalto', 2) | list }}",
]
# A kind of tokenizer that has no letter; what stands in front of its texts is not seen on one.
DIGITS = {"<s>": 0, "</s>": 1, **{str(digit): digit + 2 for digit in range(10)}, "+": 12}
DATES = ["2024-02-29T00:05:09", "2026-11-28T12:00:00", "1999-12-31T23:59:59", "2023-01-01T13:07:00"]
FORMATS = ["%d %b %Y", "%A, %d %B %Y", "%Y-%m-%d %H:%M:%S", "%I:%M %p|%j|%y|%a|%w|%u|%U|%W|%%", "%-d/%-m %-H", "%c %x %X %F %T %R %D %e%n%t%h"]
PROMPTS = ["the cat?", "  What is \"2 + 2\"?\n", "<think>a</think> b"]


def train(vocabulary, digits):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    parts = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=2,
            show_progress=False,
            special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A $B:1", special_tokens=[("<|bos|>", 1)]
    )
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(f"{folder}/tokenizer.json")
        names = dict(zip(["pad_token", "bos_token", "eos_token"], SPECIAL))
        loaded = transformers.PreTrainedTokenizerFast(
            tokenizer_file=f"{folder}/tokenizer.json", clean_up_tokenization_spaces=False, **names
        )
    ids = [loaded(text)["input_ids"] for text in PROBES]
    return loaded, {
        "vocabulary": vocabulary,
        "split_digits": digits,
        "merges": json.loads(tokenizer.to_str())["model"]["merges"],
        "ids": ids,
        "decoded": [loaded.decode(each, skip_special_tokens=True) for each in ids],
    }


def described(content, special=True, **flags):
    flags = {"lstrip": False, "rstrip": False, "normalized": not special, "single_word": False, **flags}
    return {"content": content, "special": special, **flags}


def decoder(*tokens, first=300):
    """`added_tokens_decoder` with the ids that follow the vocabulary."""
    return {"added_tokens_decoder": {str(first + index): token for index, token in enumerate(tokens)}}


NAMED = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
FOLDERS = {
    "decoder": {"tokenizer_config.json": {**NAMED, **decoder(described("<|turn|>"), described("<tool>", special=False))}},
    "flags": {
        "tokenizer_config.json": {
            **NAMED,
            **decoder(described("<|turn|>", lstrip=True, rstrip=True), described("cats", special=False, single_word=True)),
        }
    },
    # Flags of a token that the vocabulary has.
    "other_flags": {"tokenizer_config.json": {**NAMED, **decoder(described("<|eos|>", rstrip=True), first=2)}},
    "list": {
        "tokenizer_config.json": {**NAMED, "additional_special_tokens": ["<|turn|>"]},
        "added_tokens.json": {"<tool>": 301, "<|turn|>": 300},
    },
    # Without ids of their own: behind the last one, in the order of their purposes.
    "names": {
        "tokenizer_config.json": {**NAMED, "mask_token": "<tool>", "unk_token": "<|turn|>"},
        "special_tokens_map.json": {"additional_special_tokens": ["<EOL>", "cats"]},
    },
    # A special token that is in the vocabulary as a word.
    "word": {"tokenizer_config.json": {**NAMED, "additional_special_tokens": ["\u0120frogs"]}},
}
FOLDER_PROBES = [*PROBES, "<|turn|>user \n two <tool> cats concats <|turn|>", "Mia has cats<EOL> frogs<|eos|> \u0120frogs"]


def folders(plain):
    """What transformers makes of texts with a tokenizer.json and files beside it."""
    cases = []
    for name, files in FOLDERS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            plain.save(str(folder / "tokenizer.json"))
            for file, content in files.items():
                (folder / file).write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **content} if "config" in file else content))
            loaded = transformers.AutoTokenizer.from_pretrained(folder)
        ids = [loaded(text)["input_ids"] for text in FOLDER_PROBES]
        cases.append(
            {
                "name": name,
                "files": files,
                "ids": ids,
                "decoded": [loaded.decode(each, skip_special_tokens=True, clean_up_tokenization_spaces=False) for each in ids],
            }
        )
    return cases


def digits():
    """A tokenizer of digits with several post-processors."""
    processor = processors.TemplateProcessing
    special = [("<s>", 0), ("</s>", 1)]
    ends = {
        "begins": processor(single="<s> $A", special_tokens=special),
        "begins_and_ends": processor(single="<s> <s> $A </s>", special_tokens=special),
        "ends": processor(single="$A </s>", special_tokens=special),
        "bert": processors.BertProcessing(("</s>", 1), ("<s>", 0)),
        "sequence": processors.Sequence([processors.ByteLevel(trim_offsets=False), processor(single="<s> $A", special_tokens=special)]),
        "nothing": None,
    }
    cases = []
    for name, end in ends.items():
        tokenizer = tokenizers.Tokenizer(models.BPE(vocab=DIGITS, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.add_special_tokens(["<s>", "</s>"])
        if end is not None:
            tokenizer.post_processor = end
        texts = ["3 1 4", "1 + 1"]
        ids = [tokenizer.encode(text).ids for text in texts]
        cases.append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "texts": texts, "ids": ids})
    return cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path)
    out = parser.parse_args().out
    trained = [train(300, False), train(330, True)]
    tokenizer = trained[0][0]
    chats = [
        {
            "template": template,
            "prompt": prompt,
            "rendered": tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}],
                chat_template=template,
                add_generation_prompt=True,
                tokenize=False,
            ),
        }
        for template in TEMPLATES
        for prompt in PROMPTS
    ]
    dates = [
        {"date": date, "format": text, "printed": datetime.datetime.fromisoformat(date).strftime(text)}
        for date in DATES
        for text in FORMATS
    ]
    fixture = {
        "tokenizers": tokenizers.__version__,
        "transformers": transformers.__version__,
        "texts": TEXTS,
        "probes": PROBES,
        "trained": [result for _, result in trained],
        "chats": chats,
        "dates": dates,
    }
    (out / "text.json").write_text(json.dumps(fixture, indent=1) + "\n")
    plain = tokenizer.backend_tokenizer
    fixture = {
        "transformers": transformers.__version__,
        "tokenizer": json.loads(plain.to_str()),
        "probes": FOLDER_PROBES,
        "folders": folders(plain),
        "digits": digits(),
    }
    (out / "folders.json").write_text(json.dumps(fixture) + "\n")


main()
