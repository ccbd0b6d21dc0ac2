//! Tests of what the system refuses, also where tests run as root.
//!
//! Such a test runs itself again in a child whose capabilities `setpriv` took away: still the
//! same user, so that it may read the program, but bound by modes like everybody else.

use std::process::Command;

const CHILD: &str = "OWNKEY_TEST_WITHOUT_PRIVILEGES";

/// Runs `body` without privileges; `module` is `module_path!()`, `test` the calling function.
/// Says so and does nothing if the machine has no `setpriv`.
pub(crate) fn without_privileges<F: FnOnce()>(module: &str, test: &str, body: F) {
    if std::env::var_os(CHILD).is_some() || !rustix::process::geteuid().is_root() {
        return body();
    }
    let module = module.split_once("::").map_or(module, |(_, inner)| inner);
    let child = Command::new("setpriv")
        .args([
            "--bounding-set=-all",
            "--inh-caps=-all",
            "--ambient-caps=-all",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{test}"), "--nocapture"])
        .env(CHILD, "1")
        .output();
    let Ok(child) = child else {
        println!("skipped: this machine has no setpriv");
        return;
    };
    let output = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(
        child.status.success() && output.contains("1 passed"),
        "{output}\n{errors}"
    );
}
