//! Image files that nobody has labelled.

use std::path::PathBuf;

use super::{Dataset, DatasetError, Picture};

/// Image files in the given order, all of one nameless class.
#[derive(Clone, Debug)]
pub struct UnlabelledImages {
    files: Vec<PathBuf>,
    class_names: [String; 1],
}

impl UnlabelledImages {
    /// Files that are decoded when they are asked for.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let class_names = [String::new()];
        Self { files, class_names }
    }
}

impl Dataset for UnlabelledImages {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn class(&self, _index: usize) -> usize {
        0
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        Picture::open(&self.files[index])
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}
