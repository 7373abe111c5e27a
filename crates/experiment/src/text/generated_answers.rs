//! Scores of the answers that a decoder writes or chooses.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use serde::Serialize;
use treelora_cl_bench::{
    StreamData,
    metrics::TaskScore,
    scorers::{Flavour, Sample, TaskMetric},
    text::{DemonstratedPrompts, TextTestExample, Tokenizer},
};
use treelora_core::{Error, Learner, Method, TaskId};
use treelora_models::decoder::{
    Decoder, GenerationConfig, GenerationRequest, ScoreRules, SharedPrefix,
};

use crate::{
    config::{answering::Answering, text_experiment_config::GenerationSettings},
    folder::checkpoint::RunFolder,
    run::evaluation::Scoring,
    streams::text_stream::TextStream,
    text::{
        known_answers::KnownAnswers,
        label_choices::LabelChoices,
        label_stop::LabelStop,
        prompt_router::{PromptRouter, Routes},
    },
};

/// Answers every test prompt, by writing or by choosing, and scores the text by the task's own metric.
pub struct GeneratedAnswers<'a> {
    /// The stream.
    pub stream: &'a TextStream,
    /// Prompts with examples in front, one entry a task; empty for the plain prompts.
    pub demonstrated: &'a [DemonstratedPrompts],
    /// From tokens to text.
    pub tokenizer: &'a Tokenizer,
    /// What the decoder's files ask of a generation.
    pub rules: &'a ScoreRules,
    /// How answers are written and scored.
    pub settings: &'a GenerationSettings,
    /// Which adapter answers which prompt.
    pub router: PromptRouter,
    /// Prompts a batch; has no influence on results.
    pub batch_size: usize,
    /// Seed of sampled answers.
    pub seed: u64,
    /// Where the answers themselves are kept, if anywhere.
    pub folder: Option<&'a RunFolder>,
    /// The labels of each task that has some; empty where no answer is chosen.
    pub(crate) choices: &'a [Option<LabelChoices>],
    /// What a method that keeps its adapters, or has none, need not answer again; `None` for any other.
    pub(crate) known: Option<KnownAnswers>,
    pub(crate) oddities: Oddities,
}

/// What is told once a task.
#[derive(Debug, Default)]
pub(crate) struct Oddities {
    warned: RefCell<BTreeSet<TaskId>>,
    warnings: RefCell<Vec<String>>,
}

/// One answer, as it is kept.
#[derive(Serialize)]
struct Answer<'a> {
    prompt: &'a str,
    answer: &'a str,
    generated: &'a str,
    score: Option<f64>,
    /// The task whose adapter wrote it, where the method inferred one.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskId>,
    /// What was answered in the other way, where both are reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<&'a str>,
}

impl GeneratedAnswers<'_> {
    fn prompts(&self, task: TaskId) -> &[TextTestExample] {
        match self.demonstrated.get(task.0) {
            Some(prompts) => &prompts.examples,
            None => self.stream.test_examples(task),
        }
    }

    /// What all prompts of a task begin with, whichever of them `answering` answers.
    fn shared_prefix(&self, answering: &Decoder, task: TaskId) -> Result<SharedPrefix, Error> {
        let prompts = self.prompts(task).iter();
        let prompts: Vec<&[u32]> = prompts
            .map(|example| example.prompt_ids.as_slice())
            .collect();
        let prefix = answering.shared_prefix(&prompts);
        prefix.map_err(|e| e.within("generation"))
    }

    /// What `answering` writes after each prompt of a task at `positions`, in their order.
    fn generate(
        &self,
        answering: &Decoder,
        task: TaskId,
        positions: &[usize],
    ) -> Result<Vec<String>, Error> {
        let examples = self.prompts(task);
        let records = &self.stream.records().tasks[task.0];
        let stop = LabelStop::of(records, examples, self.settings, self.tokenizer);
        let prefix = self.shared_prefix(answering, task)?;
        let stops = self.tokenizer.special().stops.clone();
        let config = GenerationConfig {
            rules: self.rules.clone(),
            ..self.settings.of(&records.name, self.seed, stops)
        };
        // Prompts of similar length share a batch, so that little of it is padding.
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by_key(|&index| examples[positions[index]].prompt_ids.len());
        let mut texts = vec![String::new(); positions.len()];
        for batch in order.chunks(self.batch_size) {
            let requests: Vec<GenerationRequest> = batch
                .iter()
                .map(|&index| GenerationRequest {
                    prompt: examples[positions[index]].prompt_ids.clone(),
                    stream: positions[index] as u64,
                })
                .collect();
            let mut said = vec![Vec::new(); batch.len()];
            let on_token = |row: usize, id| {
                said[row].push(id);
                match &stop {
                    Some(stop) if stop.is_settled(&said[row]) => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            };
            let generations = answering.generate_behind(&prefix, &requests, &config, on_token);
            let generations = generations.map_err(|e| e.within("generation"))?;
            for (&index, generation) in batch.iter().zip(generations) {
                texts[index] = self.tokenizer.decode(&generation.ids)?;
            }
        }
        Ok(texts)
    }

    /// The likeliest label after each prompt of a task at `positions`, in their order.
    fn choose(
        &self,
        answering: &Decoder,
        task: TaskId,
        choices: &LabelChoices,
        positions: &[usize],
    ) -> Result<Vec<String>, Error> {
        let examples = self.prompts(task);
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by_key(|&index| examples[positions[index]].prompt_ids.len());
        let mut texts = vec![String::new(); positions.len()];
        let prefix = self.shared_prefix(answering, task)?;
        let before = choices.before(answering);
        let before = before.map_err(|e| e.within("generation"))?;
        for batch in order.chunks(self.batch_size) {
            let prompts: Vec<&[u32]> = batch
                .iter()
                .map(|&index| examples[positions[index]].prompt_ids.as_slice())
                .collect();
            let chosen = choices.choose(answering, &prefix, &prompts, &before);
            let chosen = chosen.map_err(|e| e.within("generation"))?;
            for (&index, label) in batch.iter().zip(chosen) {
                texts[index] = label.to_owned();
            }
        }
        Ok(texts)
    }

    /// The labels of a task, where its answers are chosen.
    fn choices(&self, task: TaskId, how: Answering) -> Option<&LabelChoices> {
        match how {
            Answering::Generate => None,
            Answering::Choose => self.choices.get(task.0)?.as_ref(),
        }
    }

    /// What is answered to each prompt of a task.
    fn texts(&self, routes: &Routes<'_>, on: TaskId, how: Answering) -> Result<Vec<String>, Error> {
        let choices = self.choices(on, how);
        let texts = routes.collect(|model, positions| {
            let answer = |positions: &[usize]| match choices {
                None => self.generate(model, on, positions),
                Some(choices) => self.choose(model, on, choices, positions),
            };
            match &self.known {
                None => answer(positions),
                Some(known) => known.or(model, (on, how), positions, answer),
            }
        })?;
        if choices.is_none() {
            self.oddities
                .note(on, &self.stream.tasks()[on.0].name, &texts);
        }
        Ok(texts)
    }
}

