//! Several sorted sources into one table.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::medium::{Medium, Rotten, Trouble};
use super::record::Record;
use super::table::{Records, TableName};
use super::table_writer::TableWriter;

/// Something sorted.
pub(super) enum Input<'t> {
    Sorted(std::vec::IntoIter<Record>),
    Table(Records<'t>),
}

impl Input<'_> {
    fn next(&mut self) -> Result<Option<Record>, Rotten> {
        match self {
            Self::Sorted(records) => Ok(records.next()),
            Self::Table(records) => records.next(),
        }
    }
}

/// Writes everything that `is_wanted`, by the number of its pack.
pub(super) fn merge(
    mut inputs: Vec<Input<'_>>,
    mut to: TableWriter,
    is_wanted: &dyn Fn(u32) -> bool,
) -> Result<(Medium, TableName), Trouble> {
    let mut heads = BinaryHeap::new();
    for (number, input) in inputs.iter_mut().enumerate() {
        if let Some(record) = input.next()? {
            heads.push(Reverse((record, number)));
        }
    }
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((record, number)) = *head;
        if is_wanted(record.pack()) {
            to.push(record)?;
        }
        let next = inputs.get_mut(number).map(Input::next).transpose()?;
        match next.flatten() {
            Some(record) => *head = Reverse((record, number)),
            None => drop(PeekMut::pop(head)),
        }
    }
    Ok(to.finish()?)
}

/// How many of the tables, the smallest first, become one with so many new records.
///
/// A table that stays has more than three times what all smaller ones have together, so there are
/// about log4 as many tables as records, and a record is written again a few times for each of them.
pub(super) fn how_many(smallest_first: &[TableName], new: u64) -> usize {
    let mut sum = new;
    let mut count = 0;
    for table in smallest_first {
        if new == 0 || table.records > sum.saturating_mul(3) {
            break;
        }
        sum = sum.saturating_add(table.records);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sizes: &[u64]) -> Vec<TableName> {
        let named = |records: &u64| TableName {
            id: *records,
            records: *records,
        };
        sizes.iter().map(named).collect()
    }

    #[test]
    fn a_table_stays_until_the_smaller_ones_are_a_third_of_it() {
        assert_eq!(how_many(&sizes(&[]), 5), 0);
        assert_eq!(how_many(&sizes(&[16, 100]), 5), 0);
        assert_eq!(how_many(&sizes(&[15, 100]), 5), 1);
        assert_eq!(how_many(&sizes(&[15, 60]), 5), 2);
        assert_eq!(how_many(&sizes(&[1, 2]), 0), 0);
    }

    #[test]
    fn tables_stay_few_however_often_something_is_added() {
        let mut tables = Vec::new();
        let mut written = 0;
        for _ in 0..20_000 {
            let merged: Vec<TableName> = tables.drain(..how_many(&tables, 100)).collect();
            let records = 100 + merged.iter().map(|table| table.records).sum::<u64>();
            written += records;
            tables.insert(0, TableName { id: 0, records });
            assert!(tables.len() <= 10);
        }
        assert!(written < 2_000_000 * 40, "{written}");
    }
}
