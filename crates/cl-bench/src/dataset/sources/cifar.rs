//! CIFAR-10 and CIFAR-100 in the official binary layout.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use treelora_core::{Error, read_text};

use crate::dataset::{DataFolder, Dataset, DatasetError, ImageSource, Picture, Splits};

/// Side of an image in pixels.
const SIDE: usize = 32;
/// Bytes of one colour plane.
const PLANE: usize = SIDE * SIDE;

/// Which of the two data sets, and so which record layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CifarVariant {
    /// `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`; a record is a label byte and
    /// 3072 bytes of red, green and blue planes.
    #[serde(rename = "cifar-10")]
    Ten,
    /// `train.bin` and `test.bin`; a record is a coarse label byte, a fine label byte and 3072
    /// bytes of planes. The fine label is the class.
    #[serde(rename = "cifar-100")]
    Hundred,
}

impl CifarVariant {
    /// Number of classes.
    pub fn classes(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
        }
    }

    /// The label bytes at the start of a record: what each is and how many values it has. The last
    /// is the class.
    fn labels(self) -> &'static [(&'static str, usize)] {
        match self {
            Self::Ten => &[("class", 10)],
            Self::Hundred => &[("coarse", 20), ("fine", 100)],
        }
    }

    fn record_bytes(self) -> usize {
        self.labels().len() + 3 * PLANE
    }

    fn names_file(self) -> &'static str {
        match self {
            Self::Ten => "batches.meta.txt",
            Self::Hundred => "fine_label_names.txt",
        }
    }

    fn train_files(self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
        if self == Self::Hundred {
            return Ok(vec![folder.join("train.bin")]);
        }
        let entries = fs::read_dir(folder).map_err(|e| DatasetError::io(folder, e))?;
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| DatasetError::io(folder, e))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("data_batch_") && name.ends_with(".bin") {
                files.push(entry.path());
            }
        }
        files.sort();
        match files.is_empty() {
            true => Err(DatasetError::Empty {
                path: folder.to_owned(),
                expected: "data_batch_*.bin of CIFAR-10 in its binary layout",
            }),
            false => Ok(files),
        }
    }

    fn test_file(self) -> &'static str {
        match self {
            Self::Ten => "test_batch.bin",
            Self::Hundred => "test.bin",
        }
    }
}

/// CIFAR-10: the folder of `data_batch_*.bin` and `test_batch.bin`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cifar10Files(pub DataFolder);

impl ImageSource for Cifar10Files {
    fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    fn path_mut(&mut self) -> Option<&mut PathBuf> {
        self.0.path.as_mut()
    }

    fn open(&self) -> Result<Splits, DatasetError> {
        Cifar::open(CifarVariant::Ten, self.0.given()?)
    }
}

/// CIFAR-100: the folder of `train.bin` and `test.bin`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cifar100Files(pub DataFolder);

impl ImageSource for Cifar100Files {
    fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    fn path_mut(&mut self) -> Option<&mut PathBuf> {
        self.0.path.as_mut()
    }

    fn open(&self) -> Result<Splits, DatasetError> {
        Cifar::open(CifarVariant::Hundred, self.0.given()?)
    }
}

/// One split, held in memory as it is in the files.
#[derive(Clone, Debug)]
pub struct Cifar {
    variant: CifarVariant,
    records: Vec<u8>,
    class_names: Arc<[String]>,
}

impl Cifar {
    /// Read both splits from a folder.
    ///
    /// # Errors
    /// When a file is missing, is no whole number of records, or has a label outside its range.
    pub fn open(variant: CifarVariant, folder: &Path) -> Result<Splits, DatasetError> {
        let class_names: Arc<[String]> = class_names(variant, folder)?.into();
        let split = |files: &[PathBuf]| {
            Ok::<_, DatasetError>(Arc::new(Self {
                variant,
                records: read(variant, files)?,
                class_names: class_names.clone(),
            }))
        };
        Ok(Splits {
            train: split(&variant.train_files(folder)?)?,
            test: split(&[folder.join(variant.test_file())])?,
        })
    }

    fn record(&self, index: usize) -> &[u8] {
        let bytes = self.variant.record_bytes();
        &self.records[index * bytes..(index + 1) * bytes]
    }
}

impl Dataset for Cifar {
    fn len(&self) -> usize {
        self.records.len() / self.variant.record_bytes()
    }

    fn class(&self, index: usize) -> usize {
        usize::from(self.record(index)[self.variant.labels().len() - 1])
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        let planes = &self.record(index)[self.variant.labels().len()..];
        let rgb = (0..PLANE)
            .flat_map(|at| [planes[at], planes[PLANE + at], planes[2 * PLANE + at]])
            .collect();
        Ok(Picture::new(SIDE as u32, SIDE as u32, rgb))
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

/// The records of all files, every size and label checked.
fn read(variant: CifarVariant, files: &[PathBuf]) -> Result<Vec<u8>, DatasetError> {
    let record_bytes = variant.record_bytes();
    let mut records = Vec::new();
    for path in files {
        let io = |e| DatasetError::io(path, e);
        let size = fs::metadata(path).map_err(io)?.len();
        // Before reading: the size alone shows most mistakes.
        check_size(path, size, record_bytes as u64)?;
        let bytes = fs::read(path).map_err(io)?;
        check_size(path, bytes.len() as u64, record_bytes as u64)?;
        for (record, content) in bytes.chunks_exact(record_bytes).enumerate() {
            for (position, &(kind, classes)) in variant.labels().iter().enumerate() {
                let label = usize::from(content[position]);
                if label >= classes {
                    return Err(DatasetError::Label {
                        path: path.clone(),
                        record,
                        offset: record * record_bytes + position,
                        kind,
                        label,
                        classes,
                    });
                }
            }
        }
        records.extend_from_slice(&bytes);
    }
    Ok(records)
}

fn check_size(path: &Path, bytes: u64, record_bytes: u64) -> Result<(), DatasetError> {
    if bytes > 0 && bytes.is_multiple_of(record_bytes) {
        return Ok(());
    }
    let record = bytes / record_bytes;
    Err(DatasetError::Truncated {
        path: path.to_owned(),
        bytes,
        record_bytes,
        record,
        offset: record * record_bytes,
    })
}

/// Names beside the data where they are there, numbers otherwise.
fn class_names(variant: CifarVariant, folder: &Path) -> Result<Vec<String>, DatasetError> {
    let path = folder.join(variant.names_file());
    let expected = variant.classes();
    match read_text(&path) {
        Ok(text) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let names: Vec<String> = lines.map(str::to_owned).collect();
            match names.len() == expected {
                true => Ok(names),
                false => Err(DatasetError::ClassNames {
                    path,
                    found: names.len(),
                    expected,
                }),
            }
        }
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let numbers = 0..expected;
            Ok(numbers.map(|class| format!("class {class}")).collect())
        }
        Err(Error::Io { path, source }) => Err(DatasetError::Io { path, source }),
        Err(Error::Format { path, problem }) => Err(DatasetError::Format { path, problem }),
        Err(other) => Err(DatasetError::Format {
            path,
            problem: other.to_string(),
        }),
    }
}
