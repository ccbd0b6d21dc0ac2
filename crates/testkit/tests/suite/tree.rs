//! Generated trees are the same for the same seed, and the comparer sees every change there is.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use ownkey_testkit::tree::{Aspect, Difference, Ingredient, Made, Spec, compare, generate, unlock};
use rustix::fs::{
    CWD, FileType, IFlags, Mode, XattrFlags, ioctl_getflags, ioctl_setflags, lsetxattr, mknodat,
};

/// A folder that can always be deleted.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        unlock(self.0.path());
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn told(differences: &[Difference]) -> String {
    let lines: Vec<_> = differences.iter().map(Difference::to_string).collect();
    lines.join("\n")
}

#[test]
fn the_same_seed_grows_the_same_tree_and_another_seed_another() {
    let folder = Folder::new();
    let spec = Spec::everything();
    let [one, two, other] = [("one", 1), ("two", 1), ("other", 2)].map(|(name, seed)| {
        let path = folder.path(name);
        let made = generate(&path, seed, &spec);
        (path, made)
    });
    let differences = compare(&one.0, &two.0);
    assert!(differences.is_empty(), "{}", told(&differences));
    assert_eq!(one.1.entries, two.1.entries);
    assert!(one.1.bytes > 1 << 20, "{} bytes", one.1.bytes);
    assert!(compare(&one.0, &other.0).len() > 20);
}

#[test]
fn everything_is_made_where_everything_can_be() {
    let folder = Folder::new();
    let Made { skipped, .. } = generate(&folder.path("tree"), 7, &Spec::everything());
    for part in &skipped {
        println!("skipped: {:?}: {}", part.ingredient, part.reason);
    }
    // What every user can make on every Linux file system is never left out.
    let always = [
        Ingredient::Symlinks,
        Ingredient::HardLinks,
        Ingredient::Sparse,
        Ingredient::Fifos,
        Ingredient::Sockets,
        Ingredient::ReadOnlyFolders,
        Ingredient::OddTimes,
    ];
    let missing: Vec<_> = skipped
        .iter()
        .filter(|part| always.contains(&part.ingredient))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let kinds: BTreeSet<&str> = skipped.iter().map(|part| part.reason.as_str()).collect();
    assert!(!is_root() || kinds.len() < 10, "{kinds:?}");
}

#[test]
fn leaving_one_ingredient_out_changes_no_other() {
    let folder = Folder::new();
    let all = Spec::plain()
        .with(Ingredient::Symlinks)
        .with(Ingredient::HardLinks);
    generate(&folder.path("all"), 3, &all);
    let some = all.without(Ingredient::Symlinks);
    generate(&folder.path("some"), 3, &some);
    for difference in compare(&folder.path("all"), &folder.path("some")) {
        // Times follow the order of making; the rest must not.
        let allowed = [Aspect::Missing, Aspect::Modified];
        assert!(allowed.contains(&difference.aspect), "{difference}");
    }
}

#[test]
fn a_copy_by_another_program_compares_equal() {
    let folder = Folder::new();
    let spec = Spec::everything().without(Ingredient::Flags);
    generate(&folder.path("tree"), 11, &spec);
    let copied = Command::new("cp")
        .arg("-a")
        .args([folder.path("tree"), folder.path("copy")])
        .status();
    match copied {
        Ok(status) if status.success() => {}
        other => {
            println!("skipped: no cp that copies everything: {other:?}");
            return;
        }
    }
    let differences = compare(&folder.path("tree"), &folder.path("copy"));
    assert!(differences.is_empty(), "{}", told(&differences));
}

/// A small tree with one of everything that the changes below need.
fn small(root: &Path) {
    fs::create_dir(root).expect("a folder");
    fs::write(root.join("file"), "contents").expect("a file");
    fs::write(root.join("other"), "contents").expect("a file");
    fs::hard_link(root.join("file"), root.join("again")).expect("a hard link");
    symlink("target", root.join("link")).expect("a link");
    mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let sparse = File::create(root.join("sparse")).expect("a file");
    sparse.set_len(1 << 20).expect("a length");
    sparse.write_all_at(b"data", 1 << 19).expect("data");
    for name in ["file", "other", "link", "pipe", "sparse", "."] {
        set_time(&root.join(name), 1_000_000_000);
    }
}

fn set_time(path: &Path, seconds: i64) {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: 5,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(CWD, path, &times, flags).expect("a time");
}

/// What the comparer sees of a change, times aside: nearly every change moves a time.
fn seen(change: impl FnOnce(&Path)) -> Vec<(String, Aspect)> {
    let folder = Folder::new();
    let (before, after) = (folder.path("before"), folder.path("after"));
    small(&before);
    small(&after);
    let differences = compare(&before, &after);
    assert!(differences.is_empty(), "{}", told(&differences));
    change(&after);
    compare(&before, &after)
        .into_iter()
        .filter(|difference| difference.aspect != Aspect::Modified)
        .map(|found| (found.path.to_string_lossy().into_owned(), found.aspect))
        .collect()
}

