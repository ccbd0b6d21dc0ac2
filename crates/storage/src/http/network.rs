//! The transport of real networks: a pool of connections with TLS, proxies and HTTP/2.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use http::{Request, Response};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client, Proxy};

use super::progress::{Download, Upload};
use super::transport::{Transport, TransportError, TransportErrorKind};

/// What a user may have to say about the way to a service.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// A certificate authority to trust besides the system's, as PEM.
    pub authority: Option<Vec<u8>>,
    /// The proxy to go through, as a URL; none means a direct way.
    pub proxy: Option<String>,
}

/// How long a connection may take to come about, TLS included.
const CONNECT: Duration = Duration::from_secs(15);
/// Longer than the pauses of a backup, shorter than most services keep an idle connection.
const IDLE: Duration = Duration::from_secs(50);

/// A pool of connections.
#[derive(Debug, Clone)]
pub struct ReqwestTransport {
    client: Client,
}

impl ReqwestTransport {
    /// A pool without any connection yet.
    ///
    /// # Errors
    /// Where the authority's certificate or the proxy's URL cannot be read.
    pub fn new(settings: &HttpSettings) -> Result<Self, TransportError> {
        // Never a redirect: whoever answers one could name a host that is not to see our credentials.
        // Never the surroundings' proxy: whoever opens the storage says which one.
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("ownkey/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &settings.authority {
            let authorities = Certificate::from_pem_bundle(pem).map_err(unusable)?;
            if authorities.is_empty() {
                let kind = TransportErrorKind::Unreachable;
                return Err(TransportError::new(
                    kind,
                    "no certificate in the PEM file given",
                ));
            }
            builder = builder.tls_certs_merge(authorities);
        }
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(unusable)?);
        }
        // The same provider twice is no error: the first one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = builder.build().map_err(unusable)?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request<Upload>) -> Result<Response<Download>, TransportError> {
        let request = reqwest::Request::try_from(request.map(Body::wrap)).map_err(broken)?;
        let response = self.client.execute(request).await.map_err(broken)?;
        let response: Response<Body> = response.into();
        Ok(response.map(|body| -> Download {
            let body = reqwest::Response::from(Response::new(body));
            Box::pin(body.bytes_stream().map(|part| part.map_err(broken)))
        }))
    }
}

/// The URL may hold what should not be in a message; the storage's error names the place itself.
fn broken(error: reqwest::Error) -> TransportError {
    let kind = if is_distrust(&error) {
        TransportErrorKind::Untrusted
    } else if error.is_connect() || error.is_builder() {
        TransportErrorKind::Unreachable
    } else {
        TransportErrorKind::Broken
    };
    TransportError::new(kind, error.without_url())
}

/// Whether the service's certificate is to blame, which no second try mends.
fn is_distrust(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return matches!(tls, rustls::Error::InvalidCertificate(_));
        }
        // What an I/O error wraps is not its source.
        let wrapped = cause.downcast_ref::<std::io::Error>();
        let wrapped = wrapped.and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    false
}

fn unusable(error: reqwest::Error) -> TransportError {
    TransportError::new(TransportErrorKind::Unreachable, error.without_url())
}
