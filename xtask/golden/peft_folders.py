"""PEFT adapter folders, both ways: what crates/lora reads, and whether PEFT reads what crates/lora writes.

    python peft_folders.py --out crates/lora/tests/fixtures

Writes peft_<case>/ of a tiny random Llama, adapted by PEFT: the adapter's two files, and expected.safetensors with the
weight `<module>.weight`, an input `<module>.x` and the output `<module>.y` of each adapted module.

Then runs crates/lora/examples/export_peft.rs and loads its folders in PEFT, over its own weights: an output that differs
from ours by more than 1e-4 ends the script with an error.

(Not named peft.py: that would hide the package.)
"""

import argparse
import json
import pathlib
import tempfile

import example
import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-4
METADATA = {"written_by": f"peft {peft.__version__}, torch {torch.__version__}"}

# Alpha is never the rank, so that a missing scale would show.
CASES = {
    "patterns": dict(
        r=4,
        lora_alpha=10,
        target_modules=["q_proj", "v_proj"],
        # The first pattern in the order of the file counts: `^` sorts before letters.
        rank_pattern={"v_proj": 2, "^model.layers.1.self_attn.q_proj": 3},
        alpha_pattern={"layers.0.self_attn.v_proj": 7, r"layers\.[01]\.self_attn\.v_proj": 5},
    ),
    "rslora": dict(r=3, lora_alpha=5, use_rslora=True, target_modules=r".*self_attn\.(q_proj|v_proj)"),
    "bf16": dict(r=2, lora_alpha=3.5, target_modules=["v_proj"]),
}
SHORT = {"bf16": torch.bfloat16}


def tiny_llama():
    config = transformers.LlamaConfig(
        vocab_size=16, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=32, tie_word_embeddings=False,
    )
    return transformers.LlamaForCausalLM(config)


def randomise(parameters, seed):
    """Values that every part of the model feels, whatever its initialisation."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        fan_in = parameter.shape[-1] if parameter.dim() > 1 else 4
        parameter.data = torch.randn(parameter.shape, generator=generator) / fan_in**0.5


def adapt(model, settings, seed, dtype=torch.float32):
    """`model` under a PEFT adapter of random A and B, whose values are those that `dtype` can hold."""
    model = peft.get_peft_model(model, peft.LoraConfig(**settings)).eval()
    factors = [p for name, p in sorted(model.named_parameters()) if ".lora_" in name]
    randomise(factors, seed)
    for factor in factors:
        factor.data = factor.data.to(dtype).float()
    return model


def save_adapter(model, folder, dtype=torch.float32):
    """PEFT's own two files, with the one list that has no fixed order in order."""
    with tempfile.TemporaryDirectory() as own:
        own = pathlib.Path(own)
        model.save_pretrained(own)
        settings = json.loads((own / "adapter_config.json").read_text())
        tensors = load_file(own / "adapter_model.safetensors")
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def adapted_layers(model):
    """Name in the base model, and layer, of each adapted module."""
    for name, layer in model.get_base_model().named_modules():
        if isinstance(layer, peft.tuners.lora.LoraLayer):
            yield name, layer


@torch.no_grad()
def expected(model):
    generator = torch.Generator().manual_seed(99)
    tensors = {}
    for name, layer in adapted_layers(model):
        x = torch.randn(3, layer.in_features, generator=generator)
        tensors |= {f"{name}.weight": layer.base_layer.weight, f"{name}.x": x, f"{name}.y": layer(x)}
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def export_from_rust(folder):
    """The folders of crates/lora/examples/export_peft.rs."""
    example.run("export_peft", folder)


def require_close(what, ours, theirs):
    difference = (ours - theirs).abs().max().item()
    print(f"{what}: differs by {difference:.1e}")
    if not difference <= TOLERANCE:
        raise SystemExit(f"{what}: ours and PEFT's differ by {difference}, at most {TOLERANCE} is meant")


def load_adapter(model, folder):
    """`model` under the adapter of `folder`, all of whose tensors found a place and are the file's."""
    model = peft.PeftModel.from_pretrained(model, folder).eval()
    stored = load_file(pathlib.Path(folder) / "adapter_model.safetensors")
    loaded = peft.get_peft_model_state_dict(model)
    if stored.keys() != loaded.keys():
        raise SystemExit(f"{folder}: PEFT's tensors are {sorted(loaded)}, the file's {sorted(stored)}")
    for name, tensor in stored.items():
        if not torch.equal(tensor, loaded[name]):
            raise SystemExit(f"{folder}: PEFT has other values in {name}")
    return model


@torch.no_grad()
def check_exported(folder):
    """PEFT computes what we do, from the folder that we wrote."""
    ours = load_file(folder / "expected.safetensors")
    base = tiny_llama()
    for name, tensor in ours.items():
        if name.endswith(".weight"):
            base.get_parameter(name).data = tensor.clone()
    layers = dict(adapted_layers(load_adapter(base, folder)))
    names = {name.removesuffix(".y") for name in ours if name.endswith(".y")}
    if layers.keys() != names:
        raise SystemExit(f"{folder}: PEFT adapts {sorted(layers)}, we adapt {sorted(names)}")
    for name, layer in layers.items():
        require_close(f"{folder.name} {name}", ours[f"{name}.y"], layer(ours[f"{name}.x"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, help="not needed here")
    arguments = parser.parse_args()

    for seed, (name, settings) in enumerate(CASES.items()):
        folder, dtype = arguments.out / f"peft_{name}", SHORT.get(name, torch.float32)
        model = tiny_llama()
        randomise(model.parameters(), seed)
        model = adapt(model, settings, 10 + seed, dtype)
        save_adapter(model, folder, dtype)
        tensors = expected(model)
        save_file(tensors, folder / "expected.safetensors", metadata=METADATA)
        print(f"peft_{name}: {len(tensors) // 3} modules")

    with tempfile.TemporaryDirectory() as folder:
        export_from_rust(folder)
        for name in ("alpha", "rslora"):
            check_exported(pathlib.Path(folder) / name)


if __name__ == "__main__":
    main()
