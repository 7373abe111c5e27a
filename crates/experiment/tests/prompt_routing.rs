//! Laws of routed answers on text: who answers a prompt depends on the prompt alone.
#![allow(clippy::unwrap_used)]

use burn::{
    module::Module,
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Tensor},
};
use rand::{Rng, RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use treelora_baselines::{LoraPerTask, LoraPerTaskConfig};
use treelora_cl_bench::text::TextTestExample;
use treelora_class_incremental::{DiscriminantConfig, Routed};
use treelora_core::{Error, Learner, Method, StepInfo, Task, TaskId};
use treelora_experiment::{GenerationConfig, Inference, PromptRouter};
use treelora_lora::{AdapterSnapshot, LoraConfig, Selection, attach_bank};
use treelora_models::decoder::{Decoder, DecoderConfig, GenerationRequest, TextBatch, TextExample};

const VOCABULARY: usize = 60;

fn plain() -> Decoder {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let device = Device::default().autodiff();
    DecoderConfig::llama(VOCABULARY, 16, 2, 4)
        .init(&mut rng, &device)
        .unwrap()
}

fn lda() -> DiscriminantConfig {
    serde_json::from_str(r#"{ "kind": "lda" }"#).unwrap()
}

/// A prompt of 3 to 9 of the tokens of a task: 10 to 12, 13 to 15, 16 to 18.
fn prompt_of(task: usize, rng: &mut impl Rng) -> Vec<u32> {
    let first = 10 + 3 * task as u32;
    let length = rng.random_range(3..10);
    (0..length)
        .map(|_| rng.random_range(first..first + 3))
        .collect()
}

fn prompts(tokens_of: impl Fn(usize) -> usize, count: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|index| prompt_of(tokens_of(index), &mut rng))
        .collect()
}

fn test_examples(prompts: &[Vec<u32>]) -> Vec<TextTestExample> {
    let example = |ids: &Vec<u32>| TextTestExample {
        prompt_text: String::new(),
        answer_text: String::new(),
        prompt_ids: ids.clone(),
    };
    prompts.iter().map(example).collect()
}

fn per_task() -> Box<dyn Method<Decoder>> {
    let lora = LoraConfig {
        target_modules: vec![r"\.(q_proj|v_proj|down_proj)\.weight$".into()],
        trainable: Vec::new(),
        ..LoraConfig::new(4, 16.0)
    };
    Box::new(LoraPerTask::new(LoraPerTaskConfig { lora }, 5).unwrap())
}

fn routed() -> Box<dyn Method<Decoder>> {
    Box::new(Routed::new(per_task(), &lda()).unwrap())
}

/// Three tasks on tokens of their own, each answered with a token of its own, twice.
fn train(method: &mut dyn Method<Decoder>) -> Learner<Decoder> {
    train_on(method, 3, |task| task)
}

fn train_on(
    method: &mut dyn Method<Decoder>,
    tasks: usize,
    tokens_of: impl Fn(usize) -> usize,
) -> Learner<Decoder> {
    let mut learner = method.attach(plain()).unwrap();
    for id in 0..tasks {
        let task = Task {
            id: TaskId(id),
            name: format!("task {id}"),
            classes: Vec::new(),
        };
        let answer = [1 + id as u32; 2];
        let prompts = prompts(|_| tokens_of(id), 40, id as u64);
        let examples = prompts.iter().map(|ids| TextExample::new(ids, &answer));
        let data = vec![TextBatch {
            examples: examples.collect(),
        }];
        learner = method.begin_task(learner, &Vec::new(), &task).unwrap();
        let mut optimizer = AdamConfig::new().init();
        for epoch in 0..30 {
            let step = StepInfo {
                task: task.id,
                epoch,
                epochs: 30,
                step: 0,
                steps: 1,
            };
            let loss = method.objective(&learner, &data[0], &step).unwrap();
            let gradients = GradientsParams::from_grads(loss.backward(), &learner);
            learner = optimizer.step(0.02, learner, gradients);
            learner = method.after_step(learner, &step).unwrap();
        }
        learner = method.end_task(learner, &data, &task).unwrap();
    }
    learner
}

/// What a decoder writes after one prompt alone.
fn written(decoder: &Decoder, prompt: &[u32]) -> Vec<u32> {
    let request = GenerationRequest {
        prompt: prompt.to_vec(),
        stream: 0,
    };
    let config = GenerationConfig {
        max_new_tokens: 3,
        ..GenerationConfig::default()
    };
    let generations = decoder.generate(&[request], &config, |_, _| {}).unwrap();
    generations[0].ids.clone()
}

/// The same for all prompts, in batches of `size` that hold the prompts of one adapter each.
fn all_written(
    decoder: &Decoder,
    prompts: &[TextTestExample],
    positions: &[usize],
    size: usize,
) -> Result<Vec<Vec<u32>>, Error> {
    let config = GenerationConfig {
        max_new_tokens: 3,
        ..GenerationConfig::default()
    };
    let mut ids = Vec::new();
    for batch in positions.chunks(size) {
        let requests = batch.iter().map(|&at| GenerationRequest {
            prompt: prompts[at].prompt_ids.clone(),
            stream: 0,
        });
        let requests: Vec<GenerationRequest> = requests.collect();
        let generations = decoder.generate(&requests, &config, |_, _| {})?;
        ids.extend(generations.into_iter().map(|generation| generation.ids));
    }
    Ok(ids)
}

/// The plain model with what a task's training left, and nothing else of the method.
fn alone(learner: &Learner<Decoder>, method: &dyn Method<Decoder>, task: usize) -> Decoder {
    let answering = method.for_evaluation(learner).unwrap();
    let of_task = method.for_task(&answering, TaskId(task)).unwrap().unwrap();
    let adapter = AdapterSnapshot::of_selection(&of_task.model).unwrap();
    attach_bank(plain().valid(), &[adapter], Selection::One(0)).unwrap()
}

#[test]
fn every_prompt_is_answered_by_its_tasks_adapter_in_any_batch_and_order() {
    let mut method = routed();
    let learner = train(method.as_mut());
    let method = method.as_ref();
    let answering = method.for_evaluation(&learner).unwrap();
    let adapters = [0, 1, 2].map(|task| alone(&learner, method, task));

    let prompts = prompts(|index| index % 3, 30, 99);
    let expected: Vec<Vec<u32>> = (0..prompts.len())
        .map(|index| written(&adapters[index % 3], &prompts[index]))
        .collect();
    // The adapters write what they were taught, which is not what the newest one writes.
    for (task, found) in expected.iter().take(3).enumerate() {
        assert_eq!(found[..2], [1 + task as u32; 2], "task {task}");
    }
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    for size in [1, 2, 7, 64] {
        let shuffled: Vec<Vec<u32>> = order.iter().map(|&index| prompts[index].clone()).collect();
        let examples = test_examples(&shuffled);
        let router = PromptRouter::new(Inference::Routed, size);
        let routes = router
            .routes(method, &answering, TaskId(0), &examples)
            .unwrap();
        let tasks: Vec<TaskId> = order.iter().map(|index| TaskId(index % 3)).collect();
        assert_eq!(routes.inferred, Some(tasks), "batches of {size}");
        let found =
            routes.collect(|decoder, positions| all_written(decoder, &examples, positions, size));
        for (&index, ids) in order.iter().zip(found.unwrap()) {
            assert_eq!(ids, expected[index], "prompt {index}, batches of {size}");
        }
        let share = routes.counts(TaskId(1)).share();
        assert_eq!(
            share,
            Some(1.0 / 3.0),
            "a third of the prompts is of task 1"
        );
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(size as u64));
    }
}

