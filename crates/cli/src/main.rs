//! The `treelora` binary.
fn main() {}
