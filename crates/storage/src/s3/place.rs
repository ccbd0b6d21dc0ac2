//! Where a bucket is, and how its objects are addressed.
//!
//! Promise: every part is checked before the first request, and what stands in a URL is spelled so
//! that no service reads it differently: prefixes have only characters that nobody escapes.

use http::Uri;
use thiserror::Error;

use crate::http::Endpoint;
use crate::location::Location;

/// Whether the bucket's name stands in the path or in the host's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/object`: works everywhere but at Amazon's newer regions.
    Path,
    /// `https://bucket.host/object`.
    Host,
}

/// A bucket, and the part of it that is a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Place {
    endpoint: Endpoint,
    bucket: String,
    /// Empty, or ends in `/`.
    prefix: String,
    region: String,
    addressing: Addressing,
}

/// Why parts make no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum S3PlaceError {
    /// The endpoint has a path.
    #[error("the endpoint of an S3 service is a host without a path")]
    EndpointPath,
    /// The name of the bucket breaks the rules of every service.
    #[error(
        "a bucket's name has 3 to 63 of a to z, 0 to 9, . and -, and begins and ends with a letter or digit"
    )]
    Bucket,
    /// The prefix has characters that services spell differently, or is too long.
    #[error(
        "a prefix in a bucket has at most {MAX_PREFIX_BYTES} of A to Z, a to z, 0 to 9, - . _ ~ and single slashes"
    )]
    Prefix,
    /// The region is no word.
    #[error("a region is a word like eu-central-1")]
    Region,
}

/// The 1,024 bytes of a key less the longest name, with room to spare.
const MAX_PREFIX_BYTES: usize = 512;

/// Services whose hosts name the region: `s3.REGION.` before the suffix.
const REGIONAL: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".backblazeb2.com",
    ".wasabisys.com",
    ".scw.cloud",
    ".io.cloud.ovh.net",
];
const AMAZON: &str = "s3.amazonaws.com";
const FIRST_REGION: &str = "us-east-1";

impl S3Place {
    /// A bucket at an endpoint, and a prefix in it, which may be empty. The region is the one that
    /// the host names, or `us-east-1`.
    ///
    /// # Errors
    /// The first rule that a part breaks.
    pub fn new(endpoint: Endpoint, bucket: &str, prefix: &str) -> Result<Self, S3PlaceError> {
        if endpoint.as_url().path() != "/" {
            return Err(S3PlaceError::EndpointPath);
        }
        if !is_bucket(bucket) {
            return Err(S3PlaceError::Bucket);
        }
        let prefix = prefix.trim_matches('/');
        if !is_prefix(prefix) {
            return Err(S3PlaceError::Prefix);
        }
        let amazon = is_amazon(endpoint.host());
        let place = Self {
            region: named_region(endpoint.host())
                .unwrap_or(FIRST_REGION)
                .to_owned(),
            // A certificate for `*.host` does not hold for a bucket's name with dots.
            addressing: if amazon && !bucket.contains('.') {
                Addressing::Host
            } else {
                Addressing::Path
            },
            endpoint,
            bucket: bucket.to_owned(),
            prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("{prefix}/")
            },
        };
        Ok(place)
    }

    /// The same in another region, as the signature names it.
    ///
    /// # Errors
    /// [`S3PlaceError::Region`]
    pub fn in_region(mut self, region: &str) -> Result<Self, S3PlaceError> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if region.is_empty() || region.len() > 64 || !region.chars().all(word) {
            return Err(S3PlaceError::Region);
        }
        region.clone_into(&mut self.region);
        Ok(self)
    }

    /// The same, with the bucket's name elsewhere in the URL.
    #[must_use]
    pub fn addressed(mut self, addressing: Addressing) -> Self {
        self.addressing = addressing;
        self
    }

    /// The place in one line: `s3://host/bucket/prefix`, or `s3:http://…` where it is unencrypted.
    #[must_use]
    pub fn location(&self) -> Location {
        let scheme = if self.endpoint.is_encrypted() {
            "s3://"
        } else {
            "s3:http://"
        };
        let host = self.host();
        let path = format!("{}/{}", self.bucket, self.prefix);
        Location::remote(&format!("{scheme}{host}/{}", path.trim_end_matches('/')))
    }

    /// The region that signatures name.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What stands before every name in this bucket.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The URL of the bucket itself, or of one key in it, with a query already escaped.
    pub(super) fn url(&self, key: Option<&str>, query: &str) -> Result<Uri, http::Error> {
        let (authority, bucket) = match self.addressing {
            Addressing::Path => (self.host(), Some(self.bucket.as_str())),
            Addressing::Host => (format!("{}.{}", self.bucket, self.host()), None),
        };
        let parts: Vec<&str> = bucket.into_iter().chain(key).collect();
        let mut target = format!("/{}", parts.join("/"));
        if !query.is_empty() {
            target = format!("{target}?{query}");
        }
        Uri::builder()
            .scheme(self.endpoint.as_url().scheme())
            .authority(authority)
            .path_and_query(target)
            .build()
    }

    /// The host to ask. Amazon's host without a region knows buckets elsewhere by redirects alone.
    fn host(&self) -> String {
        if self.endpoint.host() == AMAZON && self.region != FIRST_REGION {
            format!("s3.{}.amazonaws.com", self.region)
        } else {
            self.endpoint.authority()
        }
    }
}

