//! Development only: the look rule as an exhaustively checked model.
