"""Logits of transformers' decoders, the reference that crates/models is tested against.

    python decoder.py --out crates/models/tests/fixtures/decoder [--models DIR]

For each tiny random model a folder as Hugging Face lays it out (config.json, model.safetensors) and expected.safetensors:

    ids       [3, positions] in i64, the last two rows padded on the right
    lengths   tokens of each row, in i64
    logits    [3, positions, vocabulary] in f32, eager attention, each row alone; zero at the padding

and generation.json: what `generate` continues the rows with, greedily, for 12 tokens. `sharded` is the first model again
in bf16 and in shards. DIR is not needed: the weights are random.

Then runs crates/models/examples/save_decoder.rs and loads its folders in transformers: logits that differ by more than
1e-4 from those of the model that was loaded end the script with an error.
"""

import argparse
import json
import pathlib
import shutil
import tempfile

import example
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

# One entry: several are written in no fixed order, and the files would differ from run to run.
METADATA = {"written_by": f"transformers {transformers.__version__}, torch {torch.__version__}"}

TOLERANCE = 1e-4

SIZE = dict(
    vocab_size=101,
    hidden_size=48,
    intermediate_size=72,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
SMALL = dict(hidden_size=24, intermediate_size=36, num_attention_heads=4)
LLAMA3 = dict(
    rope_type="llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
    rope_theta=500.0,
)

MODELS = {
    # LLaMA 2: grouped queries, a head of its own.
    "llama": dict(model_type="llama", tie_word_embeddings=False),
    # LLaMA 3.2: tied head, stretched wavelengths; written by transformers 5 as it stands.
    "llama3": dict(model_type="llama", tie_word_embeddings=True, rope_parameters=LLAMA3),
    "llama_linear": dict(
        model_type="llama",
        tie_word_embeddings=True,
        rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=10000.0),
    ),
    # A window shorter than the rows.
    "mistral": dict(model_type="mistral", sliding_window=5, tie_word_embeddings=False),
    # Heads wider than their share.
    "gemma": dict(model_type="gemma", head_dim=16, num_key_value_heads=1, hidden_act="gelu_pytorch_tanh"),
    "qwen2": dict(model_type="qwen2", tie_word_embeddings=True),
    # The window in the second layer alone.
    "qwen2_window": dict(
        model_type="qwen2",
        tie_word_embeddings=True,
        use_sliding_window=True,
        sliding_window=4,
        max_window_layers=1,
    ),
    "qwen3": dict(model_type="qwen3", head_dim=12, tie_word_embeddings=False),
    # Caps that the scores feel, queries scaled by other than the width of a head.
    "gemma2": dict(
        **SMALL,
        model_type="gemma2",
        head_dim=8,
        sliding_window=5,
        query_pre_attn_scalar=6,
        attn_logit_softcapping=3.0,
        final_logit_softcapping=4.0,
    ),
    # Two kinds of layers with rotary positions of their own, one of them stretched.
    "gemma3": dict(
        **{**SMALL, "num_hidden_layers": 3},
        model_type="gemma3_text",
        head_dim=8,
        sliding_window=5,
        query_pre_attn_scalar=12,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": dict(rope_type="linear", factor=4.0, rope_theta=5000.0),
            "sliding_attention": dict(rope_type="default", rope_theta=100.0),
        },
    ),
    "phi3": dict(**SMALL, model_type="phi3", sliding_window=6, tie_word_embeddings=False),
    # The layer without positions has a window.
    "smollm3": dict(
        **{**SMALL, "num_hidden_layers": 3},
        model_type="smollm3",
        no_rope_layers=[1, 0, 1],
        use_sliding_window=True,
        sliding_window=7,
        rope_parameters=dict(rope_type="default", rope_theta=500.0),
    ),
}

# Written in the spelling of transformers 4 instead.
OLD_SPELLING = {"llama", "llama_linear", "mistral", "qwen2_window"}

LENGTHS = [23, 17, 6]


def randomise(model, seed):
    """Weights large enough that every part of the model moves the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            centre = 0 if model.config.model_type.startswith("gemma") else 1
            parameter.data = centre + 0.3 * noise
        elif "embed_tokens" in name:
            parameter.data = 0.5 * noise
        else:
            parameter.data = 1.5 * noise / parameter.shape[-1] ** 0.5


def old_spelling(config):
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)


@torch.no_grad()
def check_saved(fixtures):
    """transformers computes from the folders that we wrote what it computes from its own."""
    with tempfile.TemporaryDirectory() as folder:
        example.run("save_decoder", fixtures, folder)
        for name in [*MODELS, "sharded"]:
            ids = load_file(fixtures / (name if name in MODELS else "llama") / "expected.safetensors")["ids"][:1]
            theirs, ours = (
                AutoModelForCausalLM.from_pretrained(base / name, attn_implementation="eager", dtype=torch.float32)
                for base in (fixtures, pathlib.Path(folder))
            )
            difference = (theirs(ids).logits - ours(ids).logits).abs().max().item()
            print(f"{name}, saved by us: differs by {difference:.1e}")
            if not difference <= TOLERANCE:
                raise SystemExit(f"{name}: logits differ by {difference}, at most {TOLERANCE} is meant")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", help="not needed")
    out = parser.parse_args().out

    def write(name, model, **options):
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model.save_pretrained(folder, **options)
        (folder / "generation_config.json").unlink(missing_ok=True)
        path = folder / "config.json"
        config = json.loads(path.read_text())
        if name in OLD_SPELLING:
            old_spelling(config)
        path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        return folder

    for seed, (name, changes) in enumerate(MODELS.items()):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**{**SIZE, **changes}), attn_implementation="eager", dtype=torch.float32
        ).eval()
        randomise(model, seed)
        folder = write(name, model)
        generator = torch.Generator().manual_seed(100 + seed)
        ids = torch.randint(3, SIZE["vocab_size"], (3, max(LENGTHS)), generator=generator)
        logits = torch.zeros(*ids.shape, SIZE["vocab_size"])
        continued = []
        for row, length in enumerate(LENGTHS):
            prompt = ids[row : row + 1, :length]
            with torch.no_grad():
                logits[row, :length] = model(prompt).logits[0]
                new = model.generate(
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=12,
                    do_sample=False,
                    eos_token_id=None,
                    pad_token_id=0,
                )
            continued.append(new[0, length:].tolist())
            ids[row, length:] = 0
        expected = {"ids": ids, "lengths": torch.tensor(LENGTHS), "logits": logits}
        save_file(expected, folder / "expected.safetensors", metadata=METADATA)
        (folder / "generation.json").write_text(json.dumps(continued) + "\n")
        print(f"{name}: logits within {logits.abs().max():.2f}")
        if name == "llama":
            write("sharded", model.to(torch.bfloat16), max_shard_size="60KB")
    check_saved(out)


if __name__ == "__main__":
    main()
