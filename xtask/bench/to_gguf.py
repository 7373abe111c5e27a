"""A LLaMA folder of Hugging Face as a GGUF file for llama.cpp, all matrices in one number format.

    python to_gguf.py FOLDER FILE f32|bf16

Tokens are placeholders: whoever asks llama.cpp gives and gets ids.
"""

import json
import pathlib
import sys

import gguf
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import TokenType
from safetensors import safe_open


def plain_llama(folder):
    """The configuration, if this script lays out all that it asks for."""
    config = json.loads((folder / "config.json").read_text())
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    for field, value, meant in [
        ("model_type", config.get("model_type"), "llama"),
        ("rope type", rope.get("rope_type", "default"), "default"),
        ("attention_bias", config.get("attention_bias") or False, False),
        ("mlp_bias", config.get("mlp_bias") or False, False),
    ]:
        if value != meant:
            sys.exit(f"{folder}: `{field}` is {value}, a GGUF file is made of {meant} alone")
    return config


def metadata(writer, config):
    heads = config["num_attention_heads"]
    writer.add_type("model")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config.get("rope_parameters") or config
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_vocab_size(config["vocab_size"])


def tokens(writer, count):
    writer.add_tokenizer_model("llama")
    names = ["<unk>", "<s>", "</s>", *(f"token{id}" for id in range(3, count))]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    writer.add_token_list(names)
    writer.add_token_scores([0.0 - id for id in range(count)])
    writer.add_token_types(kinds + [TokenType.NORMAL] * (count - 3))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def neighbours(weight, heads):
    """Rows that turn together, half a head apart in Hugging Face, side by side: llama.cpp's `permute`."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def main():
    folder, file, kind = pathlib.Path(sys.argv[1]), sys.argv[2], Kind[sys.argv[3].upper()]
    config = plain_llama(folder)
    writer = gguf.GGUFWriter(file, "llama")
    metadata(writer, config)
    tokens(writer, config["vocab_size"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for shard in sorted(folder.glob("*.safetensors")):
        with safe_open(shard, "pt") as tensors:
            for name in tensors.keys():
                if name == "lm_head.weight" and config.get("tie_word_embeddings"):
                    continue
                values = tensors.get_tensor(name).to(torch.float32).numpy()
                part = name.split(".")[-2]
                if part in heads:
                    values = neighbours(values, heads[part])
                own = names.get_name(name, try_suffixes=(".weight",))
                if own is None:
                    sys.exit(f"{shard}: `{name}` has no name in GGUF")
                if values.ndim == 1 or kind == Kind.F32:
                    writer.add_tensor(own, values)
                else:
                    writer.add_tensor(own, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
