"""Numbers of the Python package gguf, for crates/tensor-file.

    python gguf_types.py --out crates/tensor-file/tests/fixtures

Writes types.gguf: a tensor [2, 256] of random blocks for each number format that is read, named after it, and metadata
of every type; types.safetensors: the tensors as gguf.dequantize widens them.
"""

import argparse
import pathlib

import gguf
import numpy
from gguf import GGMLQuantizationType as Kind
from safetensors.numpy import save_file

ROWS, COLUMNS = 2, 256
KINDS = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where the scales of a block are, in halves.
SCALES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
}


def blocks(kind, random):
    """Random bytes, but for scales and plain numbers, which are to be finite."""
    if kind == "BF16":
        return gguf.quantize(random.standard_normal((ROWS, COLUMNS)).astype(numpy.float32), Kind.BF16)
    if kind in ("F32", "F16"):
        return random.standard_normal((ROWS, COLUMNS)).astype({"F32": numpy.float32, "F16": numpy.float16}[kind])
    size, width = gguf.GGML_QUANT_SIZES[Kind[kind]]
    count = ROWS * COLUMNS // size
    data = random.integers(0, 256, (count, width), dtype=numpy.uint8)
    for at in SCALES[kind]:
        data[:, at : at + 2] = random.standard_normal((count, 1)).astype(numpy.float16).view(numpy.uint8)
    return data.reshape(ROWS, -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", help="not needed")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(7)
    writer = gguf.GGUFWriter(out / "types.gguf", "llama")
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4000000000)
    writer.add_int32("test.i32", -2000000000)
    writer.add_uint64("test.u64", 2**63 + 1)
    writer.add_int64("test.i64", -(2**62))
    writer.add_float32("test.f32", 1e-6)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.text", "Fr\u00f6sche")
    writer.add_array("test.texts", ["", "a b", "\u2581c"])
    writer.add_array("test.numbers", [0.5, -1.25])
    writer.add_array("test.flags", [True, False])
    widened = {}
    for kind in KINDS:
        data = blocks(kind, random)
        # Widened before the writer may change it.
        widened[kind] = gguf.dequantize(data, Kind[kind]).astype(numpy.float32).reshape(ROWS, COLUMNS)
        plain = kind in ("F32", "F16")
        writer.add_tensor(kind, data, raw_dtype=None if plain else Kind[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(widened, out / "types.safetensors", metadata={"written_by": "gguf"})


if __name__ == "__main__":
    main()
