"""Pictures in the formats and codings of image folders, and what Pillow reads in them.

    python pictures.py --out crates/cl-bench/tests/fixtures/pictures

Writes a file a coding and expected.json: width, height and mean red, green and blue of each.
"""

import argparse
import json
import pathlib

import numpy
from PIL import Image

# Neither a multiple of a block nor of two, but of four, so that no row of a bitmap ends in bytes that nothing reads.
WIDTH, HEIGHT = 44, 27


def picture():
    """Waves and noise: every frequency of a block, and rows that differ."""
    y, x = numpy.mgrid[:HEIGHT, :WIDTH]
    waves = [128 + 100 * numpy.sin(x / 9 + y / 7), 128 + 100 * numpy.cos(x / 13), (x * y) % 256 / 2]
    noise = numpy.random.default_rng(0).normal(0, 12, (HEIGHT, WIDTH, 3))
    return Image.fromarray((numpy.stack(waves, -1) + noise).clip(0, 255).astype("uint8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--models", help="not used")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    rgb = picture()
    grey, palette = rgb.convert("L"), rgb.quantize(60)
    files = {
        "baseline.jpg": (rgb, {"quality": 70, "subsampling": "4:2:0"}),
        "restarts.jpg": (rgb, {"quality": 70, "subsampling": "4:2:2", "restart_marker_blocks": 2}),
        "progressive.jpg": (rgb, {"quality": 80, "progressive": True}),
        "progressive-restarts.jpg": (rgb, {"quality": 60, "progressive": True, "restart_marker_blocks": 3}),
        "grey.jpg": (grey, {"quality": 80, "optimize": True}),
        "grey-progressive.jpg": (grey, {"quality": 95, "progressive": True}),
        "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 60, "progressive": True}),
        "plain.png": (rgb, {}),
        "palette.png": (palette, {}),
        "plain.bmp": (rgb, {}),
        "palette.bmp": (palette, {}),
        "plain.ppm": (rgb, {}),
        "grey.pgm": (grey, {}),
        "lossy.webp": (rgb, {"quality": 70}),
        "lossless.webp": (rgb, {"lossless": True}),
        "plain.tif": (rgb, {}),
        "lzw.tiff": (rgb, {"compression": "tiff_lzw"}),
        "deflate.tif": (grey, {"compression": "tiff_adobe_deflate"}),
    }
    expected = {}
    for name, (image, options) in files.items():
        image.save(out / name, **options)
        values = numpy.asarray(Image.open(out / name).convert("RGB"), dtype="float64")
        expected[name] = {"size": [WIDTH, HEIGHT], "mean": values.mean((0, 1)).round(3).tolist()}
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
