//! Development only: seeded trees, tree equality, faulty and recording storage, the conformance suite.
