//! `treelora generate`: continue a prompt.

use std::{
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use treelora_cl_bench::text::{Date, Encoding};
use treelora_experiment::{GenerationConfig, LanguageModel};

use crate::{arguments::GenerateArguments, device};

/// Load the model and its adapter, and write the continuation as it comes, or one JSON object.
pub(crate) fn run(arguments: &GenerateArguments) -> Result<()> {
    let device = device::choose(arguments.device.as_deref())?;
    let mut model = LanguageModel::load_in(&arguments.model, arguments.precision, &device)?;
    if let Some(adapter) = &arguments.adapter {
        model = model.with_peft_adapter(adapter)?;
    }
    for note in &model.notes {
        eprintln!("warning: {note}");
    }
    let config = GenerationConfig {
        max_new_tokens: arguments.max_new_tokens,
        temperature: arguments.temperature,
        top_k: arguments.top_k,
        top_p: arguments.top_p,
        seed: arguments.seed,
        ..model.generation()
    };
    let encoding = Encoding {
        chat_template: arguments.chat,
        date: arguments.chat.then(now),
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

/// The day that a chat template may print, in coordinated universal time.
fn now() -> Date {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    Date::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
}
