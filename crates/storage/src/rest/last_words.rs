//! What a child said on its standard error: the last of it, on one harmless line.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The most bytes kept.
const MOST: usize = 4 << 10;
/// The most characters repeated.
const MOST_SHOWN: usize = 300;

/// The end of what a child says, as long as somebody holds it.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<VecDeque<u8>>>);

/// What a child gave as the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rclone says: {0}")]
pub(super) struct Said(String);

impl LastWords {
    /// Listens until the child is silent for good.
    pub(super) async fn listen(self, mut from: impl AsyncRead + Unpin) {
        let mut part = [0; 1024];
        while let Ok(length @ 1..) = from.read(&mut part).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(part.iter().take(length));
            let surplus = kept.len().saturating_sub(MOST);
            kept.drain(..surplus);
        }
    }

    /// The last complaint, if there was one.
    pub(super) fn complaint(&self) -> Option<Said> {
        let kept: Vec<u8> = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().copied().collect()
        };
        let text = String::from_utf8_lossy(&kept);
        // Notices are about nothing that failed.
        let mut lines = text.lines().rev();
        let line = lines.find(|line| !line.trim().is_empty() && !line.contains("NOTICE:"))?;
        let harmless = line.trim().chars().filter(|c| !c.is_control());
        Some(Said(harmless.take(MOST_SHOWN).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<String> {
        let words = LastWords::default();
        let listening = words.clone().listen(text.as_bytes());
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(listening);
        words.complaint().map(|said| said.to_string())
    }

    #[test]
    fn the_last_complaint_is_told_on_one_harmless_line() {
        assert_eq!(after(""), None);
        assert_eq!(after("2026/01/01 NOTICE: using defaults\n\n"), None);
        let text = "first\n2026/01/01 ERROR: \x1b[31mno such remote\r\n2026/01/01 NOTICE: bye\n";
        let told = after(text).expect("a complaint");
        assert_eq!(told, "rclone says: 2026/01/01 ERROR: [31mno such remote");
    }

    #[test]
    fn a_child_that_never_stops_talking_fills_no_memory() {
        let told = after(&"x".repeat(1 << 20)).expect("a complaint");
        assert!(told.len() < 400, "{}", told.len());
    }
}
