//! What needs no more than features serves a model without classes or a head.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use treelora_class_incremental::{DiscriminantConfig, Routed, TaskInference, features};
use treelora_core::{Features, TaskId};

use treelora_testing::{classifier::TinyClassifier, open_classifier::Headless, points::points};

#[test]
fn tasks_are_inferred_without_labels() {
    let device = Device::default();
    let model = Headless {
        inner: TinyClassifier::new(&device),
    };
    let config: DiscriminantConfig = serde_json::from_str(r#"{ "kind": "lda" }"#).unwrap();
    let mut tasks = TaskInference::new(&config).unwrap();
    for task in 0..2 {
        let data = vec![points(&[2 * task], 20, task as u64, &device)];
        let rows = features(&model, &data).unwrap();
        assert_eq!(rows.labels(), [0; 20]);
        tasks.end_task(&model, &data, TaskId(task)).unwrap();
    }
    let test = points(&[0, 2], 10, 9, &device);
    let expected: Vec<TaskId> = test.labels.iter().map(|label| TaskId(label / 2)).collect();
    assert_eq!(tasks.infer(model.frozen_features(&test)), expected);
    // A class that the labels would have told apart is not a column of its own.
    assert_eq!(tasks.num_tasks(), 2);
}

#[test]
fn routing_asks_for_features_alone() {
    struct Still;

    impl treelora_core::Method<Headless> for Still {}

    let config: DiscriminantConfig = serde_json::from_str(r#"{ "kind": "lda" }"#).unwrap();
    assert!(Routed::<Headless>::new(Box::new(Still), &config).is_ok());
}
