//! The end-to-end comparison: a training step of whole models, ours and PyTorch's.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Result, bail};

use super::{
    case::{self, Machine},
    comparison::{self, Comparison},
    contender::{Contender, Residence},
    options::{Opponent, Options},
    package::PACKAGE,
    processor::{Bf16, Processor, cores},
    report::Circumstances,
};
use crate::{process, python, workspace::Workspace};

/// The binary of the benches, and what `--only` calls this comparison.
pub(crate) const NAME: &str = "lora_step";

const SCRIPT: &str = "xtask/bench/lora_step.py";

/// What the binary `treelora` tells glibc's allocator by itself, and PyTorch's tuning guides reach with another one.
const MEMORY: [(&str, &str); 3] = [
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "2147483647"),
];

/// Stands above the table.
pub(crate) const NOTES: &str = "\
Forward, backward and AdamW of rank 8 adapters on query and value (and the head of a ViT), random weights and data.
Ours and PyTorch are two processes that take steps in turns; times are medians, ratios medians of the quotients of one
round.

- `bf16`: frozen projections stored in bf16, in PyTorch too, under autocast. On a processor that cannot multiply bf16
  PyTorch is many times slower in it than in f32, so that there it computes in f32.
- `last 5`: adapters in the last 5 of 12 blocks. Ours reads what enters them from its cache, as in every epoch after
  the first; PyTorch computes it.
- Both keep freed memory for the next step (`MALLOC_TRIM_THRESHOLD_` and `MALLOC_MMAP_THRESHOLD_` of glibc) and ask for
  huge pages (`glibc.malloc.hugetlb`), which PyTorch's users have to set.
- In every ViT, ours leaves out the rows of the last block that no one reads.
- Peak memory is resident memory of the process while it trains; in brackets what that is above the memory before the
  model was built, so without the libraries.";

/// The table and what it depends on beside the machine.
pub(crate) struct Run {
    pub(crate) table: String,
    pub(crate) circumstances: Circumstances,
}

/// Run the chosen cases one after the other, each in processes of its own.
///
/// # Errors
/// When no case is chosen, a side cannot be built or started, fails, or is not the same model as the other.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Run> {
    let cases = case::chosen(Machine::Cpu, &options.cases);
    if cases.is_empty() {
        let all = case::chosen(Machine::Cpu, &[])
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        bail!(
            "no case has {:?} in its name; there are tiny, {}",
            options.cases,
            all.join(", ")
        );
    }
    let binary = build(workspace, options)?;
    let python = match &options.opponent {
        Opponent::None => None,
        Opponent::PyTorchOf(python) => Some(python.clone()),
        Opponent::PyTorch => {
            let requirements = ["-r", "xtask/bench/requirements.txt"];
            Some(python::virtual_environment(
                workspace,
                "bench-venv",
                &requirements,
            )?)
        }
    };
    let threads = options.threads.unwrap_or_else(cores);
    let mut circumstances = vec![
        ("threads of either side", threads.to_string()),
        ("rounds", comparison::rounds(options.rounds)),
    ];
    let bf16 = Processor::of_this_machine().bf16;
    if let Some(python) = &python {
        let instead = match bf16 {
            Bf16::Multiplied => "bf16 under autocast in the bf16 rows",
            Bf16::Emulated => "f32 in the bf16 rows too",
        };
        let version = version(workspace, python)?;
        circumstances.push(("PyTorch", format!("{version}, {instead}")));
    }
    let contender = |mut command: std::process::Command, line: &str| {
        for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        command.envs(MEMORY);
        Contender::start(command, line, Residence::Host)
    };
    let mut comparisons = Vec::new();
    for case in cases {
        let ours = contender(process::command(&binary, &workspace.root), &case.line())?;
        let theirs = python.as_ref().map(|python| {
            let mut command = process::command(python, &workspace.root);
            command.arg(SCRIPT);
            contender(command, &case.opponents_line(bf16))
        });
        let comparison = Comparison::run(case, ours, theirs.transpose()?, options.rounds)?;
        eprintln!("{}", comparison.summary());
        comparisons.push(comparison);
    }
    Ok(Run {
        table: comparison::table(&comparisons),
        circumstances,
    })
}

/// Our side, built.
fn build(workspace: &Workspace, options: &Options) -> Result<PathBuf> {
    let mut build = process::cargo(&workspace.root);
    build
        .args(["build", "-p", PACKAGE, "--bin", NAME])
        .args(["--profile", &options.profile])
        .args(&options.features);
    process::run(build)?;
    let folder = match options.profile.as_str() {
        "dev" => "debug",
        profile => profile,
    };
    let file = format!("{NAME}{}", std::env::consts::EXE_SUFFIX);
    Ok(workspace.target.join(folder).join(file))
}

fn version(workspace: &Workspace, python: &OsString) -> Result<String> {
    let mut command = process::command(python, &workspace.root);
    command.args(["-c", "import torch; print(torch.__version__)"]);
    Ok(process::output(command)?.trim().to_owned())
}
