//! What a service says about its resources: the answer to `PROPFIND` (RFC 4918 §9.1).
//!
//! Promise: takes any bytes, and finds all that is said there or says that it is malformed.

use std::time::SystemTime;

use crate::xml::{Element, XmlError};

/// Some 100,000 objects in one folder.
const MAX_ELEMENTS: usize = 1_000_000;
/// The status of what went well.
const OK: u16 = 200;

/// What is asked of every resource.
pub(super) const QUESTION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
     <propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>";

/// One resource as the service describes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resource {
    /// Where it says that it is.
    pub(super) href: String,
    pub(super) kind: ResourceKind,
    /// Its length in bytes.
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResourceKind {
    #[default]
    File,
    Folder,
}

/// Not an answer to `PROPFIND`, or one that leaves something out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// No XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Another document.
    #[error("the answer is no listing of WebDAV")]
    Shape,
    /// A resource of which the service tells nothing but a status.
    #[error("the answer leaves something out, with status {0}")]
    Hole(u16),
}

/// Reads an answer.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Resource>, Malformed> {
    let root = Element::parse_within(body, MAX_ELEMENTS)?;
    if root.name() != "multistatus" {
        return Err(Malformed::Shape);
    }
    let mut resources = Vec::new();
    for response in root.all("response") {
        match response.text_of("status").map(status).transpose()? {
            None | Some(OK) => resources.push(resource(response)?),
            // Gone since the service began to list.
            Some(404) => {}
            Some(other) => return Err(Malformed::Hole(other)),
        }
    }
    Ok(resources)
}

fn resource(response: &Element) -> Result<Resource, Malformed> {
    let href = response.text_of("href").ok_or(Malformed::Shape)?;
    let mut resource = Resource {
        href: href.to_owned(),
        ..Resource::default()
    };
    for group in response.all("propstat") {
        // Properties that the resource lacks come in a group of their own, with 404.
        let Some(properties) = group.child("prop") else {
            continue;
        };
        if group.text_of("status").map(status).transpose()? != Some(OK) {
            continue;
        }
        let kind = properties.child("resourcetype");
        if kind.is_some_and(|kind| kind.child("collection").is_some()) {
            resource.kind = ResourceKind::Folder;
        }
        let size = properties.text_of("getcontentlength");
        resource.size = size.and_then(|size| size.parse().ok()).or(resource.size);
        let date = properties.text_of("getlastmodified");
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        resource.modified = date.or(resource.modified);
    }
    Ok(resource)
}

/// The number of `HTTP/1.1 200 OK`.
fn status(line: &str) -> Result<u16, Malformed> {
    let number = line.split_whitespace().nth(1).ok_or(Malformed::Shape)?;
    number.parse().map_err(|_| Malformed::Shape)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(responses: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">{responses}</D:multistatus>"
        )
    }

    fn response(href: &str, properties: &str) -> String {
        format!(
            "<D:response><D:href>{href}</D:href><D:propstat><D:prop>{properties}</D:prop>\
             <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
    }

    #[test]
    fn files_and_folders_are_told_apart() {
        let text = answer(
            &[
                response("/dav/", "<D:resourcetype><D:collection/></D:resourcetype>"),
                response(
                    "/dav/a&amp;b&#x21;",
                    "<D:resourcetype/><D:getcontentlength>17</D:getcontentlength>\
                     <D:getlastmodified>Thu, 01 Jan 1970 00:01:40 GMT</D:getlastmodified>",
                ),
            ]
            .concat(),
        );
        let found = parse(text.as_bytes()).expect("a listing");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].kind, ResourceKind::Folder);
        assert_eq!(
            found[1],
            Resource {
                href: "/dav/a&b!".to_owned(),
                kind: ResourceKind::File,
                size: Some(17),
                modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(100)),
            }
        );
    }

    #[test]
    fn properties_that_are_missing_do_not_count() {
        let text = answer(
            "<D:response><D:href>/x</D:href>\
             <D:propstat><D:prop><D:resourcetype/></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>\
             <D:propstat><D:prop><D:getcontentlength>5</D:getcontentlength></D:prop>\
             <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>",
        );
        assert_eq!(parse(text.as_bytes()).expect("a listing")[0].size, None);
    }

    #[test]
    fn what_is_gone_is_left_out_and_what_is_hidden_is_an_error() {
        let with = |status: &str| {
            answer(&format!(
                "<D:response><D:href>/x</D:href><D:status>HTTP/1.1 {status}</D:status></D:response>"
            ))
        };
        assert_eq!(parse(with("404 Not Found").as_bytes()), Ok(Vec::new()));
        let hidden = parse(with("403 Forbidden").as_bytes());
        assert_eq!(hidden, Err(Malformed::Hole(403)));
        assert_eq!(parse(with("").as_bytes()), Err(Malformed::Shape));
    }

    #[test]
    fn other_documents_are_no_listings() {
        for other in [
            "<html></html>",
            "<response/>",
            "<multistatus><response/></multistatus>",
        ] {
            assert_eq!(parse(other.as_bytes()), Err(Malformed::Shape), "{other}");
        }
        for other in ["", "{}", "\u{0}", "<multistatus>"] {
            let found = parse(other.as_bytes());
            assert!(matches!(found, Err(Malformed::Xml(_))), "{other}");
        }
    }
}
