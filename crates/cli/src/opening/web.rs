//! Whatever speaks HTTP: its pool of connections, with the user's proxy, certificates and rates.

use std::sync::Arc;

use ownkey_storage::http::{
    HttpClient, HttpSettings, Paced, Patience, ReqwestTransport, Transport, TransportError,
};
use ownkey_storage::{Location, Operation, Rates, StorageError, StorageErrorKind};
use url::Url;

use super::proxy;
use crate::args;
use crate::failure::Failure;
use crate::options::StorageOptions;

/// Requests in flight, whoever asks: enough to fill a line with a round trip of 100 ms.
pub(super) const CONNECTIONS: usize = 8;

/// The way to one server.
pub(super) struct Web {
    location: Location,
    settings: HttpSettings,
    connections: usize,
    rates: Rates,
}

impl Web {
    pub(super) fn to(
        options: &StorageOptions,
        server: &Url,
        rates: &Rates,
    ) -> Result<Self, Failure> {
        let authority = options.cacert.as_deref().map(|path| {
            std::fs::read(path).map_err(|error| {
                Failure::usage(format!(
                    "cannot read the certificate authorities in {}",
                    path.display()
                ))
                .caused_by(&error)
            })
        });
        let proxy = proxy::choose(server, options.proxy.as_deref(), args::environment())?;
        let web = Self {
            location: Location::remote(server.as_str()),
            settings: HttpSettings {
                authority: authority.transpose()?,
                proxy,
            },
            connections: options.connections.map_or(CONNECTIONS, usize::from),
            rates: rates.clone(),
        };
        // A wrong file or proxy is told once, here.
        web.connect().map_err(|error| {
            let mut failure = Failure::usage("the settings of the connection make no sense");
            if let Some(source) = std::error::Error::source(&error) {
                failure = failure.caused_by(source);
            }
            failure.hint("look at --cacert, --proxy and the proxy variables")
        })?;
        Ok(web)
    }

    /// A client with connections of its own.
    fn connect(&self) -> Result<HttpClient, TransportError> {
        let pool: Arc<dyn Transport> = Arc::new(ReqwestTransport::new(&self.settings)?);
        let is_limited = self.rates.upload.is_some() || self.rates.download.is_some();
        let transport = match is_limited {
            true => Arc::new(Paced::new(pool, self.rates.clone())),
            false => pool,
        };
        Ok(HttpClient::new(
            transport,
            self.connections,
            Patience::default(),
        ))
    }

    /// The same, as an error of the storage.
    pub(super) fn client(&self) -> Result<HttpClient, StorageError> {
        self.connect().map_err(|error| {
            let kind = StorageErrorKind::Other;
            StorageError::new(kind, Operation::Open, &self.location).caused_by(error)
        })
    }
}
