//! The service itself: its client, the user's credentials for it, and what is known of it.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use ownkey_engine::backup::lock_period;
use ownkey_storage::http::{Cleartext, Endpoint};
use ownkey_storage::probe::Opener;
use ownkey_storage::s3::{
    InstanceMetadata, LockMode, ObjectLock, S3Credentials, S3Options, S3Place, S3Storage, Search,
};
use ownkey_storage::{
    CreateIfAbsent, Credentials, Limit, Pace, Prompts, Rates, RcloneOptions, RcloneRemote,
    RestStorage, RetentionSupport, SftpOptions, SftpPlace, SftpStorage, Site, Storage,
    StorageError, VersionSupport, WebdavStorage,
};

use super::web::{CONNECTIONS, Web};
use crate::args;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::location::{RcloneUrl, RepositoryUrl, S3Url, SftpUrl, WebUrl, unencrypted};
use crate::options::{Keeper, LockWish, StorageOptions};
use crate::remembered::Facts;
use crate::secrets::{Kind, REST_PASSWORD, WEBDAV_PASSWORD};

/// The way to a service, checked as far as that costs no request.
pub(super) struct Way {
    target: Target,
    known: Option<Facts>,
    rates: Rates,
    /// Whether the folder of a new repository is made where the service needs one.
    folder: NewFolder,
}

/// What becomes of a missing folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewFolder {
    /// It is an error.
    Missed,
    /// It is made.
    Made,
}

enum Target {
    S3(Bucket),
    Sftp(SftpPlace, SftpOptions),
    Webdav(Site, Web),
    Rest(Site, Web),
    Rclone(RcloneRemote, RcloneOptions),
}

impl Way {
    /// The way to `place`, of which `known` is remembered.
    pub(super) fn to(
        cx: &Context,
        place: &RepositoryUrl,
        known: Option<Facts>,
        folder: NewFolder,
    ) -> Result<Self, Failure> {
        let options = &cx.storage;
        let rates = rates(options);
        let target = match place {
            RepositoryUrl::Folder(path) => {
                return Err(Failure::usage(format!(
                    "{} is a folder of this machine and no service",
                    path.display()
                )));
            }
            RepositoryUrl::S3(url) => s3(cx, url, &rates)?,
            RepositoryUrl::Sftp(url) => sftp(options, url)?,
            RepositoryUrl::Webdav(url) => {
                let (site, web) = site(cx, url, ("webdav", WEBDAV_PASSWORD), &rates)?;
                Target::Webdav(site, web)
            }
            RepositoryUrl::Rest(url) => {
                let (site, web) = site(cx, url, ("rest", REST_PASSWORD), &rates)?;
                Target::Rest(site, web)
            }
            RepositoryUrl::Rclone(url) => rclone(options, url)?,
        };
        Ok(Self {
            target,
            known,
            rates,
            folder,
        })
    }

    /// The same without locking what is stored: trials are to be cleared away.
    pub(super) fn unlocked(mut self) -> Self {
        if let Target::S3(bucket) = &mut self.target {
            bucket.lock = None;
        }
        self
    }

    /// The same, knowing what the service says of itself.
    pub(super) async fn known_by_its_word(mut self) -> Result<Self, StorageError> {
        if let Target::S3(bucket) = &self.target {
            let asked = bucket.open(CreateIfAbsent::Checked, None)?;
            let told = asked.discover().await?;
            self.known = Some(Facts {
                versions: told.versions == Some(VersionSupport::Kept),
                locks: told.retention == Some(RetentionSupport::Kept),
                ..Facts::NOTHING
            });
        }
        Ok(self)
    }

    /// Opens it with what is known of it.
    pub(super) async fn storage(&self) -> Result<Arc<dyn Storage>, StorageError> {
        let create = match self.known {
            Some(facts) if facts.exclusive_creation => CreateIfAbsent::Atomic,
            _ => CreateIfAbsent::Checked,
        };
        self.open(create).await
    }
}

#[async_trait]
impl Opener for Way {
    async fn open(&self, create: CreateIfAbsent) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(match &self.target {
            Target::S3(bucket) => Arc::new(bucket.open(create, self.known)?),
            Target::Webdav(site, web) => {
                Arc::new(WebdavStorage::new(site.clone(), create, web.client()?))
            }
            Target::Rest(site, web) => {
                Arc::new(RestStorage::new(site.clone(), create, web.client()?))
            }
            Target::Rclone(remote, options) => {
                let storage = RestStorage::through_rclone(remote, options, create).await?;
                slowed(Arc::new(storage), self.rates.clone())
            }
            Target::Sftp(place, options) => {
                let options = SftpOptions {
                    create_if_absent: create,
                    ..options.clone()
                };
                let storage = match self.folder {
                    NewFolder::Missed => SftpStorage::open(place.clone(), options).await?,
                    NewFolder::Made => SftpStorage::create_root(place.clone(), options).await?,
                };
                slowed(Arc::new(storage), self.rates.clone())
            }
        })
    }
}

/// A bucket, and what was said about it.
struct Bucket {
    place: S3Place,
    credentials: S3Credentials,
    class: Option<String>,
    lock: Option<LockWish>,
    web: Web,
}

