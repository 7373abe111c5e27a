//! Whether a tree finds relatives: planted clusters, deltas that hold, and the search for the nearest tasks.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use burn::tensor::{Device, TensorData};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use treelora_kdtree::{
    Descent, GradientTree, Levels, Neighbours, NodeKind, Similarity, Smoothness, Split, SplitRule,
    TaskSearch, TaskSignature, TreeConfig, TreeError, TreeStructure,
};

const FEATURES: usize = 32;

/// A signature of one task, layer by layer.
type Host = Vec<Vec<f32>>;

fn signature(host: &Host) -> TaskSignature {
    let data = TensorData::new(host.concat(), [host.len(), host[0].len()]);
    TaskSignature::from_data(data, &Device::default()).unwrap()
}

fn build(config: &TreeConfig, hosts: &[Host]) -> GradientTree {
    GradientTree::build(config, hosts.iter().map(signature).collect()).unwrap()
}

/// Nearly Gaussian, of deviation 1.
fn gaussian(rng: &mut impl Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

/// Tasks of `clusters` in turn: at each layer a centre of deviation 1 and a task around it of deviation 0.3, all moved by
/// a common offset, as signatures of one network have.
fn planted(tasks: usize, clusters: usize, layers: usize, rng: &mut impl Rng) -> Vec<Host> {
    let vector = |rng: &mut _| (0..FEATURES).map(|_| gaussian(rng)).collect::<Vec<f32>>();
    let offset: Vec<f32> = vector(rng);
    let centres: Vec<Host> = (0..clusters)
        .map(|_| (0..layers).map(|_| vector(rng)).collect())
        .collect();
    (0..tasks)
        .map(|task| {
            let around = |centre: &Vec<f32>, rng: &mut _| {
                let pairs = centre.iter().zip(&offset);
                pairs
                    .map(|(x, offset)| 3.0 * offset + x + 0.3 * gaussian(rng))
                    .collect()
            };
            let centre = &centres[task % clusters];
            centre.iter().map(|centre| around(centre, rng)).collect()
        })
        .collect()
}

/// The share of leaves beside a leaf whose two tasks are of one cluster.
fn pair_purity(tree: &TreeStructure, clusters: usize) -> (usize, usize) {
    let single = |node: usize| match &tree.nodes()[node].kind {
        NodeKind::Leaf { tasks } if tasks.len() == 1 => Some(tasks[0]),
        _ => None,
    };
    let pairs = tree.nodes().iter().filter_map(|node| match node.kind {
        NodeKind::Inner { left, right, .. } => Some((single(left)?, single(right)?)),
        NodeKind::Leaf { .. } => None,
    });
    pairs.fold((0, 0), |(pure, all), (a, b)| {
        (pure + usize::from(a % clusters == b % clusters), all + 1)
    })
}

fn mean_purity(split: SplitRule, levels: Levels, clusters: usize) -> f64 {
    let config = TreeConfig {
        split,
        levels,
        ..TreeConfig::default()
    };
    let layers = if levels == Levels::Whole { 1 } else { 6 };
    let counts = (0..100).map(|seed| {
        let hosts = planted(16, clusters, layers, &mut ChaCha8Rng::seed_from_u64(seed));
        pair_purity(build(&config, &hosts).structure(), clusters)
    });
    let (pure, all) = counts.fold((0, 0), |sum, pairs| (sum.0 + pairs.0, sum.1 + pairs.1));
    pure as f64 / all as f64
}

/// 16 tasks, 100 seeds: the numbers of README.md, printed with
/// `cargo test -p treelora-kdtree --test relatives purity -- --nocapture`.
#[test]
fn purity_of_pairs_on_planted_clusters() {
    for clusters in [2, 4] {
        let chance = (16 / clusters - 1) as f64 / 15.0;
        for (levels, least) in [(Levels::Whole, 0.95), (Levels::Layers, 0.92)] {
            let of = |split| mean_purity(split, levels, clusters);
            let median = of(SplitRule::SimilarityMedian);
            let component = of(SplitRule::PrincipalComponent);
            eprintln!(
                "{clusters} clusters, {levels:?}: chance {chance:.2}, similarity median \
                 {median:.2}, principal component {component:.2}"
            );
            assert!(component > least, "{component}");
            // Of two clusters neither is nearer to the mean of all; of four some are.
            match clusters {
                2 => assert!((median - chance).abs() < 0.08, "{median}"),
                _ => assert!(median > chance && median < 0.65, "{median}"),
            }
        }
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Vectors that a level looks at.
fn seen(levels: Levels, level: usize, host: &Host) -> Vec<f32> {
    match levels {
        Levels::Layers => host[level.min(host.len() - 1)].clone(),
        Levels::Whole => host.concat(),
    }
}

/// Coordinates and lengths that differ by less, of the largest, are equal but for rounding.
const TIE: f64 = 1e-3;

/// Level, left and right of every cut.
type Cuts = BTreeSet<(usize, Vec<usize>, Vec<usize>)>;

/// The method written down: power iteration on the covariance of the features, one node at a time; (level, left, right).
/// `None` where rounding decides: two directions are as wide, both ends lie as far out, or two tasks at the cut are level.
fn by_hand(levels: Levels, depth: usize, hosts: &[Host]) -> Option<Cuts> {
    let mut found = BTreeSet::new();
    let mut open = vec![(0, (0..hosts.len()).collect::<Vec<_>>())];
    while let Some((level, tasks)) = open.pop() {
        if tasks.len() == 1 || level == depth {
            continue;
        }
        let mut rows: Vec<Vec<f64>> = tasks
            .iter()
            .map(|&task| {
                seen(levels, level, &hosts[task])
                    .iter()
                    .map(|&x| f64::from(x))
                    .collect()
            })
            .collect();
        let width = rows[0].len();
        for i in 0..width {
            let mean = rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64;
            rows.iter_mut().for_each(|row| row[i] -= mean);
        }
        let along = |direction: &[f64]| -> Vec<f64> {
            let product = |row: &Vec<f64>| row.iter().zip(direction).map(|(a, b)| a * b).sum();
            rows.iter().map(product).collect()
        };
        let mut direction = vec![1.0; width];
        let mut moved = 0.0;
        for _ in 0..800 {
            let before = direction.clone();
            let coordinates = along(&direction);
            direction.fill(0.0);
            for (row, coordinate) in rows.iter().zip(coordinates) {
                direction
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, x)| *sum += coordinate * x);
            }
            let size = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            direction.iter_mut().for_each(|x| *x /= size);
            let change = direction.iter().zip(&before).map(|(a, b)| (a - b).abs());
            moved = change.fold(0.0, f64::max);
        }
        let mut coordinates = along(&direction);
        let farthest = coordinates
            .iter()
            .copied()
            .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        coordinates.iter_mut().for_each(|x| *x *= farthest.signum());
        let other_end = coordinates.iter().copied().fold(0.0, f64::min).abs();
        let level_ends = coordinates.len() > 2 && farthest.abs() - other_end < TIE * farthest.abs();
        if level_ends || moved > 1e-9 {
            return None;
        }
        let mut ranked: Vec<(f64, usize)> = coordinates.into_iter().zip(tasks).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let sorted = |side: &[(f64, usize)]| {
            let mut tasks: Vec<usize> = side.iter().map(|(_, task)| *task).collect();
            tasks.sort_unstable();
            tasks
        };
        let (left, right) = ranked.split_at(ranked.len().div_ceil(2));
        if left[left.len() - 1].0 - right[0].0 < TIE * farthest.abs() {
            return None;
        }
        let (left, right) = (sorted(left), sorted(right));
        // Of two tasks none lies farther out: which one is left is the build's to say.
        let pair = left.len() + right.len() == 2 && left > right;
        found.insert(if pair {
            (level, right.clone(), left.clone())
        } else {
            (level, left.clone(), right.clone())
        });
        open.extend([(level + 1, left), (level + 1, right)]);
    }
    Some(found)
}

fn splits(tree: &TreeStructure) -> Cuts {
    let nodes = tree.nodes().iter();
    nodes
        .filter_map(|node| match node.kind {
            NodeKind::Inner { left, right, .. } => {
                Some((node.level, tree.tasks_below(left), tree.tasks_below(right)))
            }
            NodeKind::Leaf { .. } => None,
        })
        .collect()
}

/// Features of different variance, so that there is one widest direction.
fn uneven(tasks: usize, layers: usize, seed: u64) -> Vec<Host> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vector = |rng: &mut ChaCha8Rng| {
        (0..6)
            .map(|i| 0.5f32.powi(i) * gaussian(rng) + 2.0)
            .collect()
    };
    (0..tasks)
        .map(|_| (0..layers).map(|_| vector(&mut rng)).collect())
        .collect()
}

