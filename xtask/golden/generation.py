"""Continuations by transformers' `generate` under fields of generation_config.json, for crates/models.

    python generation.py --out crates/models/tests/fixtures/decoder

Reads the folder `llama` there, which decoder.py writes, and writes generation_rules.json: for each entry of RULES the
fields, the tokens that end a text and what the three rows are continued with, greedily, for 12 tokens. choices.json: the
log-likelihood of each of CHOICES after each row.
"""

import argparse
import json
import pathlib
import shutil
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

# Tokens are put where they matter: those of the plain continuation.
RULES = {
    "penalty": lambda plain: dict(repetition_penalty=1.4),
    "reward": lambda plain: dict(repetition_penalty=0.5),
    # Repetition is rewarded, so that there are pairs and triples to forbid.
    "pairs": lambda plain: dict(repetition_penalty=0.5, no_repeat_ngram_size=2),
    "triples": lambda plain: dict(repetition_penalty=0.1, no_repeat_ngram_size=3),
    "single": lambda plain: dict(repetition_penalty=0.5, no_repeat_ngram_size=1, suppress_tokens=[plain[0][0]]),
    "bad": lambda plain: dict(bad_words_ids=[[plain[0][1]], plain[1][:2], [plain[2][0]]]),
    "suppressed": lambda plain: dict(suppress_tokens=[plain[0][2], plain[1][0]]),
    "at_first": lambda plain: dict(begin_suppress_tokens=[row[0] for row in plain]),
    "bias": lambda plain: dict(sequence_bias=[[[plain[0][0]], -3.0], [plain[1][:2], -9.0], [[3], 2.5]]),
    "longer": lambda plain: dict(min_new_tokens=5),
    "longer_in_all": lambda plain: dict(min_length=20),
    "together": lambda plain: dict(
        repetition_penalty=1.2, no_repeat_ngram_size=3, suppress_tokens=[plain[0][0]], min_new_tokens=3
    ),
}

# One token, several, one that begins another.
CHOICES = [[7], [40, 2], [40], [9, 61, 12, 2], [100, 3, 5]]


def log_likelihoods(folder, prompts):
    """Sum over the tokens of each choice, each given all before it, without a cache."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    rows = []
    for prompt in prompts:
        row = []
        for choice in CHOICES:
            with torch.no_grad():
                logits = model(torch.tensor([prompt + choice])).logits[0]
            scores = torch.log_softmax(logits.double(), -1)
            row.append(sum(scores[len(prompt) - 1 + i, id].item() for i, id in enumerate(choice)))
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", help="not needed")
    out = parser.parse_args().out
    rows = load_file(out / "llama" / "expected.safetensors")
    prompts = [ids[:length].tolist() for ids, length in zip(rows["ids"], rows["lengths"])]
    plain = json.loads((out / "llama" / "generation.json").read_text())
    cases = []
    for name, rule in RULES.items():
        fields = rule(plain)
        # Tokens that come early, so that a shortest length is seen.
        ends = [plain[0][1], plain[1][2], plain[2][0]] if "longer" in name or name == "together" else []
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for file in ("config.json", "model.safetensors"):
                shutil.copy(out / "llama" / file, folder / file)
            file = {**fields, "eos_token_id": ends or None, "pad_token_id": 0}
            (folder / "generation_config.json").write_text(json.dumps(file))
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        model.generation_config.eos_token_id = ends or None
        continued = []
        for prompt in prompts:
            new = model.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=12,
                do_sample=False,
            )[0, len(prompt) :].tolist()
            continued.append(new[:-1] if new[-1] in ends else new)
        assert continued not in [plain, *(case["continued"] for case in cases)], name
        cases.append({"name": name, "fields": fields, "ends": ends, "continued": continued})
        print(name, [len(new) for new in continued])
    (out / "generation_rules.json").write_text(json.dumps(cases) + "\n")
    choices = {"choices": CHOICES, "log_likelihoods": log_likelihoods(out / "llama", prompts)}
    (out / "choices.json").write_text(json.dumps(choices) + "\n")


if __name__ == "__main__":
    main()
