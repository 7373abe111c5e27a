//! A stream of text tasks as batches for a decoder.

use treelora_cl_bench::{
    BatchIterator, Stage, StreamData,
    text::{
        Duplicates, EncodedRecord, Encoding, Majority, SplitReport, StreamReport, TaskReport,
        TextBatching, TextDataset, TextSplit, TextTask, TextTestExample, TokenLimits, Tokenizer,
    },
};
use treelora_core::{Batches, Error, Task, TaskId};
use treelora_models::decoder::{TextBatch, TextExample};

/// Examples a batch where the model reads them once in order.
const CHUNK: usize = 16;

/// Text tasks, encoded once.
#[derive(Debug)]
pub struct TextStream {
    tasks: Vec<Task>,
    encoded: Vec<EncodedTask>,
    records: TextDataset,
    batching: TextBatching,
    report: StreamReport,
}

#[derive(Debug)]
struct EncodedTask {
    train: Vec<TextExample>,
    eval: Vec<TextExample>,
    test: Vec<TextExample>,
    prompts: Vec<TextTestExample>,
}

impl TextStream {
    /// Encode every record for a model that sees `context` tokens at once.
    ///
    /// # Errors
    /// When a setting does not fit, or a record cannot be encoded; the message names the task, the
    /// split and the record.
    pub fn new(
        records: TextDataset,
        tokenizer: &Tokenizer,
        encoding: &Encoding,
        batching: TextBatching,
        context: usize,
    ) -> Result<Self, Error> {
        batching.validate().map_err(|e| e.within("batching"))?;
        let limits = encoding.limits(context).map_err(|e| e.within("encoding"))?;
        let (mut encoded, mut reports) = (Vec::new(), Vec::new());
        for task in &records.tasks {
            let encoder = Encoder {
                task,
                tokenizer,
                encoding,
                limits,
            };
            let (examples, report) = encoder.task()?;
            encoded.push(examples);
            reports.push(report);
        }
        Ok(Self {
            tasks: records
                .tasks
                .iter()
                .enumerate()
                .map(|(id, task)| Task {
                    id: TaskId(id),
                    name: task.title(),
                    classes: Vec::new(),
                })
                .collect(),
            encoded,
            batching,
            report: StreamReport {
                limits,
                tasks: reports,
                missing: records.missing.clone(),
            },
            records,
        })
    }

    /// What was cut, left out, replaced or double.
    pub fn report(&self) -> &StreamReport {
        &self.report
    }

    /// The tasks as text.
    pub fn records(&self) -> &TextDataset {
        &self.records
    }

    /// Test prompts of a task, for generation, in the order of the file.
    ///
    /// # Panics
    /// When the task is not in the stream.
    pub fn test_examples(&self, task: TaskId) -> &[TextTestExample] {
        &self.encoded[task.0].prompts
    }

    /// The validation data of a task in a fixed order; nothing where the task has none.
    ///
    /// # Panics
    /// When the task is not in the stream or `batch_size` is 0.
    pub fn eval(&self, task: TaskId, batch_size: usize) -> BatchIterator<'_, TextBatch> {
        let examples: Vec<&TextExample> = self.encoded[task.0].eval.iter().collect();
        self.in_order(examples, batch_size)
    }

    fn train(&self, stage: &Stage) -> Vec<&TextExample> {
        let tasks = stage.members.iter().map(|task| &self.encoded[task.0]);
        tasks.flat_map(|task| &task.train).collect()
    }

    fn in_order<'a>(
        &'a self,
        examples: Vec<&'a TextExample>,
        batch_size: usize,
    ) -> BatchIterator<'a, TextBatch> {
        let plan = self.batching.in_order(&lengths(&examples), batch_size);
        batches(examples, plan)
    }
}

fn lengths(examples: &[&TextExample]) -> Vec<usize> {
    examples.iter().map(|example| example.ids.len()).collect()
}

fn batches<'a>(
    examples: Vec<&'a TextExample>,
    plan: Vec<Vec<usize>>,
) -> BatchIterator<'a, TextBatch> {
    Box::new(plan.into_iter().map(move |indices| {
        let examples = indices.into_iter().map(|index| examples[index].clone());
        Ok(TextBatch {
            examples: examples.collect(),
        })
    }))
}

