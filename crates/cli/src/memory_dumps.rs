//! What is in this program's memory is written nowhere when it dies, and shown to no other program.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Refuses core dumps, and other programs of the same user that want to read this one's memory (`ptrace`,
/// `/proc/…/mem`). Where the system does not allow that, the program is as safe as any other.
pub(crate) fn refuse() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // A core pattern that pipes into a program asks for the second, a file for the first.
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
