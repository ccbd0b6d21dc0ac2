//! The storage contract as tests: one function for each numbered sentence of
//! [`Storage`].
//!
//! Use [`conformance!`](crate::conformance!) in a module of its own; it makes one `#[test]` of each
//! sentence. Tests that need a capability check the `Unsupported` error where it is lacking.

mod create;
mod delete;
mod history;
mod list;
mod read;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ownkey_storage::{
    DeleteOutcome, ObjectName, Prefix, Storage, StorageError, StorageErrorKind, list_all,
};

pub use create::{
    c01_create_never_overwrites, c02_nobody_sees_a_part_of_an_object,
    c03_one_of_many_creators_wins, c04_a_storage_opened_anew_has_what_was_created,
    c05_a_read_sees_every_create_that_ended, c15_a_folder_is_not_an_object,
    c16_a_dropped_create_is_all_or_nothing,
};
pub use delete::{c11_delete_answers_for_every_name, c12_delete_touches_nothing_else};
pub use history::{c13_versions_can_be_listed_and_read, c14_retained_objects_stay};
pub use list::{
    c09_list_is_complete_and_sorted_while_others_create, c09_pages_neither_repeat_nor_skip,
    c10_list_shows_objects_under_the_prefix_alone,
};
pub use read::{
    c06_get_returns_exactly_what_was_created, c07_ranges_are_exact_or_refused,
    c08_what_is_too_large_is_refused, c17_errors_name_operation_place_and_object,
};

/// A storage under test, and the way to open the same place anew.
pub struct Subject {
    /// An empty storage.
    pub storage: Arc<dyn Storage>,
    reopen: Box<dyn Fn() -> Arc<dyn Storage> + Send + Sync>,
    // Dropped last: a folder that goes with the subject, for example.
    _keep: Box<dyn Send + Sync>,
}

impl Subject {
    /// A storage that lives in this process alone: opened anew it is the same one.
    pub fn shared(storage: Arc<dyn Storage>) -> Self {
        let again = storage.clone();
        Self {
            storage,
            reopen: Box::new(move || again.clone()),
            _keep: Box::new(()),
        }
    }

    /// A storage with a way to open its place anew, and something to keep until the end.
    pub fn reopening(
        open: impl Fn() -> Arc<dyn Storage> + Send + Sync + 'static,
        keep: impl Send + Sync + 'static,
    ) -> Self {
        Self {
            storage: open(),
            reopen: Box::new(open),
            _keep: Box::new(keep),
        }
    }

    /// The same place through another handle.
    pub fn reopen(&self) -> Arc<dyn Storage> {
        (self.reopen)()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Subject").field(&self.storage).finish()
    }
}

/// Makes one `#[test]` for each sentence of the contract. The expression makes a fresh
/// [`Subject`](crate::conformance::Subject); it is evaluated once a test, inside a runtime, and may `.await`.
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance! { @each $subject;
            c01_create_never_overwrites
            c02_nobody_sees_a_part_of_an_object
            c03_one_of_many_creators_wins
            c04_a_storage_opened_anew_has_what_was_created
            c05_a_read_sees_every_create_that_ended
            c06_get_returns_exactly_what_was_created
            c07_ranges_are_exact_or_refused
            c08_what_is_too_large_is_refused
            c09_pages_neither_repeat_nor_skip
            c09_list_is_complete_and_sorted_while_others_create
            c10_list_shows_objects_under_the_prefix_alone
            c11_delete_answers_for_every_name
            c12_delete_touches_nothing_else
            c13_versions_can_be_listed_and_read
            c14_retained_objects_stay
            c15_a_folder_is_not_an_object
            c16_a_dropped_create_is_all_or_nothing
            c17_errors_name_operation_place_and_object
        }
    };
    (@each $subject:expr; $($sentence:ident)*) => {
        $(
            #[test]
            fn $sentence() {
                $crate::block_on(async {
                    let subject = $subject;
                    $crate::conformance::$sentence(&subject).await;
                });
            }
        )*
    };
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("the test's own name")
}

fn prefix(text: &str) -> Prefix {
    Prefix::new(text).expect("the test's own prefix")
}

async fn put(storage: &dyn Storage, text: &str, body: &[u8]) {
    let created = storage
        .create(&name(text), Bytes::copy_from_slice(body))
        .await;
    created.unwrap_or_else(|error| panic!("{error}"));
}

async fn read(storage: &dyn Storage, text: &str) -> Vec<u8> {
    match storage.get(&name(text)).await {
        Ok(body) => body.into(),
        Err(error) => panic!("{error}"),
    }
}

async fn names(storage: &dyn Storage, under: &str) -> Vec<String> {
    list_all(storage, &prefix(under))
        .await
        .unwrap_or_else(|error| panic!("{error}"))
        .into_iter()
        .map(|object| object.name.to_string())
        .collect()
}

async fn delete_one(storage: &dyn Storage, text: &str) -> DeleteOutcome {
    let mut outcomes = storage.delete(&[name(text)]).await;
    assert_eq!(outcomes.len(), 1, "one answer for one name");
    let (answered, outcome) = outcomes.remove(0);
    assert_eq!(answered, name(text));
    outcome
}

fn kind<T: fmt::Debug>(result: Result<T, StorageError>) -> StorageErrorKind {
    result.expect_err("an error").kind()
}
