//! What runs: an experiment from a file, its one training loop, its folder on disk, and what is made of it.
//!
//! | what | where |
//! |---|---|
//! | an experiment as a file | [`ExperimentConfig`] |
//! | the methods that a file can name | [`MethodConfig`], [`catalogue()`] |
//! | its model and data at hand | [`Experiment`], [`PreparedExperiment`] |
//! | tasks as batches for a model | [`ImageStream`], [`TextStream`] |
//! | one page that trains and evaluates | [`run_loop`] |
//! | a run on disk | [`RunFolder`] |
//! | answers on new inputs | [`ImageExperiment::predict`], [`LanguageModel`] |
//! | a model from scratch | [`PretrainingFile`], [`Pretraining`] |
//!
//! Task streams, data sets and metrics are in `treelora_cl_bench`.
#![warn(missing_docs)]

mod catalogue;

mod config;

mod event;

mod experiment;

mod export;

mod folder;

mod images;

mod inputs;

mod method_page;

mod methods;

mod prepare;

mod prepared;

mod pretraining;

mod run;

mod streams;

mod text;

pub use catalogue::{Section, catalogue};
pub use config::{
    answering::{AnswerStop, Answering, LabelNormalization},
    batching::{BatchingConfig, TokenBudget},
    evaluation::{EvaluationRows, EvaluationSettings},
    experiment_config::ExperimentConfig,
    experiment_settings::ExperimentSettings,
    image_experiment_config::{CacheConfig, ImageExperimentConfig},
    image_pretraining_config::PretrainingConfig,
    inference::Inference,
    modality::Modality,
    model_config::ModelConfig,
    text_experiment_config::{DecoderFolder, GenerationSettings, TextExperimentConfig},
    text_pretraining_config::{DecoderShape, LanguageTraining, TextPretrainingConfig, Vocabulary},
    training::{Activations, Optimizer, Schedule, TrainingConfig},
};
pub use event::{Event, RunResult, StageCost};
pub use experiment::{Experiment, Reconfigured};
pub use export::export_adapter;
pub use folder::{
    base_loss_change::{BaseLossChange, GeneralLoss},
    checkpoint::RunFolder,
    manifest::{FORMAT, Manifest},
    provenance::{commit, machine},
    run_lock::RunLock,
    summary::{Floors, RunCost, RunIdentity, RunSummary},
    trainable_state::{load_trainable_state, trainable_state},
};
pub use images::{
    image_inputs::ImageInputs,
    image_prediction::{
        ImageExperiment, ImagePrediction, PredictionRequest, ScoredClass, image_files,
    },
};
pub use inputs::Inputs;
pub use method_page::method_page;
pub use methods::{
    classifier_config::ClassifierConfig,
    method_config::MethodConfig,
    rows::{method_row, method_rows},
};
pub use prepared::{PreparedExperiment, Restored};
pub use pretraining::{
    ImagePretraining, Pretraining, PretrainingFile, PretrainingReport, TextPretraining, pretrain,
};
pub use run::{
    evaluation::{Scoring, TopOne},
    memory::{peak_memory, resident_memory},
    run_loop,
};
pub use streams::{image_stream::ImageStream, text_stream::TextStream};
pub use text::{
    generated_answers::GeneratedAnswers,
    language_model::{Continuation, LanguageModel, Timings},
    prompt_router::{PromptRouter, Routes},
    text_inputs::{TextExperiment, TextInputs},
};
pub use treelora::bandit;
pub use treelora_core::{Error, TaskId, write_json};
pub use treelora_models::{Precision, decoder::GenerationConfig};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
