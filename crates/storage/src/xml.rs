//! Small XML documents from hostile services, as a tree of elements.
//!
//! Promise: an answer that is no well-formed document, is too deep or has too many elements is an
//! error, never a part of a listing; the tree takes little more memory than the text. Namespaces
//! are dropped, attributes and comments ignored, document types refused.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use thiserror::Error;

/// Deeper than any answer of S3 or WebDAV.
const MAX_DEPTH: usize = 16;
/// A page of a thousand entries with forty fields each.
const MAX_ELEMENTS: usize = 40_000;

/// Why a text is no document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum XmlError {
    /// Not text at all.
    #[error("the answer is not UTF-8")]
    Encoding,
    /// Cut off, or never well-formed.
    #[error("the answer is no well-formed XML")]
    Malformed,
    /// A document type, too deep, or too many elements.
    #[error("the answer is XML of a shape that no service needs")]
    Excessive,
}

/// An element: what it is called, the text directly in it, the elements in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// Reads a whole document.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, XmlError> {
        Self::parse_within(document, MAX_ELEMENTS)
    }

    /// Reads a whole document of at most so many elements.
    pub(crate) fn parse_within(document: &[u8], most: usize) -> Result<Self, XmlError> {
        let text = str::from_utf8(document).map_err(|_| XmlError::Encoding)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut open: Vec<Self> = vec![Self::default()];
        let mut elements = 0;
        loop {
            match reader.read_event().map_err(|_| XmlError::Malformed)? {
                Event::Start(start) => {
                    elements += 1;
                    if elements > most || open.len() > MAX_DEPTH {
                        return Err(XmlError::Excessive);
                    }
                    open.push(Self::named(&start));
                }
                // The reader has compared the names of the two ends.
                Event::End(_) => close(&mut open)?,
                Event::Text(part) => top(&mut open)?.text.push_str(&part.xml10_content()),
                Event::CData(part) => top(&mut open)?.text.push_str(&part.xml10_content()),
                Event::GeneralRef(entity) => resolve(&entity, &mut top(&mut open)?.text)?,
                Event::DocType(_) => return Err(XmlError::Excessive),
                Event::Eof => return root(open),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn named(start: &BytesStart<'_>) -> Self {
        Self {
            name: start.local_name().into_inner().to_owned(),
            ..Self::default()
        }
    }

    /// What it is called, without a namespace.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The text directly in it, without space around it.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The elements in it, in order.
    pub(crate) fn children(&self) -> &[Self] {
        &self.children
    }

    /// The elements of a name in it.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element of a name in it.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first element of a name in it.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text)
    }
}

fn top(open: &mut [Element]) -> Result<&mut Element, XmlError> {
    open.last_mut().ok_or(XmlError::Malformed)
}

fn close(open: &mut Vec<Element>) -> Result<(), XmlError> {
    let closed = open.pop().ok_or(XmlError::Malformed)?;
    top(open)?.children.push(closed);
    Ok(())
}

/// The one element that remains when everything is closed.
fn root(mut open: Vec<Element>) -> Result<Element, XmlError> {
    let mut document = open.pop().ok_or(XmlError::Malformed)?;
    let root = document.children.pop().ok_or(XmlError::Malformed)?;
    let alone = document.children.is_empty() && document.text.trim().is_empty();
    if open.is_empty() && alone {
        Ok(root)
    } else {
        Err(XmlError::Malformed)
    }
}

fn resolve(entity: &BytesRef<'_>, text: &mut String) -> Result<(), XmlError> {
    let character = entity.resolve_char_ref().map_err(|_| XmlError::Malformed)?;
    if let Some(character) = character {
        text.push(character);
        return Ok(());
    }
    let known = resolve_predefined_entity(&entity.xml10_content()).ok_or(XmlError::Malformed)?;
    text.push_str(known);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_texts_and_entities_are_read() {
        let root = Element::parse(
            b"<?xml version=\"1.0\"?>\n<D:a xmlns:D=\"DAV:\"><b> x &amp; &#x79;<![CDATA[<z>]]></b><b/><c>1</c></D:a>\n",
        )
        .expect("a document");
        assert_eq!(root.name(), "a");
        let texts: Vec<_> = root.all("b").map(Element::text).collect();
        assert_eq!(texts, ["x & y<z>", ""]);
        assert_eq!(root.text_of("c"), Some("1"));
        assert_eq!(root.text_of("d"), None);
        assert_eq!(root.children().len(), 3);
    }

    #[test]
    fn whatever_is_cut_off_or_wild_is_an_error() {
        let whole = b"<a><b>1</b><c/></a>";
        for end in 0..whole.len() {
            assert!(Element::parse(&whole[..end]).is_err(), "cut at {end}");
        }
        for text in [
            "<a></b>",
            "<a/><b/>",
            "text",
            "<a>&unknown;</a>",
            "<a>&#0;</a>",
            "</a>",
        ] {
            assert_eq!(
                Element::parse(text.as_bytes()).expect_err(text),
                XmlError::Malformed
            );
        }
        assert_eq!(
            Element::parse(b"<a>\xff</a>").expect_err("bytes"),
            XmlError::Encoding
        );
    }

    #[test]
    fn trees_are_bounded_in_depth_and_number() {
        let deep = "<a>".repeat(MAX_DEPTH + 1) + &"</a>".repeat(MAX_DEPTH + 1);
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        let typed = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
        for text in [deep.as_str(), &wide, typed] {
            assert_eq!(
                Element::parse(text.as_bytes()).expect_err("refused"),
                XmlError::Excessive
            );
        }
    }
}