fn levels() -> impl Strategy<Value = Levels> {
    prop_oneof![Just(Levels::Layers), Just(Levels::Whole)]
}

fn rules() -> impl Strategy<Value = SplitRule> {
    prop_oneof![
        Just(SplitRule::SimilarityMedian),
        Just(SplitRule::PrincipalComponent)
    ]
}

const LAYERS: usize = 4;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_first_principal_component_is_that_of_the_features(
        tasks in 2usize..24, levels in levels(), seed in any::<u64>(),
    ) {
        let config = TreeConfig {
            split: SplitRule::PrincipalComponent,
            levels,
            max_depth: Some(LAYERS),
            ..TreeConfig::default()
        };
        let hosts = uneven(tasks, LAYERS, seed);
        let expected = by_hand(levels, LAYERS, &hosts);
        prop_assume!(expected.is_some());
        let tree = build(&config, &hosts);
        prop_assert_eq!(Some(splits(tree.structure())), expected);
    }

    /// Any two tasks below a node are within its delta, some two are as far apart as it says, and costs that are
    /// distances to a new vector differ by no more.
    #[test]
    fn deltas_of_diameters_hold_and_are_tight(
        tasks in 1usize..24, levels in levels(), split in rules(), seed in any::<u64>(),
    ) {
        let config = TreeConfig {
            split,
            levels,
            smoothness: Smoothness::Diameter,
            max_depth: Some(3),
            ..TreeConfig::default()
        };
        let mut hosts = uneven(tasks + 1, LAYERS, seed);
        let new = hosts.pop().unwrap();
        let tree = build(&config, &hosts);
        let tree = tree.structure();
        for (index, node) in tree.nodes().iter().enumerate() {
            let vector = |host: &Host| seen(levels, node.level, host);
            let farthest = |tasks: &[usize]| {
                let pairs = tasks.iter().flat_map(|&a| tasks.iter().map(move |&b| (a, b)));
                pairs.map(|(a, b)| distance(&vector(&hosts[a]), &vector(&hosts[b]))).fold(0.0, f64::max)
            };
            let below = tree.tasks_below(index);
            let all = farthest(&(0..tasks).collect::<Vec<_>>());
            prop_assert!((farthest(&below) - node.delta * all).abs() <= 1e-5 * all, "{:?}", node);
            let costs: Vec<f64> = below.iter().map(|&k| distance(&vector(&hosts[k]), &vector(&new))).collect();
            let (low, high) = costs.iter().fold((f64::MAX, 0.0), |(l, h): (f64, f64), &c| (l.min(c), h.max(c)));
            prop_assert!(high - low <= node.delta * all + 1e-5 * all);
        }
        prop_assert_eq!(tree.nodes()[0].delta, if tasks > 1 { 1.0 } else { 0.0 });
    }

    #[test]
    fn the_exact_search_finds_what_looking_at_all_finds(
        tasks in 1usize..40, count in 0usize..6, depth in 1usize..=LAYERS, levels in levels(),
        split in rules(), seed in any::<u64>(),
    ) {
        let config = TreeConfig { split, levels, max_depth: Some(depth), ..TreeConfig::default() };
        let mut hosts = uneven(tasks + 1, LAYERS, seed);
        let new = hosts.pop().unwrap();
        let search = TaskSearch::new(&build(&config, &hosts)).unwrap();
        let found = search.nearest(&signature(&new), count).unwrap();
        let mut all: Vec<(f64, usize)> = hosts
            .iter()
            .map(|host| distance(&host.concat(), &new.concat()))
            .zip(0..)
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let expected: Vec<usize> = all.iter().take(count).map(|(_, task)| *task).collect();
        prop_assert_eq!(found.tasks.iter().map(|n| n.task).collect::<Vec<_>>(), expected);
        for (neighbour, (distance, _)) in found.tasks.iter().zip(&all) {
            prop_assert_eq!(neighbour.distance, *distance);
        }
        prop_assert!(found.looked_at < 3 * tasks.max(1));

        let nearby = search.nearby(&signature(&new), count).unwrap();
        prop_assert_eq!(nearby.tasks.len(), count.min(tasks));
        for (near, exact) in nearby.tasks.iter().zip(&found.tasks) {
            prop_assert!(near.distance >= exact.distance);
            prop_assert!((near.distance - distance(&hosts[near.task].concat(), &new.concat())).abs() < 1e-12);
        }
    }

    #[test]
    fn tasks_of_the_tree_find_their_own_leaf(
        tasks in 1usize..40, levels in levels(), depth in 1usize..=LAYERS, seed in any::<u64>(),
    ) {
        let split = SplitRule::PrincipalComponent;
        let config = TreeConfig { split, levels, max_depth: Some(depth), ..TreeConfig::default() };
        let hosts = uneven(tasks, LAYERS, seed);
        let tree = build(&config, &hosts);
        let search = TaskSearch::new(&tree).unwrap();
        for (task, host) in hosts.iter().enumerate() {
            let Descent { path, looked_at } = search.descend(&signature(host)).unwrap();
            let leaf = path.last().unwrap();
            prop_assert_eq!(leaf.node, tree.structure().leaf_of(task));
            prop_assert_eq!(looked_at, 2 * path.len() - 1);
            if tree.structure().nodes()[leaf.node].kind == (NodeKind::Leaf { tasks: vec![task] }) {
                prop_assert_eq!(leaf.distance, 0.0);
            }
            for pair in path.windows(2) {
                let NodeKind::Inner { left, right, .. } = tree.structure().nodes()[pair[0].node].kind else {
                    panic!("the way goes on below a leaf");
                };
                prop_assert!([left, right].contains(&pair[1].node));
            }
        }
    }

    #[test]
    fn quantiles_are_of_the_distances_to_the_nearest_other_task(
        tasks in 2usize..20, split in rules(), seed in any::<u64>(),
    ) {
        let config = TreeConfig { split, levels: Levels::Whole, ..TreeConfig::default() };
        let hosts = uneven(tasks, 2, seed);
        let search = TaskSearch::new(&build(&config, &hosts)).unwrap();
        let nearest = |a: usize| {
            let others = (0..tasks).filter(|&b| b != a);
            others.map(|b| distance(&hosts[a].concat(), &hosts[b].concat())).fold(f64::INFINITY, f64::min)
        };
        let mut distances: Vec<f64> = (0..tasks).map(nearest).collect();
        distances.sort_by(f64::total_cmp);
        prop_assert_eq!(search.neighbour_distance(0.0), Some(distances[0]));
        prop_assert_eq!(search.neighbour_distance(1.0), Some(distances[tasks - 1]));
        let median = 0.5 * (distances[(tasks - 1) / 2] + distances[tasks / 2]);
        prop_assert!((search.neighbour_distance(0.5).unwrap() - median).abs() < 1e-12);
    }

    #[test]
    fn a_tree_of_components_is_the_same_grown_stored_and_permuted(
        tasks in 2usize..16, levels in levels(), seed in any::<u64>(),
    ) {
        let config = TreeConfig {
            split: SplitRule::PrincipalComponent,
            smoothness: Smoothness::Diameter,
            levels,
            ..TreeConfig::default()
        };
        let hosts = uneven(tasks, LAYERS, seed);
        let built = build(&config, &hosts);
        let mut grown = build(&config, &hosts[..1]);
        for host in &hosts[1..] {
            grown.insert(signature(host)).unwrap();
        }
        prop_assert_eq!(grown.structure(), built.structure());
        let json = serde_json::to_string(built.structure()).unwrap();
        let read: TreeStructure = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&read, built.structure());

        let depth = match levels {
            Levels::Layers => LAYERS,
            Levels::Whole => tasks,
        };
        prop_assume!(by_hand(levels, depth, &hosts).is_some());
        let families = |tree: &TreeStructure, name: &dyn Fn(usize) -> usize| -> BTreeSet<Vec<usize>> {
            let below = (0..tree.nodes().len()).map(|node| tree.tasks_below(node));
            let renamed = below.map(|tasks| tasks.into_iter().map(name).collect::<BTreeSet<_>>());
            renamed.map(|tasks| tasks.into_iter().collect()).collect()
        };
        let turned: Vec<Host> = hosts.iter().rev().cloned().collect();
        let turned = build(&config, &turned);
        prop_assert_eq!(
            families(turned.structure(), &|task| tasks - 1 - task),
            families(built.structure(), &|task| task)
        );
    }
}

