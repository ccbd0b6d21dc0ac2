use std::fs as std_fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{IFlags, XattrFlags, lgetxattr, setxattr};

use super::super::{Partials, Replace};
use super::*;
use crate::format::node::Xattr;
use crate::source::{MetadataReader, unprivileged::without_privileges};

fn name(bytes: &[u8]) -> Name {
    Name::new(bytes).unwrap()
}

fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr {
        name: name.as_bytes().to_vec(),
        value: value.to_vec(),
    }
}

fn own_metadata() -> Metadata {
    Metadata {
        mode: 0o644,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Timestamp {
            seconds: 1_000_000_000,
            nanoseconds: 999_999_999,
        },
        ..Metadata::default()
    }
}

/// Restores an empty file `f` in `path`.
fn restore(path: &Path, metadata: &Metadata, applier: &Applier) -> Restored {
    let dir = TargetDir::open_root(path).unwrap();
    let pending = dir.create_file(&Partials::new([5; 16]), metadata).unwrap();
    pending
        .commit(&name(b"f"), metadata, applier, Replace::Allowed)
        .unwrap()
}

/// Whether files can be given away, as root can unless a container forbids it.
fn is_root() -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    let root = std::os::unix::fs::chown(file.path(), Some(1234), None).is_ok();
    if !root {
        println!("skipped: needs root");
    }
    root
}

/// An access ACL: `u::rw- u:65534:r-- g::r-- m::r-- o::---`.
fn acl() -> Vec<u8> {
    let entry = |tag: u16, permissions: u16, id: u32| {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes
    };
    let none = u32::MAX;
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1, 6, none),
        (2, 4, 65_534),
        (4, 4, none),
        (16, 4, none),
        (32, 0, none),
    ] {
        acl.extend(entry(tag, permissions, id));
    }
    acl
}

