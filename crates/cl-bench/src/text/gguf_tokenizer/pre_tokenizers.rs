//! How a text is cut before bytes are joined: llama.cpp's names and patterns.

use serde_json::{Value, json};
use treelora_core::{Error, GgufFile};

const KEY: &str = "tokenizer.ggml.pre";

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a name stands for.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    names: &'static [&'static str],
    /// One after the other, each on the parts that the one before has left.
    patterns: &'static [&'static str],
    /// Whether letters with marks are joined first, as the model's own tokenizer does and llama.cpp does not.
    pub(super) composes: bool,
    /// Whether a part that is a token is that token, without merges.
    pub(super) takes_whole_parts: bool,
    /// Whether a text begins with a token where the file says nothing of it.
    pub(super) adds_beginning: bool,
}

const fn plain(names: &'static [&'static str], patterns: &'static [&'static str]) -> PreTokenizer {
    PreTokenizer {
        names,
        patterns,
        composes: false,
        takes_whole_parts: false,
        adds_beginning: false,
    }
}

static ALL: [PreTokenizer; 6] = [
    plain(
        &["smollm", "starcoder", "refact", "command-r", "codeshell"],
        &[r"\p{N}", GPT2],
    ),
    PreTokenizer {
        takes_whole_parts: true,
        adds_beginning: true,
        ..plain(
            &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"],
            &[LLAMA3],
        )
    },
    plain(&["dbrx", "smaug-bpe"], &[LLAMA3]),
    PreTokenizer {
        composes: true,
        ..plain(
            &["qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"],
            &[QWEN2],
        )
    },
    plain(&["gpt-2", "gpt2", "mpt", "olmo", "phi-2"], &[GPT2]),
    plain(
        &["default"],
        &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    ),
];

impl PreTokenizer {
    /// That of a file; without a name it is llama.cpp's default.
    ///
    /// # Errors
    /// When the name is not known.
    pub(super) fn of(file: &GgufFile) -> Result<&'static Self, Error> {
        let name = file.text(KEY)?.unwrap_or("default");
        let known = ALL.iter().find(|known| known.names.contains(&name));
        known.ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().flat_map(|known| known.names).copied().collect();
            let names = names.join(", ");
            let problem = format!("`{KEY}` is `{name}`, known are {names}");
            file.error(problem).into()
        })
    }

    /// `pre_tokenizer` of `tokenizer.json`.
    pub(super) fn value(&self) -> Value {
        let cuts = self.patterns.iter().map(|pattern| {
            json!({
                "type": "Split",
                "pattern": { "Regex": pattern },
                "behavior": "Isolated",
                "invert": false,
            })
        });
        let parts: Vec<Value> = cuts.chain([byte_level()]).collect();
        json!({ "type": "Sequence", "pretokenizers": parts })
    }
}

/// Bytes as letters, nothing else.
pub(super) fn byte_level() -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false })
}
