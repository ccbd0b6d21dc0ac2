//! The one test binary of the model: the rule is checked exhaustively, every mistake is caught.

mod explore;
mod mistakes;
mod rule;
