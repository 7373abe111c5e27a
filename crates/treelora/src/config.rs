//! All settings of the method, with a preset for each mode of the paper.

use serde::{Deserialize, Serialize};
use treelora_core::Error;
use treelora_kdtree::Similarity;
use treelora_lora::{Granularity, LayerView, LoraConfig};

use crate::frozen_factor::Factor;

/// A named set of defaults; every setting can be overridden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The paper's text: gradient directions, `-L1` similarity, tree LCB, L1 regulariser.
    Paper,
    /// The released code: values of LoRA A, increments, dot products, softmax choice on raw
    /// costs, rescaled and ramped dot-product regulariser. Its quirks that change nothing but
    /// scale (each step added once per module) are left out; see `docs/paper-to-code.md`.
    Reference,
    /// What measures best on the real streams; the measurement is in `docs/method-choices.md`.
    #[default]
    #[serde(rename = "treelora")]
    TreeLora,
}

/// How each layer chooses one past task at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Lower confidence bound on the gradient tree (Eq. 2).
    TreeLcb,
    /// Lower confidence bound over all past tasks, without the tree.
    FlatLcb,
    /// A past task at random.
    Uniform,
    /// The released code: samples from a softmax of the negated mean cost plus a bonus.
    Softmax,
}

/// The term that is added to the task loss (Eq. 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regulariser {
    /// No term: the choice is made and recorded, nothing is pulled.
    None,
    /// `sum_l ||v_l - G_l||_1`, plain or relative as [`Scale`] says.
    L1,
    /// `-sum_l <v_l, G_l>`, rescaled to the size of the task loss and ramped over the epoch
    /// (released code).
    Dot,
}

/// Units of costs and of the L1 regulariser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// `||v - G||_1 / (||v||_1 + ||G||_1)`, in `[0, 1]` by the triangle inequality.
    Relative,
    /// `||v - G||_1`, for comparison with the released code.
    Raw,
}

/// Where the adapter of a new task starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// At the adapter of the previous task.
    Previous,
    /// At a fresh adapter (A Kaiming-uniform, B zero).
    Fresh,
    /// At the previous adapter; after `probe_steps` steps each layer restarts from the adapter of
    /// the past task with the smallest mean cost so far.
    Relatives,
}

/// Settings of TreeLoRA.
///
/// In a file, `mode` picks the preset and every other key overrides it:
///
/// ```
/// use treelora::{Choice, Mode, TreeLoraConfig};
///
/// let config: TreeLoraConfig =
///     serde_json::from_str(r#"{ "mode": "paper", "choice": "flat-lcb", "lora": { "rank": 4 } }"#)?;
/// assert_eq!(config.mode, Mode::Paper);
/// assert_eq!(config.choice, Choice::FlatLcb);
/// assert_eq!(config.lora.rank, 4);
/// assert_eq!(config.lambda, TreeLoraConfig::preset(Mode::Paper).lambda);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub struct TreeLoraConfig {
    /// The preset that the other settings started from.
    pub mode: Mode,
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
    /// What a layer contributes to signatures and costs.
    pub layer_vector: LayerView,
    /// One layer per adapted matrix, or per block.
    pub granularity: Granularity,
    /// Build the tree from `G_k - G_{k-1}` instead of `G_k` (released code).
    pub increments: bool,
    /// Similarity of a signature to a node's mean.
    pub similarity: Similarity,
    /// Depth limit of the tree; at most the number of layers. All layers when absent.
    pub max_depth: Option<usize>,
    /// How a past task is chosen.
    pub choice: Choice,
    /// The added term.
    pub regulariser: Regulariser,
    /// Weight of the term (paper: 0.1 for ViT, 0.5 for LLMs, flat between 0.1 and 1).
    pub lambda: f64,
    /// Units of costs and of the L1 term.
    pub scale: Scale,
    /// Factor on the adapters' learning rate from the second task on: slow learning keeps one
    /// feature space for all classes (1 = no slowing).
    pub slow_learning: f64,
    /// A factor that stays as the first task left it; none when absent. `a` with `slow_learning` is the control of the
    /// pull on values of A, which holds A in place and lets B learn slowly.
    pub frozen_factor: Option<Factor>,
    /// Where a new adapter starts.
    pub initialisation: Initialisation,
    /// Steps before [`Initialisation::Relatives`] restarts the adapter.
    pub probe_steps: usize,
    /// After each step, entries of A within this distance of the chosen relative's A snap to it, so
    /// that few entries differ; 0 switches it off. Adapters are stored dense all the same.
    pub sparsity: f64,
    /// Adapters kept at most; beyond it the two closest are merged. No limit when absent.
    pub storage_budget: Option<usize>,
}

impl TreeLoraConfig {
    /// The defaults of a mode, with adapters on the query and value projections of every block.
    pub fn preset(mode: Mode) -> Self {
        let paper = Self {
            mode,
            lora: LoraConfig {
                target_modules: vec![r"\.(q|v|q_proj|v_proj)\.weight$".into()],
                trainable: vec!["^head\\.".into()],
                ..LoraConfig::new(8, 8.0)
            },
            layer_vector: LayerView::GradientA,
            granularity: Granularity::Matrix,
            increments: false,
            similarity: Similarity::NegativeL1,
            max_depth: Some(5),
            choice: Choice::TreeLcb,
            regulariser: Regulariser::L1,
            lambda: 0.1,
            scale: Scale::Relative,
            slow_learning: 1.0,
            frozen_factor: None,
            initialisation: Initialisation::Previous,
            probe_steps: 10,
            sparsity: 0.0,
            storage_budget: None,
        };
        match mode {
            Mode::Paper => paper,
            Mode::Reference => Self {
                layer_vector: LayerView::FactorA,
                increments: true,
                similarity: Similarity::Dot,
                max_depth: None,
                choice: Choice::Softmax,
                regulariser: Regulariser::Dot,
                scale: Scale::Raw,
                ..paper
            },
            Mode::TreeLora => Self {
                layer_vector: LayerView::FactorA,
                max_depth: None,
                lambda: 0.5,
                slow_learning: 0.1,
                ..paper
            },
        }
    }