/// 128 tasks of 16 clusters, 100 seeds: the exact search looks at a part of the tasks; the way down looks at two vectors
/// a level and mostly finds a task of the new one's cluster. The numbers of README.md; printed as the purity is, under
/// the name of this test.
#[test]
fn the_search_looks_at_few_tasks_where_there_are_clusters() {
    const SEEDS: u64 = 100;
    let config = TreeConfig {
        split: SplitRule::PrincipalComponent,
        levels: Levels::Whole,
        ..TreeConfig::default()
    };
    let (mut exact, mut down, mut right, mut told) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut hosts = planted(129, 16, 1, &mut rng);
        let stranger = vec![hosts[0][0].iter().map(|x| x + gaussian(&mut rng)).collect()];
        let new = hosts.pop().unwrap();
        let search = TaskSearch::new(&build(&config, &hosts)).unwrap();
        let found = search.nearest(&signature(&new), 1).unwrap();
        let near = search.nearby(&signature(&new), 1).unwrap();
        // The new one is the 128th, of cluster 0.
        let of_its_cluster = |found: &Neighbours| found.tasks[0].task.is_multiple_of(16);
        assert!(of_its_cluster(&found));
        right += usize::from(of_its_cluster(&near));
        exact += found.looked_at;
        down += near.looked_at;
        // A task of a kind of its own is farther from its nearest than tasks of one kind are from each other.
        let threshold = search.neighbour_distance(0.95).unwrap();
        let far = |host: &Host| {
            search.nearest(&signature(host), 1).unwrap().tasks[0].distance > threshold
        };
        told += usize::from(far(&stranger) && !far(&new));
    }
    eprintln!(
        "of 128 tasks: exact search looks at {:.1}, the way down at {:.1} and finds the cluster {right} times of {SEEDS}; \
         strangers told apart {told} times of {SEEDS}",
        exact as f64 / SEEDS as f64,
        down as f64 / SEEDS as f64
    );
    assert!(
        exact < 64 * SEEDS as usize && down <= 16 * SEEDS as usize,
        "{exact} {down}"
    );
    assert!(right >= 75 && told >= 90, "{right} {told}");
}

