//! What the command line accepts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Continual learning with TreeLoRA and its contenders.
///
/// Start with `treelora quickstart`: it needs no files and ends with a table. Exit code 2 means that
/// an argument, a file or a setting is wrong; the message names it.
#[derive(Debug, Parser)]
#[command(name = "treelora", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare sequential LoRA with TreeLoRA on generated pictures, in minutes, without any files.
    Quickstart(QuickstartArguments),
    /// Train a model from scratch, for those who have no checkpoint: a decoder on texts, or the
    /// vision transformer of an experiment on its base classes.
    Pretrain(PretrainArguments),
    /// Run an experiment: one method over the tasks of a stream.
    Run(RunArguments),
    /// Continue an interrupted run after its last complete task.
    Resume(ResumeArguments),
    /// Score a finished (or interrupted) run again.
    Eval(EvalArguments),
    /// Score the frozen backbone: nearest class mean, LDA, random-projection ridge.
    Floors(RunArguments),
    /// Compare runs in one table, with mean and spread over seeds.
    Report(ReportArguments),
    /// List methods, data sets, model presets and devices.
    List,
    /// Simulate the regret of the flat and the tree bandit (Theorem 1).
    BanditRegret(BanditRegretArguments),
}

/// Arguments of `quickstart`.
#[derive(Debug, Args)]
pub(crate) struct QuickstartArguments {
    /// Where the two runs go.
    #[arg(long, default_value = "runs/quickstart")]
    pub(crate) out: PathBuf,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Device, such as `flex`, `wgpu`, `vulkan`, `metal` or `cuda`, if compiled in.
    #[arg(long)]
    pub(crate) device: Option<String>,
}

/// Arguments of `pretrain`.
#[derive(Debug, Args)]
pub(crate) struct PretrainArguments {
    /// The pre-training (TOML): a `modality = "text"` of its own, or an experiment on images with a
    /// `[pretraining]`; see `configs/`.
    pub(crate) config: PathBuf,
    /// Folder of the data; overrides `data.path`.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Folder of the model, which must not exist (default: models/NAME-SEED).
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Seed of everything random; overrides `training.seed`.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Device, such as `flex`, `wgpu`, `vulkan`, `metal` or `cuda`, if compiled in.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Override one setting by its dotted path, such as `training.steps=100`; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// No progress bar.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Arguments of `run` and `floors`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The experiment (TOML); see `configs/`.
    pub(crate) config: PathBuf,
    /// Folder of the data; overrides `data.path`.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// File of the model's weights; overrides `model.weights`.
    #[arg(long)]
    pub(crate) weights: Option<PathBuf>,
    /// Method with its defaults, or a table of the file's `[methods]`; overrides `[method]`.
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// Seed of everything random; overrides `training.seed`.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the run, which must not exist (default: runs/NAME-METHOD-SEED).
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Device, such as `flex`, `wgpu`, `vulkan`, `metal` or `cuda`, if compiled in.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Override one setting by its dotted path, such as `method.lambda=0.5`; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// No progress bar.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The run's folder.
    pub(crate) run: PathBuf,
    /// Device, if not the default.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// No progress bar.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// The run's folder.
    #[arg(long)]
    pub(crate) run: PathBuf,
    /// Test examples a batch; has no influence on results.
    #[arg(long)]
    pub(crate) batch_size: Option<usize>,
    /// Score all test examples of all tasks in one shuffled sequence instead of task by task; the
    /// accuracies must not change.
    #[arg(long, value_name = "SEED")]
    pub(crate) shuffle: Option<u64>,
    /// Device, if not the default.
    #[arg(long)]
    pub(crate) device: Option<String>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Folders of runs.
    #[arg(required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Print Markdown instead of a drawn table.
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Arguments of `bandit-regret`.
#[derive(Debug, Args)]
pub(crate) struct BanditRegretArguments {
    /// Rounds of each simulation.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) rounds: u64,
    /// Seeds 0..SEEDS.
    #[arg(long, default_value_t = 5)]
    pub(crate) seeds: u64,
    /// Numbers of arms.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256, 1024, 4096])]
    pub(crate) arms: Vec<usize>,
    /// Write the result as JSON to this file too.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
