"""Greedy continuations by llama.cpp: a side of `cargo xtask bench --only generation --against-pytorch`.

Speaks what benches/src/bin/generation speaks. The model of the case is a GGUF file. llama.cpp's server runs in this process;
all rows are one request, a slot each. Told are the threads, those of OMP_NUM_THREADS as for PyTorch, the size of the context,
that no token ends a row and that a prompt is read anew each time; the rest is as llama.cpp has it.
"""

import json
import os
import urllib.request

import requests_in_turns
import xllamacpp

# A context is of whole blocks of cells.
BLOCK = 256


class Generation:
    def __init__(self, case):
        self.prompts, self.count = case["prompts"], case["new_tokens"]
        rows, longest = len(self.prompts), max(map(len, self.prompts))
        parameters = xllamacpp.CommonParams()
        parameters.model.path = case["model"]
        parameters.n_parallel = rows
        parameters.n_ctx = rows * BLOCK * -(-(longest + self.count) // BLOCK)
        if "OMP_NUM_THREADS" in os.environ:
            threads = int(os.environ["OMP_NUM_THREADS"])
            parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        # No copies of finished prompts, no words but errors.
        parameters.cache_ram_mib = 0
        parameters.verbosity = 1
        self.server = xllamacpp.Server(parameters)

    def ask(self, path, **body):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(
            self.server.listening_address + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def step(self):
        prompt = self.prompts if len(self.prompts) > 1 else self.prompts[0]
        sampling = dict(temperature=0.0, top_k=1, samplers=["top_k"], ignore_eos=True)
        options = dict(n_predict=self.count, return_tokens=True, cache_prompt=False)
        rows = self.ask("/completion", prompt=prompt, **options, **sampling)
        rows = rows if isinstance(rows, list) else [rows]
        return [id for row in sorted(rows, key=lambda row: row["index"]) for id in row["tokens"]]

    def parameters(self):
        return self.ask("/v1/models")["data"][0]["meta"]["n_params"]


if __name__ == "__main__":
    requests_in_turns.answer_all(Generation)
