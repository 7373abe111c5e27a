//! Training a byte-level BPE vocabulary on texts.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
    pre_tokenizers::byte_level::ByteLevel,
};
use treelora_core::{Error, write_json};

use super::tokenizer::Tokenizer;

/// Names of the tokens that are not text, by id.
const SPECIAL: [&str; 3] = ["<|pad|>", "<|bos|>", "<|eos|>"];
/// Every byte has a token.
const SMALLEST: usize = SPECIAL.len() + 256;

/// Byte pair encoding (Sennrich et al. 2016) over bytes, in the format of Hugging Face.
///
/// Our own training instead of the library's: equal counts are broken by the pair, so that the
/// same texts always give the same file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BytePairTraining {
    /// Number of tokens, at most: fewer when the texts repeat too little.
    pub vocabulary: usize,
    /// How often a pair must occur to become a token.
    #[serde(default = "two")]
    pub min_frequency: u64,
    /// Whether every digit stays a token of its own, which makes arithmetic learnable.
    #[serde(default)]
    pub split_digits: bool,
}

fn two() -> u64 {
    2
}

impl BytePairTraining {
    /// A vocabulary of `vocabulary` tokens, digits included in longer tokens.
    pub fn new(vocabulary: usize) -> Self {
        Self {
            vocabulary,
            min_frequency: two(),
            split_digits: false,
        }
    }

    /// Check that the vocabulary holds at least every byte.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), Error> {
        match self.vocabulary < SMALLEST {
            true => Err(Error::setting(
                "vocabulary",
                format!(
                    "{} is below {SMALLEST}: 256 bytes and {SPECIAL:?}",
                    self.vocabulary
                ),
            )),
            false => Ok(()),
        }
    }

    /// Train on `texts` and write `tokenizer.json` and `tokenizer_config.json` into `folder`.
    ///
    /// # Errors
    /// When the vocabulary does not even hold every byte, or writing fails.
    pub fn train<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
        folder: &Path,
    ) -> Result<Tokenizer, Error> {
        self.validate()?;
        let path = folder.join("tokenizer.json");
        let file = self.file(texts).map_err(|e| Error::format(&path, e))?;
        write_json(&path, &file)?;
        let [pad, bos, eos] = SPECIAL;
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": pad,
            "bos_token": bos,
            "eos_token": eos,
            "clean_up_tokenization_spaces": false,
        });
        write_json(&folder.join("tokenizer_config.json"), &config)?;
        Tokenizer::load(folder)
    }

    /// The content of `tokenizer.json`.
    fn file<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<Value, String> {
        let byte_level = json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        });
        let pre_tokenizer = match self.split_digits {
            true => json!({
                "type": "Sequence",
                "pretokenizers": [{ "type": "Digits", "individual_digits": true }, byte_level],
            }),
            false => byte_level.clone(),
        };
        let splitter: PreTokenizerWrapper =
            serde_json::from_value(pre_tokenizer.clone()).map_err(|e| e.to_string())?;
        let mut words = BTreeMap::new();
        for text in texts {
            let mut split = PreTokenizedString::from(text);
            splitter
                .pre_tokenize(&mut split)
                .map_err(|e| e.to_string())?;
            for (word, ..) in split.get_splits(OffsetReferential::Normalized, OffsetType::None) {
                *words.entry(word.to_owned()).or_insert(0) += 1;
            }
        }
        let mut merging = Merging::of(&words);
        let mut merges = Vec::new();
        while merging.tokens.len() < self.vocabulary {
            let Some(merge) = merging.step(self.min_frequency) else {
                break;
            };
            merges.push(merge);
        }
        let ids = merging.tokens.iter().zip(0_u32..);
        let vocabulary: BTreeMap<&String, u32> = ids.collect();
        let special: Vec<Value> = SPECIAL.iter().zip(0..).map(special_token).collect();
        let bos = json!({ "SpecialToken": { "id": SPECIAL[1], "type_id": 0 } });
        let sequence = |id: &str, kind: u32| json!({ "Sequence": { "id": id, "type_id": kind } });
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": special,
            "normalizer": null,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [bos, sequence("A", 0)],
                "pair": [bos, sequence("A", 0), sequence("B", 1)],
                "special_tokens": {
                    SPECIAL[1]: { "id": SPECIAL[1], "ids": [1], "tokens": [SPECIAL[1]] },
                },
            },
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": false,
                "vocab": vocabulary,
                "merges": merges,
            },
        }))
    }
}

