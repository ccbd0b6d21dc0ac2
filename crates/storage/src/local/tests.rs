//! The order of the barriers, and what their failures mean, watched through a flush of the test.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::fault::Fault;
use super::flush::Flush;
use super::root::Root;
use super::{delete, publish, read};
use crate::name::ObjectName;

/// Writes down what is flushed and whether the object was visible then; fails where told to.
#[derive(Debug, Default)]
struct Watch {
    object: Mutex<Option<std::path::PathBuf>>,
    events: Mutex<Vec<String>>,
    file_fails: Mutex<Option<Errno>>,
    folder_fails: Mutex<Option<Errno>>,
}

impl Watch {
    fn note(&self, what: &str, fd: BorrowedFd<'_>) {
        let link = rustix::fs::readlink(fd_path(fd), Vec::new()).expect("a path");
        let path = link.to_string_lossy().into_owned();
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let last = if last.len() == 32 { "staged" } else { &last };
        let object = self.object.lock().expect("no panic");
        let visible = object.as_ref().is_some_and(|object| object.exists());
        let when = if visible { "after" } else { "before" };
        let mut events = self.events.lock().expect("no panic");
        events.push(format!("{what} {last} {when}"));
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().expect("no panic"))
    }
}

fn fd_path(fd: BorrowedFd<'_>) -> String {
    use std::os::fd::AsRawFd as _;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

impl Flush for Watch {
    fn file(&self, file: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.note("file", file);
        self.file_fails
            .lock()
            .expect("no panic")
            .map_or(Ok(()), Err)
    }

    fn folder(&self, folder: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.note("folder", folder);
        self.folder_fails
            .lock()
            .expect("no panic")
            .map_or(Ok(()), Err)
    }
}

fn open(path: &Path) -> (Root, Arc<Watch>) {
    let watch = Arc::new(Watch::default());
    let root = Root::open(path, watch.clone()).expect("a root");
    watch.events();
    (root, watch)
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("a name")
}

/// A folder whose own name is known, because it stands in the events.
fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("root");
    std::fs::create_dir(&path).expect("a folder");
    (folder, path)
}

#[test]
fn bytes_are_flushed_before_the_name_appears_and_the_name_after() {
    let (_folder, path) = folder();
    let (root, watch) = open(&path);
    *watch.object.lock().expect("no panic") = Some(path.join("data/ab/one"));
    publish::create(&root, &name("data/ab/one"), b"x").expect("created");
    assert_eq!(
        watch.events(),
        [
            "folder root before",
            "folder data before",
            "file staged before",
            "folder ab after"
        ]
    );
}

#[test]
fn folders_found_in_place_are_flushed_once_a_handle() {
    let (_folder, path) = folder();
    let (root, _) = open(&path);
    publish::create(&root, &name("data/ab/one"), b"x").expect("created");
    // Another process, which cannot know whether the first one lived to flush them.
    let (root, watch) = open(&path);
    publish::create(&root, &name("data/ab/two"), b"x").expect("created");
    assert_eq!(watch.events().len(), 4);
    publish::create(&root, &name("data/ab/three"), b"x").expect("created");
    assert_eq!(watch.events(), ["file staged before", "folder ab before"]);
}

#[test]
fn a_taken_name_is_made_durable_before_anybody_hears_of_it() {
    let (_folder, path) = folder();
    let (root, watch) = open(&path);
    publish::create(&root, &name("one"), b"x").expect("created");
    watch.events();
    let taken = publish::create(&root, &name("one"), b"x");
    assert_eq!(taken, Err(Fault::Taken));
    assert_eq!(watch.events(), ["folder root before"]);
}

#[test]
fn a_file_that_cannot_be_flushed_is_given_up() {
    let (_folder, path) = folder();
    let (root, watch) = open(&path);
    *watch.file_fails.lock().expect("no panic") = Some(Errno::IO);
    let failed = publish::create(&root, &name("one"), b"x");
    assert_eq!(failed, Err(Fault::System(Errno::IO)));
    assert_eq!(
        watch.events(),
        ["file staged before"],
        "flushed once, no more"
    );
    assert!(!path.join("one").exists());
    let left = std::fs::read_dir(path.join(".staging")).expect("staging");
    assert_eq!(left.count(), 0);
    *watch.file_fails.lock().expect("no panic") = None;
    publish::create(&root, &name("one"), b"x").expect("a new file is a new try");
}

#[test]
fn after_a_folder_could_not_be_flushed_nothing_more_is_created() {
    let (_folder, path) = folder();
    let (root, watch) = open(&path);
    *watch.folder_fails.lock().expect("no panic") = Some(Errno::IO);
    let failed = publish::create(&root, &name("one"), b"x");
    assert_eq!(failed, Err(Fault::System(Errno::IO)));
    // The kernel would now say that all is well.
    *watch.folder_fails.lock().expect("no panic") = None;
    for text in ["one", "two"] {
        let refused = publish::create(&root, &name(text), b"x");
        assert_eq!(refused, Err(Fault::FlushFailed));
    }
    assert_eq!(read::whole(&root, &name("one")).expect("whole"), "x");
}

#[test]
fn a_file_system_that_cannot_flush_folders_is_used_and_said_to_be_unknown() {
    for errno in [Errno::INVAL, Errno::NOTSUP] {
        let (_folder, path) = folder();
        let watch = Arc::new(Watch::default());
        *watch.folder_fails.lock().expect("no panic") = Some(errno);
        let root = Root::open(&path, watch).expect("a root");
        assert!(!root.can_flush_folders(), "known as soon as it is open");
        publish::create(&root, &name("data/one"), b"x").expect("created");
        assert_eq!(read::whole(&root, &name("data/one")).expect("it"), "x");
    }
}

#[test]
fn a_batch_of_deletions_flushes_each_folder_once_and_reports_failures() {
    let (_folder, path) = folder();
    let (root, watch) = open(&path);
    let names: Vec<_> = ["data/1", "data/2", "keys/3", "data/4"]
        .map(|text| {
            publish::create(&root, &name(text), b"x").expect("created");
            name(text)
        })
        .into();
    watch.events();
    assert!(delete::batch(&root, &names).iter().all(Result::is_ok));
    let mut flushed = watch.events();
    flushed.sort();
    assert_eq!(flushed, ["folder data before", "folder keys before"]);

    publish::create(&root, &name("data/1"), b"x").expect("created");
    *watch.folder_fails.lock().expect("no panic") = Some(Errno::IO);
    let failed = delete::batch(&root, &names[..1]);
    assert_eq!(failed, [Err(Fault::System(Errno::IO))]);
}

#[test]
fn where_renaming_always_replaces_a_link_does_not() {
    let (_folder, path) = folder();
    let (root, _) = open(&path);
    let folder = root.open_folder(&name("one")).expect("a folder");
    let create = |body: &[u8]| {
        publish::Staged::write(&root, body).and_then(|staged| staged.link(&folder, "one"))
    };
    create(b"first").expect("created");
    assert_eq!(create(b"second"), Err(Fault::Taken));
    assert_eq!(read::whole(&root, &name("one")).expect("it"), "first");
    let left = std::fs::read_dir(path.join(".staging")).expect("staging");
    assert_eq!(left.count(), 0);
    let links = rustix::fs::stat(path.join("one")).expect("it").st_nlink;
    assert_eq!(links, 1);
}