#[test]
fn a_told_task_is_answered_by_its_own_adapter_alone() {
    let mut method = per_task();
    let learner = train(method.as_mut());
    let method = method.as_ref();
    let answering = method.for_evaluation(&learner).unwrap();
    for task in 0..3 {
        // Prompts of another task: what they look like is not asked.
        let prompts = prompts(|_| (task + 1) % 3, 6, 7);
        let examples = test_examples(&prompts);
        let answers = |inference| {
            let router = PromptRouter::new(inference, 4);
            let routes = router.routes(method, &answering, TaskId(task), &examples);
            let routes = routes.unwrap();
            assert_eq!((routes.inferred.as_ref(), routes.task_of(0)), (None, None));
            assert_eq!(routes.counts(TaskId(task)).share(), None);
            routes
                .collect(|decoder, positions| all_written(decoder, &examples, positions, 4))
                .unwrap()
        };
        let own = |task: usize| -> Vec<Vec<u32>> {
            let decoder = alone(&learner, method, task);
            prompts.iter().map(|ids| written(&decoder, ids)).collect()
        };
        assert_eq!(answers(Inference::Oracle), own(task), "task {task}");
        // By itself the newest adapter answers.
        assert_eq!(answers(Inference::Latest), own(2), "task {task}");
        assert_eq!(own(task) == own(2), task == 2, "adapters that differ");
    }
}

