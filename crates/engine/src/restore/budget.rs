//! Memory for what was fetched, counted in bytes.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::lock::lock;

/// So many bytes may be held at once. One request for more than all of them is granted when
/// nothing else is held, so that nobody waits for ever.
pub(super) struct Budget {
    most: u64,
    held: Mutex<u64>,
    freed: Condvar,
}

/// A part of a budget, given back when it is dropped.
pub(super) struct Share<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Budget {
    pub(super) fn of(most: u64) -> Self {
        Self {
            most,
            held: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room for so many bytes.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        let held = lock(&self.held);
        let full = |held: &mut u64| *held > 0 && held.saturating_add(bytes) > self.most;
        let waited = self.freed.wait_while(held, full);
        // A poisoned lock means that a thread panicked; the count is still right.
        let mut held = waited.unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_add(bytes);
        Share {
            budget: self,
            bytes,
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut held = lock(&self.budget.held);
        *held = held.saturating_sub(self.bytes);
        drop(held);
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn no_more_than_all_is_held_and_everybody_gets_a_share() {
        let budget = Budget::of(10);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for bytes in [3, 4, 6, 10] {
                let (budget, held, most) = (&budget, &held, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let _share = budget.take(bytes);
                        let now = held.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=10).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(*lock(&budget.held), 0);
    }

    #[test]
    fn what_is_larger_than_the_budget_is_held_alone() {
        let budget = Budget::of(10);
        let large = budget.take(50);
        thread::scope(|scope| {
            let small = scope.spawn(|| drop(budget.take(1)));
            thread::sleep(std::time::Duration::from_millis(20));
            assert!(!small.is_finished());
            drop(large);
            small.join().unwrap();
        });
    }
}
