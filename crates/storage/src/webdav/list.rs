//! Listing: folder by folder, in the order of the names, because few services list at any depth.
//!
//! Promise: complete and sorted by the bytes of the names, or an error; nothing but files whose names are
//! names of objects. One request for each folder on the way, whatever the page's limit.

use super::service::{Child, Found, Service};
use crate::error::StorageError;
use crate::name::{ObjectName, Prefix};
use crate::object::{ObjectMeta, Page};

/// What a walk still has before it.
enum Step {
    /// A folder to look into; empty, or ending in `/`.
    Folder(String),
    Object(ObjectMeta),
}

impl Step {
    /// Names beneath a folder come with a `/`, which is greater than `-` and smaller than every letter and
    /// digit.
    fn order(&self) -> &str {
        match self {
            Self::Folder(path) => path,
            Self::Object(object) => object.name.as_str(),
        }
    }
}

/// One page of the objects under a prefix, after a name.
pub(super) async fn page(
    service: &Service<'_>,
    prefix: &Prefix,
    after: Option<&ObjectName>,
    limit: usize,
) -> Result<Page, StorageError> {
    let mut page = Page::default();
    // The next step is the last one.
    let mut steps = first_steps(service, prefix).await?;
    while let Some(step) = steps.pop() {
        match step {
            Step::Object(object) if after.is_none_or(|after| object.name > *after) => {
                if page.objects.len() == limit {
                    page.more = true;
                    break;
                }
                page.objects.push(object);
            }
            Step::Folder(path) if !is_passed(&path, after) => {
                let children = service.children(&path).await?;
                let mut found: Vec<Step> = children
                    .iter()
                    .filter_map(|child| step_to(&path, child))
                    .collect();
                found.sort_by(|a, b| b.order().cmp(a.order()));
                found.dedup_by(|a, b| a.order() == b.order());
                steps.append(&mut found);
            }
            _ => {}
        }
    }
    Ok(page)
}

/// A folder to walk, or the one object that the prefix is about.
async fn first_steps(service: &Service<'_>, prefix: &Prefix) -> Result<Vec<Step>, StorageError> {
    let path = prefix.as_str();
    if path.is_empty() || path.ends_with('/') {
        return Ok(vec![Step::Folder(path.to_owned())]);
    }
    let found = service.look(path).await?;
    let child = Child {
        name: path.to_owned(),
        found,
    };
    let object = step_to("", &child).filter(|step| matches!(step, Step::Object(_)));
    Ok(object.into_iter().collect())
}

/// Whether all names beneath a folder come before the page.
fn is_passed(folder: &str, after: Option<&ObjectName>) -> bool {
    after.is_some_and(|after| after.as_str() > folder && !after.as_str().starts_with(folder))
}

/// What is not a name of an object, staging above all, is not ours.
fn step_to(folder: &str, child: &Child) -> Option<Step> {
    let name = ObjectName::new(format!("{folder}{}", child.name)).ok()?;
    match child.found {
        Found::Nothing => None,
        Found::Folder => Some(Step::Folder(format!("{name}/"))),
        Found::File { size, modified } => Some(Step::Object(ObjectMeta {
            name,
            size,
            modified,
            version: None,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_before_the_page_are_not_looked_into() {
        let after = ObjectName::new("data/3f/x").expect("a name");
        for (folder, passed) in [
            ("", false),
            ("data/", false),
            ("data/3f/", false),
            ("data/3e/", true),
            ("data/40/", false),
            ("data-x/", true),
            ("log/", false),
        ] {
            assert_eq!(is_passed(folder, Some(&after)), passed, "{folder}");
            assert!(!is_passed(folder, None));
        }
    }

    #[test]
    fn only_names_of_objects_become_steps() {
        let child = |name: &str, found| Child {
            name: name.to_owned(),
            found,
        };
        let file = Found::File {
            size: 1,
            modified: None,
        };
        for name in [".staging", "A", "a b", "", "..", "a/../b"] {
            assert!(step_to("data/", &child(name, file)).is_none(), "{name}");
            assert!(step_to("", &child(name, Found::Folder)).is_none(), "{name}");
        }
        let mut steps = [
            step_to("", &child("a", Found::Folder)).expect("a folder"),
            step_to("", &child("a-b", file)).expect("an object"),
            step_to("", &child("a0", file)).expect("an object"),
        ];
        steps.sort_by(|a, b| a.order().cmp(b.order()));
        let order: Vec<_> = steps.iter().map(Step::order).collect();
        assert_eq!(order, ["a-b", "a/", "a0"]);
    }
}
