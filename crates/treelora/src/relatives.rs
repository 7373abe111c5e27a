//! The past tasks: their signatures, the tree over them, and the bandits that pick one per layer.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use rand::Rng;
use treelora_bandit::{BanditError, CostScale, LayerBandits, Policy};
use treelora_core::{Error, TensorFile, read_json, write_json};
use treelora_kdtree::{GradientTree, Merge, TaskSignature, TreeConfig, TreeError, TreeStructure};

use crate::{
    Choice, Scale, TreeLoraConfig,
    arm_tree::arm_tree,
    choice_history::{ArmRecord, ChoiceHistory, ChoiceWindow},
};

/// What TreeLoRA knows of the tasks it has learned.
///
/// A *slot* is a task of the tree and an arm of the bandits: one signature, of a task or of merged
/// tasks.
#[derive(Debug)]
pub struct Relatives {
    tree_config: TreeConfig,
    choice: Choice,
    scale: CostScale,
    layers: usize,
    tree: Option<GradientTree>,
    bandits: Option<LayerBandits>,
    horizon: u64,
    history: ChoiceHistory,
}

impl Relatives {
    /// Of no task.
    pub(crate) fn new(config: &TreeLoraConfig) -> Self {
        Self {
            tree_config: TreeConfig {
                similarity: config.similarity,
                max_depth: config.max_depth,
                increments: config.increments,
                ..TreeConfig::default()
            },
            choice: config.choice,
            scale: match config.scale {
                Scale::Relative => CostScale::Unit,
                Scale::Raw => CostScale::Raw,
            },
            layers: 0,
            tree: None,
            bandits: None,
            horizon: 1,
            history: ChoiceHistory::default(),
        }
    }

    /// Fix the number of layers, on which the depth limit depends.
    ///
    /// # Errors
    /// When the depth limit is above the number of layers.
    pub(crate) fn set_layers(&mut self, layers: usize) -> Result<(), Error> {
        self.tree_config
            .depth_limit(layers)
            .map_err(|e| Error::setting("max_depth", e.to_string()))?;
        self.layers = layers;
        Ok(())
    }

    /// Whether there is no past task.
    pub fn is_empty(&self) -> bool {
        self.tree.is_none()
    }

    /// The tree over the past tasks.
    pub fn tree(&self) -> Option<&GradientTree> {
        self.tree.as_ref()
    }

    /// Arm statistics of every layer in the current task.
    pub fn bandits(&self) -> Option<&LayerBandits> {
        self.bandits.as_ref()
    }

    /// Start the arm statistics anew: distances to the last task say nothing about the next.
    pub(crate) fn begin_task(&mut self) {
        self.history = ChoiceHistory::default();
        self.bandits = self
            .tree
            .as_ref()
            .map(|tree| LayerBandits::new(arm_tree(tree.structure()), self.layers, self.scale));
    }

    /// Rounds of the current task, which the softmax policy needs.
    pub(crate) fn set_horizon(&mut self, rounds: usize) {
        self.horizon = rounds.max(1) as u64;
    }

    /// One past slot per layer.
    ///
    /// # Panics
    /// Before the first task has ended.
    pub(crate) fn choose(&mut self, rng: &mut impl Rng) -> Vec<usize> {
        let policy = match self.choice {
            Choice::TreeLcb => Policy::TreeLcb,
            Choice::FlatLcb => Policy::FlatLcb,
            Choice::Uniform => Policy::Uniform,
            Choice::Softmax => Policy::Softmax {
                horizon: self.horizon,
            },
        };
        let bandits = self.bandits.as_mut().expect("a choice among past tasks");
        bandits.choose(policy, rng)
    }

    /// Add the observed costs of a choice that was made when the share `progress` of the task was
    /// done.
    ///
    /// # Errors
    /// When a cost is no number of its scale: the layer vectors are not finite.
    pub(crate) fn observe(
        &mut self,
        chosen: &[usize],
        costs: &[f64],
        progress: f64,
    ) -> Result<(), BanditError> {
        match &mut self.bandits {
            Some(bandits) => {
                self.history.note(chosen, progress, bandits);
                bandits.record(chosen, costs)
            }
            None => Ok(()),
        }
    }

    /// The choices of the current task so far.
    pub(crate) fn windows(&self) -> Vec<ChoiceWindow> {
        let bandits = self.bandits.as_ref();
        bandits.map_or_else(Vec::new, |bandits| self.history.windows(bandits))
    }

