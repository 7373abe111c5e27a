//! Task streams, data sets, metrics, the run loop, checkpoints and reports for continual learning.
//!
//! | what | where |
//! |---|---|
//! | labelled pictures, from files or generated | [`dataset`] |
//! | tasks with an explicit class order | [`stream`] |
//! | decode, resize, normalise, ahead of the model | [`image_pipeline`] |
//! | the accuracy matrix, every convention by name | [`metrics`] |
//! | one page that trains and evaluates | [`run_loop`] |
//! | an experiment from a file | [`ExperimentConfig`], [`Experiment`] |
//! | a run on disk | [`RunFolder`] |
//! | a model from scratch | [`PretrainingFile`], [`Pretraining`] |
#![warn(missing_docs)]

pub mod dataset;

pub mod stream;

pub mod image_pipeline;

pub mod metrics;

pub mod text;

pub mod scorers;

mod experiment_config;

mod image_experiment_config;

mod text_experiment_config;

mod config_file;

mod method_config;

mod classifier_config;

mod inference;

mod frozen;

mod training;

mod training_step;

mod experiment;

mod image_experiment;

mod image_prediction;

mod text_experiment;

mod pretraining;

mod image_stream;

mod stream_data;

pub mod run_loop;

mod evaluation;

mod generated_answers;

mod language_model;

mod event;

mod checkpoint;

mod finite;

mod memory;

mod stage_progress;

mod run_lock;

mod checksums;

mod export;

mod trainable_state;

mod summary;

mod provenance;

mod catalogue;

pub use catalogue::{Section, catalogue};
pub use checkpoint::{FORMAT, Manifest, RunFolder};
pub use classifier_config::ClassifierConfig;
pub use evaluation::{Scoring, TaskIdentity, TaskInferenceCount, TaskScore, TopOne, best_classes};
pub use event::{Event, RunResult, StageCost};
pub use experiment::{Experiment, Reconfigured};
pub use experiment_config::{ExperimentConfig, Modality};
pub use export::export_adapter;
pub use generated_answers::GeneratedAnswers;
pub use image_experiment::ImageExperiment;
pub use image_experiment_config::{CacheConfig, ImageExperimentConfig, ModelConfig};
pub use image_prediction::{ImagePrediction, PredictionRequest, ScoredClass, image_files};
pub use image_stream::ImageStream;
pub use inference::Inference;
pub use language_model::{Continuation, LanguageModel};
pub use memory::{peak_memory, resident_memory};
pub use method_config::MethodConfig;
pub use pretraining::{
    DecoderShape, ImagePretraining, LanguageTraining, Pretraining, PretrainingConfig,
    PretrainingFile, PretrainingReport, TextPretraining, TextPretrainingConfig, Vocabulary,
    pretrain,
};
pub use provenance::{commit, machine, sha256};
pub use run_lock::RunLock;
pub use stream_data::{BatchIterator, Stage, StreamData};
pub use summary::{Floors, RunCost, RunIdentity, RunSummary};
pub use text_experiment::{RestoredDecoder, TextExperiment};
pub use text_experiment_config::{DecoderFolder, GenerationSettings, TextExperimentConfig};
pub use trainable_state::{load_trainable_state, trainable_state};
pub use training::{Activations, Optimizer, Schedule, TrainingConfig};
pub use treelora::bandit;
pub use treelora_core::{Error, TaskId, write_json};
pub use treelora_models::{Precision, decoder::GenerationConfig};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
