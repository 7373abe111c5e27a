//! Domains made of any data set: its pictures seen through fixed transforms.

mod blur;
mod colours;
mod edges;
mod noise;
mod rendering;
mod turns;

use std::sync::Arc;

pub use rendering::Rendering;

use super::{Dataset, DatasetError, Picture, Splits};

/// A data set once for each of some transforms: domain after domain, each with every example of the data set in its
/// order.
///
/// Example `d * inner.len() + i` is example `i` of the data set in domain `d`, of the same class. The pictures of two
/// domains are the same ones; the pixels depend on them, the transform and (`noisy`) `i` alone.
///
/// Of a data set that has domains itself, each is rendered on its own: `photo` through `negative` is `photo/negative`.
#[derive(Clone)]
pub struct Rendered {
    inner: Arc<dyn Dataset>,
    renderings: Arc<[Rendering]>,
    domain_names: Arc<[String]>,
}

impl Rendered {
    /// `inner` through each of `renderings`.
    pub fn new(inner: Arc<dyn Dataset>, renderings: &[Rendering]) -> Self {
        let names = renderings.iter().map(|rendering| rendering.name());
        let domain_names = match inner.domain_names() {
            [] => names.map(str::to_owned).collect(),
            own => names
                .flat_map(|name| own.iter().map(move |own| format!("{own}/{name}")))
                .collect(),
        };
        Self {
            inner,
            renderings: renderings.into(),
            domain_names,
        }
    }

    /// Both halves of a data set through each of `renderings`.
    pub fn splits(splits: Splits, renderings: &[Rendering]) -> Splits {
        Splits {
            train: Arc::new(Self::new(splits.train, renderings)),
            test: Arc::new(Self::new(splits.test, renderings)),
        }
    }

    /// Number of the transform and of the data set's own example.
    fn place(&self, index: usize) -> (usize, usize) {
        assert!(index < self.len(), "example {index} of {}", self.len());
        (index / self.inner.len(), index % self.inner.len())
    }
}

impl Dataset for Rendered {
    fn len(&self) -> usize {
        self.renderings.len() * self.inner.len()
    }

    fn class(&self, index: usize) -> usize {
        self.inner.class(self.place(index).1)
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        let (rendering, example) = self.place(index);
        let picture = self.inner.picture(example)?;
        Ok(self.renderings[rendering].apply(picture, example))
    }

    fn class_names(&self) -> &[String] {
        self.inner.class_names()
    }

    fn domain(&self, index: usize) -> usize {
        let (rendering, example) = self.place(index);
        let own = self.inner.domain_names().len().max(1);
        rendering * own + self.inner.domain(example)
    }

    fn domain_names(&self) -> &[String] {
        &self.domain_names
    }

    fn left_out(&self) -> Option<&str> {
        self.inner.left_out()
    }
}
