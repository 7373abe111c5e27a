//! What can go wrong with signatures, settings and stored trees.

/// A signature, a setting or a stored structure that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tree needs a task.
    #[error("no task signatures to build a tree of")]
    NoTasks,
    /// Signatures must have one shape.
    #[error(
        "the signature of task {task} is [{}, {}] (layers, features), the others are [{}, {}]",
        found[0], found[1], expected[0], expected[1]
    )]
    Shape {
        /// Position of the task.
        task: usize,
        /// Its `[layers, features]`.
        found: [usize; 2],
        /// Those of the tree.
        expected: [usize; 2],
    },
    /// Host data of a signature has another number of dimensions than `[layers, features]`.
    #[error("a signature is [layers, features], found {dimensions} dimensions")]
    Dimensions {
        /// Number of dimensions found.
        dimensions: usize,
    },
    /// Level `d` looks at layer `d`, so that depth is limited by the layers.
    #[error("setting `max_depth` is {max_depth}, expected 1 to {layers}, the number of layers")]
    Depth {
        /// The setting.
        max_depth: usize,
        /// Number of layers of the signatures.
        layers: usize,
    },
    /// A tree without a level.
    #[error("setting `max_depth` is 0, expected at least 1")]
    NoDepth,
    /// A signature holds NaN or an infinity, or is so large that its norm overflows.
    #[error("the signature of task {task} is not finite at layer {layer}")]
    NotFinite {
        /// Position of the task.
        task: usize,
        /// The layer.
        layer: usize,
    },
    /// A number of signatures that does not fit the stored structure.
    #[error("the stored tree has {expected} tasks, but {found} signatures were given")]
    TaskCount {
        /// Signatures given.
        found: usize,
        /// Tasks of the structure.
        expected: usize,
    },
    /// A stored structure that is no tree over its tasks.
    #[error("stored tree: {problem}")]
    Structure {
        /// What is wrong, with the node or task.
        problem: String,
    },
    /// A budget that cannot hold a task.
    #[error("the storage budget is 0 tasks, expected at least 1")]
    Budget,
}
