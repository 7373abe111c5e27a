//! The relatives of a new signature among the tasks of a tree.

use std::ops::Range;

use crate::{
    GradientTree, Levels, NodeKind, Split, SplitRule, TaskSignature, TreeError,
    host_values::host_values, measurement::measure_groups,
};

/// Search among the tasks of a [`GradientTree`] as it stands, by the Euclidean distance of whole signatures.
///
/// On the host: which vector is looked at next depends on the last distance, so that a device would be asked once a
/// distance. Made once a task, it holds the signatures, the mean of each inner node and, for splits along a principal
/// component, the plane: up to three times the signatures. Every search says how many vectors it has looked at; a flat
/// search looks at as many as there are tasks.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use treelora_kdtree::{GradientTree, Levels, SplitRule, TaskSearch, TaskSignature, TreeConfig};
///
/// # let device = Device::default();
/// let signature = |x: f32, y: f32| TaskSignature::new(Tensor::<2>::from_data([[x, y]], &device));
/// let config = TreeConfig {
///     split: SplitRule::PrincipalComponent,
///     levels: Levels::Whole,
///     ..TreeConfig::default()
/// };
/// let tasks = [(0.0, 0.0), (9.0, 1.0), (1.0, 0.0), (9.0, 0.0)];
/// let tree = GradientTree::build(&config, tasks.map(|(x, y)| signature(x, y)).to_vec())?;
/// let search = TaskSearch::new(&tree)?;
/// let found = search.nearest(&signature(8.0, 1.0), 1)?;
/// assert_eq!((found.tasks[0].task, found.tasks[0].distance), (1, 1.0));
/// // Tasks have their nearest at a distance of 1: this one belongs to none of them.
/// assert_eq!(search.neighbour_distance(0.9), Some(1.0));
/// assert!(search.nearest(&signature(0.0, 7.0), 1)?.tasks[0].distance > 1.0);
/// # Ok::<(), treelora_kdtree::TreeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TaskSearch {
    shape: [usize; 2],
    signatures: Vec<Vec<f32>>,
    nodes: Vec<SearchNode>,
}

/// A node as the search sees it.
#[derive(Clone, Debug)]
struct SearchNode {
    /// The mean of the tasks below.
    centre: Centre,
    /// The largest distance of a task below to the centre.
    radius: f64,
    tasks: Vec<usize>,
    branches: Option<Branches>,
}

#[derive(Clone, Debug)]
enum Centre {
    /// That of a single task is its signature.
    Task(usize),
    Mean(Vec<f32>),
}

#[derive(Clone, Debug)]
struct Branches {
    children: [usize; 2],
    plane: Option<Plane>,
}

/// Where a principal component was cut: in the middle between the sides.
#[derive(Clone, Debug)]
struct Plane {
    /// The part of a signature that the node's level looks at.
    part: Range<usize>,
    /// Of length 1, towards the left.
    normal: Vec<f32>,
    /// Along the normal from the mean of the node.
    offset: f64,
}

/// A node on the way down and the distance to its centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathStep {
    /// The node, as in [`TreeStructure::nodes`](crate::TreeStructure::nodes).
    pub node: usize,
    /// Distance of the signature to the mean of the tasks below it.
    pub distance: f64,
}

/// The way from the root to a leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    /// The root first, the leaf last.
    pub path: Vec<PathStep>,
    /// Vectors looked at: distances, and products with a plane's normal.
    pub looked_at: usize,
}

/// A task and how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The task.
    pub task: usize,
    /// Its distance.
    pub distance: f64,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// The nearest first, the lowest task on ties.
    pub tasks: Vec<Neighbour>,
    /// Vectors looked at: distances, and products with a plane's normal.
    pub looked_at: usize,
}

impl TaskSearch {
    /// Read the signatures back and measure the tree once more.
    ///
    /// # Errors
    /// [`TreeError::NotFinite`] when signatures are so large that their squares overflow.
    pub fn new(tree: &GradientTree) -> Result<Self, TreeError> {
        let signatures = signatures_of(tree);
        let structure = tree.structure();
        let mut nodes: Vec<SearchNode> = (0..structure.nodes().len())
            .map(|node| ball(&signatures, structure.tasks_below(node)))
            .collect();
        let planes = planes_of(tree, &signatures, &nodes)?;
        for ((search, node), plane) in nodes.iter_mut().zip(structure.nodes()).zip(planes) {
            if let NodeKind::Inner { left, right, .. } = node.kind {
                let children = [left, right];
                search.branches = Some(Branches { children, plane });
            }
        }
        Ok(Self {
            shape: [structure.layers(), structure.features()],
            signatures,
            nodes,
        })
    }