fn special_token((content, id): (&&str, u32)) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    })
}

type Pair = (u32, u32);

/// Words that are cut into tokens, and how often each pair of neighbours occurs.
struct Merging {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    words: Vec<(Vec<u32>, u64)>,
    counts: HashMap<Pair, u64>,
    /// Words that have or had a pair.
    places: HashMap<Pair, BTreeSet<usize>>,
    /// The most frequent pair is last; of equals, the one of the smallest ids.
    order: BTreeSet<(u64, Reverse<Pair>)>,
}

impl Merging {
    fn of(words: &BTreeMap<String, u64>) -> Self {
        let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
        alphabet.sort_unstable();
        let special = SPECIAL.iter().map(|token| (*token).to_owned());
        let tokens: Vec<String> = special
            .chain(alphabet.into_iter().map(String::from))
            .collect();
        let ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
        let words = words.iter().map(|(word, count)| {
            let letters = word.chars().map(|letter| ids[&String::from(letter)]);
            (letters.collect(), *count)
        });
        let mut merging = Self {
            words: words.collect(),
            tokens,
            ids,
            counts: HashMap::new(),
            places: HashMap::new(),
            order: BTreeSet::new(),
        };
        for word in 0..merging.words.len() {
            let (ids, count) = merging.words[word].clone();
            for pair in pairs(&ids) {
                *merging.counts.entry(pair).or_default() += count;
                merging.places.entry(pair).or_default().insert(word);
            }
        }
        let order = merging.counts.iter();
        merging.order = order
            .map(|(pair, count)| (*count, Reverse(*pair)))
            .collect();
        merging
    }

    /// Join the most frequent pair everywhere; its two tokens, or `None` when no pair is left.
    fn step(&mut self, min_frequency: u64) -> Option<[String; 2]> {
        let &(count, Reverse(pair)) = self.order.last()?;
        if count < min_frequency.max(1) {
            return None;
        }
        let parts = [pair.0, pair.1].map(|id| self.tokens[id as usize].clone());
        let joined = parts.concat();
        // Two ways may lead to the same token.
        let id = *self.ids.entry(joined.clone()).or_insert_with(|| {
            self.tokens.push(joined);
            self.tokens.len() as u32 - 1
        });
        let mut changes: BTreeMap<Pair, i64> = BTreeMap::new();
        for word in self.places.remove(&pair).unwrap_or_default() {
            let (ids, count) = &mut self.words[word];
            let merged = join(ids, pair, id);
            let count = *count as i64;
            for old in pairs(ids) {
                *changes.entry(old).or_default() -= count;
            }
            for new in pairs(&merged) {
                *changes.entry(new).or_default() += count;
                self.places.entry(new).or_default().insert(word);
            }
            *ids = merged;
        }
        for (pair, change) in changes {
            let before = self.counts.get(&pair).copied().unwrap_or(0);
            let after = before.saturating_add_signed(change);
            self.order.remove(&(before, Reverse(pair)));
            match after {
                0 => drop(self.counts.remove(&pair)),
                _ => {
                    self.counts.insert(pair, after);
                    self.order.insert((after, Reverse(pair)));
                }
            }
        }
        Some(parts)
    }
}

fn pairs(ids: &[u32]) -> impl Iterator<Item = Pair> + '_ {
    ids.windows(2).map(|pair| (pair[0], pair[1]))
}

/// `ids` with every occurrence of `pair`, from the left, replaced by `id`.
fn join(ids: &[u32], pair: Pair, id: u32) -> Vec<u32> {
    let mut joined = Vec::with_capacity(ids.len());
    let mut rest = ids;
    while let [first, after @ ..] = rest {
        match after.first() {
            Some(second) if (*first, *second) == pair => {
                joined.push(id);
                rest = &after[1..];
            }
            _ => {
                joined.push(*first);
                rest = after;
            }
        }
    }
    joined
}
