//! Grey pictures in IDX files, as MNIST, Fashion-MNIST and KMNIST are published (unpacked).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use treelora_core::FileKind;

use crate::dataset::{DataFolder, Dataset, DatasetError, ImageSource, MAX_SIDE, Picture, Splits};

/// The folder of `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same of `t10k`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdxFiles(pub DataFolder);

impl ImageSource for IdxFiles {
    fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    fn path_mut(&mut self) -> Option<&mut PathBuf> {
        self.0.path.as_mut()
    }

    fn open(&self) -> Result<Splits, DatasetError> {
        Idx::open(self.0.given()?)
    }
}

/// One split, held in memory as it is in the files.
#[derive(Clone, Debug)]
pub struct Idx {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
    class_names: Arc<[String]>,
}

impl Idx {
    /// Read both splits from a folder. There are as many classes as the labels of the training split say.
    ///
    /// # Errors
    /// When a file is missing, is no IDX file of bytes, is longer or shorter than its header says, or does not fit the
    /// file beside it.
    pub fn open(folder: &Path) -> Result<Splits, DatasetError> {
        let (train, test) = (Self::read(folder, "train")?, Self::read(folder, "t10k")?);
        if (train.width, train.height) != (test.width, test.height) {
            let problem = format!(
                "pictures of {}x{} pixels, those of training have {}x{}",
                test.width, test.height, train.width, train.height
            );
            return Err(unfit(&images(folder, "t10k"), problem));
        }
        let classes = train
            .labels
            .iter()
            .max()
            .map_or(0, |last| usize::from(*last) + 1);
        if let Some(record) = test
            .labels
            .iter()
            .position(|label| usize::from(*label) >= classes)
        {
            return Err(DatasetError::Label {
                path: labels(folder, "t10k"),
                record,
                offset: HEADER_OF_LABELS + record,
                kind: "class",
                label: test.labels[record].into(),
                classes,
            });
        }
        let class_names: Arc<[String]> =
            (0..classes).map(|class| format!("class {class}")).collect();
        let split = |split: Self| {
            Arc::new(Self {
                class_names: class_names.clone(),
                ..split
            })
        };
        Ok(Splits {
            train: split(train),
            test: split(test),
        })
    }

    fn read(folder: &Path, split: &str) -> Result<Self, DatasetError> {
        let path = images(folder, split);
        let ([count, height, width], pixels) = bytes(&path)?;
        if !(1..=MAX_SIDE as usize).contains(&width) || !(1..=MAX_SIDE as usize).contains(&height) {
            let problem = format!("pictures of {width}x{height} pixels, not 1 to {MAX_SIDE}");
            return Err(unfit(&path, problem));
        }
        if count == 0 {
            return Err(unfit(&path, "no picture".into()));
        }
        let of_labels = labels(folder, split);
        let ([labelled], labels) = bytes(&of_labels)?;
        match labelled == count {
            true => Ok(Self {
                width,
                height,
                pixels,
                labels,
                class_names: [].into(),
            }),
            false => {
                let problem = format!("{labelled} labels for {count} pictures");
                Err(unfit(&of_labels, problem))
            }
        }
    }
}

impl Dataset for Idx {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn class(&self, index: usize) -> usize {
        self.labels[index].into()
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        let size = self.width * self.height;
        let grey = &self.pixels[index * size..(index + 1) * size];
        let rgb = grey.iter().flat_map(|&value| [value; 3]).collect();
        Ok(Picture::new(self.width as u32, self.height as u32, rgb))
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

/// Bytes in front of the first label.
const HEADER_OF_LABELS: usize = 8;

fn images(folder: &Path, split: &str) -> PathBuf {
    folder.join(format!("{split}-images-idx3-ubyte"))
}

fn labels(folder: &Path, split: &str) -> PathBuf {
    folder.join(format!("{split}-labels-idx1-ubyte"))
}

fn unfit(path: &Path, problem: String) -> DatasetError {
    DatasetError::Format {
        path: path.to_owned(),
        problem,
    }
}

/// Lengths and values of an IDX file of `D` dimensions: two zeros, 8 for bytes, `D`, each length as four bytes, the
/// highest first, then the values.
fn bytes<const D: usize>(path: &Path) -> Result<([usize; D], Vec<u8>), DatasetError> {
    let mut content = fs::read(path).map_err(|e| DatasetError::io(path, e))?;
    let start = 4 + 4 * D;
    let magic = [0, 0, 8, D as u8];
    match content.get(..4) {
        Some(found) if found == magic => {}
        found => {
            let problem = match FileKind::of(&content) {
                Some(kind) => format!("it is {kind}"),
                None => {
                    let found = found.unwrap_or(&content);
                    format!("begins with {found:?}, an IDX file of {D} dimensions with {magic:?}")
                }
            };
            return Err(unfit(path, problem));
        }
    }
    let Some(header) = content.get(4..start) else {
        let problem = format!("ends within its header of {start} bytes");
        return Err(unfit(path, problem));
    };
    let mut lengths = [0; D];
    for (length, bytes) in lengths.iter_mut().zip(header.chunks_exact(4)) {
        *length = bytes
            .iter()
            .fold(0, |value, byte| value << 8 | usize::from(*byte));
    }
    let expected = lengths
        .iter()
        .try_fold(1usize, |product, length| product.checked_mul(*length));
    let found = content.len() - start;
    if expected != Some(found) {
        let problem = format!("{found} values behind the header, which says {lengths:?}");
        return Err(unfit(path, problem));
    }
    content.drain(..start);
    Ok((lengths, content))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::dataset::DatasetConfig;

    fn idx(lengths: &[u32], values: &[u8]) -> Vec<u8> {
        let mut content = vec![0, 0, 8, lengths.len() as u8];
        content.extend(lengths.iter().flat_map(|length| length.to_be_bytes()));
        content.extend(values);
        content
    }

    /// Three pictures to learn and two to test, 3 pixels wide and 2 high.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let pixels: Vec<u8> = (0..30).collect();
        for (split, pixels, labels) in [
            ("train", &pixels[..18], &[2, 0, 1][..]),
            ("t10k", &pixels[18..], &[1, 1]),
        ] {
            let count = labels.len() as u32;
            fs::write(images(folder.path(), split), idx(&[count, 2, 3], pixels)).unwrap();
            fs::write(super::labels(folder.path(), split), idx(&[count], labels)).unwrap();
        }
        folder
    }

