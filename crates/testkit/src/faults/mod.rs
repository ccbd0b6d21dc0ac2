//! A service behind a line on which everything goes wrong that can: one fault, at the k-th request of
//! one kind, once or for ever.
//!
//! [`Fault`] is the table of what can go wrong; [`FaultyService`] counts requests, strikes, and
//! carries what is left, in process and without sockets, so that a paused clock sees hours pass.
//! [`Listening`] carries the same over TCP.

mod carrier;
mod delivery;
mod listening;
mod opened;
mod pages;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request};

use crate::service::Service;
pub(crate) use delivery::{Delivery, Flow, Intake};
pub use listening::Listening;
pub(crate) use listening::{head_of, read_head};
pub use opened::opened;
pub use pages::PageFault;
pub use table::{Fault, Moment};

/// The kinds of requests that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asking {
    /// PUT of an object.
    Put,
    /// GET of a whole object.
    Get,
    /// GET of a part of an object.
    Range,
    /// HEAD of an object.
    Head,
    /// A page of a listing.
    List,
    /// Deletions, in a batch or one by one.
    Delete,
    /// Anything else.
    Other,
}

impl Asking {
    /// Every kind that faults strike.
    pub const ALL: [Self; 6] = [
        Self::Put,
        Self::Get,
        Self::Range,
        Self::Head,
        Self::List,
        Self::Delete,
    ];

    fn of(head: &Parts) -> Self {
        let query = head.uri.query().unwrap_or_default();
        let object = head.uri.path().trim_matches('/').contains('/');
        match (&head.method, object) {
            (&Method::PUT, true) => Self::Put,
            (&Method::HEAD, true) => Self::Head,
            (&Method::DELETE, true) => Self::Delete,
            (&Method::POST, false) if query.contains("delete") => Self::Delete,
            (&Method::GET, true) if head.headers.contains_key("range") => Self::Range,
            (&Method::GET, true) => Self::Get,
            (&Method::GET, false) if query.contains("list-type") || query.contains("versions") => {
                Self::List
            }
            _ => Self::Other,
        }
    }
}

/// Which fault strikes where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Requests of this kind are counted.
    pub asking: Asking,
    /// The first one struck, counted from 0 since the plan was armed.
    pub at: u64,
    /// How many are struck, one after the other.
    pub times: u64,
    /// What strikes them.
    pub fault: Fault,
}

impl Plan {
    /// A fault that strikes once.
    #[must_use]
    pub fn once(asking: Asking, at: u64, fault: Fault) -> Self {
        Self {
            asking,
            at,
            times: 1,
            fault,
        }
    }
}

/// A service whose line, or whose wits, fail as planned.
#[derive(Debug)]
pub struct FaultyService {
    service: Arc<Service>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<Plan>,
    asked: BTreeMap<Asking, u64>,
    struck: u64,
}

impl FaultyService {
    /// A service without a fault yet; it counts all the same.
    #[must_use]
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            state: Mutex::default(),
        }
    }

    /// The service behind.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Plans a fault, forgets the one before, and counts from 0 again.
    pub fn arm(&self, plan: Plan) {
        *self.lock() = State {
            plan: Some(plan),
            ..State::default()
        };
    }

    /// Everything works again; counts from 0.
    pub fn disarm(&self) {
        *self.lock() = State::default();
    }

    /// How many requests of a kind there were since it was armed or made.
    #[must_use]
    pub fn asked(&self, asking: Asking) -> u64 {
        self.lock().asked.get(&asking).copied().unwrap_or(0)
    }

    /// How many requests the fault has struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.lock().struck
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request; the fault that strikes it, if one does.
    pub(crate) fn judge(&self, head: &Parts) -> Option<Fault> {
        let asking = Asking::of(head);
        let mut state = self.lock();
        let count = state.asked.entry(asking).or_default();
        let number = *count;
        *count += 1;
        let plan = state.plan.filter(|plan| plan.asking == asking)?;
        let strikes = number >= plan.at && number - plan.at < plan.times;
        if strikes {
            state.struck += 1;
        }
        strikes.then_some(plan.fault)
    }

    /// What comes of a request whose body has arrived.
    pub(crate) fn deliver(&self, request: &Request<Bytes>, fault: Option<Fault>) -> Delivery {
        match fault {
            None => Delivery::prompt(self.service.answer(request)),
            Some(fault) => Delivery::under(fault, &self.service, request),
        }
    }
}
