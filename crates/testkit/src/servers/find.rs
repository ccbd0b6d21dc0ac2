//! Where the programs of the servers are.

use std::env;
use std::path::{Path, PathBuf};

/// Skipped even where servers are required: it needs npm, which not every machine has.
const OPTIONAL: &str = "s3rver";

/// The path of a program, or `None` and a word about it.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let found = places()
        .into_iter()
        .map(|place| place.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        let required = env::var_os("OWNKEY_SERVERS_REQUIRED").is_some_and(|value| value == "1");
        assert!(
            !required || name == OPTIONAL,
            "{name} is required and not installed"
        );
        println!("skipped: {name} is not installed; `.ci/servers target/servers` installs it");
    }
    found
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(folder) = env::var_os("OWNKEY_SERVERS") {
        places.push(Path::new(&folder).join("bin"));
    }
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers/bin"));
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    // Where daemons are, which is not on everybody's path.
    places.extend(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places
}
