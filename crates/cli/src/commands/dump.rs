//! `ownkey dump SNAPSHOT[:PATH] [PATH]`

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use ownkey_engine::dump;
use ownkey_engine::format::node::NodeKind;
use ownkey_engine::monitor::{Monitor as _, Problem};
use ownkey_engine::repository::Snapshot;
use ownkey_engine::tree::{Browser, Found};

use crate::archive::{Archive, Put, Writer};
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::moment::Earlier;
use crate::opening::Purpose;
use crate::relay::{self, Relay};
use crate::session::Session;
use crate::spec::Spec;
use crate::ui::Ui;
use crate::ui::progress::{Progress, Work};

/// What to print.
#[derive(Debug, clap::Args)]
pub(crate) struct DumpArgs {
    /// Which snapshot: latest, latest~1, or the beginning of an id; and what in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: OsString,
    /// What in it, if it is not said behind the colon
    path: Option<PathBuf>,
    /// How to pack a folder: tar (the default) or zip
    #[arg(long, value_enum, value_name = "KIND")]
    archive: Option<Archive>,
    #[command(flatten)]
    earlier: Earlier,
}

/// Writes a file as it is, or a folder as an archive, to standard output.
pub(crate) fn run(cx: &Context, args: &DumpArgs) -> Result<Class, Failure> {
    let mut spec = Spec::read(&args.snapshot)?;
    match (&args.path, &spec.path) {
        (Some(_), Some(_)) => return Err(Failure::usage("the path is given twice")),
        (Some(path), None) => spec.path = Some(Path::new("/").join(path)),
        (None, _) => {}
    }
    let session = Session::open_at(cx, args.earlier.as_of, Purpose::Use)?;
    let snapshot = spec.find(&session.repository)?;
    let browser = Browser::new(&session.repository)?;
    let path = spec.path().unwrap_or(Path::new("/"));
    let found = browser.find(&snapshot.record.root, path)?;
    let is_file = matches!(&found, Found::Node(node) if matches!(node.kind, NodeKind::File { .. }));
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    if is_file && args.archive.is_none() {
        let relay = Relay::default();
        let mut out = Out {
            ui: &cx.ui,
            relay: &relay,
        };
        let written = dump::file(&browser, &snapshot, path, &monitor, &mut out);
        relay.settle(written)?;
        return Ok(Class::Ok);
    }
    let archive = Packing {
        browser: &browser,
        snapshot: &snapshot,
        path,
        monitor: &monitor,
    };
    archive.write(cx, args.archive.unwrap_or(Archive::Tar))
}

struct Packing<'a> {
    browser: &'a Browser,
    snapshot: &'a Snapshot,
    path: &'a Path,
    monitor: &'a Progress,
}

impl Packing<'_> {
    fn write(&self, cx: &Context, kind: Archive) -> Result<Class, Failure> {
        if io::stdout().is_terminal() {
            return Err(
                Failure::usage("an archive is nothing to read on a terminal")
                    .hint("send it somewhere: ownkey dump latest:/path > path.tar"),
            );
        }
        let (visiting, writing) = (Relay::default(), Relay::default());
        let mut writer = Writer::new(
            kind,
            Out {
                ui: &cx.ui,
                relay: &writing,
            },
        );
        let mut left_out = 0u64;
        let report = dump::archive(
            self.browser,
            self.snapshot,
            Some(self.path),
            self.monitor,
            |path, node, content| {
                let put = writer.put(path, node, content);
                let put = visiting
                    .pass(put.map_err(|error| relay::from_io(error, "cannot write the archive")))?;
                if let Put::LeftOut(reason) = put {
                    left_out += 1;
                    self.monitor.problem(&Problem {
                        path: path.to_owned(),
                        message: reason.to_owned(),
                    });
                }
                Ok(())
            },
        );
        let report = report.and_then(|report| {
            let finished = writer.finish();
            visiting.pass(
                finished.map_err(|error| relay::from_io(error, "cannot write the archive")),
            )?;
            Ok(report)
        });
        // A reader that has gone is the reason for whatever the archive's writer made of it.
        writing.settle(Ok(()))?;
        let report = visiting.settle(report)?;
        Ok(match (report.damaged, left_out) {
            (0, 0) => Class::Ok,
            (0, _) => Class::Partial,
            (_, _) => Class::Damage,
        })
    }
}

/// Standard output for those who write bytes.
struct Out<'a> {
    ui: &'a Ui,
    relay: &'a Relay,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.relay.pass_io(self.ui.bytes(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.relay.pass_io(self.ui.flush())
    }
}
