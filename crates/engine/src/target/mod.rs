//! Writing restored trees.
