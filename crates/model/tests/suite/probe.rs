//! probe
use ownkey_model::checks::Reach;
use ownkey_model::config::{Config, Reads, Plans, Domain, Moves, Role};
use crate::explore::holds;
fn w(needs: u16) -> Role { Role::Writer { needs, checkpoint: 0, restarts: 0, domain: Domain::Readers } }
fn p() -> Role { Role::Pruner { runs: 1, moves: Moves::Never, forgets: None } }
#[test]
fn a() {
    let c = Config { passes: 3, reads: Reads::Atomic, plans: Plans::Greedy, ..Config::new(&[w(1), p()], &[1]) };
    holds("1w1p atomic", c.clone(), &[Reach::PackDeleted, Reach::SegmentDeleted, Reach::Acknowledged, Reach::Spared, Reach::StoredAnew]);
    holds("1w1p any", Config { reads: Reads::AnyOrder, ..c }, &[]);
    let c = Config { passes: 3, reads: Reads::Atomic, plans: Plans::Greedy, ..Config::new(&[w(1), w(1), p()], &[1]) };
    holds("2w1p atomic", c.clone(), &[]);
    holds("2w1p any", Config { reads: Reads::AnyOrder, ..c }, &[]);
    let c = Config { passes: 2, reads: Reads::Atomic, plans: Plans::Greedy, ..Config::new(&[w(1), p(), p(), Role::Past{needs:1}], &[1, 1]) };
    holds("1w2p live atomic", c.clone(), &[]);
    holds("1w2p live any", Config { reads: Reads::AnyOrder, ..c }, &[]);
}
