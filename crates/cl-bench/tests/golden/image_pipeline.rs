//! The resizer against Pillow, and the pipeline against pixels worked out by hand.

use std::sync::Arc;

use serde::Deserialize;
use treelora_cl_bench::{
    dataset::{Dataset, DatasetError, Picture},
    image_pipeline::{ImageConfig, ImagePipeline, Interpolation, Normalization, View},
};

/// One picture.
struct Single(Picture, Vec<String>);

impl Single {
    fn new(picture: Picture) -> Arc<Self> {
        Arc::new(Self(picture, vec!["only".into()]))
    }
}

impl Dataset for Single {
    fn len(&self) -> usize {
        1
    }

    fn class(&self, _index: usize) -> usize {
        0
    }

    fn picture(&self, _index: usize) -> Result<Picture, DatasetError> {
        Ok(self.0.clone())
    }

    fn class_names(&self) -> &[String] {
        &self.1
    }
}

fn pattern(width: u32, height: u32) -> Picture {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            rgb.extend((0..3).map(|c| (7 * x * x + 13 * y * y + 5 * x * y + 85 * c) as u8));
        }
    }
    Picture::new(width, height, rgb)
}

/// What the pipeline makes of a picture, as `[channel][row][column]` in `[0, 1]`.
fn pixels(picture: Picture, image_size: usize, config: ImageConfig) -> Vec<Vec<Vec<f32>>> {
    let config = ImageConfig {
        normalization: Normalization::None,
        ..config
    };
    let pipeline =
        ImagePipeline::new(Single::new(picture), &[Some(0)], image_size, &config).unwrap();
    let loaded = pipeline.load(&[0], View::Plain).unwrap();
    assert_eq!(loaded.shape(), [1, 3, image_size, image_size]);
    loaded
        .data
        .chunks_exact(image_size * image_size)
        .map(|plane| {
            plane
                .chunks_exact(image_size)
                .map(<[f32]>::to_vec)
                .collect()
        })
        .collect()
}

#[derive(Deserialize)]
struct Reference {
    stride: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    filter: Interpolation,
    from: (u32, u32),
    to: (u32, u32),
    bytes: Vec<u8>,
}

#[test]
fn the_resizer_agrees_with_pillow() {
    let reference: Reference =
        serde_json::from_str(include_str!("../fixtures/resize.json")).unwrap();
    assert_eq!(reference.cases.len(), 6);
    for case in reference.cases {
        let (width, height) = case.to;
        let resized = pattern(case.from.0, case.from.1).resized(width, height, case.filter);
        let ours: Vec<u8> = resized
            .rgb()
            .iter()
            .copied()
            .step_by(reference.stride)
            .collect();
        assert_eq!(ours.len(), case.bytes.len());
        let worst = ours
            .iter()
            .zip(&case.bytes)
            .map(|(ours, pillow)| ours.abs_diff(*pillow))
            .max()
            .unwrap();
        assert!(
            worst <= 1,
            "{:?} {:?} -> {:?}: differs by {worst} of 255",
            case.filter,
            case.from,
            case.to
        );
    }
}

#[test]
fn a_picture_of_the_right_size_passes_unchanged_in_chw_order() {
    let picture = pattern(8, 8);
    let seen = pixels(picture.clone(), 8, ImageConfig::default());
    for (x, y) in [(0, 0), (7, 0), (0, 7), (3, 5)] {
        for (channel, byte) in picture.pixel(x, y).into_iter().enumerate() {
            let value = seen[channel][y as usize][x as usize];
            assert_eq!(value, f32::from(byte) / 255.0);
        }
    }
}

#[test]
fn normalisations_are_the_published_ones() {
    let white = Picture::new(4, 4, vec![255; 48]);
    let black = Picture::new(4, 4, vec![0; 48]);
    let at = |picture: &Picture, normalization| {
        let config = ImageConfig {
            normalization,
            ..ImageConfig::default()
        };
        let single = Single::new(picture.clone());
        let pipeline = ImagePipeline::new(single, &[Some(0)], 4, &config).unwrap();
        let data = pipeline.load(&[0], View::Plain).unwrap().data;
        [data[0], data[16], data[32]]
    };
    assert_eq!(at(&white, Normalization::Half), [1.0; 3]);
    assert_eq!(at(&black, Normalization::Half), [-1.0; 3]);
    let imagenet = at(&white, Normalization::ImageNet);
    for (value, expected) in imagenet.into_iter().zip([2.248_908_3, 2.428_571_5, 2.64]) {
        assert!(
            (value - expected).abs() < 1e-6,
            "{value} instead of {expected}"
        );
    }
    let custom = Normalization::Custom {
        mean: [0.0, 0.5, 1.0],
        std: [1.0, 0.25, 2.0],
    };
    assert_eq!(at(&black, custom), [0.0, -2.0, -0.5]);
}

#[test]
fn the_longer_side_is_cropped_in_the_centre() {
    // 9 columns for a crop of 4: the offset 2.5 is rounded to the even 2, as Python does.
    let picture = pattern(9, 4);
    let seen = pixels(picture.clone(), 4, ImageConfig::default());
    assert_eq!(seen[0][1][0], f32::from(picture.pixel(2, 1)[0]) / 255.0);
    assert_eq!(seen[2][3][3], f32::from(picture.pixel(5, 3)[2]) / 255.0);

    // Resized to a shorter side of 8, then the inner 4 x 4.
    let config = ImageConfig {
        resize: Some(8),
        ..ImageConfig::default()
    };
    let picture = pattern(8, 8);
    let seen = pixels(picture.clone(), 4, config);
    assert_eq!(seen[1][0][0], f32::from(picture.pixel(2, 2)[1]) / 255.0);
}

#[test]
fn a_ribbon_does_not_grow_out_of_bounds() {
    let ribbon = Picture::new(1, 16_000, vec![100; 48_000]);
    let seen = pixels(ribbon, 224, ImageConfig::default());
    assert_eq!(seen[0][100][100], 100.0 / 255.0);
}
