//! A method around another one changes only what it says: every other hook is the inner method's.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, fs, path::Path, rc::Rc};

use burn::{
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use treelora_core::{
    Answer, Batch, Batches, ContinualModel, Error, Exposure, Group, Learner, LearningRates, Method,
    StepInfo, Task, TaskId, TensorFile,
};

// ---- the model ----------------------------------------------------------------------------------

/// As many examples as it says.
#[derive(Clone)]
struct Examples(usize);

impl Batch for Examples {
    fn len(&self) -> usize {
        self.0
    }

    fn select(&self, indices: &[usize]) -> Self {
        Self(indices.len())
    }

    fn concat(parts: Vec<Self>) -> Self {
        Self(parts.iter().map(|part| part.0).sum())
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        file.insert_indices(prefix, [self.0]);
    }

    fn load(prefix: &str, file: &TensorFile, _device: &Device) -> Result<Self, Error> {
        Ok(Self(file.indices(prefix)?[0]))
    }
}

/// One number.
#[derive(Module, Debug)]
struct Number {
    value: Param<Tensor<1>>,
}

impl Number {
    fn new() -> Self {
        let value = Tensor::from_data([1.0], &Device::default().autodiff());
        Self {
            value: Param::from_tensor(value),
        }
    }
}

impl ContinualModel for Number {
    type Batch = Examples;

    fn logits(&self, batch: &Examples) -> Tensor<2> {
        self.value.val().unsqueeze::<2>().expand([batch.0, 1])
    }

    fn loss(&self, _batch: &Examples) -> Tensor<1> {
        self.value.val()
    }
}

// ---- the methods --------------------------------------------------------------------------------

/// Names of the hooks that were called, in order.
type Calls = Rc<RefCell<Vec<&'static str>>>;

/// Notes each call, and answers what no default does.
struct Recorder {
    calls: Calls,
}

impl Recorder {
    fn note(&self, hook: &'static str) {
        self.calls.borrow_mut().push(hook);
    }

    /// `learner` with a vector of the hook's name.
    fn marked(&self, learner: Learner<Number>, hook: &'static str) -> Learner<Number> {
        self.note(hook);
        learner.with_vector(hook, Group::GATE, one())
    }

    fn written(&self, dir: &Path, hook: &'static str) -> Result<(), Error> {
        self.note(hook);
        let path = dir.join(hook);
        fs::write(&path, hook).map_err(|e| Error::io(&path, e))
    }

    /// An error that only the recorder gives.
    fn refused(&self, hook: &'static str) -> Result<(), Error> {
        self.note(hook);
        Err(Error::Data(format!("{hook} of the recorder")))
    }
}

fn one() -> Tensor<1> {
    Tensor::from_data([1.0], &Device::default())
}

impl Method<Number> for Recorder {
    fn exposure(&self) -> Exposure {
        self.note("exposure");
        Exposure::AllTasks
    }

    fn attach(&mut self, model: Number) -> Result<Learner<Number>, Error> {
        Ok(self.marked(Learner::of(model), "attach"))
    }

    fn begin_task(
        &mut self,
        learner: Learner<Number>,
        _data: &dyn Batches<Examples>,
        _task: &Task,
    ) -> Result<Learner<Number>, Error> {
        Ok(self.marked(learner, "begin_task"))
    }

    fn learning_rates(&self, base: LearningRates, _step: &StepInfo) -> LearningRates {
        self.note("learning_rates");
        base.times(7.0)
    }

    fn objective(
        &mut self,
        learner: &Learner<Number>,
        batch: &Examples,
        _step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        self.note("objective");
        Ok(learner.model.loss(batch) * 3.0)
    }

    fn gradients(
        &mut self,
        _learner: &Learner<Number>,
        _gradients: GradientsParams,
        _step: &StepInfo,
    ) -> Result<GradientsParams, Error> {
        self.note("gradients");
        Ok(GradientsParams::new())
    }

    fn after_step(
        &mut self,
        learner: Learner<Number>,
        _step: &StepInfo,
    ) -> Result<Learner<Number>, Error> {
        Ok(self.marked(learner, "after_step"))
    }

    fn end_task(
        &mut self,
        learner: Learner<Number>,
        _data: &dyn Batches<Examples>,
        _task: &Task,
    ) -> Result<Learner<Number>, Error> {
        Ok(self.marked(learner, "end_task"))
    }

    fn for_evaluation(&self, learner: &Learner<Number>) -> Result<Learner<Number>, Error> {
        Ok(self.marked(learner.clone(), "for_evaluation"))
    }

    fn for_task(
        &self,
        answering: &Learner<Number>,
        _task: TaskId,
    ) -> Result<Option<Learner<Number>>, Error> {
        Ok(Some(self.marked(answering.clone(), "for_task")))
    }

    fn adapter_of(&self, task: TaskId) -> TaskId {
        self.note("adapter_of");
        TaskId(task.0 + 8)
    }

    fn infer_tasks(&self, frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        self.note("infer_tasks");
        let [rows, _] = frozen_features().dims();
        Some(vec![TaskId(6); rows])
    }

    fn answer(
        &self,
        answering: &Learner<Number>,
        batch: &Examples,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        self.note("answer");
        Ok(Answer {
            scores: answering.model.logits(batch) * 5.0,
            tasks: told.map(|task| vec![TaskId(task.0 + 1); batch.0]),
        })
    }

    fn log(&self) -> Vec<(String, f64)> {
        self.note("log");
        vec![("noted".into(), 1.5)]
    }

    fn diagnostics(&self) -> Vec<(String, serde_json::Value)> {
        self.note("diagnostics");
        vec![("noted".into(), 2.into())]
    }

    fn stored_bytes(&self) -> usize {
        self.note("stored_bytes");
        77
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.written(dir, "save")
    }

    fn load(&mut self, _dir: &Path, _device: &Device) -> Result<(), Error> {
        self.refused("load")
    }

    fn save_progress(&self, dir: &Path) -> Result<(), Error> {
        self.written(dir, "save_progress")
    }

    fn load_progress(&mut self, _dir: &Path, _device: &Device) -> Result<(), Error> {
        self.refused("load_progress")
    }
}

/// Says what is inside, and nothing else.
struct Around(Box<dyn Method<Number>>);

impl Method<Number> for Around {
    fn inner(&self) -> Option<&dyn Method<Number>> {
        Some(self.0.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Method<Number>> {
        Some(self.0.as_mut())
    }
}

// ---- the trait's own text -----------------------------------------------------------------------

/// Name and text of every hook of the trait but the two that say what is inside.
fn hooks() -> Vec<(String, String)> {
    let source = include_str!("../src/method.rs");
    let start = source.find("pub trait Method<").unwrap();
    let end = start + source[start..].find("\n}\n").unwrap();
    let mut hooks = Vec::new();
    for text in source[start..end].split("\n    fn ").skip(1) {
        let name = text.split(['(', '<']).next().unwrap().to_owned();
        let body = &text[..text.find("\n    }").unwrap_or(text.len())];
        if !name.starts_with("inner") {
            hooks.push((name, body.to_owned()));
        }
    }
    hooks
}

// ---- the laws -----------------------------------------------------------------------------------

#[test]
fn every_hook_is_forwarded_and_its_result_handed_back() {
    let calls = Calls::default();
    let recorder = Recorder {
        calls: Rc::clone(&calls),
    };
    // Two deep: a wrapper is a method like any other.
    let mut method = Around(Box::new(Around(Box::new(recorder))));
    let task = Task {
        id: TaskId(0),
        name: "numbers".into(),
        classes: Vec::new(),
    };
    let step = StepInfo {
        task: task.id,
        epoch: 0,
        epochs: 1,
        step: 0,
        steps: 1,
    };
    let batch = Examples(2);
    let marks = |learner: &Learner<Number>, hook: &str| learner.vector(hook).is_ok();

    assert_eq!(method.exposure(), Exposure::AllTasks);
    let learner = method.attach(Number::new()).unwrap();
    assert!(marks(&learner, "attach"));
    let learner = method.begin_task(learner, &Vec::new(), &task).unwrap();
    assert!(marks(&learner, "begin_task"));
    let rates = method.learning_rates(LearningRates::new(1.0, 2.0), &step);
    assert_eq!(rates, LearningRates::new(7.0, 14.0));
    let loss = method.objective(&learner, &batch, &step).unwrap();
    assert_eq!(loss.clone().into_scalar::<f32>(), 3.0);
    let gradients = GradientsParams::from_grads(loss.backward(), &learner);
    assert!(!gradients.is_empty());
    let gradients = method.gradients(&learner, gradients, &step).unwrap();
    assert!(gradients.is_empty());
    let learner = method.after_step(learner, &step).unwrap();
    assert!(marks(&learner, "after_step"));
    let data = vec![batch.clone()];
    let learner = method.end_task(learner, &data, &task).unwrap();
    assert!(marks(&learner, "end_task"));
    let answering = method.for_evaluation(&learner).unwrap();
    assert!(marks(&answering, "for_evaluation"));
    let of_task = method.for_task(&answering, TaskId(0)).unwrap().unwrap();
    assert!(marks(&of_task, "for_task"));
    assert_eq!(method.adapter_of(TaskId(1)), TaskId(9));
    let inferred = method.infer_tasks(&|| one().expand([2, 1]));
    assert_eq!(inferred, Some(vec![TaskId(6); 2]));
    let answer = method.answer(&answering, &batch, Some(TaskId(3))).unwrap();
    assert_eq!(answer.scores.max().into_scalar::<f32>(), 5.0);
    assert_eq!(answer.tasks, Some(vec![TaskId(4); 2]));
    assert_eq!(method.log(), [("noted".to_owned(), 1.5)]);
    assert_eq!(method.diagnostics(), [("noted".to_owned(), 2.into())]);
    assert_eq!(method.stored_bytes(), 77);
    let dir = tempfile::tempdir().unwrap();
    method.save(dir.path()).unwrap();
    assert!(dir.path().join("save").exists());
    let error = method.load(dir.path(), &Device::default()).unwrap_err();
    assert_eq!(error.to_string(), "load of the recorder");
    method.save_progress(dir.path()).unwrap();
    assert!(dir.path().join("save_progress").exists());
    let error = method.load_progress(dir.path(), &Device::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "load_progress of the recorder"
    );

    // Each hook of the trait once, in the order of the trait: a new one has to be called above.
    let all: Vec<String> = hooks().into_iter().map(|(name, _)| name).collect();
    assert_eq!(*calls.borrow(), all);
}

#[test]
fn the_default_of_every_hook_asks_the_inner_method() {
    let hooks = hooks();
    assert!(hooks.len() > 10, "{hooks:?}");
    for (name, body) in hooks {
        let asks = body.contains("self.inner()") || body.contains("self.inner_mut()");
        assert!(asks, "{name}: {body}");
        assert!(body.contains(&format!("inner.{name}(")), "{name}: {body}");
    }
}
