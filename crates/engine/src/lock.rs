//! Taking a mutex whose holders may have panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`. What is behind the engine's locks is whole between any two statements of a
/// holder, so a thread that panicked leaves nothing half done there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
