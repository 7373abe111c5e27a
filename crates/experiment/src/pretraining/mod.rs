//! The offline stage: a model from scratch, for those who have no checkpoint (method, section 1).
//!
//! [`PretrainingFile`] says what to learn, [`Pretraining`] is it with its data at hand, and what it
//! leaves is a folder that the rest of the tool and the field's own libraries load.

mod file;

mod report;

mod images;

mod text;

mod whole_model;

use std::path::Path;

use burn::tensor::Device;
use treelora_core::Error;

use crate::event::Event;

pub use file::PretrainingFile;
pub(crate) use images::pretrained;
pub use images::{ImagePretraining, pretrain};
pub use report::PretrainingReport;
pub use text::TextPretraining;

/// A pre-training with its data at hand.
pub trait Pretraining {
    /// Train from scratch on `device`, and write the model and `pretraining.json` into `folder`,
    /// which is created.
    ///
    /// # Errors
    /// [`Error::Diverged`] when a loss is not finite; when a setting does not fit the data, or
    /// writing fails.
    fn run(
        &self,
        folder: &Path,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<PretrainingReport, Error>;
}