#[test]
fn equal_tasks_few_tasks_and_an_outlier_are_split_without_a_direction() {
    let config = |levels| TreeConfig {
        split: SplitRule::PrincipalComponent,
        smoothness: Smoothness::Diameter,
        levels,
        ..TreeConfig::default()
    };
    let host = |x: f32| vec![vec![0.1 + x, 0.7, 1e3], vec![x, x, 0.0]];
    for levels in [Levels::Layers, Levels::Whole] {
        for tasks in 1..8 {
            let tree = build(&config(levels), &vec![host(0.3); tasks]);
            for node in tree.structure().nodes() {
                assert_eq!(node.delta, 0.0, "{node:?}");
                if let NodeKind::Inner { split, .. } = node.kind {
                    assert_eq!(split, Split::Halved);
                }
            }
            let search = TaskSearch::new(&tree).unwrap();
            let found = search.nearest(&signature(&host(0.4)), 2).unwrap();
            assert_eq!(found.tasks[0].task, 0, "the lowest of equals");
            assert_eq!(found.tasks.len(), tasks.min(2));
            let alone = if tasks == 1 { None } else { Some(0.0) };
            assert_eq!(search.neighbour_distance(0.5), alone);
        }
        let outlier = [0.3, 0.3, 0.3, 9.0, 0.3].map(host);
        let tree = build(&config(levels), &outlier);
        // The outlier lies farthest out and goes left; the median is that of the equal ones, so that the list is halved.
        let NodeKind::Inner { left, split, .. } = tree.structure().nodes()[0].kind else {
            panic!("five tasks in a leaf");
        };
        assert_eq!(split, Split::Halved);
        assert_eq!(tree.structure().tasks_below(left), [0, 1, 3]);
        assert!(
            tree.structure()
                .nodes()
                .iter()
                .all(|node| node.delta.is_finite())
        );
        let zeros = vec![vec![vec![0.0; 3]; 2]; 3];
        assert_eq!(
            build(&config(levels), &zeros).structure().nodes()[0].delta,
            0.0
        );
    }
    let two = build(&config(Levels::Whole), &[host(1.0), host(2.0)]);
    assert_eq!(
        two.structure()
            .leaves()
            .iter()
            .map(|(_, tasks)| tasks[0])
            .collect::<Vec<_>>(),
        [0, 1]
    );
}