impl StreamData<TextBatch> for TextStream {
    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// None: answers are texts.
    fn allowed(&self, _on: TaskId, _after: TaskId) -> Vec<usize> {
        Vec::new()
    }

    fn train_len(&self, stage: &Stage) -> usize {
        self.train(stage).len()
    }

    fn num_batches(&self, stage: &Stage, batch_size: usize) -> usize {
        self.batching
            .count(&lengths(&self.train(stage)), batch_size)
    }

    fn epoch(
        &self,
        stage: &Stage,
        batch_size: usize,
        order_seed: u64,
        skip: usize,
    ) -> Result<BatchIterator<'_, TextBatch>, Error> {
        let examples = self.train(stage);
        let mut plan = self
            .batching
            .shuffled(&lengths(&examples), batch_size, order_seed);
        plan.drain(..plan.len().min(skip));
        Ok(batches(examples, plan))
    }

    fn in_order<'a>(&'a self, stage: &Stage) -> Box<dyn Batches<TextBatch> + 'a> {
        Box::new(InOrder {
            stream: self,
            examples: self.train(stage),
        })
    }

    fn test(&self, task: TaskId, batch_size: usize) -> Result<BatchIterator<'_, TextBatch>, Error> {
        let examples = self.encoded[task.0].test.iter().collect();
        Ok(TextStream::in_order(self, examples, batch_size))
    }
}

struct InOrder<'a> {
    stream: &'a TextStream,
    examples: Vec<&'a TextExample>,
}

impl Batches<TextBatch> for InOrder<'_> {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn batches(&self) -> Box<dyn Iterator<Item = Result<TextBatch, Error>> + '_> {
        TextStream::in_order(self.stream, self.examples.clone(), CHUNK)
    }
}

/// One task on its way to token ids.
struct Encoder<'a> {
    task: &'a TextTask,
    tokenizer: &'a Tokenizer,
    encoding: &'a Encoding,
    limits: TokenLimits,
}

impl Encoder<'_> {
    fn task(&self) -> Result<(EncodedTask, TaskReport), Error> {
        let task = self.task;
        let (train, of_train) = self.split("train", &task.train)?;
        let (eval, of_eval) = self.split("eval", &task.eval)?;
        let (test, of_test) = self.split("test", &task.test)?;
        let prompts = task.test.records.iter().zip(&test);
        let prompts = prompts.map(|(record, example)| TextTestExample {
            prompt_text: record.prompt.clone(),
            answer_text: record.answer.clone(),
            prompt_ids: example.prompt().to_vec(),
        });
        let report = TaskReport {
            name: task.title(),
            train_from: task.train_from,
            train: of_train,
            eval: of_eval,
            test: of_test,
            duplicates: Duplicates::of(task),
            majority: Majority::of(task),
        };
        let examples = EncodedTask {
            prompts: prompts.collect(),
            train,
            eval,
            test,
        };
        Ok((examples, report))
    }

    fn split(
        &self,
        name: &str,
        split: &TextSplit,
    ) -> Result<(Vec<TextExample>, SplitReport), Error> {
        let encoded = self
            .encoding
            .records(self.tokenizer, &split.records, self.limits)
            .map_err(|error| match error {
                Error::Data(problem) => {
                    Error::Data(format!("{}, {name} split: {problem}", self.task.title()))
                }
                other => other.within("encoding"),
            })?;
        let mut report = SplitReport {
            records: split.records.len(),
            available: split.available,
            ..SplitReport::default()
        };
        let mut examples = Vec::with_capacity(encoded.len());
        for EncodedRecord {
            prompt,
            answer,
            answer_cut,
        } in encoded
        {
            let example = TextExample::new(&prompt.ids, &answer);
            report.prompts_cut += usize::from(prompt.cut > 0);
            report.answers_cut += usize::from(answer_cut > 0);
            report.tokens += example.ids.len();
            report.longest = report.longest.max(example.ids.len());
            examples.push(example);
        }
        Ok((examples, report))
    }
}
