//! What carries banks out of a model and in, while burn traverses it.
//!
//! Burn stores a reparameterization behind a type that visitors and mappers reach only through its parameters
//! and flags: they can neither see a bank nor hand one over. A traversal runs on the caller's thread, so for its
//! duration a thread-local carries banks out or in. Nothing outlives the call. Banks pass as `Any`: the bank's own
//! file is the one that calls [`collect`] and [`replacement`].

use std::{any::Any, cell::RefCell, collections::VecDeque};

/// Which way the banks go.
pub(crate) enum Door {
    /// Visited banks in the order of the traversal.
    Out(Vec<Box<dyn Any>>),
    /// Banks to put in the place of those that are mapped, in the order of the traversal.
    In(VecDeque<Box<dyn Any>>),
}

thread_local! {
    static DOOR: RefCell<Option<Door>> = const { RefCell::new(None) };
}

/// Called by a bank that is visited.
pub(crate) fn collect<B: Clone + 'static>(bank: &B) {
    DOOR.with_borrow_mut(|door| {
        if let Some(Door::Out(banks)) = door {
            banks.push(Box::new(bank.clone()));
        }
    });
}

/// Number of banks visited so far.
pub(crate) fn collected() -> usize {
    DOOR.with_borrow(|door| match door {
        Some(Door::Out(banks)) => banks.len(),
        _ => 0,
    })
}

/// Called by a bank that is mapped: the bank to put in its place.
pub(crate) fn replacement<B: 'static>() -> Option<B> {
    let next = DOOR.with_borrow_mut(|door| match door {
        Some(Door::In(banks)) => banks.pop_front(),
        _ => None,
    });
    next.and_then(|bank| bank.downcast().ok()).map(|bank| *bank)
}

/// Closes the door when dropped, so that a panic inside a traversal leaves nothing behind.
pub(crate) struct Opened;

impl Opened {
    pub(crate) fn new(door: Door) -> Self {
        DOOR.with_borrow_mut(|slot| *slot = Some(door));
        Self
    }

    pub(crate) fn close(self) -> Option<Door> {
        DOOR.with_borrow_mut(Option::take)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        DOOR.with_borrow_mut(|slot| *slot = None);
    }
}
