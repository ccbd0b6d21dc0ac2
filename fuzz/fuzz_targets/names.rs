//! Names that a storage lists: each is an object of ours, and then spelt as we spell it, or foreign.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ownkey_engine::format::layout::{self, Object};
use ownkey_storage::ObjectName;

fuzz_target!(|text: &str| {
    let Ok(name) = ObjectName::new(text.to_owned()) else {
        return;
    };
    assert_eq!(name.as_str(), text);
    let again = match Object::parse(&name) {
        Some(Object::RosterEntry(n, hash)) => layout::roster_entry(n, &hash),
        Some(Object::LogEntry(device, seq)) => layout::log_entry(&device, seq),
        _ => return,
    };
    assert_eq!(again, name);
});
