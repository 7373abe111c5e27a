//! Generated pictures: reproducible, different, and not solved by colour.

use std::collections::BTreeSet;

use treelora_cl_bench::dataset::{Dataset, ProceduralConfig};

fn config() -> ProceduralConfig {
    ProceduralConfig {
        classes: 60,
        train_per_class: 20,
        test_per_class: 10,
        ..ProceduralConfig::default()
    }
}

#[test]
fn pictures_depend_on_seed_split_class_and_number_alone() {
    let small = config().generate().unwrap();
    let again = config().generate().unwrap();
    let large = ProceduralConfig {
        train_per_class: 30,
        ..config()
    };
    let large = large.generate().unwrap();
    let other = ProceduralConfig {
        seed: 1,
        ..config()
    };
    let other = other.generate().unwrap();
    let picture = small.train.picture(3 * 20 + 5).unwrap();
    assert_eq!(picture, again.train.picture(3 * 20 + 5).unwrap());
    assert_eq!(picture, large.train.picture(3 * 30 + 5).unwrap());
    assert_ne!(picture, other.train.picture(3 * 20 + 5).unwrap());
    assert_ne!(picture, small.test.picture(3 * 10 + 5).unwrap());
    assert_ne!(picture, small.train.picture(3 * 20 + 6).unwrap());
    assert_eq!(small.train.class(3 * 20 + 5), 3);
}

#[test]
fn every_class_is_another_combination_however_many_there_are() {
    for classes in [1, 60, 288, 1000] {
        let config = ProceduralConfig {
            classes,
            ..config()
        };
        let splits = config.generate().unwrap();
        let names: BTreeSet<&String> = splits.train.class_names().iter().collect();
        assert_eq!(names.len(), classes);
        assert_eq!(splits.test.len(), 10 * classes);
    }
}

#[test]
fn other_sizes_show_the_same_scene() {
    let large = ProceduralConfig {
        image_size: 64,
        ..config()
    };
    let picture = large.generate().unwrap().train.picture(0).unwrap();
    assert_eq!((picture.width(), picture.height()), (64, 64));
}

/// Nearest class mean on the raw pixels: above chance, far from solved.
#[test]
fn raw_pixels_do_not_solve_it() {
    let splits = config().generate().unwrap();
    let pixels = |split: &dyn Dataset, index| {
        let picture = split.picture(index).unwrap();
        picture
            .rgb()
            .iter()
            .map(|b| f32::from(*b))
            .collect::<Vec<f32>>()
    };
    let means: Vec<Vec<f32>> = (0..60)
        .map(|class| {
            let mut mean = vec![0.0; 3 * 32 * 32];
            for number in 0..20 {
                for (mean, value) in mean
                    .iter_mut()
                    .zip(pixels(&*splits.train, class * 20 + number))
                {
                    *mean += value / 20.0;
                }
            }
            mean
        })
        .collect();
    let right = (0..splits.test.len())
        .filter(|&index| {
            let picture = pixels(&*splits.test, index);
            let distance = |mean: &Vec<f32>| -> f32 {
                mean.iter()
                    .zip(&picture)
                    .map(|(a, b)| (a - b).powi(2))
                    .sum()
            };
            let nearest = (0..60)
                .min_by(|a, b| distance(&means[*a]).total_cmp(&distance(&means[*b])))
                .unwrap();
            nearest == splits.test.class(index)
        })
        .count();
    let accuracy = right as f64 / splits.test.len() as f64;
    assert!((1.5 / 60.0..0.35).contains(&accuracy), "{accuracy}");
}

#[test]
fn settings_out_of_range_name_their_key() {
    for (config, key) in [
        (
            ProceduralConfig {
                classes: 0,
                ..config()
            },
            "classes",
        ),
        (
            ProceduralConfig {
                image_size: 4,
                ..config()
            },
            "image_size",
        ),
        (
            ProceduralConfig {
                noise: f32::NAN,
                ..config()
            },
            "noise",
        ),
    ] {
        let message = config.generate().unwrap_err().to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
    }
}
