//! Scores of the answers that a decoder writes.

use std::collections::BTreeMap;

use serde::Serialize;
use treelora_cl_bench::{
    StreamData,
    metrics::TaskScore,
    scorers::{Flavour, Sample, TaskMetric},
    text::{DemonstratedPrompts, TextTestExample, Tokenizer},
};
use treelora_core::{Error, Learner, Method, TaskId};
use treelora_models::decoder::{Decoder, GenerationConfig, GenerationRequest, ScoreRules};

use crate::{
    config::text_experiment_config::GenerationSettings, folder::checkpoint::RunFolder,
    run::evaluation::Scoring, streams::text_stream::TextStream, text::prompt_router::PromptRouter,
};

/// Continues every test prompt and scores the text by the task's own metric.
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
}

impl GeneratedAnswers<'_> {
    fn prompts(&self, task: TaskId) -> &[TextTestExample] {
        match self.demonstrated.get(task.0) {
            Some(prompts) => &prompts.examples,
            None => self.stream.test_examples(task),
        }
    }

    /// What `answering` writes after each prompt of a task at `positions`, in their order.
    fn generate(
        &self,
        answering: &Decoder,
        task: TaskId,
        positions: &[usize],
    ) -> Result<Vec<String>, Error> {
        let examples = self.prompts(task);
        let name = &self.stream.tasks()[task.0].name;
        let stops = self.tokenizer.special().stops.clone();
        let config = GenerationConfig {
            rules: self.rules.clone(),
            ..self.settings.of(name, self.seed, stops)
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
            let generations = answering.generate(&requests, &config, |_, _| {});
            let generations = generations.map_err(|e| e.within("generation"))?;
            for (&index, generation) in batch.iter().zip(generations) {
                texts[index] = self.tokenizer.decode(&generation.ids)?;
            }
        }
        Ok(texts)
    }
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
        let texts =
            routes.collect(|answering, positions| self.generate(answering, on, positions))?;
        let samples: Vec<Sample<'_>> = examples
            .iter()
            .zip(&texts)
            .map(|(example, text)| Sample {
                prompt: &example.prompt_text,
                prediction: text,
                answer: &example.answer_text,
            })
            .collect();
        let metric = TaskMetric::for_task(&self.stream.tasks()[on.0].name);
        let mut scores = BTreeMap::new();
        for flavour in Flavour::ALL {
            scores.insert(flavour.name(), metric.score(flavour, &samples));
        }
        let main = scores
            .remove(self.settings.scoring.name())
            .expect("every flavour was scored");
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
            inference: routes.counts(on),
        })
    }
}
