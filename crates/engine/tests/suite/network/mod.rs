//! A backup over a network on which everything goes wrong, once at every request: success after
//! trying again or a clear error, never a wrong byte, never a lost snapshot, and afterwards the next
//! ordinary run works.

mod faults;
mod machine;
mod still;
