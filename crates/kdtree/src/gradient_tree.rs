//! Building the tree, growing it, and asking it.

use burn::tensor::Tensor;

use crate::{
    Merge, NodeKind, Split, TaskSignature, TreeConfig, TreeError, TreeStructure,
    closest_pair::closest_pair,
    growth::{graft, subtree},
    measurement::{Measurement, measure_against},
    signature_bank::SignatureBank,
};

/// A [`TreeStructure`] over the signatures of tasks `0..len`, which stay on their device.
///
/// The subtree below a node depends on the tasks below it and on its level alone. From this follows
/// where [`insert`](Self::insert) and [`rebuild`](Self::rebuild) agree:
/// - up to two tasks, always;
/// - off the branch of the inserted task, each subtree whose tasks the rebuilt tree also has below
///   one node of that level is equal in both;
/// - altogether, when the new mean and median at each node of the branch move no earlier task to the
///   other side and leave the new one where it was put.
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
    /// [`TreeError::TaskCount`] or [`TreeError::Shape`] when they do not fit.
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

    /// Add a task below its nearest branch and return its number. All other splits stay.
    ///
    /// A leaf above the depth limit becomes an inner node over its task and the new one; a leaf at
    /// the limit takes the task in. On the branch, `delta` widens to hold the new task.
    ///
    /// # Errors
    /// [`TreeError::Shape`], [`TreeError::NotFinite`]; the tree is unchanged then.
    pub fn insert(&mut self, signature: TaskSignature) -> Result<usize, TreeError> {
        let (branch, distances) = self.descend(&signature)?;
        let task = self.len();
        let mut bank = self.bank.clone();
        bank.push(&signature)?;

        let mut structure = self.structure.clone();
        structure.weights.push(1);
        for (&node, &distance) in branch.iter().zip(&distances) {
            let node = &mut structure.nodes[node];
            node.inserted += 1;
            node.delta = node.delta.max(distance);
        }
        let leaf = branch[branch.len() - 1];
        let limit = structure.config.depth_limit(structure.layers)?;
        let NodeKind::Leaf { tasks } = &mut structure.nodes[leaf].kind else {
            unreachable!("a branch ends at a leaf");
        };
        tasks.push(task);
        // A leaf above the limit holds one task: splitting the two is what a rebuild would do.
        let tasks = tasks.clone();
        let level = structure.nodes[leaf].level;
        let mut parts = subtree(&structure.config, &bank, tasks, level, limit)?;
        parts[0].inserted = structure.nodes[leaf].inserted;
        if level == limit {
            parts[0].delta = parts[0].delta.max(structure.nodes[leaf].delta);
        }
        graft(&mut structure.nodes, leaf, parts);
        (self.structure, self.bank) = (structure, bank);
        Ok(task)
    }

    /// Build the tree anew from the signatures it has.
    ///
    /// # Errors
    /// [`TreeError::NotFinite`]; the tree is unchanged then.
    pub fn rebuild(&mut self) -> Result<(), TreeError> {
        let weights = self.structure.weights.clone();
        *self = Self::grow(self.structure.config, self.bank.clone(), weights)?;
        Ok(())
    }

    /// The nodes from the root to the leaf that `signature` belongs to.
    ///
    /// At a median split a signature goes where its similarity to the node's mean says, compared to
    /// the median that was measured; at a halved node, which has no such threshold, to the branch
    /// whose mean is more similar, left on ties. One round trip a level.
    ///
    /// # Errors
    /// [`TreeError::Shape`], [`TreeError::NotFinite`]; both name the signature by the number it would
    /// get on insertion.
    pub fn nearest_branch(&self, signature: &TaskSignature) -> Result<Vec<usize>, TreeError> {
        Ok(self.descend(signature)?.0)
    }

    /// Merge the two closest tasks into one until `budget` tasks are left, then rebuild.
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
        let tasks = (0..bank.len()).collect();
        let nodes = subtree(&config, &bank, tasks, 0, limit)?;
        let structure = TreeStructure {
            config,
            layers: bank.layers(),
            features: bank.features(),
            weights,
            nodes,
        };
        Ok(Self { structure, bank })
    }

    /// The branch of `signature`, and its distance to the mean of each inner node on it.
    fn descend(&self, signature: &TaskSignature) -> Result<(Vec<usize>, Vec<f64>), TreeError> {
        let task = self.len();
        let found = [signature.layers(), signature.features()];
        let expected = [self.bank.layers(), self.bank.features()];
        if found != expected {
            return Err(TreeError::Shape {
                task,
                found,
                expected,
            });
        }
        let (mut branch, mut distances) = (vec![0], Vec::new());
        loop {
            let node = branch[branch.len() - 1];
            let NodeKind::Inner { left, right, split } = self.structure.nodes[node].kind else {
                return Ok((branch, distances));
            };
            let groups = [node, left, right].map(|node| self.structure.tasks_below(node));
            let groups: Vec<&[usize]> = groups.iter().map(Vec::as_slice).collect();
            let layer = self.structure.nodes[node].level;
            let measured = self.measure(signature, layer, &groups)?;
            distances.push(measured[0].distance);
            let goes_left = match split {
                Split::Median { threshold } | Split::Ties { threshold } => {
                    f64::from(measured[0].similarity) >= threshold
                }
                Split::Halved => measured[1].similarity >= measured[2].similarity,
            };
            branch.push(if goes_left { left } else { right });
        }
    }

    /// A signature that is to become the next task, against the means of groups of tasks.
    fn measure(
        &self,
        signature: &TaskSignature,
        layer: usize,
        groups: &[&[usize]],
    ) -> Result<Vec<Measurement>, TreeError> {
        let config = &self.structure.config;
        let row = |signature: &TaskSignature| signature.tensor().narrow(0, layer, 1);
        let vector = match config.increments {
            true => row(signature) - row(&self.bank.signature(self.len() - 1)),
            false => row(signature),
        };
        let vector: Tensor<1> = vector.squeeze_dim(0);
        measure_against(&self.bank, config, layer, vector, self.len(), groups)
    }
}