    /// Go down to a leaf: to the side of the plane of a principal component where the signature lies, else to the child
    /// of the nearer mean, the left one on ties. About `2 log2(tasks)` vectors.
    ///
    /// # Errors
    /// [`TreeError::Shape`] and [`TreeError::NotFinite`] naming the signature as the task after the last.
    pub fn descend(&self, signature: &TaskSignature) -> Result<Descent, TreeError> {
        Ok(self.way_down(&self.values(signature)?))
    }

    /// The `count` nearest tasks, or all where there are fewer: branch and bound, in which no task below a node can be
    /// nearer than the distance to its mean less its radius.
    ///
    /// # Errors
    /// As of [`descend`](Self::descend).
    pub fn nearest(
        &self,
        signature: &TaskSignature,
        count: usize,
    ) -> Result<Neighbours, TreeError> {
        Ok(self.closest(&self.values(signature)?, count, |_| true))
    }

    /// The `count` nearest tasks of those below the last node on the way down that holds as many. The nearest task may
    /// lie just across a plane.
    ///
    /// # Errors
    /// As of [`descend`](Self::descend).
    pub fn nearby(&self, signature: &TaskSignature, count: usize) -> Result<Neighbours, TreeError> {
        let values = self.values(signature)?;
        let Descent { path, looked_at } = self.way_down(&values);
        let enough = |step: &&PathStep| self.nodes[step.node].tasks.len() >= count;
        let node = path.iter().rev().find(enough).map_or(0, |step| step.node);
        let mut found = Nearest::new(count);
        let below = &self.nodes[node].tasks;
        for &task in below {
            found.offer(task, distance(&values, &self.signatures[task]));
        }
        Ok(Neighbours {
            tasks: found.neighbours,
            looked_at: looked_at + below.len(),
        })
    }

    /// The distance within which the share `quantile` of the tasks have their nearest other task; between two tasks in
    /// proportion. None of a single task, which has no other.
    ///
    /// What is farther from its nearest task than a high quantile is unlike the tasks among themselves: a threshold that
    /// opens a new branch, learned from the tree. It knows tasks of one kind only where some kind has two tasks.
    ///
    /// # Panics
    /// When `quantile` is not in `[0, 1]`.
    pub fn neighbour_distance(&self, quantile: f64) -> Option<f64> {
        assert!((0.0..=1.0).contains(&quantile), "quantile {quantile}");
        let tasks = self.signatures.iter().enumerate();
        let mut distances: Vec<f64> = tasks
            .filter_map(|(own, values)| self.closest(values, 1, |task| task != own).tasks.pop())
            .map(|neighbour| neighbour.distance)
            .collect();
        distances.sort_by(f64::total_cmp);
        let place = quantile * distances.len().checked_sub(1)? as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        Some(distances[below] + (place - place.floor()) * (distances[above] - distances[below]))
    }