fn is_amazon(host: &str) -> bool {
    host == AMAZON || host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

fn named_region(host: &str) -> Option<&str> {
    if host.ends_with(".r2.cloudflarestorage.com") {
        return Some("auto");
    }
    let rest = host.strip_prefix("s3.")?;
    REGIONAL
        .iter()
        .filter_map(|suffix| rest.strip_suffix(suffix))
        .find(|region| !region.is_empty() && !region.contains('.'))
}

fn is_bucket(bucket: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&bucket.len())
        && bucket.chars().all(inner)
        && bucket.starts_with(outer)
        && bucket.ends_with(outer)
        && !bucket.contains("..")
}

fn is_prefix(prefix: &str) -> bool {
    let segment = |segment: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        !matches!(segment, "" | "." | "..") && segment.chars().all(known)
    };
    prefix.is_empty() || (prefix.len() <= MAX_PREFIX_BYTES && prefix.split('/').all(segment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Cleartext;

    fn place(endpoint: &str, bucket: &str, prefix: &str) -> Result<S3Place, S3PlaceError> {
        let endpoint = Endpoint::new(endpoint, Cleartext::OnLoopback).expect("an endpoint");
        S3Place::new(endpoint, bucket, prefix)
    }

    #[test]
    fn amazon_has_buckets_in_hosts_and_everybody_else_in_paths() {
        let amazon = place("https://s3.amazonaws.com", "bucket", "/a/b/").expect("it");
        let url = |place: &S3Place| place.url(Some("a/b/ownkey"), "").expect("it").to_string();
        assert_eq!(url(&amazon), "https://bucket.s3.amazonaws.com/a/b/ownkey");
        let moved = amazon.in_region("eu-central-1").expect("it");
        assert_eq!(
            url(&moved),
            "https://bucket.s3.eu-central-1.amazonaws.com/a/b/ownkey"
        );
        assert_eq!(
            moved.location().as_str(),
            "s3://s3.eu-central-1.amazonaws.com/bucket/a/b"
        );
        let dots = place("https://s3.eu-west-1.amazonaws.com", "a.bucket", "").expect("it");
        assert_eq!(dots.region(), "eu-west-1");
        assert_eq!(
            dots.url(None, "list-type=2").expect("it").to_string(),
            "https://s3.eu-west-1.amazonaws.com/a.bucket?list-type=2"
        );
        let own = place("http://127.0.0.1:9000", "bucket", "").expect("it");
        assert_eq!(own.region(), "us-east-1");
        assert_eq!(own.location().as_str(), "s3:http://127.0.0.1:9000/bucket");
        let hosted = own.addressed(Addressing::Host);
        assert_eq!(
            hosted.url(None, "").expect("it").to_string(),
            "http://bucket.127.0.0.1:9000/"
        );
    }

    #[test]
    fn hosts_that_name_their_region_need_no_other_word() {
        for (host, region) in [
            ("s3.us-west-004.backblazeb2.com", "us-west-004"),
            ("s3.fr-par.scw.cloud", "fr-par"),
            ("s3.gra.io.cloud.ovh.net", "gra"),
            ("abc.r2.cloudflarestorage.com", "auto"),
            ("s3.example.org", "us-east-1"),
            ("s3.amazonaws.com", "us-east-1"),
        ] {
            let place = place(&format!("https://{host}"), "bucket", "").expect("it");
            assert_eq!(place.region(), region, "{host}");
        }
    }

    #[test]
    fn parts_that_services_read_differently_are_refused() {
        for bucket in ["", "ab", "Bucket", "a_b", "-ab", "a..b", "a/b", "bucket\n"] {
            assert_eq!(
                place("https://h", bucket, "").expect_err(bucket),
                S3PlaceError::Bucket
            );
        }
        let long = "a".repeat(MAX_PREFIX_BYTES + 1);
        for prefix in ["a//b", "../a", "a/.", "a b", "a%2f", "ä", "a?b", &long] {
            assert_eq!(
                place("https://h", "bucket", prefix).expect_err(prefix),
                S3PlaceError::Prefix
            );
        }
        assert_eq!(
            place("https://h/x", "bucket", ""),
            Err(S3PlaceError::EndpointPath)
        );
        let here = place("https://h", "bucket", "").expect("it");
        assert_eq!(here.in_region("a/b"), Err(S3PlaceError::Region));
    }
}