impl Oddities {
    /// Note a task most of whose answers are empty.
    fn note(&self, on: TaskId, name: &str, texts: &[String]) {
        let empty = texts.iter().filter(|text| text.trim().is_empty()).count();
        if 2 * empty > texts.len() && self.warned.borrow_mut().insert(on) {
            self.warnings.borrow_mut().push(format!(
                "{name}: {empty} of {} answers are empty. A base that was tuned on conversations may end raw prompts at \
                 once: `encoding.chat_template = true` puts them into its chat template, `generation.answer = \
                 \"choose\"` chooses among the labels of a task",
                texts.len()
            ));
        }
    }
}

fn samples<'t>(examples: &'t [TextTestExample], texts: &'t [String]) -> Vec<Sample<'t>> {
    let examples = examples.iter().zip(texts);
    let samples = examples.map(|(example, text)| Sample {
        prompt: &example.prompt_text,
        prediction: text,
        answer: &example.answer_text,
    });
    samples.collect()
}

impl Scoring<Decoder> for GeneratedAnswers<'_> {
    fn score(
        &self,
        method: &dyn Method<Decoder>,
        answering: &Learner<Decoder>,
        on: TaskId,
        after: TaskId,
    ) -> Result<TaskScore, Error> {
        let examples = self.prompts(on);
        let routes = self.router.routes(method, answering, on, examples)?;
        let (how, other) = (self.settings.answer, self.settings.answer.other());
        let texts = self.texts(&routes, on, how)?;
        let others = match self.settings.side_by_side {
            false => None,
            true if self.choices(on, Answering::Choose).is_none() => Some(texts.clone()),
            true => Some(self.texts(&routes, on, other)?),
        };
        let samples = samples(examples, &texts);
        let metric = TaskMetric::for_task(&self.stream.records().tasks[on.0].name);
        let mut scores = BTreeMap::new();
        for flavour in Flavour::ALL {
            scores.insert(flavour.name(), metric.score(flavour, &samples));
        }
        let main = scores
            .remove(self.settings.scoring.name())
            .expect("every flavour was scored");
        if let Some(others) = &others {
            let score = metric.score(self.settings.scoring, &self::samples(examples, others));
            scores.insert(other.name(), score);
        }
        if let Some(folder) = self.folder {
            let answers: Vec<Answer<'_>> = samples
                .iter()
                .zip(&main.per_sample)
                .enumerate()
                .map(|(position, (sample, score))| Answer {
                    prompt: sample.prompt,
                    answer: sample.answer,
                    generated: sample.prediction,
                    score: *score,
                    task: routes.task_of(position),
                    other: others.as_ref().map(|others| others[position].as_str()),
                })
                .collect();
            folder.write_answers(after, on, &answers)?;
        }
        Ok(TaskScore {
            value: main.mean,
            counts: metric.counts_right_answers().then(|| main.cell()),
            other_rules: scores
                .into_iter()
                .filter_map(|(rule, score)| Some((rule.to_owned(), score.mean?)))
                .collect(),
            inference: routes.counts(method.adapter_of(on)),
        })
    }

    fn take_warnings(&self) -> Vec<String> {
        self.oddities.warnings.take()
    }
}
