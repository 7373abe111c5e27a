//! The frame that a chat model expects around a prompt.

use std::path::Path;

use minijinja::{
    Environment, Error as TemplateError, ErrorKind, Value, context, syntax::SyntaxConfig,
};
use serde::Deserialize;
use treelora_core::Error;

use super::bounded_file::{read_bytes, read_json_if_present};

/// Name of the one template in its environment.
const NAME: &str = "chat";
/// Stands for the prompt where the frame around it is wanted.
const PLACEHOLDER: &str = "\u{1}prompt\u{1}";

/// A model's Jinja template, rendered with one message of the user, as transformers'
/// `apply_chat_template(..., add_generation_prompt=True)` does. Templates that print the date get
/// none, so that results do not depend on the day. Tools, and the filter `tojson` that describes
/// them, are not offered.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    chat_template: Option<Templates>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    template: String,
}

impl ChatTemplate {
    /// From `chat_template.jinja` or `tokenizer_config.json` in `folder`; `bos` and `eos` are what
    /// the template may write as `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// When neither file has a template, or it cannot be compiled.
    pub fn read(folder: &Path, bos: &str, eos: &str) -> Result<Self, Error> {
        let alone = folder.join("chat_template.jinja");
        if alone.exists() {
            let source = String::from_utf8(read_bytes(&alone)?)
                .map_err(|_| Error::format(&alone, "the template is not UTF-8"))?;
            return Self::compile(&alone, source, bos, eos);
        }
        let path = folder.join("tokenizer_config.json");
        let config: Config = read_json_if_present(&path)?;
        let source = match config.chat_template {
            Some(Templates::One(source)) => Some(source),
            Some(Templates::Named(named)) => named
                .into_iter()
                .find(|named| named.name == "default")
                .map(|named| named.template),
            None => None,
        };
        let source = source.ok_or_else(|| Error::format(&path, "there is no `chat_template`"))?;
        Self::compile(&path, source, bos, eos)
    }

    fn compile(path: &Path, source: String, bos: &str, eos: &str) -> Result<Self, Error> {
        let problem = |e: TemplateError| Error::format(path, format!("chat template: {e}"));
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(problem)?;
        environment.set_syntax(syntax);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, _> {
            Err(TemplateError::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source)
            .map_err(problem)?;
        Ok(Self {
            environment,
            bos: bos.to_owned(),
            eos: eos.to_owned(),
        })
    }

    /// The prompt in its frame, up to where the answer begins.
    ///
    /// # Errors
    /// When the template refuses.
    pub fn render(&self, prompt: &str) -> Result<String, Error> {
        let message = context! { role => "user", content => prompt };
        let messages: Value = [message].into_iter().collect();
        let context = context! {
            messages => messages,
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        let template = self.environment.get_template(NAME);
        template
            .and_then(|template| template.render(context))
            .map_err(|e| Error::Data(format!("chat template: {e}")))
    }

    /// What stands before and after a prompt.
    ///
    /// # Errors
    /// When the template refuses, or changes the prompt or leaves it out.
    pub fn frame(&self) -> Result<(String, String), Error> {
        let text = self.render(PLACEHOLDER)?;
        text.split_once(PLACEHOLDER)
            .map(|(before, after)| (before.to_owned(), after.to_owned()))
            .ok_or_else(|| Error::Data("chat template: the prompt is not in its output".into()))
    }
}
