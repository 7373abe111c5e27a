"""Logits of timm's vision transformers, the reference that crates/models is tested against.

    python vit.py --out crates/models/tests/fixtures [--models DIR]

Writes, each as a safetensors file whose metadata names the versions:

    vit_tiny_expected   the published ViT-Ti/16 weights (DIR/vit_tiny_patch16_224/model.safetensors,
                        not copied) at 224 pixels and, positions interpolated, at 96
    <shape>             random weights of a tiny shape, in timm's names
    <shape>_expected    their logits, features and interpolated position embeddings
    variant_<name>      the same of other vision transformers than the plain one

The images are no files: `pattern` below and `pattern` in tests/golden.rs give the same numbers.
"""

import argparse
import pathlib

import numpy
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.layers import resample_abs_pos_embed
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

# One entry: several are written in no fixed order, and the files would differ from run to run.
METADATA = {"written_by": f"timm {timm.__version__}, torch {torch.__version__}"}

SHAPES = {
    # Another patch, depth, width, head count and class count.
    "shape_wide_heads": dict(
        img_size=32, patch_size=8, embed_dim=24, depth=3, num_heads=3, num_classes=7
    ),
    # No qkv bias, narrow MLP, odd grid; scored at a larger and at a smaller image.
    "shape_no_qkv_bias": dict(
        img_size=20, patch_size=4, embed_dim=40, depth=2, num_heads=5, mlp_ratio=2, qkv_bias=False, num_classes=5
    ),
}
OTHER_SIZES = {"shape_wide_heads": [], "shape_no_qkv_bias": [36, 12]}

# What the field's vision transformers have more or less than the plain one; all of one small size.
SMALL = dict(img_size=16, patch_size=4, embed_dim=12, depth=2, num_heads=2, mlp_ratio=2, num_classes=3)
VARIANTS = {
    "variant_distilled": dict(),
    "variant_registers": dict(reg_tokens=4, no_embed_class=True, init_values=0.1),
    "variant_embedded_registers": dict(reg_tokens=2),
    "variant_no_embed_class": dict(no_embed_class=True, qk_norm=True),
    "variant_norm_of_mean": dict(global_pool="avg", reg_tokens=1),
    "variant_mean_of_norm": dict(global_pool="avg", class_token=False, fc_norm=False),
    # Two rows of eight patches: as many as four of four.
    "variant_wide_grid": dict(img_size=(8, 32)),
}


def pattern(count, size):
    """`count` images [count, 3, size, size] in [-1, 1], exact in integers."""
    n, c, y, x = numpy.ogrid[:count, :3, :size, :size]
    value = (3 * x + 5 * y + 70 * c + 41 * n + (x * y) // 16) % 256
    return torch.from_numpy((value.astype(numpy.float32) / numpy.float32(127.5)) - 1)


def randomise(model, seed):
    """Weights large enough that every part of the model moves the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_scale = "norm" in name and name.endswith("weight")
        if name.endswith("gamma"):
            noise = 0.5 * noise
        fan_in = parameter[0].numel() if name.endswith("weight") and parameter.dim() > 1 else 4
        parameter.data = 1 + 0.3 * noise if is_scale else noise / fan_in**0.5


def at_size(model, shape, size, kind=VisionTransformer):
    """`model` for images of `size` pixels, its position embeddings interpolated as timm does."""
    other = kind(**{**shape, "img_size": size}).eval()
    state = dict(model.state_dict())
    leading = 0 if model.no_embed_class else model.num_prefix_tokens
    state["pos_embed"] = resample_abs_pos_embed(
        state["pos_embed"],
        new_size=other.patch_embed.grid_size,
        old_size=model.patch_embed.grid_size,
        num_prefix_tokens=leading,
    )
    other.load_state_dict(state)
    return other


def expected(model, size):
    """Logits and features of two pattern images."""
    with torch.no_grad():
        images = pattern(2, size)
        features = model.forward_head(model.forward_features(images), pre_logits=True)
        return {f"logits_{size}": model(images), f"features_{size}": features}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, help="folder of vit_tiny_patch16_224/model.safetensors")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    def write(name, tensors):
        tensors = {key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}
        save_file(tensors, arguments.out / f"{name}.safetensors", metadata=METADATA)
        print(f"{name}: {', '.join(f'{key} {list(tensor.shape)}' for key, tensor in tensors.items())}"[:200])

    for seed, (name, shape) in enumerate(SHAPES.items()):
        model = VisionTransformer(**shape).eval()
        randomise(model, seed)
        write(name, model.state_dict())
        tensors = expected(model, shape["img_size"])
        for size in OTHER_SIZES[name]:
            other = at_size(model, shape, size)
            tensors |= expected(other, size) | {f"pos_embed_{size}": other.pos_embed}
        write(f"{name}_expected", tensors)

    for seed, (name, options) in enumerate(VARIANTS.items()):
        shape = {**SMALL, **options}
        kind = VisionTransformerDistilled if name == "variant_distilled" else VisionTransformer
        model = kind(**shape).eval()
        randomise(model, 100 + seed)
        write(name, model.state_dict())
        tensors = {}
        for size in [16, 24]:
            other = at_size(model, shape, size, kind)
            tensors |= expected(other, size)
        write(f"{name}_expected", tensors)

    if arguments.models is None:
        print("vit_tiny_expected: skipped, no --models folder")
        return
    shape = dict(img_size=224, patch_size=16, embed_dim=192, depth=12, num_heads=3)
    model = VisionTransformer(**shape).eval()
    model.load_state_dict(load_file(arguments.models / "vit_tiny_patch16_224" / "model.safetensors"))
    write("vit_tiny_expected", expected(model, 224) | expected(at_size(model, shape, 96), 96))


if __name__ == "__main__":
    main()
