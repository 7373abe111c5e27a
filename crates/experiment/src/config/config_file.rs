//! A configuration file, with a variant and settings of the command line laid over it.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};
use treelora_core::Error;

use crate::{
    config::{
        culprit::configured,
        layers::{lay_over, only_method, set},
        places::Places,
    },
    methods::rows::method_row,
};

/// What is asked for, and where each part of it was said.
pub(crate) struct ConfigFile<'a> {
    table: Table,
    places: Places<'a>,
}

impl<'a> ConfigFile<'a> {
    /// The table of a file with a variant and single settings (dotted key, TOML value) laid over it, without the
    /// variants.
    ///
    /// A `variant` that the file does not list is the name of a method. Either way the method inherits what the file's
    /// `[method]` says and the other method has too, so that what is compared differs in nothing but what is said.
    ///
    /// # Errors
    /// When the text is not TOML, a part of a dotted key is a value and not a table, or the variant is neither a table
    /// of the file nor a method.
    pub(crate) fn merged(
        text: &'a str,
        path: &'a Path,
        variant: Option<&'a str>,
        changes: &'a [(String, String)],
    ) -> Result<Self, Error> {
        let mut table: Table = toml::from_str(text)
            .map_err(|e| Error::format(path, e.to_string().trim_end().to_owned()))?;
        let places = Places {
            path,
            text,
            variant,
            changes,
        };
        let variants = match table.remove("variants") {
            Some(Value::Table(variants)) => variants,
            Some(_) => return Err(places.error("variants", "`variants` is a value, not a table")),
            None => Table::new(),
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
            set(&mut table, key, value).map_err(|problem| places.error(key, &problem))?;
        }
        Ok(Self { table, places })
    }

    /// What the tasks are made of, where that is said.
    pub(crate) fn modality(&self) -> Option<&str> {
        self.table.get("modality").and_then(Value::as_str)
    }

    /// All that is asked for.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// The settings as a configuration.
    ///
    /// # Errors
    /// When a key is unknown, missing or of another type; the message names the file and the line, or the setting of
    /// the command line.
    pub(crate) fn typed<C: DeserializeOwned>(&self) -> Result<C, Error> {
        configured(&self.table).map_err(|mistake| {
            let key = mistake.key.join(".");
            self.places.error(&key, &mistake.problem)
        })
    }

    /// An error about one of the settings with its place; any other as it came.
    pub(crate) fn placed(&self, error: Error) -> Error {
        match &error {
            Error::Setting { key, .. } if self.places.know(key) => {
                self.places.error(key, &error.to_string())
            }
            _ => error,
        }
    }

    /// What was found out about the settings, with the place of a wrong one.
    ///
    /// # Errors
    /// As it came; the message names the file and the line, or the setting of the command line.
    pub(crate) fn checked(&self, outcome: Result<(), Error>) -> Result<(), Error> {
        outcome.map_err(|error| match &error {
            Error::Setting { key, .. } => self.places.error(key, &error.to_string()),
            _ => Error::format(self.places.path, error.to_string()),
        })
    }
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
        merged(FILE, variant).unwrap().table["method"]
            .as_table()
            .unwrap()
            .clone()
    }

    fn merged<'a>(text: &'a str, variant: Option<&'a str>) -> Result<ConfigFile<'a>, Error> {
        ConfigFile::merged(text, Path::new("file.toml"), variant, &[])
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
        let held = merged(FILE, Some("held")).unwrap();
        assert!(!held.table.contains_key("classifier"));
    }

    #[test]
    fn a_name_that_is_nothing_says_what_there_is() {
        let error = merged(FILE, Some("helt")).err().unwrap();
        let message = error.to_string();
        for part in ["file.toml", "`helt`", "held, wide", "treelora list"] {
            assert!(message.contains(part), "{message}");
        }
    }

    /// What is wrong with the file under a variant and changes.
    fn mistake(variant: Option<&str>, changes: &[(&str, &str)]) -> String {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let changes: Vec<_> = changes.iter().map(owned).collect();
        let text = WRONG.trim_start();
        let file = ConfigFile::merged(text, Path::new("file.toml"), variant, &changes);
        let wrong = file.and_then(|file| {
            file.checked(Err(Error::setting("method.lora.rank", "is wrong")))?;
            file.typed::<Tiny>().map(|_| ())
        });
        wrong.unwrap_err().to_string()
    }

    const WRONG: &str = r#"
name = "tiny"

[method]
name = "ewc"
lora = { alpha = 2.0, rank = 0 }

[variants.flat]
method = { lora = { rank = 0 } }
"#;

    #[derive(Debug, serde::Deserialize)]
    struct Tiny {}

    #[test]
    fn a_setting_that_is_wrong_is_shown_where_it_was_said() {
        let own = "file.toml: line 5: setting `method.lora.rank`: is wrong\n  |\n5 | lora = { alpha = 2.0, rank = 0 }\n  \
                   |                       ^^^^";
        assert_eq!(mistake(None, &[]), own);
        assert_eq!(mistake(Some("ewc"), &[]), own);
        let flat = mistake(Some("flat"), &[]);
        assert!(flat.starts_with("file.toml: line 8: setting"), "{flat}");
        for (key, value) in [("method.lora.rank", "0"), ("method.lora", "{ rank = 0 }")] {
            let set = mistake(Some("flat"), &[("name", "x"), (key, value)]);
            let said = format!("file.toml: --set {key}={value}: setting `method.lora.rank`");
            assert!(set.starts_with(&said), "{set}");
        }
        // Another setting beside it has no part in it.
        let beside = mistake(None, &[("method.lora.alpha", "1")]);
        assert!(beside.starts_with("file.toml: line 5:"), "{beside}");
        let value = mistake(None, &[("name.x", "1")]);
        assert!(
            value.contains("--set name.x=1") && value.contains("`name` is a value"),
            "{value}"
        );
    }
}
