//! What the command line accepts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use treelora_experiment::Precision;

/// Continual learning with TreeLoRA and its contenders.
///
/// Start with `treelora quickstart`: it needs no files and ends with a table. Exit code 2 means that
/// an argument, a file or a setting is wrong, and the message names it; 130 that Ctrl-C stopped a run,
/// which `treelora resume` goes on with.
#[derive(Debug, Parser)]
#[command(name = "treelora", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Compute with plain burn operations instead of the fused kernels: slower on the CPU, equal within rounding.
    #[arg(long, global = true)]
    pub(crate) no_fused: bool,
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
    /// Run several methods and seeds of an experiment and compare them; what they have in common
    /// (data, model, frozen features) is computed once.
    Compare(CompareArguments),
    /// Continue an interrupted run where it was stopped, with equal results.
    Resume(ResumeArguments),
    /// Score a finished (or interrupted) run again.
    Eval(EvalArguments),
    /// Answer new images with a run's model.
    Predict(PredictArguments),
    /// Score the frozen backbone: nearest class mean, LDA, random-projection ridge.
    Floors(RunArguments),
    /// Compare runs: a table with mean and spread over seeds, and a page with every figure.
    ///
    /// The page is one HTML file that needs no network: configuration and provenance, accuracy
    /// matrix, accuracy and forgetting over tasks, loss terms, time and memory, the gradient tree
    /// and the chosen relatives of each task, and all runs side by side with their floors.
    Report(ReportArguments),
    /// Continue a prompt with a decoder, with an adapter if wanted.
    Generate(GenerateArguments),
    /// Write the adapter of a task for Hugging Face PEFT.
    Export(ExportArguments),
    /// List everything that a configuration file can name (methods, classifiers, data sets, models, optimisers, ...), the
    /// metrics and the devices; or the settings of a method.
    List(ListArguments),
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

/// An experiment: a file and what the command line changes in it.
#[derive(Debug, Args)]
pub(crate) struct ExperimentArguments {
    /// The experiment (TOML); see `configs/`.
    pub(crate) config: PathBuf,
    /// Folder of the data; overrides `data.path`.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// File (images, or GGUF for text) or folder (text) of the model's weights; overrides `model.weights`.
    #[arg(long)]
    pub(crate) weights: Option<PathBuf>,
    /// Device, such as `flex`, `wgpu`, `vulkan`, `metal` or `cuda`, if compiled in.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Text: leave out tasks and splits whose files are missing, and report them, instead of
    /// stopping there.
    #[arg(long)]
    pub(crate) allow_missing: bool,
    /// Override one setting by its dotted path, such as `method.lambda=0.5`; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Print results as JSON instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a run shows of itself while it works.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct OutputArguments {
    /// No progress bar.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Also write event files into the run's `tensorboard` folder.
    #[arg(long)]
    pub(crate) tensorboard: bool,
}

impl OutputArguments {
    /// Of a command that is no run.
    pub(crate) fn of_quiet(quiet: bool) -> Self {
        Self {
            quiet,
            tensorboard: false,
        }
    }
}

/// Arguments of `run` and `floors`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// A table of the file's `[variants]`, or a method by its name; it inherits what the file's
    /// `[method]` says and it has too.
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// Seed of everything random; overrides `training.seed`.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the run, which must not exist (default: runs/NAME-METHOD-SEED).
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// A method: what it needs, and each of its settings with its default.
    pub(crate) method: Option<String>,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// Tables of the file's `[variants]`, or methods by their names, separated by commas; each inherits
    /// what the file's `[method]` says and it has too.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) methods: Vec<String>,
    /// Seeds of each method, separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = [1])]
    pub(crate) seeds: Vec<u64>,
    /// Folder of the runs, each in METHOD-SEED: finished ones are read, interrupted ones continued.
    #[arg(long, default_value = "runs")]
    pub(crate) out: PathBuf,
}

