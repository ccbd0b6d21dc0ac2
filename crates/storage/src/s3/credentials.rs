//! Whose requests these are.
//!
//! Promise: secrets appear in no message and no debugging output. Nothing of the process is read
//! here: variables and the user's folder are passed in. The search itself, and the renewal of
//! credentials that expire, are the `reqsign` library's.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;

use bytes::Bytes;
use reqsign_aws_v4::{
    Credential, DefaultCredentialProvider, IMDSv2CredentialProvider, RequestSigner,
    StaticCredentialProvider,
};
use reqsign_core::{CommandExecute, CommandOutput, Context, Error, FileRead, HttpSend, Signer};
use reqsign_core::{Result as Signed, StaticEnv};

use crate::http::HttpClient;

/// Where credentials come from.
#[derive(Clone)]
pub enum S3Credentials {
    /// A pair of keys that somebody typed in.
    Keys {
        /// The public half.
        access_key: String,
        /// The secret half.
        secret_key: String,
        /// What comes with a pair that expires.
        session_token: Option<String>,
    },
    /// Wherever Amazon's own tools look.
    Search(Box<Search>),
}

/// Where to look for credentials, in this order: variables, shared profiles, single sign-on, web
/// identity, a profile's process, containers, and only if asked the machine's metadata service.
#[derive(Clone, Default)]
pub struct Search {
    /// The environment's variables.
    pub variables: HashMap<String, String>,
    /// The folder of the user, in which `.aws` may be.
    pub home: Option<PathBuf>,
    /// The profile to use instead of the one that `AWS_PROFILE` names.
    pub profile: Option<String>,
    /// Whether to ask the machine's metadata service.
    pub instance: InstanceMetadata,
}

/// Whether the metadata service of a rented machine is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InstanceMetadata {
    /// Not: elsewhere nobody answers at its address, and asking takes a minute.
    #[default]
    Ignored,
    /// Last of all.
    Asked,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Keys { .. } => "a pair of keys",
            Self::Search(_) => "a search for keys",
        })
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a search for keys")
    }
}

const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

impl S3Credentials {
    /// What signs requests to a region with these.
    pub(super) fn signer(self, region: &str, http: HttpClient) -> Signer<Credential> {
        let context = Context::new()
            .with_http_send(Web(http))
            .with_file_read(Files)
            .with_command_execute(Commands);
        let signer = RequestSigner::new("s3", region);
        match self {
            Self::Keys {
                access_key,
                secret_key,
                session_token,
            } => {
                let keys = StaticCredentialProvider::new(&access_key, &secret_key);
                let keys = match session_token {
                    Some(token) => keys.with_session_token(&token),
                    None => keys,
                };
                Signer::new(context, keys, signer)
            }
            Self::Search(search) => {
                let context = context.with_env(StaticEnv {
                    home_dir: search.home.clone(),
                    envs: search.variables.clone(),
                });
                Signer::new(context, search.chain(), signer)
            }
        }
    }

    /// Where somebody whose request could not be signed should look.
    pub(super) fn hint(&self) -> String {
        let Self::Search(search) = self else {
            return "the keys given cannot sign a request".to_owned();
        };
        let has = |name: &str| {
            search
                .variables
                .get(name)
                .is_some_and(|value| !value.is_empty())
        };
        match (has(ACCESS_KEY), has(SECRET_KEY)) {
            (true, false) => format!("{ACCESS_KEY} is set and {SECRET_KEY} is not"),
            (false, true) => format!("{SECRET_KEY} is set and {ACCESS_KEY} is not"),
            _ => search.places(),
        }
    }
}

impl Search {
    fn chain(&self) -> DefaultCredentialProvider {
        let chain = DefaultCredentialProvider::builder();
        let chain = match self.instance {
            InstanceMetadata::Ignored => chain.no_imds(),
            InstanceMetadata::Asked => chain.imds(IMDSv2CredentialProvider::default()),
        };
        match &self.profile {
            // Who names a profile means it, whatever the variables hold.
            Some(profile) => chain.no_env().with_profile(profile),
            None => chain,
        }
        .build()
    }

    fn places(&self) -> String {
        let instance = match self.instance {
            InstanceMetadata::Ignored => "",
            InstanceMetadata::Asked => ", the machine's metadata service",
        };
        match &self.profile {
            Some(profile) => format!(
                "no usable credentials: looked for the profile {} in ~/.aws/credentials and \
                 ~/.aws/config{instance}",
                profile.escape_debug()
            ),
            None => format!(
                "no usable credentials: looked at {ACCESS_KEY} and {SECRET_KEY}, \
                 ~/.aws/credentials, ~/.aws/config (also single sign-on, web identity, \
                 credential_process), a container's credentials{instance}"
            ),
        }
    }
}

/// More than any answer that holds credentials.
const MAX_ANSWER: u64 = 1 << 20;
/// More than any file that holds credentials.
const MAX_FILE: u64 = 1 << 20;

/// Answers of services that give credentials.
#[derive(Debug)]
struct Web(HttpClient);

impl HttpSend for Web {
    async fn http_send(&self, request: http::Request<Bytes>) -> Signed<http::Response<Bytes>> {
        let answer = self.0.exchange(request, MAX_ANSWER).await;
        let answer = answer.map_err(|failure| Error::unexpected(failure.to_string()))?;
        let mut response = http::Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

/// Files of the user's, bounded.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> Signed<Vec<u8>> {
        use std::io::Read as _;
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(path)?;
            file.take(MAX_FILE).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        });
        let read = read.await.map_err(|_| Error::unexpected("no reader"))?;
        read.map_err(|error| {
            Error::unexpected("cannot read a file of credentials").with_source(error)
        })
    }
}

/// The command that a profile names for its credentials.
#[derive(Debug)]
struct Commands;

impl CommandExecute for Commands {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> Signed<CommandOutput> {
        let output = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| {
                Error::unexpected("cannot run credential_process").with_source(error)
            })?;
        Ok(CommandOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(variables: &[(&str, &str)]) -> S3Credentials {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        S3Credentials::Search(Box::new(Search {
            variables: variables.collect(),
            ..Search::default()
        }))
    }

    #[test]
    fn secrets_are_in_no_debugging_output() {
        let keys = S3Credentials::Keys {
            access_key: "sesame".to_owned(),
            secret_key: "sesame".to_owned(),
            session_token: Some("sesame".to_owned()),
        };
        for credentials in [keys, search(&[(SECRET_KEY, "sesame")])] {
            assert!(!format!("{credentials:?}").contains("sesame"));
            assert!(!credentials.hint().contains("sesame"));
        }
    }

    #[test]
    fn half_a_pair_of_keys_is_named() {
        let hint = search(&[(ACCESS_KEY, "a")]).hint();
        assert_eq!(
            hint,
            "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"
        );
        assert!(search(&[]).hint().contains("~/.aws/credentials"));
    }
}
