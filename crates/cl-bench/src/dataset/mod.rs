//! Labelled pictures: where a stream takes its examples from.
//!
//! The data sets that a file can name are the modules of [`sources`], [`DatasetConfig`] is one of them with its settings;
//! [`ImageDataConfig`] adds the domains that are made of it ([`Rendered`]). Anything else is an implementation of
//! [`Dataset`].
//!
//! ```
//! use treelora_cl_bench::dataset::{Dataset, ProceduralConfig, Splits};
//!
//! let splits: Splits = ProceduralConfig { classes: 4, train_per_class: 2, ..Default::default() }.generate()?;
//! assert_eq!(splits.train.len(), 8);
//! let picture = splits.train.picture(7)?;
//! assert_eq!(picture.rgb().len(), (3 * picture.width() * picture.height()) as usize);
//! # Ok::<(), treelora_cl_bench::dataset::DatasetError>(())
//! ```

#[macro_use]
mod registry;

pub mod sources;

mod error;

mod class_names;

mod decoding;

mod image_data;

mod image_files;

mod picture;

mod rendered;

mod source;

mod unlabelled;

use std::sync::Arc;

pub use class_names::differ_in_composition;
pub use decoding::MAX_SIDE;
pub use error::DatasetError;
pub use image_data::ImageDataConfig;
pub use image_files::{ENDINGS, LeftOut, images_in};
pub use picture::Picture;
pub use rendered::{Rendered, Rendering};
pub use source::{DataFolder, ImageSource};
pub use sources::{
    DatasetConfig,
    cifar::{Cifar, CifarVariant},
    image_folder::ImageFolder,
    procedural::{Procedural, ProceduralConfig},
};
pub use unlabelled::UnlabelledImages;

/// One split of labelled pictures with random access.
///
/// The order of the examples is that of the files and never changes: subsets and seeds refer to it.
pub trait Dataset: Send + Sync {
    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there is no example.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Class of an example, below the number of [`class_names`](Self::class_names).
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    fn class(&self, index: usize) -> usize;

    /// The pixels of an example.
    ///
    /// # Errors
    /// When its file cannot be read or decoded; the error names the file.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    fn picture(&self, index: usize) -> Result<Picture, DatasetError>;

    /// Names of all classes, by class.
    fn class_names(&self) -> &[String];

    /// Domain of an example, below the number of [`domain_names`](Self::domain_names); 0 where the
    /// data set does not tell domains apart.
    fn domain(&self, index: usize) -> usize {
        let _ = index;
        0
    }

    /// Names of the domains; empty where the data set does not tell them apart.
    fn domain_names(&self) -> &[String] {
        &[]
    }

    /// What lies beside the examples and is not used, for a warning.
    fn left_out(&self) -> Option<&str> {
        None
    }
}

/// The two halves of a data set, with the same classes and domains.
#[derive(Clone)]
pub struct Splits {
    /// What is learned.
    pub train: Arc<dyn Dataset>,
    /// What is scored.
    pub test: Arc<dyn Dataset>,
}

impl std::fmt::Debug for Splits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Splits")
            .field("train", &self.train.len())
            .field("test", &self.test.len())
            .field("classes", &self.train.class_names().len())
            .finish()
    }
}
