//! Which setting a configuration cannot be read for.

use serde::de::DeserializeOwned;
use toml::{Table, Value, de::DeTable};

/// Something that no configuration has, or lacks.
pub(super) struct Mistake {
    /// The key that is wrong, or the table that lacks one; the whole file when empty.
    pub(super) key: Vec<String>,
    pub(super) problem: String,
}

/// A configuration from a table, or what is wrong with it.
///
/// Types that choose between several settings by a name read a table as a whole before they look into it, and so do
/// errors: they are about the table. Which of its keys it is shows by leaving out one after the other.
pub(super) fn configured<C: DeserializeOwned>(table: &Table) -> Result<C, Mistake> {
    let (problem, near) = match read(table) {
        Ok(config) => return Ok(config),
        Err(mistake) => mistake,
    };
    let mut suspects = Vec::new();
    match value_at(table, &near) {
        Some(Value::Table(below)) => keys(below, &near, &mut suspects),
        Some(_) => {}
        None => keys(table, &near, &mut suspects),
    }
    let weigh = |key: &Vec<String>| {
        let without = match read::<C>(&without(table, key)) {
            Ok(_) => None,
            Err((other, _)) if other == problem => return None,
            Err((other, _)) => Some(other),
        };
        let missing = without
            .as_ref()
            .is_some_and(|other| other.contains("missing"));
        Some((without.is_none(), is_named(table, key, &problem), !missing))
    };
    let mut best = None;
    for suspect in suspects {
        let weight = weigh(&suspect);
        // Of equals the first, which is the deepest.
        if weight > best.as_ref().and_then(|(weight, _)| *weight) {
            best = Some((weight, suspect));
        }
    }
    let is_missing = problem.starts_with("missing field") || problem.contains("is missing");
    let key = match best {
        Some((_, suspect)) if !is_missing => suspect,
        _ => near,
    };
    Err(Mistake { key, problem })
}

/// The configuration, or the problem and the key near which it is.
fn read<C: DeserializeOwned>(table: &Table) -> Result<C, (String, Vec<String>)> {
    let text = toml::to_string(table).map_err(|e| (e.to_string(), Vec::new()))?;
    toml::from_str(&text).map_err(|e| {
        let span = e.span().filter(|span| !span.is_empty());
        let near = span.and_then(|span| {
            let parsed = DeTable::parse(&text).ok()?;
            key_at(parsed.get_ref(), span.start)
        });
        (e.message().trim_end().to_owned(), near.unwrap_or_default())
    })
}

/// The deepest key whose name or value is at a place of the text.
fn key_at(table: &DeTable<'_>, place: usize) -> Option<Vec<String>> {
    table.iter().find_map(|(name, value)| {
        let below = value.get_ref().as_table();
        let below = below.and_then(|table| key_at(table, place));
        let here = || name.span().contains(&place) || value.span().contains(&place);
        let below = below.or_else(|| here().then(Vec::new))?;
        Some([vec![name.get_ref().to_string()], below].concat())
    })
}

/// All keys of a table and of the tables in it, each after those below it.
fn keys(table: &Table, path: &[String], into: &mut Vec<Vec<String>>) {
    for (name, value) in table {
        let path = [path, std::slice::from_ref(name)].concat();
        if let Value::Table(below) = value {
            keys(below, &path, into);
        }
        into.push(path);
    }
}

fn value_at<'a>(table: &'a Table, key: &[String]) -> Option<&'a Value> {
    let (last, parents) = key.split_last()?;
    let mut table = table;
    for part in parents {
        table = table.get(part)?.as_table()?;
    }
    table.get(last)
}

fn without(table: &Table, key: &[String]) -> Table {
    let mut table = table.clone();
    if let Some((last, parents)) = key.split_last() {
        let mut below = Some(&mut table);
        for part in parents {
            below = below.and_then(|table| table.get_mut(part)?.as_table_mut());
        }
        if let Some(below) = below {
            below.remove(last);
        }
    }
    table
}

/// Whether a problem names a key or its value.
fn is_named(table: &Table, key: &[String], problem: &str) -> bool {
    let value = value_at(table, key).map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let names = key.last().into_iter().chain(value.as_ref());
    let mut quoted = names.flat_map(|name| [format!("`{name}`"), format!("\"{name}\"")]);
    quoted.any(|quoted| problem.contains(&quoted))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ImageExperimentConfig;

    const FILE: &str = r#"
        name = "tiny"
        data = { name = "procedural", classes = 4 }
        stream = { tasks = 2 }
        model = { preset = "tiny", depth = 2, weights = "w" }
        floors = { lda = { kind = "lda" } }
        method = { name = "ewc", strength = 1.0, lora = { rank = 2 } }
    "#;

    #[test]
    fn the_key_is_found_in_tables_that_are_read_as_a_whole() {
        for (change, key) in [
            ("method.lora.rank = 'x'", "method.lora.rank"),
            ("method.lora.rnk = 2", "method.lora.rnk"),
            ("method.name = 'alphabet'", "method.name"),
            ("method.strength = 'x'", "method.strength"),
            ("method.surprise = { x = 1 }", "method.surprise"),
            ("model.dept = 2", "model.dept"),
            ("model.depth = 'x'", "model.depth"),
            ("model.precision = 'f64'", "model.precision"),
            ("floors.lda.kind = 'lba'", "floors.lda.kind"),
            ("floors.lda.shrink = 1", "floors.lda.shrink"),
            ("training.optimizer.name = 'adm'", "training.optimizer.name"),
            ("training.epochs = -1", "training.epochs"),
            ("data.classes = 'x'", "data.classes"),
            ("data.klasses = 1", "data.klasses"),
            ("data.domains = ['plain', 'sepia']", "data.domains"),
            ("data.domains = 'plain'", "data.domains"),
            ("surprise.a = 1", "surprise"),
        ] {
            let mut table: Table = toml::from_str(FILE).unwrap();
            assert!(configured::<ImageExperimentConfig>(&table).is_ok());
            let change: Table = toml::from_str(change).unwrap();
            merge(&mut table, change);
            let found = configured::<ImageExperimentConfig>(&table).unwrap_err();
            assert_eq!(found.key.join("."), key, "{}", found.problem);
        }
    }

    #[test]
    fn what_is_missing_is_missing_in_its_table() {
        for (key, near) in [
            ("name", ""),
            ("data.name", "data"),
            ("model.preset", "model"),
            ("floors.lda.kind", "floors.lda"),
            ("method.name", "method"),
        ] {
            let mut table: Table = toml::from_str(FILE).unwrap();
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            table = without(&table, &path);
            let found = configured::<ImageExperimentConfig>(&table).unwrap_err();
            assert_eq!(found.key.join("."), near, "{}", found.problem);
        }
    }

    fn merge(table: &mut Table, other: Table) {
        for (key, value) in other {
            match (table.get_mut(&key), value) {
                (Some(Value::Table(own)), Value::Table(other)) => merge(own, other),
                (_, value) => {
                    table.insert(key, value);
                }
            }
        }
    }
}
