//! Generated pictures: a textured, coloured shape on a restless background.
//!
//! A class is a combination of shape, texture and colour family, so that no attribute alone tells
//! classes apart and a model trained on some combinations has to learn the others. Position, size,
//! angle, shade, background, a distractor and noise vary from picture to picture.

mod render;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use self::render::{Appearance, SHAPES, TEXTURES};
use crate::dataset::{Dataset, DatasetError, ImageSource, Picture, Splits};
use treelora_core::mix;

/// Settings of the generated pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProceduralConfig {
    /// Number of classes.
    pub classes: usize,
    /// Training pictures of each class.
    pub train_per_class: usize,
    /// Test pictures of each class.
    pub test_per_class: usize,
    /// Side of a picture in pixels.
    pub image_size: usize,
    /// Standard deviation of the pixel noise, in units of the full range.
    pub noise: f32,
    /// Decides which combination each class is and how every picture looks.
    pub seed: u64,
}

impl Default for ProceduralConfig {
    fn default() -> Self {
        Self {
            classes: 60,
            train_per_class: 100,
            test_per_class: 20,
            image_size: 32,
            noise: 0.06,
            seed: 0,
        }
    }
}

impl ImageSource for ProceduralConfig {
    fn path(&self) -> Option<&Path> {
        None
    }

    fn path_mut(&mut self) -> Option<&mut PathBuf> {
        None
    }

    fn open(&self) -> Result<Splits, DatasetError> {
        self.generate()
    }
}

impl ProceduralConfig {
    /// Check the settings.
    ///
    /// # Errors
    /// [`DatasetError::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), DatasetError> {
        let setting = |key, problem| Err(DatasetError::Setting { key, problem });
        for (key, value) in [
            ("classes", self.classes),
            ("train_per_class", self.train_per_class),
            ("test_per_class", self.test_per_class),
        ] {
            if value == 0 {
                return setting(key, "0 is not above 0".into());
            }
        }
        if !(8..=1024).contains(&self.image_size) {
            let problem = format!("{} is not between 8 and 1024", self.image_size);
            return setting("image_size", problem);
        }
        if !(0.0..=1.0).contains(&self.noise) {
            let problem = format!("{} is not between 0 and 1", self.noise);
            return setting("noise", problem);
        }
        Ok(())
    }

    /// Both splits; a picture depends on the seed, its split, its class and its number in the class
    /// alone, so that larger splits begin with the smaller ones.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn generate(&self) -> Result<Splits, DatasetError> {
        self.validate()?;
        let appearances = self.appearances();
        let class_names: Arc<[String]> = appearances.iter().map(Appearance::name).collect();
        let appearances: Arc<[Appearance]> = appearances.into();
        let split = |number: u64, per_class: usize| {
            Arc::new(Procedural {
                appearances: appearances.clone(),
                class_names: class_names.clone(),
                per_class,
                image_size: self.image_size as u32,
                noise: self.noise,
                seed: mix(&[self.seed, number]),
            })
        };
        Ok(Splits {
            train: split(0, self.train_per_class),
            test: split(1, self.test_per_class),
        })
    }

    /// A different combination for each class, in an order that the seed decides.
    fn appearances(&self) -> Vec<Appearance> {
        let pairs = SHAPES.len() * TEXTURES.len();
        // Few colour families, so that many classes share each; more only when combinations run out.
        let colours = self.classes.div_ceil(pairs).max(6);
        let mut combinations: Vec<usize> = (0..pairs * colours).collect();
        combinations.shuffle(&mut ChaCha8Rng::seed_from_u64(mix(&[self.seed, 2])));
        combinations.truncate(self.classes);
        combinations
            .into_iter()
            .map(|combination| Appearance {
                shape: SHAPES[combination % SHAPES.len()],
                texture: TEXTURES[combination / SHAPES.len() % TEXTURES.len()],
                colour: combination / pairs,
                colours,
            })
            .collect()
    }
}

/// One split of generated pictures, sorted by class.
#[derive(Clone, Debug)]
pub struct Procedural {
    appearances: Arc<[Appearance]>,
    class_names: Arc<[String]>,
    per_class: usize,
    image_size: u32,
    noise: f32,
    seed: u64,
}

impl Dataset for Procedural {
    fn len(&self) -> usize {
        self.per_class * self.appearances.len()
    }

    fn class(&self, index: usize) -> usize {
        assert!(index < self.len(), "example {index} of {}", self.len());
        index / self.per_class
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        let class = self.class(index);
        let number = index % self.per_class;
        let seed = mix(&[self.seed, class as u64, number as u64]);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Ok(self.appearances[class].render(self.image_size, self.noise, &mut rng))
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}
