//! The registry of methods: every name that `[method] name` and `--method` take.

use treelora::{TreeLoraConfig, branches::BranchLoraConfig};
use treelora_baselines::CONTENDERS;
use treelora_cl_bench::text::Demonstrations;
use treelora_core::{MethodRow, Needs};

pub(super) const TREE_LORA: &str = "tree-lora";
pub(super) const BRANCH_LORA: &str = "branch-lora";
pub(super) const FIX: &str = "fix";
pub(super) const FROZEN: &str = "frozen";

const OWN: MethodRow = MethodRow {
    name: TREE_LORA,
    sentence: "TreeLoRA; mode = \"treelora\", \"paper\" or \"reference\"",
    needs: Needs::AnyModel,
    keeps_adapters: true,
    infers_tasks: false,
    defaults: || {
        serde_json::to_value(TreeLoraConfig::default()).expect("settings are plain values")
    },
};

const BRANCHES: MethodRow = MethodRow {
    name: BRANCH_LORA,
    sentence: "an adapter for each domain: the tree over past tasks says which branch a task goes on with, or opens one",
    needs: Needs::AnyModel,
    keeps_adapters: true,
    infers_tasks: false,
    defaults: || {
        serde_json::to_value(BranchLoraConfig::default()).expect("settings are plain values")
    },
};

const IN_CONTEXT: MethodRow = MethodRow {
    name: FIX,
    sentence: "nothing is trained: training examples stand in front of every test prompt (FIX)",
    needs: Needs::Text,
    keeps_adapters: false,
    infers_tasks: false,
    defaults: || {
        serde_json::to_value(Demonstrations::default()).expect("settings are plain values")
    },
};

const UNTOUCHED: MethodRow = MethodRow {
    name: FROZEN,
    sentence: "nothing is trained: the base answers every task as it came (zero-shot)",
    needs: Needs::Text,
    keeps_adapters: false,
    infers_tasks: false,
    defaults: || serde_json::Value::Object(serde_json::Map::new()),
};

/// Every method, TreeLoRA first.
pub fn method_rows() -> impl Iterator<Item = &'static MethodRow> {
    [&OWN, &BRANCHES]
        .into_iter()
        .chain(CONTENDERS)
        .chain([&IN_CONTEXT, &UNTOUCHED])
}

/// The method called `name`.
pub fn method_row(name: &str) -> Option<&'static MethodRow> {
    method_rows().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::method_config::MethodConfig;

    #[test]
    fn every_row_is_a_method_with_the_defaults_it_says() {
        let mut names = Vec::new();
        for row in method_rows() {
            let mut table = (row.defaults)();
            table["name"] = row.name.into();
            let config = MethodConfig::try_from(table).expect(row.name);
            assert_eq!(config.name(), row.name);
            assert!(!names.contains(&row.name), "{} twice", row.name);
            names.push(row.name);
            config.validate().expect(row.name);
        }
        assert!(names.len() > 10, "{names:?}");
    }

    /// A frozen head over new classes could answer nothing.
    #[test]
    fn a_head_is_trained_where_a_file_says_only_where_adapters_go() {
        let mut with_adapters = 0;
        for row in method_rows().filter(|row| (row.defaults)().get("lora").is_some()) {
            let lora = serde_json::json!({ "rank": 2, "alpha": 2.0, "target_modules": ["q"] });
            let table = serde_json::json!({ "name": row.name, "lora": lora });
            let config = MethodConfig::try_from(table).expect(row.name);
            let trainable = &config.lora().expect(row.name).trainable;
            assert_eq!(trainable, &[r"^head\."], "{}", row.name);
            with_adapters += 1;
        }
        assert!(with_adapters > 10, "{with_adapters}");
    }
}
