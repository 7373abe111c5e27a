//! What is kept of a class instead of its images: statistics of its features.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use rand::Rng;
use treelora_core::{Error, TensorFile};

use crate::{
    feature_rows::FeatureRows,
    feature_transport::FeatureTransport,
    gaussian_component::{Component, Spread, flat, square, with_covariance, with_variance},
    k_means::k_means,
    pseudo_features::PseudoFeatures,
    statistics_config::StatisticsConfig,
};

/// Statistics of every class seen, in the feature space in which they were taken.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use rand::SeedableRng;
/// use treelora_class_incremental::{ClassStatistics, FeatureRows, StatisticsConfig};
///
/// # let device = Device::flex();
/// let mut rows = FeatureRows::new();
/// rows.push(Tensor::from_data([[0.0, 1.0], [0.0, 3.0], [5.0, 5.0]], &device), &[7, 7, 8]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut statistics = ClassStatistics::new(StatisticsConfig::default());
/// statistics.observe(&rows, &mut rng)?;
/// let sampled = statistics.pseudo_features(&device).sample(7, 100, &mut rng);
/// assert_eq!(sampled.dims(), [100, 2]);
/// # Ok::<(), treelora_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassStatistics {
    config: StatisticsConfig,
    classes: BTreeMap<usize, Vec<Component>>,
}

impl ClassStatistics {
    /// Of no class.
    pub fn new(config: StatisticsConfig) -> Self {
        Self {
            config,
            classes: BTreeMap::new(),
        }
    }

    /// Take the statistics of the classes in `rows`; earlier statistics of the same class are
    /// replaced. `rng` seeds the clustering, where there is one.
    ///
    /// # Errors
    /// When a feature is not finite.
    pub fn observe(&mut self, rows: &FeatureRows, rng: &mut impl Rng) -> Result<(), Error> {
        for class in rows.classes() {
            let rows = rows.of_class(class);
            if (0..rows.len()).any(|i| rows.row(i).iter().any(|x| !x.is_finite())) {
                return Err(Error::Data(format!(
                    "features of class {class} hold a value that is not finite"
                )));
            }
            let all: Vec<usize> = (0..rows.len()).collect();
            let components = match &self.config {
                StatisticsConfig::Covariance { .. } => vec![with_covariance(&rows)],
                StatisticsConfig::Variance { .. } => vec![with_variance(&rows, &all)],
                StatisticsConfig::Centroids { centroids } => k_means(&rows, *centroids, rng)
                    .iter()
                    .map(|members| with_variance(&rows, members))
                    .collect(),
            };
            self.classes.insert(class, components);
        }
        Ok(())
    }

    /// The classes seen, ascending.
    pub fn classes(&self) -> Vec<usize> {
        self.classes.keys().copied().collect()
    }

    /// Whether no class was seen.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Examples that the statistics of a class stand for; 0 when it was not seen.
    pub fn count(&self, class: usize) -> usize {
        let components = self.classes.get(&class).map_or(&[][..], Vec::as_slice);
        components.iter().map(|c| c.count).sum()
    }

    /// Means of all classes (all centroids, where classes have several), in the order of the
    /// classes.
    ///
    /// # Shapes
    /// `[centroids, features]`.
    ///
    /// # Panics
    /// When no class was seen.
    pub fn means(&self, device: &Device) -> Tensor<2> {
        let rows: Vec<&Component> = self.classes.values().flatten().collect();
        let dim = rows
            .first()
            .expect("statistics of at least one class")
            .mean
            .len();
        let values: Vec<f32> = rows.iter().flat_map(|c| c.mean.clone()).collect();
        Tensor::from_data(TensorData::new(values, [rows.len(), dim]), device)
    }

