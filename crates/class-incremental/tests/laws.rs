//! Properties that every discriminant and its companions must have.
#![allow(clippy::unwrap_used)]

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use proptest::prelude::*;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use treelora_class_incremental::{
    Aligned, AlignmentConfig, ClassStatistics, DiscriminantConfig, FeatureRows, FeatureTransport,
    FrozenDiscriminant, HeadAlignment, LinearDiscriminantConfig, NearestClassMeanConfig,
    RandomProjectionConfig, RegularisedDiscriminantConfig, Ridge, Routed, StatisticsConfig,
    TaskInference, TransportConfig, WithDiscriminant, group_by_task,
};
use treelora_core::{
    Batch, Batches, Classifier, ContinualModel, Error, Features, Learner, Method, Task, TaskId,
    TensorFile,
};
use treelora_testing::{
    classifier::TinyClassifier,
    compare::{answers, values},
    points::{CLASSES, Points, points},
    random::normal_matrix as matrix,
    tasks::task,
};

fn kinds() -> Vec<DiscriminantConfig> {
    vec![
        DiscriminantConfig::NearestClassMean(NearestClassMeanConfig {}),
        DiscriminantConfig::Lda(LinearDiscriminantConfig::default()),
        DiscriminantConfig::Rda(RegularisedDiscriminantConfig::default()),
        DiscriminantConfig::RandomProjection(RandomProjectionConfig {
            projections: 40,
            ridge: Ridge::Relative { factor: 0.1 },
            seed: 1,
        }),
    ]
}

