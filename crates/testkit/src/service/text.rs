//! What stands in an address, and the little XML that the service reads and writes.

use http::Uri;

/// What a request is about.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) bucket: String,
    pub(crate) key: String,
    query: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn of(uri: &Uri) -> Self {
        let path = uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let pairs = uri.query().unwrap_or_default().split('&');
        let query = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(&value.replace('+', " ")))
        });
        Self {
            bucket: decoded(bucket),
            key: decoded(key),
            query: query.collect(),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether nothing is asked for beside what clients add for themselves.
    pub(crate) fn only(&self, name: &str) -> bool {
        let own = |asked: &str| asked == name || asked == "x-id";
        self.query.iter().all(|(asked, _)| own(asked))
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(asked, _)| asked == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.value(name)?.parse().ok()
    }
}

/// Undoes percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let hex = behind
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As listings encode keys when they are asked to.
pub(super) fn encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let encode = |byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    key.bytes().map(encode).collect()
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

/// What stands in each element of a name, which holds nothing but text.
pub(super) fn inner_texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&open).skip(1);
    parts
        .filter_map(|part| Some(unescaped(part.split_once(&close)?.0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_decoded() {
        let uri = "http://host/bucket/a%20b/%C3%A9?list-type=2&prefix=x%2Fy&acl"
            .parse()
            .expect("a URI");
        let asked = Asked::of(&uri);
        assert_eq!(
            (asked.bucket.as_str(), asked.key.as_str()),
            ("bucket", "a b/é")
        );
        assert_eq!(asked.number("list-type"), Some(2));
        assert_eq!(asked.value("prefix"), Some("x/y"));
        assert!(asked.has("acl") && !asked.has("versions") && !asked.only("acl"));
    }

    #[test]
    fn texts_survive_their_way_through_xml() {
        let key = "a&b<c>'\"&lt;";
        let xml = format!("<D><Key>{}</Key><Key>two</Key></D>", escaped(key));
        assert_eq!(inner_texts(&xml, "Key"), [key, "two"]);
        assert_eq!(decoded(&encoded("a b/é+%")), "a b/é+%");
    }
}
