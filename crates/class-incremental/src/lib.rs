//! The parts of class-incremental vision: class statistics, discriminants, head alignment, task-identity inference, routing.
