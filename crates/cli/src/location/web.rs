//! Places behind HTTP: a server, a path, perhaps a user's name.

use std::fmt;

use url::Url;

use super::without_password;
use crate::failure::Failure;

/// A folder of an HTTP server; shown as its `https:` or `http:` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebUrl(Url);

impl WebUrl {
    /// Reads what follows the scheme: `//host/path` where the scheme says how, else a whole URL.
    pub(super) fn parse(scheme: &str, rest: &str) -> Result<Self, Failure> {
        let nested = ["https://", "http://"];
        let whole = match scheme {
            _ if nested.iter().any(|start| rest.starts_with(start)) => rest.to_owned(),
            "webdavs" | "davs" | "webdav+https" | "rest+https" => format!("https:{rest}"),
            "webdav" | "dav" | "webdav+http" | "rest+http" => format!("http:{rest}"),
            _ => {
                return Err(Failure::usage(format!("`{scheme}:` needs a whole URL"))
                    .hint(format!("write {scheme}:https://HOST/PATH")));
            }
        };
        let mut url = server(&whole)?;
        if url.query().is_some() {
            return Err(Failure::usage("the repository's URL ends in a query")
                .hint("take out everything from the question mark on"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The server and path, without the user.
    pub(crate) fn address(&self) -> Url {
        let mut url = self.0.clone();
        // Fails for URLs without a host only, which are not read.
        let _ = url.set_username("");
        url
    }

    /// The user's name, if the URL has one.
    pub(crate) fn user(&self) -> Option<String> {
        let name = super::decoded(self.0.username()).ok()?;
        String::from_utf8(name).ok().filter(|name| !name.is_empty())
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Reads an `http:` or `https:` URL without a password and without a fragment.
pub(super) fn server(whole: &str) -> Result<Url, Failure> {
    let nowhere = || Failure::usage("the repository's URL names no server");
    // A parser of web addresses forgives missing and doubled slashes; a place is written one way.
    let (_, authority) = whole.split_once("://").ok_or_else(nowhere)?;
    without_password(authority)?;
    if authority.starts_with('/') {
        return Err(nowhere());
    }
    let url = Url::parse(whole)
        .map_err(|error| Failure::usage("the repository's URL makes no sense").caused_by(&error))?;
    if url.fragment().is_some() {
        return Err(Failure::usage("the repository's URL has a `#` in it").hint("write it as %23"));
    }
    if url.password().is_some() || url.host_str().is_none_or(str::is_empty) {
        return Err(nowhere());
    }
    Ok(url)
}
