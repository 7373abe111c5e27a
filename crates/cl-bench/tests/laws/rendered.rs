//! Domains made of a data set: the bytes of every transform, and which example is which.

use std::{collections::BTreeSet, sync::Arc};

use treelora_cl_bench::dataset::{
    Dataset, DatasetError, ImageDataConfig, Picture, ProceduralConfig, Rendered, Rendering, Splits,
};
use treelora_core::Error;

fn data(toml: &str) -> ImageDataConfig {
    toml::from_str(&format!("name = 'procedural'\n{toml}")).unwrap()
}

fn generated() -> Splits {
    let config = ProceduralConfig {
        classes: 3,
        train_per_class: 4,
        test_per_class: 2,
        ..Default::default()
    };
    config.generate().unwrap()
}

/// Grey values, row by row, three a row.
fn grey(values: &[u8]) -> Picture {
    let rgb = values.iter().flat_map(|value| [*value; 3]).collect();
    Picture::new(3, values.len() as u32 / 3, rgb)
}

fn rendered(rendering: Rendering, picture: &Picture) -> Picture {
    rendering.apply(picture.clone(), 0)
}

#[test]
fn colours_change_as_the_names_say() {
    let [red, dark, mixed] = [[255, 0, 0], [10, 70, 130], [200, 100, 50]];
    let picture = Picture::new(3, 1, [red, dark, mixed].concat());
    for (rendering, expected) in [
        (Rendering::Plain, [red, dark, mixed]),
        (
            Rendering::Negative,
            [[0, 255, 255], [245, 185, 125], [55, 155, 205]],
        ),
        // Pillow: Image.new("RGB", (1, 1), colour).convert("L").
        (Rendering::Grey, [[76; 3], [59; 3], [124; 3]]),
        (
            Rendering::Posterised,
            [[255, 0, 0], [0, 85, 170], [255, 85, 0]],
        ),
        (
            Rendering::ChannelsSwapped,
            [[0, 0, 255], [130, 70, 10], [50, 100, 200]],
        ),
        (
            Rendering::LowContrast,
            [[159, 96, 96], [98, 113, 128], [146, 121, 108]],
        ),
    ] {
        let found = rendered(rendering, &picture);
        assert_eq!(found.rgb(), expected.concat(), "{rendering:?}");
    }
}

#[test]
fn turns_move_every_pixel_to_its_place() {
    let picture = grey(&[1, 2, 3, 4, 5, 6]);
    for (rendering, size, expected) in [
        (Rendering::Rotated90, (2, 3), [3, 6, 2, 5, 1, 4]),
        (Rendering::Rotated180, (3, 2), [6, 5, 4, 3, 2, 1]),
        (Rendering::Rotated270, (2, 3), [4, 1, 5, 2, 6, 3]),
        (Rendering::Flipped, (3, 2), [4, 5, 6, 1, 2, 3]),
    ] {
        let found = rendered(rendering, &picture);
        assert_eq!((found.width(), found.height()), size, "{rendering:?}");
        assert_eq!(found.rgb(), grey(&expected).rgb(), "{rendering:?}");
    }
}

#[test]
fn four_quarter_turns_lead_back() {
    let picture = generated().train.picture(5).unwrap();
    let picture = picture.cropped(0, 0, picture.width(), picture.height() - 5);
    let turned = |rendering: Rendering, times: usize| {
        (0..times).fold(picture.clone(), |seen, _| rendered(rendering, &seen))
    };
    for (rendering, times) in [
        (Rendering::Rotated90, 4),
        (Rendering::Rotated270, 4),
        (Rendering::Rotated180, 2),
        (Rendering::Flipped, 2),
    ] {
        assert_ne!(turned(rendering, 1), picture, "{rendering:?}");
        assert_eq!(turned(rendering, times), picture, "{rendering:?}");
    }
    let quarter = Rendering::Rotated90;
    assert_eq!(turned(quarter, 2), turned(Rendering::Rotated180, 1));
    assert_eq!(turned(quarter, 3), turned(Rendering::Rotated270, 1));
}

#[test]
fn edges_are_the_sobel_magnitude() {
    let corner = grey(&[10, 0, 0, 0, 0, 0, 0, 0, 0]);
    let edges = rendered(Rendering::Edges, &corner);
    assert_eq!(edges, grey(&[42, 31, 0, 31, 14, 0, 0, 0, 0]));
    // The mean is 118 / 9: lines from 20 on.
    let sketch = rendered(Rendering::Sketch, &corner);
    assert_eq!(sketch, grey(&[0, 0, 255, 0, 255, 255, 255, 255, 255]));
    let step = grey(&[0, 0, 200]);
    assert_eq!(rendered(Rendering::Edges, &step), grey(&[0, 255, 255]));
    let even = grey(&[7; 6]);
    assert_eq!(rendered(Rendering::Edges, &even), grey(&[0; 6]));
    assert_eq!(rendered(Rendering::Sketch, &even), grey(&[255; 6]));
}

