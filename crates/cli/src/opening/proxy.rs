//! Which proxy the way to a server goes through: the one that was named, or the surroundings' one.
//!
//! The variables are curl's: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`, in either case.
//! This machine itself is never reached through a proxy.

use url::{Host, Url};

use crate::failure::Failure;
use crate::folders::Lookup;

/// The proxy for requests to `server`. What was named may hold no password: command lines are seen.
pub(super) fn choose(
    server: &Url,
    named: Option<&str>,
    environment: Lookup<'_>,
) -> Result<Option<String>, Failure> {
    if let Some(named) = named {
        let url = Url::parse(named).map_err(|error| {
            Failure::usage("the proxy is not a URL")
                .caused_by(&error)
                .hint("write for example --proxy http://proxy.example:3128 or socks5h://localhost:9050")
        })?;
        if url.password().is_some() {
            return Err(Failure::usage("the proxy's URL has a password in it").hint(
                "put the whole URL into HTTPS_PROXY instead, where other users do not see it",
            ));
        }
        return Ok(Some(named.to_owned()));
    }
    if is_this_machine(server) {
        return Ok(None);
    }
    let variable = |name: &str| {
        let either = environment(name).or_else(|| environment(&name.to_ascii_uppercase()));
        let text = either.and_then(|value| value.into_string().ok());
        text.filter(|text| !text.is_empty())
    };
    let excepted = variable("no_proxy").unwrap_or_default();
    if is_excepted(server.host_str().unwrap_or_default(), &excepted) {
        return Ok(None);
    }
    let of_scheme = variable(&format!("{}_proxy", server.scheme()));
    Ok(of_scheme.or_else(|| variable("all_proxy")))
}

fn is_this_machine(server: &Url) -> bool {
    match server.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// `*`, or a name and everything below it.
fn is_excepted(host: &str, excepted: &str) -> bool {
    let names = excepted
        .split(',')
        .map(|name| name.trim().trim_start_matches('.'));
    names.filter(|name| !name.is_empty()).any(|name| {
        let name = name.split(':').next().unwrap_or_default();
        name == "*"
            || host
                .strip_suffix(name)
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn chosen(server: &str, named: Option<&str>, pairs: &[(&str, &str)]) -> Option<String> {
        let environment = |name: &str| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let server = Url::parse(server).expect("a server");
        choose(&server, named, &environment).expect("a choice")
    }

    #[test]
    fn the_surroundings_are_asked_unless_a_proxy_was_named() {
        let pairs = [("HTTPS_PROXY", "http://p"), ("all_proxy", "socks5://a")];
        assert_eq!(
            chosen("https://h.example", None, &pairs).as_deref(),
            Some("http://p")
        );
        assert_eq!(
            chosen("http://h.example", None, &pairs).as_deref(),
            Some("socks5://a")
        );
        assert_eq!(
            chosen("https://h.example", Some("http://mine"), &pairs).as_deref(),
            Some("http://mine")
        );
        assert_eq!(chosen("https://h.example", None, &[]), None);
    }

    #[test]
    fn this_machine_and_the_excepted_are_reached_directly() {
        let pairs = [
            ("HTTPS_PROXY", "http://p"),
            ("NO_PROXY", ".home.example, 10.0.0.7:9000"),
        ];
        for direct in [
            "https://localhost:8333",
            "https://127.0.0.1",
            "https://[::1]",
            "https://nas.home.example",
            "https://home.example",
            "https://10.0.0.7",
        ] {
            assert_eq!(chosen(direct, None, &pairs), None, "{direct}");
        }
        assert!(chosen("https://nothome.example", None, &pairs).is_some());
    }

    #[test]
    fn a_named_proxy_with_a_password_is_refused_and_not_repeated() {
        let server = Url::parse("https://h.example").expect("a server");
        let failure =
            choose(&server, Some("http://me:hunter2@p"), &|_| None).expect_err("a secret");
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
}
