//! `treelora generate`: continue a prompt.

use std::io::Write;

use anyhow::Result;
use treelora_cl_bench::text::Encoding;
use treelora_experiment::{GenerationConfig, LanguageModel};

use crate::{arguments::GenerateArguments, device};

/// Load the model and its adapter, and write the continuation as it comes, or one JSON object.
pub(crate) fn run(arguments: &GenerateArguments) -> Result<()> {
    let device = device::choose(arguments.device.as_deref())?;
    let mut model = LanguageModel::load(&arguments.model, &device)?;
    for note in model.decoder.notes() {
        eprintln!("warning: {note}");
    }
    if let Some(adapter) = &arguments.adapter {
        model = model.with_peft_adapter(adapter)?;
    }
    let config = GenerationConfig {
        max_new_tokens: arguments.max_new_tokens,
        temperature: arguments.temperature,
        top_k: arguments.top_k,
        top_p: arguments.top_p,
        stop_ids: model.tokenizer.special().stops.clone(),
        seed: arguments.seed,
    };
    let encoding = Encoding {
        chat_template: arguments.chat,
        ..Encoding::default()
    };
    let json = arguments.json;
    let continuation =
        model.continue_prompt(&arguments.prompt, &encoding, &config, &mut |text| {
            if !json {
                print!("{text}");
                // A closed pipe shows at the end; until then the text is only not seen.
                let _ = std::io::stdout().flush();
            }
        })?;
    match json {
        true => println!("{}", serde_json::to_string(&continuation)?),
        false => println!(),
    }
    Ok(())
}