    /// A sampler of features on `device`; it holds the factored covariances.
    ///
    /// # Panics
    /// When no class was seen.
    pub fn pseudo_features(&self, device: &Device) -> PseudoFeatures {
        let shrinkage = match self.config {
            StatisticsConfig::Covariance { shrinkage }
            | StatisticsConfig::Variance { shrinkage } => shrinkage,
            StatisticsConfig::Centroids { .. } => 0.0,
        };
        PseudoFeatures::new(&self.classes, shrinkage, device)
    }

    /// Move everything into the feature space of a new adapter.
    pub fn transport(&mut self, transport: &FeatureTransport) {
        for component in self.classes.values_mut().flatten() {
            let mean: Vec<f64> = component.mean.iter().map(|&x| f64::from(x)).collect();
            component.mean = transport.point(&mean).iter().map(|&x| x as f32).collect();
            let dim = component.mean.len();
            match &mut component.spread {
                Spread::Covariance(values) => {
                    let moved = transport.covariance(&square(values, dim));
                    *values = flat(&moved);
                }
                Spread::Variance(values) => {
                    let diagonal = Mat::from_fn(dim, dim, |i, j| match i == j {
                        true => f64::from(values[i]),
                        false => 0.0,
                    });
                    let moved = transport.covariance(&diagonal);
                    *values = (0..dim).map(|i| moved[(i, i)] as f32).collect();
                }
            }
        }
    }

    /// Stored bytes.
    pub fn num_bytes(&self) -> usize {
        let numbers = |component: &Component| match &component.spread {
            Spread::Variance(values) | Spread::Covariance(values) => {
                1 + component.mean.len() + values.len()
            }
        };
        self.classes.values().flatten().map(numbers).sum::<usize>() * size_of::<f32>()
    }

    /// Write everything under `prefix`.
    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        for (class, components) in &self.classes {
            for (i, component) in components.iter().enumerate() {
                let name = |part: &str| format!("{prefix}.{class:06}.{i:04}.{part}");
                let dim = component.mean.len();
                file.insert_indices(name("count"), [component.count]);
                file.insert_f32(name("mean"), component.mean.clone(), [dim]);
                match &component.spread {
                    Spread::Variance(values) => {
                        file.insert_f32(name("variance"), values.clone(), [dim]);
                    }
                    Spread::Covariance(values) => {
                        file.insert_f32(name("covariance"), values.clone(), [dim, dim]);
                    }
                }
            }
        }
    }

    /// Read what [`save`](Self::save) wrote under `prefix`.
    ///
    /// # Errors
    /// When a tensor is missing or its size does not fit the others.
    pub fn load(config: StatisticsConfig, prefix: &str, file: &TensorFile) -> Result<Self, Error> {
        let mut classes: BTreeMap<usize, Vec<Component>> = BTreeMap::new();
        let start = format!("{prefix}.");
        for name in file.names().filter(|name| name.starts_with(&start)) {
            let Some(base) = name.strip_suffix(".mean") else {
                continue;
            };
            let class = base[start.len()..].split('.').next().unwrap_or_default();
            let class: usize = class
                .parse()
                .map_err(|_| file.unfit(format!("tensor `{name}`: `{class}` is not a class")))?;
            let mean = file.f32s(name)?;
            let counts = file.indices(&format!("{base}.count"))?;
            let variance = format!("{base}.variance");
            let (spread, expected) = match file.contains(&variance) {
                true => (Spread::Variance(file.f32s(&variance)?), mean.len()),
                false => {
                    let values = file.f32s(&format!("{base}.covariance"))?;
                    (Spread::Covariance(values), mean.len().pow(2))
                }
            };
            let (Spread::Variance(values) | Spread::Covariance(values)) = &spread;
            let (1, true) = (counts.len(), values.len() == expected) else {
                let problem = format!(
                    "`{base}`: {} counts and {} values of spread for a mean of {}",
                    counts.len(),
                    values.len(),
                    mean.len()
                );
                return Err(file.unfit(problem).into());
            };
            classes.entry(class).or_default().push(Component {
                count: counts[0],
                mean,
                spread,
            });
        }
        Ok(Self { config, classes })
    }
}
