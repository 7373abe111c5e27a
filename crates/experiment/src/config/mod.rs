//! An experiment as a file: what can be set, and what is refused.
//!
//! | what | where |
//! |---|---|
//! | variants and settings of the command line laid over a file | [`config_file`], [`layers`] |
//! | which setting is wrong, and where it was said | [`culprit`], [`places`] |
//! | an experiment of either modality | [`experiment_config`], [`modality`], [`experiment_settings`] |
//! | on images, on text | [`image_experiment_config`], [`text_experiment_config`] |
//! | a family of vision models, the shape of one | [`model_config`] |
//! | optimiser, schedule, seed | [`training`] |
//! | which adapter answers | [`inference`] |
//! | how many tokens share a batch | [`batching`] |
//! | whether text is written or chosen | [`answering`] |
//! | what is scored after which task | [`evaluation`] |
//! | a key that is no more | [`method_seed`] |
//! | a model from scratch | [`image_pretraining_config`], [`text_pretraining_config`] |

pub(crate) mod answering;

pub(crate) mod batching;

pub(crate) mod config_file;

mod culprit;

mod layers;

mod places;

pub(crate) mod evaluation;

pub(crate) mod experiment_config;

pub(crate) mod experiment_settings;

pub(crate) mod modality;

pub(crate) mod image_experiment_config;

pub(crate) mod image_pretraining_config;

pub(crate) mod inference;

pub(crate) mod model_config;

pub(crate) mod method_seed;

pub(crate) mod text_experiment_config;

pub(crate) mod text_pretraining_config;

pub(crate) mod training;
