//! How every method here attaches its adapter.

use burn::module::Module;
use rand::Rng;
use treelora_core::{Error, Learner};
use treelora_lora::{LoraConfig, LoraError};

/// Rank 8 and scale 1 on the query and value projections, with the head trainable.
pub(crate) fn default_lora() -> LoraConfig {
    LoraConfig {
        target_modules: vec![r"\.(q|v|q_proj|v_proj)\.weight$".into()],
        trainable: vec![r"^head\.".into()],
        ..LoraConfig::new(8, 8.0)
    }
}

/// The model with the adapter of a method; `rng` draws its A.
///
/// # Errors
/// When the settings do not fit the model.
pub(crate) fn attach<M: Module>(
    model: M,
    lora: &LoraConfig,
    rng: impl Rng,
) -> Result<Learner<M>, Error> {
    attach_to(model, lora, rng).map(Learner::of)
}

/// A network with an adapter; `rng` draws its A.
///
/// # Errors
/// When the settings do not fit the network.
pub(crate) fn attach_to<M: Module>(
    network: M,
    lora: &LoraConfig,
    mut rng: impl Rng,
) -> Result<M, Error> {
    treelora_lora::attach(network, lora, &mut rng).map_err(setting)
}

/// Check the settings on their own.
///
/// # Errors
/// [`Error::Setting`] at `lora`.
pub(crate) fn validate(lora: &LoraConfig) -> Result<(), Error> {
    lora.validate().map_err(setting)
}

/// An error of an adapter's file, or of an adapter that does not fit the model.
pub(crate) fn adapter_error(error: LoraError) -> Error {
    match error {
        LoraError::Io { path, source } => Error::Io { path, source },
        LoraError::Format { path, problem } => Error::Format { path, problem },
        other => Error::Data(other.to_string()),
    }
}

fn setting(error: LoraError) -> Error {
    match error {
        LoraError::Setting { key, problem } => Error::setting(key, problem).within("lora"),
        other => Error::setting("lora", other.to_string()),
    }
}

/// # Errors
/// [`Error::Setting`] when the value is not above 0.
pub(crate) fn positive(key: &str, value: f64) -> Result<(), Error> {
    match value > 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::setting(key, format!("{value} is not above 0"))),
    }
}

/// # Errors
/// [`Error::Setting`] when the value is below 0.
pub(crate) fn not_negative(key: &str, value: f64) -> Result<(), Error> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::setting(key, format!("{value} is below 0"))),
    }
}
