//! HTTP as the remote storages use it: one request, one whole and bounded answer.
//!
//! [`Transport`] moves bytes and knows nothing of time; [`HttpClient`] adds what every service needs:
//! the shared limit of requests in flight, patience that ends, and a bound on what is taken into
//! memory. What a status means is for each service to say; nothing here tries again, for that is
//! the [`Retry`](crate::Retry) decorator's business.

mod client;
mod endpoint;
mod failure;
mod network;
mod paced;
mod progress;
mod transport;

pub use client::{Answer, HttpClient, Patience};
pub use endpoint::{Cleartext, Endpoint, EndpointError};
pub use failure::HttpFailure;
pub use network::{HttpSettings, ReqwestTransport};
pub use paced::Paced;
pub use progress::{Download, Upload};
pub use transport::{Transport, TransportError, TransportErrorKind};
