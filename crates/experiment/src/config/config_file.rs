//! A configuration file, with variants and settings of the command line laid over it.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};
use treelora_core::Error;

use crate::methods::rows::method_row;

/// The table of a file with a variant and single settings laid over it, without the variants.
///
/// A `variant` that the file does not list is the name of a method. Either way the method inherits what the file's
/// `[method]` says and the other method has too, so that what is compared differs in nothing but what is said.
///
/// # Errors
/// When the text is not TOML, a part of a dotted key is a value and not a table, or the variant is neither a table of
/// the file nor a method.
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
        let laid_over = match variants.get(name) {
            Some(Value::Table(variant)) => variant.clone(),
            _ if method_row(name).is_some() => only_method(name),
            _ => return Err(unknown(name, &variants, path)),
        };
        lay_over(&mut table, laid_over);
        table.insert("variant".into(), name.into());
    }
    for (key, value) in changes {
        set(&mut table, key, value)?;
    }
    Ok(table)
}

/// A variant that names another method and nothing else.
fn only_method(name: &str) -> Table {
    let method = Table::from_iter([("name".to_owned(), Value::from(name))]);
    Table::from_iter([("method".to_owned(), method.into())])
}

fn unknown(name: &str, variants: &Table, path: &Path) -> Error {
    let known = variants.keys().map(String::as_str).collect::<Vec<_>>();
    let known = match known.is_empty() {
        true => "it has none".to_owned(),
        false => known.join(", "),
    };
    let problem = format!(
        "`{name}` is neither one of its [variants] ({known}) nor a method (`treelora list`)"
    );
    Error::format(path, problem)
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

/// Lay `variant` over `table`: `method` inherits, `training` is changed key by key, other tables are replaced as a
/// whole, and `false` takes an optional one away.
fn lay_over(table: &mut Table, variant: Table) {
    for (key, value) in variant {
        match (key.as_str(), table.get_mut(&key), value) {
            ("method", Some(Value::Table(own)), Value::Table(other)) => inherit(own, other),
            ("training", Some(Value::Table(own)), Value::Table(other)) => own.extend(other),
            (_, _, Value::Boolean(false)) => {
                table.remove(&key);
            }
            (_, _, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Make `own`, the file's `[method]`, that of `other`: what both methods have stays, and `other` says what differs,
/// table by table.
fn inherit(own: &mut Table, other: Table) {
    let name = |method: &Table| Some(method.get("name")?.as_str()?.to_owned());
    let to = name(&other).or_else(|| name(own));
    if to != name(own) {
        let settings = to
            .and_then(|to| method_row(&to))
            .map(|row| (row.defaults)());
        own.retain(|key, _| {
            settings
                .as_ref()
                .is_some_and(|table| table.get(key).is_some())
        });
    }
    deepen(own, other);
}

/// Put `changes` into `table`, tables key by key.
fn deepen(table: &mut Table, changes: Table) {
    for (key, value) in changes {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(own)), Value::Table(changes)) if !is_choice(&changes) => {
                deepen(own, changes);
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Whether a table says which of several kinds it is: another kind has other keys, and nothing to inherit.
fn is_choice(table: &Table) -> bool {
    table.contains_key("kind")
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

    const FILE: &str = r#"
        [method]
        name = "tree-lora"
        lambda = 0.3
        slow_learning = 1.0
        lora = { rank = 2, target_modules = ["query"] }

        [classifier]
        discriminant = { kind = "lda" }

        [variants.wide]
        method = { lora = { rank = 9 } }

        [variants.held]
        method = { name = "ewc", strength = 7.0 }
        classifier = false
    "#;

    fn method(variant: Option<&str>) -> Table {
        let table = merged(FILE, Path::new("file.toml"), variant, &[]).unwrap();
        table["method"].as_table().unwrap().clone()
    }

    fn read(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_own_method_keeps_its_settings_and_a_variant_says_what_differs() {
        assert_eq!(method(Some("tree-lora")), method(None));
        let wide = read(
            r#"
            name = "tree-lora"
            lambda = 0.3
            slow_learning = 1.0
            lora = { rank = 9, target_modules = ["query"] }
            "#,
        );
        assert_eq!(method(Some("wide")), wide);
    }

    #[test]
    fn another_method_inherits_what_it_has_too() {
        let lora = r#"lora = { rank = 2, target_modules = ["query"] }"#;
        let expected = |settings: &str| read(&format!("{settings}\n{lora}"));
        let sequential = expected("name = 'sequential-lora'\nslow_learning = 1.0");
        assert_eq!(method(Some("sequential-lora")), sequential);
        assert_eq!(
            method(Some("held")),
            expected("name = 'ewc'\nstrength = 7.0")
        );
        assert_eq!(method(Some("fix")), read("name = 'fix'"));
        let held = merged(FILE, Path::new("file.toml"), Some("held"), &[]).unwrap();
        assert!(!held.contains_key("classifier"));
    }

    #[test]
    fn a_name_that_is_nothing_says_what_there_is() {
        let error = merged(FILE, Path::new("file.toml"), Some("helt"), &[]).unwrap_err();
        let message = error.to_string();
        for part in ["file.toml", "`helt`", "held, wide", "treelora list"] {
            assert!(message.contains(part), "{message}");
        }
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
