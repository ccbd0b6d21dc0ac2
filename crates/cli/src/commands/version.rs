//! `ownkey version`

use serde_json::json;

use crate::exit::Class;
use crate::failure::Failure;
use crate::ui::Ui;

/// The repository format this program reads and writes (docs/format.md).
const FORMAT_VERSION: u32 = 1;

/// Says which program this is.
pub(crate) fn run(ui: &Ui) -> Result<Class, Failure> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    ui.line(&format!(
        "ownkey {} (repository format {FORMAT_VERSION}, {os} {arch})",
        env!("CARGO_PKG_VERSION")
    ))?;
    ui.json(
        "version",
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "format_version": FORMAT_VERSION,
            "os": os,
            "arch": arch,
        }),
    )?;
    Ok(Class::Ok)
}