fn one(path: &str, aspect: Aspect) -> Vec<(String, Aspect)> {
    vec![(String::from(path), aspect)]
}

#[test]
fn names_that_come_and_go_are_seen() {
    let found = seen(|root| fs::remove_file(root.join("pipe")).expect("removed"));
    assert_eq!(found, one("pipe", Aspect::Missing));
    let found = seen(|root| fs::write(root.join("new"), "").expect("written"));
    assert_eq!(found, one("new", Aspect::Extra));
    let found = seen(|root| {
        fs::remove_file(root.join("pipe")).expect("removed");
        fs::create_dir(root.join("pipe")).expect("a folder");
    });
    assert_eq!(found, one("pipe", Aspect::Kind));
}

#[test]
fn one_changed_byte_is_seen_and_one_more() {
    let found = seen(|root| fs::write(root.join("other"), "cOntents").expect("written"));
    assert_eq!(found, one("other", Aspect::Content));
    let found = seen(|root| fs::write(root.join("other"), "contents!").expect("written"));
    assert_eq!(found, one("other", Aspect::Size));
    // Data where the first tree has a hole.
    let found = seen(|root| {
        let sparse = File::options().write(true).open(root.join("sparse"));
        sparse.expect("it").write_all_at(b"x", 3).expect("written");
    });
    assert_eq!(found, one("sparse", Aspect::Content));
}

#[test]
fn metadata_are_seen_one_by_one() {
    let found = seen(|root| {
        let mode = Permissions::from_mode(0o4755);
        fs::set_permissions(root.join("other"), mode).expect("a mode");
    });
    assert_eq!(found, one("other", Aspect::Mode));
    let found = seen(|root| {
        fs::remove_file(root.join("link")).expect("removed");
        symlink("elsewhere", root.join("link")).expect("a link");
    });
    assert_eq!(found, one("link", Aspect::Target));
    let found = seen(|root| {
        fs::remove_file(root.join("again")).expect("removed");
        fs::write(root.join("again"), "contents").expect("written");
    });
    let unlinked = ["again", "file"].map(|path| (String::from(path), Aspect::HardLinks));
    assert_eq!(found, unlinked);
    let found = seen(|root| {
        let sparse = root.join("sparse");
        let bytes = fs::read(&sparse).expect("it");
        fs::write(&sparse, bytes).expect("written");
    });
    assert_eq!(found, one("sparse", Aspect::Holes));
}

#[test]
fn a_time_is_seen_to_the_nanosecond() {
    let folder = Folder::new();
    let (before, after) = (folder.path("before"), folder.path("after"));
    small(&before);
    small(&after);
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 6);
    let file = File::options().write(true).open(after.join("other"));
    file.expect("it").set_modified(time).expect("a time");
    let differences = compare(&before, &after);
    assert_eq!(differences.len(), 1, "{}", told(&differences));
    assert_eq!(differences[0].aspect, Aspect::Modified);
}

#[test]
fn what_only_some_users_and_file_systems_have_is_seen() {
    let found = seen(|root| {
        let flags = XattrFlags::empty();
        if let Err(error) = lsetxattr(root.join("other"), "user.test", b"x", flags) {
            println!("skipped: no attributes here: {error}");
        }
    });
    assert!(
        found.is_empty() || found == one("other", Aspect::Xattrs),
        "{found:?}"
    );
    let found = seen(|root| {
        let file = File::open(root.join("other")).expect("it");
        let set =
            ioctl_getflags(&file).and_then(|flags| ioctl_setflags(&file, flags | IFlags::NODUMP));
        if let Err(error) = set {
            println!("skipped: no file flags here: {error}");
        }
    });
    assert!(
        found.is_empty() || found == one("other", Aspect::Flags),
        "{found:?}"
    );
    if !is_root() {
        println!("skipped: owners and devices need root");
        return;
    }
    let found = seen(|root| lchown(root.join("link"), Some(5), None).expect("an owner"));
    assert_eq!(found, one("link", Aspect::Owner));
    let folder = Folder::new();
    for (tree, minor) in [("one", 3), ("two", 5)] {
        fs::create_dir(folder.path(tree)).expect("a folder");
        let device = rustix::fs::makedev(1, minor);
        let path = folder.path(tree).join("device");
        let made = mknodat(CWD, &path, FileType::CharacterDevice, Mode::RWXU, device);
        if let Err(error) = made {
            println!("skipped: no devices here: {error}");
            return;
        }
        set_time(&path, 1);
        set_time(&folder.path(tree), 1);
    }
    let differences = compare(&folder.path("one"), &folder.path("two"));
    assert_eq!(differences.len(), 1, "{}", told(&differences));
    assert_eq!(differences[0].aspect, Aspect::Device);
}
