//! `--parity`: how much longer packs are made so that damage in them can be healed.

use clap::Args;
use ownkey_engine::Parity;
use serde::Deserialize;

use crate::options::Written;

/// How much parity new packs get.
#[derive(Debug, Args)]
pub(crate) struct ParityArgs {
    /// Make packs so much longer that damage in them can be healed: 15% heals one wrong byte in a hundred; or off
    #[arg(long, value_name = "PERCENT", env = "OWNKEY_PARITY", hide_env = true)]
    parity: Option<Wish>,
}

impl ParityArgs {
    /// What the command line or the environment says, else the profile.
    pub(crate) fn over(&self, of_profile: Option<Wish>) -> Parity {
        wished(self.parity.or(of_profile))
    }
}

/// What somebody wished, or none.
pub(crate) fn wished(wish: Option<Wish>) -> Parity {
    wish.map(|wish| wish.0).unwrap_or_default()
}

/// What a user says about parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Wish(Parity);

impl std::str::FromStr for Wish {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        if matches!(written, "off" | "0" | "0%") {
            return Ok(Self(Parity::NONE));
        }
        let percent = written.strip_suffix('%').unwrap_or(written).trim().parse();
        let parity = percent.ok().and_then(Parity::percent);
        parity
            .map(Self)
            .ok_or_else(|| format!("`{written}` is not off, or a percentage from 3% to 34%"))
    }
}

impl TryFrom<Written> for Wish {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        written.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_read_with_its_sign_or_without_and_off_is_none() {
        let read = |written: &str| written.parse::<Wish>().map(|wish| wish.0);
        assert_eq!(read("off"), Ok(Parity::NONE));
        assert_eq!(read("15%").ok(), Parity::percent(15.0));
        assert_eq!(read("15"), read("15%"));
        for written in ["", "%", "2%", "35%", "-5", "a lot", "nan"] {
            assert!(read(written).is_err(), "{written}");
        }
    }
}
