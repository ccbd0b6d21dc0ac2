//! What the rules allow here and there, each with its reason, in one place.
//!
//! A list may only shrink unnoticed: the rules fail on an exception that nothing needs any more.

/// Files longer than 500 lines.
pub(crate) const LONG_FILES: &[(&str, &str)] = &[];

/// Groups of modules of one crate that use each other in a circle.
///
/// An exception names the whole group, so that it cannot grow unnoticed, and what would untie it.
pub(crate) const CYCLES: &[(&str, &[&str], &str)] = &[
    (
        "model",
        &["checks", "model"],
        "the properties are stated over the model that lists them",
    ),
    (
        "model",
        &["config", "view", "world"],
        "a view is folded from a world's entries and an agent in the world holds one",
    ),
    (
        "model",
        &["houses", "larger_houses"],
        "one table in two files",
    ),
    (
        "model",
        &["plans", "pruner"],
        "a plan that is empty ends the pruner's run",
    ),
];
