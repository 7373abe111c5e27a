//! Properties that hold for every set of signatures.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use treelora_kdtree::{
    GradientTree, NodeKind, Similarity, Split, TaskSignature, TreeConfig, TreeError, TreeStructure,
};

const LAYERS: usize = 6;
const FEATURES: usize = 5;

type Host = Vec<Vec<f32>>;

fn random_host(rng: &mut impl Rng) -> Host {
    let row = |rng: &mut _| (0..FEATURES).map(|_| uniform(rng)).collect();
    (0..LAYERS).map(|_| row(rng)).collect()
}

fn uniform(rng: &mut impl Rng) -> f32 {
    rng.random_range(-1.0f32..1.0)
}

fn signature(host: &Host) -> TaskSignature {
    let data = TensorData::new(host.concat(), [host.len(), host[0].len()]);
    TaskSignature::from_data(data, &Device::default()).unwrap()
}

fn hosts(tasks: usize, seed: u64) -> Vec<Host> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..tasks).map(|_| random_host(&mut rng)).collect()
}

fn build(config: &TreeConfig, hosts: &[Host]) -> GradientTree {
    GradientTree::build(config, hosts.iter().map(signature).collect()).unwrap()
}

fn config(similarity: Similarity, max_depth: usize) -> TreeConfig {
    TreeConfig {
        similarity,
        max_depth: Some(max_depth),
        ..TreeConfig::default()
    }
}

/// (level, tasks) of every node: the tree but for left and right.
fn families(tree: &TreeStructure) -> BTreeSet<(usize, Vec<usize>)> {
    (0..tree.nodes().len())
        .map(|node| (tree.nodes()[node].level, tree.tasks_below(node)))
        .collect()
}

fn leaves_partition(tree: &TreeStructure) {
    let mut tasks: Vec<usize> = tree.leaves().iter().flat_map(|(_, t)| t.to_vec()).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, (0..tree.num_tasks()).collect::<Vec<_>>());
    for (leaf, held) in tree.leaves() {
        assert!(held.len() == 1 || tree.nodes()[leaf].level == tree.config().max_depth.unwrap());
        held.iter()
            .for_each(|&task| assert_eq!(tree.leaf_of(task), leaf));
    }
}

fn splits_are_balanced_or_explained(tree: &TreeStructure) {
    for node in tree.nodes() {
        let NodeKind::Inner { left, right, split } = &node.kind else {
            continue;
        };
        let (l, r) = (
            tree.tasks_below(*left).len(),
            tree.tasks_below(*right).len(),
        );
        assert!(l > 0 && r > 0);
        let balanced = l == r || l == r + 1;
        let ties = matches!(split, Split::Ties { .. });
        assert!(balanced || ties, "{l} {r} {node:?}");
    }
}

/// Eq. 1 and section 3.3 on plain vectors, one node at a time; returns (level, tasks) of every node.
fn by_hand(config: &TreeConfig, hosts: &[Host]) -> BTreeSet<(usize, Vec<usize>)> {
    let vector = |task: usize, level: usize| -> Vec<f64> {
        let row = |task: usize| hosts[task][level].iter().map(|&x| f64::from(x));
        match config.increments && task > 0 {
            true => row(task).zip(row(task - 1)).map(|(a, b)| a - b).collect(),
            false => row(task).collect(),
        }
    };
    let mut found = BTreeSet::new();
    let mut open = vec![(0, (0..hosts.len()).collect::<Vec<_>>())];
    while let Some((level, tasks)) = open.pop() {
        found.insert((level, tasks.clone()));
        if tasks.len() == 1 || level == config.max_depth.unwrap() {
            continue;
        }
        let n = tasks.len() as f64;
        let vectors: Vec<Vec<f64>> = tasks.iter().map(|&task| vector(task, level)).collect();
        let mean: Vec<f64> = (0..FEATURES)
            .map(|i| vectors.iter().map(|v| v[i]).sum::<f64>() / n)
            .collect();
        let similarity = |v: &Vec<f64>| -> f64 {
            let pairs = v.iter().zip(&mean);
            match config.similarity {
                Similarity::NegativeL1 => -pairs.map(|(a, b)| (a - b).abs()).sum::<f64>(),
                Similarity::Dot => pairs.map(|(a, b)| a * b).sum(),
            }
        };
        let mut ranked: Vec<(f64, usize)> = vectors.iter().map(similarity).zip(tasks).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Without ties the median leaves the upper half, the middle included, on the left.
        let right = ranked.split_off(ranked.len().div_ceil(2));
        for side in [ranked, right] {
            let mut tasks: Vec<usize> = side.into_iter().map(|(_, task)| task).collect();
            tasks.sort_unstable();
            open.push((level + 1, tasks));
        }
    }
    found
}

