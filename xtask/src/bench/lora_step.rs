//! The end-to-end comparison: a training step of whole models, ours and PyTorch's.

use anyhow::Result;

use super::{
    binary,
    case::{self, Case, Library, Machine},
    comparison::{self, Comparison},
    conditions::Conditions,
    options::Options,
    pytorch,
    report::Run,
};
use crate::{process, workspace::Workspace};

/// The binary of the benches, and what `--only` calls this comparison.
pub(crate) const NAME: &str = "lora_step";

/// Stands above the table.
pub(crate) const NOTES: &str = "\
Forward, backward and AdamW of rank 8 adapters on query and value (and the head of a ViT), random weights and data.
Ours and PyTorch are two processes that take steps in turns; times are medians, ratios medians of the quotients of one
round.

- `vit` and `decoder`: PyTorch's own modules, written out, nothing between the operations.
- `smollm2-135m` and `llama-3.2-1b`: the shapes of SmolLM2-135M (adapters on query, key, value, output, gate and up) and LLaMA 3.2 1B
  (query and value), heads tied to the embeddings. PyTorch's side is transformers' model under PEFT's adapters.
- The loss of a text counts every token but the first. `dropout`: of the adapters' inputs; 0 where nothing is said.
- `bf16`: frozen projections stored in bf16, in PyTorch too, under autocast; of the published shapes the embedding as well. On a
  processor that cannot multiply bf16 PyTorch is many times slower in it than in f32, so that there it computes in f32.
- `last 5`: adapters in the last 5 of 12 blocks. Ours reads what enters them from its cache, as in every epoch after
  the first; PyTorch computes it.
- Both keep freed memory for the next step (`MALLOC_TRIM_THRESHOLD_` and `MALLOC_MMAP_THRESHOLD_` of glibc) and ask for
  huge pages (`glibc.malloc.hugetlb`), which PyTorch's users have to set.
- In every ViT, ours leaves out the rows of the last block that no one reads.
- Peak memory is resident memory of the process while it trains; in brackets what that is above the memory before the
  model was built, so without the libraries.";

/// The names of the cases that have one of `parts` in their names.
pub(crate) fn names(_options: &Options, parts: &[String]) -> Vec<String> {
    let cases = case::chosen(Machine::Cpu, parts);
    cases.iter().map(Case::to_string).collect()
}

/// Run the chosen cases one after the other, each in processes of its own.
///
/// # Errors
/// When a side cannot be built or started, fails, or is not the same model as the other.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Run> {
    let binary = binary::build(workspace, options, NAME)?;
    let python = pytorch::interpreter(workspace, options)?;
    let conditions = Conditions::of(options);
    let mut circumstances = conditions.circumstances();
    let bf16 = pytorch::bf16();
    if let Some(python) = &python {
        let versions = pytorch::versions(workspace, python, &["torch", "transformers", "peft"])?;
        let instead = pytorch::in_bf16_rows(bf16, "bf16 under autocast");
        circumstances.push(("PyTorch", format!("{versions}, {instead}")));
    }
    let mut comparisons = Vec::new();
    for case in case::chosen(Machine::Cpu, &options.cases) {
        let ours = process::command(&binary, &workspace.root);
        let ours = conditions.contender(ours, &case.line())?;
        let theirs = python.as_ref().map(|python| {
            let mut command = process::command(python, &workspace.root);
            command.arg(script(case.opponent()));
            conditions.contender(command, &case.opponents_line(bf16))
        });
        let comparison = Comparison::run(case, ours, theirs.transpose()?, conditions.rounds)?;
        eprintln!("{}", comparison.summary());
        comparisons.push(comparison);
    }
    Ok(Run {
        table: comparison::table(&comparisons),
        circumstances,
    })
}

fn script(opponent: Library) -> &'static str {
    match opponent {
        Library::PyTorch => "xtask/bench/lora_step.py",
        Library::Peft => "xtask/bench/peft_step.py",
    }
}
