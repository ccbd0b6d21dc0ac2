//! `ownkey recovery contacts`

use std::path::PathBuf;

use ownkey_engine::access::{Admin, Contact, contact_words};
use ownkey_engine::repository::Credential;
use serde_json::json;

use crate::armor::Armored;
use crate::context::{Context, host_name, user_name};
use crate::exit::Class;
use crate::failure::Failure;
use crate::gathering::{Gathering, GatheringArgs};
use crate::keys::{PublicIdentity, SlotKind};
use crate::kit::SecretFile;
use crate::phrase;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ways;

/// What to do with them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ContactsCommand {
    /// Choose who together can open the repository for you; replaces earlier ones
    Set(SetArgs),
    /// Rehearse with them: nothing is recovered
    Test(GatheringArgs),
}

/// Who, and how many of them are needed.
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// How many of them are needed
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(2..=16))]
    threshold: u8,
    /// Each one's name, and the file with the public code that `ownkey contact new` showed them
    #[arg(required = true, num_args = 2.., value_name = "NAME=FILE")]
    contacts: Vec<String>,
    /// The folder for the shares, one file for each contact
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// How your contacts know you
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

/// Does it.
pub(super) fn run(cx: &Context, command: &ContactsCommand) -> Result<Class, Failure> {
    match command {
        ContactsCommand::Set(args) => set(cx, args),
        ContactsCommand::Test(args) => test(cx, args),
    }
}

fn set(cx: &Context, args: &SetArgs) -> Result<Class, Failure> {
    let mut contacts = Vec::new();
    let mut files = Vec::new();
    for given in &args.contacts {
        let contact = read(given)?;
        let path = args.folder.join(format!("share-{}.txt", contact.name));
        files.push((path.clone(), SecretFile::create(&path)?));
        contacts.push(contact);
    }
    let owner = args
        .owner
        .clone()
        .unwrap_or_else(|| format!("{}@{}", user_name(), host_name()));
    let mut session = Session::open_as_owner(cx)?;
    let old = ways::of_kinds(&session.repository, &[SlotKind::Contacts])?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let mut admin = Admin::of(&mut session.repository, &monitor)?;
    let (_, given) = admin.set_contacts(args.threshold, &contacts, &owner)?;
    for ((_, file), given) in files.iter_mut().zip(&given) {
        file.fill(&format!("{}\n", Armored::Share.write(&given.share)))?;
    }
    for way in &old {
        admin.remove(&way.device)?;
    }
    if !old.is_empty() {
        admin.begin_epoch()?;
    }
    monitor.finish();
    cx.ui.line(&format!(
        "any {} of these {} can open the repository for you; fewer cannot, and neither can the storage:",
        args.threshold,
        contacts.len()
    ))?;
    for (contact, (path, _)) in contacts.iter().zip(&files) {
        let words = phrase::of(&contact_words(&contact.public));
        cx.ui.lines(&format!(
            "\n  {}: send {}\n    their words, to compare over the telephone: {words}",
            contact.name,
            path.display()
        ))?;
        cx.ui.json(
            "contact_share",
            json!({ "name": contact.name, "file": path.to_string_lossy(), "words": words }),
        )?;
    }
    cx.ui.remark(
        "a share is of no use to anybody but that contact; try it out together: ownkey recovery contacts test",
    )?;
    if !old.is_empty() {
        cx.ui.line(
            "the shares of earlier contacts open nothing that is written from now on. Together they still open what was \
             written before, wherever a copy of the storage as it was is left.",
        )?;
    }
    Ok(Class::Ok)
}

fn read(given: &str) -> Result<Contact, Failure> {
    let Some((name, code)) = given.split_once('=') else {
        return Err(Failure::usage(format!("{given:?} names no file"))
            .hint("write each contact as NAME=FILE, with the public code in the file"));
    };
    let fits = |c: char| c.is_alphanumeric() || " -_.".contains(c);
    if name.is_empty() || name.len() > 40 || !name.chars().all(fits) || name.starts_with('.') {
        return Err(
            Failure::usage(format!("{name:?} cannot be a contact's name"))
                .hint("letters, digits, spaces, hyphens: it becomes the name of a file"),
        );
    }
    let code = Armored::Contact.given(code)?;
    let public = PublicIdentity::parse(&code).map_err(|error| {
        Failure::usage(format!("the public code of {name} is damaged")).caused_by(&error)
    })?;
    Ok(Contact {
        name: name.to_owned(),
        public,
    })
}

fn test(cx: &Context, args: &GatheringArgs) -> Result<Class, Failure> {
    let place = cx.place()?;
    let gathering = Gathering::begin(cx, &place)?;
    let secret = gathering.collect(cx, args)?;
    let session = Session::open_with(cx, Credential::Contacts(&secret))?;
    gathering.end()?;
    let snapshots = session.repository.snapshots().len();
    cx.ui.line(&format!(
        "it works: these contacts open {} with its {snapshots} snapshots; nothing was recovered",
        session.place
    ))?;
    cx.ui
        .json("contacts_tested", json!({ "snapshots": snapshots }))?;
    Ok(Class::Ok)
}
