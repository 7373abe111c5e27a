"""Logits of decoders under adapters of PEFT, the reference that crates/models is tested against.

    python peft_decoder.py --out crates/models/tests/fixtures

Writes decoder_peft/<case>/ over the decoders of decoder.py, which is to run first: the adapter's two files as PEFT saves
them, and expected.safetensors with the logits of the first tokens of the base's first row, [tokens, vocabulary].
"""

import argparse
import pathlib

import peft
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from peft_folders import METADATA, randomise, save_adapter

TOKENS = 9

CASES = {
    # The two ends of a tied model, apart; PEFT copies both base layers into the file.
    "tied_head": ("llama3", dict(target_modules=["q_proj", "lm_head"])),
    "tied_embedding": ("gemma2", dict(target_modules=["v_proj", "embed_tokens"])),
    "untied_head": ("mistral", dict(target_modules=["k_proj", "lm_head"])),
    # Trained as a whole beside the adapter.
    "saved_modules": ("qwen3", dict(target_modules=["o_proj"], modules_to_save=["lm_head", "norm"])),
    "saved_head_of_tied": ("smollm3", dict(target_modules=["o_proj"], modules_to_save=["lm_head"])),
    "fused_layers": ("phi3", dict(target_modules=["qkv_proj", "gate_up_proj"])),
}


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", help="not needed")
    out = parser.parse_args().out
    for seed, (name, (base, settings)) in enumerate(CASES.items()):
        folder = out / "decoder_peft" / name
        model = AutoModelForCausalLM.from_pretrained(
            out / "decoder" / base, attn_implementation="eager", dtype=torch.float32
        ).eval()
        ids = load_file(out / "decoder" / base / "expected.safetensors")["ids"][:1, :TOKENS]
        before = model(ids).logits
        settings = dict(r=2, lora_alpha=5, task_type="CAUSAL_LM", **settings)
        model = peft.get_peft_model(model, peft.LoraConfig(**settings)).eval()
        trained = [p for n, p in sorted(model.named_parameters()) if ".lora_" in n or ".modules_to_save." in n]
        randomise(trained, 30 + seed)
        # No path of this machine, and nothing to look up.
        model.peft_config["default"].base_model_name_or_path = None
        save_adapter(model, folder)
        logits = model(ids).logits
        save_file({"logits": logits[0].contiguous()}, folder / "expected.safetensors", metadata=METADATA)
        print(f"{name}: changes logits by up to {(logits - before).abs().max():.2f}")


if __name__ == "__main__":
    main()
