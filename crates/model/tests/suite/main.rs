//! The one test binary of the model: sound configurations are checked exhaustively, mistakes are caught.

mod explore;
mod houses;
mod probe;
