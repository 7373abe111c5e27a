//! A configuration file, with variants and settings of the command line laid over it.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};
use treelora_core::Error;

/// The table of a file with a variant and single settings laid over it, without the variants.
///
/// A `variant` that the file does not list is the name of a method: the file's own with its
/// settings, any other with its defaults.
///
/// # Errors
/// When the text is not TOML, or a part of a dotted key is a value and not a table.
pub(crate) fn merged(
    text: &str,
    path: &Path,
    variant: Option<&str>,
    changes: &[(String, String)],
) -> Result<Table, Error> {
    let mut table = table(text, path)?;
    let variants = match table.remove("variants") {
        Some(Value::Table(variants)) => variants,
        _ => Table::new(),
    };
    if let Some(name) = variant {
        match variants.get(name) {
            Some(Value::Table(variant)) => replace(&mut table, variant),
            _ if table
                .get("method")
                .and_then(|method| method.get("name")?.as_str())
                == Some(name) => {}
            _ => {
                let mut method = Table::new();
                method.insert("name".into(), name.into());
                table.insert("method".into(), method.into());
            }
        }
        table.insert("variant".into(), name.into());
    }
    for (key, value) in changes {
        set(&mut table, key, value)?;
    }
    Ok(table)
}

/// A configuration from a table.
///
/// # Errors
/// When a key is unknown, missing or of another type; the message names file, key and line.
pub(crate) fn typed<C: DeserializeOwned>(table: Table, path: &Path) -> Result<C, Error> {
    // Back to text, so that a mistake is shown with its line.
    let merged = toml::to_string(&table).map_err(|e| Error::format(path, e.to_string()))?;
    toml::from_str(&merged).map_err(|e| Error::format(path, e.to_string().trim_end().to_owned()))
}

/// Set the value at a dotted path; tables on the way are made as needed.
///
/// `text` is TOML; what does not parse as TOML is taken as a string.
///
/// # Errors
/// When a part of the path is a value and not a table.
fn set(table: &mut Table, key: &str, text: &str) -> Result<(), Error> {
    let value = parse(text);
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table = table;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        table = table
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| Error::setting(key, format!("`{part}` is a value, not a table")))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// Lay `variant` over `table`: top-level tables are replaced as a whole, `training` key by key, so
/// that a variant's method never inherits another method's settings.
fn replace(table: &mut Table, variant: &Table) {
    for (key, value) in variant {
        match (key.as_str(), table.get_mut(key), value) {
            ("training", Some(Value::Table(own)), Value::Table(other)) => {
                own.extend(other.clone());
            }
            // `false` takes an optional table away.
            (_, _, Value::Boolean(false)) => {
                table.remove(key);
            }
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

fn parse(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Parse TOML, naming the file and the place of a mistake.
///
/// # Errors
/// When it is not TOML.
fn table(text: &str, path: &Path) -> Result<Table, Error> {
    toml::from_str(text).map_err(|e| Error::format(path, e.to_string().trim_end().to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_own_method_by_its_name_keeps_its_settings() {
        let text = "method = { name = 'own', rank = 2 }\nvariants.wide.method = { name = 'own', rank = 9 }";
        let method = |variant| {
            let table = merged(text, Path::new("file.toml"), variant, &[]).unwrap();
            let method = table["method"].as_table().unwrap().clone();
            (
                method["name"].as_str().unwrap().to_owned(),
                method.get("rank").cloned(),
            )
        };
        let own = |rank| ("own".to_owned(), Some(Value::Integer(rank)));
        assert_eq!(method(None), own(2));
        assert_eq!(method(Some("own")), own(2));
        assert_eq!(method(Some("wide")), own(9));
        assert_eq!(method(Some("other")), ("other".to_owned(), None));
    }

    #[test]
    fn values_keep_their_type_and_words_are_strings() {
        let mut table = Table::new();
        set(&mut table, "method.lora.rank", "4").unwrap();
        set(&mut table, "method.choice", "flat-lcb").unwrap();
        set(&mut table, "training.epochs_per_task", "[1, 2]").unwrap();
        assert_eq!(table["method"]["lora"]["rank"], Value::Integer(4));
        assert_eq!(table["method"]["choice"], Value::String("flat-lcb".into()));
        assert_eq!(
            table["training"]["epochs_per_task"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        let error = set(&mut table, "method.choice.x", "1")
            .unwrap_err()
            .to_string();
        assert!(error.contains("choice"), "{error}");
    }
}
