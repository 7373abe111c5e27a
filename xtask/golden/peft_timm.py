"""PEFT adapters of timm's vision transformer, whose query, key and value are one layer, both ways.

    python peft_timm.py --out crates/models/tests/fixtures

Writes peft_timm/: an adapter that PEFT made for the weights of shape_wide_heads.safetensors (vit.py), and its logits in
expected.safetensors, of the images of `pattern` in vit.py.

Then runs crates/lora/examples/export_peft.rs and loads its `timm` folder in PEFT: logits that differ by more than 1e-4
from those of the same weights with our dense updates added end the script with an error.
"""

import argparse
import pathlib
import tempfile

import torch
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer

from peft_folders import METADATA, adapt, export_from_rust, load_adapter, require_close, save_adapter
from vit import SHAPES, pattern, randomise

NAME = "shape_wide_heads"
SETTINGS = dict(
    r=4, lora_alpha=6, target_modules=["qkv", "attn.proj", "fc1", "fc2"], rank_pattern={"qkv": 5, "fc2": 2},
    alpha_pattern={r"blocks\.1\.attn\.qkv": 3},
)
PARTS = ("attention.q", "attention.k", "attention.v")


def base():
    model = VisionTransformer(**SHAPES[NAME]).eval()
    randomise(model, 0)
    return model


def add(model, path, delta):
    """Add the dense update of our weight at `path` to timm's weight of it."""
    block, layer = path.removesuffix(".weight").removeprefix("blocks.").split(".", 1)
    if layer in PARTS:
        weight = model.blocks[int(block)].attn.qkv.weight
        weight.data.chunk(3)[PARTS.index(layer)].add_(delta)
    else:
        name = layer.replace("attention.", "attn.")
        model.blocks[int(block)].get_submodule(name).weight.data.add_(delta)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, help="not needed here")
    arguments = parser.parse_args()
    images = pattern(2, SHAPES[NAME]["img_size"])

    model, folder = base(), arguments.out / "peft_timm"
    stored = load_file(arguments.out / f"{NAME}.safetensors")
    if any(not torch.equal(stored[name], tensor) for name, tensor in model.state_dict().items()):
        raise SystemExit(f"{NAME}.safetensors is not what vit.py writes now: run it first")
    plain = model(images)
    model = adapt(model, SETTINGS, 40)
    save_adapter(model, folder)
    logits = model(images)
    save_file({"logits": logits.contiguous()}, folder / "expected.safetensors", metadata=METADATA)
    print(f"peft_timm: logits move by up to {(logits - plain).abs().max():.2f}")

    with tempfile.TemporaryDirectory() as folder:
        export_from_rust(folder)
        folder = pathlib.Path(folder) / "timm"
        dense = base()
        for path, delta in load_file(folder / "deltas.safetensors").items():
            add(dense, path, delta)
        require_close("timm logits", dense(images), load_adapter(base(), folder)(images))


if __name__ == "__main__":
    main()
