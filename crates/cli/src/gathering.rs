//! Collecting the answers of recovery contacts.
//!
//! The keys that the answers are sealed to stay in the state folder until the answers have opened something: contacts
//! take their time, and the machine may be switched off meanwhile.

use ownkey_engine::access::{Part, Person};
use ownkey_engine::repository::announced;
use ownkey_engine::{Error, Result as EngineResult};
use serde_json::json;

use crate::armor::Armored;
use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{ContactsSecret, RepoId, Share};
use crate::location::RepositoryUrl;
use crate::opening::{self, Purpose};
use crate::phrase;
use crate::prompt::Prompt;

/// What the contacts have answered.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct GatheringArgs {
    /// A contact's answer, or a file with it; may be given several times
    #[arg(long, value_name = "ANSWER")]
    pub(crate) answer: Vec<String>,
}

/// A recovery by contacts on its way.
pub(crate) struct Gathering {
    person: Person,
    repo: RepoId,
}

impl Gathering {
    /// Takes up the one that is on its way, or begins one.
    pub(crate) fn begin(cx: &Context, place: &RepositoryUrl) -> Result<Self, Failure> {
        let room = cx.engine()?;
        let storage = opening::open(cx, &room, place, Purpose::Use)?;
        Ok(Self {
            repo: announced(&room.environment, &storage)?,
            person: Person::of(&room.environment, Part::Recovery)?,
        })
    }

    /// Joins the answers; those that are missing are asked for, if somebody is there.
    pub(crate) fn collect(
        &self,
        cx: &Context,
        args: &GatheringArgs,
    ) -> Result<ContactsSecret, Failure> {
        let mut shares = Vec::new();
        for answer in &args.answer {
            shares.push(self.read(&Armored::Answer.given(answer)?)?);
        }
        let joined = ContactsSecret::join(&shares);
        match (joined, cx.prompt()) {
            (Ok(secret), _) => Ok(secret),
            (Err(error), prompt) if !shares.is_empty() && prompt.is_none() => {
                Err(Error::from(error).into())
            }
            (Err(_), prompt) => {
                self.show_code(cx)?;
                match prompt {
                    Some(prompt) => self.ask(&prompt, shares),
                    None => Err(Failure::usage("no contact has answered yet").hint(
                        "send the code above to them, and give each answer with --answer FILE",
                    )),
                }
            }
        }
    }

    fn read(&self, answer: &[u8]) -> EngineResult<Share> {
        self.person.accept(answer, &self.repo)
    }

    fn show_code(&self, cx: &Context) -> Result<(), Failure> {
        let code = Armored::Code.write(&self.person.public().to_bytes());
        let words = phrase::of(&self.person.public().words(&self.repo));
        cx.ui
            .json("recovery_code", json!({ "code": code, "words": words }))?;
        cx.ui.lines(&format!(
            "Send this line to your contacts:\n\n{code}\n\nCall each of them and read these six words to them:\n\n    {words}\n\n\
             Each types: ownkey contact help CODE SHARE, and sends you the line that comes out.\n"
        ))?;
        cx.ui.flush()
    }

    /// Answer by answer, until they suffice. What is wrong is said at once and asked for again.
    fn ask(&self, prompt: &Prompt<'_>, mut shares: Vec<Share>) -> Result<ContactsSecret, Failure> {
        loop {
            let question = format!("answer {} (paste the line): ", shares.len() + 1);
            let typed = prompt.ask(&question)?;
            let read = Armored::Answer
                .read(&typed)
                .and_then(|answer| Ok(self.read(&answer)?));
            match read {
                Ok(share) => shares.push(share),
                Err(failure) => {
                    prompt.show(&failure.message)?;
                    continue;
                }
            }
            match ContactsSecret::join(&shares) {
                Ok(secret) => return Ok(secret),
                Err(error) => {
                    prompt.show(&error.to_string())?;
                    if !error.is_too_few() {
                        shares.pop();
                    }
                }
            }
        }
    }

    /// It has opened the repository: the keys are of no use any more.
    pub(crate) fn end(self) -> Result<(), Failure> {
        Ok(self.person.forget()?)
    }
}
