//! What a user may say about which snapshots stay: on the command line of `forget`, or as
//! `[profile.NAME.retention]` in config.toml, under the same names and in the same words.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::Args;
use ownkey_engine::forget::{By, Every, Length, Policy};
use serde::Deserialize;

use crate::options::Written;

/// Which snapshots stay. A snapshot stays if anything here keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[command(next_help_heading = "What stays")]
pub(crate) struct Retention {
    /// The newest N snapshots
    #[arg(short = 'l', long, value_name = "N")]
    keep_last: Option<Count>,
    /// The newest snapshot of each of the newest N hours that have one
    #[arg(long, value_name = "N")]
    keep_hourly: Option<Count>,
    /// The same of days
    #[arg(short = 'd', long, value_name = "N")]
    keep_daily: Option<Count>,
    /// Of weeks
    #[arg(short = 'w', long, value_name = "N")]
    keep_weekly: Option<Count>,
    /// Of months
    #[arg(short = 'm', long, value_name = "N")]
    keep_monthly: Option<Count>,
    /// Of years
    #[arg(short = 'y', long, value_name = "N")]
    keep_yearly: Option<Count>,
    /// Whatever is less than so much older than the newest: 1y6m7d12h, 2w
    #[arg(long, value_name = "TIME")]
    keep_within: Option<Long>,
    /// Of that, the newest snapshot of each hour
    #[arg(long, value_name = "TIME")]
    keep_within_hourly: Option<Long>,
    /// Of each day
    #[arg(long, value_name = "TIME")]
    keep_within_daily: Option<Long>,
    /// Of each week
    #[arg(long, value_name = "TIME")]
    keep_within_weekly: Option<Long>,
    /// Of each month
    #[arg(long, value_name = "TIME")]
    keep_within_monthly: Option<Long>,
    /// Of each year
    #[arg(long, value_name = "TIME")]
    keep_within_yearly: Option<Long>,
    /// Those with this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<String>,
    /// Count snapshots that have these in common: device, host, paths, tags, or none (device,host,paths)
    #[arg(short = 'g', long, value_name = "LIST")]
    group_by: Option<Grouping>,
}

impl Retention {
    /// The policy it comes to.
    pub(crate) fn policy(&self) -> Policy {
        let counts = [
            (Every::Snapshot, self.keep_last),
            (Every::Hour, self.keep_hourly),
            (Every::Day, self.keep_daily),
            (Every::Week, self.keep_weekly),
            (Every::Month, self.keep_monthly),
            (Every::Year, self.keep_yearly),
        ];
        let lengths = [
            (Every::Snapshot, self.keep_within),
            (Every::Hour, self.keep_within_hourly),
            (Every::Day, self.keep_within_daily),
            (Every::Week, self.keep_within_weekly),
            (Every::Month, self.keep_within_monthly),
            (Every::Year, self.keep_within_yearly),
        ];
        Policy {
            newest: counts
                .into_iter()
                .filter_map(|(every, count)| Some((every, count?.0)))
                .collect(),
            within: lengths
                .into_iter()
                .filter_map(|(every, length)| Some((every, length?.0)))
                .collect(),
            tags: self.keep_tag.iter().cloned().collect(),
        }
    }

    /// A policy of the command line as a whole, or that of the profile: half of each would be nobody's.
    pub(crate) fn over<'a>(&'a self, profile: &'a Self) -> &'a Self {
        if self.policy().is_empty() {
            profile
        } else {
            self
        }
    }

    /// What the snapshots of a group have in common.
    pub(crate) fn group_by(&self) -> Option<&BTreeSet<By>> {
        self.group_by.as_ref().map(|grouping| &grouping.0)
    }
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Count(u32);

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Long(Length);

/// What has to be the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Grouping(BTreeSet<By>);

impl FromStr for Count {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        if written == "unlimited" {
            return Ok(Self(u32::MAX));
        }
        let count = written.parse().map(Self);
        count.map_err(|_| format!("`{written}` is no number of snapshots; write one, or unlimited"))
    }
}

impl FromStr for Long {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let length = written.parse().map(Self);
        length.map_err(|bad: ownkey_engine::forget::BadLength| bad.to_string())
    }
}

impl FromStr for Grouping {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        if written == "none" || written.is_empty() {
            return Ok(Self(BTreeSet::new()));
        }
        let by = |word: &str| match word.trim() {
            "device" => Ok(By::Device),
            "host" => Ok(By::Host),
            "paths" => Ok(By::Paths),
            "tags" => Ok(By::Tags),
            other => Err(format!(
                "`{other}` is nothing to group by; write some of device,host,paths,tags, or none"
            )),
        };
        written
            .split(',')
            .map(by)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TryFrom<Written> for Count {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        written.read()
    }
}

impl TryFrom<Written> for Long {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        written.read()
    }
}

impl TryFrom<Written> for Grouping {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        written.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_it_in_the_words_of_the_command_line() {
        let text = "keep-last = 7\nkeep-yearly = \"unlimited\"\nkeep-within-daily = \"1m\"\nkeep-tag = [\"tax\"]\ngroup-by = \"paths,device\"\n";
        let retention: Retention = toml::from_str(text).expect("settings");
        let policy = retention.policy();
        assert_eq!(
            policy.newest,
            [(Every::Snapshot, 7), (Every::Year, u32::MAX)].into()
        );
        assert_eq!(
            policy.within,
            [(Every::Day, "1m".parse().expect("a length"))].into()
        );
        assert_eq!(policy.tags, ["tax".to_owned()].into());
        assert_eq!(retention.group_by(), Some(&[By::Device, By::Paths].into()));
        for wrong in [
            "keep-lats = 7",
            "keep-last = -1",
            "keep-within = \"7\"",
            "group-by = \"user\"",
        ] {
            assert!(toml::from_str::<Retention>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_stands_over_the_profile_as_a_whole() {
        let read = |text: &str| toml::from_str::<Retention>(text).expect("settings");
        let profile = read("keep-daily = 7");
        assert_eq!(read("keep-last = 1").over(&profile), &read("keep-last = 1"));
        assert_eq!(read("group-by = \"none\"").over(&profile), &profile);
        assert_eq!(read("keep-last = 0").over(&profile), &profile);
    }
}
