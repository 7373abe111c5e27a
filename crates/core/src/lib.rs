//! The vocabulary of continual learning on burn: models, methods, tasks and steps.
//!
//! This crate holds traits and small value types, no algorithm. A *model* ([`ContinualModel`],
//! [`Classifier`]) never knows which method trains it; a *method* ([`Method`]) never knows which
//! concrete model it trains; the run loop (`treelora-cl-bench`) knows both and nothing of their
//! insides.
//!
//! ```text
//! model = method.attach(model)
//! for task in stream {
//!     model = method.begin_task(model, task)
//!     for step in task {
//!         loss  = method.objective(&model, &batch, &step)
//!         grads = method.gradients(&model, loss.backward(), &step)
//!         model = optimizer.step(method.learning_rates(..), model, grads)
//!         model = method.after_step(model, &step)
//!     }
//!     model = method.end_task(model, &task_data, task)
//!     scores = method.predict(&method.for_evaluation(&model), &test_batch)
//! }
//! ```
//!
//! To write your own, start from `tests/external_method.rs`: a model and a method written from
//! outside, through the public API alone.
#![warn(missing_docs)]

mod task;

mod batch;

mod model;

mod method;

mod json_file;

mod optimizer_state;

mod error;

mod autodiff_context;

pub use autodiff_context::in_context_of;
pub use batch::{Batch, Batches};
pub use error::Error;
pub use json_file::{read_json, write_json};
pub use method::{Exposure, LearningRates, Method};
pub use model::{Classifier, ContinualModel};
pub use optimizer_state::{load_optimizer, save_optimizer};
pub use task::{StepInfo, Task, TaskId};
pub use treelora_tensor_file::{TensorFile, TensorFileError, rename_durably, write_atomically};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
