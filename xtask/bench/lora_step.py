"""One adapter training step at a time in PyTorch: the other side of `cargo xtask bench --against-pytorch`.

The argument is the device, `cpu` unless told.

Speaks what benches/src/bin/lora_step speaks: a case as one line of JSON, answered by `ready TRAINABLE TOTAL` after
warm-up; then `step` -> `MILLISECONDS LOSS` and `memory` -> `START PEAK` (kilobytes) until the input ends.

The models are timm's ViT and transformers' LLaMA with PEFT's LoRA, written out: fewer modules between the operations
and no imports that would count as memory. Query, key and value are one product, attention is
scaled_dot_product_attention, AdamW is fused, frozen weights have no gradient. With bf16 the step runs under autocast,
and the frozen projections are stored in bf16, so that autocast has nothing to convert in each step.
"""

import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

RANK, WARM_UP, PATCH, BATCHES = 8, 2, 16, 2
DEVICE = sys.argv[1] if len(sys.argv) > 1 else "cpu"


class Lora(nn.Module):
    """x A B with a scale of 1; B is zero at first."""

    def __init__(self, width, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.a = nn.Parameter(torch.empty(RANK, width))
        self.b = nn.Parameter(torch.zeros(width, RANK))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x):
        return F.linear(F.linear(self.dropout(x), self.a), self.b)


def frozen(layer):
    return layer.requires_grad_(False)


class Attention(nn.Module):
    def __init__(self, case, adapted, bias):
        super().__init__()
        width = case["width"]
        self.heads = case["heads"]
        self.qkv = frozen(nn.Linear(width, 3 * width, bias))
        self.proj = frozen(nn.Linear(width, width, bias))
        self.lora_q, self.lora_v = (Lora(width, case["dropout"]) if adapted else None for _ in range(2))

    def forward(self, x, rotation=None):
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.lora_q is not None:
            q, v = q + self.lora_q(x), v + self.lora_v(x)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        x = F.scaled_dot_product_attention(q, k, v, is_causal=rotation is not None)
        return self.proj(x.transpose(1, 2).flatten(2))


class VitBlock(nn.Module):
    def __init__(self, case, adapted):
        super().__init__()
        width, wide = case["width"], case["mlp_width"]
        self.norm1, self.norm2 = (frozen(nn.LayerNorm(width, 1e-6)) for _ in range(2))
        self.attention = Attention(case, adapted, bias=True)
        self.fc1, self.fc2 = frozen(nn.Linear(width, wide)), frozen(nn.Linear(wide, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, case):
        super().__init__()
        width, size = case["width"], case["size"]
        self.patches = frozen(nn.Conv2d(3, width, PATCH, PATCH))
        self.class_token = nn.Parameter(torch.zeros(1, 1, width), requires_grad=False)
        positions = 1 + (size // PATCH) ** 2
        self.positions = nn.Parameter(0.02 * torch.randn(1, positions, width), requires_grad=False)
        self.blocks = nn.ModuleList(VitBlock(case, i >= case["first_adapted"]) for i in range(case["depth"]))
        self.norm = frozen(nn.LayerNorm(width, 1e-6))
        self.head = nn.Linear(width, case["outputs"])

    def loss(self, batch):
        images, labels = batch
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.class_token.expand(len(x), -1, -1), x), 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x[:, 0])), labels)


def rotate(x, cosine, sine):
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat((-second, first), -1) * sine


class DecoderBlock(nn.Module):
    def __init__(self, case, adapted):
        super().__init__()
        width, wide = case["width"], case["mlp_width"]
        self.norm1, self.norm2 = (frozen(nn.RMSNorm(width, 1e-5)) for _ in range(2))
        self.attention = Attention(case, adapted, bias=False)
        self.gate, self.up = (frozen(nn.Linear(width, wide, bias=False)) for _ in range(2))
        self.down = frozen(nn.Linear(wide, width, bias=False))

    def forward(self, x, rotation):
        x = x + self.attention(self.norm1(x), rotation)
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    def __init__(self, case):
        super().__init__()
        if case["tied"] or case["kv_heads"] != case["heads"] or case["adapted"] != ["q", "v"]:
            sys.exit("only peft_step.py has tied heads, shared keys and other adapters")
        width, outputs = case["width"], case["outputs"]
        self.embedding = frozen(nn.Embedding(outputs, width))
        self.blocks = nn.ModuleList(DecoderBlock(case, i >= case["first_adapted"]) for i in range(case["depth"]))
        self.norm = frozen(nn.RMSNorm(width, 1e-5))
        self.head = frozen(nn.Linear(width, outputs, bias=False))
        half = width // case["heads"] // 2
        waves = 10000.0 ** (-torch.arange(half) / half)
        turns = torch.outer(torch.arange(case["size"]), waves).repeat(1, 2)
        dtype = torch.bfloat16 if case["precision"] == "bf16" else torch.float32
        self.rotation = turns.cos().to(dtype), turns.sin().to(dtype)

    def loss(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.rotation)
        logits = self.head(self.norm(x[:, :-1]))
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def store_in_bf16(model):
    """The frozen projections of the blocks, and a frozen head; biases and normalisations stay in f32."""
    head = [model.head] if not model.head.weight.requires_grad else []
    for layer in [m for m in model.blocks.modules() if isinstance(m, nn.Linear)] + head:
        layer.weight.data = layer.weight.data.bfloat16()


def batch(case):
    if case["model"] == "vit":
        images = torch.randn(case["batch"], 3, case["size"], case["size"])
        return images, torch.arange(case["batch"]) % case["outputs"]
    return torch.randint(case["outputs"], (case["batch"], case["size"]))


class Training:
    def __init__(self, case):
        self.half = case["precision"] == "bf16"
        self.model = self.build(case)
        learning = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learning, lr=1e-4, weight_decay=0.01, fused=True)
        self.batches = [batch(case) for _ in range(BATCHES)]
        self.turn = 0

    def build(self, case):
        model = {"vit": Vit, "decoder": Decoder}[case["model"]](case)
        if self.half:
            store_in_bf16(model)
        return model

    def step(self):
        start = time.perf_counter()
        self.turn += 1
        with torch.autocast(DEVICE, torch.bfloat16, enabled=self.half):
            loss = self.model.loss(self.batches[self.turn % BATCHES])
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if DEVICE != "cpu":
            torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start), loss.item()

    def parameters(self):
        parameters = list(self.model.parameters())
        return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def resident(field):
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


def answer(*words):
    print(*words, flush=True)


def main(of_case=Training):
    case = json.loads(sys.stdin.readline())
    torch.manual_seed(0)
    torch.set_default_device(DEVICE)
    start = resident("VmRSS")
    training = of_case(case)
    reset_peak()
    for _ in range(WARM_UP):
        training.step()
    answer("ready", *training.parameters())
    for line in sys.stdin:
        match line.strip():
            case "step":
                time_taken, loss = training.step()
                answer(f"{time_taken:.4f} {loss:.6f}")
            case "memory":
                peak = resident("VmHWM")
                answer(*([start, peak] if start and peak else ["unknown"]))
            case other:
                sys.exit(f"no request `{other}`")


if __name__ == "__main__":
    main()
