"""The lines that benches/src/bin/generation speaks, for the other sides.

A case as one line of JSON is answered by `ready 0 TOTAL` after warm-up; then `step` -> `MILLISECONDS TOKENS`, `tokens` -> the new
tokens of the last step, `memory` -> `START PEAK` (kilobytes), until the input ends.
"""

import json
import os
import sys
import time


def resident(field):
    """As lora_step.py has it, which would bring PyTorch along."""
    try:
        with open("/proc/self/status") as status:
            return next(line.split()[1] for line in status if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return None


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def answer_all(generation):
    # What a library prints is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(*words):
        print(*words, file=answers, flush=True)

    case = json.loads(sys.stdin.readline())
    start = resident("VmRSS")
    generation = generation(case)
    reset_peak()
    meant = len(case["prompts"]) * case["new_tokens"]

    def step():
        begin = time.perf_counter()
        tokens = generation.step()
        taken = 1e3 * (time.perf_counter() - begin)
        if len(tokens) != meant:
            sys.exit(f"{len(tokens)} new tokens, {meant} were asked for")
        return taken, tokens

    _, tokens = step()
    answer("ready", 0, generation.parameters())
    for line in sys.stdin:
        match line.strip():
            case "step":
                taken, tokens = step()
                answer(f"{taken:.4f} {len(tokens)}")
            case "tokens":
                answer(*tokens)
            case "memory":
                peak = resident("VmHWM")
                answer(*([start, peak] if start and peak else ["unknown"]))
            case other:
                sys.exit(f"no request `{other}`")
    # llama.cpp's threads must not keep the process.
    os._exit(0)