#[test]
fn tasks_that_look_alike_are_told_apart_no_better_than_by_chance() {
    let share = |tokens_of: fn(usize) -> usize| {
        let mut method = routed();
        let learner = train_on(method.as_mut(), 2, tokens_of);
        let answering = method.for_evaluation(&learner).unwrap();
        let mut counts = [0, 1].map(|task| {
            let examples = test_examples(&prompts(|_| tokens_of(task), 100, 50 + task as u64));
            let router = PromptRouter::new(Inference::Routed, 16);
            let routes = router.routes(method.as_ref(), &answering, TaskId(task), &examples);
            routes.unwrap().counts(TaskId(task))
        });
        let other = counts[1];
        counts[0].add(other);
        counts[0].share().unwrap()
    };
    assert!(share(|task| task) > 0.98);
    let alike = share(|_| 0);
    assert!((0.35..0.65).contains(&alike), "{alike}");
}

#[test]
fn a_task_without_prompts_has_nothing_to_route() {
    let mut method = routed();
    let learner = train(method.as_mut());
    let answering = method.for_evaluation(&learner).unwrap();
    let router = PromptRouter::new(Inference::Routed, 4);
    let routes = router.routes(method.as_ref(), &answering, TaskId(0), &[]);
    let routes = routes.unwrap();
    let answers = routes.collect(|_, positions| Ok(positions.to_vec()));
    assert_eq!(answers.unwrap(), [0; 0]);
    assert_eq!(routes.counts(TaskId(0)).share(), None);
}

/// A method written elsewhere, which looks at a prompt's features in its own way.
struct BySign(Box<dyn Method<Decoder>>);

impl Method<Decoder> for BySign {
    fn inner(&self) -> Option<&dyn Method<Decoder>> {
        Some(self.0.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Method<Decoder>> {
        Some(self.0.as_mut())
    }

    fn infer_tasks(&self, frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        let first = frozen_features().narrow(1, 0, 1).into_data();
        let task = |value: f32| TaskId(usize::from(value > 0.0));
        Some(first.iter::<f32>().map(task).collect())
    }
}

#[test]
fn a_method_of_ones_own_routes_prompts_by_its_own_rule() {
    let mut method = BySign(per_task());
    let learner = train(&mut method);
    let answering = method.for_evaluation(&learner).unwrap();
    let examples = test_examples(&prompts(|index| index % 3, 40, 8));
    let router = PromptRouter::new(Inference::Latest, 8);
    let routes = router.routes(&method, &answering, TaskId(0), &examples);
    let routes = routes.unwrap();
    let adapters = [0, 1].map(|task| alone(&learner, &method, task));
    let answers = routes.collect(|decoder, at| all_written(decoder, &examples, at, 8));
    let mut of_task = [0, 0];
    for (at, answer) in answers.unwrap().into_iter().enumerate() {
        // The rule again, on the prompt alone.
        use treelora_core::Features;
        let batch = TextBatch {
            examples: vec![TextExample::new(&examples[at].prompt_ids, &[])],
        };
        let features = plain().valid().features(&batch).into_data();
        let task = usize::from(features.iter::<f32>().next().unwrap() > 0.0);
        of_task[task] += 1;
        assert_eq!(routes.task_of(at), Some(TaskId(task)));
        assert_eq!(answer, written(&adapters[task], &examples[at].prompt_ids));
    }
    assert!(of_task.iter().all(|count| *count > 0), "{of_task:?}");
}
