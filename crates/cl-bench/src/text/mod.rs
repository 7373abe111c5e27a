//! Text tasks: prompts and answers, from files to token ids.
//!
//! | what | where |
//! |---|---|
//! | text to token ids and back; training a vocabulary of one's own | [`Tokenizer`], [`BytePairTraining`] |
//! | which tasks, from which files | [`TextDatasetConfig`], [`TextDataset`] |
//! | lengths, beginnings and ends of prompts and answers | [`Encoding`] |
//! | which examples share a batch, under a budget of tokens | [`TextBatching`] |
//! | texts to train a decoder on from scratch | [`CorpusConfig`], [`PackedText`] |
//! | training examples in front of a test prompt | [`Demonstrations`] |
//! | the accuracy of always the same answer | [`Majority`] |
//! | what was cut, left out, replaced or double | [`StreamReport`] |
//!
//! ```no_run
//! use treelora_cl_bench::text::{Encoding, TextDatasetConfig, Tokenizer};
//!
//! let config: TextDatasetConfig = toml::from_str(
//!     "name = 'trace'\npath = 'LLM-CL-Benchmark_500'\ntrain_split = { MeetingBank = 'eval' }\n",
//! )?;
//! let tokenizer = Tokenizer::load("Llama-3.2-1B-Instruct".as_ref())?;
//! let (encoding, dataset) = (Encoding::default(), config.open()?);
//! for task in &dataset.tasks {
//!     let encoded = encoding.records(&tokenizer, &task.train.records, encoding.limits(131_072)?)?;
//!     println!("{}: {} examples", task.name, encoded.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod tokenizer;

mod special_tokens;

mod chat_template;

mod byte_pair_training;

mod tokenizer_files;

mod gguf_tokenizer;

mod token_names;

mod added_tokens;

mod template_values;

mod template_methods;

mod template_source;

mod date;

mod record;

mod dataset_config;

mod benchmarks;

mod dataset;

mod reading;

mod task_source;

mod classification_task;

mod corpus;

mod packing;

mod duplicates;

mod prompt_text;

mod encoding;

mod test_example;

mod batching;

mod demonstrations;

mod majority;

mod report;

pub use batching::TextBatching;
pub use benchmarks::{TextBenchmark, o_lora_order};
pub use byte_pair_training::BytePairTraining;
pub use chat_template::ChatTemplate;
pub use corpus::{Corpus, CorpusConfig, Document};
pub use dataset::{MissingPart, TextDataset, TextSplit, TextTask};
pub use dataset_config::{ScoredSplit, TextDatasetConfig, TrainSplit};
pub use date::Date;
pub use demonstrations::{DemonstratedPrompts, Demonstrations};
pub use duplicates::Duplicates;
pub use encoding::{Beginning, EncodedPrompt, EncodedRecord, Encoding, TokenLimits};
pub use majority::Majority;
pub use packing::{PackedText, predicted_tokens};
pub use prompt_text::TruncationSide;
pub use record::TextRecord;
pub use report::{SplitReport, StreamReport, TaskReport};
pub use special_tokens::SpecialTokens;
pub use test_example::TextTestExample;
pub use tokenizer::Tokenizer;
