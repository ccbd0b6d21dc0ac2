//! `--compression`: how much work it is worth to make what is stored smaller.

use clap::Args;
use ownkey_engine::Compression;
use serde::Deserialize;

use crate::options::Written;

/// How new data is compressed.
#[derive(Debug, Args)]
pub(crate) struct CompressionArgs {
    /// How new data is compressed: auto, off, or 1 (fast) to 19 (small)
    #[arg(
        long,
        value_name = "LEVEL",
        env = "OWNKEY_COMPRESSION",
        hide_env = true
    )]
    compression: Option<Wish>,
}

impl CompressionArgs {
    /// What the command line or the environment says, else the profile.
    pub(crate) fn over(&self, of_profile: Option<Wish>) -> Compression {
        let said = self.compression.or(of_profile);
        said.map(|wish| wish.0).unwrap_or_default()
    }
}

/// What a user says about compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Wish(Compression);

impl std::str::FromStr for Wish {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        match written {
            "auto" => Ok(Self(Compression::AUTO)),
            "off" => Ok(Self(Compression::OFF)),
            level => level
                .parse()
                .ok()
                .and_then(Compression::level)
                .map(Self)
                .ok_or_else(|| format!("`{written}` is not auto, off, or a level from 1 to 19")),
        }
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
    fn a_level_is_a_word_or_a_number_that_zstd_has() {
        let read = |written: &str| written.parse::<Wish>().map(|wish| wish.0);
        assert_eq!(read("auto"), Ok(Compression::default()));
        assert_eq!(read("off"), Ok(Compression::OFF));
        assert_eq!(read("19").ok(), Compression::level(19));
        for written in ["", "0", "20", "-1", "max", "Auto", "3.5"] {
            assert!(read(written).is_err(), "{written}");
        }
    }

    #[test]
    fn the_command_line_stands_over_the_profile() {
        #[derive(Deserialize)]
        struct Table {
            compression: Wish,
        }
        let profile = |text: &str| toml::from_str::<Table>(text).map(|table| table.compression);
        let off = profile("compression = \"off\"").ok();
        let nine = profile("compression = 9").ok();
        let silent = CompressionArgs { compression: None };
        let said = CompressionArgs {
            compression: "auto".parse().ok(),
        };
        assert_eq!(silent.over(off), Compression::OFF);
        assert_eq!(Some(silent.over(nine)), Compression::level(9));
        assert_eq!(silent.over(None), Compression::AUTO);
        assert_eq!(said.over(off), Compression::AUTO);
        assert!(profile("compression = 20").is_err());
    }
}