    /// Arm statistics of the current task so far, `[layer][arm]`.
    pub(crate) fn arm_records(&self) -> Vec<Vec<ArmRecord>> {
        let bandits = self.bandits.iter().flat_map(LayerBandits::layers);
        bandits.map(ArmRecord::of_layer).collect()
    }

    /// The slot with the smallest mean cost of each layer; slot 0 where none was observed.
    pub(crate) fn best(&self) -> Vec<usize> {
        let bandits = self.bandits.iter().flat_map(LayerBandits::layers);
        bandits
            .map(|layer| layer.statistics().best().unwrap_or(0))
            .collect()
    }

    /// Signature rows of the slot that each layer chose, detached.
    ///
    /// # Shapes
    /// `[layers, features]`.
    pub(crate) fn rows(&self, chosen: &[usize]) -> Tensor<2> {
        self.tree
            .as_ref()
            .expect("rows of past tasks")
            .chosen(chosen)
    }

    /// Take in the signature of a finished task; the medians are measured anew.
    ///
    /// # Errors
    /// When the signature is not finite or of another shape.
    pub(crate) fn insert(&mut self, signature: TaskSignature) -> Result<(), Error> {
        match &mut self.tree {
            Some(tree) => {
                tree.insert(signature).map_err(tree_error)?;
                Ok(())
            }
            None => {
                let tree = GradientTree::build(&self.tree_config, vec![signature]);
                self.tree = Some(tree.map_err(tree_error)?);
                Ok(())
            }
        }
    }

    /// Merge the closest slots until `budget` are left.
    ///
    /// # Errors
    /// When a signature is not finite.
    pub(crate) fn merge_to_budget(&mut self, budget: usize) -> Result<Vec<Merge>, Error> {
        match &mut self.tree {
            Some(tree) => tree.merge_to_budget(budget).map_err(tree_error),
            None => Ok(Vec::new()),
        }
    }

    /// Bytes of all signatures.
    pub fn num_bytes(&self) -> usize {
        self.tree.as_ref().map_or(0, |tree| {
            let structure = tree.structure();
            tree.len() * structure.layers() * structure.features() * size_of::<f32>()
        })
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        let Some(tree) = &self.tree else {
            return Ok(());
        };
        let mut file = TensorFile::new();
        for slot in 0..tree.len() {
            file.insert(format!("{slot:05}"), tree.signature(slot).tensor());
        }
        file.save(&dir.join(SIGNATURES))?;
        let path = dir.join(TREE);
        write_json(&path, tree.structure())
    }

    pub(crate) fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let path = dir.join(TREE);
        if !path.exists() {
            self.tree = None;
            return Ok(());
        }
        let structure: TreeStructure = read_json(&path)?;
        let file = TensorFile::load(&dir.join(SIGNATURES))?;
        let device = device.clone().without_autodiff();
        let signatures = (0..structure.num_tasks())
            .map(|slot| {
                Ok(TaskSignature::new(
                    file.tensor(&format!("{slot:05}"), &device)?,
                ))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let tree = GradientTree::from_parts(structure, signatures)
            .map_err(|e| Error::format(&path, e.to_string()))?;
        self.tree = Some(tree);
        Ok(())
    }

    /// What the current task has added: arm statistics and choices.
    pub(crate) fn save_progress(&self, dir: &Path) -> Result<(), Error> {
        write_json(&dir.join(BANDITS), &(&self.bandits, &self.history))
    }

    /// After [`begin_task`](Self::begin_task).
    ///
    /// # Errors
    /// When the file is missing or damaged, or of another tree.
    pub(crate) fn load_progress(&mut self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(BANDITS);
        let (bandits, history): (Option<LayerBandits>, _) = read_json(&path)?;
        let shape = |bandits: &Option<LayerBandits>| {
            let bandits = bandits.as_ref();
            bandits.map(|bandits| (bandits.layers().len(), bandits.tree().num_arms()))
        };
        if shape(&bandits) != shape(&self.bandits) {
            let problem = format!(
                "(layers, arms) {:?}, the run has {:?}",
                shape(&bandits),
                shape(&self.bandits)
            );
            return Err(Error::format(path, problem));
        }
        (self.bandits, self.history) = (bandits, history);
        Ok(())
    }
}

const BANDITS: &str = "bandits.json";
const TREE: &str = "tree.json";
const SIGNATURES: &str = "signatures.safetensors";

fn tree_error(error: TreeError) -> Error {
    Error::Data(error.to_string())
}