    fn values(&self, signature: &TaskSignature) -> Result<Vec<f32>, TreeError> {
        let task = self.signatures.len();
        let found = [signature.layers(), signature.features()];
        if found != self.shape {
            return Err(TreeError::Shape {
                task,
                found,
                expected: self.shape,
            });
        }
        let values = host_values(signature.to_data());
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(TreeError::NotFinite {
                task,
                layer: place / self.shape[1],
            }),
            None => Ok(values),
        }
    }

    fn to_centre(&self, node: usize, values: &[f32]) -> f64 {
        distance(values, self.nodes[node].centre.vector(&self.signatures))
    }

    fn way_down(&self, values: &[f32]) -> Descent {
        let mut step = PathStep {
            node: 0,
            distance: self.to_centre(0, values),
        };
        let (mut path, mut looked_at) = (vec![step], 1);
        while let Some(Branches { children, plane }) = &self.nodes[step.node].branches {
            looked_at += 2;
            step = match plane {
                Some(plane) => {
                    let centre = self.nodes[step.node].centre.vector(&self.signatures);
                    let right = usize::from(!plane.is_left(values, centre));
                    let node = children[right];
                    PathStep {
                        node,
                        distance: self.to_centre(node, values),
                    }
                }
                None => {
                    let steps = children.map(|node| PathStep {
                        node,
                        distance: self.to_centre(node, values),
                    });
                    steps[usize::from(steps[1].distance < steps[0].distance)]
                }
            };
            path.push(step);
        }
        Descent { path, looked_at }
    }

    fn closest(&self, values: &[f32], count: usize, counts: impl Fn(usize) -> bool) -> Neighbours {
        let mut found = Nearest::new(count);
        let mut looked_at = 1;
        // Nodes that are still to be searched, the next one last, with the distances to their centres.
        let mut open = vec![(0, self.to_centre(0, values))];
        while let Some((node, to_centre)) = open.pop() {
            let SearchNode {
                tasks,
                branches,
                centre,
                ..
            } = &self.nodes[node];
            if self.bound(node, to_centre) > found.limit() {
                continue;
            }
            if let Some(Branches { children, .. }) = branches {
                looked_at += 2;
                let mut steps = children.map(|child| (child, self.to_centre(child, values)));
                let bounds = steps.map(|(child, distance)| self.bound(child, distance));
                // Where the bounds say nothing yet, by the nearer centre.
                let order = bounds[0]
                    .total_cmp(&bounds[1])
                    .then(steps[0].1.total_cmp(&steps[1].1));
                if order.is_le() {
                    steps.reverse();
                }
                open.extend(steps);
                continue;
            }
            for &task in tasks.iter().filter(|&&task| counts(task)) {
                let distance = match centre {
                    Centre::Task(_) => to_centre,
                    Centre::Mean(_) => {
                        looked_at += 1;
                        distance(values, &self.signatures[task])
                    }
                };
                found.offer(task, distance);
            }
        }
        Neighbours {
            tasks: found.neighbours,
            looked_at,
        }
    }

    /// No task below the node is nearer, rounding included.
    fn bound(&self, node: usize, to_centre: f64) -> f64 {
        let radius = self.nodes[node].radius;
        to_centre - radius - 1e-12 * (to_centre + radius)
    }
}

impl Centre {
    fn vector<'a>(&'a self, signatures: &'a [Vec<f32>]) -> &'a [f32] {
        match self {
            Self::Task(task) => &signatures[*task],
            Self::Mean(mean) => mean,
        }
    }
}

impl Plane {
    fn is_left(&self, values: &[f32], centre: &[f32]) -> bool {
        let apart = values[self.part.clone()]
            .iter()
            .zip(&centre[self.part.clone()]);
        let products = apart.zip(&self.normal).map(|((&value, &centre), &normal)| {
            (f64::from(value) - f64::from(centre)) * f64::from(normal)
        });
        products.sum::<f64>() >= self.offset
    }
}

/// The nearest tasks so far.
struct Nearest {
    count: usize,
    neighbours: Vec<Neighbour>,
}

impl Nearest {
    fn new(count: usize) -> Self {
        Self {
            count,
            neighbours: Vec::with_capacity(count),
        }
    }

    fn offer(&mut self, task: usize, distance: f64) {
        let before = |other: &Neighbour| (other.distance, other.task) < (distance, task);
        let place = self.neighbours.partition_point(before);
        self.neighbours.insert(place, Neighbour { task, distance });
        self.neighbours.truncate(self.count);
    }

    /// What is farther cannot be among them.
    fn limit(&self) -> f64 {
        match self.neighbours.last() {
            Some(last) if self.neighbours.len() == self.count => last.distance,
            _ if self.count == 0 => f64::NEG_INFINITY,
            _ => f64::INFINITY,
        }
    }
}