/// Capabilities: `cap_net_raw+ep`, revision 2.
fn capability() -> Vec<u8> {
    let words: [u32; 5] = [0x0200_0001, 1 << 13, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn root_gives_back_owner_setuid_capabilities_acls_and_attributes() {
    if !is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let metadata = Metadata {
        mode: 0o6640,
        uid: 1234,
        gid: 4321,
        xattrs: vec![
            xattr("security.capability", &capability()),
            xattr("system.posix_acl_access", &acl()),
            xattr("user.note", b"hello"),
        ],
        ..own_metadata()
    };
    let applier = Applier::new(Owners::Numeric, SetIds::Restore);
    let restored = restore(temp.path(), &metadata, &applier);
    assert!(restored.problems.is_empty(), "{:?}", restored.problems);
    assert_eq!(applier.shortfalls().counts(), Default::default());

    let dir = crate::source::Dir::open_root(temp.path()).unwrap();
    let stat = dir.stat(&name(b"f")).unwrap();
    let file = dir.open_file(&name(b"f"), &stat).unwrap();
    let found = MetadataReader::new().of_file(&file).metadata;
    assert_eq!((found.uid, found.gid, found.mode), (1234, 4321, 0o6640));
    assert_eq!(
        (found.mtime, found.xattrs),
        (metadata.mtime, metadata.xattrs)
    );
}

#[test]
fn owners_are_found_by_name_first_and_by_number_else() {
    if !is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let recorded = Metadata {
        uid: 7777,
        gid: 8888,
        user: Some("root".into()),
        group: Some("no group of this name".into()),
        ..own_metadata()
    };
    let owner = |owners| {
        restore(
            temp.path(),
            &recorded,
            &Applier::new(owners, SetIds::Restore),
        );
        let found = std_fs::metadata(temp.path().join("f")).unwrap();
        (found.uid(), found.gid())
    };
    assert_eq!(owner(Owners::ByName), (0, 8888));
    assert_eq!(owner(Owners::Numeric), (7777, 8888));
    assert_eq!(owner(Owners::Restorer), (0, 0));
}

#[test]
fn setuid_of_somebody_else_does_not_become_the_restorers() {
    let temp = tempfile::tempdir().unwrap();
    let mode = |metadata: &Metadata, applier: &Applier| {
        restore(temp.path(), metadata, applier);
        std_fs::metadata(temp.path().join("f")).unwrap().mode() & 0o7777
    };
    let strange = Metadata {
        mode: 0o6755,
        uid: 1234,
        gid: 4321,
        ..own_metadata()
    };
    let applier = Applier::new(Owners::Restorer, SetIds::Restore);
    assert_eq!(mode(&strange, &applier), 0o755);
    assert_eq!(applier.shortfalls().counts().set_ids, 1);
    let own = Metadata {
        mode: 0o6755,
        ..own_metadata()
    };
    assert_eq!(mode(&own, &applier), 0o6755);
    assert_eq!(
        mode(&own, &Applier::new(Owners::Numeric, SetIds::Drop)),
        0o755
    );
}

#[test]
fn what_needs_root_is_counted_and_the_rest_is_restored() {
    let test = "what_needs_root_is_counted_and_the_rest_is_restored";
    without_privileges(module_path!(), test, || {
        let temp = tempfile::tempdir().unwrap();
        let applier = Applier::new(Owners::ByName, SetIds::Restore);
        let metadata = Metadata {
            // Read-only: its attributes must have come before its mode.
            mode: 0o4444,
            uid: 1234,
            xattrs: vec![
                xattr("security.capability", &capability()),
                xattr("user.note", b"hello"),
            ],
            flags: Some(IFlags::IMMUTABLE.bits()),
            ..own_metadata()
        };
        let restored = restore(temp.path(), &metadata, &applier);
        assert!(restored.problems.is_empty(), "{:?}", restored.problems);
        let dir = TargetDir::open_root(temp.path()).unwrap();
        let late = applier
            .finish_file(&dir, &name(b"f"), restored.id, &metadata)
            .unwrap();
        assert!(late.is_empty(), "{late:?}");
        let counts = applier.shortfalls().counts();
        assert_eq!(
            (counts.owners, counts.set_ids, counts.privileged_xattrs),
            (1, 1, 1)
        );
        // On file systems without flags it is another counter.
        assert_eq!(counts.privileged_flags + counts.unsupported_flags, 1);
        assert!(counts.needs_root());
        let found = std_fs::metadata(temp.path().join("f")).unwrap();
        assert_eq!(
            (found.mode() & 0o7777, found.mtime()),
            (0o444, 1_000_000_000)
        );
        let mut note = [0; 9];
        assert_eq!(
            lgetxattr(temp.path().join("f"), "user.note", &mut note).unwrap(),
            5
        );
    });
}

#[test]
fn a_refreshed_file_loses_attributes_it_should_not_have() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    std_fs::write(&path, b"x").unwrap();
    setxattr(&path, "user.extra", b"1", XattrFlags::empty()).unwrap();
    setxattr(&path, "user.kept", b"old", XattrFlags::empty()).unwrap();
    setxattr(
        &path,
        "system.posix_acl_access",
        &acl(),
        XattrFlags::empty(),
    )
    .unwrap();
    let dir = TargetDir::open_root(temp.path()).unwrap();
    let stat = dir.look(&name(b"f")).unwrap().unwrap();
    let metadata = Metadata {
        xattrs: vec![xattr("user.kept", b"new")],
        ..own_metadata()
    };
    let applier = Applier::new(Owners::Numeric, SetIds::Restore);
    let restored = applier
        .refresh_file(&dir, &name(b"f"), &stat, &metadata)
        .unwrap();
    assert!(restored.problems.is_empty(), "{:?}", restored.problems);
    let seen = dir.look(&name(b"f")).unwrap().unwrap();
    let file = dir.dir().open_file(&name(b"f"), &seen).unwrap();
    let found = MetadataReader::new().of_file(&file).metadata;
    assert_eq!((found.xattrs, found.mode), (metadata.xattrs, 0o644));
    assert_eq!(std_fs::read(&path).unwrap(), b"x");
}

#[test]
fn a_file_with_other_names_is_not_refreshed() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std_fs::write(&victim, b"x").unwrap();
    let temp = tempfile::tempdir_in(outside.path()).unwrap();
    std_fs::hard_link(&victim, temp.path().join("f")).unwrap();
    let dir = TargetDir::open_root(temp.path()).unwrap();
    let stat = dir.look(&name(b"f")).unwrap().unwrap();
    let applier = Applier::new(Owners::Numeric, SetIds::Restore);
    let metadata = Metadata {
        mode: 0o777,
        ..own_metadata()
    };
    let refused = applier.refresh_file(&dir, &name(b"f"), &stat, &metadata);
    assert!(matches!(refused, Err(TargetError::Replaced)));
    assert_ne!(std_fs::metadata(&victim).unwrap().mode() & 0o777, 0o777);
}

