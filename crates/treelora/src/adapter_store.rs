//! The adapters of past tasks, merged where a storage budget asks for it.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use treelora_core::{Error, TaskId, read_json, write_json};
use treelora_kdtree::Merge;
use treelora_lora::{AdapterLayer, AdapterSnapshot, LoraError};

/// One adapter per slot; every learned task has a slot, merged tasks share one.
#[derive(Debug, Default)]
pub struct AdapterStore {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    adapter: AdapterSnapshot,
    tasks: Vec<TaskId>,
}

impl AdapterStore {
    /// Number of adapters.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no task was learned.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The adapter that serves `task`.
    pub fn get(&self, task: TaskId) -> Option<&AdapterSnapshot> {
        self.slot(task).map(|slot| &self.slots[slot].adapter)
    }

    /// The slot that serves `task`.
    pub fn slot(&self, task: TaskId) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.tasks.contains(&task))
    }

    /// The adapters in the order of their slots.
    pub fn adapters(&self) -> impl Iterator<Item = &AdapterSnapshot> {
        self.slots.iter().map(|slot| &slot.adapter)
    }

    /// Tasks of a slot, in the order they were learned or merged.
    ///
    /// # Panics
    /// When there is no such slot.
    pub fn tasks(&self, slot: usize) -> &[TaskId] {
        &self.slots[slot].tasks
    }

    /// Tasks of every slot.
    pub fn slots(&self) -> Vec<Vec<TaskId>> {
        self.slots.iter().map(|slot| slot.tasks.clone()).collect()
    }

    /// Keep the adapter of a task in a slot of its own.
    pub fn insert(&mut self, task: TaskId, adapter: AdapterSnapshot) {
        self.slots.push(Slot {
            adapter,
            tasks: vec![task],
        });
    }

    /// The adapter of a slot.
    pub fn adapter(&self, slot: usize) -> Option<&AdapterSnapshot> {
        self.slots.get(slot).map(|slot| &slot.adapter)
    }

    /// Keep the adapter of a task in the place of what `slot` held; the slot after the last is a new one.
    ///
    /// # Panics
    /// When the slot lies beyond that.
    pub fn put(&mut self, slot: usize, task: TaskId, adapter: AdapterSnapshot) {
        assert!(slot <= self.len(), "slot {slot} of {}", self.len());
        match self.slots.get_mut(slot) {
            Some(slot) => {
                slot.adapter = adapter;
                slot.tasks.push(task);
            }
            None => self.insert(task, adapter),
        }
    }

    /// Follow a merge of the tree: the mean of the updates with the same shares, as well as one adapter's rank can do it.
    /// Later slots move down by one.
    ///
    /// # Errors
    /// When the adapters differ in their layers, or a value is not finite.
    ///
    /// # Panics
    /// When the slots are missing.
    pub fn merge(&mut self, merge: &Merge) -> Result<(), LoraError> {
        let freed = self.slots.remove(merge.freed);
        let kept = &mut self.slots[merge.kept];
        let [share, other] = merge.weights;
        let rank = kept.adapter.rank();
        let both = [(&kept.adapter, share), (&freed.adapter, other)];
        kept.adapter = AdapterSnapshot::stacked(&both)?.truncated(rank)?;
        kept.tasks.extend(freed.tasks);
        Ok(())
    }

    /// Values of A of the slot that each layer chose, laid out as layer vectors.
    ///
    /// # Shapes
    /// `[layers, features]`.
    pub fn factor_rows(&self, chosen: &[usize]) -> Tensor<2> {
        let layers = chosen.len();
        let mut slots = chosen.to_vec();
        slots.sort_unstable();
        slots.dedup();
        let rows: Vec<Tensor<2>> = slots
            .iter()
            .map(|&slot| factor_rows(&self.slots[slot].adapter, layers))
            .collect();
        let indices: Vec<i64> = chosen
            .iter()
            .enumerate()
            .map(|(layer, slot)| {
                let place = slots.iter().position(|s| s == slot).unwrap_or_default();
                (place * layers + layer) as i64
            })
            .collect();
        let rows = Tensor::cat(rows, 0);
        let device = rows.device();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [layers]), &device);
        rows.select(0, indices)
    }

    /// The adapter whose layers come from the slot that each layer chose; `names` are those of the
    /// layer vectors (matrices or blocks).
    ///
    /// # Panics
    /// When there are not as many names as choices.
    pub fn composed(&self, chosen: &[usize], names: &[String]) -> AdapterSnapshot {
        assert_eq!(chosen.len(), names.len(), "one choice a layer");
        let belongs = |path: &str, name: &str| {
            path == name
                || path
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        let layers = names.iter().zip(chosen).flat_map(|(name, &slot)| {
            let layers = self.slots[slot].adapter.layers().iter();
            layers
                .filter(|layer| belongs(&layer.path, name))
                .cloned()
                .collect::<Vec<AdapterLayer>>()
        });
        AdapterSnapshot::from_layers(layers.collect())
    }

    /// Bytes of all adapters.
    pub fn num_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.adapter.num_bytes()).sum()
    }

    /// Write one file a slot and `adapters.json`.
    ///
    /// # Errors
    /// When writing fails.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        for (index, slot) in self.slots.iter().enumerate() {
            let path = dir.join(file_name(index));
            slot.adapter
                .save(&path)
                .map_err(|e| Error::format(&path, e.to_string()))?;
        }
        let stored = Stored {
            slots: self.slots.iter().map(|slot| slot.tasks.clone()).collect(),
        };
        let path = dir.join("adapters.json");
        write_json(&path, &stored)
    }

    /// Read what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let path = dir.join("adapters.json");
        let stored: Stored = read_json(&path)?;
        let slots = stored.slots.into_iter().enumerate().map(|(index, tasks)| {
            let path = dir.join(file_name(index));
            let adapter = AdapterSnapshot::load(&path, device)
                .map_err(|e| Error::format(&path, e.to_string()))?;
            Ok(Slot { adapter, tasks })
        });
        Ok(Self {
            slots: slots.collect::<Result<_, Error>>()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    slots: Vec<Vec<TaskId>>,
}

fn file_name(slot: usize) -> String {
    format!("adapter-{slot:03}.safetensors")
}

/// Values of A, laid out as the layer vectors of `layers` equal rows.
fn factor_rows(adapter: &AdapterSnapshot, layers: usize) -> Tensor<2> {
    let parts: Vec<Tensor<1>> = adapter
        .layers()
        .iter()
        .map(|layer| layer.a.clone().reshape([-1]))
        .collect();
    Tensor::cat(parts, 0).reshape([layers as i64, -1])
}