impl Bucket {
    fn open(
        &self,
        create: CreateIfAbsent,
        known: Option<Facts>,
    ) -> Result<S3Storage, StorageError> {
        let mut options = S3Options::unprobed(Arc::new(SystemTime::now));
        options.capabilities.create_if_absent = create;
        if known.is_some_and(|facts| facts.versions) {
            options.capabilities.versions = VersionSupport::Kept;
        }
        if known.is_some_and(|facts| facts.locks) {
            options.capabilities.retention = RetentionSupport::Kept;
        }
        options.storage_class.clone_from(&self.class);
        if let Some(lock) = self.lock {
            options.lock = locking(lock);
        }
        Ok(S3Storage::new(
            self.place.clone(),
            self.credentials.clone(),
            options,
            self.web.client()?,
        ))
    }
}

fn s3(cx: &Context, url: &S3Url, rates: &Rates) -> Result<Target, Failure> {
    let options = &cx.storage;
    let place = url.place(cleartext(options))?;
    let server = url.server()?;
    let credentials = match cx.storage_key.get() {
        Some(key) => S3Credentials::Keys {
            access_key: key.id.clone(),
            secret_key: key.secret.to_string(),
            session_token: None,
        },
        None => searched(options),
    };
    Ok(Target::S3(Bucket {
        place,
        credentials,
        class: options.s3_storage_class.clone(),
        lock: options.object_lock,
        web: Web::to(options, &server, rates)?,
    }))
}

/// Wherever Amazon's own tools look.
fn searched(options: &StorageOptions) -> S3Credentials {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"));
    let search = Search {
        variables: variables.collect(),
        home: std::env::home_dir(),
        profile: None,
        instance: match options.s3_instance_credentials {
            true => InstanceMetadata::Asked,
            false => InstanceMetadata::Ignored,
        },
    };
    S3Credentials::Search(Box::new(search))
}

/// How fast bytes may move.
pub(super) fn rates(options: &StorageOptions) -> Rates {
    Rates {
        upload: options.limit_upload.map(|rate| Pace::new(rate.0)),
        download: options.limit_download.map(|rate| Pace::new(rate.0)),
    }
}

/// A storage whose transfers cannot be slowed down from within.
pub(super) fn slowed(storage: Arc<dyn Storage>, rates: Rates) -> Arc<dyn Storage> {
    match rates.upload.is_some() || rates.download.is_some() {
        true => Arc::new(Limit::new(storage, rates)),
        false => storage,
    }
}

fn locking(wish: LockWish) -> ObjectLock {
    ObjectLock {
        mode: match wish.keeper {
            Keeper::Nobody => LockMode::Compliance,
            Keeper::Privileged => LockMode::Governance,
        },
        period: Some(lock_period(wish.period)),
    }
}

fn sftp(options: &StorageOptions, url: &SftpUrl) -> Result<Target, Failure> {
    let place = SftpPlace::new(url.user.as_deref(), &url.host, url.port, &url.remote_path());
    let place = place.map_err(|error| senseless(&error))?;
    let mut how = SftpOptions {
        prompts: match std::io::stdin().is_terminal() {
            true => Prompts::Allowed,
            false => Prompts::Refused,
        },
        ..SftpOptions::default()
    };
    if let Some(command) = &options.sftp_command {
        // A shell takes quotes apart as its user means them; what we add stands behind.
        let line = format!("exec {command} \"$@\"");
        how.command = ["/bin/sh", "-c", &line, "ssh"].map(OsString::from).to_vec();
    }
    Ok(Target::Sftp(place, how))
}

fn rclone(options: &StorageOptions, url: &RcloneUrl) -> Result<Target, Failure> {
    let remote = RcloneRemote::new(&url.target()).map_err(|error| senseless(&error))?;
    let usual = RcloneOptions::default();
    let how = RcloneOptions {
        program: options.rclone_program.clone().unwrap_or(usual.program),
        connections: options.connections.map_or(CONNECTIONS, usize::from),
        ..usual
    };
    Ok(Target::Rclone(remote, how))
}

/// A folder of a server, and whoever asks for it.
fn site(
    cx: &Context,
    url: &WebUrl,
    (protocol, kind): (&str, Kind),
    rates: &Rates,
) -> Result<(Site, Web), Failure> {
    let address = url.address();
    let endpoint = Endpoint::new(address.as_str(), cleartext(&cx.storage));
    let endpoint = endpoint.map_err(|error| unencrypted(&error))?;
    let variable = kind.variable.replace("_PASSWORD", "_USER");
    let told = args::environment()(&variable).and_then(|user| user.into_string().ok());
    let user = told.filter(|user| !user.is_empty()).or_else(|| url.user());
    let password = cx.secret(kind)?;
    let credentials = match (user, password) {
        (Some(user), Some(password)) => {
            let both = Credentials::basic(&user, &password);
            Some(both.map_err(|error| Failure::usage("the user cannot log in").caused_by(&error))?)
        }
        (None, None) => None,
        (Some(_), None) => {
            return Err(Failure::new(
                Class::WrongCredential,
                format!("there is a user for {url}, and no {}", kind.noun),
            )
            .hint(format!(
                "give it with {0}, {0}_FILE or {0}_COMMAND",
                kind.variable
            )));
        }
        (None, Some(_)) => {
            return Err(
                Failure::usage(format!("there is a {}, and no user", kind.noun))
                    .hint(format!("set {variable}, or write the user into the URL")),
            );
        }
    };
    let web = Web::to(&cx.storage, &address, rates)?;
    Ok((Site::new(protocol, &endpoint, credentials), web))
}

fn senseless(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::usage("the repository's URL makes no sense").caused_by(error)
}

fn cleartext(options: &StorageOptions) -> Cleartext {
    match options.insecure_http {
        true => Cleartext::Anywhere,
        false => Cleartext::OnLoopback,
    }
}
