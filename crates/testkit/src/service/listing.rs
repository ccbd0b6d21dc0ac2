//! Listings of objects (version 2) and of versions, page by page.

use std::collections::BTreeMap;

use super::Version;
use super::calendar::listing_date;
use super::text::{Asked, encoded, escaped};

/// The most entries on a page, whatever was asked for.
const MOST: usize = 1000;

type Objects = BTreeMap<String, Vec<Version>>;

pub(super) fn objects(objects: &Objects, asked: &Asked) -> String {
    let prefix = asked.value("prefix").unwrap_or_default();
    let after = asked
        .value("continuation-token")
        .or(asked.value("start-after"))
        .unwrap_or_default();
    let most = asked.number("max-keys").unwrap_or(MOST).min(MOST);
    let mut found = objects.iter().filter_map(|(key, versions)| {
        let version = versions.last()?;
        let fits = key.starts_with(prefix) && key.as_str() > after;
        fits.then_some((key, version, version.body.as_ref()?.len()))
    });
    let mut contents = String::new();
    let mut last = "";
    for (key, version, size) in found.by_ref().take(most) {
        last = key;
        let written = written(key, asked);
        let (etag, modified) = (version.etag(), listing_date(version.modified));
        contents.push_str(&format!(
            "<Contents><Key>{written}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag>\
             <Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        ));
    }
    let more = match found.next() {
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
        Some(_) => format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>",
            escaped(last)
        ),
    };
    let head = head(asked);
    format!("<ListBucketResult>{head}{more}{contents}</ListBucketResult>")
}

pub(super) fn versions(objects: &Objects, asked: &Asked) -> String {
    let prefix = asked.value("prefix").unwrap_or_default();
    let key_mark = asked.value("key-marker").unwrap_or_default();
    let version_mark = asked.value("version-id-marker");
    let most = asked.number("max-keys").unwrap_or(MOST).min(MOST);
    let newest_first = objects.iter().flat_map(|(key, versions)| {
        let newest = versions.len() - 1;
        let numbered = versions.iter().enumerate().rev();
        numbered.map(move |(number, version)| (key, version, number == newest))
    });
    // Ids grow with time, so that what comes after a mark within a key has a smaller one.
    let mut found = newest_first.filter(|(key, version, _)| {
        let after = match version_mark {
            Some(mark) if key.as_str() == key_mark => version.id.as_str() < mark,
            _ => key.as_str() > key_mark,
        };
        key.starts_with(prefix) && after
    });
    let mut entries = String::new();
    let mut last = None;
    for (key, version, newest) in found.by_ref().take(most) {
        last = Some((key, version));
        entries.push_str(&version_entry(&written(key, asked), version, newest));
    }
    let more = match (found.next(), last) {
        (Some(_), Some((key, version))) => format!(
            "<IsTruncated>true</IsTruncated><NextKeyMarker>{}</NextKeyMarker>\
             <NextVersionIdMarker>{}</NextVersionIdMarker>",
            written(key, asked),
            version.id
        ),
        _ => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    let head = head(asked);
    format!("<ListVersionsResult>{head}{more}{entries}</ListVersionsResult>")
}

fn version_entry(key: &str, version: &Version, newest: bool) -> String {
    let (id, modified) = (&version.id, listing_date(version.modified));
    let shared = format!(
        "<Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{newest}</IsLatest>\
         <LastModified>{modified}</LastModified>"
    );
    match &version.body {
        None => format!("<DeleteMarker>{shared}</DeleteMarker>"),
        Some(body) => {
            let (etag, size) = (version.etag(), body.len());
            format!(
                "<Version>{shared}<ETag>{etag}</ETag><Size>{size}</Size>\
                 <StorageClass>STANDARD</StorageClass></Version>"
            )
        }
    }
}

fn head(asked: &Asked) -> String {
    let prefix = written(asked.value("prefix").unwrap_or_default(), asked);
    let encoding = match asked.value("encoding-type") {
        Some(_) => "<EncodingType>url</EncodingType>",
        None => "",
    };
    format!("<Name>bucket</Name><Prefix>{prefix}</Prefix>{encoding}")
}

fn written(key: &str, asked: &Asked) -> String {
    match asked.value("encoding-type") {
        Some(_) => encoded(key),
        None => escaped(key),
    }
}
