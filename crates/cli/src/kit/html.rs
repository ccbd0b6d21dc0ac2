//! The kit as one page to print, A4 or Letter. It loads nothing from anywhere.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::{Kit, command_lines, qr};

/// Written without any colour or outside resource: a printer and a browser without a network do.
/// The policy forbids the browser to load anything even if a name in the page tried to make it.
const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>ownkey recovery kit</title>
<style>
@page { margin: 18mm }
body { font: 11pt/1.45 sans-serif; max-width: 170mm; margin: 8mm auto; color: #000; background: #fff }
h1 { font-size: 20pt; margin: 0 0 2mm }
code, .key { font-family: monospace }
.key { font-size: 17pt; letter-spacing: .06em; border: 2px solid #000; padding: 4mm; margin: 5mm 0; text-align: center; break-inside: avoid }
table { border-collapse: collapse; width: 100% }
td { padding: 1mm 3mm 1mm 0; vertical-align: top; overflow-wrap: anywhere }
td:first-child { white-space: nowrap; overflow-wrap: normal }
pre { border-left: 3px solid #000; padding-left: 4mm; white-space: pre-wrap; overflow-wrap: anywhere }
.qr { text-align: center; break-inside: avoid }
.qr svg { width: 62mm; height: 62mm }
</style></head><body>
"#;

/// The whole page.
pub(crate) fn page(kit: &Kit) -> Zeroizing<String> {
    let square = qr::svg(kit);
    // Reserved once, so that growing leaves no copy of the key behind.
    let room = 16_384 + 4 * kit.repository.len() + square.as_ref().map_or(0, |svg| svg.len());
    let mut out = Zeroizing::new(String::with_capacity(room));
    // Writing to a string cannot fail.
    let _ = write_page(&mut out, kit, square.as_ref().map(|svg| svg.as_str()));
    out
}

fn write_page(out: &mut String, kit: &Kit, square: Option<&str>) -> std::fmt::Result {
    out.push_str(HEAD);
    writeln!(out, "<h1>ownkey recovery kit</h1>")?;
    writeln!(
        out,
        "<p>Print this, keep the paper away from the machine it protects, and delete the file. \
         <b>Whoever has this page can read the backups.</b></p>"
    )?;
    writeln!(
        out,
        "<p>Recovery key</p><div class=\"key\">{}</div>",
        escaped(&kit.recovery_key).as_str()
    )?;
    if let Some(secret) = &kit.kit_secret {
        writeln!(
            out,
            "<p>Kit secret, needed with the password</p><div class=\"key\">{}</div>",
            escaped(secret).as_str()
        )?;
    }
    writeln!(out, "<table>")?;
    let made = format!(
        "{} on {} with ownkey {}",
        kit.made, kit.machine, kit.version
    );
    row(out, "Repository", &kit.repository)?;
    if let Some(key) = &kit.storage_key {
        row(out, "Storage key id", &key.id)?;
        row(out, "Storage secret", &key.secret)?;
    }
    row(out, "Fingerprint", &kit.fingerprint)?;
    row(out, "Made", &made)?;
    writeln!(out, "</table>")?;
    if kit.storage_key.is_some() {
        writeln!(
            out,
            "<p>Storage key id and storage secret are the login of the storage: upper and lower case count. Whoever has them \
             can fetch and delete what lies there, and reads none of it without the recovery key.</p>"
        )?;
    }
    writeln!(
        out,
        "<p>To get everything back on an empty machine, install ownkey and type:</p>\n<pre>"
    )?;
    for line in command_lines(kit) {
        writeln!(out, "{}", escaped(&line).as_str())?;
    }
    writeln!(
        out,
        "</pre>\n<p>It asks for what is above. Upper or lower case, spaces and hyphens do not matter, and one wrong character \
         of the recovery key is put right.</p>"
    )?;
    if let Some(svg) = square {
        writeln!(
            out,
            "<div class=\"qr\">{svg}<p>The whole kit as one square.</p></div>"
        )?;
    }
    writeln!(out, "</body></html>")
}

/// One line of the page for one name and its value: so the page can be read back.
fn row(out: &mut String, name: &str, value: &str) -> std::fmt::Result {
    writeln!(
        out,
        "<tr><td>{name}</td><td><code>{}</code></td></tr>",
        escaped(value).as_str()
    )
}

fn escaped(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(6 * text.len()));
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_page_holds_the_kit_and_its_square() {
        let kit = sample();
        let page = page(&kit);
        assert!(page.contains(kit.recovery_key.as_str()) && page.contains(&kit.fingerprint));
        assert!(page.contains("<svg") && page.ends_with("</body></html>\n"));
    }

    #[test]
    fn the_page_loads_nothing_and_names_cannot_write_markup() {
        let page = page(&sample());
        // The one URL of the page is the name space of SVG, which nothing fetches.
        let rest = page.replace("http://www.w3.org/2000/svg", "");
        for forbidden in [
            "http:", "https:", "src=", "<script", "<link", "url(", "@import",
        ] {
            assert!(!rest.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("laptop&lt;script&gt;"));
    }
}
