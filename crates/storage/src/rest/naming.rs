//! Which file of the protocol keeps which object.
//!
//! The protocol lists file names alone, without their folders, so a file name must tell the whole name of its
//! object. Promise: different names never share a file, and what a listing says is believed only if the name it
//! leads to is kept in just that file.

use std::fmt::Write as _;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::name::{MAX_NAME_BYTES, ObjectName, Prefix};

/// How objects become files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// In the folders of the name, under the whole name with dots for slashes: for servers that take any path.
    Dotted,
    /// As restic names its own files, by a type and 64 hexadecimal digits: for servers that take nothing else.
    Hashed,
}

/// Where an object is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The path of its file.
    pub(super) path: String,
    /// What stands in the file before the object, where the file's name cannot tell the object's.
    pub(super) label: Bytes,
}

/// A listing to ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// Empty, or ending in `/`.
    pub(super) path: String,
    /// How the names of the files begin that are worth a look.
    pub(super) beginning: String,
}

/// What a listed file keeps.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// This object.
    Object(ObjectName),
    /// An object that the label in the file at this path names.
    Labelled(String),
    /// Nothing of ours.
    Foreign,
}

/// Of which names the last segment, 64 digits, says all, and the type whose files they are: those that there
/// are many of. Never `locks`, which append-only servers let everybody delete.
const DIRECT: [(&str, Sharding, &str); 3] = [
    ("data", Sharding::ByTwo, "data"),
    ("meta", Sharding::ByTwo, "snapshots"),
    ("index", Sharding::None, "index"),
];
/// The type of all others.
const LABELLED: &str = "keys";
/// The longest label: a length and a name.
pub(super) const MAX_LABEL_BYTES: u64 = 1 + MAX_NAME_BYTES as u64;

/// Whether the first two digits of a name are a folder of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharding {
    None,
    ByTwo,
}

impl Naming {
    /// Where an object is kept.
    pub(super) fn keep(self, name: &ObjectName) -> Kept {
        match self {
            Self::Dotted => Kept {
                path: dotted(name),
                label: Bytes::new(),
            },
            Self::Hashed => hashed(name),
        }
    }

    /// The listings that together hold every object under a prefix of a folder.
    pub(super) fn folders(self, prefix: &Prefix) -> Vec<Folder> {
        let first = prefix.as_str().split('/').next().unwrap_or_default();
        match self {
            Self::Dotted => vec![Folder {
                path: listable(prefix.as_str()).to_owned(),
                beginning: String::new(),
            }],
            Self::Hashed => {
                let direct = DIRECT
                    .iter()
                    .filter(|(word, ..)| first.is_empty() || *word == first);
                let mut folders: Vec<Folder> = direct
                    .map(|(_, _, kind)| Folder {
                        path: format!("{kind}/"),
                        beginning: String::new(),
                    })
                    .collect();
                folders.push(Folder {
                    path: format!("{LABELLED}/"),
                    beginning: if first.is_empty() {
                        String::new()
                    } else {
                        class(first)
                    },
                });
                folders
            }
        }
    }

    /// What a file keeps that is listed in a folder.
    pub(super) fn listed(self, folder: &Folder, file: &str) -> Listed {
        match self {
            Self::Dotted => match ObjectName::new(file.replace('.', "/")) {
                Ok(name) if !file.contains('/') => Listed::Object(name),
                _ => Listed::Foreign,
            },
            Self::Hashed if !file.starts_with(&folder.beginning) || !is_hash(file) => {
                Listed::Foreign
            }
            Self::Hashed => {
                let kind = folder.path.trim_end_matches('/');
                let Some((word, sharding, _)) = DIRECT.iter().find(|(.., of)| *of == kind) else {
                    return Listed::Labelled(format!("{}{file}", folder.path));
                };
                let name = match (sharding, file.get(..2)) {
                    (Sharding::ByTwo, Some(shard)) => format!("{word}/{shard}/{file}"),
                    _ => format!("{word}/{file}"),
                };
                ObjectName::new(name).map_or(Listed::Foreign, Listed::Object)
            }
        }
    }

    /// The name in a label, if an object of that name is kept at the path.
    pub(super) fn labelled(self, path: &str, file: &[u8]) -> Option<ObjectName> {
        let (length, rest) = file.split_first()?;
        let name = rest.get(..usize::from(*length))?;
        let name = ObjectName::new(str::from_utf8(name).ok()?).ok()?;
        (self.keep(&name).path == path).then_some(name)
    }
}

fn dotted(name: &ObjectName) -> String {
    match name.folder().as_str() {
        // In a folder whose name is nobody's first segment, so that `a` is not in the way of `a/b`.
        "" => format!("_/{name}"),
        folder => format!("{folder}{}", name.as_str().replace('/', ".")),
    }
}

/// The folder to list for those beneath it: rclone takes `data/xx` for a file and moves it.
fn listable(folder: &str) -> &str {
    let inner = folder.trim_end_matches('/');
    match inner.rsplit_once('/') {
        Some((above, _)) if above == "data" || above.ends_with("/data") => {
            folder.get(..=above.len()).unwrap_or(folder)
        }
        _ => folder,
    }
}

