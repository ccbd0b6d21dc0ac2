//! Places in S3 services: an endpoint, a bucket, a prefix; and what signing needs to know.

use std::fmt;

use ownkey_storage::http::{Cleartext, Endpoint};
use ownkey_storage::s3::{Addressing, S3Place};

use url::Url;

use super::without_password;
use crate::failure::Failure;

/// A bucket, or the part of it under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Url {
    /// `https://` or `http://`, the host, and the port where it is not the usual one.
    endpoint: String,
    bucket: String,
    /// Names with slashes between them; may be empty.
    prefix: String,
    /// Where it is not the one that the host's name tells.
    region: Option<String>,
    /// Where the bucket's name stands in requests, if somebody said so.
    style: Option<Addressing>,
}

impl S3Url {
    /// Reads what follows `s3:`: `//host/bucket/prefix`, `https://host/bucket/prefix`, `host/bucket`.
    pub(super) fn parse(scheme: &str, rest: &str) -> Result<Self, Failure> {
        let is_whole = rest.starts_with("https://") || rest.starts_with("http://");
        let whole = match (scheme, rest.strip_prefix("//")) {
            ("s3+http", Some(after)) => format!("http://{after}"),
            (_, Some(after)) => format!("https://{after}"),
            ("s3", None) if is_whole => rest.to_owned(),
            (_, None) => format!("https://{rest}"),
        };
        let (whole, query) = whole.split_once('?').unwrap_or((&whole, ""));
        let (protocol, after) = whole.split_once("://").unwrap_or_default();
        let (authority, path) = after.split_once('/').unwrap_or((after, ""));
        without_password(authority)?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix: Vec<&str> = prefix.split('/').filter(|name| !name.is_empty()).collect();
        let mut url = Self {
            endpoint: format!("{protocol}://{authority}"),
            bucket: bucket.to_owned(),
            prefix: prefix.join("/"),
            region: None,
            style: None,
        };
        url.names_a_service()?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            url.take(pair)?;
        }
        url.settled()
    }

    fn take(&mut self, pair: &str) -> Result<(), Failure> {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("region", region) => self.region = Some(region.to_owned()),
            ("style", "path") => self.style = Some(Addressing::Path),
            ("style", "host") => self.style = Some(Addressing::Host),
            ("style", _) => {
                return Err(Failure::usage(
                    "`style` in the repository's URL is neither path nor host",
                ));
            }
            // Not repeated: it may be a secret.
            _ => {
                return Err(Failure::usage(
                    "the repository's URL has a parameter other than region and style",
                )
                .hint(KEYS));
            }
        }
        Ok(())
    }

    /// `s3://bucket/prefix` names no service; other programs take it for Amazon's, in a region that
    /// only their configuration tells. Here a place says where it is.
    fn names_a_service(&self) -> Result<(), Failure> {
        let (_, host) = self.endpoint.split_once("://").unwrap_or_default();
        if host.contains('@') {
            return Err(Failure::usage("the repository's URL has a key in it").hint(KEYS));
        }
        if !host.contains(['.', ':']) && host != "localhost" {
            return Err(Failure::usage(format!(
                "`{host}` in the repository's URL looks like a bucket; the service comes first"
            ))
            .hint(FORM));
        }
        let first = host.split('.').next().unwrap_or_default();
        if host.contains(".amazonaws.com") && !first.starts_with("s3") {
            return Err(Failure::usage(
                "the host in the repository's URL begins with the bucket; the bucket comes after the service",
            )
            .hint(FORM));
        }
        Ok(())
    }

    /// One spelling for one place: the host as it is asked, and no region that it tells by itself.
    fn settled(mut self) -> Result<Self, Failure> {
        let asked = self.place(Cleartext::Anywhere)?;
        let location = asked.location();
        let location = location.as_str();
        let whole = location
            .strip_prefix("s3:http://")
            .map(|rest| ("http", rest))
            .or_else(|| Some(("https", location.strip_prefix("s3://")?)));
        if let Some((protocol, rest)) = whole {
            let host = rest.split('/').next().unwrap_or_default();
            self.endpoint = format!("{protocol}://{host}");
        }
        let region = self.region.take();
        let told_by_host = self.place(Cleartext::Anywhere)?;
        self.region = region.filter(|region| region != told_by_host.region());
        Ok(self)
    }

    /// Says the region, unless the URL or the host's name does.
    pub(crate) fn unless_told_in(self, region: &str) -> Result<Self, Failure> {
        let told = self.place(Cleartext::Anywhere)?;
        let is_told = self.region.is_some()
            || told.region() == "auto"
            || self.endpoint.contains(told.region());
        match is_told {
            true => Ok(self),
            false => Self {
                region: Some(region.to_owned()),
                ..self
            }
            .settled(),
        }
    }

    /// The place as the client takes it.
    pub(crate) fn place(&self, cleartext: Cleartext) -> Result<S3Place, Failure> {
        let senseless = |error: &(dyn std::error::Error + 'static)| {
            Failure::usage("the repository's URL makes no sense")
                .caused_by(error)
                .hint(FORM)
        };
        let endpoint = Endpoint::new(&self.endpoint, cleartext);
        let endpoint = endpoint.map_err(|error| super::unencrypted(&error))?;
        let mut place = S3Place::new(endpoint, &self.bucket, &self.prefix)
            .map_err(|error| senseless(&error))?;
        if let Some(region) = &self.region {
            place = place.in_region(region).map_err(|error| senseless(&error))?;
        }
        Ok(match self.style {
            Some(style) => place.addressed(style),
            None => place,
        })
    }

    /// The service, without bucket and prefix.
    pub(crate) fn server(&self) -> Result<Url, Failure> {
        super::web::server(&self.endpoint)
    }

    /// Without what only describes the way there.
    pub(super) fn identity(&self) -> String {
        let scheme = if self.endpoint.starts_with("http://") {
            "s3:http://"
        } else {
            "s3://"
        };
        let (_, host) = self.endpoint.split_once("://").unwrap_or_default();
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{scheme}{host}/{}{slash}{}", self.bucket, self.prefix)
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.identity())?;
        let style = self.style.map(|style| match style {
            Addressing::Path => "path",
            Addressing::Host => "host",
        });
        match (&self.region, style) {
            (None, None) => Ok(()),
            (Some(region), None) => write!(out, "?region={region}"),
            (None, Some(style)) => write!(out, "?style={style}"),
            (Some(region), Some(style)) => write!(out, "?region={region}&style={style}"),
        }
    }
}

const FORM: &str = "write s3://HOST/BUCKET/PREFIX, for example s3://s3.eu-central-1.amazonaws.com/mine/ownkey; \
     `ownkey help places` tells more";
const KEYS: &str =
    "keys go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials";