    fn open(folder: &Path) -> Result<Splits, DatasetError> {
        let text = format!("name = 'idx'\npath = '{}'", folder.display());
        let config: DatasetConfig = toml::from_str(&text).unwrap();
        assert_eq!(config.path(), Some(folder));
        config.open()
    }

    #[test]
    fn pictures_and_classes_are_those_of_the_files() {
        let folder = folder();
        let Splits { train, test } = open(folder.path()).unwrap();
        assert_eq!((train.len(), test.len()), (3, 2));
        assert_eq!(train.class_names(), ["class 0", "class 1", "class 2"]);
        assert_eq!(train.class_names(), test.class_names());
        assert_eq!([0, 1, 2].map(|i| train.class(i)), [2, 0, 1]);
        assert_eq!([0, 1].map(|i| test.class(i)), [1, 1]);
        let picture = train.picture(1).unwrap();
        assert_eq!((picture.width(), picture.height()), (3, 2));
        assert_eq!(picture.pixel(2, 0), [8; 3]);
        assert_eq!(picture.pixel(0, 1), [9; 3]);
        assert_eq!(test.picture(1).unwrap().pixel(2, 1), [29; 3]);
    }

    #[test]
    fn a_wrong_file_is_named_with_what_disagrees() {
        type Change = fn(&Path);
        let cases: [(Change, &[&str]); 9] = [
            (
                |path| fs::remove_file(labels(path, "train")).unwrap(),
                &["train-labels"],
            ),
            (
                |path| fs::write(images(path, "t10k"), [0x1f, 0x8b, 8, 0]).unwrap(),
                &["t10k-images", "gzip"],
            ),
            (
                |path| fs::write(images(path, "train"), idx(&[3], &[1, 2, 3])).unwrap(),
                &["train-images", "[0, 0, 8, 1]", "[0, 0, 8, 3]"],
            ),
            (
                |path| fs::write(images(path, "train"), [0, 0, 8, 3, 0, 0]).unwrap(),
                &["train-images", "header of 16 bytes"],
            ),
            (
                |path| fs::write(images(path, "train"), idx(&[3, 2, 3], &[0; 17])).unwrap(),
                &["train-images", "17 values", "[3, 2, 3]"],
            ),
            (
                |path| fs::write(images(path, "train"), idx(&[u32::MAX; 3], &[])).unwrap(),
                &["train-images", "0 values"],
            ),
            (
                |path| fs::write(labels(path, "t10k"), idx(&[3], &[0, 1, 2])).unwrap(),
                &["t10k-labels", "3 labels for 2 pictures"],
            ),
            (
                |path| fs::write(labels(path, "t10k"), idx(&[2], &[0, 3])).unwrap(),
                &["t10k-labels", "record 1 at byte 9", "label 3", "3 (0 to 2)"],
            ),
            (
                |path| fs::write(images(path, "t10k"), idx(&[2, 3, 2], &[0; 12])).unwrap(),
                &["t10k-images", "2x3", "3x2"],
            ),
        ];
        for (change, words) in cases {
            let folder = folder();
            change(folder.path());
            let error = open(folder.path()).unwrap_err();
            assert!(error.path().is_some(), "{error}");
            for word in words {
                assert!(error.to_string().contains(word), "{word}: {error}");
            }
        }
    }

    #[test]
    fn no_picture_is_no_data_set() {
        let folder = folder();
        fs::write(images(folder.path(), "train"), idx(&[0, 2, 3], &[])).unwrap();
        fs::write(labels(folder.path(), "train"), idx(&[0], &[])).unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("train-images") && error.contains("no picture"),
            "{error}"
        );
    }
}
