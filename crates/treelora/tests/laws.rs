//! What holds for the method on any model, a classifier or not.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use burn::{
    module::Module,
    optim::{GradientsParams, SgdConfig},
    tensor::Device,
};
use treelora::{Mode, TreeLora, TreeLoraConfig};
use treelora_core::{
    ContinualModel, Group, Learner, LearningRates, Method, StepInfo, Task, TaskId,
};
use treelora_lora::LoraConfig;
use treelora_testing::{
    compare::values,
    regression::{TwoLayers, pairs},
};

fn model() -> TwoLayers {
    TwoLayers::new(&Device::default().autodiff())
}

fn config(mode: Mode) -> TreeLoraConfig {
    TreeLoraConfig {
        lora: LoraConfig {
            target_modules: vec!["weight".into()],
            ..LoraConfig::new(2, 4.0)
        },
        max_depth: Some(2),
        slow_learning: 1.0,
        ..TreeLoraConfig::preset(mode)
    }
}

/// Tasks `from..to`, as the run loop does.
fn train(
    method: &mut TreeLora,
    mut model: Learner<TwoLayers>,
    from: usize,
    to: usize,
) -> Learner<TwoLayers> {
    let device = Device::default().autodiff();
    for id in from..to {
        let task = Task {
            id: TaskId(id),
            name: format!("task {id}"),
            classes: Vec::new(),
        };
        model = method.begin_task(model, &Vec::new(), &task).unwrap();
        let data = vec![pairs(id, 12, &device)];
        let mut optimizer = SgdConfig::new().init();
        for step in 0..6 {
            let step = StepInfo {
                task: task.id,
                epoch: step / 3,
                epochs: 2,
                step: step % 3,
                steps: 3,
            };
            let loss = method.objective(&model, &data[0], &step).unwrap();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let gradients = method.gradients(&model, gradients, &step).unwrap();
            let base = LearningRates::new(0.3, 0.3);
            let rates = Method::<TwoLayers>::learning_rates(method, base, &step);
            model = optimizer.step(rates.of(&Group::ADAPTER), model, gradients);
            model = method.after_step(model, &step).unwrap();
        }
        model = method.end_task(model, &data, &task).unwrap();
    }
    model
}

fn learned(config: TreeLoraConfig, tasks: usize) -> (TreeLora, Learner<TwoLayers>) {
    let mut method = TreeLora::new(config, 0).unwrap();
    let attached = method.attach(model()).unwrap();
    let model = train(&mut method, attached, 0, tasks);
    (method, model)
}

fn scores(learner: &Learner<TwoLayers>) -> Vec<f32> {
    values(learner.model.logits(&pairs(50, 5, &Device::default())))
}

#[test]
fn every_mode_learns_a_model_that_is_no_classifier() {
    for mode in [Mode::Paper, Mode::Reference, Mode::TreeLora] {
        let (method, model) = learned(config(mode), 4);
        assert_eq!(method.adapters().len(), 4, "{mode:?}");
        let loss = |model: &TwoLayers| {
            let loss = model.loss(&pairs(3, 12, &Device::default()));
            loss.into_scalar::<f32>()
        };
        let (before, after) = (loss(&self::model().valid()), loss(&model.model.valid()));
        assert!(after < before, "{mode:?}: {after} from {before}");
    }
}

#[test]
fn the_newest_adapter_answers_and_that_of_any_task_can() {
    for mode in [Mode::Paper, Mode::Reference, Mode::TreeLora] {
        let (method, model) = learned(config(mode), 3);
        let answering = method.for_evaluation(&model).unwrap();
        assert_eq!(scores(&answering), scores(&model.valid()), "{mode:?}");
        let mut all = Vec::new();
        for task in (0..3).map(TaskId) {
            let kept = method.with_adapter_of(model.model.valid(), task).unwrap();
            let kept = Learner::of(kept);
            let of_task = method.for_task(&answering, task).unwrap().unwrap();
            assert_eq!(scores(&of_task), scores(&kept), "{mode:?}, task {task}");
            let batch = pairs(50, 5, &Device::default());
            let told = method.answer(&answering, &batch, Some(task)).unwrap();
            assert_eq!(values(told.scores), scores(&kept));
            all.push(scores(&kept));
        }
        assert_eq!(all[2], scores(&answering));
        assert!(all[0] != all[1] && all[1] != all[2], "{mode:?}");
        assert!(method.for_task(&answering, TaskId(3)).unwrap().is_none());
    }
}

#[test]
fn merged_tasks_share_an_adapter_and_the_newest_answers_unmerged() {
    let config = TreeLoraConfig {
        storage_budget: Some(2),
        ..config(Mode::TreeLora)
    };
    let (method, model) = learned(config, 4);
    assert_eq!(method.adapters().len(), 2);
    let answering = method.for_evaluation(&model).unwrap();
    assert_eq!(scores(&answering), scores(&model.valid()));
    for slot in 0..2 {
        let tasks = method.adapters().tasks(slot);
        let of_first = scores(&method.for_task(&answering, tasks[0]).unwrap().unwrap());
        for task in tasks {
            let of_task = method.for_task(&answering, *task).unwrap().unwrap();
            assert_eq!(scores(&of_task), of_first, "slot {slot}, task {task}");
        }
    }
}

#[test]
fn a_loaded_method_answers_and_continues_with_equal_bits() {
    let restored = |dir: &Path, learner: &Learner<TwoLayers>| {
        let mut method = TreeLora::new(config(Mode::TreeLora), 0).unwrap();
        let fresh = method.attach(self::model()).unwrap();
        Method::<TwoLayers>::load(&mut method, dir, &Device::default().autodiff()).unwrap();
        let adapter = treelora_lora::AdapterSnapshot::of(&learner.model);
        let apply = |model| adapter.apply(model);
        (method, fresh.try_map_model(apply).unwrap())
    };
    let (mut method, model) = learned(config(Mode::TreeLora), 2);
    let dir = tempfile::tempdir().unwrap();
    Method::<TwoLayers>::save(&method, dir.path()).unwrap();
    let (mut again, same) = restored(dir.path(), &model);
    for task in (0..2).map(TaskId) {
        let of_task = |method: &TreeLora, learner: &Learner<TwoLayers>| {
            let answering = method.for_evaluation(learner).unwrap();
            scores(&method.for_task(&answering, task).unwrap().unwrap())
        };
        assert_eq!(of_task(&method, &model), of_task(&again, &same));
    }
    let (model, same) = (
        train(&mut method, model, 2, 4),
        train(&mut again, same, 2, 4),
    );
    assert_eq!(scores(&model.valid()), scores(&same.valid()));
}