/// Each task's layers one after the other.
fn signatures_of(tree: &GradientTree) -> Vec<Vec<f32>> {
    let rows = tree.bank().whole();
    let width = rows.dims()[1];
    let values = host_values(rows.into_data());
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

fn ball(signatures: &[Vec<f32>], tasks: Vec<usize>) -> SearchNode {
    let centre = match tasks[..] {
        [task] => Centre::Task(task),
        _ => Centre::Mean(mean(signatures, &tasks)),
    };
    let vector = centre.vector(signatures);
    let distances = tasks
        .iter()
        .map(|&task| distance(vector, &signatures[task]));
    let radius = distances.fold(0.0, f64::max);
    SearchNode {
        centre,
        radius,
        tasks,
        branches: None,
    }
}

fn mean(signatures: &[Vec<f32>], tasks: &[usize]) -> Vec<f32> {
    let mut sums = vec![0.0; signatures[0].len()];
    for &task in tasks {
        for (sum, &value) in sums.iter_mut().zip(&signatures[task]) {
            *sum += f64::from(value);
        }
    }
    sums.iter()
        .map(|sum| (sum / tasks.len() as f64) as f32)
        .collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(&a, &b)| {
        let apart = f64::from(a) - f64::from(b);
        apart * apart
    });
    squares.sum::<f64>().sqrt()
}

/// The plane of each node that was cut along a principal component of signatures, level by level as the tree was grown.
fn planes_of(
    tree: &GradientTree,
    signatures: &[Vec<f32>],
    nodes: &[SearchNode],
) -> Result<Vec<Option<Plane>>, TreeError> {
    let structure = tree.structure();
    let config = structure.config();
    let mut planes = vec![None; nodes.len()];
    // A new signature has no increment: which task it follows is not said.
    if config.split != SplitRule::PrincipalComponent || config.increments {
        return Ok(planes);
    }
    let cut = |node: &usize| match structure.nodes()[*node].kind {
        NodeKind::Inner { left, split, .. } if split != Split::Halved => Some((*node, left)),
        _ => None,
    };
    for level in 0..structure.depth() {
        let at_level = (0..nodes.len()).filter(|&node| structure.nodes()[node].level == level);
        let inner: Vec<(usize, usize)> = at_level.filter_map(|node| cut(&node)).collect();
        let groups: Vec<Vec<usize>> = inner
            .iter()
            .map(|(node, _)| nodes[*node].tasks.clone())
            .collect();
        if groups.is_empty() {
            continue;
        }
        let part = match config.levels {
            Levels::Layers => level * structure.features()..(level + 1) * structure.features(),
            Levels::Whole => 0..signatures[0].len(),
        };
        let measured = measure_groups(tree.bank(), config, level, &groups)?;
        for ((node, left), measured) in inner.into_iter().zip(measured) {
            let centre = nodes[node].centre.vector(signatures);
            let tasks = nodes[node]
                .tasks
                .iter()
                .map(|&task| signatures[task].as_slice());
            let side = |task: &usize| nodes[left].tasks.contains(task);
            let is_left: Vec<bool> = nodes[node].tasks.iter().map(side).collect();
            let normal = normal(
                tasks.map(|task| &task[part.clone()]),
                &centre[part.clone()],
                &measured.ranks,
            );
            planes[node] = Some(Plane {
                part: part.clone(),
                normal,
                offset: between(&measured.ranks, &is_left),
            });
        }
    }
    Ok(planes)
}

/// The direction of which `coordinates` are the rows' coordinates, of length 1.
fn normal<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    centre: &[f32],
    coordinates: &[f32],
) -> Vec<f32> {
    let mut direction = vec![0.0; centre.len()];
    for (row, &coordinate) in rows.zip(coordinates) {
        for ((sum, &value), &centre) in direction.iter_mut().zip(row).zip(centre) {
            *sum += f64::from(coordinate) * (f64::from(value) - f64::from(centre));
        }
    }
    let size = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
    direction.iter().map(|x| (x / size) as f32).collect()
}

/// The middle between the lowest coordinate on the left and the highest on the right.
fn between(coordinates: &[f32], is_left: &[bool]) -> f64 {
    let on = |left: bool| {
        let pairs = coordinates.iter().zip(is_left);
        pairs
            .filter(move |(_, is_left)| **is_left == left)
            .map(|(x, _)| f64::from(*x))
    };
    let lowest = on(true).fold(f64::INFINITY, f64::min);
    let highest = on(false).fold(f64::NEG_INFINITY, f64::max);
    0.5 * (lowest + highest)
}
