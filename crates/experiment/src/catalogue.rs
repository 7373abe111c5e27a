//! What can be named in a configuration file.

use treelora_cl_bench::{dataset::DatasetConfig, metrics::Convention, text::TextBenchmark};
use treelora_core::Error;
use treelora_models::{
    decoder::Family,
    vision::{FamilyRow, VisionFamily},
};

use crate::methods::{
    method_config::without_nulls,
    rows::{method_row, method_rows},
};

/// A list of names with their meaning.
#[derive(Clone, Debug)]
pub struct Section {
    /// What the names are.
    pub title: &'static str,
    /// Name and meaning.
    pub entries: Vec<(&'static str, &'static str)>,
}

/// Methods, classifiers, data sets, families of models, presets and metrics by their names in files.
pub fn catalogue() -> Vec<Section> {
    vec![
        methods(),
        classifiers(),
        Section {
            title: "data sets of images ([data] name)",
            entries: DatasetConfig::ALL.to_vec(),
        },
        Section {
            title: "data sets of text ([data] name, modality = \"text\")",
            entries: TextBenchmark::ALL.to_vec(),
        },
        Section {
            title: "families of vision models ([model] family)",
            entries: of_families(|row| vec![(row.name, row.meaning)]),
        },
        Section {
            title: "their presets ([model] preset)",
            entries: of_families(|row| row.presets.to_vec()),
        },
        Section {
            title: "families of decoders (model_type of the folder in [model] weights)",
            entries: Family::ALL
                .map(|family| (family.name(), family.meaning()))
                .to_vec(),
        },
        Section {
            title: "metrics (metrics.json)",
            entries: Convention::ALL
                .iter()
                .map(|convention| (convention.name(), convention.formula()))
                .collect(),
        },
    ]
}

fn of_families(
    entries: impl Fn(&FamilyRow) -> Vec<(&'static str, &'static str)>,
) -> Vec<(&'static str, &'static str)> {
    VisionFamily::ALL.iter().flat_map(entries).collect()
}

fn methods() -> Section {
    Section {
        title: "methods ([method] name, --method; their settings: treelora list METHOD)",
        entries: method_rows().map(|row| (row.name, row.sentence)).collect(),
    }
}

/// What a method is, what it needs, and every setting of it with its default, as the `[method]` table of a file.
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
    let absent = absent.concat();
    Ok(format!(
        "{page}\n\n[method]\nname = \"{name}\"\n{absent}{method}"
    ))
}

/// What answers.
fn classifiers() -> Section {
    Section {
        title: "classifiers ([classifier] discriminant, [floors])",
        entries: vec![
            ("nearest-class-mean", "nearest class mean by cosine"),
            ("lda", "linear discriminant analysis"),
            ("rda", "regularised discriminant analysis"),
            (
                "random-projection",
                "ridge on random ReLU features (RanPAC)",
            ),
        ],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::methods::method_config::MethodConfig;

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
        let error = method_page("tree-lore").unwrap_err().to_string();
        assert!(
            error.contains("tree-lore") && error.contains("tree-lora"),
            "{error}"
        );
    }
}
