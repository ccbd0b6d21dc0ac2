//! `ownkey ls SNAPSHOT[:PATH]`

use std::ffi::OsString;
use std::path::Path;

use ownkey_engine::format::node::{Node, NodeKind};
use ownkey_engine::list::{self, Descend};
use ownkey_engine::tree::Browser;
use serde_json::{Value, json};

use super::described;
use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::moment::Earlier;
use crate::opening::Purpose;
use crate::relay::Relay;
use crate::session::Session;
use crate::spec::Spec;
use crate::ui::progress::{Progress, Work};
use crate::ui::{Format, Ui, json as lines, sanitize};

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {
    /// Which snapshot: latest, latest~1, or the beginning of an id; with :PATH only that part
    #[arg(value_name = "SNAPSHOT[:PATH]", default_value = "latest")]
    snapshot: OsString,
    /// Also mode, owner, size and time
    #[arg(short, long)]
    long: bool,
    #[command(flatten)]
    earlier: Earlier,
}

/// Lists it, folders before what is in them.
pub(crate) fn run(cx: &Context, args: &LsArgs) -> Result<Class, Failure> {
    let spec = Spec::read(&args.snapshot)?;
    let session = Session::open_at(cx, args.earlier.as_of, Purpose::Use)?;
    let snapshot = spec.find(&session.repository)?;
    let browser = Browser::new(&session.repository)?;
    cx.ui.json("snapshot", described(&snapshot))?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let relay = Relay::default();
    let listed = list::each(&browser, &snapshot, spec.path(), &monitor, |path, node| {
        relay
            .pass(show(&cx.ui, path, node, args.long))
            .map(|()| Descend::Into)
    });
    let report = relay.settle(listed)?;
    Ok(if report.broken == 0 {
        Class::Ok
    } else {
        Class::Damage
    })
}

fn show(ui: &Ui, path: &Path, node: &Node, long: bool) -> Result<(), Failure> {
    if ui.format() == Format::Json {
        return ui.json("node", json_node(path, node));
    }
    let name = sanitize::path(path);
    if !long {
        return ui.line(&name);
    }
    let target = match &node.kind {
        NodeKind::Symlink { target } => format!(" -> {}", sanitize::bytes(target)),
        _ => String::new(),
    };
    let meta = &node.metadata;
    ui.line(&format!(
        "{}{} {:>8} {:>8} {:>12} {} {name}{target}",
        letter(&node.kind),
        permissions(meta.mode),
        meta.user.clone().unwrap_or_else(|| meta.uid.to_string()),
        meta.group.clone().unwrap_or_else(|| meta.gid.to_string()),
        size(&node.kind),
        clock::local(meta.mtime.seconds, meta.mtime.nanoseconds),
    ))
}

/// A node for programs, with restic's words.
pub(crate) fn json_node(path: &Path, node: &Node) -> Value {
    let meta = &node.metadata;
    let mut fields = json!({
        "type": word(&node.kind),
        "size": size(&node.kind),
        "mode": meta.mode,
        "permissions": format!("{}{}", letter(&node.kind), permissions(meta.mode)),
        "uid": meta.uid,
        "gid": meta.gid,
        "user": meta.user,
        "group": meta.group,
        "mtime": clock::rfc3339(meta.mtime.seconds, meta.mtime.nanoseconds),
    });
    lines::put_bytes(&mut fields, "path", path.as_os_str().as_encoded_bytes());
    lines::put_bytes(&mut fields, "name", node.name.as_bytes());
    if let NodeKind::Symlink { target } = &node.kind {
        lines::put_bytes(&mut fields, "linktarget", target);
    }
    fields
}

fn size(kind: &NodeKind) -> u64 {
    match kind {
        NodeKind::File { size, .. } => *size,
        _ => 0,
    }
}

fn word(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::File { .. } => "file",
        NodeKind::Directory { .. } => "dir",
        NodeKind::Symlink { .. } => "symlink",
        NodeKind::Fifo => "fifo",
        NodeKind::Socket => "socket",
        NodeKind::CharDevice(_) => "chardev",
        NodeKind::BlockDevice(_) => "dev",
    }
}

fn letter(kind: &NodeKind) -> char {
    match kind {
        NodeKind::File { .. } => '-',
        NodeKind::Directory { .. } => 'd',
        NodeKind::Symlink { .. } => 'l',
        NodeKind::Fifo => 'p',
        NodeKind::Socket => 's',
        NodeKind::CharDevice(_) => 'c',
        NodeKind::BlockDevice(_) => 'b',
    }
}

/// As `ls -l` shows the low 12 bits of a mode.
fn permissions(mode: u32) -> String {
    let mut out: Vec<char> = "rwxrwxrwx".chars().collect();
    for (place, letter) in out.iter_mut().enumerate() {
        if mode & (0o400 >> place) == 0 {
            *letter = '-';
        }
    }
    // The three high bits stand in the place of the x of owner, group and others.
    for (bit, place, with_x, without) in [
        (0o4000, 2, 's', 'S'),
        (0o2000, 5, 's', 'S'),
        (0o1000, 8, 't', 'T'),
    ] {
        if let Some(letter) = out.get_mut(place).filter(|_| mode & bit != 0) {
            *letter = if *letter == 'x' { with_x } else { without };
        }
    }
    out.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::permissions;

    #[test]
    fn permissions_read_as_those_of_ls() {
        assert_eq!(permissions(0o755), "rwxr-xr-x");
        assert_eq!(permissions(0o4711), "rws--x--x");
        assert_eq!(permissions(0o2644), "rw-r-Sr--");
        assert_eq!(permissions(0o1777), "rwxrwxrwt");
        assert_eq!(permissions(0), "---------");
    }
}
