//! The kit in one square, so that nothing has to be typed.
//!
//! Its text is lines of `key value`: `ownkey-kit 1`, then `repo`, `words` (the fingerprint), `key`, and
//! `secret` if there is one, `storage-key-id` and `storage-secret` if they are wanted.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

use super::Kit;

/// The text in the square.
pub(crate) fn contents(kit: &Kit) -> Zeroizing<String> {
    let mut lines = vec![
        "ownkey-kit 1".to_owned(),
        format!("repo {}", kit.repository),
        format!("words {}", kit.fingerprint),
        format!("key {}", kit.recovery_key.as_str()),
    ];
    if let Some(secret) = &kit.kit_secret {
        lines.push(format!("secret {}", secret.as_str()));
    }
    if let Some(key) = &kit.storage_key {
        lines.push(format!("storage-key-id {}", key.id));
        lines.push(format!("storage-secret {}", key.secret.as_str()));
    }
    let joined = Zeroizing::new(lines.join("\n"));
    for line in lines {
        drop(Zeroizing::new(line));
    }
    joined
}

/// The square as an SVG element, or nothing if the place is too long for one.
pub(crate) fn svg(kit: &Kit) -> Option<Zeroizing<String>> {
    let code = QrCode::with_error_correction_level(contents(kit).as_bytes(), EcLevel::M).ok()?;
    let image = code
        .render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .build();
    let start = image.find("<svg")?;
    Some(Zeroizing::new(image.get(start..)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_square_carries_the_whole_kit() {
        let kit = sample();
        let text = contents(&kit);
        assert_eq!(text.lines().next(), Some("ownkey-kit 1"));
        assert!(text.contains(kit.recovery_key.as_str()) && text.contains(&kit.fingerprint));
        assert!(svg(&kit).expect("fits").starts_with("<svg"));
    }

    #[test]
    fn a_place_too_long_for_a_square_leaves_it_out() {
        let mut kit = sample();
        kit.repository = "x".repeat(5000);
        assert!(svg(&kit).is_none());
    }
}
