//! Pictures and their collections.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};
use treelora_cl_bench::dataset::{Cifar, CifarVariant, Picture};

use crate::{Format, Outcome, outcome, scratch::folder};

/// CIFAR-100 in its binary layout.
pub const CIFAR: Format = Format {
    name: "cifar",
    file: "train.bin",
    seeds: || vec![record(3, 42), [record(0, 0), record(19, 99)].concat()],
    parse: |bytes| {
        let folder = folder(&[("train.bin", bytes), ("test.bin", &record(1, 2))]);
        outcome(
            Cifar::open(CifarVariant::Hundred, folder.path()).and_then(|splits| {
                (0..splits.train.len())
                    .try_for_each(|index| splits.train.picture(index).map(|_| ()))
            }),
        )
    },
};

/// A file of an image folder.
pub const PICTURE: Format = Format {
    name: "picture",
    file: "picture",
    seeds: || {
        [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Bmp,
            ImageFormat::Pnm,
            ImageFormat::Tiff,
            ImageFormat::WebP,
        ]
        .map(encoded)
        .into()
    },
    parse: |bytes| {
        // The decoder is chosen by the contents or by the name: both names see all bytes.
        ["picture.png", "picture.jpg"]
            .map(|name| picture(name, bytes))
            .into_iter()
            .collect()
    },
};

fn picture(name: &str, bytes: &[u8]) -> Outcome {
    let folder = folder(&[(name, bytes)]);
    outcome(Picture::open(&folder.path().join(name)))
}

fn record(coarse: u8, fine: u8) -> Vec<u8> {
    let pixels = (0..3072_u32).map(|index| index as u8);
    [coarse, fine].into_iter().chain(pixels).collect()
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = DynamicImage::new_rgb8(9, 7);
    picture
        .write_to(&mut bytes, format)
        .expect("memory takes a picture");
    bytes.into_inner()
}