    /// Check the settings on their own; what depends on the model is checked at the first task.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |ok: bool, key: &str, problem: String| match ok {
            true => Ok(()),
            false => Err(Error::setting(key, problem)),
        };
        self.lora
            .validate()
            .map_err(|e| Error::setting("lora", e.to_string()))?;
        check(
            self.lambda >= 0.0 && self.lambda.is_finite(),
            "lambda",
            format!("{} is not a finite number from 0 up", self.lambda),
        )?;
        check(
            (0.0..=1.0).contains(&self.slow_learning),
            "slow_learning",
            format!("{} is not in [0, 1]", self.slow_learning),
        )?;
        check(
            self.sparsity >= 0.0 && self.sparsity.is_finite(),
            "sparsity",
            format!("{} is not a finite number from 0 up", self.sparsity),
        )?;
        check(
            self.max_depth != Some(0),
            "max_depth",
            "0 leaves no level to split at".into(),
        )?;
        check(
            self.storage_budget != Some(0),
            "storage_budget",
            "0 adapters cannot hold a task".into(),
        )?;
        check(
            self.scale == Scale::Relative || self.choice != Choice::TreeLcb,
            "scale",
            "raw costs are not in [0, 1], which the tree's bound assumes; use `relative`".into(),
        )?;
        check(
            self.layer_vector == LayerView::FactorA || self.regulariser != Regulariser::Dot,
            "regulariser",
            "`dot` is defined on `layer_vector = \"factor-a\"`".into(),
        )
    }
}

impl Default for TreeLoraConfig {
    fn default() -> Self {
        Self::preset(Mode::default())
    }
}

impl TryFrom<serde_json::Value> for TreeLoraConfig {
    type Error = String;

    /// The preset of `mode`, overridden key by key.
    fn try_from(overrides: serde_json::Value) -> Result<Self, String> {
        let mode = match overrides.get("mode") {
            Some(mode) => {
                serde_json::from_value(mode.clone()).map_err(|e| format!("key `mode`: {e}"))?
            }
            None => Mode::default(),
        };
        let preset = Self::preset(mode);
        let mut merged = serde_json::to_value(&preset).map_err(|e| e.to_string())?;
        merge(&mut merged, overrides);
        serde_json::from_value::<Settings>(merged)
            .map(Into::into)
            .map_err(|e| e.to_string())
    }
}

/// Overlay `overrides` on `base`, table by table.
fn merge(base: &mut serde_json::Value, overrides: serde_json::Value) {
    match (base, overrides) {
        (serde_json::Value::Object(base), serde_json::Value::Object(overrides)) => {
            for (key, value) in overrides {
                match base.get_mut(&key) {
                    Some(slot) => merge(slot, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, overrides) => *base = overrides,
    }
}

/// [`TreeLoraConfig`] with every key given: what the merged table must hold.
macro_rules! settings {
    ($($field:ident: $type:ty),* $(,)?) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Settings { $($field: $type),* }

        impl From<Settings> for TreeLoraConfig {
            fn from(settings: Settings) -> Self {
                Self { $($field: settings.$field),* }
            }
        }
    };
}

settings! {
    mode: Mode,
    lora: LoraConfig,
    layer_vector: LayerView,
    granularity: Granularity,
    increments: bool,
    similarity: Similarity,
    max_depth: Option<usize>,
    choice: Choice,
    regulariser: Regulariser,
    lambda: f64,
    scale: Scale,
    slow_learning: f64,
    frozen_factor: Option<Factor>,
    initialisation: Initialisation,
    probe_steps: usize,
    sparsity: f64,
    storage_budget: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_survive_serde() {
        for mode in [Mode::Paper, Mode::Reference, Mode::TreeLora] {
            let config = TreeLoraConfig::preset(mode);
            assert!(config.validate().is_ok(), "{mode:?}");
            let json = serde_json::to_string(&config).expect("serialises");
            let read: TreeLoraConfig = serde_json::from_str(&json).expect("reads back");
            assert_eq!(read, config);
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = serde_json::from_str::<TreeLoraConfig>(r#"{ "lamda": 1.0 }"#)
            .expect_err("a typo")
            .to_string();
        assert!(error.contains("lamda"), "{error}");
    }

    #[test]
    fn settings_out_of_range_name_their_key() {
        type Spoil = fn(&mut TreeLoraConfig);
        let cases: [(&str, Spoil); 5] = [
            ("lambda", |c| c.lambda = -1.0),
            ("slow_learning", |c| c.slow_learning = 2.0),
            ("max_depth", |c| c.max_depth = Some(0)),
            ("storage_budget", |c| c.storage_budget = Some(0)),
            ("scale", |c| c.scale = Scale::Raw),
        ];
        for (key, spoil) in cases {
            let mut config = TreeLoraConfig::default();
            spoil(&mut config);
            let error = config.validate().expect_err(key);
            assert!(
                matches!(&error, Error::Setting { key: named, .. } if named == key),
                "{error}"
            );
        }
    }
}
