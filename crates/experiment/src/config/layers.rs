//! One table of settings laid over another.

use toml::{Table, Value};

use crate::methods::rows::method_row;

/// A variant that names another method and nothing else.
pub(super) fn only_method(name: &str) -> Table {
    let method = Table::from_iter([("name".to_owned(), Value::from(name))]);
    Table::from_iter([("method".to_owned(), method.into())])
}

/// Set the value at a dotted path; tables on the way are made as needed.
///
/// `text` is TOML; what does not parse as TOML is taken as a string.
///
/// # Errors
/// When a part of the path is a value and not a table.
pub(super) fn set(table: &mut Table, key: &str, text: &str) -> Result<(), String> {
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table = table;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        table = table
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| format!("`{part}` is a value, not a table"))?;
    }
    table.insert(last.to_owned(), parse(text));
    Ok(())
}

/// Lay `variant` over `table`: `method` inherits, `training` is changed key by key, other tables are replaced as a
/// whole, and `false` takes an optional one away.
pub(super) fn lay_over(table: &mut Table, variant: Table) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type_and_words_are_strings() {
        let mut table = Table::new();
        set(&mut table, "method.lora.rank", "4").unwrap();
        set(&mut table, "method.choice", "flat-lcb").unwrap();
        set(&mut table, "training.epochs_per_task", "[1, 2]").unwrap();
        assert_eq!(table["method"]["lora"]["rank"], Value::Integer(4));
        assert_eq!(table["method"]["choice"], Value::String("flat-lcb".into()));
        let epochs = table["training"]["epochs_per_task"].as_array().unwrap();
        assert_eq!(epochs.len(), 2);
        let error = set(&mut table, "method.choice.x", "1").unwrap_err();
        assert!(error.contains("choice"), "{error}");
    }
}
