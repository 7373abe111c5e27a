//! The files of configs/ still say what the committed results were made with.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};
use treelora_experiment::ExperimentConfig;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The configuration with all settings spelled out; nothing needs to be there but the text.
fn spelled_out(text: &str, path: &Path, variant: Option<&str>) -> Table {
    let weights = ("model.weights".to_owned(), "'weights'".to_owned());
    let config = ExperimentConfig::parse(text, path, variant, &[weights]).unwrap();
    toml::from_str(&config.to_toml().unwrap()).unwrap()
}

fn text(table: &Table, key: &str) -> Option<String> {
    Some(table.get(key)?.as_str()?.to_owned())
}

fn text_of<'t>(table: &'t Table, key: &str) -> &'t str {
    table[key].as_str().unwrap()
}

/// Settings of the method, as `[method]` of a run has them; the run's seed stood there once.
fn method(table: &Table) -> Table {
    let mut method = table["method"].as_table().unwrap().clone();
    method.remove("seed");
    method
}

#[test]
fn a_variant_means_what_it_meant_when_its_results_were_committed() {
    let results = root().join("docs/results");
    let mut compared = 0;
    for experiment in fs::read_dir(&results).unwrap().flatten() {
        for run in fs::read_dir(experiment.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = run.path().join("config.toml");
            let Ok(then) = fs::read_to_string(&path) else {
                continue;
            };
            let then: Table = toml::from_str(&then).unwrap();
            let (Some(name), Some(variant)) = (text(&then, "name"), text(&then, "variant")) else {
                continue;
            };
            let file = root().join(format!("configs/{name}.toml"));
            let now = spelled_out(&fs::read_to_string(&file).unwrap(), &file, Some(&variant));
            let (mut then, now) = (method(&then), method(&now));
            // Runs with adapters in all blocks were asked for with `--set`.
            if run.file_name().to_string_lossy().contains("all-blocks") {
                let lora = then["lora"].as_table_mut().unwrap();
                lora.insert(
                    "target_modules".into(),
                    now["lora"]["target_modules"].clone(),
                );
            }
            // Settings that came later: their defaults are what was done before.
            let row = treelora_experiment::method_row(text_of(&now, "name")).unwrap();
            let defaults = (row.defaults)();
            for (key, default) in defaults.as_object().unwrap() {
                if now.contains_key(key) && !default.is_null() {
                    let default = || Value::try_from(default).unwrap();
                    then.entry(key).or_insert_with(default);
                }
            }
            assert_eq!(then, now, "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared} results with a variant");
}

#[test]
fn every_variant_and_method_trains_the_adapters_of_the_file() {
    for entry in fs::read_dir(root().join("configs")).unwrap().flatten() {
        let content = fs::read_to_string(entry.path()).unwrap();
        let table: Table = toml::from_str(&content).unwrap();
        if !table.contains_key("method") {
            continue;
        }
        let adapters = |variant: Option<&str>| -> Option<[Value; 3]> {
            let table = spelled_out(&content, &entry.path(), variant);
            let lora = method(&table).get("lora")?.clone();
            Some(["rank", "alpha", "target_modules"].map(|key| lora[key].clone()))
        };
        let own = adapters(None).unwrap();
        let variants = table.get("variants").and_then(Value::as_table);
        let variants = variants
            .into_iter()
            .flat_map(Table::keys)
            .map(String::as_str);
        let rows = treelora_experiment::method_rows().map(|row| row.name);
        let images = text(&table, "modality").as_deref() != Some("text");
        for name in variants.chain(rows.filter(|name| !images || !["fix", "frozen"].contains(name)))
        {
            if let Some(of_variant) = adapters(Some(name)) {
                assert_eq!(of_variant, own, "{} {name}", entry.path().display());
            }
        }
    }
}
