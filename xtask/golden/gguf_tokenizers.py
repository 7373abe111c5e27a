"""Tiny models with their tokenizers in GGUF files, and what llama.cpp makes of texts, for crates/cl-bench.

    python gguf_tokenizers.py --out crates/cl-bench/tests/fixtures/gguf

Writes bytes.gguf (byte pairs that BpeTrainer learns) and pieces.gguf (pieces that SentencePiece learns), each with the
weights of a LLaMA of one layer, and tokenizers.json:

    probes   texts
    bytes    by the name of the pre-tokenizer, the ids of each text: llama.cpp's, and for `smollm` tokenizers' too
    pieces   by whether a blank is put in front, the ids of each text: llama.cpp's, and with the blank SentencePiece's too
"""

import argparse
import io
import json
import pathlib
import tempfile

import gguf
import numpy
import sentencepiece
import tokenizers
from gguf import TokenType
from llama_cpp import LlamaCpp
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

TEXTS = [
    "Solve the following math problem. Question: Axel has 3 frogs. How many eyes? Answer: 6",
    "Solve the following math problem. Question: Mia has 12 frogs and 7 cats. How many? Answer: 19",
    "def solve(self, frogs):\n    return 2 * len(frogs)\n",
    "Die Fr\u00f6sche sa\u00dfen am Teich, und die Katzen sa\u00dfen am Haus.",
    "\u5224\u65ad\u4ee5\u4e0b\u6587\u672c\u5bf9\u6307\u5b9a\u5bf9\u8c61\u7684\u6001\u5ea6\u3002\u6587\u672c\uff1a\u6001\u5ea6",
]
# What is cut here is whole there.
CUTS = ["12345 12345", "a=b a=b", "x\n\n x\n\n", "they'LL they'll", "(a) (a)", "!!\n !!\n", "$a $a", "...12 ...12"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WHOLE = ["<tool>", "  "]
PRE_TOKENIZERS = ["smollm", "gpt-2", "llama-bpe", "qwen2", "default"]
PROBES = TEXTS + [
    "",
    " ",
    "two  spaces and   three\n\n",
    "\U0001f438 1234567 frogs, they'LL <tool>eat</tool>",
    "tabs\tand 12+34 = 46; caf\u00e9 \u4e2d\u6587",
    "frogs  \n \n  cats",
    *CUTS,
]
CONTROLLED = ["<|im_start|>user\nHow many frogs?<|im_end|>\n", "a<|endoftext|> b"]
TEMPLATE = "{% for message in messages %}<{{ bos_token }}>{{ message.content }}{% endfor %}{{ eos_token }}"
CONTEXT, WIDTH, INNER, HEADS = 64, 8, 12, 2


def byte_pairs():
    tokenizer = tokenizers.Tokenizer(models.BPE())
    # Learned on texts that are not cut, so that merges lie across every place where one could be.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        min_frequency=2,
        show_progress=False,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS + CUTS, trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in WHOLE])
    return tokenizer


def pieces():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=model,
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=["<tool>"],
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def write(path, vocabulary, pre=None, prefix=None):
    """A whole model; its weights are the same whatever is said of the tokenizer."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("model")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    if pre is None:
        names, types = piece_metadata(writer, vocabulary, prefix)
    else:
        names, types = byte_metadata(writer, vocabulary, pre)
    writer.add_token_list(names)
    writer.add_token_types(types)
    writer.add_chat_template(TEMPLATE)
    random = numpy.random.default_rng(3)
    shapes = {
        "token_embd": (len(names), WIDTH),
        "output_norm": (WIDTH,),
        "blk.0.attn_norm": (WIDTH,),
        "blk.0.attn_q": (WIDTH, WIDTH),
        "blk.0.attn_k": (WIDTH, WIDTH),
        "blk.0.attn_v": (WIDTH, WIDTH),
        "blk.0.attn_output": (WIDTH, WIDTH),
        "blk.0.ffn_norm": (WIDTH,),
        "blk.0.ffn_gate": (INNER, WIDTH),
        "blk.0.ffn_up": (INNER, WIDTH),
        "blk.0.ffn_down": (WIDTH, INNER),
    }
    for name, shape in shapes.items():
        values = random.standard_normal(shape)
        kind = numpy.float32 if len(shape) == 1 else numpy.float16
        writer.add_tensor(f"{name}.weight", values.astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def byte_metadata(writer, tokenizer, pre):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    described = json.loads(tokenizer.to_str())["model"]
    writer.add_token_merges([" ".join(merge) for merge in described["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    names = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    kinds = {token: TokenType.CONTROL for token in SPECIAL} | {token: TokenType.USER_DEFINED for token in WHOLE}
    return names, [kinds.get(name, TokenType.NORMAL) for name in names]


def piece_metadata(writer, processor, prefix):
    """As llama.cpp's converter takes them from SentencePiece."""
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    ids = range(processor.vocab_size())
    writer.add_token_scores([processor.get_score(id) for id in ids])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(prefix)
    types = []
    for id in ids:
        if processor.is_unknown(id):
            types.append(TokenType.UNKNOWN)
        elif processor.is_control(id):
            types.append(TokenType.CONTROL)
        elif processor.is_byte(id):
            types.append(TokenType.BYTE)
        else:
            types.append(TokenType.USER_DEFINED if processor.id_to_piece(id) == "<tool>" else TokenType.NORMAL)
    return [processor.id_to_piece(id) for id in ids], types


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", help="not needed")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    vocabulary, processor = byte_pairs(), pieces()
    texts = PROBES + CONTROLLED
    expected = {"probes": texts, "bytes": {}, "pieces": {}}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.gguf"
        for pre in PRE_TOKENIZERS:
            write(path, vocabulary, pre=pre)
            model = LlamaCpp(path)
            expected["bytes"][pre] = [model.tokenize(text) for text in texts]
        for prefix in [True, False]:
            write(path, processor, prefix=prefix)
            model = LlamaCpp(path)
            expected["pieces"][str(prefix).lower()] = [model.tokenize(text) for text in texts]
    theirs = [vocabulary.encode(text).ids for text in texts]
    compare("tokenizers", texts, theirs, expected["bytes"]["smollm"])
    # Control tokens are text to SentencePiece; behind tokens that are found whole, it puts no blank in front.
    alike = [at for at, text in enumerate(PROBES) if "<tool>" not in text]
    theirs = [processor.encode(texts[at], add_bos=True) for at in alike]
    compare("SentencePiece", [texts[at] for at in alike], theirs, [expected["pieces"]["true"][at] for at in alike])
    write(out / "bytes.gguf", vocabulary, pre="smollm")
    write(out / "pieces.gguf", processor, prefix=True)
    (out / "tokenizers.json").write_text(json.dumps(expected) + "\n")


def compare(who, texts, theirs, ours):
    """End with the first text of which they make different ids."""
    for text, one, other in zip(texts, theirs, ours):
        if one != other:
            raise SystemExit(f"{who}: {one}, llama.cpp: {other}, of {text!r}")


if __name__ == "__main__":
    main()
