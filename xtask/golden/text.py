"""Vocabularies, token ids and chat templates of tokenizers and transformers, for crates/cl-bench.

    python text.py --out crates/cl-bench/tests/fixtures

Writes text.json: merges that BpeTrainer learns from TEXTS, what transformers makes of PROBES with
them, and prompts in chat templates by apply_chat_template. Texts and templates are ours.
"""

import argparse
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
]
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
    fixture = {
        "tokenizers": tokenizers.__version__,
        "transformers": transformers.__version__,
        "texts": TEXTS,
        "probes": PROBES,
        "trained": [result for _, result in trained],
        "chats": chats,
    }
    (out / "text.json").write_text(json.dumps(fixture, indent=1) + "\n")


main()
