//! Objects, parts of them, and listings: what no storage can do without.

use super::{Bench, Verdict, folder, pattern};
use crate::contract::stuck;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{MAX_NAME_BYTES, ObjectName};
use crate::object::ObjectMeta;

/// Longer than the first answer of any service that cuts answers into parts.
const LENGTH: usize = 300_000;

impl Bench<'_> {
    pub(super) async fn try_objects(&mut self) -> Result<(), StorageError> {
        for (text, length) in [("object/tiny", 1), ("object/long", LENGTH)] {
            let name = self.name(text)?;
            let body = pattern(length, 1);
            self.first().create(&name, body.clone()).await?;
            for storage in [self.first(), self.second()] {
                if storage.get(&name).await? != body {
                    return Err(self
                        .broken(Operation::Get, "an object reads back as other bytes")
                        .of(&name));
                }
            }
        }
        let longest = self.longest_name()?;
        self.first().create(&longest, pattern(1, 2)).await?;
        self.first().get(&longest).await?;
        self.found(
            "objects",
            Verdict::Good,
            "objects read back as they were stored, also under the longest names",
        );
        Ok(())
    }

    /// As long and as deep as names may be.
    fn longest_name(&self) -> Result<ObjectName, StorageError> {
        let left = MAX_NAME_BYTES.saturating_sub(self.folder.len() + 1);
        let deep = "a/b/c/";
        let last = left
            .saturating_sub(deep.len())
            .min(crate::name::MAX_SEGMENT_BYTES);
        self.name(&format!("{deep}{}", "z".repeat(last)))
    }

    pub(super) async fn try_ranges(&mut self) -> Result<(), StorageError> {
        let name = self.name("object/long")?;
        let body = pattern(LENGTH, 1);
        let length = LENGTH as u64;
        for range in [0..1, 131_071..196_609, length - 5..length, 0..length] {
            let part = self.first().get_range(&name, range.clone()).await?;
            if part
                != body
                    .get(range.start as usize..range.end as usize)
                    .unwrap_or_default()
            {
                return Err(self
                    .broken(
                        Operation::GetRange,
                        "a part of an object reads back as other bytes",
                    )
                    .of(&name));
            }
        }
        let beyond = self.first().get_range(&name, length - 5..length + 5).await;
        match beyond {
            Err(error) if error.kind() == StorageErrorKind::InvalidRange => {}
            Err(error) => return Err(error),
            Ok(_) => {
                return Err(self
                    .broken(Operation::GetRange, "a part beyond the end of an object")
                    .of(&name));
            }
        }
        self.found(
            "parts",
            Verdict::Good,
            "parts of objects can be read, so that a restore fetches no more than it needs",
        );
        Ok(())
    }

    pub(super) async fn try_listing(&mut self) -> Result<(), StorageError> {
        let mut expected = Vec::new();
        // The order of creation is not that of the names, and one name is the folder of another's.
        for text in [
            "list/m", "list/a-b", "list/a/z", "list/z", "list/a0", "list/b",
        ] {
            let name = self.name(text)?;
            self.first()
                .create(&name, pattern(expected.len() + 1, 3))
                .await?;
            expected.push((name, expected.len() as u64 + 1));
        }
        let elsewhere = self.name("listing/x")?;
        self.first().create(&elsewhere, pattern(1, 3)).await?;
        expected.sort();
        let listed = self.pages_of_two().await?;
        let told: Vec<(ObjectName, u64)> = listed
            .into_iter()
            .map(|object| (object.name, object.size))
            .collect();
        if told != expected {
            return Err(self.broken(
                Operation::List,
                "a listing that misses objects, invents them, or is out of order",
            ));
        }
        self.found(
            "listing",
            Verdict::Good,
            "listings are complete and in order, page by page",
        );
        Ok(())
    }

    async fn pages_of_two(&self) -> Result<Vec<ObjectMeta>, StorageError> {
        let prefix = folder("list", self)?;
        let storage = self.second();
        let mut listed: Vec<ObjectMeta> = Vec::new();
        loop {
            let after = listed.last().map(|object| object.name.clone());
            let page = storage.list(&prefix, after.as_ref(), 2).await?;
            // A storage that goes in circles would keep us here.
            if page.objects.is_empty() && page.more || listed.len() > 100 {
                return Err(stuck(storage, Operation::List));
            }
            listed.extend(page.objects);
            if !page.more {
                return Ok(listed);
            }
        }
    }
}
