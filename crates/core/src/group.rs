//! Named groups of parameters, each with a learning rate of its own.

use std::{borrow::Cow, collections::BTreeMap, fmt};

/// A group of trained parameters that share a learning rate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(Cow<'static, str>);

impl Group {
    /// Adapters of the model.
    pub const ADAPTER: Self = Self(Cow::Borrowed("adapter"));
    /// What else of the model is trained: the classification head.
    pub const HEAD: Self = Self(Cow::Borrowed("head"));
    /// Prompts and prefixes.
    pub const PROMPT: Self = Self(Cow::Borrowed("prompt"));
    /// Gates and routers.
    pub const GATE: Self = Self(Cow::Borrowed("gate"));

    /// A group that a method names itself.
    pub const fn of(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// What a second network of this group trains beside its adapters.
    pub fn head_of(&self) -> Self {
        Self(Cow::Owned(format!("{self}.head")))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The learning rate of every group.
#[derive(Clone, Debug, PartialEq)]
pub struct LearningRates(BTreeMap<Group, f64>);

impl LearningRates {
    /// Those of a configuration: of the adapters, which is also that of every group without one of its own, and of
    /// the head.
    pub fn new(adapter: f64, head: f64) -> Self {
        Self(BTreeMap::from([
            (Group::ADAPTER, adapter),
            (Group::HEAD, head),
        ]))
    }

    /// The rate of a group.
    pub fn of(&self, group: &Group) -> f64 {
        let own = self.0.get(group);
        *own.unwrap_or_else(|| &self.0[&Group::ADAPTER])
    }

    /// The same with another rate for one group.
    #[must_use]
    pub fn with(mut self, group: Group, rate: f64) -> Self {
        self.0.insert(group, rate);
        self
    }

    /// The same with every rate times `factor`.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        self.0.values_mut().for_each(|rate| *rate *= factor);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_without_a_rate_of_its_own_learns_as_adapters_do() {
        let rates = LearningRates::new(0.5, 0.25)
            .with(Group::GATE, 2.0)
            .times(0.5);
        assert_eq!(rates.of(&Group::ADAPTER), 0.25);
        assert_eq!(rates.of(&Group::HEAD), 0.125);
        assert_eq!(rates.of(&Group::GATE), 1.0);
        assert_eq!(rates.of(&Group::PROMPT), 0.25);
        assert_eq!(rates.of(&Group::of("identity").head_of()), 0.25);
    }
}
