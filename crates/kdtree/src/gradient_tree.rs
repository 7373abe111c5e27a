//! Building the tree, growing it, and asking it.

use burn::tensor::Tensor;

use crate::{
    Merge, TaskSignature, TreeConfig, TreeError, TreeStructure, closest_pair::closest_pair,
    growth::grow_nodes, signature_bank::SignatureBank,
};

/// A [`TreeStructure`] over the signatures of tasks `0..len`, which stay on their device.
///
/// The tree follows from the configuration and the signatures in their order, however it came about:
/// built at once, grown by [`insert`](Self::insert), or read back.
///
/// Signatures are stored apart, one [`TaskSignature::to_data`] a task, and joined with the structure
/// by [`from_parts`](Self::from_parts).
#[derive(Clone, Debug)]
pub struct GradientTree {
    structure: TreeStructure,
    bank: SignatureBank,
}

impl GradientTree {
    /// Build the tree of `signatures`, task `k` being the `k`-th.
    ///
    /// Level by level: measure every task against the mean of its node at the level's layer (one
    /// round trip a level), split each node at the median (section 3.3 of the paper), until a node
    /// holds one task or the depth limit is reached. O(tasks * depth) vector operations, and depth
    /// is about `log2(tasks)` unless similarities tie.
    ///
    /// # Errors
    /// [`TreeError::NoTasks`], [`TreeError::Shape`] naming the first task of another shape,
    /// [`TreeError::Depth`], [`TreeError::NotFinite`] naming task and layer.
    pub fn build(config: &TreeConfig, signatures: Vec<TaskSignature>) -> Result<Self, TreeError> {
        let bank = SignatureBank::new(signatures)?;
        let weights = vec![1; bank.len()];
        Self::grow(*config, bank, weights)
    }

    /// Join a stored structure with its signatures, in task order.
    ///
    /// # Errors
    /// [`TreeError::TaskCount`] or [`TreeError::Shape`] when they do not fit, [`TreeError::NotFinite`].
    pub fn from_parts(
        structure: TreeStructure,
        signatures: Vec<TaskSignature>,
    ) -> Result<Self, TreeError> {
        if signatures.len() != structure.num_tasks() {
            return Err(TreeError::TaskCount {
                found: signatures.len(),
                expected: structure.num_tasks(),
            });
        }
        let bank = SignatureBank::new(signatures)?;
        let found = [bank.layers(), bank.features()];
        let expected = [structure.layers, structure.features];
        match found == expected {
            true => Ok(Self { structure, bank }),
            false => Err(TreeError::Shape {
                task: 0,
                found,
                expected,
            }),
        }
    }

    /// Add a task and return its number: the tree is that of [`build`](Self::build) over all tasks.
    ///
    /// A new task moves the mean and the median of every node above it, so that earlier tasks may
    /// change sides at any level; all splits are measured anew, once a task, at the cost of a build.
    ///
    /// # Errors
    /// [`TreeError::Shape`], [`TreeError::NotFinite`]; the tree is unchanged then.
    pub fn insert(&mut self, signature: TaskSignature) -> Result<usize, TreeError> {
        let task = self.len();
        let mut bank = self.bank.clone();
        bank.push(&signature)?;
        let mut weights = self.structure.weights.clone();
        weights.push(1);
        *self = Self::grow(self.structure.config, bank, weights)?;
        Ok(task)
    }

    /// Merge the two closest tasks into one until `budget` tasks are left, then build anew.
    ///
    /// Returns the merges in their order; the numbers of each hold at its moment: `freed` is
    /// removed, and later tasks move down by one. See [`Merge`] for what is close. None when the
    /// tasks are within the budget.
    ///
    /// # Errors
    /// [`TreeError::Budget`] for a budget of 0, [`TreeError::NotFinite`]; unchanged then.
    pub fn merge_to_budget(&mut self, budget: usize) -> Result<Vec<Merge>, TreeError> {
        if budget == 0 {
            return Err(TreeError::Budget);
        }
        let (mut bank, mut weights) = (self.bank.clone(), self.structure.weights.clone());
        let mut merges = Vec::new();
        while bank.len() > budget {
            let merge = closest_pair(&bank, &weights)?;
            bank.merge(merge.kept, merge.freed, merge.weights);
            weights[merge.kept] += weights[merge.freed];
            weights.remove(merge.freed);
            merges.push(merge);
        }
        if !merges.is_empty() {
            *self = Self::grow(self.structure.config, bank, weights)?;
        }
        Ok(merges)
    }

    /// The tree without signatures: nodes, drawing, serde.
    pub fn structure(&self) -> &TreeStructure {
        &self.structure
    }

    pub(crate) fn bank(&self) -> &SignatureBank {
        &self.bank
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.bank.len()
    }

    /// Never: a tree has a task.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The signature of a task.
    ///
    /// # Panics
    /// When there is no such task.
    pub fn signature(&self, task: usize) -> TaskSignature {
        assert!(task < self.len(), "task {task} of {}", self.len());
        self.bank.signature(task)
    }

    /// The vector `G_{k_l, l}` of a task `k_l` per layer `l`, in one gather whatever the number of
    /// tasks.
    ///
    /// # Shapes
    /// `[layers, features]`.
    ///
    /// # Panics
    /// When there is not one task per layer, or no such task.
    pub fn chosen(&self, tasks: &[usize]) -> Tensor<2> {
        assert_eq!(tasks.len(), self.bank.layers(), "one task per layer");
        if let Some(task) = tasks.iter().find(|&&task| task >= self.len()) {
            panic!("task {task} of {}", self.len());
        }
        self.bank.chosen(tasks)
    }

    fn grow(config: TreeConfig, bank: SignatureBank, weights: Vec<u64>) -> Result<Self, TreeError> {
        let limit = config.depth_limit(bank.layers())?;
        let nodes = grow_nodes(&config, &bank, limit)?;
        let structure = TreeStructure {
            config,
            layers: bank.layers(),
            features: bank.features(),
            weights,
            nodes,
        };
        Ok(Self { structure, bank })
    }
}