fn assert_close(left: &[f32], right: &[f32], tolerance: f32) {
    assert_eq!(left.len(), right.len());
    for (l, r) in left.iter().zip(right) {
        let equal = l == r || (l - r).abs() <= tolerance * (1.0 + l.abs().max(r.abs()));
        assert!(equal, "{l} against {r}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Task by task or all at once, in any order and batch size: the same classifier.
    #[test]
    fn incremental_equals_joint(seed in 0u64..1000, cut in 1usize..29, batch in 1usize..17) {
        let features = matrix(30, 5, seed);
        let labels: Vec<usize> = (0..30).map(|i| (i * 7 + seed as usize) % 4).collect();
        let probe = matrix(9, 5, seed + 1);
        for kind in kinds() {
            let mut joint = kind.build(6).unwrap();
            joint.observe(features.clone(), &labels);
            joint.fit().unwrap();
            let mut steps = kind.build(6).unwrap();
            for (start, end) in [(0, cut), (cut, 30)] {
                let mut at = start;
                while at < end {
                    let next = end.min(at + batch);
                    steps.observe(features.clone().narrow(0, at, next - at), &labels[at..next]);
                    at = next;
                }
                steps.fit().unwrap();
            }
            let (joint, steps) =
                (values(joint.scores(probe.clone())), values(steps.scores(probe.clone())));
            assert_close(&joint, &steps, 2e-4);
            prop_assert!(joint.chunks(6).all(|row| row[4..].iter().all(|x| *x == f32::NEG_INFINITY)));
        }
    }

    /// How the rows of one task were batched changes no bit.
    #[test]
    fn the_batch_size_of_observing_changes_nothing(seed in 0u64..1000, batch in 1usize..30) {
        let features = matrix(30, 5, seed);
        let labels: Vec<usize> = (0..30).map(|i| i % 4).collect();
        let probe = matrix(9, 5, seed + 1);
        for kind in kinds() {
            let scores = |batch: usize| {
                let mut discriminant = kind.build(4).unwrap();
                for at in (0..30).step_by(batch) {
                    let next = 30.min(at + batch);
                    discriminant
                        .observe(features.clone().narrow(0, at, next - at), &labels[at..next]);
                }
                discriminant.fit().unwrap();
                values(discriminant.scores(probe.clone()))
            };
            prop_assert_eq!(scores(30), scores(batch));
        }
    }

    /// Grouping is a partition of the batch, and scattering brings every row back.
    #[test]
    fn routing_is_undone(tasks in prop::collection::vec(0usize..5, 1..40)) {
        let ids: Vec<TaskId> = tasks.iter().map(|&t| TaskId(t)).collect();
        let routing = group_by_task(&ids);
        let device = Device::default();
        let out = routing.scatter(|task, positions| {
            let rows: Vec<f32> =
                positions.iter().flat_map(|&p| [p as f32, task.0 as f32]).collect();
            let rows = TensorData::new(rows, [positions.len(), 2]);
            Ok::<_, Error>(Tensor::from_data(rows, &device))
        }).unwrap();
        let expected: Vec<f32> =
            tasks.iter().enumerate().flat_map(|(i, &t)| [i as f32, t as f32]).collect();
        prop_assert_eq!(values(out), expected);
    }
}

/// Two classes in the plane, worked out by hand: means (0, 0) and (4, 0), pooled covariance
/// diag(1, 4) without shrinkage. The boundary is x = 2, and the difference of the scores 4 x - 8.
#[test]
fn lda_is_the_closed_form() {
    let device = Device::default();
    let features = Tensor::from_data(
        [
            [1.0, 2.0],
            [-1.0, -2.0],
            [1.0, -2.0],
            [-1.0, 2.0],
            [5.0, 2.0],
            [3.0, -2.0],
            [5.0, -2.0],
            [3.0, 2.0],
        ],
        &device,
    );
    let labels = [0, 0, 0, 0, 1, 1, 1, 1];
    let probe = Tensor::from_data([[2.0, 7.0], [3.0, -1.0], [0.5, 0.0]], &device);
    let lda = DiscriminantConfig::Lda(LinearDiscriminantConfig {
        shrinkage: 0.0,
        ..Default::default()
    });
    let rda = DiscriminantConfig::Rda(RegularisedDiscriminantConfig {
        class_share: 0.0,
        shrinkage: 0.0,
        ..Default::default()
    });
    for config in [lda, rda] {
        let mut discriminant = config.build(2).unwrap();
        discriminant.observe(features.clone(), &labels);
        discriminant.fit().unwrap();
        let scores = values(discriminant.scores(probe.clone()));
        let differences: Vec<f32> = scores.chunks(2).map(|row| row[1] - row[0]).collect();
        assert_close(&differences, &[0.0, 4.0, -6.0], 1e-5);
    }
}

/// With its own covariance alone the discriminant is the log density of each class.
#[test]
fn rda_with_full_class_share_is_the_gaussian_density() {
    let device = Device::default();
    // Class 0: mean 0, variances (1, 4); class 1: mean (4, 0), variances (4, 1).
    let features = Tensor::from_data(
        [
            [1.0, 2.0],
            [-1.0, -2.0],
            [1.0, -2.0],
            [-1.0, 2.0],
            [6.0, 1.0],
            [2.0, -1.0],
            [6.0, -1.0],
            [2.0, 1.0],
        ],
        &device,
    );
    let config = DiscriminantConfig::Rda(RegularisedDiscriminantConfig {
        class_share: 1.0,
        shrinkage: 0.0,
        ..Default::default()
    });
    let mut rda = config.build(2).unwrap();
    rda.observe(features, &[0, 0, 0, 0, 1, 1, 1, 1]);
    rda.fit().unwrap();
    let scores = values(rda.scores(Tensor::from_data([[2.0, 3.0]], &device)));
    let half_log = 0.5 * 4f32.ln();
    let density = |x: f32, y: f32, vx: f32, vy: f32| -0.5 * (x * x / vx + y * y / vy) - half_log;
    assert_close(
        &scores,
        &[density(2.0, 3.0, 1.0, 4.0), density(-2.0, 3.0, 4.0, 1.0)],
        1e-5,
    );
}

/// Solved a second way: gradient descent on the ridge objective, from the saved sums.
#[test]
fn ridge_is_the_minimum_of_its_objective() {
    let config = RandomProjectionConfig {
        projections: 16,
        ridge: Ridge::Fixed { lambda: 2.0 },
        seed: 5,
    };
    let features = matrix(40, 3, 1);
    let labels: Vec<usize> = (0..40).map(|i| i % 3).collect();
    let mut discriminant = DiscriminantConfig::RandomProjection(config)
        .build(3)
        .unwrap();
    discriminant.observe(features.clone(), &labels);
    discriminant.fit().unwrap();
    let scores = discriminant.scores(features.clone());

    let mut file = TensorFile::new();
    discriminant.save("x", &mut file);
    let targets: Tensor<2> = file.tensor("x.targets", &Device::default()).unwrap();
    let triangle = file
        .data("x.gram")
        .unwrap()
        .clone()
        .try_into_vec::<f32>()
        .unwrap();
    let mut gram = vec![0f32; 256];
    let mut next = triangle.into_iter();
    for i in 0..16 {
        for j in i..16 {
            let value = next.next().unwrap();
            (gram[i * 16 + j], gram[j * 16 + i]) = (value, value);
        }
    }
    let gram: Tensor<2> = Tensor::from_data(TensorData::new(gram, [16, 16]), &Device::default());
    let largest: f32 = (0..16)
        .map(|i| {
            values(gram.clone().narrow(0, i, 1))
                .iter()
                .map(|x| x.abs())
                .sum()
        })
        .fold(0.0, f32::max);
    let mut weights: Tensor<2> = Tensor::zeros([16, 3], &Device::default());
    for _ in 0..4000 {
        let gradient =
            gram.clone().matmul(weights.clone()) + weights.clone() * 2.0 - targets.clone();
        weights = weights - gradient / (largest + 2.0);
    }
    // With C = sum_i h_i y_i^T and s_i = h_i W: trace(W^T C) = sum_i <s_i, y_i>.
    let expected: f32 = values(weights * targets).iter().sum();
    let scores = values(scores);
    let found: f32 = labels
        .iter()
        .enumerate()
        .map(|(i, &l)| scores[i * 3 + l])
        .sum();
    assert!(
        (expected - found).abs() < 2e-3 * expected.abs(),
        "{expected} against {found}"
    );
}

#[test]
fn held_out_ridge_is_a_power_of_ten_that_generalises() {
    let device = Device::default();
    let train = points(&[0, 1, 2, 3], 20, 1, &device);
    let test = points(&[0, 1, 2, 3], 10, 2, &device);
    let config = DiscriminantConfig::RandomProjection(RandomProjectionConfig {
        projections: 100,
        ridge: Ridge::HeldOut,
        seed: 0,
    });
    let mut discriminant = config.build(CLASSES).unwrap();
    discriminant.observe(train.inputs, &train.labels);
    discriminant.fit().unwrap();
    let answers = answers(discriminant.scores(test.inputs));
    let right = answers
        .iter()
        .zip(&test.labels)
        .filter(|(a, l)| a == l)
        .count();
    assert!(right >= 38, "{right} of 40");
}

#[test]
fn a_saved_discriminant_continues_with_equal_bits() {
    let mut all = kinds();
    all.push(DiscriminantConfig::RandomProjection(
        RandomProjectionConfig {
            projections: 30,
            ridge: Ridge::HeldOut,
            seed: 2,
        },
    ));
    for kind in all {
        let mut original = kind.build(5).unwrap();
        original.observe(
            matrix(20, 4, 1),
            &(0..20).map(|i| i % 3).collect::<Vec<_>>(),
        );
        original.fit().unwrap();
        let mut file = TensorFile::new();
        original.save("head", &mut file);
        let mut copy = kind.build(5).unwrap();
        copy.load("head", &file, &Device::default()).unwrap();
        let probe = matrix(7, 4, 3);
        assert_eq!(
            values(original.scores(probe.clone())),
            values(copy.scores(probe.clone()))
        );
        assert_eq!(original.num_bytes(), copy.num_bytes());
        for discriminant in [&mut original, &mut copy] {
            discriminant.observe(
                matrix(11, 4, 8),
                &(0..11).map(|i| 2 + i % 3).collect::<Vec<_>>(),
            );
            discriminant.fit().unwrap();
        }
        assert_eq!(
            values(original.scores(probe.clone())),
            values(copy.scores(probe)),
            "{kind:?}"
        );
        let message = kind
            .build(5)
            .unwrap()
            .load("no", &file, &Device::default())
            .unwrap_err();
        assert!(message.to_string().contains("no."), "{message}");
    }
}

#[test]
fn one_image_a_class_is_enough() {
    for kind in kinds() {
        let mut discriminant = kind.build(3).unwrap();
        discriminant.observe(matrix(3, 4, 1), &[0, 1, 2]);
        discriminant.fit().unwrap();
        assert_eq!(
            answers(discriminant.scores(matrix(3, 4, 1))),
            [0, 1, 2],
            "{kind:?}"
        );
    }
}

#[test]
fn settings_out_of_range_name_their_key() {
    let rejects = |json: &str, key: &str| {
        let config: DiscriminantConfig = serde_json::from_str(json).unwrap();
        let error = config.build(2).unwrap_err();
        assert!(
            matches!(&error, Error::Setting { key: named, .. } if named == key),
            "{error}"
        );
    };
    rejects(r#"{ "kind": "lda", "shrinkage": 1.5 }"#, "shrinkage");
    rejects(r#"{ "kind": "rda", "class_share": -0.1 }"#, "class_share");
    rejects(
        r#"{ "kind": "random-projection", "projections": 0 }"#,
        "projections",
    );
    rejects(
        r#"{ "kind": "random-projection", "ridge": { "kind": "fixed", "lambda": 0.0 } }"#,
        "ridge.lambda",
    );
    let unknown = r#"{ "kind": "lda", "shrinking": 0.1 }"#;
    let message = serde_json::from_str::<DiscriminantConfig>(unknown)
        .unwrap_err()
        .to_string();
    assert!(message.contains("shrinking"), "{message}");
}

#[test]
fn features_that_are_not_finite_are_an_error() {
    for kind in kinds() {
        let mut discriminant = kind.build(2).unwrap();
        let features = Tensor::from_data([[f32::NAN, 0.0], [1.0, 1.0]], &Device::default());
        discriminant.observe(features, &[0, 1]);
        assert!(discriminant.fit().is_err(), "{kind:?}");
    }
}

/// A rotation with a shift is found from enough images, and old statistics land where the old
/// images themselves would.
#[test]
fn the_affine_transport_recovers_an_affine_drift() {
    let device = Device::default();
    let turn = Tensor::<2>::from_data([[0.8, 0.6], [-0.6, 0.8]], &device);
    let drift = |x: Tensor<2>| x.matmul(turn.clone()) + 0.5;
    let rows = |x: Tensor<2>| {
        let mut rows = FeatureRows::new();
        let labels = vec![0; x.dims()[0]];
        rows.push(x, &labels);
        rows
    };
    let current = matrix(60, 2, 4);
    let config = TransportConfig::Linear { ridge: 1e-9 };
    let transport = FeatureTransport::fit(&config, &rows(current.clone()), &rows(drift(current)));
    let moved = transport.point(&[1.0, 2.0]);
    let expected = [0.8 - 1.2 + 0.5, 0.6 + 1.6 + 0.5];
    assert!((moved[0] - expected[0]).abs() < 1e-5 && (moved[1] - expected[1]).abs() < 1e-5);

    let (old, probe) = (matrix(20, 2, 6), matrix(5, 2, 7));
    let labels: Vec<usize> = (0..20).map(|i| i % 2).collect();
    for kind in kinds().into_iter().skip(1).take(2) {
        let mut moved = kind.build(2).unwrap();
        moved.observe(old.clone(), &labels);
        moved.fit().unwrap();
        moved.transport(&transport).unwrap();
        let mut fresh = kind.build(2).unwrap();
        fresh.observe(drift(old.clone()), &labels);
        fresh.fit().unwrap();
        let (moved, fresh) = (
            moved.scores(drift(probe.clone())),
            fresh.scores(drift(probe.clone())),
        );
        assert_close(&values(moved), &values(fresh), 1e-3);
    }
}

#[test]
fn a_constant_drift_is_found_by_every_transport() {
    let rows = |x: Tensor<2>| {
        let mut rows = FeatureRows::new();
        rows.push(x, &[0; 30]);
        rows
    };
    let before = matrix(30, 3, 1);
    let after = before.clone() + 0.25;
    for config in [
        TransportConfig::MeanShift,
        TransportConfig::KernelShift { bandwidth: 0.5 },
        TransportConfig::default(),
    ] {
        let transport = FeatureTransport::fit(&config, &rows(before.clone()), &rows(after.clone()));
        // Also far away from every image.
        for point in [[0.0, 0.0, 0.0], [100.0, -50.0, 3.0]] {
            let moved = transport.point(&point);
            for (new, old) in moved.iter().zip(point) {
                assert!(
                    (new - old - 0.25).abs() < 1e-4,
                    "{config:?}: {new} from {old}"
                );
            }
        }
    }
}

#[test]
fn sampled_features_have_the_statistics_they_were_sampled_from() {
    let device = Device::default();
    let features = matrix(200, 3, 1).matmul(Tensor::from_data(
        [[1.0, 0.5, 0.0], [0.0, 1.0, -0.5], [0.0, 0.0, 0.3]],
        &device,
    )) + 2.0;
    let mut rows = FeatureRows::new();
    rows.push(features.clone(), &[4; 200]);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for config in [
        StatisticsConfig::Covariance { shrinkage: 0.0 },
        StatisticsConfig::Variance { shrinkage: 0.0 },
        StatisticsConfig::Centroids { centroids: 10 },
    ] {
        let mut statistics = ClassStatistics::new(config.clone());
        statistics.observe(&rows, &mut rng).unwrap();
        let sampled = statistics
            .pseudo_features(&device)
            .sample(4, 20_000, &mut rng);
        let (variance, mean) = sampled.clone().var_mean(0);
        let (true_variance, true_mean) = features.clone().var_mean(0);
        assert_close(&values(mean), &values(true_mean), 0.05);
        assert_close(&values(variance), &values(true_variance), 0.1);
        if matches!(config, StatisticsConfig::Covariance { .. }) {
            let covariance = |x: Tensor<2>| {
                let centred = x.clone() - x.clone().mean_dim(0);
                values(centred.clone().transpose().matmul(centred) / x.dims()[0] as f64)
            };
            assert_close(&covariance(sampled), &covariance(features.clone()), 0.03);
        }
        let mut file = TensorFile::new();
        statistics.save("classes", &mut file);
        let read = ClassStatistics::load(config, "classes", &file).unwrap();
        assert_eq!(
            values(read.means(&device)),
            values(statistics.means(&device))
        );
        assert_eq!(read.num_bytes(), statistics.num_bytes());
        let mut rngs = [ChaCha8Rng::seed_from_u64(9), ChaCha8Rng::seed_from_u64(9)];
        let samples = [&read, &statistics].map(|s| s.pseudo_features(&device));
        let [first, second] = [0, 1].map(|i| values(samples[i].sample(4, 50, &mut rngs[i])));
        assert_eq!(first, second);
    }
}

#[test]
fn a_class_with_one_image_is_sampled_with_the_spread_of_the_others() {
    let device = Device::default();
    let mut rows = FeatureRows::new();
    rows.push(matrix(100, 3, 1) * 2.0, &[0; 100]);
    rows.push(Tensor::from_data([[5.0, 5.0, 5.0]], &device), &[1]);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut statistics = ClassStatistics::new(StatisticsConfig::default());
    statistics.observe(&rows, &mut rng).unwrap();
    let sampler = statistics.pseudo_features(&device);
    let (variance, mean) = sampler.sample(1, 5000, &mut rng).var_mean(0);
    assert_close(&values(mean), &[5.0; 3], 0.05);
    assert!(values(variance).iter().all(|v| (2.0..6.0).contains(v)));
    assert_eq!(sampler.repair(0), 0.0);
    assert_eq!(
        (
            statistics.count(0),
            statistics.count(1),
            statistics.count(2)
        ),
        (100, 1, 0)
    );
}

#[test]
fn alignment_undoes_a_head_that_prefers_the_last_classes() {
    let device = Device::default();
    let model = TinyClassifier::new(&device.clone().autodiff());
    let train = points(&[0, 1, 2, 3], 25, 1, &device);
    let mut rows = FeatureRows::new();
    rows.push(model.valid().features(&train), &train.labels);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut statistics = ClassStatistics::new(StatisticsConfig::default());
    statistics.observe(&rows, &mut rng).unwrap();

    let mut head = model.head().clone();
    let bias = Tensor::<1>::from_floats([0.0, 0.0, 8.0, 8.0, 0.0, 0.0], &device);
    head.bias = head.bias.map(|b| b.map(|_| bias.autodiff().require_grad()));
    let accuracy = |head: &burn::nn::Linear| {
        let test = points(&[0, 1, 2, 3], 20, 2, &device);
        let logits = model.clone().with_head(head.clone()).valid().logits(&test);
        let answers = answers(logits.slice([0..80, 0..4]));
        answers
            .iter()
            .zip(&test.labels)
            .filter(|(a, l)| a == l)
            .count()
    };
    assert!(accuracy(&head) <= 40);
    let alignment = HeadAlignment {
        learning_rate: 0.05,
        samples_per_class: 40,
        batch_size: 40,
        ..Default::default()
    };
    let aligned = alignment.align(head.clone(), &statistics, &mut rng.clone());
    assert!(accuracy(&aligned) >= 72, "{} of 80", accuracy(&aligned));
    assert_eq!(aligned.weight.id, head.weight.id);
    assert!(aligned.weight.is_require_grad() && aligned.weight.val().is_autodiff());
    let column = |head: &burn::nn::Linear| values(head.weight.val().slice([0..6, 4..6]));
    assert_eq!(
        column(&aligned),
        column(&head),
        "classes without statistics stay"
    );
    let again = alignment.align(head, &statistics, &mut rng);
    assert_eq!(
        values(aligned.weight.val()),
        values(again.weight.val()),
        "seeded"
    );
}

#[test]
fn task_inference_takes_shared_classes_and_survives_saving() {
    let device = Device::default();
    let config = DiscriminantConfig::Lda(LinearDiscriminantConfig::default());
    let mut inference = TaskInference::new(&config).unwrap();
    // Task 2 shows class 0 again, somewhere else.
    let shown = [(0, [0, 1]), (1, [2, 3]), (2, [0, 5])];
    for (task, classes) in shown {
        let mut batch = points(&classes, 20, task as u64, &device);
        if task == 2 {
            batch.inputs = batch.inputs + 20.0;
        }
        inference.observe(batch.inputs, &batch.labels, TaskId(task));
        inference.fit().unwrap();
    }
    let probe = points(&[0, 2, 1, 3], 5, 9, &device);
    let expected: Vec<TaskId> = probe.labels.iter().map(|&l| TaskId(l / 2)).collect();
    assert_eq!(inference.infer(probe.inputs.clone()), expected);
    let far = points(&[0, 5], 5, 9, &device).inputs + 20.0;
    assert_eq!(inference.infer(far), [TaskId(2); 10]);

    let mut file = TensorFile::new();
    inference.save("tasks", &mut file);
    let mut read = TaskInference::new(&config).unwrap();
    read.load("tasks", &file, &device).unwrap();
    assert_eq!(read.infer(probe.inputs), expected);
}

/// Through the hooks of a run: floors and heads answer alike for any batch size and mixture.
#[test]
fn methods_answer_each_example_alone() {
    let device = Device::default();
    let config = DiscriminantConfig::Rda(RegularisedDiscriminantConfig::default());
    struct Still;
    impl Method<TinyClassifier> for Still {}
    type Make = fn(&DiscriminantConfig) -> Box<dyn Method<TinyClassifier>>;
    let makes: [Make; 2] = [
        |config| Box::new(FrozenDiscriminant::new(config, CLASSES).unwrap()),
        |config| {
            let transport = Some(TransportConfig::default());
            Box::new(WithDiscriminant::new(Box::new(Still), config, transport, CLASSES).unwrap())
        },
    ];
    for make in makes {
        let mut method = make(&config);
        let mut model = method
            .attach(TinyClassifier::new(&device.clone().autodiff()))
            .unwrap();
        for id in 0..3 {
            model = method.begin_task(model, &Vec::new(), &task(id)).unwrap();
            let data = vec![points(&task(id).classes, 20, id as u64, &device)];
            model = method.end_task(model, &data, &task(id)).unwrap();
        }
        let answering = method.for_evaluation(&model).unwrap();
        let test = points(&[0, 1, 2, 3, 4, 5], 6, 50, &device);
        let whole = answers(method.answer(&answering, &test, None).unwrap().scores);
        let right = whole
            .iter()
            .zip(&test.labels)
            .filter(|(a, l)| a == l)
            .count();
        assert!(right >= 30, "{right} of 36");
        let mut order: Vec<usize> = (0..36).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(4));
        for size in [1, 7] {
            for part in order.chunks(size) {
                let found = answers(
                    method
                        .answer(&answering, &test.select(part), None)
                        .unwrap()
                        .scores,
                );
                let expected: Vec<usize> = part.iter().map(|&i| whole[i]).collect();
                assert_eq!(found, expected);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        method.save(dir.path()).unwrap();
        let mut read = make(&config);
        assert_ne!(read.stored_bytes(), method.stored_bytes());
        read.load(dir.path(), &device).unwrap();
        let scores = |method: &dyn Method<TinyClassifier>| {
            let answering = method.for_evaluation(&model).unwrap();
            values(method.answer(&answering, &test, None).unwrap().scores)
        };
        assert_eq!(scores(read.as_ref()), scores(method.as_ref()));
        assert_eq!(read.stored_bytes(), method.stored_bytes());
    }
}

#[test]
fn a_transport_needs_statistics_to_apply_it_to() {
    struct Still;
    impl Method<TinyClassifier> for Still {}
    let config = DiscriminantConfig::RandomProjection(RandomProjectionConfig::default());
    let refused = WithDiscriminant::<TinyClassifier>::new(
        Box::new(Still),
        &config,
        Some(TransportConfig::MeanShift),
        2,
    );
    assert!(refused.err().unwrap().to_string().contains("transport"));
    let rows = {
        let mut rows = FeatureRows::new();
        rows.push(matrix(4, 2, 1), &[0, 0, 1, 1]);
        rows
    };
    let transport = FeatureTransport::fit(&TransportConfig::MeanShift, &rows, &rows);
    let mut projected = config.build(2).unwrap();
    assert!(projected.transport(&transport).is_err());
}

/// Keeps the layer of each task as it was at its end; at each task the layer moves, further from
/// task to task.
struct LayerPerTask {
    layers: Vec<burn::nn::Linear>,
    shift: f64,
}

impl LayerPerTask {
    fn moving_by(shift: f64) -> Box<Self> {
        Box::new(Self {
            layers: Vec::new(),
            shift,
        })
    }
}

impl Method<TinyClassifier> for LayerPerTask {
    fn begin_task(
        &mut self,
        learner: Learner<TinyClassifier>,
        _data: &dyn Batches<Points>,
        task: &Task,
    ) -> Result<Learner<TinyClassifier>, Error> {
        let shift = self.shift * task.id.0 as f64;
        let moved = |bias: Tensor<1>| (bias.inner() + shift).autodiff().require_grad();
        Ok(learner.map_model(|mut model| {
            model.layer.bias = model.layer.bias.map(|bias| bias.map(moved));
            model
        }))
    }

    fn end_task(
        &mut self,
        learner: Learner<TinyClassifier>,
        _data: &dyn Batches<Points>,
        _task: &Task,
    ) -> Result<Learner<TinyClassifier>, Error> {
        self.layers.push(learner.model.layer.clone().valid());
        Ok(learner)
    }

    fn for_task(
        &self,
        answering: &Learner<TinyClassifier>,
        task: TaskId,
    ) -> Result<Option<Learner<TinyClassifier>>, Error> {
        let with = |layer: &burn::nn::Linear| {
            let layer = layer.clone();
            let learner = answering.clone();
            learner.map_model(|model| TinyClassifier { layer, ..model })
        };
        Ok(self.layers.get(task.0).map(with))
    }
}

/// Through the hooks of a run, without training.
fn learn(method: &mut dyn Method<TinyClassifier>) -> Learner<TinyClassifier> {
    let device = Device::default();
    let plain = TinyClassifier::new(&device.clone().autodiff());
    let mut model = method.attach(plain).unwrap();
    for id in 0..3 {
        model = method.begin_task(model, &Vec::new(), &task(id)).unwrap();
        let data = vec![points(&task(id).classes, 20, id as u64, &device)];
        model = method.end_task(model, &data, &task(id)).unwrap();
    }
    model
}

fn alignment() -> AlignmentConfig {
    AlignmentConfig {
        head: HeadAlignment {
            learning_rate: 0.2,
            samples_per_class: 40,
            batch_size: 40,
            ..Default::default()
        },
        ..Default::default()
    }
}

fn count(scores: Tensor<2>, labels: &[usize]) -> usize {
    answers(scores)
        .iter()
        .zip(labels)
        .filter(|(answer, label)| answer == label)
        .count()
}

#[test]
fn routed_answers_each_example_by_the_adapter_of_its_task() {
    let device = Device::default();
    let lda = DiscriminantConfig::Lda(LinearDiscriminantConfig::default());
    let inner = Aligned::new(LayerPerTask::moving_by(0.7), &alignment(), 1).unwrap();
    let mut method = Routed::new(Box::new(inner), &lda).unwrap();
    let plain = method
        .answer(
            &Learner::of(TinyClassifier::new(&device)),
            &points(&[0], 2, 1, &device),
            None,
        )
        .unwrap()
        .tasks;
    assert!(plain.is_none(), "no task was learned");
    let model = learn(&mut method);
    let answering = method.for_evaluation(&model).unwrap();
    let test = points(&[4, 0, 1, 5, 3, 2], 6, 50, &device);
    let answer = method.answer(&answering, &test, None).unwrap();
    let (scores, tasks) = (answer.scores, answer.tasks.unwrap());
    for (place, task) in tasks.iter().enumerate() {
        let of_task = method.for_task(&answering, *task).unwrap().unwrap();
        // Several rows, since a product of one row rounds in another way.
        let expected = values(of_task.model.logits(&test));
        let row = &expected[place * CLASSES..(place + 1) * CLASSES];
        let found = &values(scores.clone())[place * CLASSES..(place + 1) * CLASSES];
        assert_close(found, row, 1e-5);
    }
    let latest = count(answering.model.logits(&test), &test.labels);
    let routed = count(scores, &test.labels);
    assert!(routed >= 32 && routed > latest, "{routed}, {latest} of 36");
    let told = method
        .answer(&answering, &test, Some(TaskId(0)))
        .unwrap()
        .scores;
    let of_task = method.for_task(&answering, TaskId(0)).unwrap().unwrap();
    assert_eq!(values(told), values(of_task.model.logits(&test)));
}

#[test]
fn routing_needs_something_kept_for_each_task() {
    struct Still;
    impl Method<TinyClassifier> for Still {}
    let lda = DiscriminantConfig::Lda(LinearDiscriminantConfig::default());
    let mut method = Routed::new(Box::new(Still), &lda).unwrap();
    let device = Device::default();
    let model = Learner::of(TinyClassifier::new(&device.clone().autodiff()));
    let data = vec![points(&[0, 1], 5, 0, &device)];
    let error = method.end_task(model, &data, &task(0)).unwrap_err();
    assert!(error.to_string().contains("no adapter"), "{error}");
}

/// Where the features move and the statistics follow, the head answers as well as it does where
/// nothing moves; without, the old classes are lost.
#[test]
fn alignment_follows_the_features_with_a_transport() {
    let device = Device::default();
    let test = points(&[0, 1, 2, 3, 4, 5], 10, 50, &device);
    let right = |transport: Option<TransportConfig>| {
        let config = AlignmentConfig {
            transport,
            ..alignment()
        };
        let mut method = Aligned::new(LayerPerTask::moving_by(0.3), &config, 1).unwrap();
        let model = learn(&mut method);
        let answering = method.for_evaluation(&model).unwrap();
        assert_eq!(
            method.for_task(&answering, TaskId(0)).unwrap().is_some(),
            config.transport.is_none(),
            "statistics belong to the newest features, or to those of their task"
        );
        count(
            method.answer(&answering, &test, None).unwrap().scores,
            &test.labels,
        )
    };
    let transport = TransportConfig::Linear { ridge: 1e-3 };
    let (followed, left) = (right(Some(transport)), right(None));
    assert!(
        followed >= 45 && followed > left,
        "{followed}, {left} of 60"
    );
}

/// Saved after two tasks, read into a fresh method, and continued: equal bits.
#[test]
fn an_aligned_and_routed_method_resumes_with_equal_bits() {
    let device = Device::default();
    let config = AlignmentConfig {
        statistics: StatisticsConfig::Centroids { centroids: 3 },
        ..alignment()
    };
    let lda = DiscriminantConfig::Lda(LinearDiscriminantConfig::default());
    let step = |method: &mut dyn Method<TinyClassifier>, model, id: usize| {
        let model = method.begin_task(model, &Vec::new(), &task(id)).unwrap();
        let data = vec![points(&task(id).classes, 20, id as u64, &device)];
        method.end_task(model, &data, &task(id)).unwrap()
    };
    let new = |layers: Vec<burn::nn::Linear>| {
        let aligned =
            Aligned::new(Box::new(LayerPerTask { layers, shift: 0.7 }), &config, 1).unwrap();
        Routed::new(Box::new(aligned), &lda).unwrap()
    };
    let mut method = new(Vec::new());
    let mut model = Learner::of(TinyClassifier::new(&device.clone().autodiff()));
    let mut layers = Vec::new();
    for id in 0..2 {
        model = step(&mut method, model, id);
        layers.push(model.model.layer.clone().valid());
    }
    let dir = tempfile::tempdir().unwrap();
    method.save(dir.path()).unwrap();
    let mut resumed = new(layers);
    resumed.load(dir.path(), &device).unwrap();
    assert!(method.stored_bytes() > 0);
    assert_eq!(resumed.stored_bytes(), method.stored_bytes());
    let whole = step(&mut method, model.clone(), 2);
    let again = step(&mut resumed, model, 2);
    assert_eq!(
        values(whole.model.head.weight.val()),
        values(again.model.head.weight.val())
    );
    let test = points(&[0, 1, 2, 3, 4, 5], 5, 50, &device);
    let scores = |method: &dyn Method<TinyClassifier>, model: &Learner<TinyClassifier>| {
        values(
            method
                .answer(&method.for_evaluation(model).unwrap(), &test, None)
                .unwrap()
                .scores,
        )
    };
    assert_eq!(scores(&method, &whole), scores(&resumed, &again));
}

#[test]
fn a_frozen_head_cannot_be_aligned() {
    struct Freezing;
    impl Method<TinyClassifier> for Freezing {
        fn attach(&mut self, model: TinyClassifier) -> Result<Learner<TinyClassifier>, Error> {
            Ok(Learner::of(model.no_grad()))
        }
    }
    let mut method = Aligned::new(Box::new(Freezing), &AlignmentConfig::default(), 1).unwrap();
    let model = TinyClassifier::new(&Device::default().autodiff());
    let error = method.attach(model).unwrap_err().to_string();
    assert!(error.contains("`lora.trainable`"), "{error}");
    let wrong = AlignmentConfig {
        head: HeadAlignment {
            epochs: 0,
            ..Default::default()
        },
        ..Default::default()
    };
    let error = wrong.validate().unwrap_err().to_string();
    assert!(error.contains("`head.epochs`"), "{error}");
    let error = Aligned::<TinyClassifier>::new(Box::new(Freezing), &wrong, 1);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("`alignment.head.epochs`"), "{error}");
}
