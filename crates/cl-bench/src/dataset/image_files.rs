//! Which files of a folder are pictures.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::DatasetError;

/// Endings of image files, in any case: those that torchvision's `ImageFolder` reads.
pub const ENDINGS: [&str; 9] = [
    "jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp",
];

/// Files and folders that file managers and storage devices put beside pictures, in lower case.
const SYSTEM: [&str; 8] = [
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
];

/// Files that are no images, by ending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<String, usize>);

impl LeftOut {
    fn count(&mut self, file: &Path) {
        let ending = file
            .extension()
            .map(|ending| format!(".{}", ending.to_string_lossy().to_lowercase()));
        *self.0.entry(ending.unwrap_or_default()).or_default() += 1;
    }

    /// How many files of which endings there are, for a warning; `None` when there are none.
    pub fn describe(&self) -> Option<String> {
        let total: usize = self.0.values().sum();
        let endings = self.0.iter().map(|(ending, count)| match ending.as_str() {
            "" => format!("{count} without ending"),
            ending => format!("{count} {ending}"),
        });
        (total > 0).then(|| {
            format!(
                "left out {total} of other endings than images have ({}): {}",
                ENDINGS.join(", "),
                endings.collect::<Vec<_>>().join(", ")
            )
        })
    }
}

/// The image files directly in `path`, sorted, those of the system passed over; at least one. Others are counted.
///
/// # Errors
/// When the folder cannot be read, or holds no image.
pub fn images_in(path: &Path, left_out: &mut LeftOut) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    let mut others = LeftOut::default();
    for entry in entries(path)? {
        if !entry.is_dir() {
            sort_out(entry, &mut files, &mut others);
        }
    }
    at_least_one(path, files, others, left_out)
}

/// The image files in `path` and the folders below it, those of a folder before those of the folders in it, as
/// torchvision's `ImageFolder` has them; else as [`images_in`].
///
/// # Errors
/// As [`images_in`].
pub(in crate::dataset) fn images_below(
    path: &Path,
    left_out: &mut LeftOut,
) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    let mut others = LeftOut::default();
    let mut folders = vec![path.to_owned()];
    // A link may lead back to a folder that has been seen.
    let mut seen = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        let place = fs::canonicalize(&folder).map_err(|e| DatasetError::io(&folder, e))?;
        if !seen.insert(place) {
            continue;
        }
        let mut below = Vec::new();
        for entry in entries(&folder)? {
            match entry.is_dir() {
                true if is_system(&name(&entry)) => {}
                true => below.push(entry),
                false => sort_out(entry, &mut files, &mut others),
            }
        }
        folders.extend(below.into_iter().rev());
    }
    at_least_one(path, files, others, left_out)
}

fn sort_out(file: PathBuf, files: &mut Vec<PathBuf>, others: &mut LeftOut) {
    let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase());
    if is_system(&name(&file)) {
        return;
    }
    match ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
        true => files.push(file),
        false => others.count(&file),
    }
}

fn at_least_one(
    path: &Path,
    files: Vec<PathBuf>,
    others: LeftOut,
    left_out: &mut LeftOut,
) -> Result<Vec<PathBuf>, DatasetError> {
    if files.is_empty() {
        return Err(DatasetError::NoImage {
            path: path.to_owned(),
            left_out: others.describe(),
        });
    }
    for (ending, count) in others.0 {
        *left_out.0.entry(ending).or_default() += count;
    }
    Ok(files)
}

/// Whether a name is hidden or one that the system gives.
pub(in crate::dataset) fn is_system(name: &str) -> bool {
    name.starts_with('.') || SYSTEM.contains(&name.to_lowercase().as_str())
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Everything in a folder, sorted by name.
pub(in crate::dataset) fn entries(path: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let io = |e| DatasetError::io(path, e);
    let mut entries = fs::read_dir(path)
        .map_err(io)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?;
    entries.sort();
    Ok(entries)
}
