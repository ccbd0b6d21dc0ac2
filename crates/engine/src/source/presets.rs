//! Ready-made exclude patterns, each with its reason.
//!
//! A preset names only what its program makes again by itself or what its owner has thrown
//! away. Not on the list although large: `node_modules`, `target`, virtual environments and
//! `~/.m2` (without the exact lock file and a living registry they cannot be made again),
//! games (their saves often lie among them), container storage (volumes are data), and
//! editors' swap files (they hold what was not saved).

use std::path::Path;

/// One pattern and why nobody will miss what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Relative to the home folder if it begins with `/`, else at any depth.
    pub pattern: &'static str,
    /// The reason, as one phrase.
    pub reason: &'static str,
}

const fn preset(pattern: &'static str, reason: &'static str) -> Preset {
    Preset { pattern, reason }
}

/// For a home folder.
pub const HOME: &[Preset] = &[
    preset(
        "/.cache/",
        "programs must be able to lose it (XDG base directories)",
    ),
    preset(
        "/.thumbnails/",
        "small pictures made from pictures that are backed up",
    ),
    preset("/.local/share/Trash/", "its owner threw it away"),
    preset(".Trash-[0-9]*/", "the trash of a removable disk"),
    preset(
        "/.gvfs/",
        "a window onto other machines, not files of this one",
    ),
    preset("/.xsession-errors*", "a session log without a bound"),
    preset("/.local/share/baloo/", "a search index, built again"),
    preset("/.local/share/tracker/", "a search index, built again"),
    preset("/.var/app/*/cache/", "the caches of Flatpak programs"),
    preset("/snap/*/*/.cache/", "the caches of Snap programs"),
    preset(
        "/.mozilla/firefox/*/cache2/",
        "what a browser downloads again",
    ),
    preset(
        "/.mozilla/firefox/*/startupCache/",
        "compiled again at the next start",
    ),
    preset(
        "/.config/*/Cache/",
        "what a Chromium-based program downloads again",
    ),
    preset("/.config/*/Code Cache/", "compiled again when it is needed"),
    preset("/.config/*/GPUCache/", "compiled again when it is needed"),
    preset("/.config/*/*/Cache/", "the same in a browser profile"),
    preset("/.config/*/*/Code Cache/", "the same in a browser profile"),
    preset("/.config/*/*/GPUCache/", "the same in a browser profile"),
    preset(
        "/.config/*/*/Service Worker/CacheStorage/",
        "pages kept for offline use",
    ),
    preset("/.cargo/registry/", "downloaded again by checksum"),
    preset("/.cargo/git/", "cloned again by commit"),
    preset("/.npm/_cacache/", "downloaded again by checksum"),
    preset("/.gradle/caches/", "downloaded again or built again"),
    preset("/go/pkg/mod/", "downloaded again by checksum"),
    preset(
        "/.local/share/Steam/steamapps/shadercache/",
        "compiled again by the next game",
    ),
    preset(
        "/.local/share/Steam/steamapps/downloading/",
        "a download that is not finished",
    ),
    preset("__pycache__/", "compiled again from the source beside it"),
];

impl Preset {
    /// The pattern as the exclude rules of a backup take it, for the folder `home`.
    ///
    /// `None` if `home` is not UTF-8: a pattern is text.
    pub fn anchored(&self, home: &Path) -> Option<String> {
        if !self.pattern.starts_with('/') {
            return Some(self.pattern.to_owned());
        }
        let home = home.to_str()?.trim_end_matches('/');
        let mut anchored = String::with_capacity(home.len() + self.pattern.len());
        for character in home.chars() {
            if "*?[]{}\\!# ".contains(character) {
                anchored.push('\\');
            }
            anchored.push(character);
        }
        anchored.push_str(self.pattern);
        Some(anchored)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dir::Dir;
    use super::super::excludes::{Case, Excludes};
    use super::*;

    fn home_rules(home: &str) -> Excludes {
        let mut builder = Excludes::builder();
        for preset in HOME {
            let pattern = preset.anchored(Path::new(home)).unwrap();
            builder.pattern(&pattern, Case::Distinct).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn every_line_is_a_pattern_with_a_reason_and_stands_once() {
        home_rules("/home/me");
        for (at, preset) in HOME.iter().enumerate() {
            assert!(!preset.reason.is_empty());
            assert!(
                HOME[..at]
                    .iter()
                    .all(|other| other.pattern != preset.pattern)
            );
        }
    }

    #[test]
    fn the_home_preset_leaves_out_junk_and_nothing_of_its_owner() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Dir::open_root(temp.path()).unwrap().stat_self().unwrap();
        for home in ["/home/me", "/home/me/", "/home/odd [name]* {x}"] {
            let rules = home_rules(home);
            let home = home.trim_end_matches('/');
            let is_out = |path: &str| {
                rules
                    .entry(Path::new(&format!("{home}{path}")), &folder)
                    .is_some()
            };
            for junk in [
                "/.cache",
                "/.local/share/Trash",
                "/.config/Slack/Cache",
                "/src/__pycache__",
            ] {
                assert!(is_out(junk), "{home}{junk}");
            }
            for own in [
                "/.config",
                "/Documents",
                "/Documents/.cache",
                "/cache",
                "/.config/x/y/Cached",
            ] {
                assert!(!is_out(own), "{home}{own}");
            }
        }
    }
}