#[test]
fn a_blurred_value_is_the_mean_of_its_box() {
    let corner = grey(&[90, 0, 0, 0, 0, 0, 0, 0, 0]);
    let blurred = rendered(Rendering::Blurred, &corner);
    assert_eq!(blurred, grey(&[40, 20, 0, 20, 10, 0, 0, 0, 0]));

    let config = ProceduralConfig {
        image_size: 70,
        ..Default::default()
    };
    let picture = config.generate().unwrap().train.picture(1).unwrap();
    let picture = picture.cropped(0, 0, 70, 50);
    let radius = 50 / 16;
    let blurred = rendered(Rendering::Blurred, &picture);
    for (x, y) in (0..70).flat_map(|x| (0..50).map(move |y| (x, y))) {
        let around = |at: i32, side: i32| {
            (at - radius..=at + radius).map(move |place| place.clamp(0, side - 1) as u32)
        };
        let expected = [0, 1, 2].map(|channel| {
            let columns = around(x, 70);
            let values = columns
                .flat_map(|x| around(y, 50).map(move |y| (x, y)))
                .map(|(x, y)| u32::from(picture.pixel(x, y)[channel]));
            let sum: u32 = values.sum();
            ((sum + 24) / 49) as u8
        });
        assert_eq!(blurred.pixel(x as u32, y as u32), expected, "at ({x}, {y})");
    }
}

#[test]
fn noise_is_that_of_the_example() {
    let grey = grey(&[128; 300]);
    let noisy = |example| Rendering::Noisy.apply(grey.clone(), example);
    assert_eq!(noisy(3), noisy(3));
    assert_ne!(noisy(3), noisy(4));
    let noise: Vec<f64> = (0..50)
        .flat_map(|example| noisy(example).rgb().to_vec())
        .map(|value| f64::from(value) - 128.0)
        .collect();
    let count = noise.len() as f64;
    let mean = noise.iter().sum::<f64>() / count;
    let deviation = (noise.iter().map(|n| n * n).sum::<f64>() / count).sqrt();
    assert!(
        mean.abs() < 1.0 && (deviation - 52.0).abs() < 1.0,
        "{mean}, {deviation}"
    );
}

#[test]
fn every_transform_gives_another_picture_and_the_same_one_again() {
    let picture = generated().train.picture(0).unwrap();
    let mut seen = BTreeSet::new();
    for rendering in Rendering::ALL {
        let found = rendered(rendering, &picture);
        assert_eq!(found, rendered(rendering, &picture), "{rendering:?}");
        assert_eq!(found == picture, rendering == Rendering::Plain);
        assert!(seen.insert(found.rgb().to_vec()), "{rendering:?}");
    }
}

#[test]
fn a_domain_has_every_example_in_the_order_of_the_data_set() {
    let plain = generated();
    let renderings = [Rendering::Noisy, Rendering::Plain, Rendering::Rotated180];
    let splits = Rendered::splits(plain.clone(), &renderings);
    for (plain, rendered) in [(plain.train, splits.train), (plain.test, splits.test)] {
        assert_eq!(rendered.class_names(), plain.class_names());
        assert_eq!(rendered.domain_names(), ["noisy", "plain", "rotated-180"]);
        assert_eq!(rendered.len(), 3 * plain.len());
        for index in 0..rendered.len() {
            let (domain, example) = (index / plain.len(), index % plain.len());
            assert_eq!(rendered.domain(index), domain);
            assert_eq!(rendered.class(index), plain.class(example));
            let expected = renderings[domain].apply(plain.picture(example).unwrap(), example);
            assert_eq!(rendered.picture(index).unwrap(), expected, "{index}");
        }
    }
}

/// Pictures of two domains, which take turns.
struct TwoDomains {
    names: [String; 2],
}

impl Dataset for TwoDomains {
    fn len(&self) -> usize {
        6
    }

    fn class(&self, _index: usize) -> usize {
        0
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        Ok(Picture::new(1, 1, vec![index as u8; 3]))
    }

    fn class_names(&self) -> &[String] {
        &self.names[..1]
    }

    fn domain(&self, index: usize) -> usize {
        index % 2
    }

    fn domain_names(&self) -> &[String] {
        &self.names
    }
}

#[test]
fn domains_of_a_data_set_are_rendered_each() {
    let inner = TwoDomains {
        names: ["photo".into(), "clipart".into()],
    };
    let both = Rendered::new(Arc::new(inner), &[Rendering::Plain, Rendering::Negative]);
    let names = [
        "photo/plain",
        "clipart/plain",
        "photo/negative",
        "clipart/negative",
    ];
    assert_eq!(both.domain_names(), names);
    let domains: Vec<usize> = (0..both.len()).map(|index| both.domain(index)).collect();
    assert_eq!(domains, [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3]);
    assert_eq!(both.picture(9).unwrap().rgb(), [252; 3]);
}

#[test]
fn the_table_names_a_data_set_and_its_domains() {
    let plain = data("classes = 3");
    assert_eq!(
        plain.open().unwrap().train.domain_names(),
        <[String; 0]>::default()
    );
    assert!(!toml::to_string(&plain).unwrap().contains("domains"));
    let two = data("classes = 3\ndomains = ['sketch', 'flipped']");
    assert_eq!(two.source, plain.source);
    assert_eq!(
        two.open().unwrap().test.domain_names(),
        ["sketch", "flipped"]
    );
    let again = toml::to_string(&two).unwrap();
    assert_eq!(toml::from_str::<ImageDataConfig>(&again).unwrap(), two);

    let twice = data("domains = ['edges', 'plain', 'edges']");
    let error = twice.open().err().unwrap();
    let message = Error::from(error).within("data").to_string();
    for part in ["`data.domains`", "`edges`", "positions 0 and 2"] {
        assert!(message.contains(part), "{message}");
    }
    for (wrong, part) in [("domains = ['sepia']", "`sepia`"), ("domain = 1", "domain")] {
        let text = format!("name = 'procedural'\n{wrong}");
        let error = toml::from_str::<ImageDataConfig>(&text).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
