//! The end-to-end comparison of inference: greedy decoding and prefill, ours, transformers' and llama.cpp's.

mod case;

mod model;

mod sides;

mod comparison;

use anyhow::Result;
use case::Case;
use comparison::Comparison;
use model::Model;
use sides::Sides;

use super::{binary, conditions::Conditions, options::Options, pytorch, report::Run};
use crate::workspace::Workspace;

/// The binary of the benches, and what `--only` calls this comparison.
pub(crate) const NAME: &str = "generation";

/// Stands above the table.
pub(crate) const NOTES: &str = "\
Greedy continuations of prompts of random tokens, no token ends them. Three processes that take turns; times are medians, ratios
medians of the quotients of one round, below 1 where ours is faster.

- `1 row x 64`, `16 rows x 64`: 64 tokens after each prompt of 8; the time has the prompts in it, tokens per second are the new ones.
- `prefill 600`: a prompt of 600 tokens and the one that follows; tokens per second are those of the prompt.
- `bf16`: all matrices, activations between products in f32 in ours and llama.cpp, in bf16 in transformers. On a processor that
  cannot multiply bf16 transformers computes in f32.
- llama.cpp is asked through its server, in the same process, all rows in one request; its settings are its own but threads, slots,
  context and that no prompt is kept.
- Same tokens: the share that stands before a row's first difference from ours. Numbers are rounded elsewhere on each side, so that near
  ties are decided differently, after which a row goes its own way.
- Peak memory is resident memory of the process, the mapped file included where a side computes from it; in brackets what that is
  above the memory before the model was loaded.";

/// The names of the cases that have one of `parts` in their names.
pub(crate) fn names(options: &Options, parts: &[String]) -> Vec<String> {
    let (own, tiny) = cases(options, parts);
    own.iter().chain(&tiny).map(Case::to_string).collect()
}

/// Those of the model, and tiny ones.
fn cases(options: &Options, parts: &[String]) -> (Vec<Case>, Vec<Case>) {
    (
        case::chosen(&model::name(options), parts),
        case::tiny(model::TINY.name, parts),
    )
}

/// Run the chosen cases one after the other, each in processes of its own.
///
/// # Errors
/// When a side cannot be built or started, fails, or is not the same model as ours.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Run> {
    let binary = binary::build(workspace, options, NAME)?;
    let python = pytorch::interpreter(workspace, options)?;
    let (conditions, bf16) = (Conditions::of(options), pytorch::bf16());
    let mut circumstances = conditions.circumstances();
    let what = match &options.model {
        Some(_) => "of the folder",
        None => "random weights of its shape",
    };
    circumstances.push(("model", format!("{}, {what}", model::name(options))));
    if let Some(python) = &python {
        let packages = ["torch", "transformers", "xllamacpp"];
        let versions = pytorch::versions(workspace, python, &packages)?;
        let instead = pytorch::in_bf16_rows(bf16, "transformers in bf16");
        circumstances.push(("others", format!("{versions}; {instead}")));
    }
    let (own, tiny) = cases(options, &options.cases);
    let mut comparisons = Vec::new();
    let mut compare = |cases: Vec<Case>, model: &Model| {
        let sides = Sides::of(workspace, &binary, model, python.as_deref(), bf16)?;
        for case in cases {
            let contenders = sides.contenders(&case, &conditions)?;
            let comparison = Comparison::run(case, contenders, conditions.rounds)?;
            eprintln!("{}", comparison.summary());
            comparisons.push(comparison);
        }
        anyhow::Ok(())
    };
    if !own.is_empty() {
        let model = match &options.model {
            Some(folder) => Model::of_folder(folder)?,
            None => Model::random(workspace, &binary, &model::SMOLLM2)?,
        };
        compare(own, &model)?;
    }
    if !tiny.is_empty() {
        compare(tiny, &Model::random(workspace, &binary, &model::TINY)?)?;
    }
    Ok(Run {
        table: comparison::table(&comparisons),
        circumstances,
    })
}
