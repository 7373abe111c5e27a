//! The vocabulary of continual learning on burn: models, methods, tasks and steps.
//!
//! This crate holds traits and small value types, no algorithm. A *model* ([`ContinualModel`]; with
//! [`Features`]; a [`Classifier`]; a [`TokenModel`], open between its blocks) never knows which method trains it;
//! a *method* ([`Method`]) never knows which concrete model it trains; the run loop (`treelora-experiment`) knows both
//! and nothing of their insides.
//!
//! ```text
//! learner = method.attach(model)
//! for task in stream {
//!     learner = method.begin_task(learner, &task_data, task)
//!     for step in task {
//!         loss    = method.objective(&learner, &batch, &step)
//!         grads   = method.gradients(&learner, loss.backward(), &step)
//!         learner = optimizer.step(method.learning_rates(..), learner, grads)
//!         learner = method.after_step(learner, &step)
//!     }
//!     learner = method.end_task(learner, &task_data, task)
//!     answer  = method.answer(&method.for_evaluation(&learner), &test_batch, None)
//! }
//! ```
//!
//! To write your own, start from `tests/external_method.rs`: a model and a method written from
//! outside, through the public API alone.
#![warn(missing_docs)]

mod task;

mod batch;

mod model;

mod group;

mod learner;

mod part;

mod group_step;

mod answer;

mod seeds;

mod tokens;

mod prefixes;

mod row_vectors;

mod token_model;

mod method;

mod method_row;

mod json_file;

mod text_file;

mod token_ids;

mod optimizer_state;

mod error;

mod autodiff_context;

pub use answer::Answer;
pub use autodiff_context::in_context_of;
pub use batch::{Batch, Batches};
pub use error::Error;
pub use group::{Group, LearningRates};
pub use json_file::{read_json, write_json};
pub use learner::Learner;
pub use method::{Exposure, Method, answer_as_told, as_told};
pub use method_row::{MethodRow, Needs};
pub use model::{Classifier, ContinualModel, Features};
pub use optimizer_state::{load_optimizer, save_optimizer};
pub use prefixes::{Prefix, Prefixes};
pub use seeds::{Seeds, mix};
pub use task::{StepInfo, Task, TaskId};
pub use text_file::read_text;
pub use token_ids::token_ids;
pub use token_model::{ReadOut, TokenModel};
pub use tokens::{Pooling, Tokens};
pub use treelora_tensor_file::{
    FileKind, GgufError, GgufFile, GgufType, MAX_TEXT_BYTES, MappedFile, TensorFile,
    TensorFileError, json_problem, other_weights, parse_json, rename_durably, write_atomically,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
