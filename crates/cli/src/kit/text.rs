//! The kit as text: for a terminal, a file, a password manager.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::Kit;

/// The kit in lines of at most about 80 columns.
pub(crate) fn text(kit: &Kit) -> Zeroizing<String> {
    // Reserved once, so that growing leaves no copy of the key behind.
    let mut out = Zeroizing::new(String::with_capacity(8192));
    // Writing to a string cannot fail.
    let _ = write_text(&mut out, kit);
    out
}

fn write_text(out: &mut String, kit: &Kit) -> std::fmt::Result {
    writeln!(out, "OWNKEY RECOVERY KIT\n")?;
    writeln!(
        out,
        "Keep this on paper, away from this machine. Whoever has it can read the backups.\n"
    )?;
    writeln!(out, "recovery key:   {}", kit.recovery_key.as_str())?;
    if let Some(secret) = &kit.kit_secret {
        writeln!(out, "kit secret:     {}", secret.as_str())?;
    }
    writeln!(out, "repository:     {}", kit.repository)?;
    if let Some(key) = &kit.storage_key {
        writeln!(out, "storage key id: {}", key.id)?;
        writeln!(out, "storage secret: {}", key.secret.as_str())?;
    }
    writeln!(out, "fingerprint:    {}", kit.fingerprint)?;
    writeln!(
        out,
        "made:           {} on {} with ownkey {}",
        kit.made, kit.machine, kit.version
    )?;
    writeln!(
        out,
        "\nTo get everything back on an empty machine, install ownkey and type:\n"
    )?;
    for line in command_lines(kit) {
        writeln!(out, "  {line}")?;
    }
    writeln!(
        out,
        "\nIt asks for what is above. Upper or lower case, spaces and hyphens do not matter, and"
    )?;
    writeln!(out, "one wrong character of the recovery key is put right.")?;
    if kit.storage_key.is_some() {
        writeln!(
            out,
            "\nThe storage key and secret are the login of the storage: upper and lower case count. Whoever has\n\
             them can fetch and delete what lies there, and reads none of it without the recovery key."
        )?;
    }
    Ok(())
}

/// The commands that bring everything back.
pub(crate) fn command_lines(kit: &Kit) -> [String; 1] {
    let place = quoted(&kit.repository);
    [format!("ownkey -r {place} recover --target restored")]
}

/// As one word of a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_text_holds_everything_a_new_machine_needs() {
        let kit = sample();
        let text = text(&kit);
        for part in [kit.recovery_key.as_str(), &kit.repository, &kit.fingerprint] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.contains("recover --target"));
        assert!(text.lines().all(|line| line.len() <= 90), "fits a page");
    }

    #[test]
    fn a_place_with_special_characters_can_be_typed_into_a_shell() {
        assert_eq!(quoted("/mnt/backup"), "/mnt/backup");
        assert_eq!(quoted("/it's here"), "'/it'\\''s here'");
    }
}
