//! `ownkey contact`: keeping a share for somebody, and helping them. Needs no repository.

use ownkey_engine::access::{Part, Person, contact_words};
use serde_json::json;

use crate::armor::Armored;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::PublicIdentity;
use crate::phrase;

/// What a recovery contact does.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ContactCommand {
    /// Make keys to keep shares with, and show the public code to send
    New,
    /// Help somebody whose share you keep, after talking to them
    Help(HelpArgs),
}

/// Whom to help.
#[derive(Debug, clap::Args)]
pub(crate) struct HelpArgs {
    /// The code that they show, or a file with it
    code: String,
    /// The file with the share they gave you
    share: String,
    /// The six words that they read to you, instead of being asked to compare them
    #[arg(long, value_name = "WORDS")]
    words: Option<String>,
}

/// Does it.
pub(crate) fn run(cx: &Context, command: &ContactCommand) -> Result<Class, Failure> {
    match command {
        ContactCommand::New => new(cx),
        ContactCommand::Help(args) => help(cx, args),
    }
}

fn new(cx: &Context) -> Result<Class, Failure> {
    let room = cx.engine()?;
    let person = Person::of(&room.environment, Part::Contact)?;
    let code = Armored::Contact.write(&person.public().to_bytes());
    let words = phrase::of(&contact_words(person.public()));
    cx.ui
        .json("contact", json!({ "code": code, "words": words }))?;
    cx.ui.line(&code)?;
    cx.ui.tell_person(
        "send this line to whom you want to help; it is no secret. Your secret half stays on this machine: back up its state \
         folder, or you cannot help any more",
    );
    cx.ui.tell_person(&format!(
        "over the telephone, read them these words: {words}"
    ));
    Ok(Class::Ok)
}

fn help(cx: &Context, args: &HelpArgs) -> Result<Class, Failure> {
    let code = Armored::Code.given(&args.code)?;
    let recovery = PublicIdentity::parse(&code)
        .map_err(|error| Failure::usage("that is no code of a recovery").caused_by(&error))?;
    let share = Armored::Share.given(&args.share)?;
    let room = cx.engine()?;
    // Keys that are made now open no share that was made before.
    let person = Person::find(&room.environment, Part::Contact)?.ok_or_else(no_keys)?;
    let kept = person.open_kept(&share)?;
    let words = phrase::of(&kept.words(&recovery));
    match &args.words {
        Some(told) if phrase::same(told, &words) => {}
        Some(_) => return Err(other_words()),
        None => {
            let Some(prompt) = cx.prompt() else {
                return Err(Failure::usage("the six words must be compared by somebody")
                    .hint("run this on a terminal, or give what they read to you with --words"));
            };
            let (need, all) = kept.numbers();
            prompt.show(&format!(
                "This helps {:?} to open a backup: {need} of {all} contacts are needed.\n\
                 Whoever gets the answer gets your part of the way in. Talk to them, by telephone or face to face, and have \
                 them read their six words to you. They must be:\n\n    {words}\n",
                kept.owner()
            ))?;
            if !prompt.agrees("Are you talking to them, and did they read exactly these?")? {
                return Err(other_words());
            }
        }
    }
    let answer = Armored::Answer.write(&person.help(&kept, &recovery)?);
    cx.ui.line(&answer)?;
    cx.ui
        .tell_person("send them this line; nobody else can use it");
    cx.ui.json("contact_answer", json!({ "answer": answer }))?;
    Ok(Class::Ok)
}

fn no_keys() -> Failure {
    Failure::new(
        Class::WrongCredential,
        "this machine has no keys of a contact, so it can open no share",
    )
    .hint("a share opens only where `ownkey contact new` was run, as the same user, or where that state folder was brought")
}

fn other_words() -> Failure {
    Failure::usage("the six words were not compared, or are not the same; no answer was made")
        .hint("somebody may be posing as them: call a number that you have known for long")
}
