//! Devices that stopped to back up.

use ownkey_engine::silence::silent;

use crate::access::{Case, USUAL};

const DAY: i64 = 24 * 60 * 60;

#[test]
fn a_device_that_backed_up_daily_and_stopped_is_told_until_it_is_back_or_removed() {
    let case = Case::new(4_700);
    let (laptop, device) = case.enrolled(4_701, USUAL);
    let mut there = laptop.open(&case.storage).unwrap();
    for _ in 0..5 {
        laptop.clock.advance(DAY);
        laptop.backup(&mut there, &case.source);
    }
    case.desk.clock.advance(5 * DAY + 6 * DAY);
    assert_eq!(silent(&case.open()), []);
    case.desk.clock.advance(2 * DAY);
    let silences = silent(&case.open());
    let told: Vec<_> = silences
        .iter()
        .map(|silence| (silence.device, silence.usual))
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, device);
    assert!((DAY - 60..DAY + 60).contains(&told[0].1), "{told:?}");

    laptop.clock.advance(8 * DAY);
    laptop.backup(&mut there, &case.source);
    assert_eq!(silent(&case.open()), []);
    case.desk.clock.advance(30 * DAY);
    assert_eq!(silent(&case.open()).len(), 1);
    case.remove(&device).unwrap();
    assert_eq!(silent(&case.open()), []);
}
