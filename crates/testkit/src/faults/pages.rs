//! Pages of a listing that are not what is stored.

use bytes::Bytes;

/// How a page differs from what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFault {
    /// A success without any entry.
    Empty,
    /// The entry in the middle is missing.
    Missing,
    /// The newest entry is missing: the page is of a moment ago.
    Stale,
    /// The first entry stands there twice.
    Twice,
    /// The first entry stands at the end.
    Unordered,
    /// The body ends in the middle of an element, and its length says that this is all.
    Torn,
    /// The page says that there are more, and what it says to go on from is its beginning.
    Endless,
}

const OPEN: &str = "<Contents>";
const CLOSE: &str = "</Contents>";
const LAST_PAGE: &str = "<IsTruncated>false</IsTruncated>";
const ENDLESS_PAGE: &str = "<IsTruncated>true</IsTruncated><NextContinuationToken>\
    0</NextContinuationToken>";

impl PageFault {
    /// The page, with this fault.
    pub(super) fn apply(self, page: &Bytes) -> Bytes {
        let text = String::from_utf8_lossy(page);
        let (head, mut entries, tail) = split(&text);
        match self {
            Self::Empty => entries.clear(),
            Self::Missing => drop_at(&mut entries, |entries| Some(entries.len() / 2)),
            Self::Stale => drop_at(&mut entries, newest),
            Self::Twice => entries.extend(entries.first().copied().into_iter().collect::<Vec<_>>()),
            Self::Unordered => {
                let most = entries.len().min(1);
                entries.rotate_left(most);
            }
            Self::Torn => return page.slice(..page.len() * 2 / 3),
            Self::Endless => {
                let entries = entries.concat();
                let head = head.replace(LAST_PAGE, ENDLESS_PAGE);
                return format!("{head}{entries}{tail}").into_bytes().into();
            }
        }
        // The same entry twice is out of order too, wherever it stands; next to itself it is subtler.
        if self == Self::Twice {
            entries.sort_unstable();
        }
        format!("{head}{}{tail}", entries.concat())
            .into_bytes()
            .into()
    }
}

/// What stands before the entries, the entries, and what stands behind them.
fn split(page: &str) -> (&str, Vec<&str>, &str) {
    let (Some(start), Some(end)) = (page.find(OPEN), page.rfind(CLOSE)) else {
        return (page, Vec::new(), "");
    };
    let end = end + CLOSE.len();
    let entries = page[start..end].split_inclusive(CLOSE).collect();
    (&page[..start], entries, &page[end..])
}

fn drop_at(entries: &mut Vec<&str>, which: impl FnOnce(&[&str]) -> Option<usize>) {
    if let Some(at) = which(entries).filter(|at| *at < entries.len()) {
        entries.remove(at);
    }
}

fn newest(entries: &[&str]) -> Option<usize> {
    let modified = |entry: &str| entry.split("<LastModified>").nth(1).map(ToOwned::to_owned);
    (0..entries.len()).max_by_key(|at| modified(entries[*at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Bytes {
        let entry = |key: &str, day: u32| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-0{day}</LastModified></Contents>"
            )
        };
        let entries = [entry("a", 1), entry("b", 3), entry("c", 2)].concat();
        format!("<R>{LAST_PAGE}{entries}</R>").into()
    }

    fn keys(fault: PageFault) -> String {
        let faulty = fault.apply(&page());
        let text = String::from_utf8_lossy(&faulty).into_owned();
        text.split("<Key>").skip(1).map(|rest| &rest[..1]).collect()
    }

    #[test]
    fn each_fault_changes_the_entries_as_it_says() {
        assert_eq!(keys(PageFault::Empty), "");
        assert_eq!(keys(PageFault::Missing), "ac");
        assert_eq!(keys(PageFault::Stale), "ac");
        assert_eq!(keys(PageFault::Twice), "aabc");
        assert_eq!(keys(PageFault::Unordered), "bca");
        assert_eq!(keys(PageFault::Endless), "abc");
        assert!(PageFault::Torn.apply(&page()).len() < page().len());
        let endless = PageFault::Endless.apply(&page());
        assert!(String::from_utf8_lossy(&endless).contains("true</IsTruncated>"));
    }
}
