"""Greedy continuations by transformers: a side of `cargo xtask bench --only generation --against-pytorch`.

Speaks what benches/src/bin/generation speaks. The generation is `generate` as it is, with its cache and its attention, told
that no token ends a row.
"""

import requests_in_turns
import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()


class Generation:
    def __init__(self, case):
        dtype = torch.bfloat16 if case["precision"] == "bf16" else torch.float32
        self.model = AutoModelForCausalLM.from_pretrained(case["model"], dtype=dtype).eval()
        self.ids = torch.tensor(case["prompts"])
        # What a folder says about generation is not asked for: sampling, tokens that end a row.
        defaults = type(self.model.generation_config)
        self.model.generation_config = defaults(pad_token_id=0)
        self.mask, self.count = torch.ones_like(self.ids), case["new_tokens"]

    @torch.inference_mode()
    def step(self):
        rows = self.model.generate(self.ids, attention_mask=self.mask, max_new_tokens=self.count, do_sample=False)
        return rows[:, self.ids.shape[1] :].flatten().tolist()

    def parameters(self):
        return sum(parameter.numel() for parameter in self.model.parameters())


if __name__ == "__main__":
    requests_in_turns.answer_all(Generation)