#[test]
fn a_folder_gets_its_mode_and_time_in_the_second_pass() {
    let temp = tempfile::tempdir().unwrap();
    let root = TargetDir::open_root(temp.path()).unwrap();
    let dir = root.make_dir(&name(b"d"), Replace::Never).unwrap().0;
    restore(
        &temp.path().join("d"),
        &own_metadata(),
        &Applier::new(Owners::Numeric, SetIds::Drop),
    );
    let metadata = Metadata {
        mode: 0o2555,
        xattrs: vec![xattr("user.note", b"dir")],
        flags: Some(IFlags::NODUMP.bits()),
        ..own_metadata()
    };
    let applier = Applier::new(Owners::Numeric, SetIds::Drop);
    assert!(applier.finish_dir(&dir, &metadata).is_empty());
    let found = std_fs::metadata(temp.path().join("d")).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o2555);
    assert_eq!(
        (found.mtime(), found.mtime_nsec()),
        (1_000_000_000, 999_999_999)
    );
    let seen = MetadataReader::new()
        .of_dir(dir.dir(), &dir.stat_self().unwrap())
        .metadata;
    assert_eq!(seen.xattrs, metadata.xattrs);
    if applier.shortfalls().counts().unsupported_flags == 0 {
        assert_eq!(seen.flags, metadata.flags);
    }
    std_fs::set_permissions(temp.path().join("d"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn immutable_comes_last_and_only_onto_the_restored_inode() {
    if !is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let metadata = Metadata {
        flags: Some(IFlags::IMMUTABLE.bits() | IFlags::NOATIME.bits()),
        ..own_metadata()
    };
    let applier = Applier::new(Owners::Numeric, SetIds::Restore);
    let restored = restore(temp.path(), &metadata, &applier);
    if applier.shortfalls().counts().unsupported_flags > 0 {
        println!("skipped: this file system has no flags");
        return;
    }
    let dir = TargetDir::open_root(temp.path()).unwrap();
    let other = FileId {
        ino: restored.id.ino + 1,
        ..restored.id
    };
    let refused = applier.finish_file(&dir, &name(b"f"), other, &metadata);
    assert!(matches!(refused, Err(TargetError::Replaced)));
    let finished = applier
        .finish_file(&dir, &name(b"f"), restored.id, &metadata)
        .unwrap();
    assert!(finished.is_empty(), "{finished:?}");
    if applier.shortfalls().counts().privileged_flags > 0 {
        println!("skipped: this root may not make files immutable");
        return;
    }
    let path = temp.path().join("f");
    assert!(std_fs::write(&path, b"changed").is_err());
    let stat = dir.look(&name(b"f")).unwrap().unwrap();
    let file = dir.dir().open_file(&name(b"f"), &stat).unwrap();
    assert_eq!(
        MetadataReader::new().of_file(&file).metadata.flags,
        metadata.flags
    );
    assert_eq!(stat.mtime, metadata.mtime);
    write_flags(&file, 0, LATE_FLAGS).unwrap();
}

#[test]
fn a_time_the_file_system_cannot_keep_is_told_with_what_it_kept() {
    let temp = tempfile::tempdir().unwrap();
    let applier = Applier::new(Owners::Numeric, SetIds::Restore);
    for seconds in [-1, -62_135_596_800, 4_102_444_800, 253_402_300_799] {
        let mtime = Timestamp {
            seconds,
            nanoseconds: 1,
        };
        let metadata = Metadata {
            mtime,
            ..own_metadata()
        };
        let problems = restore(temp.path(), &metadata, &applier).problems;
        let kept = std_fs::metadata(temp.path().join("f")).unwrap().mtime();
        match problems.as_slice() {
            [] => assert_eq!(kept, seconds),
            [MetadataProblem::TimeRange { wanted, kept: told }] => {
                assert_eq!((wanted.seconds, told.seconds), (seconds, kept));
                assert_ne!(kept, seconds);
            }
            other => panic!("{other:?}"),
        }
    }
}
