//! Snapshots in, snapshots out: format, log, index, backup, restore, check.