fn hashed(name: &ObjectName) -> Kept {
    let segments: Vec<&str> = name.segments().collect();
    let direct = DIRECT
        .iter()
        .find(|(word, sharding, _)| match segments.as_slice() {
            [first, hash] => first == word && *sharding == Sharding::None && is_hash(hash),
            [first, shard, hash] => {
                first == word
                    && *sharding == Sharding::ByTwo
                    && is_hash(hash)
                    && shard.len() == 2
                    && hash.starts_with(shard)
            }
            _ => false,
        });
    if let Some((.., kind)) = direct {
        return Kept {
            path: format!("{kind}/{}", name.last_segment()),
            label: Bytes::new(),
        };
    }
    let first = segments.first().copied().unwrap_or_default();
    let whole = hex(&Sha256::digest(name.as_str()), 28);
    let length = u8::try_from(name.as_str().len()).unwrap_or(u8::MAX);
    Kept {
        path: format!("{LABELLED}/{}{whole}", class(first)),
        label: [&[length], name.as_str().as_bytes()].concat().into(),
    }
}

/// How the files begin of all names with the same first segment, so that a listing of few need not read the
/// labels of many.
fn class(first: &str) -> String {
    hex(&Sha256::digest(first), 4)
}

fn hex(bytes: &[u8], most: usize) -> String {
    let mut text = String::with_capacity(2 * most);
    for byte in bytes.iter().take(most) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ab00000000000000000000000000000000000000000000000000000000000001";

    fn name(text: &str) -> ObjectName {
        ObjectName::new(text).expect("a name")
    }

    fn some_names() -> Vec<ObjectName> {
        let hash = |before: &str| format!("{before}{HASH}");
        [
            "ownkey",
            "a",
            "a/b",
            "a/b/c",
            "a-b",
            "data",
            "data/one",
            "data/ab/one",
            "keys/slot/x",
            "log/device/0001",
            "roster/0-1",
            "x/data/yy",
            "data/data/data",
            "a/b/c/d/e/f",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain(
            [
                "data/ab/",
                "data/ac/",
                "data/",
                "meta/ab/",
                "meta/",
                "index/",
                "index/ab/",
            ]
            .map(hash),
        )
        .map(|text| name(&text))
        .collect()
    }

    /// What a list of the prefix would find in that file.
    fn found(naming: Naming, prefix: &Prefix, kept: &Kept) -> Option<ObjectName> {
        naming.folders(prefix).iter().find_map(|folder| {
            let below = kept.path.strip_prefix(&folder.path)?;
            let file = below.rsplit('/').next()?;
            match naming.listed(folder, file) {
                Listed::Object(name) => Some(name),
                Listed::Labelled(path) => naming.labelled(&path, &kept.label),
                Listed::Foreign => None,
            }
        })
    }

    #[test]
    fn every_name_has_a_file_of_its_own_and_is_found_again() {
        for naming in [Naming::Dotted, Naming::Hashed] {
            let mut files = std::collections::BTreeSet::new();
            for name in some_names() {
                let kept = naming.keep(&name);
                assert!(files.insert(kept.path.clone()), "{name} is not alone");
                let first = name
                    .as_str()
                    .split_once('/')
                    .map(|(first, _)| format!("{first}/"));
                for prefix in [Some(String::new()), first].into_iter().flatten() {
                    let prefix = Prefix::new(prefix).expect("a prefix");
                    assert_eq!(
                        found(naming, &prefix, &kept),
                        Some(name.clone()),
                        "{kept:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn files_of_many_objects_need_no_label_and_hashed_ones_look_as_resticly_as_can_be() {
        let kept = Naming::Hashed.keep(&name(&format!("data/ab/{HASH}")));
        assert_eq!(kept.path, format!("data/{HASH}"));
        assert!(kept.label.is_empty());
        for name in some_names() {
            let path = Naming::Hashed.keep(&name).path;
            let (kind, file) = path.split_once('/').expect("a type");
            assert!(
                ["data", "index", "keys", "snapshots"].contains(&kind),
                "{path}"
            );
            assert!(is_hash(file), "{path}");
        }
    }

    #[test]
    fn listings_of_one_kind_pass_over_the_labels_of_others() {
        let roster = Prefix::new("roster/").expect("a prefix");
        let folders = Naming::Hashed.folders(&roster);
        assert_eq!(folders.len(), 1);
        let log = Naming::Hashed.keep(&name("log/device/0001"));
        let file = log.path.strip_prefix("keys/").expect("a labelled file");
        assert_eq!(Naming::Hashed.listed(&folders[0], file), Listed::Foreign);
    }

    #[test]
    fn labels_are_believed_only_where_they_belong() {
        let kept = Naming::Hashed.keep(&name("log/a"));
        let other = Naming::Hashed.keep(&name("log/b"));
        let labelled = |path: &str, file: &[u8]| Naming::Hashed.labelled(path, file);
        assert_eq!(labelled(&kept.path, &kept.label), Some(name("log/a")));
        assert_eq!(labelled(&kept.path, &other.label), None);
        for torn in [&b""[..], b"\x05log", b"\x05LOG/a", b"\x00", b"\xff\xff"] {
            assert_eq!(labelled(&kept.path, torn), None);
        }
    }

    #[test]
    fn folders_that_rclone_would_move_are_listed_from_above() {
        for (folder, path) in [
            ("", ""),
            ("data/", "data/"),
            ("data/ab/", "data/"),
            ("log/ab/", "log/ab/"),
            ("x/data/ab/", "x/data/"),
            ("data/ab/c/", "data/ab/c/"),
        ] {
            assert_eq!(listable(folder), path, "{folder}");
        }
    }
}
