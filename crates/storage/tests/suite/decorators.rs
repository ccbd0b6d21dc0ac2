//! Every decorator keeps the contract of what it decorates.

use std::num::NonZeroU64;
use std::sync::Arc;

use ownkey_storage::{
    Cache, CachePolicy, Count, Limit, MemoryStorage, Pace, Rates, Requests, Retry, RetryPolicy,
    Storage,
};
use ownkey_testkit::conformance::Subject;

/// A fresh place of each kind, each handle of it decorated.
macro_rules! conformance_of {
    ($module:ident, $decorate:path) => {
        mod $module {
            use super::*;

            mod around_memory {
                ownkey_testkit::conformance!(over(Arc::new(super::MemoryStorage::new())));
                use super::*;
            }

            mod around_memory_with_versions {
                ownkey_testkit::conformance!(over(Arc::new(super::MemoryStorage::with_versions())));
                use super::*;
            }

            mod around_a_folder {
                ownkey_testkit::conformance!(super::over_folder().await);
            }

            fn over(inner: Arc<dyn Storage>) -> Subject {
                Subject::reopening(move || $decorate(inner.clone()), ())
            }

            async fn over_folder() -> Subject {
                let plain = crate::folder_subject().await;
                let plain = Arc::new(plain);
                let again = plain.clone();
                Subject::reopening(move || $decorate(again.reopen()), plain)
            }
        }
    };
}

conformance_of!(retry, retried);
conformance_of!(count, counted);
conformance_of!(limit, limited);

mod cache {
    use super::*;

    mod around_memory {
        ownkey_testkit::conformance!(over(Subject::shared(Arc::new(MemoryStorage::new()))));
        use super::*;
    }

    mod around_memory_with_versions {
        ownkey_testkit::conformance!(over(Subject::shared(Arc::new(
            MemoryStorage::with_versions()
        ))));
        use super::*;
    }

    mod around_a_folder {
        ownkey_testkit::conformance!(super::over(crate::folder_subject().await));
    }

    /// Every handle keeps everything, in one folder, as several processes of one user would.
    fn over(plain: Subject) -> Subject {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache");
        let policy = CachePolicy {
            most_bytes: 1 << 30,
            keeps: |_| true,
            is_genuine: |_, _| true,
        };
        let plain = Arc::new(plain);
        let inner = plain.clone();
        let open = move || -> Arc<dyn Storage> {
            Arc::new(Cache::new(inner.reopen(), path.clone(), policy.clone()))
        };
        Subject::reopening(open, (plain, folder))
    }
}

fn retried(inner: Arc<dyn Storage>) -> Arc<dyn Storage> {
    Arc::new(Retry::new(
        inner,
        RetryPolicy::default(),
        Arc::new(|waiting| panic!("nothing here fails in passing: {waiting:?}")),
    ))
}

fn counted(inner: Arc<dyn Storage>) -> Arc<dyn Storage> {
    Arc::new(Count::new(inner, Arc::new(Requests::default())))
}

fn limited(inner: Arc<dyn Storage>) -> Arc<dyn Storage> {
    let fast = Pace::new(NonZeroU64::new(1 << 36).expect("a rate"));
    let rates = Rates {
        upload: Some(fast.clone()),
        download: Some(fast),
    };
    Arc::new(Limit::new(inner, rates))
}
