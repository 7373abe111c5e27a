//! Folders of image files, a folder a class, optionally a folder of those a domain.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::dataset::{
    DataFolder, Dataset, DatasetError, ImageSource, Picture, Splits,
    class_names::check_distinct,
    image_files::{LeftOut, entries, images_below, is_system},
};

/// The folder above `train` and `test`, which hold a folder a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassFolders(pub DataFolder);

impl ImageSource for ClassFolders {
    fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    fn path_mut(&mut self) -> Option<&mut PathBuf> {
        self.0.path.as_mut()
    }

    fn open(&self) -> Result<Splits, DatasetError> {
        ImageFolder::open(self.0.given()?)
    }
}

/// The folder above the domains, each as [`ClassFolders`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DomainFolders(pub DataFolder);

impl ImageSource for DomainFolders {
    fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    fn path_mut(&mut self) -> Option<&mut PathBuf> {
        self.0.path.as_mut()
    }

    fn open(&self) -> Result<Splits, DatasetError> {
        ImageFolder::open_domains(self.0.given()?)
    }
}

/// One split: the image files of every class, sorted by domain, class and file name.
#[derive(Clone, Debug)]
pub struct ImageFolder {
    files: Vec<ImageFile>,
    class_names: Arc<[String]>,
    domain_names: Arc<[String]>,
    left_out: Option<String>,
}

#[derive(Clone, Debug)]
struct ImageFile {
    path: PathBuf,
    class: usize,
    domain: usize,
}

impl ImageFolder {
    /// List the files below `root/{train,test}/CLASS` with the [endings of images](crate::dataset::ENDINGS); images are
    /// decoded when they are asked for.
    ///
    /// # Errors
    /// When a split is missing or empty, a class folder holds no image, the test split has a class that the training
    /// split lacks, or two classes have names of the same letters.
    pub fn open(root: &Path) -> Result<Splits, DatasetError> {
        list(&[root.to_owned()], Vec::new())
    }

    /// List `root/DOMAIN/{train,test}/CLASS` as [`open`](Self::open) does. The classes are those of all domains together;
    /// a domain may lack some.
    ///
    /// # Errors
    /// As [`open`](Self::open), in any domain.
    pub fn open_domains(root: &Path) -> Result<Splits, DatasetError> {
        let names = folders(root, "domain", "folder of a domain")?;
        let roots: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
        list(&roots, names)
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn class(&self, index: usize) -> usize {
        self.files[index].class
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        Picture::open(&self.files[index].path)
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn domain(&self, index: usize) -> usize {
        self.files[index].domain
    }

    fn domain_names(&self) -> &[String] {
        &self.domain_names
    }

    fn left_out(&self) -> Option<&str> {
        self.left_out.as_deref()
    }
}

/// Both splits of all domains.
fn list(roots: &[PathBuf], domain_names: Vec<String>) -> Result<Splits, DatasetError> {
    let mut names = BTreeSet::new();
    for root in roots {
        names.extend(folders(
            &root.join("train"),
            "training",
            "folder of a class",
        )?);
    }
    let names: Arc<[String]> = names.into_iter().collect();
    check_distinct(&names).map_err(|problem| DatasetError::Format {
        path: roots[0].join("train"),
        problem,
    })?;
    let domain_names: Arc<[String]> = domain_names.into();
    let split = |name: &str, role: &'static str| {
        let mut files = Vec::new();
        let mut left_out = LeftOut::default();
        for (domain, root) in roots.iter().enumerate() {
            let split = root.join(name);
            for class_name in folders(&split, role, "folder of a class")? {
                let path = split.join(&class_name);
                let Ok(class) = names.binary_search(&class_name) else {
                    return Err(DatasetError::unknown_class(path, &class_name, &names));
                };
                let images = images_below(&path, &mut left_out)?;
                files.extend(images.into_iter().map(|path| ImageFile {
                    path,
                    class,
                    domain,
                }));
            }
        }
        Ok(Arc::new(ImageFolder {
            files,
            class_names: names.clone(),
            domain_names: domain_names.clone(),
            left_out: (left_out.describe()).map(|files| format!("{role} images: {files}")),
        }))
    };
    Ok(Splits {
        train: split("train", "training")?,
        test: split("test", "test")?,
    })
}

/// Names of the folders in `path`, sorted, those of the system passed over; at least one.
fn folders(
    path: &Path,
    role: &'static str,
    expected: &'static str,
) -> Result<Vec<String>, DatasetError> {
    if !path.is_dir() {
        return Err(DatasetError::MissingFolder {
            path: path.to_owned(),
            role,
        });
    }
    let mut names = Vec::new();
    for entry in entries(path)? {
        if let Some(name) = entry.file_name().map(|name| name.to_string_lossy())
            && entry.is_dir()
            && !is_system(&name)
        {
            names.push(name.into_owned());
        }
    }
    match names.is_empty() {
        true => Err(DatasetError::Empty {
            path: path.to_owned(),
            expected,
        }),
        false => Ok(names),
    }
}
