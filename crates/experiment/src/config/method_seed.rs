//! The key `method.seed`, which TreeLoRA had and nobody read: runs have one seed, `training.seed`.
//!
//! Runs of format 1 wrote it into their configuration, as they did every setting. There it is left out; in a file that
//! somebody wrote it is a mistake.

use std::path::Path;

use serde::Deserialize;
use toml::Table;
use treelora_core::{Error, read_json};

/// The method that had the key; others have never had it, or mean something by it.
const METHOD: &str = "tree-lora";

/// The format of the runs that wrote the key.
const FORMAT: u64 = 1;

/// Refuse a table with the key.
///
/// # Errors
/// [`Error::Setting`] of the key.
pub(crate) fn refuse(table: &Table) -> Result<(), Error> {
    match has_seed(table) {
        false => Ok(()),
        true => {
            let problem = "`training.seed` is the seed of everything random in a run";
            Err(Error::setting("method.seed", problem))
        }
    }
}

/// The text of the configuration at `path`, without the key where it is that of a run of format 1.
///
/// # Errors
/// When the text is not TOML, or the run's manifest cannot be read.
pub(crate) fn left_out(text: String, path: &Path) -> Result<String, Error> {
    if format_of_run(path)? != Some(FORMAT) {
        return Ok(text);
    }
    let mut table: Table =
        toml::from_str(&text).map_err(|e| Error::format(path, e.to_string().trim_end()))?;
    if !has_seed(&table) {
        return Ok(text);
    }
    if let Some(method) = table.get_mut("method").and_then(|m| m.as_table_mut()) {
        method.remove("seed");
    }
    toml::to_string(&table).map_err(|e| Error::format(path, e.to_string()))
}

fn has_seed(table: &Table) -> bool {
    let Some(method) = table.get("method").and_then(|method| method.as_table()) else {
        return false;
    };
    let name = method.get("name").and_then(|name| name.as_str());
    name == Some(METHOD) && method.contains_key("seed")
}

/// The format of the run whose own configuration `path` is; `None` for any other file.
fn format_of_run(path: &Path) -> Result<Option<u64>, Error> {
    #[derive(Deserialize)]
    struct Manifest {
        format: u64,
    }
    let manifest = path.with_file_name("manifest.json");
    if !path.ends_with("config.toml") || !manifest.exists() {
        return Ok(None);
    }
    let manifest: Manifest = read_json(&manifest)?;
    Ok(Some(manifest.format))
}
