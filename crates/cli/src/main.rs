//! The ownkey program.
fn main() {}
