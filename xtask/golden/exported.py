"""Whether Hugging Face PEFT loads the adapters that `treelora export` writes for a whole decoder, and computes the same.

    python exported.py --out DIR

Runs two examples of crates/experiment: pretrain_tiny trains a decoder, export_tiny trains TreeLoRA on two tasks and exports
the adapter after each. Logits that differ by more than 1e-4, or an adapter that changes nothing, end the script with an
error. It writes no fixture.
"""

import argparse
import json
import pathlib
import tempfile

import peft
import torch
import transformers

import example

TOLERANCE = 1e-4


def check_adapter(base, folder):
    expected = json.loads((folder / "expected.json").read_text())
    ids = torch.tensor([expected["ids"]])
    model = transformers.AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager").eval()
    without = model(ids).logits
    adapted = peft.PeftModel.from_pretrained(model, folder).eval()
    theirs = adapted(ids).logits
    ours = torch.tensor(expected["logits"]).reshape(theirs.shape)
    difference = (ours - theirs).abs().max().item()
    effect = (without - theirs).abs().max().item()
    print(f"{folder.name}: changes logits by up to {effect:.2f}; ours and PEFT's differ by {difference:.1e}")
    if not difference <= TOLERANCE:
        raise SystemExit(f"{folder.name}: logits differ by {difference}, at most {TOLERANCE} is meant")
    if not effect > 100 * TOLERANCE:
        raise SystemExit(f"{folder.name}: the adapter changes nothing")
    merged = adapted.merge_and_unload()(ids).logits
    if not (merged - ours).abs().max().item() <= TOLERANCE:
        raise SystemExit(f"{folder.name}: merged into the base, PEFT computes something else")


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="not needed here")
    parser.add_argument("--models", type=pathlib.Path, help="not needed here")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        example.run("pretrain_tiny", folder)
        example.run("export_tiny", folder)
        for task in (0, 1):
            check_adapter(pathlib.Path(folder) / "decoder", pathlib.Path(folder) / f"adapter-{task}")


if __name__ == "__main__":
    main()
