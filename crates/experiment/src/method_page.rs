//! The settings of a method as a table of a file.

use serde_json::Value;
use treelora_core::Error;

use crate::methods::{
    method_config::{MethodConfig, without_nulls},
    rows::{method_row, method_rows},
};

/// What a method is, what it needs, and every setting of it with its default, as the `[method]` table of a file; beside a
/// setting that is one of several words stand the others.
///
/// # Errors
/// When there is no method of that name.
pub fn method_page(name: &str) -> Result<String, Error> {
    let row = method_row(name).ok_or_else(|| {
        let names = method_rows().map(|row| row.name).collect::<Vec<_>>();
        let problem = format!("`{name}` is no method; there is: {}", names.join(", "));
        Error::setting("METHOD", problem)
    })?;
    let mut page = format!("# {}\n# needs {}", row.sentence, row.needs.words());
    if row.keeps_adapters {
        page += "; keeps an adapter for each task (inference = \"oracle\"";
        page += match row.infers_tasks {
            true => "); infers the task of an example itself",
            false => " or \"routed\")",
        };
    }
    let mut absent = Vec::new();
    let mut settings = toml::Table::new();
    for (key, value) in (row.defaults)().as_object().into_iter().flatten() {
        match value.is_null() {
            true => absent.push(format!("# {key} = ...        (none by default)\n")),
            false => {
                let value = toml::Value::try_from(without_nulls(value.clone()));
                let value = value.map_err(|e| Error::Data(e.to_string()))?;
                settings.insert(key.clone(), value);
            }
        }
    }
    let method = toml::Table::from_iter([("method".to_owned(), settings.into())]);
    let method = toml::to_string(&method).map_err(|e| Error::Data(e.to_string()))?;
    let method = method.strip_prefix("[method]\n").unwrap_or(&method);
    let method = with_alternatives(method, name, &(row.defaults)());
    let absent = absent.concat();
    Ok(format!(
        "{page}\n\n[method]\nname = \"{name}\"\n{absent}{method}"
    ))
}

/// The lines of a `[method]` table, with what else could stand there beside each word that was chosen from several.
fn with_alternatives(table: &str, method: &str, defaults: &Value) -> String {
    let (mut pointer, mut lines) = (String::new(), String::new());
    for line in table.lines() {
        lines += line;
        if let Some(header) = line.strip_prefix("[method.") {
            pointer = format!("/{}", header.trim_end_matches(']').replace('.', "/"));
        } else if let Some((key, _)) = line.split_once(" = ") {
            let others = alternatives(defaults, &format!("{pointer}/{key}"), method);
            if !others.is_empty() {
                lines += &format!("    # or {}", others.join(", "));
            }
        }
        lines.push('\n');
    }
    lines
}

/// The words that could stand at a place of the defaults in place of the one that does.
fn alternatives(defaults: &Value, pointer: &str, method: &str) -> Vec<String> {
    const NONE_OF_THEM: &str = "none of them";
    let mut settings = defaults.clone();
    settings["name"] = method.into();
    let Some(Value::String(word)) = settings.pointer_mut(pointer) else {
        return Vec::new();
    };
    let own = std::mem::replace(word, NONE_OF_THEM.to_owned());
    // Whoever reads the word knows the others.
    let problem = MethodConfig::try_from(settings).err().unwrap_or_default();
    let known = format!("unknown variant `{NONE_OF_THEM}`, expected");
    let Some((_, known)) = problem.split_once(&known) else {
        return Vec::new();
    };
    let words = known.split('`').skip(1).step_by(2);
    words
        .filter(|word| **word != own)
        .map(|word| format!("\"{word}\""))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_method_is_a_table_that_gives_its_defaults() {
        for row in method_rows() {
            let page = method_page(row.name).unwrap();
            assert!(page.contains(row.sentence), "{page}");
            let mut table: toml::Table = toml::from_str(&page).unwrap();
            let read: MethodConfig = table.remove("method").unwrap().try_into().unwrap();
            let mut defaults = (row.defaults)();
            defaults["name"] = row.name.into();
            assert_eq!(read, MethodConfig::try_from(defaults).unwrap(), "{page}");
        }
        let page = method_page("tree-lora").unwrap();
        assert!(
            page.contains("mode = \"treelora\"    # or \"paper\", \"reference\"\n"),
            "{page}"
        );
        let page = method_page("hide-lora").unwrap();
        assert!(
            page.contains("[method.task_identity]\n") && page.contains("# or \"frozen\"\n"),
            "{page}"
        );
        let error = method_page("tree-lore").unwrap_err().to_string();
        assert!(
            error.contains("tree-lore") && error.contains("tree-lora"),
            "{error}"
        );
    }
}
