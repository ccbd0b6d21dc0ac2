//! Where objects live: the storage contract and its implementations.
