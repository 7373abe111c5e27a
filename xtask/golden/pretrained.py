"""Whether transformers and timm load what `treelora pretrain` writes, and compute the same.

    python pretrained.py --out DIR

Runs crates/experiment/examples/pretrain_tiny.rs, which trains a decoder and a vision transformer in seconds. Other token
ids, or logits that differ by more than 1e-4, end the script with an error. It writes no fixture.
"""

import argparse
import json
import pathlib
import tempfile

import timm
import torch
import transformers

import example

TOLERANCE = 1e-4


def require_close(what, ours, theirs):
    difference = (torch.tensor(ours).reshape(theirs.shape) - theirs).abs().max().item()
    print(f"{what}: logits up to {theirs.abs().max():.2f} differ by {difference:.1e}")
    if not difference <= TOLERANCE:
        raise SystemExit(f"{what}: logits differ by {difference}, at most {TOLERANCE} is meant")


def check_decoder(folder):
    expected = json.loads((folder / "expected.json").read_text())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(expected["text"], return_tensors="pt").input_ids
    if ids[0].tolist() != expected["ids"]:
        raise SystemExit(f"decoder: transformers has ids {ids[0].tolist()}, we have {expected['ids']}")
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    if any(report.values()):
        raise SystemExit(f"decoder: transformers reports {report}")
    model.eval()
    require_close("decoder", expected["logits"], model(ids).logits)
    end = tokenizer.eos_token_id
    if model.generation_config.eos_token_id != end:
        raise SystemExit(f"decoder: generation ends with {model.generation_config.eos_token_id}, not {end}")
    written = model.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    print(f"decoder: {expected['text']!r} goes on {tokenizer.decode(written)!r}")


def check_vision_transformer(folder):
    expected = json.loads((folder / "expected.json").read_text())
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    if list(model.pretrained_cfg["mean"]) != [0.5, 0.5, 0.5]:
        raise SystemExit(f"vit: timm takes the mean {model.pretrained_cfg['mean']} out of the pixels")
    images = torch.stack([torch.full((3, 16, 16), value) for value in (0.25, -0.5)])
    require_close("vit", expected["logits"], model(images))


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="not needed here")
    parser.add_argument("--models", type=pathlib.Path, help="not needed here")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        example.run("pretrain_tiny", folder)
        check_decoder(pathlib.Path(folder) / "decoder")
        check_vision_transformer(pathlib.Path(folder) / "vit")


if __name__ == "__main__":
    main()
