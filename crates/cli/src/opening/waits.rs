//! Says that the storage is waited for, and that it is there again: once, whoever waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ownkey_storage::Waiting;
use serde_json::json;

use crate::ui::{Ui, show};

/// Hears every operation that waits; many do at the same time, and all for the same reason.
pub(super) struct Waits {
    ui: Arc<Ui>,
    told: Mutex<Option<Instant>>,
}

/// A pause this short is over before it is read: a busy service asks for them all day.
const NOT_WORTH_SAYING: Duration = Duration::from_secs(2);
/// After this long somebody may wonder whether anything still happens.
const AGAIN: Duration = Duration::from_secs(20);

impl Waits {
    pub(super) fn new(ui: &Arc<Ui>) -> Self {
        Self {
            ui: Arc::clone(ui),
            told: Mutex::default(),
        }
    }

    pub(super) fn hear(&self, waiting: &Waiting) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting {
            Waiting::Paused {
                error,
                pause,
                since,
            } => {
                let is_news = *since + *pause >= NOT_WORTH_SAYING;
                if is_news && told.is_none_or(|last| last.elapsed() >= AGAIN) {
                    *told = Some(Instant::now());
                    self.tell_of_waiting(error, *pause, *since);
                }
            }
            Waiting::Resumed { after } => {
                if told.take().is_some() {
                    let text = format!(
                        "the storage answers again, after {}",
                        show::duration(*after)
                    );
                    self.ui.waiting(
                        &text,
                        json!({ "waiting": false, "seconds_waited": after.as_secs() }),
                    );
                }
            }
        }
    }

    fn tell_of_waiting(&self, error: &dyn std::error::Error, pause: Duration, since: Duration) {
        let mut causes = vec![error.to_string()];
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        let reason = causes.last().cloned().unwrap_or_default();
        let text = format!(
            "the storage does not answer ({reason}); waiting, and trying again in {}",
            show::duration(pause)
        );
        self.ui.waiting(
            &text,
            json!({
                "waiting": true,
                "seconds_waiting": since.as_secs(),
                "seconds_until_next_try": pause.as_secs(),
                "error": { "message": causes.join(": ") },
            }),
        );
    }
}
