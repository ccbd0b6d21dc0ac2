//! The faulty service as the program opens it: the S3 storage, and what tries again around it.

use std::sync::Arc;
use std::time::SystemTime;

use ownkey_storage::http::{Cleartext, Endpoint, HttpClient, Patience};
use ownkey_storage::{CreateIfAbsent, Retry, RetryPolicy, Storage};

use ownkey_storage::s3::{S3Credentials, S3Options, S3Place, S3Storage};

use super::FaultyService;

/// How many requests are in flight at most.
const CONNECTIONS: usize = 8;

/// The storage in the bucket `bucket`, with every setting as it is when nobody sets it.
///
/// # Panics
/// Never: place and credentials are fixed.
#[must_use]
pub fn opened(service: &Arc<FaultyService>, create: CreateIfAbsent) -> Arc<dyn Storage> {
    let endpoint = Endpoint::new("http://127.0.0.1:1", Cleartext::OnLoopback);
    let place = S3Place::new(endpoint.expect("an endpoint"), "bucket", "").expect("a place");
    let credentials = S3Credentials::Keys {
        access_key: "access".to_owned(),
        secret_key: "secret".to_owned(),
        session_token: None,
    };
    let mut options = S3Options::unprobed(Arc::new(SystemTime::now));
    options.capabilities.create_if_absent = create;
    let http = HttpClient::new(Arc::clone(service) as _, CONNECTIONS, Patience::default());
    let storage = S3Storage::new(place, credentials, options, http);
    let nobody = Arc::new(|_: &_| ());
    Arc::new(Retry::new(
        Arc::new(storage),
        RetryPolicy::default(),
        nobody,
    ))
}
