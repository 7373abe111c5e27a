//! The committed results, run again from the configuration that stands beside each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{process, workspace::Workspace};

pub(crate) const ARGUMENTS: &str = "[RESULT ...] [--data DIR] [--weights PATH]";

const RESULTS: &str = "docs/results";

/// Another machine rounds elsewhere, and training carries that on: so many points of accuracy may
/// differ. On the machine of the result nothing may.
const TOLERANCE: f64 = 3.0;

/// Run results again: those named, or else all that need neither data nor weights.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let all = recorded(workspace)?;
    let chosen: Vec<&Recorded> = match options.names.is_empty() {
        true => all.iter().filter(|result| !result.needs_files).collect(),
        false => all
            .iter()
            .filter(|result| options.names.iter().any(|name| result.is(name)))
            .collect(),
    };
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|result| result.name.as_str()).collect();
        bail!("no such result; there are\n  {}", names.join("\n  "));
    }
    println!("result | accuracy recorded, now | BWT (paper) recorded, now | matrix");
    let mut differing = Vec::new();
    for result in chosen {
        let now = result.again(workspace, &options)?;
        let then = &result.metrics;
        let equal = then["matrix"] == now["matrix"];
        let pair = |name: &str| (percent(then, name), percent(&now, name));
        let (accuracy, forgetting) = (pair("acc_last"), pair("bwt_treelora_paper"));
        println!(
            "{} | {:.2}, {:.2} | {:.2}, {:.2} | {}",
            result.name,
            accuracy.0,
            accuracy.1,
            forgetting.0,
            forgetting.1,
            if equal { "equal" } else { "other" }
        );
        if !equal && (accuracy.0 - accuracy.1).abs() > TOLERANCE {
            differing.push(result.name.as_str());
        }
    }
    match differing.is_empty() {
        true => Ok(()),
        false => bail!("more than {TOLERANCE} points off: {}", differing.join(", ")),
    }
}

/// One folder of committed results.
struct Recorded {
    /// Its path below [`RESULTS`].
    name: String,
    metrics: Value,
    needs_files: bool,
}

impl Recorded {
    fn is(&self, asked: &str) -> bool {
        let asked = asked
            .trim_start_matches("docs/results/")
            .trim_end_matches('/');
        self.name == asked || self.name.starts_with(&format!("{asked}/"))
    }

    /// Metrics of a new run of its configuration.
    fn again(&self, workspace: &Workspace, options: &Options) -> Result<Value> {
        let out = workspace.target.join("reproduce").join(&self.name);
        if out.exists() {
            fs::remove_dir_all(&out).with_context(|| out.display().to_string())?;
        }
        let config = Path::new(RESULTS).join(&self.name).join("config.toml");
        let mut command = process::cargo(&workspace.root);
        command
            .args(["run", "--release", "--package", "treelora-cli", "--", "run"])
            .arg(config)
            .arg("--out")
            .arg(&out);
        for (flag, path) in [("--data", &options.data), ("--weights", &options.weights)] {
            if let Some(path) = path {
                command.arg(flag).arg(path);
            }
        }
        process::run(command)?;
        json(&out.join("metrics.json"))
    }
}

fn percent(metrics: &Value, name: &str) -> f64 {
    100.0
        * metrics["metrics"][name]["value"]
            .as_f64()
            .unwrap_or(f64::NAN)
}

/// Every folder below [`RESULTS`] that a run left, by name.
fn recorded(workspace: &Workspace) -> Result<Vec<Recorded>> {
    let manifests = workspace
        .files
        .iter()
        .filter(|path| path.starts_with(RESULTS) && path.ends_with("manifest.json"));
    let mut results = Vec::new();
    for path in manifests {
        let folder = path.parent().unwrap_or(path);
        let manifest = json(&workspace.root.join(path))?;
        let name = folder.strip_prefix(RESULTS).unwrap_or(folder);
        results.push(Recorded {
            name: name.display().to_string(),
            metrics: json(&workspace.root.join(folder).join("metrics.json"))?,
            needs_files: !(manifest["data_sha256"].is_null()
                && manifest["weights_sha256"].is_null()),
        });
    }
    results.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(results)
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[derive(Debug, Default, PartialEq)]
struct Options {
    names: Vec<String>,
    data: Option<PathBuf>,
    weights: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let place = match argument.as_str() {
                "--data" => &mut options.data,
                "--weights" => &mut options.weights,
                flag if flag.starts_with('-') => bail!("no option `{flag}`; there are {ARGUMENTS}"),
                name => {
                    options.names.push(name.to_owned());
                    continue;
                }
            };
            let Some(value) = rest.next() else {
                bail!("`{argument}` needs a value");
            };
            // The run starts in the workspace root, the path is the caller's.
            *place = Some(std::path::absolute(value)?);
        }
        Ok(options)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        let arguments: Vec<String> = text.split_whitespace().map(String::from).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn names_and_paths_in_any_order() {
        let options = parse("quickstart --data /d trace").unwrap();
        assert_eq!(options.names, ["quickstart", "trace"]);
        assert_eq!(options.data.as_deref(), Some(Path::new("/d")));
        assert_eq!(options.weights, None);
        for wrong in ["--data", "--seed 1"] {
            parse(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_name_is_a_folder_or_all_below_it() {
        let result = Recorded {
            name: "quickstart/tree-lora".into(),
            metrics: Value::Null,
            needs_files: false,
        };
        for asked in [
            "quickstart",
            "docs/results/quickstart/",
            "quickstart/tree-lora",
        ] {
            assert!(result.is(asked), "{asked}");
        }
        assert!(!result.is("quick"));
    }
}
