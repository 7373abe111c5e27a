"""Logits of transformers' decoders, their weights in GGUF files, for crates/models.

    python gguf_models.py --out crates/models/tests/fixtures/gguf [--models DIR]

For each tiny random model NAME.gguf as llama.cpp's converter lays it out (its names, its order of rows, its 1 in the
weights of normalisations), and NAME.safetensors:

    ids        [positions] in i64
    logits     [positions, vocabulary] in f32, of transformers
    continued  the best tokens that follow, in i64, of transformers and, as is checked here, of llama.cpp

and NAME.json: the configuration as transformers has it. DIR is not needed: the weights are random.
"""

import argparse
import json
import math
import pathlib

import gguf
import numpy
import torch
from decoder import randomise
from gguf import GGMLQuantizationType as Kind
from gguf import TokenType
from llama_cpp import LlamaCpp
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

SIZE = dict(
    vocab_size=61,
    hidden_size=32,
    intermediate_size=36,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
GEMMA = dict(hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1, head_dim=8)
LLAMA3 = dict(
    rope_type="llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
    rope_theta=500.0,
)
# Architecture, settings, number format.
MODELS = {
    "llama": ("llama", dict(tie_word_embeddings=False), "F32"),
    "llama3": (
        "llama",
        dict(num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True, rope_parameters=LLAMA3),
        "F16",
    ),
    "llama_linear": (
        "llama",
        dict(tie_word_embeddings=True, rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=1e4)),
        "BF16",
    ),
    "quantised": ("llama", dict(intermediate_size=256, tie_word_embeddings=True), None),
    "qwen2": ("qwen2", dict(tie_word_embeddings=True), "F16"),
    "qwen3": ("qwen3", dict(head_dim=12, tie_word_embeddings=False), "F16"),
    "gemma": ("gemma", dict(**GEMMA, hidden_act="gelu_pytorch_tanh"), "F32"),
    # A window shorter than the row, caps that the scores feel.
    "gemma2": (
        "gemma2",
        dict(
            **GEMMA,
            sliding_window=5,
            query_pre_attn_scalar=8,
            attn_logit_softcapping=3.0,
            final_logit_softcapping=4.0,
        ),
        "F32",
    ),
    # Six layers, of which the last sees everything.
    "gemma3": (
        "gemma3_text",
        dict(**GEMMA, num_hidden_layers=6, sliding_window=5, query_pre_attn_scalar=8),
        "BF16",
    ),
    # The file has the matrix of the tied pair under both names.
    "written_twice": (
        "qwen2",
        dict(
            hidden_size=16,
            intermediate_size=24,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=True,
        ),
        "F16",
    ),
}
# Of the quantised model, whose rows are of 32 and 256.
FORMATS = {
    "embed_tokens": ["Q8_0"],
    "q_proj": ["Q4_1", "Q5_0"],
    "k_proj": ["Q4_0", "Q8_0"],
    "v_proj": ["Q5_1", "Q8_0"],
    "o_proj": ["Q4_1", "Q4_0"],
    "gate_proj": ["Q4_1", "Q5_0"],
    "up_proj": ["Q5_0", "Q8_0"],
    "down_proj": ["Q4_K", "Q6_K"],
}
NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NORMS_OF_OUTPUTS = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
POSITIONS = 14
CONTINUED = 8


def name_in_file(name, architecture):
    part, kind = name.rsplit(".", 1)
    whole = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    if part in whole:
        return f"{whole[part]}.{kind}"
    _, _, layer, part = part.split(".", 3)
    names = NAMES | (NORMS_OF_OUTPUTS if architecture in ("gemma2", "gemma3") else {})
    return f"blk.{layer}.{names[part]}.{kind}"


