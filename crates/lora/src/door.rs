//! The door to what lies behind a type that burn's traversals cannot see through.
//!
//! Burn stores a reparameterization behind a type that visitors and mappers reach only through its parameters
//! and flags: they can neither see one nor hand one over. A traversal runs on the caller's thread, so for its duration a
//! thread-local carries values out ([`outward`]) or in ([`inward`]). Nothing outlives the call.

use std::{any::Any, cell::RefCell, collections::VecDeque};

enum Door {
    Out(Vec<Box<dyn Any>>),
    In(VecDeque<Box<dyn Any>>),
}

thread_local! {
    static DOOR: RefCell<Option<Door>> = const { RefCell::new(None) };
}

/// Called by a value that is visited.
pub(crate) fn collect<T: Clone + 'static>(value: &T) {
    DOOR.with_borrow_mut(|door| {
        if let Some(Door::Out(values)) = door {
            values.push(Box::new(value.clone()));
        }
    });
}

/// Number of values visited so far.
pub(crate) fn collected() -> usize {
    DOOR.with_borrow(|door| match door {
        Some(Door::Out(values)) => values.len(),
        _ => 0,
    })
}

/// Called by a value that is mapped: the value to put in its place.
pub(crate) fn replacement<T: 'static>() -> Option<T> {
    DOOR.with_borrow_mut(|door| match door {
        Some(Door::In(values)) => values.pop_front()?.downcast().ok().map(|value| *value),
        _ => None,
    })
}

/// The values that [`collect`] themselves while `traverse` runs.
pub(crate) fn outward<T: 'static>(traverse: impl FnOnce()) -> Vec<T> {
    let open = Opened::new(Door::Out(Vec::new()));
    traverse();
    let Some(Door::Out(values)) = open.close() else {
        return Vec::new();
    };
    let values = values.into_iter().filter_map(|value| value.downcast().ok());
    values.map(|value| *value).collect()
}

/// What `traverse` gives while `values` are handed in one by one.
pub(crate) fn inward<T: 'static, R>(values: Vec<T>, traverse: impl FnOnce() -> R) -> R {
    let values = values
        .into_iter()
        .map(|value| Box::new(value) as Box<dyn Any>);
    let _open = Opened::new(Door::In(values.collect()));
    traverse()
}

/// Closes the door when dropped, so that a panic inside a traversal leaves nothing behind.
struct Opened;

impl Opened {
    fn new(door: Door) -> Self {
        DOOR.with_borrow_mut(|slot| *slot = Some(door));
        Self
    }

    fn close(self) -> Option<Door> {
        DOOR.with_borrow_mut(Option::take)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        DOOR.with_borrow_mut(|slot| *slot = None);
    }
}
