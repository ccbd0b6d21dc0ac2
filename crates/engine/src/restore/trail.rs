//! Where a directory goes below the target, as its name and a reference to the directory above it.
//!
//! So ten thousand directories within one another take memory for ten thousand names, not for
//! every name in every path. The path is put together only where the whole of it is asked for.

use std::sync::Arc;

use crate::format::name::Name;

/// The way from the target to a directory; clones share it.
#[derive(Clone, Default)]
pub(super) struct Trail(Option<Arc<Step>>);

struct Step {
    above: Trail,
    name: Name,
}

impl Trail {
    /// The way on to `name`.
    pub(super) fn child(&self, name: &Name) -> Self {
        Self(Some(Arc::new(Step {
            above: self.clone(),
            name: name.clone(),
        })))
    }

    /// Whether both are clones of one.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        }
    }

    /// The names from the target down.
    pub(super) fn names(&self) -> Vec<Name> {
        let steps = std::iter::successors(self.0.as_ref(), |step| step.above.0.as_ref());
        let mut names: Vec<Name> = steps.map(|step| step.name.clone()).collect();
        names.reverse();
        names
    }
}

impl Drop for Step {
    /// One after the other: dropped within one another, very many would overflow the stack.
    fn drop(&mut self) {
        let mut above = self.above.0.take();
        while let Some(step) = above {
            above = Arc::into_inner(step).and_then(|mut step| step.above.0.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_names_come_from_the_target_down() {
        let (target, a) = (Trail::default(), Trail::default().child(&name("a")));
        let b = a.child(&name("b"));
        assert!(target.names().is_empty());
        assert_eq!(b.names(), [name("a"), name("b")]);
        assert_eq!(a.child(&name("c")).names(), [name("a"), name("c")]);
        assert!(b.is(&b.clone()) && target.is(&Trail::default()));
        assert!(!b.is(&a) && !b.is(&a.child(&name("b"))) && !b.is(&target));
    }

    #[test]
    fn a_million_levels_are_let_go_without_a_deep_stack() {
        let step = name("d");
        let deepest = (0..1_000_000).fold(Trail::default(), |above, _| above.child(&step));
        assert_eq!(deepest.names().len(), 1_000_000);
        drop(deepest);
    }
}