fn similarity() -> impl Strategy<Value = Similarity> {
    prop_oneof![Just(Similarity::NegativeL1), Just(Similarity::Dot)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_batched_build_is_the_method_by_hand(
        tasks in 1usize..30, depth in 1usize..=LAYERS, similarity in similarity(),
        increments in any::<bool>(), seed in any::<u64>(),
    ) {
        let config = TreeConfig { increments, ..config(similarity, depth) };
        let hosts = hosts(tasks, seed);
        let tree = build(&config, &hosts);
        prop_assert_eq!(families(tree.structure()), by_hand(&config, &hosts));
        leaves_partition(tree.structure());
        splits_are_balanced_or_explained(tree.structure());
    }

    #[test]
    fn permuting_the_tasks_permutes_the_nodes(
        tasks in 1usize..24, similarity in similarity(), seed in any::<u64>(),
    ) {
        let config = config(similarity, LAYERS);
        let hosts = hosts(tasks, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
        let mut order: Vec<usize> = (0..tasks).collect();
        for i in (1..tasks).rev() {
            order.swap(i, rng.random_range(0..=i));
        }
        let permuted: Vec<Host> = order.iter().map(|&task| hosts[task].clone()).collect();
        let renamed: BTreeSet<_> = families(build(&config, &permuted).structure())
            .into_iter()
            .map(|(level, tasks)| {
                let mut tasks: Vec<usize> = tasks.into_iter().map(|task| order[task]).collect();
                tasks.sort_unstable();
                (level, tasks)
            })
            .collect();
        prop_assert_eq!(renamed, families(build(&config, &hosts).structure()));
    }

    #[test]
    fn a_tree_grown_task_by_task_is_the_tree_built_at_once(
        tasks in 1usize..16, depth in 1usize..=LAYERS, similarity in similarity(),
        increments in any::<bool>(), seed in any::<u64>(),
    ) {
        let config = TreeConfig { increments, ..config(similarity, depth) };
        let hosts = hosts(tasks + 4, seed);
        let mut tree = build(&config, &hosts[..tasks]);
        for (task, host) in hosts.iter().enumerate().skip(tasks) {
            prop_assert_eq!(tree.insert(signature(host)).unwrap(), task);
            let built = build(&config, &hosts[..=task]);
            prop_assert_eq!(tree.structure(), built.structure());
            prop_assert_eq!(tree.signature(task).to_data(), signature(host).to_data());
        }
        let json = serde_json::to_string(tree.structure()).unwrap();
        let read: TreeStructure = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&read, tree.structure());
    }

    #[test]
    fn signatures_and_structure_make_the_tree_again(tasks in 1usize..12, seed in any::<u64>()) {
        let hosts = hosts(tasks + 1, seed);
        let mut tree = build(&config(Similarity::NegativeL1, 3), &hosts[..tasks]);
        let stored: Vec<TensorData> = (0..tasks).map(|k| tree.signature(k).to_data()).collect();
        let read = stored.iter().map(|data| TaskSignature::from_data(data.clone(), &Device::default()));
        let mut again =
            GradientTree::from_parts(tree.structure().clone(), read.map(Result::unwrap).collect())
                .unwrap();
        prop_assert_eq!(again.structure(), tree.structure());
        // The signatures too: another task measures all of them anew.
        for tree in [&mut tree, &mut again] {
            tree.insert(signature(&hosts[tasks])).unwrap();
        }
        prop_assert_eq!(again.structure(), tree.structure());
    }
}

/// Worked out by hand, one feature and the dot product. Four tasks: mean 5.55, the two large ones left. With 11.0 the
/// mean is 6.64 and the median task, 10.0, still goes left, in the node of the three large ones (mean 10.37) with the
/// two larger of them.
#[test]
fn an_inserted_task_takes_its_place_by_value() {
    let host = |x: f32| vec![vec![x; FEATURES]; LAYERS];
    let hosts: Vec<Host> = [10.0, 10.1, 1.0, 1.1].map(host).to_vec();
    let mut tree = build(&config(Similarity::Dot, LAYERS), &hosts);
    let leaves = |tree: &GradientTree| -> Vec<Vec<usize>> {
        let leaves = tree.structure().leaves();
        leaves.iter().map(|(_, tasks)| tasks.to_vec()).collect()
    };
    assert_eq!(leaves(&tree), [[1], [0], [3], [2]]);
    assert_eq!(tree.insert(signature(&host(11.0))).unwrap(), 4);
    assert_eq!(leaves(&tree), [[4], [1], [0], [3], [2]]);
    let nodes = families(tree.structure());
    for family in [(1, vec![0, 1, 4]), (1, vec![2, 3]), (2, vec![1, 4])] {
        assert!(nodes.contains(&family), "{family:?} in {nodes:?}");
    }
}

/// Nodes once counted the tasks inserted below them without a rebuild; such files stay readable.
#[test]
fn a_tree_stored_with_counts_of_insertions_is_read() {
    let tree = build(&config(Similarity::Dot, 2), &hosts(4, 5));
    let json = serde_json::to_string(tree.structure()).unwrap();
    let counted = json.replace("\"kind\":", "\"inserted\":0,\"kind\":");
    assert_ne!(json, counted);
    let read: TreeStructure = serde_json::from_str(&counted).unwrap();
    assert_eq!(&read, tree.structure());
    let unknown = json.replace("\"kind\":", "\"grafted\":0,\"kind\":");
    let error = serde_json::from_str::<TreeStructure>(&unknown).unwrap_err();
    assert!(error.to_string().contains("grafted"), "{error}");
}

#[test]
fn equal_tasks_are_halved_and_say_so() {
    let host = hosts(1, 3).remove(0);
    let tree = build(&config(Similarity::NegativeL1, LAYERS), &vec![host; 8]);
    let tree = tree.structure();
    leaves_partition(tree);
    assert_eq!(tree.depth(), 3);
    for node in tree.nodes() {
        assert!(node.delta < 1e-5);
        if let NodeKind::Inner { split, .. } = node.kind {
            assert_eq!(split, Split::Halved);
        }
    }
}

#[test]
fn the_two_closest_tasks_are_merged_by_weight() {
    let mut hosts = hosts(6, 11);
    hosts[4] = hosts[1]
        .iter()
        .map(|row| row.iter().map(|x| x * 1.01).collect())
        .collect();
    let mut tree = build(&config(Similarity::NegativeL1, LAYERS), &hosts);
    let merges = tree.merge_to_budget(5).unwrap();
    assert_eq!((merges.len(), merges[0].kept, merges[0].freed), (1, 1, 4));
    assert_eq!(merges[0].weights, [0.5, 0.5]);
    assert!(merges[0].distance < 1e-3);
    assert_eq!(tree.structure().weights(), [1, 2, 1, 1, 1]);
    leaves_partition(tree.structure());
    let merged: Vec<f32> = tree.signature(1).to_data().try_into_vec().unwrap();
    for (merged, host) in merged.iter().zip(hosts[1].concat()) {
        assert!((merged - 1.005 * host).abs() < 1e-5);
    }
    let moved: Vec<f32> = tree.signature(4).to_data().try_into_vec().unwrap();
    assert_eq!(moved, hosts[5].concat());

    // A third relative joins with a third of the weight.
    tree.insert(signature(&hosts[1])).unwrap();
    let merges = tree.merge_to_budget(5).unwrap();
    assert_eq!((merges[0].kept, merges[0].freed), (1, 5));
    assert!((merges[0].weights[0] - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(tree.merge_to_budget(5).unwrap(), []);
    assert_eq!(tree.merge_to_budget(1).unwrap().len(), 4);
    assert_eq!(tree.structure().weights(), [7]);
    assert_eq!(tree.merge_to_budget(0), Err(TreeError::Budget));
}

#[test]
fn a_row_per_layer_comes_from_the_chosen_tasks() {
    let hosts = hosts(5, 2);
    let tree = build(&TreeConfig::default(), &hosts);
    let tasks = [4, 0, 3, 3, 1, 2];
    let chosen: Vec<f32> = tree.chosen(&tasks).into_data().try_into_vec().unwrap();
    let expected: Vec<f32> = (0..LAYERS)
        .flat_map(|l| hosts[tasks[l]][l].clone())
        .collect();
    assert_eq!(chosen, expected);
}

#[test]
fn unusable_input_is_named() {
    let device = Device::default();
    let plain = || TaskSignature::new(Tensor::ones([LAYERS, FEATURES], &device));
    let other = || TaskSignature::new(Tensor::ones([LAYERS, FEATURES + 1], &device));
    let spoiled = || TaskSignature::new(Tensor::ones([LAYERS, FEATURES], &device) * f32::NAN);
    let config = TreeConfig::default();
    let said = |result: Result<GradientTree, TreeError>| result.unwrap_err().to_string();
    assert!(said(GradientTree::build(&config, vec![])).contains("no task"));
    assert!(
        said(GradientTree::build(&config, vec![plain(), other()])).contains("task 1 is [6, 6]")
    );
    let error = said(GradientTree::build(&config, vec![plain(), spoiled()]));
    assert!(
        error.contains("task 1") && error.contains("layer 0"),
        "{error}"
    );
    for max_depth in [0, LAYERS + 1] {
        let config = self::config(Similarity::Dot, max_depth);
        let error = said(GradientTree::build(&config, vec![plain()]));
        assert!(
            error.contains("max_depth") && error.contains(&max_depth.to_string()),
            "{error}"
        );
    }
    let mut tree = GradientTree::build(&config, vec![plain(), plain(), plain()]).unwrap();
    for bad in [other(), spoiled()] {
        let error = tree.insert(bad).unwrap_err().to_string();
        assert!(error.contains("task 3"), "{error}");
        assert_eq!(tree.len(), 3);
        assert_eq!(tree.structure().num_tasks(), 3);
    }
    let error = GradientTree::from_parts(tree.structure().clone(), vec![plain()]).unwrap_err();
    assert_eq!(
        error,
        TreeError::TaskCount {
            found: 1,
            expected: 3
        }
    );
    let json = serde_json::to_string(tree.structure()).unwrap();
    for (from, to, said) in [
        ("\"tasks\":[2]", "\"tasks\":[1]", "task 1 is in 2 leaves"),
        ("\"tasks\":[2]", "\"tasks\":[]", "holds no task"),
        ("\"left\":1", "\"left\":0", "node 0 has child 0"),
    ] {
        assert!(json.contains(from), "{json}");
        let error = serde_json::from_str::<TreeStructure>(&json.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// 10,000 tasks x 64 layers of narrow signatures in one build.
#[test]
fn thousands_of_tasks_are_built_level_by_level() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let device = Device::default();
    let signatures = (0..10_000).map(|_| {
        let values: Vec<f32> = (0..64 * 4).map(|_| uniform(&mut rng)).collect();
        TaskSignature::from_data(TensorData::new(values, [64, 4]), &device).unwrap()
    });
    let tree = GradientTree::build(&TreeConfig::default(), signatures.collect()).unwrap();
    assert_eq!(tree.structure().depth(), 14);
    assert_eq!(tree.structure().leaves().len(), 10_000);
}
