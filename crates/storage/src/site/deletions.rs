//! Deletion one by one, for services that know no batches.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use crate::error::StorageError;
use crate::name::ObjectName;
use crate::object::DeleteOutcome;

/// How many objects are being deleted at a time.
const AT_A_TIME: usize = 8;

/// Deletes each name once, however often it is given: services answer all kinds of things to two who delete
/// the same. The answers stand in the order of the names.
pub(crate) async fn delete_each<F>(
    names: &[ObjectName],
    delete: impl Fn(ObjectName) -> F + Send,
) -> Vec<(ObjectName, DeleteOutcome)>
where
    F: Future<Output = Result<(), StorageError>> + Send,
{
    let distinct: BTreeSet<ObjectName> = names.iter().cloned().collect();
    let outcomes: BTreeMap<ObjectName, DeleteOutcome> = stream::iter(distinct)
        .map(|name| {
            let deleted = delete(name.clone());
            async move {
                let outcome = match deleted.await {
                    Ok(()) => DeleteOutcome::Done,
                    Err(error) => DeleteOutcome::Failed(error.of(&name)),
                };
                (name, outcome)
            }
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let answer = |name: &ObjectName| Some((name.clone(), outcomes.get(name)?.clone()));
    names.iter().filter_map(answer).collect()
}