#[test]
fn what_cannot_be_searched_is_named() {
    let config = TreeConfig {
        split: SplitRule::PrincipalComponent,
        levels: Levels::Whole,
        ..TreeConfig::default()
    };
    let hosts = uneven(3, 2, 0);
    let search = TaskSearch::new(&build(&config, &hosts)).unwrap();
    let error = search
        .descend(&signature(&vec![vec![0.0; 5]; 2]))
        .unwrap_err();
    let expected = TreeError::Shape {
        task: 3,
        found: [2, 5],
        expected: [2, 6],
    };
    assert_eq!(error, expected);
    let mut spoiled = hosts[0].clone();
    spoiled[1][2] = f32::NAN;
    let error = search.nearest(&signature(&spoiled), 1).unwrap_err();
    assert_eq!(error, TreeError::NotFinite { task: 3, layer: 1 });
    // Its length is finite, its square is not.
    let mut large = hosts.clone();
    large[2][0][0] = 1e30;
    let signatures = large.iter().map(signature).collect();
    let error = GradientTree::build(&config, signatures).unwrap_err();
    assert!(matches!(error, TreeError::NotFinite { .. }), "{error}");
    let none = TreeConfig {
        max_depth: Some(0),
        ..config
    };
    let error = GradientTree::build(&none, hosts.iter().map(signature).collect()).unwrap_err();
    assert_eq!(error, TreeError::NoDepth);
}

/// A tree of the paper's split has no planes: the way down follows the nearer mean.
#[test]
fn without_planes_the_nearer_mean_leads_down() {
    let host = |x: f32| vec![vec![x]];
    let config = TreeConfig {
        similarity: Similarity::Dot,
        levels: Levels::Whole,
        ..TreeConfig::default()
    };
    let tree = build(&config, &[1.0, 1.5, 8.0, 9.0].map(host));
    let search = TaskSearch::new(&tree).unwrap();
    for (x, task) in [(0.0, 0), (1.4, 1), (8.2, 2), (20.0, 3)] {
        let leaf = search
            .descend(&signature(&host(x)))
            .unwrap()
            .path
            .pop()
            .unwrap();
        assert_eq!(leaf.node, tree.structure().leaf_of(task));
    }
}
