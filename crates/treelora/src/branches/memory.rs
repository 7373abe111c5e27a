//! What is remembered of the branches: where their tasks were, no example and no adapter.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use treelora_bandit::ArmTree;
use treelora_class_incremental::GroupMoments;
use treelora_core::{Error, TensorFile};
use treelora_kdtree::{
    GradientTree, Levels, Smoothness, SplitRule, TaskSearch, TaskSignature, TreeConfig, TreeError,
};

use super::{BranchChoice, BranchLoraConfig, Placement};
use crate::arm_tree::arm_tree;

const FILE: &str = "branches.safetensors";

/// The mean features of each task, and the moments of each branch.
#[derive(Clone, Debug, Default)]
pub struct Branches {
    /// Mean features of the tasks in the order they were learned.
    signatures: Vec<Vec<f32>>,
    /// The branch of each of them.
    branch_of: Vec<usize>,
    moments: Vec<GroupMoments>,
}

impl Branches {
    /// Number of branches.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Whether no task was learned.
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// The branch of each task, in the order they were learned.
    pub fn branch_of(&self) -> &[usize] {
        &self.branch_of
    }

    /// The branch for a task with these moments; `rng` draws for the choice at random alone.
    ///
    /// # Errors
    /// When the features are not finite.
    ///
    /// # Panics
    /// When the task has no example, or features of another width.
    pub fn place(
        &self,
        task: &GroupMoments,
        config: &BranchLoraConfig,
        mut rng: impl Rng,
    ) -> Result<Placement, Error> {
        let new = self.len();
        let unseen = |branch| Placement {
            branch,
            nearest: None,
            shift: None,
            looked_at: 0,
            start: (branch < new).then_some(branch),
            passes: 0,
        };
        if self.is_empty() {
            return Ok(unseen(new));
        }
        if config.choice == BranchChoice::One {
            return Ok(unseen(0));
        }
        let (candidates, looked_at) = match config.choice {
            BranchChoice::Exhaustive => ((0..new).collect(), 0),
            _ => self.near(task, config.neighbours)?,
        };
        let shifts = candidates
            .iter()
            .map(|&branch| (branch, task.shift_from(&self.moments[branch])));
        let (nearest, shift) = shifts
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("there is a branch");
        let branch = match (shift > config.tolerance, config.choice) {
            (true, _) | (_, BranchChoice::Each) => new,
            (false, BranchChoice::Random) => rng.random_range(0..new),
            (false, BranchChoice::Last) => self.branch_of[self.branch_of.len() - 1],
            (false, _) => nearest,
        };
        Ok(Placement {
            branch,
            nearest: Some(nearest),
            shift: Some(shift),
            looked_at: looked_at + candidates.len(),
            start: (branch < new).then_some(branch),
            passes: 0,
        })
    }

    /// The branches of the tasks nearest to a new one, ascending, and how many signatures were looked at.
    fn near(&self, task: &GroupMoments, tasks: usize) -> Result<(Vec<usize>, usize), Error> {
        let search = tree(self.signatures.iter().map(|values| signature(values)))
            .and_then(|tree| TaskSearch::new(&tree))
            .map_err(tree_error)?;
        let found = search
            .nearest(&signature(&narrowed(task)), tasks)
            .map_err(tree_error)?;
        let branches = found.tasks.iter().map(|near| self.branch_of[near.task]);
        let mut branches: Vec<usize> = branches.collect();
        branches.sort_unstable();
        branches.dedup();
        Ok((branches, found.looked_at))
    }

    /// The tree over the branches, by the means of their features, with deltas that bound what costs differ by.
    ///
    /// # Errors
    /// When the features are not finite.
    ///
    /// # Panics
    /// Without branches.
    pub(super) fn arms(&self) -> Result<ArmTree, Error> {
        let means = self
            .moments
            .iter()
            .map(|branch| signature(&narrowed(branch)));
        let tree = tree(means).map_err(tree_error)?;
        Ok(arm_tree(tree.structure()))
    }

    /// Take in a task that was trained on `branch`.
    ///
    /// # Panics
    /// When the branch is neither one of those that there are nor the next one.
    pub fn insert(&mut self, branch: usize, task: GroupMoments) {
        assert!(branch <= self.len(), "branch {branch} of {}", self.len());
        self.signatures.push(narrowed(&task));
        self.branch_of.push(branch);
        match self.moments.get_mut(branch) {
            Some(moments) => moments.merge(&task),
            None => self.moments.push(task),
        }
    }

    /// Bytes that are kept.
    pub fn num_bytes(&self) -> usize {
        let signatures: usize = self.signatures.iter().map(Vec::len).sum();
        let moments: usize = self.moments.iter().map(GroupMoments::num_bytes).sum();
        signatures * size_of::<f32>() + self.branch_of.len() * size_of::<usize>() + moments
    }

    /// Write one file.
    ///
    /// # Errors
    /// When writing fails.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        file.insert_indices("branch_of", self.branch_of.iter().copied());
        for (task, values) in self.signatures.iter().enumerate() {
            let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            file.insert_f64(format!("signature.{task:05}"), wide, [1, values.len()]);
        }
        for (branch, moments) in self.moments.iter().enumerate() {
            moments.save(&format!("branch.{branch:05}"), &mut file);
        }
        Ok(file.save(&dir.join(FILE))?)
    }

    /// Read what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub(crate) fn load(dir: &Path) -> Result<Self, Error> {
        let file = TensorFile::load(&dir.join(FILE))?;
        let branch_of = file.indices("branch_of")?;
        let signatures = (0..branch_of.len()).map(|task| {
            let values = file.f64s(&format!("signature.{task:05}"))?;
            Ok(values.iter().map(|&value| value as f32).collect())
        });
        let branches = branch_of.iter().max().map_or(0, |last| last + 1);
        let moments =
            (0..branches).map(|branch| GroupMoments::load(&format!("branch.{branch:05}"), &file));
        Ok(Self {
            signatures: signatures.collect::<Result<_, Error>>()?,
            moments: moments.collect::<Result<_, Error>>()?,
            branch_of,
        })
    }
}

/// Along principal components, as deep as it takes.
fn tree(signatures: impl Iterator<Item = TaskSignature>) -> Result<GradientTree, TreeError> {
    let config = TreeConfig {
        split: SplitRule::PrincipalComponent,
        levels: Levels::Whole,
        smoothness: Smoothness::Diameter,
        ..TreeConfig::default()
    };
    GradientTree::build(&config, signatures.collect())
}

fn narrowed(task: &GroupMoments) -> Vec<f32> {
    task.mean().iter().map(|&value| value as f32).collect()
}

/// A signature on the host's device, where the tree over tasks is searched.
fn signature(values: &[f32]) -> TaskSignature {
    let data = TensorData::new(values.to_vec(), [1, values.len()]);
    TaskSignature::new(Tensor::from_data(
        data,
        &Device::default().without_autodiff(),
    ))
}

fn tree_error(error: TreeError) -> Error {
    Error::Data(error.to_string())
}
