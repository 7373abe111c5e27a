//! What a check finds.

/// A rule that was broken: where, and what to do.
pub(crate) type Problem = String;