/// Where the data and the weights of a run are now.
#[derive(Debug, Args)]
pub(crate) struct InputArguments {
    /// Folder of the run's data, if they are elsewhere now; they must be the same.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// File (images, or GGUF for text) or folder (text) of the weights, if they are elsewhere now; they must be the same.
    #[arg(long)]
    pub(crate) weights: Option<PathBuf>,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The run's folder.
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: InputArguments,
    /// Device, if not the default.
    #[arg(long)]
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
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
    /// Where the run's data are now, or other data with the same tasks to be scored in their place (which is said).
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// File (images, or GGUF for text) or folder (text) of the weights, if they are elsewhere now; they must be the same.
    #[arg(long)]
    pub(crate) weights: Option<PathBuf>,
    /// Score all test examples of all tasks in one shuffled sequence instead of task by task; the
    /// accuracies must not change.
    #[arg(long, value_name = "SEED")]
    pub(crate) shuffle: Option<u64>,
    /// Device, if not the default.
    #[arg(long)]
    pub(crate) device: Option<String>,
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// The run's folder.
    #[arg(long)]
    pub(crate) run: PathBuf,
    /// Image files, or folders of them.
    #[arg(required = true)]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) inputs: InputArguments,
    /// Task of all images, counted from 0, where it is known: its adapter answers, if the method
    /// keeps one a task.
    #[arg(long)]
    pub(crate) task: Option<usize>,
    /// Classes an image.
    #[arg(long, default_value_t = 3)]
    pub(crate) top: usize,
    /// Print a JSON list.
    #[arg(long)]
    pub(crate) json: bool,
    /// Device, if not the default.
    #[arg(long)]
    pub(crate) device: Option<String>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Folders of runs; unfinished ones are on the page, not in the table.
    #[arg(required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Print Markdown instead of a drawn table.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// The page (default: report.html in the folder of a single run, else in the current folder).
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Folder for each figure as SVG and its numbers as CSV (default: NAME-figures beside the page
    /// NAME.html).
    #[arg(long, value_name = "DIR")]
    pub(crate) figures: Option<PathBuf>,
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// Folder of the model in Hugging Face layout, or a GGUF file.
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// Folder of an adapter of Hugging Face PEFT.
    #[arg(long)]
    pub(crate) adapter: Option<PathBuf>,
    /// What to continue.
    #[arg(long)]
    pub(crate) prompt: String,
    /// New tokens at most.
    #[arg(long, default_value_t = 128)]
    pub(crate) max_new_tokens: usize,
    /// 0 takes the best token always; above 0, tokens are drawn.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) temperature: f64,
    /// Draw among this many best tokens; 0 for all.
    #[arg(long, default_value_t = 0)]
    pub(crate) top_k: usize,
    /// Draw among the best tokens that together have this probability.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) top_p: f64,
    /// Seed of the draws.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Put the prompt into the model's chat template.
    #[arg(long)]
    pub(crate) chat: bool,
    /// Number format of the model's matrices: `f32` or `bf16`, which halves their memory.
    #[arg(long, default_value = "f32", value_parser = precision)]
    pub(crate) precision: Precision,
    /// Print one JSON object with `prompt_ids`, `ids` (the new ones), `text` and `timings` (seconds, and tokens a second,
    /// of the prompt and of what follows) at the end.
    #[arg(long)]
    pub(crate) json: bool,
    /// Device, if not the default.
    #[arg(long)]
    pub(crate) device: Option<String>,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The run's folder.
    #[arg(long)]
    pub(crate) run: PathBuf,
    /// Task after which the adapter was kept, counted from 0 as in the run's files.
    #[arg(long)]
    pub(crate) task: usize,
    /// Layout of the files.
    #[arg(long, value_enum, default_value_t = ExportFormat::Peft)]
    pub(crate) format: ExportFormat,
    /// Folder to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

/// Layouts that other tools read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// `adapter_config.json` and `adapter_model.safetensors`, as Hugging Face PEFT writes them.
    Peft,
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

/// A number format by its name in files.
fn precision(name: &str) -> Result<Precision, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}