def neighbours(weight, heads):
    """Rows that turn together, half a head apart in Hugging Face, side by side: llama.cpp's `permute`."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def apart(weight, heads):
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def random_blocks(shape, kind, random):
    """Blocks of a format that gguf cannot write, with scales of a size that the weights have."""
    size, width = gguf.GGML_QUANT_SIZES[Kind[kind]]
    count = math.prod(shape) // size
    data = random.integers(0, 256, (count, width), dtype=numpy.uint8)
    for at, scale in {"Q4_K": [(0, 2e-4), (2, 1e-3)], "Q6_K": [(208, 5e-5)]}[kind]:
        scales = (scale * random.uniform(0.5, 1, (count, 1))).astype(numpy.float16)
        data[:, at : at + 2] = scales.view(numpy.uint8)
    return data.reshape(shape[0], -1)


def stored(name, values, kind, random):
    """A tensor as the file has it, and its numbers."""
    if kind is None:
        (part,) = [part for part in FORMATS if part in name]
        formats = FORMATS[part]
        layer = int(name.split(".")[2]) if "layers" in name else 0
        kind = formats[layer % len(formats)]
        if kind.endswith("_K"):
            data = random_blocks(values.shape, kind, random)
        else:
            data = gguf.quantize(values, Kind[kind])
    else:
        data = gguf.quantize(values, Kind[kind])
    return data, Kind[kind], gguf.dequantize(data, Kind[kind]).astype(numpy.float32).reshape(values.shape)


def write(path, architecture, model, kind, random):
    """The file; the model then has the numbers that the file has."""
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("model")
    metadata(writer, config, architecture)
    tokens(writer, config.vocab_size)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    permuted = architecture == "llama"
    for name, parameter in model.named_parameters():
        values = parameter.data.numpy().copy()
        own = name_in_file(name, architecture)
        part = name.split(".")[-2]
        if values.ndim == 1:
            # Biases and normalisations are never narrowed.
            with_one = architecture.startswith("gemma") and "norm" in name
            writer.add_tensor(own, values + 1 if with_one else values)
            continue
        if permuted and part in heads:
            values = neighbours(values, heads[part])
        data, kind_of, values = stored(name, values, kind, random)
        writer.add_tensor(own, data, raw_dtype=None if kind_of in (Kind.F32, Kind.F16) else kind_of)
        if permuted and part in heads:
            values = apart(values, heads[part])
        parameter.data = torch.from_numpy(values.copy())
    if path.stem == "written_twice":
        writer.add_tensor("output.weight", model.get_input_embeddings().weight.data.numpy().astype(numpy.float16))
    rope = config.rope_parameters
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", factors(config, rope))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def factors(config, rope):
    """As llama.cpp's converter computes them."""
    dimension = config.head_dim
    frequencies = 1.0 / (rope["rope_theta"] ** (numpy.arange(0, dimension, 2, dtype=numpy.float32) / dimension))
    context, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    result = []
    for frequency in frequencies:
        wavelength = 2 * math.pi / frequency
        if wavelength < context / high:
            result.append(1)
        elif wavelength > context / low:
            result.append(rope["factor"])
        else:
            smooth = (context / wavelength - low) / (high - low)
            result.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return numpy.array(result, dtype=numpy.float32)


def metadata(writer, config, architecture):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if architecture == "llama":
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(config.head_dim)
    elif architecture != "qwen2":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if architecture in ("gemma2", "gemma3"):
        writer.add_sliding_window(config.sliding_window)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def tokens(writer, count):
    """Tokens that llama.cpp takes; nobody reads text with them."""
    writer.add_tokenizer_model("llama")
    names = ["<unk>", "<s>", "</s>", *(chr(0x4E00 + id) for id in range(3, count))]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    writer.add_token_list(names)
    writer.add_token_scores([0.0 - id for id in range(count)])
    writer.add_token_types(kinds + [TokenType.NORMAL] * (count - 3))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", help="not needed")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for seed, (name, (family, changes, kind)) in enumerate(MODELS.items()):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(family, **{**SIZE, **changes}), attn_implementation="eager", dtype=torch.float32
        ).eval()
        randomise(model, seed)
        path = out / f"{name}.gguf"
        write(path, family.removesuffix("_text"), model, kind, numpy.random.default_rng(seed))
        model.tie_weights()
        generator = torch.Generator().manual_seed(100 + seed)
        ids = torch.randint(3, SIZE["vocab_size"], (1, POSITIONS), generator=generator)
        with torch.no_grad():
            logits = model(ids).logits[0]
            mask = torch.ones_like(ids)
            continued = model.generate(
                ids, attention_mask=mask, max_new_tokens=CONTINUED, do_sample=False, eos_token_id=None, pad_token_id=0
            )
        continued = continued[0, POSITIONS:]
        theirs = LlamaCpp(path).continued(ids[0].tolist(), CONTINUED)
        print(f"{name}: {path.stat().st_size} bytes, logits within {logits.abs().max():.2f}, {theirs}", flush=True)
        if theirs != continued.tolist():
            raise SystemExit(f"{name}: llama.cpp continues with {theirs}, transformers with {continued.tolist()}")
        expected = {"ids": ids[0], "logits": logits.contiguous(), "continued": continued.contiguous()}
        save_file(expected, out / f"{name}.safetensors", metadata={"written_by": "transformers, gguf, llama.cpp"})
        config = model.config.to_dict()
        (out / f"{name}.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
